//! Files that survive a crash.
//!
//! A file is written beside its place, synchronised, renamed into its place, and then the
//! directory is synchronised too: rename(2) replaces atomically, but only fsync(2) on the file
//! makes its bytes durable and only fsync(2) on the directory makes its name durable (fsync(2),
//! NOTES; Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). What strace(1) shows
//! of [`Disk::write`]:
//!
//! ```text
//! openat("/d/name.tmp", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600) = 3
//! write(3, …) = n
//! fsync(3) = 0
//! rename("/d/name.tmp", "/d/name") = 0
//! openat("/d", O_RDONLY|O_CLOEXEC) = 3
//! fsync(3) = 0
//! ```
//!
//! After a failed fsync the kernel may have dropped the bytes, so nothing is tried again on that
//! file: the caller gets the error and the temporary file is removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Suffix of a file that is not in its place yet. After a crash such files are leftovers.
pub const TEMPORARY: &str = "tmp";

/// What changes files. Behind a trait so that tests can fail at every step.
pub trait Disk: Send + Sync {
    /// Puts `bytes` at `path` (mode 0600). When this returns `Ok`, they are durable; after a crash
    /// in between, `path` is wholly the old or wholly the new file.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes `path` durably. It is no error if it is already gone.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Moves `from` to `to` within one file system, durably.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// The disk itself.
#[derive(Debug, Clone, Copy)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = temporary(path);
        let written = write_and_sync(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        sync_parent(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync_parent(path),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_parent(to)?;
        sync_parent(from)
    }
}

/// Where the bytes of `path` are written first.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    path.with_file_name(name)
}

/// Makes a directory of mode 0700, durably. It is no error if it is there.
pub fn make_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_parent(path),
    }
}

/// Removes what a crash left half written in `directory`; returns how many files there were.
pub fn sweep(directory: &Path) -> io::Result<usize> {
    let mut swept = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == TEMPORARY) {
            fs::remove_file(&path)?;
            swept += 1;
        }
    }
    Ok(swept)
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_written_file_is_private_whole_and_leaves_no_temporary() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("name");
        RealDisk.write(&path, b"one").expect("written");
        RealDisk.write(&path, b"two").expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1);
    }

    #[test]
    fn a_write_that_cannot_be_finished_leaves_the_old_file() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("name");
        fs::create_dir(&path).expect("a directory in its place");
        RealDisk.write(&path, b"one").expect_err("refused");
        assert!(path.is_dir());
        assert!(!temporary(&path).exists());
    }

    #[test]
    fn the_sweep_takes_leftovers_and_nothing_else() {
        let directory = tempfile::tempdir().expect("directory");
        let kept = directory.path().join("a.checkin");
        fs::write(&kept, b"x").expect("written");
        fs::write(temporary(&kept), b"half").expect("written");
        assert_eq!(sweep(directory.path()).expect("swept"), 1);
        assert!(kept.exists());
    }

    #[test]
    fn a_directory_is_private_and_made_once() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("state");
        make_directory(&path).expect("made");
        make_directory(&path).expect("is there");
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
