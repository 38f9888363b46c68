//! Walks /etc/sudoers and what it includes, into statements in the order sudo reads them.

use crate::formats::sudoers::{self, Statement, What};
use crate::host::{Failure, FileKind, ReadError, Reading};
use evidence::Status;
use evidence::kinds::sudo::File;
use std::collections::BTreeSet;

const MAIN: &str = "/etc/sudoers";
/// SUSE's own, which counts where the other is missing.
const VENDOR: &str = "/usr/etc/sudoers";
/// sudo gives up below this many nested includes.
const MAX_DEPTH: usize = 128;
/// More files than this are not read: no host has them, and the walk must end.
const MAX_FILES: usize = 1_000;

/// A statement and where it stands.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) what: What,
}

#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) statements: Vec<Located>,
    /// Paths that could not be read.
    pub(super) unresolved: BTreeSet<String>,
    /// Files and directories that sudo looks at.
    paths: BTreeSet<String>,
}

impl Loaded {
    /// Owner and permissions of all that is there; `None` when one could not be
    /// told, or not all are known.
    pub(super) fn files(&self, reading: &mut Reading<'_>) -> Option<Vec<File>> {
        // A file that was not read may include others.
        if !self.unresolved.is_empty() {
            reading.unread("files");
            return None;
        }
        let mut files = Vec::new();
        for path in &self.paths {
            match reading.stat(path) {
                Ok(meta) => files.push(File {
                    path: path.clone(),
                    uid: i64::from(meta.uid),
                    group_write: meta.has(0o020),
                    other_write: meta.has(0o002),
                }),
                Err(ReadError::Absent) => {}
                Err(_) => {
                    reading.unread("files");
                    return None;
                }
            }
        }
        Some(files)
    }
}

/// The error is that of the main file, or of a line that does not follow the grammar in any.
pub(super) fn load(reading: &mut Reading<'_>) -> Result<Loaded, Failure> {
    let is_absent = reading.lstat(MAIN) == Err(ReadError::Absent);
    let main = if is_absent && reading.lstat(VENDOR).is_ok() { VENDOR } else { MAIN };
    let text = reading.config(main)?;
    let mut walk = Walk { reading, loaded: Loaded::default(), files: 0 };
    walk.loaded.paths.insert(main.to_owned());
    walk.file(main, &text, 0)?;
    Ok(walk.loaded)
}

struct Walk<'r, 'h> {
    reading: &'r mut Reading<'h>,
    loaded: Loaded,
    files: usize,
}

impl Walk<'_, '_> {
    fn file(&mut self, path: &str, text: &str, depth: usize) -> Result<(), Failure> {
        let statements = sudoers::parse(text).map_err(|error| {
            self.reading.malformed(path, error.to_string());
            Failure(Status::ParseError)
        })?;
        for Statement { line, what } in statements {
            match what {
                What::Include(included) => {
                    if let Some(included) = self.resolve(path, &included) {
                        self.included(path, line, &included, depth)?;
                    }
                }
                What::IncludeDir(directory) => {
                    if let Some(directory) = self.resolve(path, &directory) {
                        self.directory(path, line, &directory, depth)?;
                    }
                }
                what => self.loaded.statements.push(Located { path: path.to_owned(), line, what }),
            }
        }
        Ok(())
    }

    /// A relative path is one beside the including file; `%h` is the host's name up to a dot.
    fn resolve(&mut self, from: &str, path: &str) -> Option<String> {
        let mut whole = path.to_owned();
        if whole.contains("%h") {
            let source =
                if self.reading.is_live() { "/proc/sys/kernel/hostname" } else { "/etc/hostname" };
            let Ok(name) = self.reading.text(source) else {
                self.loaded.unresolved.insert(path.to_owned());
                return None;
            };
            whole = whole.replace("%h", name.trim().split('.').next().unwrap_or_default());
        }
        if whole.starts_with('/') {
            return Some(whole);
        }
        let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
        Some(format!("{directory}/{whole}"))
    }

    fn included(
        &mut self,
        from: &str,
        line: usize,
        path: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        self.files += 1;
        if depth == MAX_DEPTH || self.files > MAX_FILES {
            self.reading.malformed(from, format!("line {line}: too many includes"));
            return Err(Failure(Status::ParseError));
        }
        self.loaded.paths.insert(path.to_owned());
        match self.reading.config(path) {
            Ok(text) => self.file(path, &text, depth + 1),
            Err(_) => {
                self.loaded.unresolved.insert(path.to_owned());
                Ok(())
            }
        }
    }

    /// Regular files of a directory by name, without those with a dot or with a `~` at the end.
    fn directory(
        &mut self,
        from: &str,
        line: usize,
        path: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        let path = path.trim_end_matches('/');
        let names = match self.reading.list(path) {
            Ok(names) => names,
            Err(ReadError::Absent) => return Ok(()),
            Err(_) => {
                self.loaded.paths.insert(path.to_owned());
                self.loaded.unresolved.insert(path.to_owned());
                return Ok(());
            }
        };
        self.loaded.paths.insert(path.to_owned());
        for name in names.iter().filter(|name| !name.contains('.') && !name.ends_with('~')) {
            let file = format!("{path}/{name}");
            match self.reading.stat(&file) {
                Ok(meta) if meta.kind == FileKind::File => {
                    self.included(from, line, &file, depth)?;
                }
                // Removed meanwhile, a link to nothing, or no file: sudo passes over it.
                Ok(_) | Err(ReadError::Absent) => {}
                Err(_) => {
                    self.loaded.paths.insert(file.clone());
                    self.loaded.unresolved.insert(file);
                }
            }
        }
        Ok(())
    }
}
