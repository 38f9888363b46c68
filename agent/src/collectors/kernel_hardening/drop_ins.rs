//! Directories of drop-in files: a name in /etc hides the same name in /run, /usr/local/lib and
//! /usr/lib, and all are read in the order of their names, whatever directory they are in.

use crate::host::{FileKind, ReadError, Reading};
use std::collections::BTreeMap;

const PLACES: [&str; 4] = ["/etc", "/run", "/usr/local/lib", "/usr/lib"];

/// A drop-in file: its path and its text. A name that is masked by a link to /dev/null has none.
pub(super) type File = (String, String);

/// Every file `PLACE/directory/*.conf` in the order in which they are read.
///
/// # Errors
/// The first directory or file that is there and cannot be read: it may hold anything.
pub(super) fn read(reading: &mut Reading<'_>, directory: &str) -> Result<Vec<File>, ReadError> {
    let mut paths = BTreeMap::new();
    for place in PLACES.into_iter().chain(own_lib(reading)?) {
        let names = match reading.list(&format!("{place}/{directory}")) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        for name in names {
            let path = format!("{place}/{directory}/{name}");
            let is_candidate = name.ends_with(".conf") && !name.starts_with('.');
            if is_candidate && kind(reading, &path)? != Some(FileKind::Directory) {
                paths.entry(name).or_insert(path);
            }
        }
    }
    let mut files = Vec::new();
    for path in paths.into_values() {
        if kind(reading, &path)? == Some(FileKind::Link) && reading.link(&path)? == "/dev/null" {
            continue;
        }
        match reading.config(&path) {
            // A link to nothing hides the names below it and says nothing.
            Err(ReadError::Absent) => {}
            read => files.push((path, read?)),
        }
    }
    Ok(files)
}

/// /lib, where it is not the same as /usr/lib.
fn own_lib(reading: &Reading<'_>) -> Result<Option<&'static str>, ReadError> {
    Ok((kind(reading, "/lib")? == Some(FileKind::Directory)).then_some("/lib"))
}

fn kind(reading: &Reading<'_>, path: &str) -> Result<Option<FileKind>, ReadError> {
    match reading.lstat(path) {
        Ok(meta) => Ok(Some(meta.kind)),
        Err(ReadError::Absent) => Ok(None),
        Err(error) => Err(error),
    }
}
