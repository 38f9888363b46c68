use super::*;
use proptest::prelude::*;

fn schedule(text: &str) -> Schedule {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn firings(text: &str, from: &str, n: usize) -> Vec<String> {
    let from: jiff::Timestamp = from.parse().expect("time");
    let schedule = schedule(text);
    let next = |at: &i64| schedule.next_after(*at);
    let all = std::iter::successors(schedule.next_after(from.as_second()), next);
    let show =
        |at| jiff::Timestamp::from_second(at).expect("time").strftime("%a %F %R").to_string();
    all.take(n).map(show).collect()
}

#[test]
fn weekday_numbers_are_those_of_crontab() {
    // 2026-11-22 is a Sunday.
    let from = "2026-11-22T12:00:00Z";
    for (text, day) in [
        ("0 3 * * 0", "Sun 2026-11-29"),
        ("0 3 * * 7", "Sun 2026-11-29"),
        ("0 3 * * 1", "Mon 2026-11-23"),
        ("0 3 * * 6", "Sat 2026-11-28"),
        ("0 3 * * Sun", "Sun 2026-11-29"),
        ("0 3 * * mon-fri", "Mon 2026-11-23"),
        ("0 3 * * 6-7", "Sat 2026-11-28"),
    ] {
        assert_eq!(firings(text, from, 1), [format!("{day} 03:00")], "{text}");
    }
    assert_eq!(
        firings("0 3 * * 5-7", from, 4),
        [
            "Fri 2026-11-27 03:00",
            "Sat 2026-11-28 03:00",
            "Sun 2026-11-29 03:00",
            "Fri 2026-12-04 03:00"
        ]
    );
}

#[test]
fn a_day_of_month_and_a_weekday_are_each_enough() {
    let from = "2026-11-22T12:00:00Z";
    // The 13th or any Friday.
    assert_eq!(
        firings("0 0 13 * 5", from, 4),
        [
            "Fri 2026-11-27 00:00",
            "Fri 2026-12-04 00:00",
            "Fri 2026-12-11 00:00",
            "Sun 2026-12-13 00:00"
        ]
    );
    // A field that begins with `*` does not count as restricted: odd days that are Fridays.
    assert_eq!(firings("0 0 */2 * 5", from, 2), ["Fri 2026-11-27 00:00", "Fri 2026-12-11 00:00"]);
}

#[test]
fn words_stand_for_five_fields() {
    let from = "2026-11-22T12:34:00Z";
    for (text, want) in [
        ("@hourly", "Sun 2026-11-22 13:00"),
        ("@daily", "Mon 2026-11-23 00:00"),
        ("@midnight", "Mon 2026-11-23 00:00"),
        ("@weekly", "Sun 2026-11-29 00:00"),
        ("@monthly", "Tue 2026-12-01 00:00"),
        ("@yearly", "Fri 2027-01-01 00:00"),
    ] {
        assert_eq!(firings(text, from, 1), [want], "{text}");
    }
}

#[test]
fn what_crontab_does_not_know_is_refused_with_its_place() {
    for (text, said) in [
        ("0 */5 * * * *", "has 6 fields; crontab has five"),
        ("*/5 * * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("@reboot", "`@reboot` is not known"),
        ("60 * * * *", "field minute: `60` is not in 0–59"),
        ("0 24 * * *", "field hour: `24` is not in 0–23"),
        ("0 0 0 * *", "field day-of-month: `0` is not in 1–31"),
        ("0 0 * * 8", "field weekday: `8` is not in 0–7"),
        ("0 0 L * *", "field day-of-month: `L`"),
        ("0 0 ? * 1", "field day-of-month: `?`"),
        ("5/15 * * * *", "a step needs a range: `5-59/…`"),
        ("*/0 * * * *", "the step is not a number above zero"),
        ("+5 * * * *", "`+5` is not in"),
        ("50-10 * * * *", "the range runs backwards"),
        ("1,,2 * * * *", "field minute"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
    ] {
        let error = Schedule::from_str(text).expect_err(text).to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    // With a weekday beside it, a date that never comes does no harm.
    assert_eq!(firings("0 0 31 2 1", "2027-02-01T12:00:00Z", 1), ["Mon 2027-02-08 00:00"]);
    assert_eq!(firings("0 0 29 2 *", "2026-11-22T12:00:00Z", 1), ["Tue 2028-02-29 00:00"]);
}

#[test]
fn a_host_keeps_its_own_delay_and_the_fleet_is_spread() {
    let host = |n: u128| HostId::from_parts(1, n);
    let delays: std::collections::BTreeSet<_> = (0..200).map(|n| splay_s(host(n), 3600)).collect();
    assert!(delays.len() > 100, "{}", delays.len());
    assert!(delays.iter().all(|delay| (0..=300).contains(delay)));
    assert_eq!(splay_s(host(1), 3600), splay_s(host(1), 3600));
    assert!(splay_s(host(1), 60) <= 6);
    // Whatever is due every five minutes, every hour or every day is due together.
    assert_eq!(splay_s(host(1), 300), splay_s(host(1), 86_400));

    let hourly = Timetable::new(schedule("@hourly"), host(1));
    let first = hourly.next_after(REFERENCE_S).expect("first");
    assert_eq!(hourly.next_after(first), Some(first + 3600));
    assert_eq!(first % 3600, splay_s(host(1), 3600));
}

/// A field as text and as the numbers a reader of crontab(5) would write down.
fn field(min: u8, max: u8) -> impl Strategy<Value = (String, Vec<u8>)> {
    let item = (min..=max, min..=max, 1_u8..=12, 0..4_u8).prop_map(move |(a, b, step, form)| {
        let (from, to) = (a.min(b), a.max(b));
        let range = |step: u8| (from..=to).filter(|n| (n - from).is_multiple_of(step)).collect();
        match form {
            0 => (a.to_string(), vec![a]),
            1 => (format!("{from}-{to}"), range(1)),
            _ => (format!("{from}-{to}/{step}"), range(step)),
        }
    });
    let list = prop::collection::vec(item, 1..4).prop_map(|items| {
        let texts: Vec<String> = items.iter().map(|(text, _)| text.clone()).collect();
        (texts.join(","), items.into_iter().flat_map(|(_, numbers)| numbers).collect())
    });
    let star = Just(("*".to_owned(), (min..=max).collect()));
    let stars = (1_u8..=12).prop_map(move |step| {
        let numbers = (min..=max).filter(|n| (n - min).is_multiple_of(step)).collect();
        (format!("*/{step}"), numbers)
    });
    prop_oneof![2 => star, 1 => stars, 3 => list]
}

/// The slow reading of crontab(5): every day, and every minute of a day that fits, is looked at.
fn naive(fields: &[(String, Vec<u8>); 5], after_s: i64, days: i64) -> Option<i64> {
    let [minute, hour, day, month, weekday] = fields;
    let either = !day.0.starts_with('*') && !weekday.0.starts_with('*');
    let fits_date = |midnight_s: i64| {
        let date = jiff::Timestamp::from_second(midnight_s).expect("time");
        let date = date.to_zoned(jiff::tz::TimeZone::UTC);
        let fits_day = day.1.contains(&(date.day() as u8));
        let sunday_zero = date.weekday().to_sunday_zero_offset() as u8;
        let fits_weekday = weekday.1.iter().any(|number| number % 7 == sunday_zero);
        month.1.contains(&(date.month() as u8))
            && if either { fits_day || fits_weekday } else { fits_day && fits_weekday }
    };
    let today = after_s.div_euclid(86_400);
    let dates = (today..=today + days).map(|day| day * 86_400).filter(|date| fits_date(*date));
    let minutes = dates.flat_map(|date| (0..1440).map(move |minute| (date, minute)));
    let fitting = minutes.filter(|(_, at)| {
        minute.1.contains(&((at % 60) as u8)) && hour.1.contains(&((at / 60) as u8))
    });
    let mut times = fitting.map(|(date, minute)| date + minute * 60);
    times.find(|at| *at > after_s).filter(|at| *at <= after_s + days * 86_400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_next_firing_is_the_one_a_slow_reader_finds(
        minute in field(0, 59),
        hour in field(0, 23),
        day in field(1, 31),
        month in field(1, 12),
        weekday in field(0, 7),
        after_s in 1_700_000_000_i64..1_900_000_000,
    ) {
        // `*` and `*/n` count weekdays from 0 to 6: 7 is only another name for 0.
        let mut weekday = weekday;
        if weekday.0.starts_with('*') {
            weekday.1.retain(|number| *number < 7);
        }
        let fields = [minute, hour, day, month, weekday];
        let text: Vec<_> = fields.iter().map(|field| field.0.as_str()).collect();
        const DAYS: i64 = 400;
        let want = naive(&fields, after_s, DAYS);
        match Schedule::from_str(&text.join(" ")) {
            Ok(schedule) => {
                let got = schedule.next_after(after_s).filter(|at| *at <= after_s + DAYS * 86_400);
                prop_assert_eq!(got, want);
            }
            Err(error) => {
                prop_assert!(matches!(error, ScheduleError::Never(_)), "{}", error);
                prop_assert_eq!(want, None);
            }
        }
    }
}
