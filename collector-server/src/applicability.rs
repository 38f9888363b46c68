//! The Statement of Applicability: for each control, whether it applies, why, and how far people
//! say that it is implemented. Pure. It is a person's word, and says nothing of the evidence state,
//! which in turn writes nothing here.

mod csv_file;
#[cfg(test)]
mod tests;

pub use csv_file::{parse, write};

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest justification, and longest owner or reference, in characters.
pub const MAX_JUSTIFICATION: usize = 2000;
pub const MAX_LINE: usize = 200;
/// References of one control.
pub const MAX_REFERENCES: usize = 20;

/// Why a control applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    Legal,
    Contractual,
    Business,
    Risk,
}

impl Ground {
    pub const ALL: [Self; 4] = [Self::Legal, Self::Contractual, Self::Business, Self::Risk];

    pub fn word(self) -> &'static str {
        match self {
            Self::Legal => "legal",
            Self::Contractual => "contractual",
            Self::Business => "business",
            Self::Risk => "risk",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ground| ground.word() == word)
    }
}

/// How far a person says that a control is implemented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Implementation {
    NotImplemented,
    Planned,
    Partly,
    Implemented,
}

impl Implementation {
    pub const ALL: [Self; 4] =
        [Self::NotImplemented, Self::Planned, Self::Partly, Self::Implemented];

    pub fn word(self) -> &'static str {
        match self {
            Self::NotImplemented => "not_implemented",
            Self::Planned => "planned",
            Self::Partly => "partly",
            Self::Implemented => "implemented",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// What is said of one control.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// `A.8.2`.
    pub control: String,
    /// None: nobody has decided.
    #[serde(default)]
    pub applicable: Option<bool>,
    /// Why it applies.
    #[serde(default)]
    pub grounds: BTreeSet<Ground>,
    /// In words; needed where it does not apply.
    #[serde(default)]
    pub justification: String,
    /// None where it does not apply, or nobody has said.
    #[serde(default)]
    pub implementation: Option<Implementation>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// Policies, procedures, tickets.
    #[serde(default)]
    pub references: Vec<String>,
}

/// What is wrong with an entry, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error(
        "an applicable control has no ground; give at least one of legal, contractual, business, risk"
    )]
    NoGround,
    #[error("a control that does not apply has no justification; say why")]
    NoJustification,
    #[error("a control that does not apply has an implementation status; leave it empty")]
    Implemented,
    #[error("nobody has decided whether it applies; leave the rest empty, or say yes or no")]
    Undecided,
    #[error(
        "a text is too long: a justification has at most {MAX_JUSTIFICATION} characters, an owner or reference {MAX_LINE}, and there are at most {MAX_REFERENCES} references"
    )]
    TooLong,
    #[error("a text holds control characters; write it in one line")]
    Control,
}

impl Entry {
    pub fn empty(control: &str) -> Self {
        Self { control: control.to_owned(), ..Self::default() }
    }

    /// Whether it says nothing against itself. It need not be finished.
    pub fn check(&self) -> Result<(), EntryError> {
        let texts = || self.references.iter().chain([&self.owner, &self.justification]);
        if texts().any(|text| text.chars().any(char::is_control)) {
            return Err(EntryError::Control);
        }
        let long = |text: &String| text.chars().count() > MAX_LINE;
        if self.justification.chars().count() > MAX_JUSTIFICATION
            || long(&self.owner)
            || self.references.iter().any(long)
            || self.references.len() > MAX_REFERENCES
        {
            return Err(EntryError::TooLong);
        }
        match self.applicable {
            Some(true) if self.grounds.is_empty() => Err(EntryError::NoGround),
            Some(false) if self.justification.trim().is_empty() => Err(EntryError::NoJustification),
            Some(false) if self.implementation.is_some() => Err(EntryError::Implemented),
            None if self.implementation.is_some() || !self.grounds.is_empty() => {
                Err(EntryError::Undecided)
            }
            _ => Ok(()),
        }
    }

    /// What keeps it from being submitted; none when it is finished.
    pub fn missing(&self) -> Option<&'static str> {
        match (self.applicable, self.implementation) {
            _ if self.check().is_err() => Some("it contradicts itself"),
            (None, _) => Some("nobody has decided whether it applies"),
            (Some(true), None) => Some("its implementation status is not said"),
            _ => None,
        }
    }

    pub fn applicable_word(&self) -> &'static str {
        match self.applicable {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        }
    }
}

/// The entries of a version for every control of the catalogue, in its order: those that nobody
/// wrote are empty.
pub fn whole<'a>(entries: &[Entry], controls: impl Iterator<Item = &'a str>) -> Vec<Entry> {
    let of = |control: &str| {
        let entry = entries.iter().find(|entry| entry.control == control);
        entry.cloned().unwrap_or_else(|| Entry::empty(control))
    };
    controls.map(of).collect()
}

/// How many controls stand where: they add up to all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    pub implemented: usize,
    pub partly: usize,
    pub planned: usize,
    pub not_implemented: usize,
    /// Applicable, and nobody said how far.
    pub unsaid: usize,
    pub not_applicable: usize,
    pub undecided: usize,
}

impl Sum {
    pub fn of(entries: &[Entry]) -> Self {
        let mut sum = Self::default();
        for entry in entries {
            *match (entry.applicable, entry.implementation) {
                (None, _) => &mut sum.undecided,
                (Some(false), _) => &mut sum.not_applicable,
                (Some(true), None) => &mut sum.unsaid,
                (Some(true), Some(Implementation::Implemented)) => &mut sum.implemented,
                (Some(true), Some(Implementation::Partly)) => &mut sum.partly,
                (Some(true), Some(Implementation::Planned)) => &mut sum.planned,
                (Some(true), Some(Implementation::NotImplemented)) => &mut sum.not_implemented,
            } += 1;
        }
        sum
    }

    /// `93 controls = 80 implemented + … `.
    pub fn says(&self) -> String {
        let parts = [
            (self.implemented, "implemented"),
            (self.partly, "partly implemented"),
            (self.planned, "planned"),
            (self.not_implemented, "not implemented"),
            (self.unsaid, "applicable without a status"),
            (self.not_applicable, "not applicable"),
            (self.undecided, "undecided"),
        ];
        let all: usize = parts.iter().map(|(n, _)| n).sum();
        let said = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}"));
        format!("{all} controls = {}", said.collect::<Vec<_>>().join(" + "))
    }
}
