//! The list of a small fleet, and of a large one.

use super::*;
use crate::store::model::HostState;
use crate::web::testing::{NOW, fleet, host, id, log, result, rule};

fn check(hosts: &[HostRow], number: usize) -> HostsPage {
    let rules = [
        rule("high", Severity::High, "A.8.5"),
        rule("critical", Severity::Critical, "A.8.5"),
        rule("third", Severity::Low, "A.8.5"),
    ];
    let results = [
        result(1, "high", "fail", 1),
        result(1, "critical", "pass", 1),
        result(1, "third", "pass", 1),
        result(2, "critical", "fail", 1),
        result(2, "high", "pass", 1),
        result(3, "high", "pass", 1),
        result(5, "high", "fail", 1),
    ];
    let now = Now { at_us: NOW, hosts, results: &results, rules: &rules, controls: &[] };
    let kinds = [(id(1), KindCount { ok: 3, of: 4 })].into();
    page(Frame::inside(None, NOW, log()), &now, &kinds, number)
}

#[test]
fn silent_hosts_come_first_then_the_worst_and_those_that_left_come_last() {
    let page = check(&fleet(), 1);
    let names: Vec<&str> = page.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["host-3", "host-4", "host-2", "host-1", "host-6", "host-5"]);
    assert_eq!(page.says, "4 enrolled = 2 reporting + 1 silent + 1 enrolling");
    assert_eq!(page.left.as_deref(), Some("2 hosts"));
}

#[test]
fn a_rule_without_a_result_is_unknown_and_a_host_that_left_has_no_counts() {
    let page = check(&fleet(), 1);
    let of = |name: &str| page.rows.iter().find(|row| row.name == name).expect("host");
    assert_eq!((of("host-3").unknown.as_str(), of("host-4").unknown.as_str()), ("3", "3"));
    assert_eq!((of("host-2").unknown.as_str(), of("host-1").unknown.as_str()), ("1", "0"));
    assert_eq!(of("host-1").fails, ["0", "1", "0", "0"]);
    assert_eq!((of("host-1").kinds.as_str(), of("host-1").kinds_short), ("3 of 4", true));
    assert_eq!((of("host-5").unknown.as_str(), of("host-5").fails[1].as_str()), ("", ""));
}

#[test]
fn a_long_list_is_paged_and_no_host_is_lost() {
    let hosts: Vec<HostRow> = (1..=450).map(|n| host(n, HostState::Active, Some(NOW))).collect();
    let pages: Vec<HostsPage> = (1..=3).map(|number| check(&hosts, number)).collect();
    assert_eq!(pages.iter().map(|page| page.rows.len()).sum::<usize>(), 450);
    assert_eq!(pages[2].range.as_deref(), Some("401 to 450 of 450"));
    assert_eq!(pages[0].previous, None);
    assert_eq!(pages[0].next.as_deref(), Some("/hosts?page=2"));
    assert_eq!(pages[2].next, None);
    assert_eq!(check(&hosts, 99).rows.len(), 50);
}

#[test]
fn a_revoked_identity_is_said_at_once_and_its_host_counts_as_silent() {
    let mut hosts = fleet();
    let reporting = hosts.iter_mut().find(|host| host.name == "host-1").expect("host");
    reporting.revoked_us = Some(NOW - 1);
    let page = check(&hosts, 1);
    let line = page.rows.iter().find(|row| row.name == "host-1").expect("host");
    assert_eq!((line.word, line.unknown.as_str()), ("silent, revoked", "2"));
    assert_eq!(page.says, "4 enrolled = 1 reporting + 2 silent + 1 enrolling");
}
