//! Strips over invented pasts.

use super::*;
use crate::store::model::KindRow;
use crate::web::testing::{HOUR, NOW, id};
use evidence::{Digest, Status};

fn receipt(hours_ago: i64) -> Receipt {
    Receipt { received_us: NOW - hours_ago * HOUR, next_due_s: 3600 }
}

fn span(kind: &str, status: Status, from_hours: i64, to_hours: Option<i64>) -> KindSpan {
    KindSpan {
        row: KindRow {
            host: id(1),
            kind: kind.into(),
            status,
            facts: Some(Digest::of(kind.as_bytes())),
            sources: vec![],
            unread: vec![],
            since_us: NOW - from_hours * HOUR,
            collected_us: None,
        },
        to_us: to_hours.map(|hours| NOW - hours * HOUR),
    }
}

fn timeline(spans: &[KindSpan], receipts: &[Receipt], chains: &[ChainRow]) -> Timeline {
    of(&Input { now_us: NOW, spans, receipts, chains })
}

#[test]
fn a_gap_is_longer_than_twice_the_promise_and_an_hourly_host_has_none() {
    let hourly: Vec<_> = (0..300).rev().map(receipt).collect();
    assert!(gaps(&hourly, NOW).is_empty());
    let missed: Vec<_> = hourly.iter().copied().filter(|r| *r != receipt(10)).collect();
    assert!(gaps(&missed, NOW).is_empty(), "one late check-in is no gap");
    let night: Vec<_> =
        (0..300).rev().filter(|hours| !(10..20).contains(hours)).map(receipt).collect();
    assert_eq!(gaps(&night, NOW), [Gap { from_us: NOW - 20 * HOUR, to_us: NOW - 9 * HOUR }]);
    let silent: Vec<_> = (5..300).rev().map(receipt).collect();
    assert_eq!(gaps(&silent, NOW), [Gap { from_us: NOW - 5 * HOUR, to_us: NOW }]);
}

#[test]
fn a_gap_that_ended_before_the_range_is_not_shown_and_one_that_reaches_into_it_is() {
    let old = [receipt(20 * 24), receipt(15 * 24), receipt(15 * 24 - 1)];
    let shown = gaps(&old, NOW);
    assert_eq!(shown, [Gap { from_us: old[2].received_us, to_us: NOW }]);
}

#[test]
fn what_is_drawn_stays_within_the_drawing_and_every_change_is_visible() {
    let spans = [
        span("accounts", Status::Ok, 5000, Some(2)),
        span("accounts", Status::Denied, 2, Some(2)),
        span("accounts", Status::Ok, 2, Some(0)),
        span("accounts", Status::Ok, 0, None),
    ];
    let timeline = timeline(&spans, &[receipt(400), receipt(2), receipt(0)], &[]);
    for strip in [&timeline.wide, &timeline.narrow] {
        let lane = &strip.lanes[1];
        assert_eq!((lane.name.as_str(), lane.segments.len()), ("accounts", 4));
        for segment in strip.lanes.iter().flat_map(|lane| &lane.segments) {
            assert!(segment.x >= strip.left, "{segment:?}");
            assert!(segment.x + segment.width <= strip.width, "{segment:?}");
            assert!(segment.width >= LEAST, "{segment:?}");
        }
        assert_eq!(lane.segments[1].class, "f-blind");
    }
}

#[test]
fn the_table_has_all_that_the_strip_has_the_latest_first() {
    let chain = |n: u64, hours: i64| ChainRow {
        chain: evidence::ChainId::from_parts(n, 1),
        begun_us: NOW - hours * HOUR,
        check_ins: 3,
    };
    let timeline = timeline(
        &[span("accounts", Status::Ok, 300, Some(20)), span("accounts", Status::Denied, 20, None)],
        &[receipt(300), receipt(100), receipt(1)],
        &[chain(1, 300), chain(2, 20)],
    );
    let rows: Vec<_> =
        timeline.rows.iter().map(|row| (row.what.as_str(), row.to.is_none())).collect();
    assert_eq!(
        rows,
        [
            ("accounts", true),
            ("new chain", true),
            ("nothing received", false),
            ("accounts", false),
            ("nothing received", false),
        ]
    );
    assert_eq!(timeline.says, "last 14 days: 3 check-ins received, 2 gaps, 1 new chain");
    assert_eq!(timeline.wide.chains.len(), 1, "the first chain of all is no change");
}

#[test]
fn a_host_that_was_never_heard_has_an_empty_lane() {
    let timeline = timeline(&[], &[], &[]);
    assert!(timeline.wide.lanes[0].segments.is_empty());
    assert!(timeline.rows.is_empty());
}
