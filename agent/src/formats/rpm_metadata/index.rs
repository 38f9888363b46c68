//! `repomd.xml`: the files of a repository, with what they must be like.

use crate::formats::xml::{Step, XmlError, walk};
use std::collections::BTreeMap;

const MAX_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// When the metadata was made, in seconds since the epoch: its revision, if that is a time, or
    /// else the newest of its files.
    pub made_s: Option<i64>,
    /// By type: `primary`, `updateinfo`, `modules` …
    pub files: BTreeMap<String, Data>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The last part of its address.
    pub name: String,
    pub sum: Sum,
    /// Unpacked, where the index says so.
    pub open_bytes: Option<u64>,
}

/// A checksum in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    pub algorithm: String,
    pub hex: String,
}

#[derive(Default)]
struct Open {
    kind: String,
    name: String,
    algorithm: String,
    hex: String,
    open_bytes: Option<u64>,
    made_s: Option<i64>,
}

pub fn index(text: &str) -> Result<Index, XmlError> {
    let mut index = Index::default();
    let (mut open, mut newest, mut is_index) = (Open::default(), None, false);
    walk(text.as_bytes(), MAX_BYTES, &mut |step| {
        match step {
            Step::Open { depth: 1, name, .. } => is_index = name == "repomd",
            Step::Open { depth: 2, name: "data", attributes } => {
                open = Open { kind: attributes.get("type").unwrap_or_default(), ..Open::default() };
            }
            Step::Open { depth: 3, name: "location", attributes } => {
                let address = attributes.get("href").unwrap_or_default();
                open.name = address.rsplit('/').next().unwrap_or_default().to_owned();
            }
            Step::Open { depth: 3, name: "checksum", attributes } => {
                open.algorithm = attributes.get("type").unwrap_or_default();
            }
            Step::Close { depth: 2, name: "revision", text } => {
                index.made_s = time(text).filter(|_| text.len() >= 9);
            }
            Step::Close { depth: 3, name: "checksum", text } => open.hex = text.to_lowercase(),
            Step::Close { depth: 3, name: "open-size", text } => {
                open.open_bytes = text.parse().ok()
            }
            Step::Close { depth: 3, name: "timestamp", text } => open.made_s = time(text),
            Step::Close { depth: 2, name: "data", .. } => {
                newest = newest.max(open.made_s);
                let (kind, data) = std::mem::take(&mut open).close()?;
                index.files.insert(kind, data);
            }
            _ => {}
        }
        Ok(())
    })?;
    if !is_index {
        return Err(XmlError::Other("metadata"));
    }
    index.made_s = index.made_s.or(newest);
    Ok(index)
}

/// Old tools write parts of a second.
fn time(text: &str) -> Option<i64> {
    text.split('.').next()?.parse().ok()
}

impl Open {
    fn close(self) -> Result<(String, Data), XmlError> {
        let is_hex = !self.hex.is_empty() && self.hex.bytes().all(|b| b.is_ascii_hexdigit());
        let is_name = !self.name.is_empty() && self.name.bytes().all(|b| b.is_ascii_graphic());
        if self.kind.is_empty() || !is_name || !is_hex {
            return Err(XmlError::Invalid("a file without type, place or checksum".to_owned()));
        }
        let sum = Sum { algorithm: self.algorithm, hex: self.hex };
        Ok((self.kind, Data { name: self.name, sum, open_bytes: self.open_bytes }))
    }
}
