use super::*;
use crate::judge::Reason;
use crate::status::{OpenResult, control_state};
use proptest::prelude::*;

const DAY: i64 = 86_400_000_000;

fn host(n: u128) -> HostId {
    HostId::from(n)
}

fn held(outcome: Outcome, from: i64, to: Option<i64>) -> Held {
    Held { outcome, stale: false, from_us: from * DAY, to_us: to.map(|to| to * DAY) }
}

fn line(n: u128, results: Vec<Held>) -> Line {
    let (rule, severity) = ("ssh".to_owned(), Severity::High);
    Line { host: host(n), rule, severity, results, excepted: vec![], inherited: vec![] }
}

struct World {
    times: BTreeMap<HostId, Vec<Interval>>,
    silent: BTreeMap<HostId, Vec<Interval>>,
    tolerance: Option<Tolerance>,
}

impl World {
    fn new(hosts: u128) -> Self {
        let times = (1..=hosts).map(|n| (host(n), vec![(0, 100 * DAY)])).collect();
        Self { times, silent: BTreeMap::new(), tolerance: None }
    }

    fn of(&self, lines: &[Line], from: i64, to: i64) -> Period {
        let measure = Measure {
            period: (from * DAY, to * DAY),
            limits: RepairLimits::default(),
            tolerance: self.tolerance,
            times: &self.times,
            silent: &self.silent,
        };
        of(lines, &measure)
    }
}

fn days(period: &Period) -> Vec<(&'static str, i64)> {
    let day = |(state, us): (&EvidenceState, &i64)| (state.as_str(), us / DAY);
    period.states_us.iter().map(day).collect()
}

#[test]
fn evidence_covers_what_was_judged_of_what_was_expected() {
    let covered = |world: &World, lines: &[Line], from, to| {
        let coverage = world.of(lines, from, to).coverage;
        (coverage.covered_us / DAY, coverage.expected_us / DAY)
    };
    let mut world = World::new(3);
    // One is judged from day 10 on and unknown for 5 days, one fails all the time, and of one nothing
    // was ever judged: it is expected all the same.
    let lines = [
        line(
            1,
            vec![
                held(Outcome::Pass, 10, Some(20)),
                held(Outcome::Unknown, 20, Some(25)),
                held(Outcome::NotApplicable, 25, None),
            ],
        ),
        line(2, vec![held(Outcome::Fail, 0, None)]),
    ];
    assert_eq!(covered(&world, &lines, 0, 50), (35 + 50, 150));
    assert_eq!(covered(&world, &lines, 25, 50), (25 + 25, 75));
    // Another rule that could judge does not cover for one that could not.
    let other = line(1, vec![held(Outcome::Pass, 0, None)]);
    let both = [lines[0].clone(), other];
    assert_eq!(covered(&world, &both, 0, 50), (45, 150));
    world.silent.insert(host(2), vec![(40 * DAY, 60 * DAY)]);
    assert_eq!(covered(&world, &lines, 0, 50), (35 + 40, 150));
    world.times.insert(host(3), vec![(45 * DAY, 100 * DAY)]);
    assert_eq!(covered(&world, &lines, 0, 50), (35 + 40, 105));
}

#[test]
fn a_failure_counts_from_its_begin_and_deviates_from_its_limit_on() {
    let results = vec![
        held(Outcome::Pass, 0, Some(10)),
        held(Outcome::Fail, 10, Some(40)),
        held(Outcome::Pass, 40, None),
    ];
    let lines = [line(1, results)];
    let world = World::new(1);
    let whole = world.of(&lines, 0, 50);
    // 14 days are the limit of a high one.
    assert_eq!(days(&whole), [("operating", 34), ("deviating", 16)]);
    assert_eq!((whole.opened, whole.repaired, whole.open), (1, 1, 0));
    assert_eq!(whole.mean_repair_us, Some(30 * DAY));
    let longest = whole.longest.expect("a failure");
    assert_eq!((longest.from_us, longest.to_us), (10 * DAY, Some(40 * DAY)));

    let late = world.of(&lines, 30, 35);
    assert_eq!(days(&late), [("deviating", 5)], "it began before the period");
    assert_eq!((late.opened, late.repaired, late.open, late.mean_repair_us), (0, 0, 1, None));
    assert_eq!(late.longest.map(|f| (f.from_us, f.to_us)), Some((10 * DAY, None)));
    let after = world.of(&lines, 40, 50);
    assert_eq!((after.repaired, after.longest), (0, None), "its repair is of the period before");
}

#[test]
fn other_offenders_and_a_time_without_evidence_are_no_repair() {
    let results = vec![
        held(Outcome::Fail, 0, Some(5)),
        held(Outcome::Fail, 5, Some(10)),
        held(Outcome::Unknown, 10, Some(12)),
        held(Outcome::Fail, 12, Some(20)),
        held(Outcome::Pass, 20, None),
    ];
    let period = World::new(1).of(&[line(1, results)], 0, 30);
    assert_eq!(days(&period), [("operating", 22), ("deviating", 6), ("blind", 2)]);
    assert_eq!((period.opened, period.mean_repair_us), (1, Some(20 * DAY)));
}

#[test]
fn what_no_longer_judges_was_not_repaired() {
    let results = vec![held(Outcome::Fail, 0, Some(5))];
    let period = World::new(1).of(&[line(1, results)], 0, 10);
    assert_eq!(days(&period), [("operating", 5), ("none", 5)]);
    assert_eq!((period.opened, period.repaired, period.open), (1, 0, 0));
}

#[test]
fn a_silent_host_is_stale_and_one_out_of_service_does_not_count() {
    let lines = [line(1, vec![held(Outcome::Pass, 0, None)])];
    let mut world = World::new(1);
    world.silent.insert(host(1), vec![(5 * DAY, 8 * DAY)]);
    assert_eq!(days(&world.of(&lines, 0, 10)), [("operating", 7), ("stale", 3)]);
    world.times.insert(host(1), vec![(0, 6 * DAY)]);
    assert_eq!(days(&world.of(&lines, 0, 10)), [("operating", 5), ("stale", 1), ("none", 4)]);
    world.times.clear();
    let nobody = world.of(&lines, 0, 10);
    assert_eq!((days(&nobody), nobody.hosts), (vec![("none", 10)], 0));
}

#[test]
fn a_tolerance_counts_hosts_while_they_fail_and_an_exception_takes_them_out() {
    let fails = |n, from, to| {
        let mut line = line(
            n,
            vec![
                held(Outcome::Pass, 0, Some(from)),
                held(Outcome::Fail, from, Some(to)),
                held(Outcome::Pass, to, None),
            ],
        );
        line.severity = Severity::Low;
        line
    };
    let mut world = World::new(2);
    world.tolerance = Some(Tolerance { max_hosts: Some(1), max_percent: None });
    let mut lines = [fails(1, 2, 6), fails(2, 4, 9)];
    assert_eq!(days(&world.of(&lines, 0, 10)), [("operating", 8), ("deviating", 2)]);
    lines[0].excepted = vec![(5 * DAY, 9 * DAY)];
    assert_eq!(days(&world.of(&lines, 0, 10)), [("operating", 9), ("deviating", 1)]);
}

proptest! {
    /// The state at any moment of the period is the one that the same results would give then.
    #[test]
    fn shares_add_up_and_agree_with_the_state_of_each_moment(
        hosts in proptest::collection::vec(
            (
                proptest::collection::vec((0..4u8, 1..12i64), 1..5),
                0..3u8,
                any::<bool>(),
                any::<bool>(),
            ),
            1..4,
        ),
        max in proptest::option::of(0..3u64),
    ) {
        const OUTCOMES: [Outcome; 4] =
            [Outcome::Pass, Outcome::Fail, Outcome::Unknown, Outcome::NotApplicable];
        let mut lines = vec![];
        for (n, (spans, severity, covered, _)) in hosts.iter().enumerate() {
            let mut at = 0;
            let mut results = vec![];
            for (outcome, length) in spans {
                results.push(held(OUTCOMES[usize::from(*outcome)], at, Some(at + length)));
                at += length;
            }
            results.last_mut().expect("a span").to_us = None;
            let severity =
                [Severity::Low, Severity::High, Severity::Critical][usize::from(*severity)];
            let inherited = if *covered { vec![(5 * DAY, 20 * DAY)] } else { vec![] };
            lines.push(Line { severity, inherited, ..line(n as u128 + 1, results) });
        }
        let mut world = World::new(lines.len() as u128);
        for (line, (.., silent)) in lines.iter().zip(&hosts) {
            if *silent {
                world.silent.insert(line.host, vec![(10 * DAY, 30 * DAY)]);
            }
        }
        world.tolerance = max.map(|n| Tolerance { max_hosts: Some(n), max_percent: None });
        let period = world.of(&lines, 0, 40);
        prop_assert_eq!(period.states_us.values().sum::<i64>(), 40 * DAY);
        let names: Vec<String> = lines.iter().map(|line| line.host.to_string()).collect();
        let mut by_moment: BTreeMap<EvidenceState, i64> = BTreeMap::new();
        for day in 0..40 {
            // In the middle of each day: spans and limits begin with days.
            let at = day * DAY + DAY / 2;
            let open = lines.iter().zip(&names).filter_map(|(line, name)| {
                let held = line.results.iter().rev().find(|held| held.from_us <= at)?;
                let failing = failures(&line.results).into_iter().rev().find(|f| f.from_us <= at);
                let within = |of: &[Interval]| of.iter().any(|(from, to)| *from <= at && at < *to);
                let silent = world.silent.get(&line.host).is_some_and(|of| within(of));
                let lost = silent && matches!(held.outcome, Outcome::Pass | Outcome::Unknown);
                let outcome = if lost { Outcome::Unknown } else { held.outcome };
                let gap = !lost && matches!(outcome, Outcome::Fail | Outcome::Unknown);
                Some(OpenResult {
                    rule: &line.rule,
                    host: name,
                    severity: line.severity,
                    outcome,
                    reason: Some(if lost { Reason::NotReporting } else { Reason::Denied }),
                    unseen_since_s: (silent && outcome == Outcome::Fail).then_some(0),
                    inherited: gap && within(&line.inherited),
                    since_s: failing.map_or(held.from_us, |f| f.from_us) / 1_000_000,
                    excepted: false,
                    past_limit: None,
                })
            });
            let limits = RepairLimits::default();
            let status = control_state(open, &limits, world.tolerance, at / 1_000_000);
            *by_moment.entry(status.state).or_insert(0) += DAY;
        }
        prop_assert_eq!(period.states_us, by_moment);
    }
}
