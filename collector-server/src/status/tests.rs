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
    }
}

fn failed(severity: Severity, days: i64) -> OpenResult<'static> {
    OpenResult { severity, since_s: NOW - days * DAY_S, ..result(Outcome::Fail) }
}

fn unknown(reason: Reason) -> OpenResult<'static> {
    OpenResult { reason: Some(reason), ..result(Outcome::Unknown) }
}

fn status(results: &[OpenResult<'static>]) -> ControlStatus {
    control_state(results.iter().cloned(), &RepairLimits::default(), NOW)
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
