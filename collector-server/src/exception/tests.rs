use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_800_000_000_000_000;

fn wanted() -> Wanted {
    Wanted {
        rules: BTreeMap::from([("a-rule".to_owned(), "high".to_owned())]),
        scope: Scope::Group("web".into()),
        reason: "the vendor ships no fix before spring".into(),
        measure: "reached through the jump host only".into(),
        ticket: String::new(),
        risk: "R-17".into(),
        until_us: NOW + 30 * DAY_US,
    }
}

#[test]
fn a_request_names_what_is_wrong_with_it() {
    let check = |change: fn(&mut Wanted)| {
        let mut wanted = wanted();
        change(&mut wanted);
        wanted.check(90 * DAY_US, NOW)
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(check(|w| w.until_us = NOW + 90 * DAY_US), Ok(()), "just as long as it may be");
    assert_eq!(check(|w| w.until_us = NOW + 90 * DAY_US + 1), Err(Wrong::TooLong { days: 90 }));
    assert_eq!(check(|w| w.until_us = NOW), Err(Wrong::Over));
    assert_eq!(check(|w| w.rules.clear()), Err(Wrong::NoRules));
    assert_eq!(check(|w| w.reason = " \n".into()), Err(Wrong::Missing("the reason")));
    assert_eq!(check(|w| w.measure.clear()), Err(Wrong::Missing("the compensating measure")));
    assert_eq!(check(|w| w.risk.clear()), Err(Wrong::Missing("the linked risk")));
    assert_eq!(check(|w| w.ticket = "\u{1b}[2J".into()), Err(Wrong::Text("the ticket")));
    assert_eq!(check(|w| w.reason = "x".repeat(2001)), Err(Wrong::Text("the reason")));
}

#[test]
fn scopes_are_read_strictly() {
    let host = HostId::from(7u128);
    for scope in [Scope::Organisation, Scope::Group("web".into()), Scope::Host(host)] {
        assert_eq!(Scope::read(scope.sort(), &scope.name()), Some(scope));
    }
    for (sort, name) in
        [("organisation", "x"), ("group", " "), ("group", "a\nb"), ("host", "web"), ("", "")]
    {
        assert_eq!(Scope::read(sort, name), None, "{sort} {name}");
    }
}

#[test]
fn states_follow_from_decision_and_time() {
    let of = |decision, ended, until| State::of(decision, ended, until, NOW);
    assert_eq!(of(None, None, NOW + 1), State::Requested);
    assert_eq!(of(None, None, NOW), State::Lapsed);
    assert_eq!(of(Some("approved"), None, NOW + 1), State::Active);
    assert_eq!(of(Some("approved"), None, NOW), State::Expired);
    assert_eq!(of(Some("approved"), Some(NOW - 1), NOW + 1), State::Withdrawn);
    assert_eq!(of(Some("refused"), None, NOW + 1), State::Refused);
}

fn exception(id: &str, scope: Scope, until_us: i64) -> Approved {
    let rules = BTreeSet::from(["a-rule".to_owned()]);
    Approved { id: id.into(), scope, rules, until_us, ended_us: None }
}

fn failure(host: u128, group: &str) -> Failure {
    Failure { host: HostId::from(host), rule: "a-rule".into(), group: group.into() }
}

fn cover(exception: &str, host: u128) -> Cover {
    Cover { exception: exception.into(), host: HostId::from(host), rule: "a-rule".into() }
}

#[test]
fn an_exception_covers_what_fails_in_its_scope_and_nothing_beside_it() {
    let approved = [exception("e", Scope::Group("web".into()), NOW + 1)];
    let other = Failure { rule: "another".into(), ..failure(1, "web") };
    let failures = BTreeSet::from([failure(1, "web"), failure(2, "db"), other]);
    let turn = turn(&approved, &failures, &BTreeSet::new(), NOW);
    assert_eq!(turn, Turn { begun: vec![cover("e", 1)], ..Turn::default() });
}

#[test]
fn the_end_of_the_last_exception_uncovers_and_says_why() {
    let held = BTreeSet::from([cover("e", 1), cover("e", 2)]);
    let failures = BTreeSet::from([failure(1, "web")]);
    let mut ended = exception("e", Scope::Organisation, NOW - 5);
    let expired = turn(std::slice::from_ref(&ended), &failures, &held, NOW);
    assert_eq!(expired.uncovered, [(cover("e", 1), Ended::Expired, NOW - 5)]);
    assert!(expired.ended.contains(&(cover("e", 2), Ended::Evidence, NOW)), "it was mended");
    assert_eq!(expired.closed, ["e"]);

    (ended.until_us, ended.ended_us) = (NOW + 5, Some(NOW - 1));
    let withdrawn = turn(std::slice::from_ref(&ended), &failures, &held, NOW);
    assert_eq!(withdrawn.uncovered, [(cover("e", 1), Ended::Withdrawn, NOW - 1)]);

    // Another one holds: nothing is uncovered.
    let both = [ended, exception("f", Scope::Host(HostId::from(1u128)), NOW + 1)];
    let renewed = turn(&both, &failures, &held, NOW);
    assert!(renewed.uncovered.is_empty());
    assert_eq!(renewed.begun, [cover("f", 1)]);
}

#[test]
fn a_host_that_leaves_the_scope_is_uncovered_by_that() {
    let approved = [exception("e", Scope::Group("web".into()), NOW + 1)];
    let held = BTreeSet::from([cover("e", 1)]);
    let moved = turn(&approved, &BTreeSet::from([failure(1, "db")]), &held, NOW);
    assert_eq!(moved.uncovered, [(cover("e", 1), Ended::Scope, NOW)]);
    assert!(moved.closed.is_empty());
}

#[test]
fn an_exception_is_pointed_out_when_nothing_has_needed_it_for_long_enough() {
    let unneeded = |covers, needed| is_unneeded(NOW - 40, covers, needed, 30, NOW);
    assert!(unneeded(0, None));
    assert!(!unneeded(1, None));
    assert!(!unneeded(0, Some(NOW - 29)));
    assert!(unneeded(0, Some(NOW - 30)));
    assert!(!is_unneeded(NOW - 29, 0, None, 30, NOW), "it is too young to tell");
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Organisation),
        (0..2u8).prop_map(|n| Scope::Group(format!("g{n}"))),
        (0..3u128).prop_map(|n| Scope::Host(HostId::from(n))),
    ]
}

fn any_approved() -> impl Strategy<Value = Vec<Approved>> {
    let one = (any_scope(), -3..4i64, proptest::option::of(-3..4i64));
    let list = proptest::collection::vec(one, 0..4);
    list.prop_map(|list| {
        let of = |(n, (scope, until, ended)): (usize, (Scope, i64, Option<i64>))| Approved {
            ended_us: ended.map(|us| NOW + us),
            ..exception(&format!("e{n}"), scope, NOW + until)
        };
        list.into_iter().enumerate().map(of).collect()
    })
}

proptest! {
    /// A failure that was covered is covered still, or is uncovered: it never gets lost between.
    #[test]
    fn no_failure_is_lost_at_the_end_of_an_exception(
        approved in any_approved(),
        failing in proptest::collection::btree_set((0..3u128, 0..2u8), 0..4),
        held in proptest::collection::btree_set((0..4usize, 0..3u128), 0..6),
    ) {
        // A host is in one group.
        let failing: BTreeMap<u128, u8> = failing.into_iter().collect();
        let failures: BTreeSet<_> =
            failing.iter().map(|(host, group)| failure(*host, &format!("g{group}"))).collect();
        let held: BTreeSet<_> = held
            .into_iter()
            .filter(|(n, _)| *n < approved.len())
            .map(|(n, host)| cover(&format!("e{n}"), host))
            .collect();
        let turn = turn(&approved, &failures, &held, NOW);
        let mut after = held.clone();
        after.extend(turn.begun.iter().cloned());
        for (cover, ..) in &turn.ended {
            prop_assert!(after.remove(cover), "what ends was held");
        }
        for failure in &failures {
            let covered = after.iter().any(|cover| cover.host == failure.host);
            let was = held.iter().any(|cover| cover.host == failure.host);
            let uncovered = turn.uncovered.iter().filter(|(c, ..)| c.host == failure.host).count();
            prop_assert_eq!(uncovered, usize::from(was && !covered), "{:?}", failure);
            // What holds is what should.
            let should = approved.iter().any(|exception| exception.covers(failure, NOW));
            prop_assert_eq!(covered, should);
        }
        for cover in &after {
            prop_assert!(failures.iter().any(|failure| failure.host == cover.host));
        }
        // Done twice, it does nothing more.
        let again = super::turn(&approved, &failures, &after, NOW);
        prop_assert!(again.begun.is_empty() && again.ended.is_empty() && again.uncovered.is_empty());
    }
}
