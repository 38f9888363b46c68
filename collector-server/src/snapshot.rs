//! Snapshots: a frozen, signed archive of what the collector holds, for a moment or a period.
//!
//! `create` reads the store once, host by host, and writes documents (`document`) into a directory
//! of work; `derive` makes from these documents, and from nothing else, what people and their tools
//! read (lists, OSCAL, the report); `pack` signs the digests of all files and writes the archive.
//! `verify` reads an archive alone: it checks form, digests, signature, log, check-ins, facts,
//! judges again, derives again, and says what that proved.
//!
//! Equal moment, log and question give equal bytes: whatever is in an archive comes from the store
//! as the log knew it, and from no clock.

pub mod archive;
pub mod compare;
pub mod create;
mod derive;
pub mod document;
pub mod envelope;
pub mod files;
pub mod job;
mod judged;
pub mod make;
pub mod pack;
pub mod rules;
pub mod sample;
pub mod sshsig;
pub mod tlog;
pub mod verify;

use crate::keyring::KeyringError;
use crate::store::StoreError;
use std::path::PathBuf;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyringError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// What is asked for cannot be. Ask for something else.
    #[error("{0}")]
    Asked(String),
    /// The store contradicts itself. Keep everything, and run `log verify`.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    #[error("a document: {0}")]
    Document(#[from] evidence::canonical::CanonicalError),
    #[error("{0}")]
    Other(String),
}

impl From<tokio::task::JoinError> for SnapshotError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Other(error.to_string())
    }
}
