//! A file that is open to be read in parts: sparse ones, and ones that grow.

use super::{Meta, ReadError, io_error};
use rustix::fd::OwnedFd;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What differs once a file was written to, or another took its place: device, number, size, and
/// the times of contents and attributes, in seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp([i64; 7]);

impl Stamp {
    pub(super) fn of(stat: &rustix::fs::Stat) -> Self {
        Self([
            stat.st_dev.cast_signed(),
            stat.st_ino.cast_signed(),
            stat.st_size,
            stat.st_mtime,
            stat.st_mtime_nsec.cast_signed(),
            stat.st_ctime,
            stat.st_ctime_nsec.cast_signed(),
        ])
    }

    pub(super) fn device(self) -> u64 {
        self.0[0].cast_unsigned()
    }

    /// When contents or attributes last changed, in seconds since the epoch, by the kernel (ctime).
    pub(super) fn changed_s(self) -> i64 {
        self.0[5]
    }

    pub(super) fn bytes(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().flat_map(i64::to_be_bytes)
    }
}

/// An open regular file.
pub struct Opened {
    contents: Contents,
    meta: Meta,
    /// Where bytes that were read are counted.
    count: Arc<AtomicU64>,
}

enum Contents {
    File(File),
    Bytes(Vec<u8>),
}

impl Opened {
    pub(super) fn of_file((file, meta): (OwnedFd, Meta), count: &Arc<AtomicU64>) -> Self {
        Self { contents: Contents::File(File::from(file)), meta, count: count.clone() }
    }

    pub(super) fn of_bytes((bytes, meta): (Vec<u8>, Meta), count: &Arc<AtomicU64>) -> Self {
        Self { contents: Contents::Bytes(bytes), meta, count: count.clone() }
    }

    /// What it was when it was opened.
    pub(super) fn stamp_before(&self) -> Stamp {
        self.meta.stamp
    }

    /// Its size when it was opened, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.meta.size_bytes
    }

    /// Taken anew each time.
    pub fn stamp(&self) -> Result<Stamp, ReadError> {
        match &self.contents {
            Contents::File(file) => Ok(Stamp::of(&rustix::fs::fstat(file)?)),
            Contents::Bytes(_) => Ok(self.meta.stamp),
        }
    }

    /// pread(2): fills `buffer` from `offset` on, and says how many bytes there were before the end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let filled = self.fill_at(offset, buffer)?;
        self.count.fetch_add(filled as u64, Ordering::Relaxed);
        Ok(filled)
    }

    fn fill_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
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
