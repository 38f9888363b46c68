//! The inbox over invented causes.

use super::one::Input as OneInput;
use super::*;
use crate::store::model::{HostState, ResultRow};
use crate::web::input::{Now, Theme};
use crate::web::marks::State;
use crate::web::testing::{HOUR, NOW, control, host, id, log, result, rule};

fn asked() -> Asked {
    Asked { state: "open".into(), ..Asked::default() }
}

fn row(id: &str, rank: i64, severity: &str, subject: &str) -> CauseRow {
    CauseRow {
        id: id.into(),
        drift: "regression".into(),
        subject: subject.into(),
        cause: "host_changed".into(),
        severity: severity.into(),
        from_state: "pass".into(),
        to_state: "fail".into(),
        hosts: 3,
        host_name: "host-1".into(),
        group_name: "web".into(),
        n_groups: 1,
        first_us: NOW - 2 * HOUR,
        last_us: NOW - HOUR,
        resolved_us: None,
        rank,
    }
}

fn list(asked: &Asked, causes: &[CauseRow], more: bool) -> DriftPage {
    let rules = [rule("r", Severity::High, "A.8.5")];
    let groups = ["web".to_owned()];
    let input =
        Input { asked, groups: &groups, causes, more, open: (4, 3), rules: &rules, one: None };
    page(Frame::inside(None, NOW, log()), input)
}

#[test]
fn causes_stand_in_lanes_by_severity_and_the_resolved_behind_them() {
    let causes = [row("a", 0, "critical", "r"), row("b", 1, "high", "x"), row("c", 9, "low", "r")];
    let page = list(&asked(), &causes, false);
    let lanes: Vec<_> = page.lanes.iter().map(|lane| (lane.word, lane.causes.len())).collect();
    assert_eq!(lanes, [("Critical", 1), ("High", 1), ("Resolved", 1)]);
    assert_eq!(page.lanes[0].causes[0].what, "No longer holds: Title of r");
    assert_eq!(page.lanes[0].causes[0].hosts, "3 hosts in web");
    assert_eq!(page.lanes[1].causes[0].what, "No longer holds: x", "of a rule that is gone");
    assert_eq!(
        page.says,
        "4 drifts open on 3 hosts; the same change on several hosts is one cause"
    );
}

#[test]
fn filters_stay_in_every_address_and_cannot_leave_the_query() {
    let asked = Asked { group: "a&b=\"x\"".into(), kind: "regression".into(), ..asked() };
    let page = list(&asked, &[row("a", 0, "critical", "r")], true);
    let query = "?kind=regression&group=a%26b%3D%22x%22";
    assert_eq!(page.lanes[0].causes[0].path, format!("/drift/a{query}"));
    let next = page.next.expect("next");
    assert!(next.starts_with(&format!("/drift{query}&after=0.")), "{next}");
    let group = page.filters.selects.iter().find(|select| select.name == "group").expect("group");
    let chosen: Vec<_> =
        group.choices.iter().filter(|choice| choice.chosen).map(|choice| &choice.value).collect();
    assert_eq!(chosen, [&asked.group], "a group that has no host any more is still shown");
}

#[test]
fn a_place_reads_back_and_nonsense_is_no_place() {
    let place = row("01J.X", 2, "medium", "r").place();
    assert_eq!(read_place(&place_text(&place)), Some(place));
    for text in ["", "1", "1.2", "x.1.a", "1.x.a"] {
        assert_eq!(read_place(text), None, "{text}");
    }
}

#[test]
fn nothing_says_which_nothing() {
    assert_eq!(list(&asked(), &[], false).empty, "No drift is open.");
    let narrowed = Asked { host: "web".into(), ..asked() };
    assert_eq!(list(&narrowed, &[], false).empty, "No open drift fits these filters.");
}

#[test]
fn one_cause_shows_its_hosts_once_with_what_holds_now_and_its_controls() {
    let drift = |id: &str, host_n: u64| DriftRow {
        id: id.into(),
        drift: "regression".into(),
        host: crate::web::testing::id(host_n),
        rule: Some("r".into()),
        kind: None,
        cause: "host_changed".into(),
        severity: "high".into(),
        from: "pass".into(),
        to: "fail".into(),
        offenders: vec!["toor".into()],
        opened_us: NOW - HOUR,
        resolved_us: None,
    };
    let rows = [drift("a", 1), drift("b", 2), drift("c", 1)];
    let hosts = [host(1, HostState::Active, Some(NOW)), host(2, HostState::Active, Some(NOW))];
    let results: [ResultRow; 2] = [result(1, "r", "fail", 1), result(2, "r", "pass", 0)];
    let rules = [rule("r", Severity::High, "A.8.5")];
    let controls = [control("A.8.5", Theme::Technological, State::Deviating)];
    let now =
        Now { at_us: NOW, hosts: &hosts, results: &results, rules: &rules, controls: &controls };
    let by = crate::store::Excepted { exception: "01E".into(), until_us: NOW };
    let excepted = [((id(1), rows[0].rule.clone().expect("a rule")), by)].into();
    let one = One::of(&OneInput {
        now,
        rows: &rows,
        more: false,
        evidence: &[],
        alert: None,
        may_change: true,
        may_raise: false,
        findings: &[],
        excepted: &excepted,
    })
    .expect("one");
    let marks: Vec<_> = one
        .hosts
        .iter()
        .map(|line| (line.name.as_str(), line.result.map(|mark| mark.word)))
        .collect();
    assert_eq!(marks, [("host-1", Some("fail")), ("host-2", Some("pass"))]);
    assert_eq!(one.hosts_say, "2 of 2 hosts");
    let links: Vec<_> = one.hosts.iter().map(|line| line.exception.is_some()).collect();
    assert_eq!(links, [true, false], "the failure that is excepted, and no other");
    let rule = one.rule.as_ref().expect("rule");
    assert_eq!((rule.controls[0].id.as_str(), rule.controls[0].mark.word), ("A.8.5", "deviating"));
    assert!(one.is_of("b") && !one.is_of("x"));
    assert_eq!(one.hosts[0].path, crate::web::page::host_path(id(1)));
    assert!(
        One::of(&OneInput {
            now,
            rows: &[],
            more: false,
            evidence: &[],
            alert: None,
            may_change: true,
            may_raise: false,
            findings: &[],
            excepted: &excepted,
        })
        .is_none()
    );
}
