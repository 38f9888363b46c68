//! Gaps are evidence: when nothing was seen of a host or of one of its kinds, and why. Pure, but for
//! `reading`.
//!
//! A check-in speaks for the time until the second one it promised failed to come. What came late
//! counts when it was seen: a full spool loses facts and no check-in.

mod reading;
#[cfg(test)]
mod tests;

pub use reading::of_host;

use crate::scope::{Interval, intersection, joined, without};
use evidence::Status;
use serde::Serialize;
use std::collections::BTreeMap;

/// Why nothing was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The host was not enrolled yet.
    NotEnrolled,
    /// It has ended or is retired.
    Ended,
    /// It did not report, and no collector was there to hear it.
    CollectorOutage,
    /// It did not report.
    Silent,
    /// It reported, and what it had seen was dropped from its full spool.
    Dropped,
    /// Nothing had come of the host, or of the kind, yet.
    NotYet,
    /// The kind is gathered no more: switched off, or not known to the agent.
    SwitchedOff,
    /// Permission was refused.
    Denied,
    /// Some of it was not read.
    Partial,
    /// It could not be read for another reason.
    Failed,
}

impl Why {
    pub fn says(self) -> &'static str {
        match self {
            Self::NotEnrolled => "not enrolled yet",
            Self::Ended => "ended or retired",
            Self::CollectorOutage => "no collector was there",
            Self::Silent => "the host did not report",
            Self::Dropped => "dropped from the host's full spool",
            Self::NotYet => "nothing came yet",
            Self::SwitchedOff => "switched off, or unknown to its agent",
            Self::Denied => "permission refused",
            Self::Partial => "some of it was not read",
            Self::Failed => "it could not be read",
        }
    }
}

/// A time in which nothing, or not all, was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// None: the host as a whole, and so every kind.
    pub kind: Option<String>,
    pub why: Why,
    /// How a kind was read, where that is why.
    pub status: Option<Status>,
    pub from_us: i64,
    pub to_us: i64,
}

/// A check-in, as far as gaps go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    pub observed_us: i64,
    pub next_due_s: i64,
    /// Its manifest came.
    pub whole: bool,
}

/// How a kind was read over a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindRead {
    pub kind: String,
    pub status: Status,
    /// It names facts that never came.
    pub lost: bool,
    pub held: Interval,
}

/// What is known of one host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub period: Interval,
    pub enrolled_us: i64,
    /// When it was in service.
    pub service: Vec<Interval>,
    /// In order of time; one before the period may be there.
    pub spoken: Vec<Spoken>,
    pub kinds: Vec<KindRead>,
    /// When no collector was there.
    pub outages: Vec<Interval>,
}

/// Every gap in the period, of the whole host first, by kind and time.
pub fn gaps(known: &Known) -> Vec<Gap> {
    let whole = [known.period];
    let mut found = vec![];
    let mut add = |kind: Option<&str>, why, status, times: &[Interval]| {
        found.extend(times.iter().map(|(from_us, to_us)| Gap {
            kind: kind.map(str::to_owned),
            why,
            status,
            from_us: *from_us,
            to_us: *to_us,
        }));
    };
    let before = intersection(&whole, &[(i64::MIN, known.enrolled_us)]);
    add(None, Why::NotEnrolled, None, &before);
    let service = intersection(&without(&whole, &before), &joined(known.service.clone()));
    add(None, Why::Ended, None, &without(&without(&whole, &before), &service));
    let silent = without(&service, &heard(&known.spoken));
    let out = intersection(&silent, &joined(known.outages.clone()));
    add(None, Why::CollectorOutage, None, &out);
    let first = known.spoken.first().map_or(i64::MAX, |said| said.observed_us);
    let quiet = without(&silent, &out);
    let early = intersection(&quiet, &[(i64::MIN, first)]);
    add(None, Why::NotYet, None, &early);
    add(None, Why::Silent, None, &without(&quiet, &early));
    let heard = without(&service, &silent);
    let dropped = intersection(&heard, &dropped(&known.spoken, known.period.1));
    add(None, Why::Dropped, None, &dropped);
    let told = without(&heard, &dropped);
    for (kind, reads) in by_kind(&known.kinds) {
        let held = joined(reads.iter().map(|read| read.held).collect());
        let first = held.first().map_or(i64::MAX, |held| held.0);
        let missing = without(&told, &held);
        let early = intersection(&missing, &[(i64::MIN, first)]);
        add(Some(kind), Why::NotYet, None, &early);
        add(Some(kind), Why::SwitchedOff, None, &without(&missing, &early));
        for read in reads {
            let Some((why, status)) = short(read) else { continue };
            add(Some(kind), why, status, &intersection(&told, &[read.held]));
        }
    }
    found.sort_by(|a, b| (&a.kind, a.from_us, a.why).cmp(&(&b.kind, b.from_us, b.why)));
    merged(found)
}

fn by_kind(kinds: &[KindRead]) -> BTreeMap<&str, Vec<&KindRead>> {
    let mut by_kind: BTreeMap<&str, Vec<&KindRead>> = BTreeMap::new();
    kinds.iter().for_each(|read| by_kind.entry(&read.kind).or_default().push(read));
    by_kind
}

/// When check-ins spoke for the host.
fn heard(spoken: &[Spoken]) -> Vec<Interval> {
    let until =
        |said: &Spoken| said.observed_us.saturating_add(said.next_due_s.saturating_mul(2_000_000));
    joined(spoken.iter().map(|said| (said.observed_us, until(said))).collect())
}

/// When what check-ins say never came: each until the next one.
fn dropped(spoken: &[Spoken], end_us: i64) -> Vec<Interval> {
    let next = spoken.iter().skip(1).map(|said| said.observed_us).chain([end_us]);
    let lost = spoken.iter().zip(next).filter(|(said, _)| !said.whole);
    joined(lost.map(|(said, next)| (said.observed_us, next)).collect())
}

/// Why a kind is not, or not wholly, seen; none when it is.
fn short(read: &KindRead) -> Option<(Why, Option<Status>)> {
    let status = Some(read.status);
    match read.status {
        Status::Ok | Status::Partial if read.lost => Some((Why::Dropped, None)),
        Status::Ok | Status::NotApplicable | Status::Absent => None,
        Status::Partial => Some((Why::Partial, status)),
        Status::Denied => Some((Why::Denied, status)),
        Status::ParseError
        | Status::Unsupported
        | Status::Timeout
        | Status::Truncated
        | Status::IoError => Some((Why::Failed, status)),
    }
}

/// Gaps of one cause that touch are one.
fn merged(gaps: Vec<Gap>) -> Vec<Gap> {
    let mut out: Vec<Gap> = vec![];
    for gap in gaps {
        let same = |last: &&mut Gap| {
            last.to_us == gap.from_us
                && (&last.kind, last.why, last.status) == (&gap.kind, gap.why, gap.status)
        };
        match out.last_mut().filter(same) {
            Some(last) => last.to_us = gap.to_us,
            None => out.push(gap),
        }
    }
    out
}

/// How much of a period was seen of a host as a whole: `(expected, covered)`, microseconds. What is
/// before its enrolment or after its end is not expected.
pub fn coverage(gaps: &[Gap], (from, to): Interval) -> (i64, i64) {
    let of = |outside: bool| {
        let whole = gaps.iter().filter(|gap| gap.kind.is_none());
        let wanted =
            whole.filter(|gap| matches!(gap.why, Why::NotEnrolled | Why::Ended) == outside);
        wanted.map(|gap| gap.to_us - gap.from_us).sum::<i64>()
    };
    let expected = to - from - of(true);
    (expected, expected - of(false))
}
