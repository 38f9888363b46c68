//! Access reviews, over populations that the worker read.

use crate::alerts::{alerts, state, states};
use crate::cases::{Agent, SECOND};
use crate::lists::{changes, decides, learns, report, work};
use evidenced_collector::approved::Standing;
use evidenced_collector::store::{
    CauseFilter, DriftFilter, IsmsText, Membership, NewReview, ReviewPeriods, ReviewRefusal, Store,
};
use serde_json::{Value, json};

const HOUR: i64 = 3600;
const AT: i64 = 20_000 * 24 * HOUR + 8 * HOUR;
const DAY_US: i64 = 24 * HOUR * SECOND;

/// Accounts that are as good as root, and what sudo lets run something.
fn privileged(accounts: &[&str], sudo: &[&str]) -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("accounts", Some(json!({"privileged_users": accounts}))),
        ("sudo", Some(json!({"resolved_principals": sudo}))),
    ]
}

async fn started(store: &Store, leavers: &[&str], at_s: i64) -> Result<String, ReviewRefusal> {
    let leavers = leavers.iter().map(|account| (*account).to_owned()).collect();
    let now_us = at_s * SECOND;
    let new = NewReview { group: "default".into(), leavers, due_us: now_us + 10 * DAY_US };
    store.start_review(&new, "lead", now_us).await.expect("store")
}

/// `(class, member)` in the order of the review.
async fn members(store: &Store, id: &str) -> Vec<(String, String)> {
    let rows = store.review_members(id).await.expect("store");
    rows.into_iter().map(|row| (row.class, row.member)).collect()
}

fn class(class: &str, member: &str) -> (String, String) {
    (class.to_owned(), member.to_owned())
}

async fn decide(store: &Store, id: &str, rows: &[i64], keep: bool) -> Result<(), ReviewRefusal> {
    let rows = rows.iter().copied().collect();
    store.decide_review(id, &rows, keep, "lead", AT * SECOND).await.expect("store")
}

async fn gone(store: &Store, id: &str, at_s: i64) -> i64 {
    store.watch_removals(at_s * SECOND).await.expect("store");
    let rows = store.reviews().await.expect("store");
    let row = rows.into_iter().find(|row| row.id == id).expect("review");
    row.removals - row.open_removals
}

pub(crate) async fn a_review_is_decided_signed_and_its_removals_end_by_evidence(store: &Store) {
    let (mut one, mut two) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
    assert_eq!(started(store, &[], AT).await, Err(ReviewRefusal::Nobody));
    report(store, &mut one, &privileged(&["root", "bert"], &["anna"]), AT).await;
    report(store, &mut two, &privileged(&["root", "bert"], &[]), AT).await;
    learns(store, "privileged-people", AT).await;
    let all = ["root", "anna", "bert"];
    decides(store, "privileged-people", Standing::Accepted, &all, (AT, None)).await;

    let id = started(store, &["bert"], AT + HOUR).await.expect("started");
    assert_eq!(started(store, &[], AT + HOUR).await, Err(ReviewRefusal::Open));
    let expected = [class("leaver", "bert"), class("changed", "anna"), class("changed", "root")];
    assert_eq!(members(store, &id).await, expected, "who left comes first");
    let sign =
        async |at_s: i64| store.sign_review(&id, "lead", at_s * SECOND).await.expect("store");
    assert_eq!(decide(store, &id, &[0], false).await, Ok(()));
    assert_eq!(decide(store, &id, &[1], true).await, Ok(()));
    assert_eq!(sign(AT + 2 * HOUR).await, Err(ReviewRefusal::Undecided));
    assert_eq!(decide(store, &id, &[2], true).await, Ok(()));
    let digest = sign(AT + 2 * HOUR).await.expect("signed");
    assert_eq!(decide(store, &id, &[2], false).await, Err(ReviewRefusal::Signed));
    assert_eq!(sign(AT + 2 * HOUR).await, Err(ReviewRefusal::Signed));
    let acts = store.acts(1).await.expect("acts");
    let signed = &acts[0].1;
    assert_eq!((signed.act.as_str(), &signed.detail["removals"]), ("review_signed", &json!(1)));
    assert_eq!(signed.detail["digest"], json!(digest), "the log holds what was signed");

    // The list follows: who was removed and is there deviates by that decision.
    work(store, AT + 2 * HOUR).await;
    let by_decision = || ("bert".to_owned(), "added".to_owned(), "list_changed".to_owned());
    assert_eq!(changes(store).await, [by_decision(), by_decision()]);
    assert_eq!(states(store).await, [state("open", 2)]);
    assert_eq!(gone(store, &id, AT + 3 * HOUR).await, 0, "it is there still");
    // Gone from one host, and unreadable on the other: not shown to be gone.
    report(store, &mut one, &privileged(&["root"], &["anna"]), AT + 4 * HOUR).await;
    report(store, &mut two, &[("accounts", None), ("sudo", None)], AT + 4 * HOUR).await;
    assert_eq!(gone(store, &id, AT + 4 * HOUR).await, 0);
    report(store, &mut two, &privileged(&["root"], &[]), AT + 5 * HOUR).await;
    assert_eq!(gone(store, &id, AT + 5 * HOUR).await, 1);
    assert!(changes(store).await.is_empty());
    let live = alerts(store).await.into_iter().filter(|alert| alert.drift == "change");
    assert!(live.into_iter().all(|alert| alert.state == "resolved"));
}

pub(crate) async fn the_next_review_shows_what_changed_first(store: &Store) {
    let mut one = Agent::enrolled(store).await;
    report(store, &mut one, &privileged(&["root", "anna"], &[]), AT).await;
    let first = started(store, &[], AT + HOUR).await.expect("started");
    assert_eq!(decide(store, &first, &[0, 1], true).await, Ok(()));
    store.sign_review(&first, "lead", (AT + HOUR) * SECOND).await.expect("store").expect("signed");
    report(store, &mut one, &privileged(&["root", "anna", "zoe"], &[]), AT + 2 * HOUR).await;
    let second = started(store, &[], AT + 3 * HOUR).await.expect("started");
    let expected =
        [class("changed", "zoe"), class("unchanged", "anna"), class("unchanged", "root")];
    assert_eq!(members(store, &second).await, expected);
}

pub(crate) async fn an_overdue_review_is_told_until_one_is_signed(store: &Store) {
    let mut one = Agent::enrolled(store).await;
    report(store, &mut one, &privileged(&["root"], &[]), AT).await;
    let every = 100 * DAY_US;
    let periods = ReviewPeriods::every(every);
    let watch = async |at_us: i64| store.watch_reviews(&periods, at_us).await.expect("store");
    let id = started(store, &[], AT).await.expect("started");
    let due = AT * SECOND + 10 * DAY_US;
    assert!(!watch(due - 1).await);
    assert!(watch(due).await);
    assert!(!watch(due + 1).await, "once");
    assert_eq!(states(store).await, [state("open", 0)]);
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.drift.as_str(), alert.cause.as_str()), ("overdue", "time_passed"));
    assert!(alert.title.contains("access review of group default"), "{}", alert.title);
    let filter = DriftFilter { host: None, open: Some(true), limit: 10 };
    let drift = store.drifts(filter).await.expect("drifts").remove(0);
    assert_eq!((drift.drift.as_str(), drift.opened_us, drift.rule), ("overdue", due, None));
    assert_eq!(store.alert_of(&drift.id).await.expect("store").expect("alert").id, alert.id);
    let causes = store.causes(&CauseFilter { limit: 5, ..CauseFilter::default() }).await;
    assert_eq!(causes.expect("causes")[0].subject, "access review of group default");
    assert_eq!(decide(store, &id, &[0], true).await, Ok(()));
    store.sign_review(&id, "lead", due + 5).await.expect("store").expect("signed");
    assert!(watch(due + 5).await);
    assert_eq!(states(store).await, [state("resolved", 0)]);
    assert!(store.drifts(filter).await.expect("drifts").is_empty(), "the signature ended it");
    assert!(!watch(due + 5 + every - 1).await);
    assert!(watch(due + 5 + every).await, "and the next one in its time");
}

pub(crate) async fn a_group_that_was_never_reviewed_owes_a_review_from_its_first_host_on(
    store: &Store,
) {
    let mut one = Agent::enrolled(store).await;
    let hosts = store.hosts().await.expect("hosts");
    let enrolled_us = hosts.iter().map(|host| host.enrolled_us).min().expect("a host");
    let periods = ReviewPeriods::every(100 * DAY_US);
    let watch = async |at_us: i64| store.watch_reviews(&periods, at_us).await.expect("store");
    let due = enrolled_us + 100 * DAY_US;
    assert!(!watch(due).await, "hosts show nobody to review");
    report(store, &mut one, &privileged(&["root"], &[]), AT).await;
    assert!(!watch(due - 1).await);
    assert!(watch(due).await);
    assert_eq!(states(store).await, [state("open", 0)]);
    // Of an ISMS with a shorter period, one is due sooner; with a longer one it is not yet.
    let text = IsmsText {
        name: "Shop".into(),
        legal_entity: "Shop Ltd".into(),
        scope_statement: "all of it".into(),
        certificate: None,
    };
    let isms = store.create_isms(&text, "lead", AT * SECOND).await.expect("store");
    let isms = isms.expect("created");
    let member = Membership {
        isms: isms.clone(),
        group: "default".into(),
        belongs: true,
        from_us: 1,
        reason: None,
    };
    store.scope_isms(&member, "lead", AT * SECOND).await.expect("store").expect("in");
    let of = |days: i64| ReviewPeriods {
        by_isms: [(isms.clone(), days * DAY_US)].into(),
        ..ReviewPeriods::every(100 * DAY_US)
    };
    assert!(store.watch_reviews(&of(101), due).await.expect("store"), "not due by its ISMS");
    assert_eq!(states(store).await, [state("resolved", 0)]);
    let sooner = enrolled_us + 30 * DAY_US;
    assert!(!store.watch_reviews(&of(30), sooner - 1).await.expect("store"));
    assert!(store.watch_reviews(&of(30), sooner).await.expect("store"));
    // Once reviewed, the next one counts from then.
    let id = started(store, &[], AT).await.expect("started");
    assert!(watch(AT * SECOND).await, "an open one is owed at its own date");
    assert_eq!(decide(store, &id, &[0], true).await, Ok(()));
    let signed_us = AT * SECOND + 5;
    store.sign_review(&id, "lead", signed_us).await.expect("store").expect("signed");
    assert!(!watch(signed_us + 100 * DAY_US - 1).await);
    assert!(watch(signed_us + 100 * DAY_US).await);
}
