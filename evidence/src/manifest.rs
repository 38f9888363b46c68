//! The manifest: for every kind, how it was read and which facts it gave.

use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the collection of a kind, or the reading of one source, ended.
///
/// Only `ok` is proof. `not_applicable` needs positive proof (the package database says that the
/// software is not installed and nothing listens), never a missing file.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything the kind needs was read.
    Ok,
    /// Some of it was not read; `unread` names the fields. Rules that read none of them still count.
    Partial,
    /// No source of the kind exists, and their directories could be read.
    Absent,
    /// Permission was refused, for a source or for a directory above it.
    Denied,
    /// A source does not follow its format.
    ParseError,
    /// The kind has no meaning on this host, by positive proof.
    NotApplicable,
    /// No proven way to read this kind on this family of systems, or not with `--root`.
    Unsupported,
    /// The kind's deadline passed.
    Timeout,
    /// A bound on size or number was reached.
    Truncated,
    /// The machine failed to read it (EIO, ESTALE, ELOOP …).
    IoError,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Absent => "absent",
            Self::Denied => "denied",
            Self::ParseError => "parse_error",
            Self::NotApplicable => "not_applicable",
            Self::Unsupported => "unsupported",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
            Self::IoError => "io_error",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing a kind was read from: a path, a directory (ending in `/`), many files of one form in
/// one directory (`DIR/*.EXTENSION`, all of them read), or a command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub path: String,
    pub status: Status,
    /// Size in bytes; configuration files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// Modification time, seconds since the epoch, UTC; configuration files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_s: Option<i64>,
    /// What was wrong and where (`line 12: …`), never contents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What the manifest says of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindEntry {
    pub status: Status,
    /// Id of the facts; absent when the kind gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Digest>,
    pub sources: Vec<Source>,
    /// Fields of the facts that were not read, as dotted paths without indexes (`users.password`).
    pub unread: Vec<String>,
}

/// The state of a host: one entry per kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub kinds: BTreeMap<String, KindEntry>,
}

impl Manifest {
    /// Canonical bytes; their SHA-256 is the manifest's id.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical::to_vec(self)
    }

    /// Reads a manifest that came over the wire; anything but canonical bytes is refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CanonicalError> {
        let value = canonical::from_canonical_slice(bytes)?;
        serde_json::from_value(value).map_err(CanonicalError::Text)
    }

    /// Ids of all facts the manifest names.
    pub fn facts(&self) -> impl Iterator<Item = Digest> + '_ {
        self.kinds.values().filter_map(|entry| entry.facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_its_id_is_that_of_its_bytes() {
        let source = Source {
            path: "/etc/passwd".into(),
            status: Status::Ok,
            size_bytes: Some(12),
            modified_s: None,
            note: None,
        };
        let entry = KindEntry {
            status: Status::Partial,
            facts: Some(Digest::of(b"x")),
            sources: vec![source],
            unread: vec!["users.password".into()],
        };
        let manifest = Manifest { kinds: [("accounts".to_owned(), entry)].into() };
        let bytes = manifest.to_bytes().expect("canonical");
        assert_eq!(Manifest::from_bytes(&bytes).expect("read"), manifest);
        assert!(Manifest::from_bytes(&[b" ", bytes.as_slice()].concat()).is_err());
    }

    #[test]
    fn every_status_is_written_by_its_own_name() {
        for status in [
            Status::Ok,
            Status::Partial,
            Status::Absent,
            Status::Denied,
            Status::ParseError,
            Status::NotApplicable,
            Status::Unsupported,
            Status::Timeout,
            Status::Truncated,
            Status::IoError,
        ] {
            assert_eq!(serde_json::to_value(status).expect("text"), status.as_str());
        }
    }
}
