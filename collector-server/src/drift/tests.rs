use super::*;
use evidence::Digest;

fn entry(status: Status, facts: &str, unread: &[&str]) -> KindView {
    let unread = unread.iter().map(|path| (*path).to_owned()).collect();
    let facts = Some(Digest::of(facts.as_bytes()));
    KindView { entry: KindEntry { status, facts, sources: vec![], unread }, v: Some(1) }
}

fn result(rule: &str, outcome: &str, offenders: &[&str]) -> (String, ResultRow) {
    let row = ResultRow {
        host: HostId::nil(),
        rule: rule.to_owned(),
        outcome: outcome.to_owned(),
        reason: None,
        offenders: offenders.iter().map(|o| (*o).to_owned()).collect(),
        since_us: 0,
        known: 0,
        cause: None,
    };
    (rule.to_owned(), row)
}

fn state(kind: KindView, results: &[(String, ResultRow)]) -> HostView {
    HostView {
        kinds: [("accounts".to_owned(), kind)].into(),
        results: results.iter().cloned().collect(),
        rules: Some(Digest::of(b"rules")),
        lists: Some(("web".to_owned(), 1)),
        moved: false,
        by_old_lists: BTreeMap::new(),
    }
}

fn rules() -> BTreeMap<String, RuleView> {
    let view = RuleView { evidence: vec!["accounts".to_owned()], severity: "critical".to_owned() };
    [("acc".to_owned(), view.clone()), ("acc-2".to_owned(), view)].into()
}

fn drifts(before: &HostView, after: &HostView) -> (Drifts, HostView) {
    let mut after = after.clone();
    (compare(HostId::nil(), before, &mut after, &rules(), 5), after)
}

#[test]
fn a_pass_that_fails_is_one_regression_with_its_offenders_and_cause() {
    let before = state(entry(Status::Ok, "a", &[]), &[result("acc", "pass", &[])]);
    let after = state(entry(Status::Ok, "b", &[]), &[result("acc", "fail", &["toor"])]);
    let (found, after) = drifts(&before, &after);
    assert_eq!(found.opened.len(), 1);
    let drift = &found.opened[0];
    assert_eq!((drift.drift.as_str(), drift.cause.as_str()), ("regression", "host_changed"));
    assert_eq!(
        (drift.offenders.as_slice(), drift.severity.as_str()),
        (&["toor".to_owned()][..], "critical")
    );
    assert_eq!(after.results["acc"].cause.as_deref(), Some("host_changed"));
}

#[test]
fn a_new_host_has_no_drift() {
    let after = state(entry(Status::Ok, "b", &[]), &[result("acc", "fail", &["toor"])]);
    assert!(drifts(&HostView::default(), &after).0.opened.is_empty());
}

#[test]
fn the_same_facts_fail_later_because_time_passed() {
    let before = state(entry(Status::Ok, "a", &[]), &[result("acc", "pass", &[])]);
    let after = state(entry(Status::Ok, "a", &[]), &[result("acc", "fail", &["x"])]);
    assert_eq!(drifts(&before, &after).0.opened[0].cause, "time_passed");
}

#[test]
fn a_changed_rule_never_looks_like_a_drift_of_the_host() {
    let before = state(entry(Status::Ok, "a", &[]), &[result("acc", "pass", &[])]);
    let mut after = state(entry(Status::Ok, "a", &[]), &[result("acc", "fail", &["x"])]);
    after.rules = Some(Digest::of(b"other rules"));
    let (found, after) = drifts(&before, &after);
    assert!(found.opened.is_empty());
    assert_eq!(after.results["acc"].cause.as_deref(), Some("rule_changed"));
}

#[test]
fn lost_evidence_is_one_drift_per_kind_and_not_one_per_rule() {
    let pass = [result("acc", "pass", &[]), result("acc-2", "pass", &[])];
    let unknown = [result("acc", "unknown", &[]), result("acc-2", "unknown", &[])];
    let before = state(entry(Status::Ok, "a", &[]), &pass);
    let denied = state(entry(Status::Denied, "", &[]), &unknown);
    let (found, after) = drifts(&before, &denied);
    assert_eq!(found.opened.len(), 1);
    assert_eq!((found.opened[0].from.as_str(), found.opened[0].to.as_str()), ("ok", "denied"));
    assert_eq!(after.results["acc"].cause.as_deref(), Some("evidence_lost"));
    let (found, _) = drifts(&denied, &before);
    assert!(found.opened.is_empty());
    assert!(found.resolved.contains(&("evidence_lost".to_owned(), "accounts".to_owned())));
}

/// Pass, then nothing to be seen, then a failure: the failure must not slip in behind the gap.
#[test]
fn a_failure_after_a_gap_is_still_a_regression() {
    let unknown = state(entry(Status::Denied, "", &[]), &[result("acc", "unknown", &[])]);
    let fail = state(entry(Status::Ok, "b", &[]), &[result("acc", "fail", &["toor"])]);
    let (found, _) = drifts(&unknown, &fail);
    assert_eq!(found.opened.len(), 1);
    assert_eq!(found.opened[0].drift, "regression");
}

#[test]
fn a_field_that_is_no_longer_read_is_lost_evidence_and_one_more_read_is_not() {
    let whole = state(entry(Status::Ok, "a", &[]), &[result("acc", "pass", &[])]);
    let less =
        state(entry(Status::Partial, "b", &["users.password"]), &[result("acc", "pass", &[])]);
    let other = state(entry(Status::Partial, "c", &["groups"]), &[result("acc", "pass", &[])]);
    assert_eq!(drifts(&whole, &less).0.opened.len(), 1);
    assert_eq!(drifts(&less, &other).0.opened.len(), 1);
    assert!(drifts(&less, &whole).0.opened.is_empty());
}

#[test]
fn evidence_ends_a_regression_and_silence_does_not() {
    let fail = state(entry(Status::Ok, "a", &[]), &[result("acc", "fail", &["x"])]);
    let pass = state(entry(Status::Ok, "b", &[]), &[result("acc", "pass", &[])]);
    let gone = state(entry(Status::Denied, "", &[]), &[result("acc", "unknown", &[])]);
    let ends = |found: Drifts| found.resolved.iter().any(|(drift, _)| drift == "regression");
    assert!(ends(drifts(&fail, &pass).0));
    assert!(!ends(drifts(&fail, &gone).0));
}

#[test]
fn other_rules_over_the_same_evidence_open_no_drift_and_are_announced() {
    let before = state(entry(Status::Ok, "a", &[]), &[result("acc", "pass", &[])]);
    let mut after = state(entry(Status::Ok, "a", &[]), &[result("acc", "fail", &["toor"])]);
    after.rules = Some(Digest::of(b"other rules"));
    let (found, _) = drifts(&before, &after);
    assert!(found.opened.is_empty());
    assert_eq!(found.announced, [(Cause::RuleChanged, "acc".to_owned())]);
    // Nothing fails by them: nothing to announce.
    let mut after = state(entry(Status::Ok, "a", &[]), &[result("acc", "unknown", &[])]);
    after.rules = Some(Digest::of(b"other rules"));
    assert!(drifts(&before, &after).0.announced.is_empty());
}

#[test]
fn a_regression_names_the_kind_that_changed() {
    let before = state(entry(Status::Ok, "a", &[]), &[result("acc", "pass", &[])]);
    let after = state(entry(Status::Ok, "b", &[]), &[result("acc", "fail", &[])]);
    let (found, _) = drifts(&before, &after);
    assert_eq!(found.kinds, [("acc".to_owned(), "accounts".to_owned())].into());
    assert!(found.announced.is_empty());
}

#[test]
fn facts_that_came_back_are_the_hosts_and_not_the_agents() {
    let mut denied = entry(Status::Denied, "", &[]);
    (denied.entry.facts, denied.v) = (None, None);
    let before = state(denied, &[result("acc", "unknown", &[])]);
    let after = state(entry(Status::Ok, "b", &[]), &[result("acc", "fail", &["toor"])]);
    let (found, _) = drifts(&before, &after);
    assert_eq!(found.opened[0].cause, "host_changed", "and it is alerted");
}

#[test]
fn another_list_fails_the_rules_that_read_it_and_no_host_did_it() {
    let of = |outcome| [result("keys-root-approved", outcome, &[]), result("acc", "pass", &[])];
    let before = state(entry(Status::Ok, "a", &[]), &of("pass"));
    let mut after = state(entry(Status::Ok, "a", &[]), &of("fail"));
    let view = RuleView { evidence: vec!["accounts".into()], severity: "critical".into() };
    let rules = [("keys-root-approved".to_owned(), view.clone()), ("acc".to_owned(), view)].into();
    for (lists, cause) in [(("web", 2), "list_changed"), (("db", 1), "scope_changed")] {
        after.lists = Some((lists.0.to_owned(), lists.1));
        let mut now = after.clone();
        let found = compare(HostId::nil(), &before, &mut now, &rules, 5);
        assert!(found.opened.is_empty());
        assert_eq!(now.results["keys-root-approved"].cause.as_deref(), Some(cause));
        assert_eq!(found.announced.len(), 1);
    }
}

#[test]
fn of_a_list_and_a_day_that_turn_at_once_the_one_that_made_the_difference_is_the_cause() {
    const RULE: &str = "keys-root-approved";
    let of = |outcome, offenders: &[&str]| [result(RULE, outcome, offenders)];
    let view = RuleView { evidence: vec!["accounts".into()], severity: "critical".into() };
    let rules = [(RULE.to_owned(), view)].into();
    let cause = |held: &HostView, now: &HostView, (outcome, offenders): (&str, &[&str])| {
        let mut now = now.clone();
        now.lists = Some(("web".to_owned(), 2));
        now.by_old_lists = [result(RULE, outcome, offenders)].into();
        compare(HostId::nil(), held, &mut now, &rules, 5);
        now.results[RULE].cause.clone().expect("a cause")
    };
    let held = state(entry(Status::Ok, "a", &[]), &of("pass", &[]));
    let fails = state(entry(Status::Ok, "a", &[]), &of("fail", &["x"]));
    assert_eq!(cause(&held, &fails, ("fail", &["x"])), "time_passed", "it fails by any list");
    assert_eq!(cause(&held, &fails, ("pass", &[])), "list_changed", "time alone changed nothing");
    assert_eq!(cause(&fails, &held, ("fail", &["x"])), "list_changed", "it was accepted");
    // Another host state that the old list would have let pass, or not.
    let other = state(entry(Status::Ok, "b", &[]), &of("fail", &["x"]));
    assert_eq!(cause(&held, &other, ("fail", &["x"])), "host_changed");
    assert_eq!(cause(&held, &other, ("pass", &[])), "list_changed");
    // Both add an offender to a failure: neither makes it one.
    let two = state(entry(Status::Ok, "a", &[]), &of("fail", &["x", "y"]));
    assert_eq!(cause(&fails, &two, ("fail", &["x", "y"])), "time_passed");
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    const CAUSES: [&str; 7] = [
        "host_changed",
        "time_passed",
        "evidence_lost",
        "rule_changed",
        "agent_changed",
        "scope_changed",
        "list_changed",
    ];

    fn any_kind() -> impl Strategy<Value = Option<KindView>> {
        let status = prop_oneof![Just(Status::Ok), Just(Status::Denied), Just(Status::Partial)];
        proptest::option::of((status, 0..2u8, 1..3i64).prop_map(|(status, facts, v)| KindView {
            v: Some(v),
            ..entry(status, &facts.to_string(), &[])
        }))
    }

    fn any_results() -> impl Strategy<Value = Vec<(String, ResultRow)>> {
        let outcome =
            prop_oneof![Just("pass"), Just("fail"), Just("unknown"), Just("not_applicable")];
        proptest::collection::vec((outcome, 0..2u8), 2).prop_map(|results| {
            let row = |(rule, (outcome, n)): (&str, (&str, u8))| {
                let offender = n.to_string();
                let offenders = if outcome == "fail" { vec![offender.as_str()] } else { vec![] };
                result(rule, outcome, &offenders)
            };
            ["acc", "acc-2"].into_iter().zip(results).map(row).collect()
        })
    }

    fn any_state() -> impl Strategy<Value = HostView> {
        (any_kind(), any_results(), 0..2u8, 0..2i64).prop_map(|(kind, results, rules, lists)| {
            HostView {
                kinds: kind.map(|kind| ("accounts".to_owned(), kind)).into_iter().collect(),
                results: results.into_iter().collect(),
                rules: Some(Digest::of(&[rules])),
                moved: false,
                by_old_lists: BTreeMap::new(),
                lists: Some(("web".to_owned(), lists)),
            }
        })
    }

    proptest! {
        #[test]
        fn each_transition_has_exactly_one_cause(before in any_state(), after in any_state()) {
            let (found, now) = drifts(&before, &after);
            for (rule, row) in &now.results {
                let moved = !same(&before.results[rule], row);
                prop_assert_eq!(row.cause.is_some(), moved, "{}", rule);
                let known = row.cause.as_deref().is_none_or(|cause| CAUSES.contains(&cause));
                prop_assert!(known);
            }
            // What began to fail is told, once: as a drift of the host, or for all hosts.
            for (rule, row) in &now.results {
                let begins = row.outcome == "fail" && before.results[rule].outcome != "fail";
                let opened = found.opened.iter().filter(|d| d.rule.as_ref() == Some(rule)).count();
                let announced = found.announced.iter().filter(|(_, r)| r == rule).count();
                prop_assert_eq!(opened + announced, usize::from(begins), "{}", rule);
                let ended = ("regression".to_owned(), rule.clone());
                let ends = found.resolved.contains(&ended);
                prop_assert!(!ends || ["pass", "not_applicable"].contains(&row.outcome.as_str()));
            }
        }

        #[test]
        fn the_same_evidence_under_other_rules_is_no_drift_of_a_host(
            before in any_state(),
            results in any_results(),
        ) {
            let mut after = before.clone();
            after.results = results.into_iter().collect();
            after.rules = Some(Digest::of(b"other rules"));
            let (found, now) = drifts(&before, &after);
            prop_assert!(found.opened.is_empty());
            let causes = now.results.values().filter_map(|row| row.cause.as_deref());
            prop_assert!(causes.into_iter().all(|cause| cause == "rule_changed"));
        }
    }
}
