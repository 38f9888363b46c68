//! The evidence state of a control, computed from the results that support it. Pure.

use crate::judge::{Outcome, Reason, Severity};
use crate::record::Support;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the evidence says of a control. It never says that the control is implemented: that is a
/// person's word in the Statement of Applicability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceState {
    /// Evidence flows and no grave failure is past its limit; deviations may be open.
    Operating,
    /// A critical or high failure without an approved exception has been open for longer than its
    /// repair limit, or more hosts fail than the owner tolerates.
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
    /// Since when, in seconds since the epoch, UTC: of a failure, since it was last not one.
    pub since_s: i64,
    /// Of a failure: it lies under an approved exception. It stays visible and does not deviate.
    pub excepted: bool,
    /// Whether it is past its limit, where a nearer limit than that of its severity decides.
    pub past_limit: Option<bool>,
    /// Of a failure: its host went silent then, in seconds. Nothing ended the failure since, and
    /// nothing showed it.
    pub unseen_since_s: Option<i64>,
    /// Of a failure or unknown: approved evidence of somebody else covers it. It is neither.
    pub inherited: bool,
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

/// How many hosts may fail a control before it is deviating, as its owner said. It forgives no
/// critical or high failure that is past its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// So many hosts at most.
    #[serde(default)]
    pub max_hosts: Option<u64>,
    /// So many of a hundred of the hosts that could be judged, at most.
    #[serde(default)]
    pub max_percent: Option<u64>,
}

impl Tolerance {
    /// Whether so many failing hosts, of so many that could be judged, are too many. Hosts of which
    /// nothing is known make the denominator no larger: they tolerate nothing.
    pub fn is_exceeded(&self, failing: u64, judged: u64) -> bool {
        let percent = |max: u64| u128::from(failing) * 100 > u128::from(max) * u128::from(judged);
        self.max_hosts.is_some_and(|max| failing > max) || self.max_percent.is_some_and(percent)
    }

    /// `2 hosts`, `5 %`, `2 hosts or 5 %`.
    pub fn says(&self) -> String {
        let hosts = self.max_hosts.map(|n| format!("{n} host{}", if n == 1 { "" } else { "s" }));
        let percent = self.max_percent.map(|n| format!("{n} %"));
        hosts.into_iter().chain(percent).collect::<Vec<_>>().join(" or ")
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
    /// Results that stand on what somebody else showed: none of the outcomes before.
    pub inherited: u64,
    /// Distinct hosts that gave any result.
    pub hosts: u64,
    /// Failures of any severity, within or past their limits, without an approved exception.
    pub open_deviations: u64,
    /// Failures under an approved exception.
    pub excepted: u64,
    /// Open deviations of hosts that went silent meanwhile, and since when the first of these did.
    pub unseen: u64,
    pub unseen_since_s: Option<i64>,
    /// Failures without one that are critical or high and past their limit.
    pub past_limit: u64,
    /// Distinct hosts with a failure that no exception covers, of those that gave a pass or a
    /// failure.
    pub failing_hosts: u64,
    pub judged_hosts: u64,
    pub tolerance: Option<Tolerance>,
    pub tolerance_exceeded: bool,
    /// Since when the oldest failure without an exception has been open; absent without one.
    pub oldest_fail_s: Option<i64>,
    /// What people's records say of it, where these are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Support>,
}

impl ControlStatus {
    /// With what records say of it. One past its time is stale as a fact is that nobody collects any
    /// more; records alone let it operate where no host can show anything of it and every management
    /// system has one that counts. A record that is missing changes nothing, and none makes good what
    /// hosts fail, hide, or could show and do not.
    #[must_use]
    pub fn with_records(mut self, hosts_can_show: bool, support: Support) -> Self {
        self.state = match self.state {
            EvidenceState::None | EvidenceState::Operating if support.stale > 0 => {
                EvidenceState::Stale
            }
            EvidenceState::None
                if !hosts_can_show && support.counting > 0 && support.everywhere =>
            {
                EvidenceState::Operating
            }
            state => state,
        };
        self.records = Some(support);
        self
    }
}

/// Computes the state of a control: the first that applies of none, deviating, blind, stale and
/// operating.
pub fn control_state<'a>(
    results: impl Iterator<Item = OpenResult<'a>>,
    limits: &RepairLimits,
    tolerance: Option<Tolerance>,
    now_s: i64,
) -> ControlStatus {
    let mut tally = Tally::default();
    results.for_each(|result| tally.add(&result, limits, now_s));
    let (failing_hosts, judged_hosts) = (tally.failing.len() as u64, tally.judged.len() as u64);
    let exceeded = tolerance.is_some_and(|held| held.is_exceeded(failing_hosts, judged_hosts));
    ControlStatus {
        state: match tally.pass + tally.fail + tally.unknown + tally.inherited {
            0 => EvidenceState::None,
            _ if tally.past_limit > 0 || exceeded => EvidenceState::Deviating,
            _ if tally.blind > 0 => EvidenceState::Blind,
            _ if tally.unknown + tally.silent > 0 => EvidenceState::Stale,
            _ => EvidenceState::Operating,
        },
        pass: tally.pass,
        fail: tally.fail,
        unknown: tally.unknown,
        not_applicable: tally.not_applicable,
        inherited: tally.inherited,
        hosts: tally.hosts.len() as u64,
        open_deviations: tally.fail - tally.excepted,
        excepted: tally.excepted,
        unseen: tally.unseen,
        unseen_since_s: tally.unseen_since_s,
        past_limit: tally.past_limit,
        failing_hosts,
        judged_hosts,
        tolerance,
        tolerance_exceeded: exceeded,
        oldest_fail_s: tally.oldest_fail_s,
        records: None,
    }
}

#[derive(Default)]
struct Tally<'a> {
    pass: u64,
    fail: u64,
    unknown: u64,
    not_applicable: u64,
    inherited: u64,
    excepted: u64,
    past_limit: u64,
    blind: u64,
    /// Failures of silent hosts.
    silent: u64,
    unseen: u64,
    unseen_since_s: Option<i64>,
    oldest_fail_s: Option<i64>,
    hosts: BTreeSet<&'a str>,
    judged: BTreeSet<&'a str>,
    failing: BTreeSet<&'a str>,
}

impl<'a> Tally<'a> {
    fn add(&mut self, result: &OpenResult<'a>, limits: &RepairLimits, now_s: i64) {
        self.hosts.insert(result.host);
        if result.inherited {
            self.inherited += 1;
            self.silent += u64::from(result.unseen_since_s.is_some());
            return;
        }
        if matches!(result.outcome, Outcome::Pass | Outcome::Fail) {
            self.judged.insert(result.host);
        }
        match result.outcome {
            Outcome::Pass => self.pass += 1,
            Outcome::NotApplicable => self.not_applicable += 1,
            Outcome::Unknown => {
                self.unknown += 1;
                self.blind += u64::from(!is_stale(result.reason));
            }
            Outcome::Fail => self.add_failure(result, limits, now_s),
        }
    }

    fn add_failure(&mut self, result: &OpenResult<'a>, limits: &RepairLimits, now_s: i64) {
        self.fail += 1;
        self.silent += u64::from(result.unseen_since_s.is_some());
        if result.excepted {
            self.excepted += 1;
            return;
        }
        if let Some(since_s) = result.unseen_since_s {
            self.unseen += 1;
            self.unseen_since_s = Some(self.unseen_since_s.map_or(since_s, |s| s.min(since_s)));
        }
        let oldest = self.oldest_fail_s.map_or(result.since_s, |s| s.min(result.since_s));
        self.oldest_fail_s = Some(oldest);
        self.failing.insert(result.host);
        let past = || limits.is_past(result.severity, result.since_s, now_s);
        let past = result.past_limit.unwrap_or_else(past);
        self.past_limit += u64::from(result.severity >= Severity::High && past);
    }
}

/// Whether the evidence is there but old. An unknown without a reason is not excused as old.
pub(crate) fn is_stale(reason: Option<Reason>) -> bool {
    matches!(reason, Some(Reason::Stale | Reason::NotReporting))
}

#[cfg(test)]
mod tests;
