//! The overview of a small fleet.

use super::*;
use crate::store::model::{HostRow, HostState, ResultRow};
use crate::web::marks::State;
use crate::web::testing::{HOUR, NOW, control, fleet, host, id, log, result, rule};

fn rules() -> Vec<Rule> {
    vec![
        rule("low", Severity::Low, "A.8.5"),
        rule("high-few", Severity::High, "A.8.5"),
        rule("high-many", Severity::High, "A.8.2"),
        rule("critical", Severity::Critical, "A.8.2"),
        rule("fine", Severity::Critical, "A.8.2"),
    ]
}

fn check(hosts: &[HostRow], results: &[ResultRow], drifts: &[DriftRow]) -> OverviewPage {
    let rules = rules();
    let controls = [
        control("A.8.2", Theme::Technological, State::Deviating),
        control("A.8.5", Theme::Technological, State::Operating),
        control("A.5.1", Theme::Organizational, State::None),
    ];
    let now = Now { at_us: NOW, hosts, results, rules: &rules, controls: &controls };
    let check = LogCheck::Held { size: 7, at_us: NOW, whole_us: NOW };
    let input = Input { now, drifts, more_drifts: false, log: log(), check, anchored: None };
    page(Frame::inside(None, NOW, log()), &input)
}

fn drift(n: i64, resolved: bool) -> DriftRow {
    DriftRow {
        id: n.to_string(),
        drift: "evidence_lost".into(),
        host: id(1),
        rule: None,
        kind: Some("accounts".into()),
        cause: "evidence_lost".into(),
        severity: "high".into(),
        from: "ok".into(),
        to: "denied".into(),
        offenders: vec![],
        opened_us: NOW - n * HOUR,
        resolved_us: resolved.then_some(NOW),
    }
}

#[test]
fn the_terms_of_the_sum_add_up_to_the_enrolled() {
    let page = check(&fleet(), &[], &[]);
    let terms: Vec<(&str, &str)> =
        page.trust.terms.iter().map(|term| (term.count.as_str(), term.word)).collect();
    assert_eq!(terms, [("2", "reporting"), ("1", "silent"), ("1", "enrolling")]);
    assert_eq!(page.trust.enrolled, 4);
    assert_eq!(page.trust.verdict, "2 of 4 enrolled hosts report.");
    assert_eq!(page.trust.others.as_deref(), Some("2"));
}

#[test]
fn the_verdict_speaks_of_all_only_when_all_report() {
    let all = [host(1, HostState::Active, Some(NOW)), host(2, HostState::Active, Some(NOW))];
    let page = check(&all, &[], &[]);
    assert_eq!(page.trust.verdict, "All 2 enrolled hosts report.");
    assert_eq!(page.trust.others, None);
    assert_eq!(check(&[], &[], &[]).trust.enrolled, 0);
}

#[test]
fn the_bar_fills_its_width_and_shows_the_least_of_its_parts() {
    let mut hosts: Vec<HostRow> =
        (10..1010).map(|n| host(n, HostState::Active, Some(NOW))).collect();
    hosts.extend(fleet());
    let segments = check(&hosts, &[], &[]).trust.segments;
    assert_eq!(segments.len(), 3);
    for pair in segments.windows(2) {
        assert_eq!(pair[0].x + pair[0].width + 3, pair[1].x);
    }
    assert!(segments.iter().all(|part| part.width >= 6));
    assert_eq!(segments.last().map(|part| part.x + part.width), Some(1200));
    assert_eq!(check(&[], &[], &[]).trust.segments, []);
}

#[test]
fn failing_rules_come_by_severity_then_by_hosts_with_their_denominator() {
    let results = [
        result(1, "low", "fail", 900),
        result(1, "high-few", "fail", 90),
        result(1, "high-many", "fail", 1),
        result(2, "high-many", "fail", 2),
        result(2, "critical", "fail", 1),
        result(1, "fine", "pass", 1),
    ];
    let open = check(&fleet(), &results, &[]).open;
    let order: Vec<(&str, Vec<&str>)> = open
        .groups
        .iter()
        .map(|group| (group.word, group.rows.iter().map(|row| row.id.as_str()).collect()))
        .collect();
    assert_eq!(
        order,
        [
            ("critical", vec!["critical"]),
            ("high", vec!["high-many", "high-few"]),
            ("low", vec!["low"]),
        ]
    );
    assert_eq!(open.groups[1].rows[0].fail, "2 of 4 hosts");
    assert_eq!(open.groups[1].rows[0].since, Some(When::cell(NOW - 2 * HOUR)));
    assert_eq!(open.says, "4 of 5 rules fail on at least one host");
    assert_eq!(
        open.sum,
        "5 rules × 4 hosts = 20 judgements: 5 fail, 14 unknown, 1 pass, 0 not applicable."
    );
}

#[test]
fn resolved_drift_is_not_open_and_the_latest_comes_first() {
    let drifts: Vec<DriftRow> = (1..=10).map(|n| drift(n, n == 1)).collect();
    let page = check(&fleet(), &[], &drifts);
    assert_eq!(page.drifts_say, "9 open; the latest 8");
    assert_eq!(page.drifts.len(), 8);
    assert_eq!(page.drifts[0].since, When::cell(NOW - 2 * HOUR));
    assert_eq!(page.drifts[0].what, "Evidence of accounts: ok → denied");
}

#[test]
fn a_drift_of_no_host_names_none() {
    let of_nobody = DriftRow { host: evidence::HostId::nil(), ..drift(2, false) };
    let page = check(&fleet(), &[], &[of_nobody, drift(3, false)]);
    let hosts: Vec<_> = page.drifts.iter().map(|drift| drift.host.is_some()).collect();
    assert_eq!(hosts.iter().filter(|some| **some).count(), 1, "{hosts:?}");
}

#[test]
fn reach_adds_up_by_theme() {
    let reach = check(&fleet(), &[], &[]).reach;
    assert_eq!((reach.with, reach.without, reach.total), (2, 1, 3));
    assert_eq!(reach.rows.iter().map(|row| row.total).sum::<usize>(), 3);
}

#[test]
fn a_log_that_does_not_hold_is_said_before_all_else() {
    let hosts = fleet();
    let now = Now { at_us: NOW, hosts: &hosts, results: &[], rules: &[], controls: &[] };
    let check = LogCheck::Broken { at_us: NOW, why: "leaf 12 is gone.".into() };
    let input = Input { now, drifts: &[], more_drifts: false, log: log(), check, anchored: None };
    let html = page(Frame::inside(None, NOW, log()), &input).render().expect("html");
    let said = html.find("leaf 12 is gone.").expect("said");
    assert!(said < html.find("class=\"verdict\"").expect("verdict"));
}

#[test]
fn a_log_that_is_still_being_read_is_not_called_verified() {
    let hosts = fleet();
    let now = Now { at_us: NOW, hosts: &hosts, results: &[], rules: &[], controls: &[] };
    let check = LogCheck::NotYet { read: 1_200, of: 250_000 };
    let input = Input { now, drifts: &[], more_drifts: false, log: log(), check, anchored: None };
    let html = page(Frame::inside(None, NOW, log()), &input).render().expect("html");
    assert!(html.contains("not checked since the collector started: 1,200 of 250,000 leaves read"));
    assert!(!html.contains("verified up to size"));
}

#[test]
fn of_the_drifts_of_one_check_in_the_most_urgent_leads() {
    let severities = ["medium", "critical", "high"];
    let drifts: Vec<DriftRow> = severities
        .iter()
        .map(|severity| DriftRow { severity: (*severity).to_owned(), ..drift(1, false) })
        .chain([DriftRow { severity: "low".to_owned(), ..drift(0, false) }])
        .collect();
    let page = check(&fleet(), &[], &drifts);
    let kinds: Vec<_> = page.drifts.iter().map(|drift| drift.kind.as_str()).collect();
    let of = |severity: &str| format!("evidence lost, {severity}; evidence_lost");
    assert_eq!(kinds, [of("low"), of("critical"), of("high"), of("medium")], "the latest first");
}

#[test]
fn expected_hosts_are_said_with_their_sum_only_when_there_is_a_list() {
    use crate::expected::{parse_hosts, reconcile};
    let list = parse_hosts(b"name,group\nhost-1,web\nhost-3,web\nabsent,web\n").expect("a list");
    let reconciled = reconcile(&list.entries, &fleet(), NOW);
    let page = check(&fleet(), &[], &[]);
    assert_eq!(page.trust.expected, None);
    let page = page.with_expected(Some(&reconciled));
    assert_eq!(
        page.trust.expected.as_deref(),
        Some(
            "1 of 3 expected hosts report: 3 expected = 1 reporting + 1 silent + 0 enrolling + 1 \
             missing + 0 ended + 0 retired; 2 unlisted."
        )
    );
    let html = page.render().expect("a page");
    assert!(html.contains("1 of 3 expected hosts report"), "{html}");
}
