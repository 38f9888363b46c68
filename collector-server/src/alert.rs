//! Alerts: which drifts are one matter for a person, and what becomes of it. Pure: drifts, what
//! stands already and the time go in, decisions come out. Times are microseconds since the epoch.

use crate::population;
use evidence::{Digest, HostId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
/// The same change on this many hosts is one alert …
const GATHER: i64 = 3;
/// … if it came to each within this time of the one before: longer than the hour between two
/// check-ins, or a rollout in waves is told once a wave.
pub const GATHER_WITHIN_US: i64 = 90 * MINUTE_US;
/// What comes back within this time is the same alert again.
pub const REOPEN_WITHIN_US: i64 = 24 * HOUR_US;
/// More than this many transitions within a day are flapping …
const FLAP_TRANSITIONS: usize = 3;
const FLAP_WITHIN_US: i64 = 24 * HOUR_US;
/// … until there was none for this long.
const STABLE_US: i64 = 6 * HOUR_US;
/// A drift seen in a check-in that was this late waits for what else is on its way …
pub const LATE_US: i64 = 5 * MINUTE_US;
/// … for this long.
pub const HOLD_US: i64 = 10 * MINUTE_US;
/// How long a drift of a live kind waits for a second check-in that agrees.
pub const CONFIRM_US: i64 = 90 * MINUTE_US;

/// Kinds that are true for a moment only: a program that listens while it is installed, a clock
/// that has just started. What they show must be seen twice.
const LIVE_KINDS: [&str; 2] = ["listening_ports", "time_sync"];

/// Rules whose failure somebody should hear of at once: a second superuser, a new key for root.
pub const PAGE_RULES: [&str; 2] = ["acc-uid0-only-root", "keys-root-approved"];

/// Whether what this kind shows must be seen twice.
pub fn is_live(kind: &str) -> bool {
    LIVE_KINDS.contains(&kind)
}

/// Who hears of an alert: somebody now, or the owner with the rest of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Page,
    Queue,
}

impl Lane {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Queue => "queue",
        }
    }

    /// The lane of a drift. A wrong clock is an anomaly too, and no reason to wake anybody.
    fn of(sort: &str, subject: &str, grouping: &str, to: &str) -> Self {
        let integrity = sort == "integrity_anomaly" && grouping != "clock";
        let pages = population::find(grouping).is_some_and(|population| population.page);
        if sort == "change" && to == "added" && pages {
            return Self::Page;
        }
        let root = sort == "regression" && PAGE_RULES.contains(&subject);
        if integrity || root { Self::Page } else { Self::Queue }
    }
}

/// An open drift that no alert holds yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its id.
    pub drift: String,
    pub host: HostId,
    /// `regression`, `evidence_lost` …
    pub sort: String,
    /// The rule, the kind, the chain, or nothing.
    pub subject: String,
    pub cause: String,
    pub severity: String,
    /// The kind of evidence that changed; `chain`, `clock`, `log` for an integrity anomaly.
    pub grouping: String,
    /// The log index that opened it.
    pub index: i64,
    pub to: String,
    pub offenders: Vec<String>,
}

/// Drifts of one host that are one matter: one change of one kind, seen in one check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub host: HostId,
    pub sort: String,
    pub cause: String,
    pub grouping: String,
    /// Equal on every host that shows the same change.
    pub signature: String,
    pub subjects: BTreeSet<String>,
    pub severity: String,
    pub lane: Lane,
    /// What it says for itself, if its sort has such words.
    pub says: String,
    /// Ids of its drifts.
    pub drifts: Vec<String>,
}

/// Puts drifts together that are one matter; in one order, whatever theirs was.
pub fn candidates(parts: &[Part]) -> Vec<Candidate> {
    let mut matters: BTreeMap<_, Vec<&Part>> = BTreeMap::new();
    for part in parts {
        let key = (part.host, &part.sort, &part.cause, &part.grouping, part.index);
        matters.entry(key).or_default().push(part);
    }
    matters.into_values().map(candidate).collect()
}

fn candidate(mut parts: Vec<&Part>) -> Candidate {
    parts.sort_by_key(|part| (&part.subject, &part.drift));
    let first = parts[0];
    let lane = parts
        .iter()
        .map(|part| Lane::of(&part.sort, &part.subject, &part.grouping, &part.to))
        .min();
    let severity = parts.iter().map(|part| part.severity.as_str()).min_by_key(|s| rank(s));
    Candidate {
        host: first.host,
        sort: first.sort.clone(),
        cause: first.cause.clone(),
        grouping: first.grouping.clone(),
        signature: signature(&parts),
        subjects: parts.iter().map(|part| part.subject.clone()).collect(),
        severity: severity.unwrap_or("medium").to_owned(),
        lane: lane.unwrap_or(Lane::Queue),
        says: if has_own_words(&first.sort) { first.to.clone() } else { String::new() },
        drifts: parts.iter().map(|part| part.drift.clone()).collect(),
    }
}

/// Regressions, lost evidence and changes of members are told by their subjects.
fn has_own_words(sort: &str) -> bool {
    !matches!(sort, "regression" | "evidence_lost" | "change")
}

/// Of the change, without the host. A chain has a name of its own on every host, so it does not
/// count.
fn signature(parts: &[&Part]) -> String {
    let what = |part: &&Part| {
        if has_own_words(&part.sort) {
            json!([])
        } else {
            json!([part.subject, part.to, part.offenders])
        }
    };
    let Some(first) = parts.first() else { return String::new() };
    let all: Vec<_> = parts.iter().map(what).collect();
    let text = json!([first.sort, first.cause, first.grouping, all]).to_string();
    Digest::of(text.as_bytes()).to_string()
}

/// Order of severities, the worst first.
pub fn rank(severity: &str) -> u8 {
    match severity {
        "critical" => 0,
        "high" => 1,
        "medium" => 2,
        "low" => 3,
        _ => 4,
    }
}

/// An alert that a candidate may belong to: one that held the same matter of the same host, or
/// has the same signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub alert: String,
    pub signature: String,
    pub hosts: i64,
    /// Whether the candidate's host is among them.
    pub has_host: bool,
    /// It held the same subject of the same host before.
    pub recurs: bool,
    pub opened_us: i64,
    /// When the last host joined it.
    pub gained_us: i64,
    pub resolved_us: Option<i64>,
}

/// Where a candidate belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nothing of the sort stands.
    Open,
    /// To an alert that is not resolved.
    Join(String),
    /// To one that was resolved and is open again.
    Reopen(String),
    /// It makes the alerts of single hosts one: `merged` become part of `into`.
    Gather { into: String, merged: Vec<String> },
}

/// Where a candidate belongs, among what stands.
pub fn place(candidate: &Candidate, standing: &[Standing], now_us: i64) -> Place {
    let recent = |alert: &&Standing| {
        alert.resolved_us.is_none_or(|resolved| now_us - resolved <= REOPEN_WITHIN_US)
    };
    let again = standing.iter().filter(|alert| alert.recurs).filter(recent);
    // The one that is not resolved, or else the latest.
    let again =
        again.max_by_key(|a| (a.resolved_us.is_none(), a.resolved_us, a.opened_us, &a.alert));
    if let Some(again) = again {
        let alert = again.alert.clone();
        return if again.resolved_us.is_some() { Place::Reopen(alert) } else { Place::Join(alert) };
    }
    let mut near: Vec<_> = standing
        .iter()
        .filter(|alert| alert.signature == candidate.signature && alert.resolved_us.is_none())
        .filter(|alert| now_us - alert.gained_us.max(alert.opened_us) <= GATHER_WITHIN_US)
        .collect();
    near.sort_by_key(|alert| (-alert.hosts, alert.opened_us, &alert.alert));
    let others: i64 = near.iter().map(|alert| alert.hosts).sum();
    let known = near.iter().any(|alert| alert.has_host);
    match near.split_first() {
        Some((into, rest)) if others + i64::from(!known) >= GATHER => {
            let into = into.alert.clone();
            let merged: Vec<_> = rest.iter().map(|alert| alert.alert.clone()).collect();
            if merged.is_empty() { Place::Join(into) } else { Place::Gather { into, merged } }
        }
        _ => Place::Open,
    }
}

/// Whether an alert that grew from `before` hosts to `after` is told again: at the first that
/// makes it one of several hosts, and at every tenfold.
pub fn is_told_again(before: i64, after: i64) -> bool {
    let step = |n: i64| if n < GATHER { 0 } else { n.max(1).ilog10() + 1 };
    step(after) > step(before)
}

/// What a history of transitions amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flap {
    pub flapping: bool,
    /// The worst of the window: what is shown.
    pub bad: bool,
}

/// Judges a history of `(when, whether something is wrong since)`, in the order of time.
pub fn flap(transitions: &[(i64, bool)], now_us: i64) -> Flap {
    let mut flapping = false;
    let mut window: Vec<i64> = vec![];
    for (at, _) in transitions {
        if window.last().is_some_and(|last| flapping && at - last >= STABLE_US) {
            (flapping, window) = (false, vec![]);
        }
        window.retain(|earlier| at - earlier < FLAP_WITHIN_US);
        window.push(*at);
        flapping |= window.len() > FLAP_TRANSITIONS;
    }
    let last = transitions.last();
    let flapping = flapping && last.is_some_and(|(at, _)| now_us - at < STABLE_US);
    Flap { flapping, bad: flapping || last.is_some_and(|(_, bad)| *bad) }
}

/// What a change that concerns no single host did.
pub fn announcement(cause: &str) -> &'static str {
    match cause {
        "rule_changed" => "other rules judge: results that fail by them alone",
        "agent_changed" => "agents report more: results that fail by it alone",
        "list_changed" => "an approved list changed: results that fail by it alone",
        "scope_changed" => "the scope changed: results that fail by it alone",
        _ => "results that fail for no reason of the hosts",
    }
}

/// One line for people.
pub fn title(sort: &str, subjects: &[String], says: &str, hosts: i64) -> String {
    let on = match hosts {
        0 => String::new(),
        1 => " on 1 host".to_owned(),
        n => format!(" on {n} hosts"),
    };
    let what = match subjects {
        [] => String::new(),
        [one] => one.clone(),
        [one, rest @ ..] => format!("{one} and {} more", rest.len()),
    };
    match sort {
        "regression" => format!("{what}: now failing{on}"),
        "evidence_lost" => format!("{what}: evidence lost{on}"),
        "not_reporting" => format!("not reporting{on}"),
        "change" if says.is_empty() => format!("{what}{on}"),
        "change" => format!("{says}{on}"),
        _ if says.is_empty() => format!("{sort}{on}"),
        _ => format!("{says}{on}"),
    }
}

#[cfg(test)]
mod tests;
