//! A control over a period: how long it was in each evidence state, how long repairs took, and the
//! longest failure. Pure, but for `reading`.
//!
//! It is what is known now of then. A failure counts from its begin, also before the period; other
//! offenders or a time without evidence are no repair. Limits are those that hold now, by severity.

mod reading;
#[cfg(test)]
mod tests;

pub use reading::{CoverageOf, of_control, of_groups};

use crate::judge::{Outcome, Severity};
use crate::overview::{outcome, reason};
use crate::scope::{Interval, intersection, joined, without};
use crate::status::{EvidenceState, RepairLimits, Tolerance, is_stale};
use evidence::HostId;
use serde::Serialize;
use std::collections::BTreeMap;

/// One result of a host over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub outcome: Outcome,
    pub stale: bool,
    pub from_us: i64,
    /// None while it holds.
    pub to_us: Option<i64>,
}

impl Held {
    /// A result as it is stored.
    pub fn of(word: &str, why: Option<&str>, from_us: i64, to_us: Option<i64>) -> Self {
        Self { outcome: outcome(word), stale: is_stale(why.and_then(reason)), from_us, to_us }
    }
}

/// One rule on one host: its results in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub host: HostId,
    pub rule: String,
    pub severity: Severity,
    pub results: Vec<Held>,
    /// When its failure lay under an approved exception.
    pub excepted: Vec<Interval>,
    /// When approved evidence of somebody else covered what did not pass.
    pub inherited: Vec<Interval>,
}

/// What the lines are measured by.
#[derive(Debug, Clone)]
pub struct Measure<'a> {
    pub period: Interval,
    pub limits: RepairLimits,
    pub tolerance: Option<Tolerance>,
    /// When each host was in service and in the scope; a host that is not here does not count.
    pub times: &'a BTreeMap<HostId, Vec<Interval>>,
    /// When each host did not report.
    pub silent: &'a BTreeMap<HostId, Vec<Interval>>,
}

/// What became of a control over a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Period {
    pub from_us: i64,
    pub to_us: i64,
    /// How long it was in each state: they add up to the period.
    pub states_us: BTreeMap<EvidenceState, i64>,
    /// Hosts that were in service and in the scope at some time.
    pub hosts: u64,
    /// Failures (rule × host) that began in the period.
    pub opened: u64,
    /// Those that ended in it by evidence.
    pub repaired: u64,
    /// Those that were open at its end.
    pub open: u64,
    /// From begin to repair, of those that were repaired in it.
    pub mean_repair_us: Option<i64>,
    pub longest: Option<Failure>,
    pub coverage: Coverage,
}

/// How much of a period evidence covers: the time of hosts, of that in which they were in service and
/// in the scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The denominator: host-microseconds in service and in the scope.
    pub expected_us: i64,
    /// Those in which the host reported, and every rule that judged it could.
    pub covered_us: i64,
}

/// A failure of a rule on a host, from its begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub host: HostId,
    pub rule: String,
    pub from_us: i64,
    /// None while it lasts, as far as the period goes.
    pub to_us: Option<i64>,
}

/// Computes what became of a control.
pub fn of(lines: &[Line], measure: &Measure<'_>) -> Period {
    let mut sweep = Sweep::default();
    let (from_us, to_us) = measure.period;
    let mut period = Period {
        from_us,
        to_us,
        states_us: BTreeMap::new(),
        hosts: measure.times.len() as u64,
        opened: 0,
        repaired: 0,
        open: 0,
        mean_repair_us: None,
        longest: None,
        coverage: coverage(lines, measure),
    };
    let (mut longest_us, mut repair_us) = (0, 0_i128);
    for line in lines {
        let Some(times) = measure.times.get(&line.host) else { continue };
        let failures = failures(&line.results);
        pieces(line, &failures, measure, times, &mut sweep);
        for failure in failures.iter().filter(|failure| failure.is_within(times, measure.period)) {
            let end_us = failure.to_us.filter(|end| *end <= to_us);
            period.opened += u64::from(failure.from_us >= from_us);
            match end_us {
                None => period.open += 1,
                Some(end) if failure.repaired => {
                    period.repaired += 1;
                    repair_us += i128::from(end - failure.from_us);
                }
                Some(_) => {}
            }
            let length_us = end_us.unwrap_or(to_us) - failure.from_us;
            if length_us > longest_us {
                longest_us = length_us;
                period.longest = Some(Failure {
                    host: line.host,
                    rule: line.rule.clone(),
                    from_us: failure.from_us,
                    to_us: end_us,
                });
            }
        }
    }
    let mean = repair_us.checked_div(i128::from(period.repaired));
    period.mean_repair_us = mean.and_then(|us| i64::try_from(us).ok());
    period.states_us = sweep.run(measure.period, measure.tolerance);
    period
}

/// What is covered: while some rule judged the host and none could not.
fn coverage(lines: &[Line], measure: &Measure<'_>) -> Coverage {
    let mut by_host: BTreeMap<HostId, (Vec<Interval>, Vec<Interval>)> = BTreeMap::new();
    for line in lines {
        let (judged, unknown) = by_host.entry(line.host).or_default();
        for held in &line.results {
            let lasted = (held.from_us, held.to_us.unwrap_or(i64::MAX));
            let list = if held.outcome == Outcome::Unknown { &mut *unknown } else { &mut *judged };
            list.push(lasted);
        }
    }
    let length = |times: &[Interval]| times.iter().map(|(from, to)| to - from).sum::<i64>();
    let mut coverage = Coverage::default();
    for (host, times) in measure.times {
        let times = overlap(times, &[measure.period]);
        coverage.expected_us += length(&times);
        let Some((judged, unknown)) = by_host.remove(host) else { continue };
        let seen = without(&overlap(&times, &joined(judged)), &joined(unknown));
        let silent = measure.silent.get(host).map(Vec::as_slice).unwrap_or_default();
        coverage.covered_us += length(&without(&seen, silent));
    }
    coverage
}

/// What lies in both; each in order, without overlaps.
fn overlap(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let (mut out, mut n, mut m) = (vec![], 0, 0);
    while let (Some(x), Some(y)) = (a.get(n), b.get(m)) {
        let both = (x.0.max(y.0), x.1.min(y.1));
        if both.0 < both.1 {
            out.push(both);
        }
        if x.1 < y.1 { n += 1 } else { m += 1 }
    }
    out
}

/// From the first failure to the first result that is a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    from_us: i64,
    to_us: Option<i64>,
    repaired: bool,
}

impl Open {
    fn is_within(&self, times: &[Interval], (from, to): Interval) -> bool {
        let lasted = (self.from_us.max(from), self.to_us.unwrap_or(i64::MAX).min(to));
        // A failure that was repaired at the very begin of the period is of the one before.
        lasted.0 < lasted.1 && !intersection(&[lasted], times).is_empty()
    }
}

fn failures(results: &[Held]) -> Vec<Open> {
    let mut done = vec![];
    let mut open: Option<Open> = None;
    for held in results {
        match (held.outcome, &mut open) {
            (Outcome::Fail, None) => {
                open = Some(Open { from_us: held.from_us, to_us: held.to_us, repaired: false });
            }
            (Outcome::Fail | Outcome::Unknown, Some(open)) => open.to_us = held.to_us,
            (Outcome::Pass | Outcome::NotApplicable, Some(failure)) => {
                done.push(Open { to_us: Some(held.from_us), repaired: true, ..*failure });
                open = None;
            }
            (_, None) => {}
        }
    }
    done.extend(open);
    done
}

/// What one rule on one host is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Pass,
    Within,
    Past,
    Excepted,
    Inherited,
    Blind,
    Stale,
}

/// Gives the sweep what the line was when: only while the host counts.
fn pieces(
    line: &Line,
    failures: &[Open],
    measure: &Measure<'_>,
    times: &[Interval],
    sweep: &mut Sweep,
) {
    let silent = measure.silent.get(&line.host).map(Vec::as_slice).unwrap_or_default();
    for held in &line.results {
        if held.outcome == Outcome::NotApplicable {
            continue;
        }
        let lasted = [(held.from_us, held.to_us.unwrap_or(i64::MAX))];
        let counted = intersection(&lasted, times);
        sweep.add(line.host, Class::Stale, &intersection(&counted, silent));
        let told = without(&counted, silent);
        let covered = |intervals: &[Interval]| without(intervals, &line.inherited);
        let inherits = |intervals: &[Interval]| intersection(intervals, &line.inherited);
        match held.outcome {
            Outcome::Pass => sweep.add(line.host, Class::Pass, &told),
            Outcome::Fail => {
                // Silence ends no failure: one that is past its limit deviates all the same.
                sweep.add(line.host, Class::Inherited, &inherits(&counted));
                let fails = covered(&counted);
                sweep.add(line.host, Class::Excepted, &intersection(&fails, &line.excepted));
                let fails = without(&fails, &line.excepted);
                let late = late(line.severity, held.from_us, failures, &measure.limits);
                let late = [(late.unwrap_or(i64::MAX), i64::MAX)];
                sweep.add(line.host, Class::Past, &intersection(&fails, &late));
                sweep.add(line.host, Class::Within, &without(&fails, &late));
            }
            _ if held.stale => sweep.add(line.host, Class::Stale, &told),
            _ => {
                sweep.add(line.host, Class::Inherited, &inherits(&told));
                sweep.add(line.host, Class::Blind, &covered(&told));
            }
        }
    }
}

/// From when on the failure that was open at a moment is past its limit; none if it never is.
fn late(severity: Severity, at_us: i64, failures: &[Open], limits: &RepairLimits) -> Option<i64> {
    let limit_s = limits.of(severity).filter(|_| severity >= Severity::High)?;
    let since_us = failures.iter().rev().find(|open| open.from_us <= at_us)?.from_us;
    Some(since_us.saturating_add(limit_s.saturating_mul(1_000_000)))
}

/// Counts that change at moments, in order of time.
#[derive(Default)]
struct Sweep {
    changes: BTreeMap<i64, Vec<(HostId, Class, i64)>>,
}

#[derive(Default)]
struct Counts {
    known: i64,
    past: i64,
    blind: i64,
    stale: i64,
    /// Per host: results that are a pass or a failure, and failures.
    hosts: BTreeMap<HostId, (i64, i64)>,
    judged: u64,
    failing: u64,
}

impl Sweep {
    fn add(&mut self, host: HostId, class: Class, intervals: &[Interval]) {
        for (from, to) in intervals {
            self.changes.entry(*from).or_default().push((host, class, 1));
            self.changes.entry(*to).or_default().push((host, class, -1));
        }
    }

    fn run(
        self,
        (from, to): Interval,
        tolerance: Option<Tolerance>,
    ) -> BTreeMap<EvidenceState, i64> {
        let mut states = BTreeMap::new();
        let mut counts = Counts::default();
        let mut at = from;
        for (moment, changes) in self.changes {
            let until = moment.clamp(from, to);
            if until > at {
                *states.entry(counts.state(tolerance)).or_insert(0) += until - at;
                at = until;
            }
            changes.into_iter().for_each(|(host, class, by)| counts.change(host, class, by));
        }
        if to > at {
            *states.entry(counts.state(tolerance)).or_insert(0) += to - at;
        }
        states
    }
}

impl Counts {
    fn change(&mut self, host: HostId, class: Class, by: i64) {
        self.known += by;
        match class {
            Class::Past => self.past += by,
            Class::Blind => self.blind += by,
            Class::Stale => self.stale += by,
            Class::Pass | Class::Within | Class::Excepted | Class::Inherited => {}
        }
        if matches!(class, Class::Blind | Class::Stale | Class::Inherited) {
            return;
        }
        let fails = i64::from(matches!(class, Class::Within | Class::Past)) * by;
        let (judged, failing) = self.hosts.entry(host).or_default();
        let before = (*judged > 0, *failing > 0);
        (*judged, *failing) = (*judged + by, *failing + fails);
        let after = (*judged > 0, *failing > 0);
        step(&mut self.judged, before.0, after.0);
        step(&mut self.failing, before.1, after.1);
    }

    /// As `status::control_state` has it.
    fn state(&self, tolerance: Option<Tolerance>) -> EvidenceState {
        let exceeded = tolerance.is_some_and(|held| held.is_exceeded(self.failing, self.judged));
        match self.known {
            0 => EvidenceState::None,
            _ if self.past > 0 || exceeded => EvidenceState::Deviating,
            _ if self.blind > 0 => EvidenceState::Blind,
            _ if self.stale > 0 => EvidenceState::Stale,
            _ => EvidenceState::Operating,
        }
    }
}

fn step(count: &mut u64, before: bool, after: bool) {
    match (before, after) {
        (false, true) => *count += 1,
        (true, false) => *count = count.saturating_sub(1),
        _ => {}
    }
}
