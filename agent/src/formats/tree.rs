//! Texts of formats that many programs share, as one tree: `key = value` lines, INI, JSON, YAML,
//! TOML, and lines that a regular expression takes apart. What two readers could understand in two
//! ways is refused: keys that are given twice where the format forbids it, YAML aliases, several
//! documents in one.

mod lines;
mod structured;

pub use lines::{ini, key_value, matches};
pub use structured::{json, toml, yaml};

use std::collections::BTreeMap;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// What a text says.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A value whose type the format does not tell.
    Word(String),
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// Null, a number that is no integer of 64 bits, a date …
    Other,
    List(Vec<Tree>),
    /// Each key with everything that was said of it, in order.
    Map(BTreeMap<String, Vec<Tree>>),
}

/// The text does not follow its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// From 1; 0 where the parser does not tell.
    pub line: usize,
    /// Never the text itself: it may be a secret.
    pub what: &'static str,
}

impl Tree {
    /// Everything that is said at the end of a path of keys.
    pub fn at(&self, path: &[String]) -> Vec<&Tree> {
        let mut found = vec![self];
        for key in path {
            let below = found.into_iter().filter_map(|tree| match tree {
                Self::Map(members) => members.get(key),
                _ => None,
            });
            found = below.flatten().collect();
        }
        found
    }
}

#[cfg(test)]
mod tests;
