//! What others may do in a home directory, and whose it is.

use crate::host::{FileKind, Meta, ReadError, Reading};

const UNREAD: [&str; 6] =
    ["exists", "other_read", "other_write", "other_search", "group_write", "foreign_owner"];

pub(super) struct Home {
    pub(super) exists: Option<bool>,
    meta: Option<Meta>,
}

impl Home {
    /// Whether these permission bits are set; absent without a directory.
    pub(super) fn has(&self, bits: u32) -> Option<bool> {
        self.meta.map(|meta| meta.has(bits))
    }

    /// Whether neither this user nor root owns it; absent without a directory.
    pub(super) fn is_of_another_than(&self, uid: u32) -> Option<bool> {
        self.meta.map(|meta| meta.uid != uid && meta.uid != 0)
    }
}

pub(super) fn look(reading: &mut Reading<'_>, home: &[u8]) -> Home {
    let found = match std::str::from_utf8(home) {
        Ok(path) if path.starts_with('/') => reading.stat(path),
        // login(1) finds no such directory.
        Ok(_) => Err(ReadError::Absent),
        // The door takes text only.
        Err(_) => Err(ReadError::Io(0)),
    };
    match found {
        Ok(meta) if meta.kind == FileKind::Directory => {
            Home { exists: Some(true), meta: Some(meta) }
        }
        Ok(_) | Err(ReadError::Absent) => Home { exists: Some(false), meta: None },
        Err(_) => {
            for field in UNREAD {
                reading.unread(&format!("users.home_{field}"));
            }
            Home { exists: None, meta: None }
        }
    }
}
