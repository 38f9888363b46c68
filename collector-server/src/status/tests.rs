use super::*;

const NOW: i64 = 1_800_000_000;

fn result(outcome: Outcome) -> OpenResult<'static> {
    OpenResult {
        rule: "acc-uid0-only-root",
        host: "web-01",
        severity: Severity::Critical,
        outcome,
        reason: None,
        since_s: NOW,
        excepted: false,
        past_limit: None,
        unseen_since_s: None,
        inherited: false,
    }
}

fn failed(severity: Severity, days: i64) -> OpenResult<'static> {
    OpenResult { severity, since_s: NOW - days * DAY_S, ..result(Outcome::Fail) }
}

fn unknown(reason: Reason) -> OpenResult<'static> {
    OpenResult { reason: Some(reason), ..result(Outcome::Unknown) }
}

fn status(results: &[OpenResult<'static>]) -> ControlStatus {
    control_state(results.iter().cloned(), &RepairLimits::default(), None, NOW)
}

fn state(results: &[OpenResult<'static>]) -> EvidenceState {
    status(results).state
}

#[test]
fn without_results_or_where_nothing_applies_there_is_no_evidence() {
    assert_eq!(state(&[]), EvidenceState::None);
    assert_eq!(state(&[result(Outcome::NotApplicable)]), EvidenceState::None);
    assert_eq!(
        state(&[result(Outcome::NotApplicable), result(Outcome::Pass)]),
        EvidenceState::Operating
    );
}

#[test]
fn a_control_operates_while_its_failures_are_within_their_limits() {
    let results =
        [result(Outcome::Pass), failed(Severity::High, 14), failed(Severity::Critical, 1)];
    let status = status(&results);
    assert_eq!(status.state, EvidenceState::Operating);
    assert_eq!((status.pass, status.fail, status.open_deviations), (1, 2, 2));
    assert_eq!(status.oldest_fail_s, Some(NOW - 14 * DAY_S));
}

#[test]
fn a_grave_failure_past_its_limit_is_a_deviation() {
    assert_eq!(state(&[failed(Severity::Critical, 2)]), EvidenceState::Deviating);
    assert_eq!(state(&[failed(Severity::High, 15)]), EvidenceState::Deviating);
    let mut on_the_second = failed(Severity::High, 14);
    assert_eq!(state(&[on_the_second.clone()]), EvidenceState::Operating);
    on_the_second.since_s -= 1;
    assert_eq!(state(&[on_the_second]), EvidenceState::Deviating);
}

#[test]
fn a_lesser_failure_is_counted_and_never_deviates() {
    for severity in [Severity::Medium, Severity::Low, Severity::Info] {
        let status = status(&[failed(severity, 1000)]);
        assert_eq!((status.state, status.fail), (EvidenceState::Operating, 1), "{severity:?}");
    }
}

#[test]
fn what_could_not_be_read_makes_a_control_blind() {
    for reason in [
        Reason::Absent,
        Reason::Denied,
        Reason::ParseError,
        Reason::Unsupported,
        Reason::Timeout,
        Reason::Truncated,
        Reason::IoError,
        Reason::NotCollected,
        Reason::NotReceived,
        Reason::AgentTooOld,
        Reason::FactMissing,
        Reason::Guard,
        Reason::RuleError,
    ] {
        let results = [result(Outcome::Pass), unknown(reason), unknown(Reason::Stale)];
        assert_eq!(state(&results), EvidenceState::Blind, "{reason:?}");
    }
    assert_eq!(state(&[result(Outcome::Unknown)]), EvidenceState::Blind);
}

#[test]
fn what_is_old_or_silent_makes_a_control_stale() {
    for reason in [Reason::Stale, Reason::NotReporting] {
        assert_eq!(state(&[result(Outcome::Pass), unknown(reason)]), EvidenceState::Stale);
    }
}

#[test]
fn a_deviation_comes_before_blindness() {
    let results = [unknown(Reason::Denied), failed(Severity::Critical, 2)];
    assert_eq!(state(&results), EvidenceState::Deviating);
}

#[test]
fn the_failures_of_a_host_that_went_silent_deviate_and_say_that_nobody_saw_them_since() {
    let unseen =
        |days| OpenResult { unseen_since_s: Some(NOW - DAY_S), ..failed(Severity::Critical, days) };
    let past = [unknown(Reason::NotReporting), unseen(3), failed(Severity::Low, 1)];
    let past = status(&past);
    assert_eq!(past.state, EvidenceState::Deviating);
    assert_eq!((past.fail, past.unseen, past.open_deviations), (2, 1, 2));
    assert_eq!(past.unseen_since_s, Some(NOW - DAY_S));
    // Within its limit it is no deviation yet, and no fresh evidence.
    assert_eq!(state(&[result(Outcome::Pass), unseen(1)]), EvidenceState::Stale);
    let excepted = OpenResult { excepted: true, ..unseen(3) };
    assert_eq!(state(&[excepted]), EvidenceState::Stale);
}

#[test]
fn an_inherited_result_is_counted_apart_and_neither_fails_nor_blinds_nor_passes() {
    let inherited = |result| OpenResult { inherited: true, ..result };
    let both = [failed(Severity::Critical, 400), unknown(Reason::Unsupported)].map(inherited);
    let status = status(&both);
    assert_eq!(status.state, EvidenceState::Operating);
    assert_eq!((status.inherited, status.pass, status.fail, status.unknown), (2, 0, 0, 0));
    assert_eq!((status.judged_hosts, status.failing_hosts, status.hosts), (0, 0, 1));
    let beside = [inherited(failed(Severity::Low, 1)), failed(Severity::Critical, 400)];
    assert_eq!(state(&beside), EvidenceState::Deviating, "what it does not cover still fails");
}

#[test]
fn the_denominator_counts_hosts_once() {
    let other = OpenResult { host: "web-02", ..result(Outcome::Pass) };
    let status = status(&[result(Outcome::Pass), result(Outcome::NotApplicable), other]);
    assert_eq!((status.hosts, status.pass, status.not_applicable), (2, 2, 1));
}

#[test]
fn limits_can_be_set_and_others_keep_their_default() {
    let limits: RepairLimits = toml::from_str("critical_s = 10").expect("limits");
    assert_eq!(limits.high_s, RepairLimits::default().high_s);
    assert!(
        limits.is_past(Severity::Critical, 0, 11) && !limits.is_past(Severity::Critical, 0, 10)
    );
    assert!(toml::from_str::<RepairLimits>("critcal_s = 10").is_err());
}

#[test]
fn a_failure_under_an_exception_stays_visible_and_does_not_deviate() {
    let old = OpenResult { excepted: true, ..failed(Severity::Critical, 400) };
    let young = failed(Severity::Critical, 1);
    let status = status(&[old.clone(), young.clone()]);
    assert_eq!(status.state, EvidenceState::Operating);
    assert_eq!((status.fail, status.excepted, status.open_deviations), (2, 1, 1));
    assert_eq!(status.oldest_fail_s, Some(young.since_s));
    let without = OpenResult { excepted: false, ..old };
    assert_eq!(state(&[without, young]), EvidenceState::Deviating);
}

fn on(host: &'static str, outcome: Outcome) -> OpenResult<'static> {
    OpenResult { host, severity: Severity::Low, ..result(outcome) }
}

#[test]
fn a_tolerance_is_exceeded_by_one_host_more_and_by_lesser_failures_too() {
    let results = [
        on("a", Outcome::Fail),
        on("a", Outcome::Fail),
        on("b", Outcome::Fail),
        on("c", Outcome::Pass),
        on("d", Outcome::Pass),
        OpenResult { reason: Some(Reason::Denied), ..on("e", Outcome::Unknown) },
    ];
    let state = |max_hosts, max_percent| {
        let tolerance = Some(Tolerance { max_hosts, max_percent });
        let results = results.iter().cloned();
        control_state(results, &RepairLimits::default(), tolerance, NOW).state
    };
    assert_eq!(state(Some(2), None), EvidenceState::Blind);
    assert_eq!(state(Some(1), None), EvidenceState::Deviating);
    // Two of the four that could be judged; the fifth tolerates nothing.
    assert_eq!(state(None, Some(50)), EvidenceState::Blind);
    assert_eq!(state(None, Some(49)), EvidenceState::Deviating);
    assert_eq!(state(Some(9), Some(49)), EvidenceState::Deviating);
}

#[test]
fn a_tolerance_forgives_no_grave_failure_past_its_limit_and_no_exception_counts_against_it() {
    let tolerance = Some(Tolerance { max_hosts: Some(5), max_percent: None });
    let state = |results: &[OpenResult<'static>], tolerance| {
        control_state(results.iter().cloned(), &RepairLimits::default(), tolerance, NOW).state
    };
    assert_eq!(state(&[failed(Severity::High, 15)], tolerance), EvidenceState::Deviating);
    let none = Some(Tolerance { max_hosts: Some(0), max_percent: Some(0) });
    assert_eq!(state(&[failed(Severity::Low, 0)], none), EvidenceState::Deviating);
    let excepted = OpenResult { excepted: true, ..failed(Severity::Low, 0) };
    assert_eq!(state(&[excepted], none), EvidenceState::Operating);
}

#[test]
fn a_nearer_limit_decides_over_that_of_the_severity_and_only_for_grave_failures() {
    let by = |result, past| OpenResult { past_limit: Some(past), ..result };
    assert_eq!(state(&[by(failed(Severity::High, 0), true)]), EvidenceState::Deviating);
    assert_eq!(state(&[by(failed(Severity::High, 99), false)]), EvidenceState::Operating);
    assert_eq!(state(&[by(failed(Severity::Medium, 0), true)]), EvidenceState::Operating);
}

proptest::proptest! {
    #[test]
    fn one_more_failure_never_makes_a_control_better(
        hosts in proptest::collection::vec((0..6u8, 0..3u8, 0..40i64), 0..12),
        more in (0..6u8, 0..40i64),
        max in proptest::option::of(0..4u64),
    ) {
        const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
        let outcomes = [Outcome::Pass, Outcome::Fail, Outcome::Unknown];
        let name = |n: u8| NAMES[usize::from(n)];
        let of = |(host, outcome, days): &(u8, u8, i64)| OpenResult {
            host: name(*host),
            outcome: outcomes[usize::from(*outcome)],
            severity: Severity::High,
            since_s: NOW - days * DAY_S,
            ..result(Outcome::Pass)
        };
        let before: Vec<_> = hosts.iter().map(of).collect();
        let worse = OpenResult { host: name(more.0), ..failed(Severity::High, more.1) };
        let after: Vec<_> = before.iter().cloned().chain([worse]).collect();
        let tolerance = max.map(|max| Tolerance { max_hosts: Some(max), max_percent: Some(50) });
        let state = |results: Vec<OpenResult<'static>>| {
            control_state(results.into_iter(), &RepairLimits::default(), tolerance, NOW).state
        };
        if state(before) == EvidenceState::Deviating {
            proptest::prop_assert_eq!(state(after), EvidenceState::Deviating);
        }
    }
}

#[test]
fn records_let_operate_what_no_host_can_show_and_make_nothing_else_good() {
    let counts = Support { counting: 2, stale: 0, everywhere: true };
    let with = |results: &[OpenResult<'static>], hosts_can_show, support| {
        status(results).with_records(hosts_can_show, support).state
    };
    assert_eq!(with(&[], false, counts), EvidenceState::Operating);
    assert_eq!(with(&[], true, counts), EvidenceState::None, "hosts could show it, and none does");
    let elsewhere = Support { everywhere: false, ..counts };
    assert_eq!(with(&[], false, elsewhere), EvidenceState::None, "one ISMS has none");
    assert_eq!(with(&[], false, Support::default()), EvidenceState::None, "no record");
    let deviating = [failed(Severity::Critical, 30)];
    assert_eq!(with(&deviating, true, counts), EvidenceState::Deviating);
    let blind = [unknown(Reason::Denied)];
    assert_eq!(with(&blind, true, counts), state(&blind));
    // One that ran out is told, also where hosts pass.
    let stale = Support { stale: 1, ..counts };
    assert_eq!(with(&[], false, stale), EvidenceState::Stale);
    assert_eq!(with(&[result(Outcome::Pass)], true, stale), EvidenceState::Stale);
    assert_eq!(with(&deviating, true, stale), EvidenceState::Deviating);
}
