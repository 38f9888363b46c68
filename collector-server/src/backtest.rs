//! What rules would have said of stored history: a host's evidence as it was, judged again. Pure,
//! and nothing is written: the verdicts that were recorded stay as they are, and are put beside.
//!
//! A moment is judged as it would have been then: by the rules of the group the host was in, for
//! the day it was, over the facts that were observed. While a host was silent, nothing is known of
//! it; before it reported first and after its end there is no verdict.

use crate::clock::{DAY_US, day_of};
use crate::judge::{HostState, Judge, KindState, Reason, RuleResult, today_day};
use crate::store::KindSpan;
use evidence::{Digest, Facts, HostId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A half-open interval of time; open at its end while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub from_us: i64,
    pub to_us: Option<i64>,
}

impl Interval {
    fn has(&self, at_us: i64) -> bool {
        self.from_us <= at_us && self.to_us.is_none_or(|to| at_us < to)
    }

    fn ends(&self) -> impl Iterator<Item = i64> {
        std::iter::once(self.from_us).chain(self.to_us)
    }
}

/// What is known of a host over a time.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub kinds: Vec<KindSpan>,
    /// Groups it was in.
    pub groups: Vec<(Interval, String)>,
    /// When it did not report.
    pub silent: Vec<Interval>,
    /// When it was ended or retired.
    pub over: Vec<Interval>,
    /// What was recorded, by rule.
    pub recorded: BTreeMap<String, Vec<(Interval, Verdict)>>,
}

/// What a rule said of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub outcome: String,
    pub reason: Option<String>,
    pub offenders: Vec<String>,
}

/// A verdict as long as it would have held, beside the recorded one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stretch {
    pub rule: String,
    pub host: HostId,
    pub group: String,
    pub from_us: i64,
    pub to_us: i64,
    #[serde(flatten)]
    pub would: Verdict,
    /// None: no rule of this name had judged it then.
    pub was: Option<Verdict>,
}

/// Judges a host's history between two moments by every rule of `judge`.
pub fn replay(
    judge: &Judge,
    host: HostId,
    history: &History,
    facts: &BTreeMap<Digest, Arc<Facts>>,
    (from_us, to_us): (i64, i64),
) -> Vec<Stretch> {
    let reads_day = judge.rules().rules().iter().any(|rule| rule.reads_today);
    let cuts = cuts(history, (from_us, to_us), reads_day);
    let mut open: BTreeMap<String, Stretch> = BTreeMap::new();
    let mut closed = Vec::new();
    for (at_us, end_us) in cuts.iter().zip(cuts.iter().skip(1)) {
        let mut stretches = moment(judge, host, history, facts, (*at_us, *end_us));
        for (rule, held) in std::mem::take(&mut open) {
            // What goes on as it was is one stretch.
            match stretches.get_mut(&rule).filter(|next| continues(&held, next)) {
                Some(next) => next.from_us = held.from_us,
                None => closed.push(held),
            }
        }
        open = stretches;
    }
    closed.extend(open.into_values());
    closed.sort_by(|a, b| (&a.rule, a.from_us).cmp(&(&b.rule, b.from_us)));
    closed
}

fn continues(held: &Stretch, next: &Stretch) -> bool {
    held.to_us == next.from_us
        && (&held.group, &held.would, &held.was) == (&next.group, &next.would, &next.was)
}

/// Moments at which a verdict can change, with both ends.
fn cuts(history: &History, (from_us, to_us): (i64, i64), reads_day: bool) -> BTreeSet<i64> {
    let kind = |span: &KindSpan| Interval { from_us: span.row.since_us, to_us: span.to_us };
    let recorded = history.recorded.values().flatten().map(|(interval, _)| *interval);
    let all = history.kinds.iter().map(kind);
    let all = all.chain(history.groups.iter().map(|(interval, _)| *interval));
    let all = all.chain(history.silent.iter().copied()).chain(history.over.iter().copied());
    let inner = all.chain(recorded).flat_map(|interval| interval.ends().collect::<Vec<_>>());
    let mut cuts: BTreeSet<i64> = inner.filter(|at| (from_us..to_us).contains(at)).collect();
    if reads_day {
        cuts.extend((day_of(from_us) + 1..=day_of(to_us)).map(|day| day * DAY_US));
        cuts.retain(|at| *at < to_us);
    }
    cuts.extend([from_us, to_us]);
    cuts
}

/// What holds from one cut to the next, by rule.
fn moment(
    judge: &Judge,
    host: HostId,
    history: &History,
    facts: &BTreeMap<Digest, Arc<Facts>>,
    (at_us, end_us): (i64, i64),
) -> BTreeMap<String, Stretch> {
    let state = state(history, facts, at_us);
    if state.kinds.is_empty() || history.over.iter().any(|interval| interval.has(at_us)) {
        return BTreeMap::new();
    }
    let group = history.groups.iter().find(|(interval, _)| interval.has(at_us));
    let group = group.map(|(_, group)| group.clone()).unwrap_or_default();
    let silent = history.silent.iter().any(|interval| interval.has(at_us));
    let today = today_day(at_us.div_euclid(1_000_000));
    let results = judge.judge_in(&group, &state, today);
    let stretch = |result: RuleResult| {
        let was = history.recorded.get(&result.rule).and_then(|recorded| {
            let held = recorded.iter().find(|(interval, _)| interval.has(at_us));
            held.map(|(_, verdict)| verdict.clone())
        });
        let rule = result.rule.clone();
        let (would, group) = (verdict(result, silent), group.clone());
        (rule.clone(), Stretch { rule, host, group, from_us: at_us, to_us: end_us, would, was })
    };
    results.into_iter().map(stretch).collect()
}

fn state(history: &History, facts: &BTreeMap<Digest, Arc<Facts>>, at_us: i64) -> HostState {
    let held = history
        .kinds
        .iter()
        .filter(|span| Interval { from_us: span.row.since_us, to_us: span.to_us }.has(at_us));
    let kind = |span: &KindSpan| {
        let found = span.row.facts.and_then(|id| facts.get(&id).cloned());
        let facts = found.filter(|facts| facts.kind == span.row.kind);
        let (status, unread) = (span.row.status, span.row.unread.clone());
        (span.row.kind.clone(), KindState { status, unread, facts })
    };
    HostState { kinds: held.map(kind).collect() }
}

/// What a silent host said last is no evidence of then.
fn verdict(result: RuleResult, silent: bool) -> Verdict {
    let outcome = result.outcome.as_str();
    if silent && outcome != "not_applicable" {
        let reason = Some(Reason::NotReporting.as_str().to_owned());
        return Verdict { outcome: "unknown".to_owned(), reason, offenders: vec![] };
    }
    Verdict {
        outcome: outcome.to_owned(),
        reason: result.reason.map(|reason| reason.as_str().to_owned()),
        offenders: result.offenders,
    }
}

#[cfg(test)]
mod tests;
