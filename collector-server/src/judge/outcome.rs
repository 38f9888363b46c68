//! What goes into a judgement and what comes out of it.

use evidence::{Digest, Facts, Manifest, Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a rule says of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pass,
    Fail,
    Unknown,
    NotApplicable,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// Why a result is unknown. The list is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No source of the kind exists on the host.
    Absent,
    /// The agent was refused permission.
    Denied,
    /// A source does not follow its format.
    ParseError,
    /// No proven way to read the kind on this family of systems.
    Unsupported,
    /// The kind's deadline passed.
    Timeout,
    /// A bound on size or number was reached.
    Truncated,
    /// The machine failed to read it.
    IoError,
    /// The manifest does not name the kind.
    NotCollected,
    /// The manifest names facts that have not arrived.
    NotReceived,
    /// The rule needs a newer version of the kind's facts.
    AgentTooOld,
    /// A fact the rule reads was not read on the host.
    FactMissing,
    /// The facts do not look like a real host's.
    Guard,
    /// The rule could not be evaluated.
    RuleError,
    /// The evidence is older than it may be.
    Stale,
    /// The host does not report.
    NotReporting,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Denied => "denied",
            Self::ParseError => "parse_error",
            Self::Unsupported => "unsupported",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
            Self::IoError => "io_error",
            Self::NotCollected => "not_collected",
            Self::NotReceived => "not_received",
            Self::AgentTooOld => "agent_too_old",
            Self::FactMissing => "fact_missing",
            Self::Guard => "guard",
            Self::RuleError => "rule_error",
            Self::Stale => "stale",
            Self::NotReporting => "not_reporting",
        }
    }
}

/// Result of one rule for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    pub rule: String,
    pub outcome: Outcome,
    /// Who or what fails, in the order of the facts; only with `fail`, and empty for a rule that
    /// says yes or no.
    pub offenders: Vec<String>,
    /// Only with `unknown`.
    pub reason: Option<Reason>,
}

/// One kind of evidence of a host, as far as the collector has it.
#[derive(Debug, Clone, PartialEq)]
pub struct KindState {
    pub status: Status,
    /// Dotted paths without the kind's name, as the manifest has them (`users.password`).
    pub unread: Vec<String>,
    /// Absent when the host gave none or they have not arrived.
    pub facts: Option<Arc<Facts>>,
}

/// The evidence of one host at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostState {
    pub kinds: BTreeMap<String, KindState>,
}

impl HostState {
    /// The state a manifest describes. `facts` finds bodies by id; what it does not find, or finds
    /// to be of another kind, has not been received.
    pub fn from_manifest(
        manifest: &Manifest,
        mut facts: impl FnMut(Digest) -> Option<Arc<Facts>>,
    ) -> Self {
        let mut state = |kind: &String, entry: &evidence::KindEntry| KindState {
            status: entry.status,
            unread: entry.unread.clone(),
            facts: entry.facts.and_then(&mut facts).filter(|facts| facts.kind == *kind),
        };
        let kinds = manifest.kinds.iter();
        Self { kinds: kinds.map(|(kind, entry)| (kind.clone(), state(kind, entry))).collect() }
    }
}

/// The UTC day of an instant, counted from the epoch.
pub fn today_day(unix_s: i64) -> i64 {
    unix_s.div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_day_begins_at_midnight_utc_before_the_epoch_too() {
        assert_eq!([86_399, 86_400, -1].map(today_day), [0, 1, -1]);
    }

    #[test]
    fn reasons_are_written_by_their_own_names() {
        for reason in [Reason::ParseError, Reason::NotReceived, Reason::AgentTooOld] {
            assert_eq!(serde_json::to_value(reason).expect("text"), reason.as_str());
        }
        for outcome in [Outcome::Pass, Outcome::NotApplicable] {
            assert_eq!(serde_json::to_value(outcome).expect("text"), outcome.as_str());
        }
    }

    #[test]
    fn facts_of_another_kind_count_as_not_received() {
        let facts = Arc::new(Facts::new("packages", 1, json!({})).expect("facts"));
        let entry = evidence::KindEntry {
            status: Status::Ok,
            facts: Some(facts.id()),
            sources: vec![],
            unread: vec![],
        };
        let kinds = ["accounts", "packages"].map(|kind| (kind.to_owned(), entry.clone()));
        let manifest = Manifest { kinds: kinds.into() };
        let state =
            HostState::from_manifest(&manifest, |id| (id == facts.id()).then(|| facts.clone()));
        assert_eq!(state.kinds["accounts"].facts, None);
        assert_eq!(state.kinds["packages"].facts, Some(facts));
    }
}
