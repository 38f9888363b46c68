//! One host at a time.

use super::*;
use crate::store::model::HostState;
use crate::web::input::Severity;
use crate::web::testing::{HOUR, NOW, host, log, result, rule};
use evidence::Digest;

fn check(row: &HostRow, kinds: &[KindRow]) -> HostPage {
    let rules = [
        rule("low", Severity::Low, "A.8.5"),
        rule("high", Severity::High, "A.8.5"),
        rule("critical", Severity::Critical, "A.8.5"),
        rule("passing", Severity::High, "A.8.5"),
        rule("absent", Severity::High, "A.8.5"),
        rule("missing", Severity::High, "A.8.5"),
    ];
    let results = [
        result(1, "low", "fail", 50),
        result(1, "critical", "fail", 1),
        ResultRow { reason: Some("denied".into()), ..result(1, "high", "unknown", 2) },
        result(1, "passing", "pass", 2),
        result(1, "absent", "not_applicable", 2),
        result(2, "missing", "pass", 2),
    ];
    let now = Now { at_us: NOW, hosts: &[], results: &results, rules: &rules, controls: &[] };
    page(Frame::inside(None, NOW, log()), &now, row, kinds)
}

fn kind(name: &str, status: Status) -> KindRow {
    KindRow {
        host: crate::web::testing::id(1),
        kind: name.into(),
        status,
        facts: Some(Digest::of(b"x")),
        sources: vec![],
        unread: vec!["users.password".into()],
        since_us: NOW - HOUR,
        collected_us: None,
    }
}

fn ids(page: &HostPage) -> [Vec<&str>; 4] {
    [
        page.failing.iter().map(|line| line.rule.id.as_str()).collect(),
        page.unknown.iter().map(|line| line.rule.id.as_str()).collect(),
        page.pass.iter().map(|line| line.rule.id.as_str()).collect(),
        page.not_applicable.iter().map(|line| line.rule.id.as_str()).collect(),
    ]
}

#[test]
fn every_rule_is_in_one_list_and_one_without_a_result_is_unknown() {
    let page = check(&host(1, HostState::Active, Some(NOW)), &[]);
    let [failing, unknown, pass, not_applicable] = ids(&page);
    assert_eq!(failing, ["critical", "low"]);
    assert_eq!(unknown, ["missing", "high"]);
    assert_eq!(pass, ["passing"]);
    assert_eq!(not_applicable, ["absent"]);
    assert_eq!(page.unknown[0].reason, "not judged yet");
    assert_eq!(page.unknown[1].reason, "denied");
    assert!(
        page.verdict.ends_with("Of 6 rules, 2 fail, 2 cannot be judged, 1 pass, 1 do not apply."),
        "{}",
        page.verdict
    );
}

#[test]
fn a_silent_host_keeps_its_failures_and_shows_no_pass() {
    let page = check(&host(1, HostState::Active, Some(NOW - 9 * HOUR)), &[]);
    let [failing, unknown, pass, not_applicable] = ids(&page);
    assert_eq!(failing, ["critical", "low"]);
    assert_eq!(unknown.len(), 4);
    assert!(pass.is_empty() && not_applicable.is_empty());
    assert!(page.unknown.iter().all(|line| line.reason == "not reporting"));
    assert!(
        page.identity.iter().any(|pair| pair.name == "Next due" && pair.value.ends_with("late"))
    );
}

#[test]
fn a_retired_host_is_not_judged() {
    let page = check(&host(1, HostState::Retired, Some(NOW)), &[]);
    assert_eq!(ids(&page), [const { Vec::<&str>::new() }; 4]);
    assert!(page.verdict.contains("no longer part of the population"));
}

#[test]
fn kinds_that_were_not_fully_read_come_first_and_the_count_adds_up() {
    let kinds = [
        kind("accounts", Status::Ok),
        kind("packages", Status::NotApplicable),
        kind("ssh_server", Status::Denied),
    ];
    let page = check(&host(1, HostState::Active, Some(NOW)), &kinds);
    assert_eq!(page.kinds[0].name, "ssh_server");
    assert_eq!(page.kinds[0].unread, "1 field");
    assert_eq!(page.kinds_say, "3 kinds = 1 ok + 1 not applicable + 1 not fully read");
}
