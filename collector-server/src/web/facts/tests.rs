//! Facts of one kind.

use super::*;
use crate::store::model::HostState;
use crate::web::testing::{HOUR, NOW, host, id, log};
use evidence::{Digest, Source};
use serde_json::{Value, json};

fn row(status: Status, facts: Option<Digest>) -> KindRow {
    let source = |path: &str, status| Source {
        path: path.into(),
        status,
        size_bytes: Some(3_254),
        modified_s: Some(NOW / 1_000_000),
        note: None,
    };
    KindRow {
        host: id(1),
        kind: "ssh_server".into(),
        status,
        facts,
        sources: vec![source("/a", Status::Ok), source("/b", Status::Denied)],
        unread: vec![],
        since_us: NOW - HOUR,
        collected_us: Some(NOW),
    }
}

fn check(row: &KindRow, facts: Option<&Facts>) -> FactsPage {
    let host = host(1, HostState::Active, Some(NOW));
    let input = Input {
        now_us: NOW,
        host: &host,
        row,
        received_us: None,
        erased_us: None,
        facts,
        previous: None,
        history: &[],
    };
    page(Frame::inside(None, NOW, log()), &input)
}

fn of(data: Value) -> FactsPage {
    let facts = Facts::new("ssh_server", 1, data).expect("facts");
    check(&row(Status::Ok, Some(facts.id())), Some(&facts))
}

#[test]
fn sources_that_were_not_read_come_first_and_are_not_counted_as_read() {
    let page = check(&row(Status::Partial, None), None);
    assert_eq!(page.sources[0].path, "/b");
    assert_eq!(page.sources_say, "1 of 2 read");
    assert_eq!(page.sources[0].bytes, "3,254");
}

#[test]
fn a_page_without_a_body_says_why_and_offers_no_json() {
    let never = check(&row(Status::Denied, None), None);
    assert!(never.facts.empty.contains("sent no facts"));
    let erased = check(&row(Status::Ok, Some(Digest::of(b"x"))), None);
    assert!(erased.facts.empty.contains("erased"));
    assert!(never.json.is_none() && erased.json.is_none());
}

#[test]
fn only_ok_says_that_nothing_is_unread() {
    for status in [Status::Partial, Status::Denied, Status::Absent, Status::Truncated] {
        assert!(!check(&row(status, None), None).says.contains("Nothing is unread"), "{status}");
    }
    assert!(check(&row(Status::Ok, None), None).says.contains("Nothing is unread"));
}

#[test]
fn long_facts_are_open_then_folded_then_counted_and_none_is_lost() {
    let items: Vec<Value> = (0..2_500).map(|n| json!({"name": n})).collect();
    let page = of(json!({"installed": true, "items": items}));
    let rows = |groups: &[FactGroup]| groups.iter().map(|group| group.rows.len()).sum::<usize>();
    assert_eq!(page.facts.total, 2_501);
    assert_eq!((rows(&page.facts.open), rows(&page.facts.folded)), (200, 1_800));
    assert_eq!(page.facts.folded_say, "1,800 more facts");
    assert_eq!(page.facts.left_out.as_deref(), Some("501 facts"));
    assert_eq!(page.json.as_deref(), Some(json_path(id(1), "ssh_server").as_str()));
}

#[test]
fn groups_carry_the_first_sentence_of_their_reference() {
    let page = of(json!({"global": {"usepam": "yes"}}));
    assert_eq!(page.facts.open[0].name, "global");
    let schema = evidence::kinds::find("ssh_server").expect("kind").schema();
    let reference = schema.pointer("/properties/global/description").and_then(Value::as_str);
    let reference = reference.map(|text| text.replace('`', "").replace('\n', " "));
    let about = &page.facts.open[0].about;
    assert!(!about.is_empty() && reference.is_some_and(|text| text.starts_with(about)), "{about}");
    assert!(!about.contains(". "), "one sentence: {about}");
}

#[test]
fn the_state_before_is_compared_and_a_missing_body_is_not_no_change() {
    let facts = |value: &str| Facts::new("ssh_server", 1, json!({"usepam": value})).expect("facts");
    let (old, new) = (facts("yes"), facts("no"));
    let host = host(1, HostState::Active, Some(NOW));
    let before = KindRow { since_us: NOW - 9 * HOUR, ..row(Status::Partial, Some(old.id())) };
    let before = KindSpan { row: before, to_us: Some(NOW - HOUR) };
    let now = row(Status::Ok, Some(new.id()));
    let check = |body| {
        let previous = Some((&before, body));
        let facts = Some(&new);
        let input = Input {
            now_us: NOW,
            host: &host,
            row: &now,
            received_us: None,
            erased_us: None,
            facts,
            previous,
            history: &[],
        };
        page(Frame::inside(None, NOW, log()), &input).changed.expect("changed")
    };
    let changed = check(Some(&old));
    assert_eq!(changed.rows.len(), 1);
    assert_eq!(changed.status.map(|mark| mark.word), Some("partial"));
    let erased = check(None);
    assert!(erased.rows.is_empty() && erased.empty.contains("cannot be compared"));
}

#[test]
fn any_earlier_state_can_be_chosen_and_the_one_that_is_compared_is_marked() {
    let host = host(1, HostState::Active, Some(NOW));
    let span = |hours: i64, to: Option<i64>| KindSpan {
        row: KindRow { since_us: NOW - hours * HOUR, ..row(Status::Ok, None) },
        to_us: to.map(|hours| NOW - hours * HOUR),
    };
    let history = [span(1, None), span(9, Some(1)), span(30, Some(9))];
    let input = Input {
        now_us: NOW,
        host: &host,
        row: &history[0].row,
        received_us: None,
        erased_us: None,
        facts: None,
        previous: Some((&history[2], None)),
        history: &history,
    };
    let changed = page(Frame::inside(None, NOW, log()), &input).changed.expect("changed");
    let choices: Vec<_> =
        changed.choices.iter().map(|choice| (choice.value, choice.chosen)).collect();
    assert_eq!(choices, [(NOW - 9 * HOUR, false), (NOW - 30 * HOUR, true)]);
    assert!(changed.held.starts_with("held 2026-11-22 02:42 to "), "{}", changed.held);
}
