//! Access reviews: who is looked at, in which order, and what was decided. Pure.

use evidence::Digest;
use serde_json::json;
use std::collections::BTreeSet;

/// Why somebody is looked at with care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The account of somebody who left.
    Leaver,
    /// Not kept by the last review: new since then, or removed and back.
    Changed,
    /// Kept by the last review, and there ever since.
    Unchanged,
}

impl Class {
    pub const ALL: [Self; 3] = [Self::Leaver, Self::Changed, Self::Unchanged];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaver => "leaver",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// A member of a population of a group, as it is there when a review starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Present {
    pub group: String,
    pub population: String,
    pub member: String,
    pub hosts: i64,
    /// Since when the first host shows it.
    pub since_us: i64,
    /// On some host it came after the last review was started.
    pub newest_us: i64,
}

/// Group, population and member.
pub type Key = (String, String, String);

/// Sorts the population of a review: leavers, then what changed since the last one. `kept` are those
/// that the last signed review of their group kept, with the moment it was started.
pub fn classify(
    present: &Present,
    kept_since_us: Option<i64>,
    leavers: &BTreeSet<String>,
) -> Class {
    // A key's member is `user fingerprint`; an account's is the account.
    let account = present.member.split(' ').next().unwrap_or_default();
    if leavers.contains(account) {
        return Class::Leaver;
    }
    match kept_since_us {
        Some(kept_us) if present.newest_us <= kept_us => Class::Unchanged,
        _ => Class::Changed,
    }
}

/// A decision as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decided {
    pub key: Key,
    pub class: String,
    pub hosts: i64,
    /// `keep` or `remove`.
    pub decision: String,
    pub by: String,
}

/// What a signature is over: every decision, in one order.
pub fn digest(review: &str, decided: &BTreeSet<Decided>) -> Digest {
    let row = |row: &Decided| {
        let (group, population, member) = &row.key;
        json!([group, population, member, row.class, row.hosts, row.decision, row.by])
    };
    let rows: Vec<_> = decided.iter().map(row).collect();
    Digest::of(json!({"review": review, "rows": rows}).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(member: &str, newest_us: i64) -> Present {
        Present {
            group: "web".into(),
            population: "privileged-people".into(),
            member: member.into(),
            hosts: 2,
            since_us: 1,
            newest_us,
        }
    }

    #[test]
    fn leavers_and_changes_come_first_and_only_the_kept_and_untouched_are_grouped() {
        let leavers = BTreeSet::from(["anna".to_owned()]);
        let class = |member, newest, kept| classify(&present(member, newest), kept, &leavers);
        assert_eq!(class("anna", 1, Some(5)), Class::Leaver);
        assert_eq!(class("anna SHA256:x", 1, Some(5)), Class::Leaver, "a key of hers");
        assert_eq!(class("annabel", 1, Some(5)), Class::Unchanged);
        assert_eq!(class("bert", 1, None), Class::Changed, "never kept");
        assert_eq!(class("bert", 6, Some(5)), Class::Changed, "on another host since");
        assert!(Class::Leaver < Class::Changed && Class::Changed < Class::Unchanged);
    }

    #[test]
    fn a_signature_is_over_every_decision() {
        let row = |member: &str, decision: &str| Decided {
            key: ("web".into(), "privileged-people".into(), member.into()),
            class: "changed".into(),
            hosts: 1,
            decision: decision.into(),
            by: "1".into(),
        };
        let whole = digest("r", &[row("a", "keep"), row("b", "remove")].into());
        assert_eq!(whole, digest("r", &[row("b", "remove"), row("a", "keep")].into()));
        assert_ne!(whole, digest("r", &[row("a", "keep"), row("b", "keep")].into()));
        assert_ne!(whole, digest("r", &[row("a", "keep")].into()));
        assert_ne!(whole, digest("s", &[row("a", "keep"), row("b", "remove")].into()));
    }
}
