use super::*;
use proptest::prelude::*;

const DAY: i64 = 86_400_000_000;

fn us(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("timestamp").as_microsecond()
}

fn zurich() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(1))
}

#[test]
fn a_date_is_an_edge_of_its_day_where_the_organisation_is() {
    let begin = read("2026-03-31", &zurich(), Edge::Begin);
    assert_eq!(begin, Ok(us("2026-03-30T23:00:00Z")));
    let end = read("2026-03-31", &zurich(), Edge::End);
    assert_eq!(end, Ok(us("2026-03-31T23:00:00Z") - 1));
    let local = read("2026-03-31T18:00", &zurich(), Edge::End);
    assert_eq!(local, Ok(us("2026-03-31T17:00:00Z")));
    // What says its own zone is not moved.
    let own = read("2026-03-31T18:00:00-05:00", &zurich(), Edge::End);
    assert_eq!(own, Ok(us("2026-03-31T23:00:00Z")));
}

#[test]
fn what_is_no_moment_is_refused_with_the_form_of_one() {
    for text in ["", "yesterday", "2026-13-01", "31.3.2026", "2026-02-30", "1795423320000000"] {
        let error = read(text, &TimeZone::UTC, Edge::End).expect_err(text);
        assert!(error.to_string().contains("2026-03-31T18:00:00Z"), "{error}");
    }
}

#[test]
fn today_is_now_and_tomorrow_is_refused() {
    let now = us("2026-03-31T12:00:00Z");
    assert_eq!(read_at("2026-03-31", &TimeZone::UTC, now), Ok(now));
    assert_eq!(read_at("2026-03-30", &TimeZone::UTC, now), Ok(us("2026-03-31T00:00:00Z") - 1));
    for text in ["2026-04-01", "2026-03-31T12:00:01Z"] {
        assert!(matches!(read_at(text, &TimeZone::UTC, now), Err(NoMoment::Future(_))), "{text}");
    }
}

#[test]
fn the_log_is_named_by_its_size_or_by_a_moment() {
    assert_eq!(read_known("4711", &TimeZone::UTC), Ok(Known::Size(4711)));
    let at = us("2026-03-31T00:00:00Z") - 1;
    assert_eq!(read_known("2026-03-30", &TimeZone::UTC), Ok(Known::At(at)));
    assert!(read_known("-1", &TimeZone::UTC).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(at_us in 0..40_000 * DAY) {
        prop_assert_eq!(read(&written(at_us), &zurich(), Edge::End), Ok(at_us));
    }
}
