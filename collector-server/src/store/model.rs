//! Rows as the rest of the program sees them. Times are microseconds since the epoch, UTC
//! (`_us`); spans are half-open.

use evidence::{Digest, HostId, Source, Status};
use serde::{Deserialize, Serialize};

/// The log's size and root.
pub use super::log::LogState as LogHead;

/// A host and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    pub id: HostId,
    /// The host's name as it gave it at enrolment.
    pub name: String,
    pub group: String,
    pub state: HostState,
    pub enrolled_us: i64,
    /// When its last check-in was received; none before the first.
    pub last_received_us: Option<i64>,
    /// The last check-in promised the next within this many seconds.
    pub next_due_s: Option<i64>,
    pub agent: Option<String>,
    /// Manifest that holds now.
    pub manifest: Option<Digest>,
    /// When a person ended its identity, if one did: none of its certificates works since.
    pub revoked_us: Option<i64>,
}

/// Life of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// It has a certificate and has not checked in yet.
    Enrolling,
    Active,
    /// In service, and people work on it: what it misses meanwhile alarms nobody.
    Maintenance,
    /// It left by itself or its time ran out.
    Ended,
    /// A person took it out of service.
    Retired,
}

impl HostState {
    /// Whether its certificate opens the door.
    pub fn is_in_service(self) -> bool {
        matches!(self, Self::Enrolling | Self::Active | Self::Maintenance)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolling => "enrolling",
            Self::Active => "active",
            Self::Maintenance => "maintenance",
            Self::Ended => "ended",
            Self::Retired => "retired",
        }
    }
}

impl HostRow {
    /// When the second promised check-in failed to come, if it did, or its identity was revoked.
    pub fn silent_since_us(&self) -> i64 {
        let due_us = self.next_due_s.unwrap_or_default() * 1_000_000;
        let missed_us = self.last_received_us.map(|received_us| received_us + 2 * due_us);
        missed_us.into_iter().chain(self.revoked_us).min().unwrap_or_default()
    }

    /// Until when what it said last counts: then the second promised check-in has failed to come, or
    /// its identity was revoked before. None before the first check-in.
    pub fn valid_until_us(&self) -> Option<i64> {
        self.last_received_us.map(|_| self.silent_since_us())
    }

    /// Whether two promised check-ins were missed (DESIGN: silent = 2 × `next_due_s`), or none can
    /// come any more because its identity was revoked.
    pub fn is_silent(&self, now_us: i64) -> bool {
        match (self.last_received_us, self.next_due_s) {
            _ if self.revoked_us.is_some_and(|revoked_us| revoked_us <= now_us) => true,
            (Some(received), Some(due)) => now_us - received > 2 * due * 1_000_000,
            _ => false,
        }
    }
}

/// What holds for one kind of one host, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindRow {
    pub host: HostId,
    pub kind: String,
    pub status: Status,
    pub facts: Option<Digest>,
    pub sources: Vec<Source>,
    pub unread: Vec<String>,
    /// Observed since.
    pub since_us: i64,
    /// When the kind was last collected: a check-in said so.
    pub collected_us: Option<i64>,
}

/// A result that holds, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultRow {
    pub host: HostId,
    pub rule: String,
    /// `pass`, `fail`, `unknown`, `not_applicable`.
    pub outcome: String,
    /// Why it is unknown.
    pub reason: Option<String>,
    pub offenders: Vec<String>,
    /// Observed since.
    pub since_us: i64,
    /// The log index that made it known.
    pub known: i64,
    /// Why it changed to this; none for the first result.
    pub cause: Option<String>,
}

/// A change that deserves a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRow {
    pub id: String,
    /// `regression`, `evidence_lost` …
    pub drift: String,
    pub host: HostId,
    /// The rule of a regression.
    pub rule: Option<String>,
    /// The kind whose evidence was lost.
    pub kind: Option<String>,
    pub cause: String,
    pub severity: String,
    pub from: String,
    pub to: String,
    pub offenders: Vec<String>,
    pub opened_us: i64,
    /// When evidence ended it.
    pub resolved_us: Option<i64>,
}

/// What is said of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    pub name: String,
    /// `production`, `staging`, `test`, `development`.
    pub environment: Option<String>,
    /// `low`, `medium`, `high`, `critical`.
    pub criticality: Option<String>,
    /// The team that answers for it.
    pub owner: Option<String>,
    /// Who answers when the team does not.
    pub deputy: Option<String>,
    /// Who answers when neither does.
    pub fallback: Option<String>,
    /// Of an ephemeral group: its hosts end after this many seconds in silence.
    pub ttl_s: Option<i64>,
    /// Its hosts in service.
    pub hosts: i64,
}

/// Drifts of one cause, and where a person stands with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    pub id: String,
    /// One line for people.
    pub title: String,
    /// The sort of its drifts: `regression`, `evidence_lost`, `not_reporting`,
    /// `integrity_anomaly`; `change` for what concerns rules or agents and no single host;
    /// `collector_silence` for the collector's own trouble.
    pub drift: String,
    pub cause: String,
    /// The kind of evidence that changed; `chain`, `clock`, `log` for an integrity anomaly.
    pub grouping: Option<String>,
    /// Rules, kinds or chains, in order.
    pub subjects: Vec<String>,
    pub severity: String,
    /// `page` or `queue`.
    pub lane: String,
    /// `open`, `acknowledged`, `resolved`.
    pub state: String,
    pub hosts: i64,
    /// It comes and goes: it stays open until it was quiet for hours.
    pub flapping: bool,
    pub opened_us: i64,
    /// When the last host joined it.
    pub gained_us: i64,
    pub acknowledged_us: Option<i64>,
    pub acknowledged_by: Option<String>,
    pub note: Option<String>,
    pub resolved_us: Option<i64>,
    /// The alert that took it over.
    pub merged_into: Option<String>,
}

/// A step in an alert's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertEvent {
    pub id: String,
    pub at_us: i64,
    /// `opened`, `acknowledged`, `resolved`, `reopened`, `grew` (more hosts), `flapping`, `went`
    /// and `returned` (while it flaps), `stable` (it flaps no more and is still wrong), `merged`.
    pub event: String,
}
