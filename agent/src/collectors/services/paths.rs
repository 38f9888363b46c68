//! Whether somebody may change what a job starts.

use crate::host::{FileKind, Meta, ReadError, Reading};

const MAX_LINKS: usize = 16;
const STICKY: u32 = 0o1000;
/// Ends of names of scripts that an interpreter is given.
const SCRIPTS: [&str; 7] = [".js", ".lua", ".php", ".pl", ".py", ".rb", ".sh"];

/// Whether somebody else than root and `uid` may change the file, or put another in its place. What
/// is not there is asked about by its directories. `None` as `uid` stands for nobody but root.
pub(super) fn is_open(
    reading: &Reading<'_>,
    path: &str,
    uid: Option<u32>,
) -> Result<bool, ReadError> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if is_open_here(reading, &path, uid)? {
            return Ok(true);
        }
        match reading.link(&path) {
            Ok(target) if target.starts_with('/') => path = target,
            Ok(target) => {
                let (directory, _) = path.rsplit_once('/').unwrap_or_default();
                path = format!("{directory}/{target}");
            }
            Err(ReadError::WrongType | ReadError::Absent) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Err(ReadError::Io(40))
}

fn is_open_here(reading: &Reading<'_>, path: &str, uid: Option<u32>) -> Result<bool, ReadError> {
    let ends = path.match_indices('/').map(|(at, _)| &path[..at]).filter(|dir| !dir.is_empty());
    for part in ends.chain([path]) {
        let meta = match reading.stat(part) {
            Ok(meta) => meta,
            Err(ReadError::Absent) => return Ok(false),
            Err(error) => return Err(error),
        };
        if may_change(&meta, uid) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// In a directory with the sticky bit others cannot replace what is not theirs.
fn may_change(meta: &Meta, uid: Option<u32>) -> bool {
    let is_owned = meta.uid == 0 || Some(meta.uid) == uid;
    let is_shared = meta.kind == FileKind::Directory && meta.has(STICKY);
    let by_mode = meta.has(0o002) || (meta.has(0o020) && meta.gid != 0);
    !is_owned || (by_mode && !is_shared)
}

/// Whether a path in a command is something that runs: a program, a script, or a directory of them.
pub(super) fn runs(reading: &Reading<'_>, path: &str, command: &str) -> Result<bool, ReadError> {
    match reading.stat(path) {
        Ok(meta) => Ok(match meta.kind {
            FileKind::File => {
                meta.mode & 0o111 != 0 || SCRIPTS.iter().any(|end| path.ends_with(end))
            }
            FileKind::Directory => command.contains("run-parts"),
            _ => false,
        }),
        // Whoever can make it decides what runs.
        Err(ReadError::Absent) => Ok(true),
        Err(error) => Err(error),
    }
}
