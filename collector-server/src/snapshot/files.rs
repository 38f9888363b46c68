//! Files of a snapshot while it is made: a directory of work that a run which was cut off goes on
//! with. A file is there whole or not at all.

use super::SnapshotError;
use super::archive::is_name;
use super::derive::{Out, Output};
use evidence::canonical;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// End of the name of a file that is not whole.
const PART: &str = "part~";

/// Where documents are read from: a directory of work, or an archive.
pub trait Documents {
    /// The bytes of a file; none if there is no such file.
    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, SnapshotError>;

    /// Names of files in a folder (`hosts/`), in order.
    fn names(&mut self, folder: &str) -> Result<Vec<String>, SnapshotError>;
}

/// A directory of work.
#[derive(Debug, Clone)]
pub struct Work(PathBuf);

impl Work {
    /// Opens or makes it.
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        use std::os::unix::fs::DirBuilderExt;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| SnapshotError::File { path: path.to_owned(), source })?;
        Ok(Self(path.to_owned()))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join("files").join(name)
    }

    /// A file that is no part of the archive.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).is_file()
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.write(name, |out| out.write_all(bytes))
    }

    /// Writes a document as canonical JSON.
    pub fn document<T: Serialize>(&self, name: &str, document: &T) -> Result<(), SnapshotError> {
        let mut bytes = canonical::to_vec(document)?;
        bytes.push(b'\n');
        self.put(name, &bytes)
    }

    /// Writes lines of canonical JSON.
    pub fn lines<T: Serialize>(&self, name: &str, lines: &[T]) -> Result<(), SnapshotError> {
        let mut bytes = vec![];
        for line in lines {
            bytes.extend(canonical::to_vec(line)?);
            bytes.push(b'\n');
        }
        self.put(name, &bytes)
    }

    /// Writes a file that takes its name once it is whole.
    pub fn write(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), SnapshotError> {
        let path = self.path(name);
        let made = || -> io::Result<()> {
            if !is_name(name) {
                return Err(io::Error::other("not a name for an archive"));
            }
            fs::create_dir_all(path.parent().unwrap_or(&self.0))?;
            let part = path.with_file_name(PART);
            let mut out = BufWriter::new(fs::File::create(&part)?);
            write(&mut out)?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?;
            fs::rename(&part, &path)
        };
        made().map_err(|source| SnapshotError::File { path: path.clone(), source })
    }

    /// Every file with its size, by name.
    pub fn all(&self) -> Result<BTreeMap<String, u64>, SnapshotError> {
        let mut found = BTreeMap::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = self.path(&folder);
            let failed = |source| SnapshotError::File { path: path.clone(), source };
            for entry in fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                let meta = entry.metadata().map_err(failed)?;
                if meta.is_dir() {
                    folders.push(format!("{name}/"));
                } else if !name.ends_with(PART) {
                    found.insert(name, meta.len());
                }
            }
        }
        Ok(found)
    }

    /// Takes everything away.
    pub fn remove(self) -> Result<(), SnapshotError> {
        let path = self.0;
        fs::remove_dir_all(&path).map_err(|source| SnapshotError::File { path, source })
    }
}

/// A file of a directory of work that is being written.
struct Written {
    out: BufWriter<fs::File>,
    part: PathBuf,
    path: PathBuf,
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Out for Written {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(&self.part, &self.path)
    }
}

impl Output for Work {
    fn open(&mut self, name: &str) -> Result<Box<dyn Out>, SnapshotError> {
        let path = self.path(name);
        let part = PathBuf::from(format!("{}{PART}", path.display()));
        let made = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.0))?;
            fs::File::create(&part)
        };
        let file = made().map_err(|source| SnapshotError::File { path: path.clone(), source })?;
        Ok(Box::new(Written { out: BufWriter::new(file), part, path }))
    }
}

impl Documents for Work {
    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, SnapshotError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SnapshotError::File { path, source }),
        }
    }

    fn names(&mut self, folder: &str) -> Result<Vec<String>, SnapshotError> {
        let path = self.path(folder);
        let mut names = vec![];
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => {
                entries.map_err(|source| SnapshotError::File { path: path.clone(), source })?
            }
        };
        for entry in entries {
            let entry =
                entry.map_err(|source| SnapshotError::File { path: path.clone(), source })?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with(PART) {
                names.push(format!("{folder}{name}"));
            }
        }
        names.sort();
        Ok(names)
    }
}
