//! Backups: everything that is kept, as one file that every backend restores.
//!
//! The file is a zstd stream of JSON lines: a head; for each table a line with its columns, then a
//! line for each row; with keys also the files of the data directory; at the end a line with the
//! number of rows and the SHA-256 of all lines before it. The hash tells a file that was cut or
//! damaged; that the evidence in it is what hosts signed is for `log verify` to say.

mod read;

pub use read::restore;

use crate::clock;
use crate::data::{DataDir, DataError};
use crate::store::{Store, StoreError, TableShape};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Quick, and evidence is compressed already.
const LEVEL: i32 = 3;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Version of this form: 1.
    pub evidenced_backup: u32,
    pub program: String,
    /// The newest migration of the tables.
    pub migration: i64,
    pub made_us: i64,
}

/// A line that is no row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mark {
    Table(TableShape),
    File { name: String, base64: String },
    End { rows: u64, sha256: String },
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// Not a backup, or one that was cut or damaged: nothing of it was restored.
    #[error("the backup cannot be used: {0}")]
    Damaged(String),
    /// Tables of another version.
    #[error(
        "the backup is of {theirs} (tables of migration {their_migration}), this program has {own}: \
         restore with that version, then go on with this one"
    )]
    Version { theirs: String, their_migration: i64, own: i64 },
    #[error("the store holds something already: restore into an empty one")]
    NotEmpty,
}

/// Lines, hashed as they are written.
struct Lines<W: Write> {
    to: W,
    hash: Context,
}

impl<W: Write> Lines<W> {
    fn put(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.hash.update(&bytes);
        self.to.write_all(&bytes)
    }
}

/// Writes everything as it is at this moment to `output`, which must not exist; `keys` adds the
/// private keys and the configuration. The file is there whole or not at all.
pub async fn backup(
    data: &DataDir,
    store: &Store,
    keys: bool,
    output: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Written, BackupError> {
    let place = |source| BackupError::Io { path: output.to_owned(), source };
    if output.exists() {
        return Err(place(io::ErrorKind::AlreadyExists.into()));
    }
    let part = PathBuf::from(format!("{}.part", output.display()));
    // Without keys it is evidence all the same: nobody else's to read. What is left of an attempt,
    // or was laid there by somebody, has an owner and a mode of its own.
    let _ = fs::remove_file(&part);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
    let written = write(data, store, keys, file.map_err(place)?, &mut progress).await;
    let rows = match written {
        Ok((rows, file)) => {
            file.sync_all().map_err(place)?;
            rows
        }
        Err(error) => {
            // What is left of an attempt is of no use.
            let _ = fs::remove_file(&part);
            return Err(error);
        }
    };
    fs::rename(&part, output).map_err(place)?;
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = fs::File::open(parent.unwrap_or(Path::new(".")));
    parent.and_then(|directory| directory.sync_all()).map_err(place)?;
    let bytes = fs::metadata(output).map_err(place)?.len();
    Ok(Written { rows, bytes })
}

async fn write(
    data: &DataDir,
    store: &Store,
    keys: bool,
    file: File,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(u64, File), BackupError> {
    let io = |source| BackupError::Io { path: PathBuf::from("the backup"), source };
    let encoder = zstd::Encoder::new(BufWriter::new(file), LEVEL).map_err(io)?;
    let mut lines = Lines { to: encoder, hash: Context::new(&SHA256) };
    lines
        .put(&Head {
            evidenced_backup: 1,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            migration: store.migration().await?,
            made_us: clock::now_us(),
        })
        .map_err(io)?;
    let mut dump = store.dump().await?;
    let shapes = dump.shapes().await?;
    let (mut rows, tables) = (0, shapes.len() as u64);
    for (done, shape) in (1..).zip(&shapes) {
        lines.put(&Mark::Table(shape.clone())).map_err(io)?;
        dump.rows(shape, |page| {
            rows += page.len() as u64;
            page.iter().try_for_each(|row| lines.put(row))
        })
        .await?;
        progress(done, tables);
    }
    drop(dump);
    if keys {
        for (name, bytes) in data.secrets()? {
            let base64 = STANDARD.encode(bytes);
            lines.put(&Mark::File { name, base64 }).map_err(io)?;
        }
    }
    let sha256 = hex::encode(lines.hash.clone().finish());
    lines.put(&Mark::End { rows, sha256 }).map_err(io)?;
    let file = lines.to.finish().map_err(io)?;
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    Ok((rows, file))
}
