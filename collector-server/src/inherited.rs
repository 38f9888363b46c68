//! Inherited evidence: an approved, expiring statement that somebody else gives what hosts of a
//! group cannot show (disk encryption of the cloud, backup of the hypervisor). It never makes a
//! pass. Pure.

use crate::exception::{MAX_TEXT, Wrong};
use evidence::Digest;
use std::collections::BTreeMap;

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Rules with their severities.
    pub rules: BTreeMap<String, String>,
    pub group: String,
    /// Who gives it: the cloud, whoever runs the hypervisor.
    pub provider: String,
    /// A link to the document that says so; may be empty beside a hash.
    pub source: String,
    /// SHA-256 of that document, hexadecimal; may be empty beside a link.
    pub source_hash: String,
    pub reason: String,
    pub until_us: i64,
}

/// Most rules of one statement.
const MAX_RULES: usize = 50;
const DAY_US: i64 = 86_400_000_000;

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotInheritable {
    #[error(transparent)]
    Common(#[from] Wrong),
    #[error("a statement is for 1 to {MAX_RULES} rules")]
    Rules,
    #[error("the source is missing: a link to the document, its SHA-256, or both")]
    NoSource,
    #[error("the link begins with https:// or http:// and has no spaces")]
    Link,
    #[error("the hash is a SHA-256: 64 hexadecimal digits")]
    Hash,
    #[error("it would last longer than the {days} days that [inherited] max_duration allows")]
    TooLong { days: i64 },
}

impl Wanted {
    /// Whether it can be asked for.
    pub fn check(&self, max_us: i64, now_us: i64) -> Result<(), NotInheritable> {
        if !(1..=MAX_RULES).contains(&self.rules.len()) {
            return Err(NotInheritable::Rules);
        }
        let texts = [
            ("the group", &self.group),
            ("the provider", &self.provider),
            ("the reason", &self.reason),
        ];
        for (name, text) in texts {
            if text.trim().is_empty() {
                return Err(Wrong::Missing(name).into());
            }
            let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
            if text.chars().count() > MAX_TEXT || text.contains(odd) {
                return Err(Wrong::Text(name).into());
            }
        }
        if self.source.is_empty() && self.source_hash.is_empty() {
            return Err(NotInheritable::NoSource);
        }
        let rest = ["https://", "http://"].iter().find_map(|s| self.source.strip_prefix(s));
        let odd = |c: char| c.is_whitespace() || c.is_control();
        let link = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(odd));
        if !self.source.is_empty() && (!link || self.source.chars().count() > MAX_TEXT) {
            return Err(NotInheritable::Link);
        }
        if !self.source_hash.is_empty() && self.source_hash.parse::<Digest>().is_err() {
            return Err(NotInheritable::Hash);
        }
        if self.until_us <= now_us {
            return Err(Wrong::Over.into());
        }
        if self.until_us - now_us > max_us {
            return Err(NotInheritable::TooLong { days: max_us / DAY_US });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            rules: [("crypt-data-encrypted".to_owned(), "high".to_owned())].into(),
            group: "cloud".into(),
            provider: "the cloud".into(),
            source: "https://example.org/report".into(),
            source_hash: String::new(),
            reason: "its disks are encrypted below".into(),
            until_us: 10 * DAY_US,
        }
    }

    #[test]
    fn a_statement_names_rules_a_group_a_source_and_an_end() {
        let check = |wanted: Wanted| wanted.check(20 * DAY_US, DAY_US);
        assert_eq!(check(wanted()), Ok(()));
        let hash = Digest::of(b"report").to_string();
        let hashed = Wanted { source: String::new(), source_hash: hash, ..wanted() };
        assert_eq!(check(hashed.clone()), Ok(()));
        let none = Wanted { source_hash: String::new(), ..hashed };
        assert_eq!(check(none), Err(NotInheritable::NoSource));
        let link = |text: &str| check(Wanted { source: text.into(), ..wanted() });
        for text in ["javascript:alert(1)", "https://", "https://a b", "//example.org"] {
            assert_eq!(link(text), Err(NotInheritable::Link), "{text}");
        }
        let short = Wanted { source_hash: "ab".into(), ..wanted() };
        assert_eq!(check(short), Err(NotInheritable::Hash));
        let rules = BTreeMap::new();
        assert_eq!(check(Wanted { rules, ..wanted() }), Err(NotInheritable::Rules));
        let group = " ".to_owned();
        let missing = Err(NotInheritable::Common(Wrong::Missing("the group")));
        assert_eq!(check(Wanted { group, ..wanted() }), missing);
        assert_eq!(
            check(Wanted { until_us: DAY_US, ..wanted() }),
            Err(NotInheritable::Common(Wrong::Over))
        );
        let long = Wanted { until_us: 22 * DAY_US, ..wanted() };
        assert_eq!(check(long), Err(NotInheritable::TooLong { days: 20 }));
    }
}
