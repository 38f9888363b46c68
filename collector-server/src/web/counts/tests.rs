//! Counts on a small fleet.

use super::*;
use crate::web::input::Severity;
use crate::web::testing::{HOUR, NOW, fleet, host, result, rule};

fn check(results: &[ResultRow], rules: &[&str]) -> Counts {
    let hosts = fleet();
    let now = Now { at_us: NOW, hosts: &hosts, results, rules: &[], controls: &[] };
    let ledger = Ledger::of(&now);
    let counts = ledger.worst(rules);
    assert_eq!(counts.sum(), ledger.population.enrolled());
    counts
}

#[test]
fn reporting_silent_and_enrolling_are_the_enrolled_and_the_rest_stands_apart() {
    let population = Population::of(&fleet(), NOW);
    assert_eq!(population.count(Standing::Reporting), 2);
    assert_eq!(population.count(Standing::Silent), 1);
    assert_eq!(population.count(Standing::Enrolling), 1);
    assert_eq!(population.enrolled(), 4);
}

#[test]
fn an_active_host_without_a_promise_or_a_check_in_does_not_count_as_reporting() {
    let unpromised = HostRow { next_due_s: None, ..host(1, HostState::Active, Some(NOW - HOUR)) };
    assert_eq!(Standing::of(&unpromised, NOW), Standing::Silent);
    assert_eq!(Standing::of(&host(1, HostState::Active, None), NOW), Standing::Enrolling);
}

#[test]
fn a_host_without_a_result_is_unknown() {
    let counts = check(&[result(1, "a", "pass", 1)], &["a"]);
    assert_eq!(counts, Counts { pass: 1, unknown: 3, ..Counts::default() });
}

#[test]
fn a_silent_host_keeps_its_failure_and_loses_its_pass() {
    let counts = check(&[result(3, "a", "pass", 9)], &["a"]);
    assert_eq!((counts.pass, counts.unknown), (0, 4));
    let counts = check(&[result(3, "a", "not_applicable", 9)], &["a"]);
    assert_eq!((counts.not_applicable, counts.unknown), (0, 4));
    let counts = check(&[result(3, "a", "fail", 9)], &["a"]);
    assert_eq!((counts.fail, counts.unknown), (1, 3));
    assert_eq!(counts.oldest_fail_us, Some(NOW - 9 * HOUR));
}

#[test]
fn results_of_retired_and_ended_hosts_are_not_counted() {
    let counts = check(&[result(5, "a", "fail", 9), result(6, "a", "pass", 9)], &["a"]);
    assert_eq!(counts, Counts { unknown: 4, ..Counts::default() });
}

#[test]
fn no_failure_is_hidden_in_a_pass() {
    let both = [result(1, "a", "pass", 1), result(1, "b", "fail", 2)];
    assert_eq!(check(&both, &["a", "b"]).fail, 1);
    let twice = [result(1, "a", "fail", 2), result(1, "a", "pass", 1)];
    assert_eq!(check(&twice, &["a"]).fail, 1);
    let blind = [result(1, "a", "pass", 1), result(1, "b", "unknown", 2)];
    assert_eq!(check(&blind, &["a", "b"]).pass, 0);
    let partly = [result(1, "a", "pass", 1), result(1, "b", "not_applicable", 2)];
    assert_eq!(check(&partly, &["a", "b"]).pass, 1);
}

#[test]
fn a_control_without_rules_has_no_counts() {
    let (hosts, rules) =
        (fleet(), [rule("a", Severity::High, "A.8.5"), rule("b", Severity::Low, "A.8.5")]);
    let results = [result(1, "a", "pass", 1), result(1, "b", "pass", 1), result(2, "a", "fail", 1)];
    let now = Now { at_us: NOW, hosts: &hosts, results: &results, rules: &rules, controls: &[] };
    let ledger = Ledger::of(&now);
    assert_eq!(ledger.control(&now, "A.5.1"), None);
    let counts = ledger.control(&now, "A.8.5").expect("counts");
    assert_eq!((counts.fail, counts.pass, counts.unknown), (1, 1, 2));
}
