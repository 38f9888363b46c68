use super::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;

fn spoken(at: &[(i64, bool)]) -> Vec<Spoken> {
    let said = |(at, whole): &(i64, bool)| Spoken {
        observed_us: at * SECOND,
        next_due_s: 10,
        whole: *whole,
    };
    at.iter().map(said).collect()
}

fn read(kind: &str, status: Status, from: i64, to: i64) -> KindRead {
    KindRead { kind: kind.into(), status, lost: false, held: (from * SECOND, to * SECOND) }
}

fn known() -> Known {
    Known {
        period: (0, 100 * SECOND),
        enrolled_us: 0,
        service: vec![(0, i64::MAX)],
        spoken: spoken(&[0, 10, 20, 30, 40, 50, 60, 70, 80, 90].map(|at| (at, true))),
        kinds: vec![read("accounts", Status::Ok, 0, 1000)],
        outages: vec![],
    }
}

fn told(known: &Known) -> Vec<(Option<String>, Why, i64, i64)> {
    let row = |gap: Gap| (gap.kind, gap.why, gap.from_us / SECOND, gap.to_us / SECOND);
    gaps(known).into_iter().map(row).collect()
}

#[test]
fn a_host_that_was_heard_and_read_all_the_time_has_no_gap() {
    assert_eq!(told(&known()), []);
    assert_eq!(coverage(&gaps(&known()), (0, 100)), (100, 100));
}

#[test]
fn silence_begins_when_the_second_promised_check_in_did_not_come() {
    // 20 s after the one at 20 s, until the one at 60 s. A gap of one is none.
    let at = [(0, true), (10, true), (20, true), (60, true), (80, true)];
    let silent = Known { spoken: spoken(&at), ..known() };
    assert_eq!(told(&silent), [(None, Why::Silent, 40, 60)]);
    let outages = vec![(45 * SECOND, 50 * SECOND)];
    let out = Known { outages: outages.clone(), ..silent };
    assert_eq!(
        told(&out),
        [
            (None, Why::Silent, 40, 45),
            (None, Why::CollectorOutage, 45, 50),
            (None, Why::Silent, 50, 60)
        ]
    );
    assert_eq!(coverage(&gaps(&out), (0, 100 * SECOND)), (100 * SECOND, 80 * SECOND));
    // What was seen meanwhile and came later leaves no gap, though no collector was there.
    assert_eq!(told(&Known { outages, ..known() }), []);
}

#[test]
fn what_is_before_the_enrolment_and_after_the_end_is_not_expected() {
    let life = Known {
        enrolled_us: 10 * SECOND,
        service: vec![(10 * SECOND, 90 * SECOND)],
        spoken: spoken(&[10, 20, 30, 40, 50, 60, 70, 80].map(|at| (at, true))),
        kinds: vec![read("accounts", Status::Ok, 10, 1000)],
        ..known()
    };
    assert_eq!(told(&life), [(None, Why::NotEnrolled, 0, 10), (None, Why::Ended, 90, 100)]);
    let late = Known { spoken: spoken(&[(30, true), (50, true), (70, true)]), ..life.clone() };
    assert_eq!(told(&late)[1], (None, Why::NotYet, 10, 30), "enrolled, and nothing came");
    let (expected, covered) = coverage(&gaps(&life), life.period);
    assert_eq!((expected, covered), (80 * SECOND, 80 * SECOND));
}

#[test]
fn each_way_not_to_see_a_kind_has_its_name() {
    let lost = KindRead { lost: true, ..read("sudo", Status::Ok, 50, 1000) };
    let kinds = vec![
        read("accounts", Status::Ok, 0, 1000),
        read("logins", Status::Denied, 0, 30),
        read("logins", Status::Ok, 30, 60),
        read("packages", Status::Ok, 20, 1000),
        read("services", Status::NotApplicable, 0, 1000),
        read("mounts", Status::Timeout, 0, 10),
        read("mounts", Status::Partial, 10, 1000),
        read("sudo", Status::Ok, 0, 50),
        lost,
    ];
    let some = |kind: &str, why, from, to| (Some(kind.to_owned()), why, from, to);
    assert_eq!(
        told(&Known { kinds, ..known() }),
        [
            some("logins", Why::Denied, 0, 30),
            some("logins", Why::SwitchedOff, 60, 100),
            some("mounts", Why::Failed, 0, 10),
            some("mounts", Why::Partial, 10, 100),
            some("packages", Why::NotYet, 0, 20),
            some("sudo", Why::Dropped, 50, 100),
        ]
    );
}

#[test]
fn a_check_in_whose_manifest_was_dropped_says_that_the_host_lived_and_nothing_more() {
    let mut at = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90].map(|at| (at, true));
    (at[4].1, at[5].1) = (false, false);
    let dropped = Known {
        spoken: spoken(&at),
        kinds: vec![read("accounts", Status::Ok, 0, 40), read("accounts", Status::Ok, 60, 1000)],
        ..known()
    };
    assert_eq!(told(&dropped), [(None, Why::Dropped, 40, 60)]);
}

proptest! {
    #[test]
    fn each_moment_of_each_kind_is_seen_or_in_one_gap(
        life in (0..40i64, 60..120i64),
        at in proptest::collection::btree_set(0..100i64, 0..12),
        lost in any::<u16>(),
        spans in proptest::collection::vec((0..100i64, 1..40i64, 0..4u8), 0..6),
        outage in (0..100i64, 1..30i64),
    ) {
        let at: Vec<_> =
            at.into_iter().enumerate().map(|(n, at)| (at, lost & (1 << n) == 0)).collect();
        let mut free = 0;
        let mut kinds = vec![];
        for (from, length, word) in spans {
            let from = from.max(free);
            free = from + length;
            let status = [Status::Ok, Status::Denied, Status::Partial, Status::Absent];
            kinds.push(read("logins", status[usize::from(word)], from, free));
        }
        let known = Known {
            period: (0, 100 * SECOND),
            enrolled_us: life.0 * SECOND,
            service: vec![(life.0 * SECOND, life.1 * SECOND)],
            spoken: spoken(&at),
            kinds: kinds.clone(),
            outages: vec![(outage.0 * SECOND, (outage.0 + outage.1) * SECOND)],
        };
        let gaps = gaps(&known);
        for second in 0..100 {
            let us = second * SECOND;
            let within = |gap: &&Gap| gap.from_us <= us && us < gap.to_us;
            let of_host = gaps.iter().filter(|gap| gap.kind.is_none()).filter(within).count();
            let of_kind = gaps.iter().filter(|gap| gap.kind.is_some()).filter(within).count();
            prop_assert!(of_host + of_kind <= 1, "{} gaps at {second}", of_host + of_kind);
            let alive = life.0 <= second && second < life.1;
            let heard = at.iter().any(|(at, _)| *at <= second && second < at + 20);
            let last = at.iter().rfind(|(at, _)| *at <= second);
            let whole = last.is_some_and(|(_, whole)| *whole);
            prop_assert_eq!(of_host == 0, alive && heard && whole, "{}", second);
            if of_host == 0 && !kinds.is_empty() {
                let good = kinds.iter().any(|read| {
                    let seen = matches!(read.status, Status::Ok | Status::Absent);
                    seen && read.held.0 <= us && us < read.held.1
                });
                prop_assert_eq!(of_kind == 0, good, "{}", second);
            }
        }
    }
}
