//! The evidence state of a control, computed from the results that support it. Pure.

use crate::judge::{Outcome, Reason, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the evidence says of a control. It never says that the control is implemented: that is a
/// person's word in the Statement of Applicability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceState {
    /// Evidence flows and no grave failure is past its limit; deviations may be open.
    Operating,
    /// A critical or high failure has been open for longer than its repair limit.
    Deviating,
    /// Some evidence could not be read or judged.
    Blind,
    /// Some evidence is older than it may be, or a host does not report.
    Stale,
    /// No rule speaks of it, or none applies to any host.
    None,
}

impl EvidenceState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operating => "operating",
            Self::Deviating => "deviating",
            Self::Blind => "blind",
            Self::Stale => "stale",
            Self::None => "none",
        }
    }
}

/// The latest result of one rule for one host, and since when it has been so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenResult<'a> {
    pub rule: &'a str,
    pub host: &'a str,
    pub severity: Severity,
    pub outcome: Outcome,
    /// Only with `unknown`.
    pub reason: Option<Reason>,
    /// Seconds since the epoch, UTC.
    pub since_s: i64,
}

/// How long a failure may stay open, in seconds; `info` has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepairLimits {
    pub critical_s: i64,
    pub high_s: i64,
    pub medium_s: i64,
    pub low_s: i64,
}

const DAY_S: i64 = 86_400;

impl Default for RepairLimits {
    /// 1, 14, 30 and 90 days.
    fn default() -> Self {
        Self { critical_s: DAY_S, high_s: 14 * DAY_S, medium_s: 30 * DAY_S, low_s: 90 * DAY_S }
    }
}

impl RepairLimits {
    pub fn of(&self, severity: Severity) -> Option<i64> {
        match severity {
            Severity::Critical => Some(self.critical_s),
            Severity::High => Some(self.high_s),
            Severity::Medium => Some(self.medium_s),
            Severity::Low => Some(self.low_s),
            Severity::Info => None,
        }
    }

    /// Whether a failure that has been open since then is past its limit.
    pub fn is_past(&self, severity: Severity, since_s: i64, now_s: i64) -> bool {
        self.of(severity).is_some_and(|limit| now_s.saturating_sub(since_s) > limit)
    }
}

/// The state of a control, with the counts it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlStatus {
    pub state: EvidenceState,
    /// Results (rule × host) by outcome.
    pub pass: u64,
    pub fail: u64,
    pub unknown: u64,
    pub not_applicable: u64,
    /// Distinct hosts that gave any result.
    pub hosts: u64,
    /// Failures of any severity, within or past their limits.
    pub open_deviations: u64,
    /// Since when the oldest failure has been open; absent without failures.
    pub oldest_fail_s: Option<i64>,
}

/// Computes the state of a control: the first that applies of none, deviating, blind, stale and
/// operating. Failures under an approved exception are left out by the caller.
pub fn control_state<'a>(
    results: impl Iterator<Item = OpenResult<'a>>,
    limits: &RepairLimits,
    now_s: i64,
) -> ControlStatus {
    let mut status = ControlStatus {
        state: EvidenceState::None,
        pass: 0,
        fail: 0,
        unknown: 0,
        not_applicable: 0,
        hosts: 0,
        open_deviations: 0,
        oldest_fail_s: None,
    };
    let mut hosts = BTreeSet::new();
    let (mut deviating, mut blind) = (false, false);
    for result in results {
        hosts.insert(result.host);
        match result.outcome {
            Outcome::Pass => status.pass += 1,
            Outcome::NotApplicable => status.not_applicable += 1,
            Outcome::Unknown => {
                status.unknown += 1;
                blind |= !is_stale(result.reason);
            }
            Outcome::Fail => {
                status.fail += 1;
                let oldest = status.oldest_fail_s.map_or(result.since_s, |s| s.min(result.since_s));
                status.oldest_fail_s = Some(oldest);
                deviating |= result.severity >= Severity::High
                    && limits.is_past(result.severity, result.since_s, now_s);
            }
        }
    }
    status.hosts = hosts.len() as u64;
    status.open_deviations = status.fail;
    status.state = match status.pass + status.fail + status.unknown {
        0 => EvidenceState::None,
        _ if deviating => EvidenceState::Deviating,
        _ if blind => EvidenceState::Blind,
        _ if status.unknown > 0 => EvidenceState::Stale,
        _ => EvidenceState::Operating,
    };
    status
}

/// Whether the evidence is there but old. An unknown without a reason is not excused as old.
fn is_stale(reason: Option<Reason>) -> bool {
    matches!(reason, Some(Reason::Stale | Reason::NotReporting))
}

#[cfg(test)]
mod tests;
