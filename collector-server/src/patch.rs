//! How long security updates waited, against limits by severity, criticality and environment. Pure,
//! but for `reading`.

mod reading;

pub use reading::{report, verdicts};

use crate::config::DurationText;
use crate::store::model::GroupRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DAY_US: i64 = 86_400_000_000;

/// How grave an update is, as its advisories say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    Critical,
    Important,
    Moderate,
    Low,
    /// Nobody rated it, and nothing is guessed.
    #[serde(other)]
    Unknown,
}

impl Rating {
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Important => "important",
            Self::Moderate => "moderate",
            Self::Low => "low",
            Self::Unknown => "unknown",
        }
    }
}

/// How long updates may wait, by severity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchLimits {
    pub critical: DurationText,
    pub important: DurationText,
    pub moderate: DurationText,
    pub low: DurationText,
    /// The first row that fits a group replaces what it names.
    #[serde(rename = "for")]
    pub rows: Vec<PatchRow>,
}

/// Limits of some groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PatchRow {
    pub criticality: Option<Criticality>,
    pub environment: Option<Environment>,
    pub critical: Option<DurationText>,
    pub important: Option<DurationText>,
    pub moderate: Option<DurationText>,
    pub low: Option<DurationText>,
}

/// How much depends on a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    Low,
    Medium,
    High,
    Critical,
}

/// What a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    Production,
    Staging,
    Test,
    Development,
}

impl Default for PatchLimits {
    /// 7, 30, 90 and 180 days.
    fn default() -> Self {
        let days = |n: u64| DurationText(std::time::Duration::from_secs(n * 86_400));
        let (critical, important) = (days(7), days(30));
        Self { critical, important, moderate: days(90), low: days(180), rows: vec![] }
    }
}

impl PatchLimits {
    /// How long an update of this severity may wait on a host of this group, in microseconds; none
    /// for one that nobody rated.
    pub fn of(&self, rating: Rating, group: Option<&GroupRow>) -> Option<i64> {
        let row = self.rows.iter().find(|row| row.fits(group));
        let (own, all) = match rating {
            Rating::Critical => (row.and_then(|row| row.critical), self.critical),
            Rating::Important => (row.and_then(|row| row.important), self.important),
            Rating::Moderate => (row.and_then(|row| row.moderate), self.moderate),
            Rating::Low => (row.and_then(|row| row.low), self.low),
            Rating::Unknown => return None,
        };
        let limit = own.unwrap_or(all).0.as_micros();
        Some(i64::try_from(limit).unwrap_or(i64::MAX))
    }
}

impl PatchRow {
    fn fits(&self, group: Option<&GroupRow>) -> bool {
        let criticality = group.and_then(|group| group.criticality.as_deref());
        let environment = group.and_then(|group| group.environment.as_deref());
        self.criticality.is_none_or(|wanted| word(criticality) == Some(wanted))
            && self.environment.is_none_or(|wanted| word(environment) == Some(wanted))
    }
}

fn word<T: for<'de> Deserialize<'de>>(text: Option<&str>) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text?.to_owned())).ok()
}

/// A security update that a host's lists know and that is not installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub package: String,
    pub candidate: String,
    pub rating: Rating,
    /// Day on which the first of its advisories was published.
    pub advised_day: Option<i64>,
}

/// What a host said of its security updates over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub from_us: i64,
    /// None while it holds.
    pub to_us: Option<i64>,
    /// None where what waits was not known.
    pub waiting: Option<Vec<Waiting>>,
}

/// Which moment the clock of an update starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The publication of its first advisory.
    Publication,
    /// The lists name none: the first sight of it on the host.
    FirstSeen,
}

/// Where an update stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    PastLimit,
    /// It waits and nobody rated it: no limit can be told.
    Unrated,
    WithinLimit,
    ClosedLate,
    ClosedUnrated,
    ClosedInTime,
}

impl Standing {
    pub const ALL: [Self; 6] = [
        Self::PastLimit,
        Self::Unrated,
        Self::WithinLimit,
        Self::ClosedLate,
        Self::ClosedUnrated,
        Self::ClosedInTime,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::PastLimit => "past_limit",
            Self::Unrated => "unrated",
            Self::WithinLimit => "within_limit",
            Self::ClosedLate => "closed_late",
            Self::ClosedUnrated => "closed_unrated",
            Self::ClosedInTime => "closed_in_time",
        }
    }
}

/// An update of one host, from its clock's start to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patch {
    pub package: String,
    /// The version that was due last.
    pub candidate: String,
    pub severity: Rating,
    pub start: Start,
    pub start_us: i64,
    /// None for one that nobody rated.
    pub due_us: Option<i64>,
    /// When it waited no more.
    pub closed_us: Option<i64>,
    pub standing: Standing,
}

/// Every update that waited at some time since the first state, by package and start. A state in
/// which nothing was known closes none.
pub fn patches(
    history: &[Seen],
    limits: &PatchLimits,
    group: Option<&GroupRow>,
    now_us: i64,
) -> Vec<Patch> {
    let mut open: BTreeMap<&str, (&Waiting, Option<i64>, i64)> = BTreeMap::new();
    let mut done = vec![];
    let mut end = |(waiting, advised, seen_us): (&Waiting, Option<i64>, i64), closed_us| {
        done.push(patch(waiting, (advised, seen_us), closed_us, limits, group, now_us));
    };
    for seen in history {
        let Some(waiting) = &seen.waiting else { continue };
        let gone: Vec<&str> = open
            .keys()
            .copied()
            .filter(|package| !waiting.iter().any(|update| update.package == *package))
            .collect();
        for package in gone {
            if let Some(update) = open.remove(package) {
                end(update, Some(seen.from_us));
            }
        }
        for update in waiting {
            let held = open.entry(&update.package).or_insert((update, None, seen.from_us));
            // A later fix of the same package does not set the clock of the first one back.
            held.1 = held.1.into_iter().chain(update.advised_day).min();
            held.0 = update;
        }
    }
    open.into_values().for_each(|update| end(update, None));
    done.sort_by(|a, b| (&a.package, a.start_us).cmp(&(&b.package, b.start_us)));
    done
}

fn patch(
    waiting: &Waiting,
    (advised_day, seen_us): (Option<i64>, i64),
    closed_us: Option<i64>,
    limits: &PatchLimits,
    group: Option<&GroupRow>,
    now_us: i64,
) -> Patch {
    let (start, start_us) = match advised_day {
        Some(day) => (Start::Publication, day.saturating_mul(DAY_US)),
        None => (Start::FirstSeen, seen_us),
    };
    let limit_us = limits.of(waiting.rating, group);
    let due_us = limit_us.map(|limit| start_us.saturating_add(limit));
    Patch {
        package: waiting.package.clone(),
        candidate: waiting.candidate.clone(),
        severity: waiting.rating,
        start,
        start_us,
        due_us,
        closed_us,
        standing: match (due_us, closed_us) {
            (None, None) => Standing::Unrated,
            (None, Some(_)) => Standing::ClosedUnrated,
            (Some(due), None) if now_us > due => Standing::PastLimit,
            (Some(_), None) => Standing::WithinLimit,
            (Some(due), Some(closed)) if closed > due => Standing::ClosedLate,
            (Some(_), Some(_)) => Standing::ClosedInTime,
        },
    }
}

/// Whether a failure over these updates is past their limits: yes if one of them is; no if all are
/// rated and within; not for them to say otherwise.
pub fn verdict(offenders: &[String], open: &[Patch]) -> Option<bool> {
    let of = |offender: &String| {
        open.iter().find(|patch| *offender == format!("{} {}", patch.package, patch.candidate))
    };
    let found: Vec<Option<&Patch>> = offenders.iter().map(of).collect();
    let stands = |standing| {
        move |patch: &Option<&Patch>| patch.is_some_and(|patch| patch.standing == standing)
    };
    if found.iter().any(stands(Standing::PastLimit)) {
        return Some(true);
    }
    let all = !found.is_empty() && found.iter().all(stands(Standing::WithinLimit));
    all.then_some(false)
}

#[cfg(test)]
mod tests;
