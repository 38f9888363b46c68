//! What verification says.

use crate::snapshot::document::Head;
use evidence::key::PublicKey;
use serde::Serialize;
use std::collections::BTreeMap;

/// Faults of one layer that are told; the rest is counted.
const TOLD: usize = 50;

/// One thing that is proved, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    Form,
    Digests,
    Signature,
    Stamp,
    Log,
    Acts,
    CheckIns,
    Facts,
    Results,
    Derived,
}

impl Layer {
    pub const ALL: [Self; 10] = [
        Self::Form,
        Self::Digests,
        Self::Signature,
        Self::Stamp,
        Self::Log,
        Self::Acts,
        Self::CheckIns,
        Self::Facts,
        Self::Results,
        Self::Derived,
    ];

    /// What it says when it holds.
    pub fn claim(self) -> &'static str {
        match self {
            Self::Form => "The archive is as a collector writes it",
            Self::Digests => "No file was changed, taken away or added since it was signed",
            Self::Signature => "It was signed by one of the allowed signers",
            Self::Stamp => "An authority outside stamped the signature",
            Self::Log => "The log's checkpoint is signed, and its tiles lead to its root",
            Self::Acts => "What people did is in the log, as it is here",
            Self::CheckIns => "Every check-in is in the log and signed by its host",
            Self::Facts => "Everything that is named is here, as its host sent it",
            Self::Results => "The rules say of the facts what is on record",
            Self::Derived => "Lists, OSCAL and report are made of the documents here",
        }
    }
}

/// How a layer stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What was proved.
    pub proved: Vec<String>,
    /// What was not proved, and does not speak against it.
    pub open: Vec<String>,
    /// What does not hold.
    pub faults: Vec<String>,
    /// Faults beside those that are told.
    pub more: u64,
}

/// The outcome of a verification.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub layers: BTreeMap<Layer, Standing>,
    pub head: Option<Head>,
    pub signer: Option<PublicKey>,
    /// The file could not be read at all.
    pub unread: Option<String>,
}

impl Outcome {
    /// Whether nothing speaks against it.
    pub fn is_sound(&self) -> bool {
        self.unread.is_none() && self.layers.values().all(|layer| layer.faults.is_empty())
    }

    /// Every fault that is told.
    pub fn faults(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.layers.iter().flat_map(|(layer, standing)| {
            standing.faults.iter().map(|fault| (*layer, fault.as_str()))
        })
    }

    pub(super) fn holds(&mut self, layer: Layer, what: String) {
        self.layers.entry(layer).or_default().proved.push(what);
    }

    pub(super) fn open(&mut self, layer: Layer, what: String) {
        self.layers.entry(layer).or_default().open.push(what);
    }

    pub(super) fn fails(&mut self, layer: Layer, what: String) {
        let standing = self.layers.entry(layer).or_default();
        if standing.faults.len() < TOLD {
            standing.faults.push(what);
        } else {
            standing.more += 1;
        }
    }

    pub(super) fn is_faultless(&self, layer: Layer) -> bool {
        self.layers.get(&layer).is_none_or(|standing| standing.faults.is_empty())
    }
}
