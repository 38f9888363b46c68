//! A file that is open to be read in parts: sparse ones, and ones that grow.

use super::{Meta, ReadError, io_error};
use rustix::fd::OwnedFd;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// What differs once a file was written to, or another took its place: device, number, size, and
/// the times of contents and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp([i128; 7]);

/// An open regular file.
pub struct Opened {
    contents: Contents,
    meta: Meta,
}

enum Contents {
    File(File),
    Bytes(Vec<u8>),
}

impl Opened {
    pub(super) fn of_file((file, meta): (OwnedFd, Meta)) -> Self {
        Self { contents: Contents::File(File::from(file)), meta }
    }

    pub(super) fn of_bytes((bytes, meta): (Vec<u8>, Meta)) -> Self {
        Self { contents: Contents::Bytes(bytes), meta }
    }

    /// Its size when it was opened, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.meta.size_bytes
    }

    /// Taken anew each time.
    pub fn stamp(&self) -> Result<Stamp, ReadError> {
        match &self.contents {
            Contents::File(file) => {
                let stat = rustix::fs::fstat(file)?;
                Ok(Stamp([
                    stat.st_dev.into(),
                    stat.st_ino.into(),
                    stat.st_size.into(),
                    stat.st_mtime.into(),
                    stat.st_mtime_nsec.into(),
                    stat.st_ctime.into(),
                    stat.st_ctime_nsec.into(),
                ]))
            }
            Contents::Bytes(bytes) => Ok(Stamp([0, 0, bytes.len() as i128, 0, 0, 0, 0])),
        }
    }

    /// pread(2): fills `buffer` from `offset` on, and says how many bytes there were before the end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        match &self.contents {
            Contents::File(file) => {
                let mut filled = 0;
                while filled < buffer.len() {
                    match file.read_at(&mut buffer[filled..], offset + filled as u64) {
                        Ok(0) => break,
                        Ok(more) => filled += more,
                        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(io_error(error)),
                    }
                }
                Ok(filled)
            }
            Contents::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let part = &bytes[start..bytes.len().min(start.saturating_add(buffer.len()))];
                buffer[..part.len()].copy_from_slice(part);
                Ok(part.len())
            }
        }
    }
}
