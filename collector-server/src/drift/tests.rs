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
        moved: false,
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
