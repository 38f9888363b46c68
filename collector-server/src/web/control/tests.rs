//! One control on a small fleet.

use super::*;
use crate::web::input::Theme;
use crate::web::marks::State;
use crate::web::testing::{HOUR, NOW, control, fleet, log, result, rule};

fn check(results: &[ResultRow], id: &str) -> Option<ControlPage> {
    let hosts = fleet();
    let rules = [
        rule("quiet", Severity::Critical, "A.8.5"),
        rule("low", Severity::Low, "A.8.5"),
        rule("high", Severity::High, "A.8.5"),
        rule("other", Severity::High, "A.8.6"),
    ];
    let controls = [
        control("A.5.1", Theme::Organizational, State::None),
        control("A.8.5", Theme::Technological, State::Deviating),
        control("A.8.6", Theme::Technological, State::Operating),
    ];
    let now = Now { at_us: NOW, hosts: &hosts, results, rules: &rules, controls: &controls };
    page(Frame::inside(None, NOW, log()), &now, id)
}

fn failing() -> Vec<ResultRow> {
    let offenders = (0..12).map(|n| format!("user-{n}")).collect();
    vec![
        result(1, "low", "fail", 5),
        ResultRow { offenders, ..result(1, "high", "fail", 2) },
        result(3, "high", "fail", 30),
        result(1, "quiet", "pass", 2),
        result(2, "quiet", "pass", 2),
        result(2, "low", "pass", 2),
        ResultRow { reason: Some("denied".into()), ..result(2, "high", "unknown", 2) },
    ]
}

#[test]
fn failing_rules_come_first_and_every_row_adds_up_to_the_enrolled() {
    let page = check(&failing(), "A.8.5").expect("page");
    let rows: Vec<(&str, &str, &str, &str, &str)> = page
        .rules
        .iter()
        .map(|row| {
            let c = &row.counts;
            let cells = (c.fail.as_str(), c.unknown.as_str(), c.pass.as_str());
            (row.id.as_str(), cells.0, cells.1, cells.2, c.not_applicable.as_str())
        })
        .collect();
    assert_eq!(
        rows,
        [("high", "2", "2", "0", "0"), ("low", "1", "2", "1", "0"), ("quiet", "0", "2", "2", "0")]
    );
    assert_eq!(page.enrolled, "4 enrolled hosts");
}

#[test]
fn the_verdict_names_all_hosts_once() {
    let page = check(&failing(), "A.8.5").expect("page");
    assert!(
        page.verdict.ends_with(
            "Of 4 enrolled hosts, 0 pass every rule that applies, 2 fail at least one, 2 more \
             cannot be judged by at least one."
        ),
        "{}",
        page.verdict
    );
}

#[test]
fn failing_hosts_stand_under_their_rule_the_oldest_first_with_offenders_cut() {
    let page = check(&failing(), "A.8.5").expect("page");
    let groups: Vec<(&str, Vec<&str>)> = page
        .failing
        .iter()
        .map(|group| (group.id.as_str(), group.rows.iter().map(|r| r.host.as_str()).collect()))
        .collect();
    assert_eq!(groups, [("high", vec!["host-3", "host-1"]), ("low", vec!["host-1"])]);
    assert!(page.failing[0].rows[0].silent);
    let offenders = &page.failing[0].rows[1].offenders;
    assert_eq!(offenders.shown.len(), 10);
    assert_eq!(offenders.more.as_deref(), Some("and 2 more"));
}

#[test]
fn hosts_that_cannot_be_judged_are_named_with_their_reason() {
    let page = check(&failing(), "A.8.5").expect("page");
    let rows: Vec<(&str, &str, &str)> = page
        .unknown
        .iter()
        .map(|row| (row.host.as_str(), row.reason.as_str(), row.rules.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("host-4", "nothing received yet", "3 of 3 rules"),
            ("host-3", "not reporting", "2 of 3 rules"),
            ("host-2", "denied", "1 of 3 rules"),
        ]
    );
    assert_eq!(page.unknown[2].since, Some(When::cell(NOW - 2 * HOUR)));
    assert_eq!(page.unknown_says, "3 of 4 hosts");
    let unjudged = check(&[], "A.8.6").expect("page").unknown;
    assert!(unjudged.iter().any(|row| row.host == "host-1" && row.reason == "not judged yet"));
}

#[test]
fn a_control_that_hosts_cannot_show_says_so_and_has_no_counts() {
    let page = check(&failing(), "A.5.1").expect("page");
    assert_eq!(page.verdict, "Hosts cannot show this control.");
    assert!(page.rules.is_empty() && page.failing.is_empty() && page.unknown.is_empty());
    assert!(page.previous.is_none());
    assert_eq!(page.next.map(|next| next.id), Some("A.8.5".into()));
}

#[test]
fn what_is_not_shown_is_said_once_and_an_unknown_control_has_no_page() {
    let page = check(&[], "A.8.5").expect("page");
    assert_eq!(page.not_shown, ["Logins to web applications", "Who holds the key"]);
    assert!(check(&[], "A.8.99").is_none());
}
