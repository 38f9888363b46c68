//! A backup is read back.

use super::{BackupError, Head, Mark};
use crate::data::DataDir;
use crate::store::{Filling, Store, TableShape};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Rows that are written at once.
const AT_ONCE: usize = 200;
/// Longest line: facts of 16 MiB in base64, with room.
const MAX_LINE: u64 = 64 << 20;

/// What was restored.
pub struct Restored {
    pub head: Head,
    pub rows: u64,
    /// Files of the data directory: keys and configuration, if the backup has them.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Lines of a backup, hashed as they are read.
struct Lines {
    from: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    hash: Context,
    line: Vec<u8>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, BackupError> {
        let place = |source| BackupError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(place)?;
        let decoder = zstd::Decoder::new(file).map_err(place)?;
        Ok(Self { from: BufReader::new(decoder), hash: Context::new(&SHA256), line: vec![] })
    }

    /// The next line; it counts in the hash once it is followed by another.
    fn next(&mut self) -> Result<&[u8], BackupError> {
        self.hash.update(&self.line);
        self.line.clear();
        let read = (&mut self.from).take(MAX_LINE).read_until(b'\n', &mut self.line);
        read.map_err(|error| damaged(error.to_string()))?;
        if self.line.last() != Some(&b'\n') {
            return Err(damaged("it ends too early"));
        }
        Ok(&self.line)
    }
}

/// Fills the empty `store` with the backup in `path`. Either all of it is there afterwards, or
/// nothing is.
pub async fn restore(path: &Path, store: &Store) -> Result<Restored, BackupError> {
    let mut lines = Lines::open(path)?;
    let head: Head = serde_json::from_slice(lines.next()?)
        .map_err(|_| damaged("its first line is not that of a backup"))?;
    let own = store.migration().await?;
    if head.evidenced_backup != 1 || head.migration != own {
        let (theirs, their_migration) = (head.program, head.migration);
        return Err(BackupError::Version { theirs, their_migration, own });
    }
    let mut filling = store.fill().await?.ok_or(BackupError::NotEmpty)?;
    let filled = fill(&mut lines, &mut filling).await;
    let (rows, files) = match filled {
        Ok(filled) => filled,
        Err(error) => {
            // Dropped, the transaction leaves nothing.
            drop(filling);
            store.filled().await?;
            return Err(error);
        }
    };
    filling.commit().await?;
    store.filled().await?;
    Ok(Restored { head, rows, files })
}

type Files = Vec<(String, Vec<u8>)>;

async fn fill(lines: &mut Lines, filling: &mut Filling) -> Result<(u64, Files), BackupError> {
    let own: HashMap<_, _> =
        filling.shapes().await?.into_iter().map(|shape| (shape.table.clone(), shape)).collect();
    let (mut rows, mut files) = (0, vec![]);
    let mut page: Vec<Vec<Value>> = vec![];
    let mut table: Option<TableShape> = None;
    loop {
        let line = lines.next()?;
        if line.starts_with(b"[") {
            page.push(serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?);
            rows += 1;
            if page.len() < AT_ONCE {
                continue;
            }
        }
        let mark = if page.len() >= AT_ONCE && line.starts_with(b"[") {
            None
        } else {
            let mark: Mark =
                serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?;
            Some(mark)
        };
        if !page.is_empty() {
            let table = table.as_ref().ok_or_else(|| damaged("a row of no table"))?;
            filling.write(table, &page).await?;
            page.clear();
        }
        match mark {
            None => {}
            Some(Mark::Table(shape)) => {
                // Names of tables and columns go into statements: only those that are here.
                let known = own.get(&shape.table);
                let same = known.is_some_and(|known| *known == shape);
                if !same {
                    return Err(damaged(format!("table {} is not one of ours", shape.table)));
                }
                table = Some(shape);
            }
            Some(Mark::File { name, base64 }) => {
                if !DataDir::is_secret(&name) {
                    return Err(damaged(format!("a file named {name:?}")));
                }
                let bytes = STANDARD.decode(base64).map_err(|_| damaged("a file in it"))?;
                files.push((name, bytes));
            }
            Some(Mark::End { rows: said, sha256 }) => {
                let found = hex::encode(lines.hash.clone().finish());
                if said != rows || found != sha256 {
                    return Err(damaged("its contents are not those that were written"));
                }
                return Ok((rows, files));
            }
        }
    }
}

fn damaged(why: impl Into<String>) -> BackupError {
    BackupError::Damaged(why.into())
}
