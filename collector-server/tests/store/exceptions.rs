//! Exceptions: who decides, what they quieten, and what is said when they end.

use crate::alerts::{DAY, HOUR, MINUTE, Subject, alerts, state, states};
use evidenced_collector::exception::{Scope, State, Wanted};
use evidenced_collector::finding::{Finding, Grade, Source, Wrong};
use evidenced_collector::inherited::Wanted as Statement;
use evidenced_collector::store::model::DriftRow;
use evidenced_collector::store::{
    Decider, DriftFilter, ExceptionRefusal, FindingRefusal, Person, Saying, SeatRefusal, Store,
};

const AT: i64 = 10 * DAY;

fn wanted(scope: Scope, until_us: i64) -> Wanted {
    Wanted {
        rules: [("acc".to_owned(), "high".to_owned())].into(),
        scope,
        reason: "a reason".into(),
        measure: "a measure".into(),
        ticket: "T-1".into(),
        risk: "R-1".into(),
        until_us,
    }
}

pub(crate) async fn person(store: &Store, name: &str, seat: &str) -> String {
    let person = Person::new(name, seat).expect("person");
    assert!(store.create_person(&person, "operator", 1).await.expect("store"));
    person.id
}

async fn requested(store: &Store, scope: Scope, until_us: i64, now_us: i64) -> String {
    let wanted = wanted(scope, until_us);
    let id = store.request_exception(&wanted, None, "operator", now_us).await.expect("store");
    id.expect("requested")
}

async fn approved(store: &Store, scope: Scope, until_us: i64, now_us: i64) -> String {
    let id = requested(store, scope, until_us, now_us).await;
    let owner = match store.credentials("owner").await.expect("store") {
        Some(known) => known.person.id,
        None => person(store, "owner", "risk_owner").await,
    };
    let done = store.decide_exception(&id, &owner, true, "", now_us).await.expect("store");
    done.expect("approved");
    id
}

pub(crate) async fn acts(store: &Store, what: &str) -> usize {
    let acts = store.acts(100).await.expect("acts");
    acts.iter().filter(|(_, act)| act.act == what).count()
}

async fn drifts(store: &Store, open: bool) -> Vec<DriftRow> {
    let filter = DriftFilter { host: None, open: Some(open), limit: 100 };
    store.drifts(filter).await.expect("drifts")
}

async fn fails(store: &Store, subject: &Subject) -> bool {
    let results = store.open_results(Some(subject.host()), None).await.expect("store");
    results.iter().any(|row| row.rule == "acc" && row.outcome == "fail")
}

pub(crate) async fn an_exception_is_decided_by_a_risk_owner_who_did_not_ask(store: &Store) {
    let owner = person(store, "owner", "risk_owner").await;
    let other = person(store, "other", "risk_owner").await;
    let admin = person(store, "admin", "administrator").await;
    let wanted = wanted(Scope::Organisation, AT + DAY);
    let id = store.request_exception(&wanted, None, &owner, AT).await.expect("store").expect("id");
    let decide = async |person: &str, at| {
        store.decide_exception(&id, person, true, "fine", at).await.expect("store")
    };
    assert_eq!(decide(&owner, AT).await, Err(ExceptionRefusal::OwnRequest));
    assert_eq!(decide(&admin, AT).await, Err(ExceptionRefusal::NotRiskOwner));
    assert_eq!(decide("operator", AT).await, Err(ExceptionRefusal::NotRiskOwner));
    store.set_disabled(&other, true, "operator", AT).await.expect("store").expect("disabled");
    assert_eq!(decide(&other, AT).await, Err(ExceptionRefusal::NotRiskOwner), "a seat that is out");
    store.set_disabled(&other, false, "operator", AT).await.expect("store").expect("enabled");
    assert_eq!(
        decide(&other, AT + DAY).await,
        Err(ExceptionRefusal::NotWaiting),
        "its time is over"
    );
    assert!(store.excepted(AT).await.expect("store").is_empty());
    assert_eq!(acts(store, "exception_approved").await, 0);

    assert_eq!(decide(&other, AT).await, Ok(()));
    assert_eq!(decide(&other, AT).await, Err(ExceptionRefusal::NotWaiting), "once");
    assert_eq!(acts(store, "exception_approved").await, 1);
    assert_eq!(acts(store, "exception_requested").await, 1);
    let row = store.exception(&id).await.expect("store").expect("exception");
    assert_eq!(row.state(AT), State::Active);
    assert_eq!((row.requested_by, row.decided_by), (owner, Some(other)));
}

pub(crate) async fn a_seat_is_given_and_the_last_administrator_keeps_theirs(store: &Store) {
    let ann = person(store, "ann", "administrator").await;
    let give = async |seat: &str| store.set_seat(&ann, seat, "operator", 5).await.expect("store");
    assert_eq!(give("viewer").await, Err(SeatRefusal::LastAdministrator));
    assert!(matches!(give("king").await, Err(SeatRefusal::Seat(_))));
    let _bob = person(store, "bob", "administrator").await;
    assert_eq!(give("risk_owner").await, Ok(()));
    assert_eq!(acts(store, "seat_given").await, 1);
    let known = store.credentials("ann").await.expect("store").expect("ann");
    assert_eq!(known.person.seat, "risk_owner");
}

pub(crate) async fn a_failure_under_an_exception_stays_a_failure_and_alerts_nobody(store: &Store) {
    let mut web = Subject::new(store, AT).await;
    let mut other = Subject::new(store, AT).await;
    let id = approved(store, Scope::Host(web.host()), AT + 5 * DAY, AT + HOUR).await;
    web.says(store, "fail", AT + 2 * HOUR).await;
    assert!(alerts(store).await.is_empty());
    assert!(fails(store, &web).await, "it is not hidden");
    let drift = drifts(store, true).await.remove(0);
    assert_eq!((drift.drift.as_str(), drift.cause.as_str()), ("regression", "host_changed"));
    store.settle_alerts(AT + 3 * HOUR).await.expect("store");
    assert!(alerts(store).await.is_empty(), "not later either");
    let excepted = store.excepted(AT + 3 * HOUR).await.expect("store");
    assert_eq!(excepted[&(web.host(), "acc".to_owned())].exception, id);
    // The near miss: another host.
    other.says(store, "fail", AT + 3 * HOUR).await;
    assert_eq!(states(store).await, [state("open", 1)]);
    assert_eq!(alerts(store).await[0].cause, "host_changed");
    assert_eq!(excepted.len(), 1);
}

pub(crate) async fn what_an_exception_covered_alerts_once_when_it_ends(store: &Store) {
    let (mut one, mut two) = (Subject::new(store, AT).await, Subject::new(store, AT).await);
    let mut mended = Subject::new(store, AT).await;
    let id = approved(store, Scope::Group("default".into()), AT + DAY, AT + HOUR).await;
    for subject in [&mut one, &mut two, &mut mended] {
        subject.says(store, "fail", AT + 2 * HOUR).await;
    }
    store.watch_exceptions(AT + 2 * HOUR + MINUTE).await.expect("store");
    mended.says(store, "pass", AT + 3 * HOUR).await;
    let row = store.exception(&id).await.expect("store").expect("exception");
    assert_eq!((row.covers, row.state(AT + 3 * HOUR)), (3, State::Active));
    // Evidence comes between its end and the look that finds it: nothing is said twice.
    one.says(store, "fail", AT + DAY + SECOND).await;
    assert!(alerts(store).await.is_empty());
    assert!(store.watch_exceptions(AT + DAY + MINUTE).await.expect("store"));
    assert!(!store.watch_exceptions(AT + DAY + 2 * MINUTE).await.expect("store"));
    store.settle_alerts(AT + DAY + HOUR).await.expect("store");
    let alert = alerts(store).await.remove(0);
    assert_eq!(states(store).await, [state("open", 2)], "one for both hosts");
    assert_eq!((alert.drift.as_str(), alert.cause.as_str()), ("overdue", "exception_ended"));
    assert_eq!(
        (alert.subjects.as_slice(), alert.severity.as_str()),
        (&["acc".to_owned()][..], "high")
    );
    let causes: Vec<_> =
        drifts(store, true).await.into_iter().map(|d| (d.drift, d.cause)).collect();
    let of =
        |drift: &str, cause: &str| causes.iter().filter(|(d, c)| d == drift && c == cause).count();
    assert_eq!((of("overdue", "exception_ended"), of("regression", "host_changed")), (2, 2));

    let covers = store.covers_of(&id, 10).await.expect("store");
    let ends: Vec<_> = covers.iter().filter_map(|row| row.ended.as_deref()).collect();
    assert_eq!(ends.iter().filter(|end| **end == "expired").count(), 2);
    assert_eq!(ends.len(), 3, "and one by evidence: {ends:?}");

    // Evidence ends it.
    one.says(store, "pass", AT + DAY + 2 * HOUR).await;
    assert_eq!(states(store).await, [state("open", 2)]);
    two.says(store, "pass", AT + DAY + 2 * HOUR).await;
    assert_eq!(states(store).await, [state("resolved", 2)]);
    assert!(drifts(store, true).await.is_empty());
}

const SECOND: i64 = crate::cases::SECOND;

pub(crate) async fn a_withdrawn_exception_uncovers_at_once(store: &Store) {
    let mut web = Subject::new(store, AT).await;
    let id = approved(store, Scope::Organisation, AT + DAY, AT + HOUR).await;
    web.says(store, "fail", AT + 2 * HOUR).await;
    store.watch_exceptions(AT + 2 * HOUR).await.expect("store");
    let withdraw =
        async |at| store.withdraw_exception(&id, "operator", "no more", at).await.expect("store");
    assert_eq!(withdraw(AT + 3 * HOUR).await, Ok(()));
    assert_eq!(withdraw(AT + 3 * HOUR).await, Err(ExceptionRefusal::NotActive));
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.cause.as_str(), alert.state.as_str()), ("exception_ended", "open"));
    assert!(alert.title.contains("withdrawn"), "{}", alert.title);
    // Without a failure there is nothing to say.
    web.says(store, "pass", AT + 4 * HOUR).await;
    let second = approved(store, Scope::Organisation, AT + DAY, AT + 5 * HOUR).await;
    store
        .withdraw_exception(&second, "operator", "", AT + 6 * HOUR)
        .await
        .expect("store")
        .expect("done");
    assert_eq!(states(store).await, [state("resolved", 1)]);
}

pub(crate) async fn a_renewal_leaves_nothing_uncovered_and_is_counted(store: &Store) {
    let mut web = Subject::new(store, AT).await;
    let first = approved(store, Scope::Organisation, AT + DAY, AT).await;
    web.says(store, "fail", AT + HOUR).await;
    store.watch_exceptions(AT + HOUR).await.expect("store");
    let owner = store.credentials("owner").await.expect("store").expect("owner").person.id;
    let renew = async |of: &str, until, at| {
        let wanted = wanted(Scope::Organisation, until);
        store.request_exception(&wanted, Some(of), "operator", at).await.expect("store")
    };
    let second = renew(&first, AT + 2 * DAY, AT + 2 * HOUR).await.expect("renewal");
    store
        .decide_exception(&second, &owner, true, "", AT + 3 * HOUR)
        .await
        .expect("store")
        .expect("ok");
    store.watch_exceptions(AT + DAY + MINUTE).await.expect("store");
    assert!(alerts(store).await.is_empty(), "the next one covers it");
    let row = store.exception(&second).await.expect("store").expect("exception");
    assert_eq!((row.renewals, row.renews.as_deref()), (1, Some(first.as_str())));

    // Too late: it is overdue until the next one is approved.
    store.watch_exceptions(AT + 2 * DAY).await.expect("store");
    assert_eq!(states(store).await, [state("open", 1)]);
    let third = renew(&second, AT + 9 * DAY, AT + 2 * DAY + HOUR).await.expect("renewal");
    store
        .decide_exception(&third, &owner, true, "", AT + 2 * DAY + HOUR)
        .await
        .expect("store")
        .expect("ok");
    assert_eq!(store.exception(&third).await.expect("store").expect("exception").renewals, 2);
    let open = drifts(store, true).await;
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!(open[0].drift, "regression", "it fails, and is not overdue any more");
    assert_eq!(states(store).await, [state("acknowledged", 1)], "taken on by the exception");

    store
        .withdraw_exception(&third, "operator", "", AT + 3 * DAY)
        .await
        .expect("store")
        .expect("ok");
    assert_eq!(renew(&third, AT + 9 * DAY, AT + 3 * DAY).await, Err(ExceptionRefusal::NotActive));
    let live: Vec<_> =
        alerts(store).await.into_iter().filter(|alert| alert.state != "resolved").collect();
    assert_eq!(live.len(), 1, "what was taken on goes on in one alert: {live:#?}");
    assert_eq!((live[0].cause.as_str(), live[0].state.as_str()), ("exception_ended", "open"));
}

pub(crate) async fn a_host_that_moves_out_of_the_scope_is_uncovered_by_that(store: &Store) {
    let mut web = Subject::new(store, AT).await;
    approved(store, Scope::Group("default".into()), AT + 9 * DAY, AT).await;
    web.says(store, "fail", AT + HOUR).await;
    store.watch_exceptions(AT + HOUR).await.expect("store");
    assert!(alerts(store).await.is_empty());
    let saying = Saying {
        host: web.host(),
        property: "group".into(),
        value: Some("db".into()),
        from_us: AT + 2 * HOUR,
        actor: "operator".into(),
        reason: None,
        now_us: AT + 2 * HOUR,
    };
    store.say(&saying).await.expect("store");
    store.watch_exceptions(AT + 2 * HOUR).await.expect("store");
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.cause.as_str(), alert.hosts), ("scope_changed", 1));
    assert_eq!(states(store).await.len(), 1);
}

pub(crate) async fn an_exception_that_nothing_needs_is_pointed_out(store: &Store) {
    let mut web = Subject::new(store, AT).await;
    let id = approved(store, Scope::Organisation, AT + 90 * DAY, AT).await;
    let unneeded = async |now_us| {
        store.watch_exceptions(now_us).await.expect("store");
        let row = store.exception(&id).await.expect("store").expect("exception");
        row.is_unneeded(30 * DAY, now_us)
    };
    assert!(!unneeded(AT + 29 * DAY).await);
    assert!(unneeded(AT + 30 * DAY).await);
    web.says(store, "fail", AT + 31 * DAY).await;
    assert!(!unneeded(AT + 31 * DAY).await, "it is needed now");
    web.says(store, "pass", AT + 32 * DAY).await;
    assert!(!unneeded(AT + 32 * DAY).await);
    assert!(!unneeded(AT + 61 * DAY).await);
    assert!(unneeded(AT + 90 * DAY - 1).await);
    assert!(!unneeded(AT + 90 * DAY).await, "it is over");
}

fn statement(until_us: i64) -> Statement {
    Statement {
        rules: [("acc".to_owned(), "high".to_owned())].into(),
        group: "default".into(),
        provider: "the cloud".into(),
        source: "https://example.org/report".into(),
        source_hash: String::new(),
        reason: "it is encrypted below".into(),
        until_us,
    }
}

pub(crate) async fn inherited_evidence_is_approved_by_another_and_alerts_when_it_ends(
    store: &Store,
) {
    let mut web = Subject::new(store, AT).await;
    let lead = person(store, "lead", "compliance_lead").await;
    let owner = person(store, "owner", "risk_owner").await;
    let admin = person(store, "admin", "administrator").await;
    let ask_until = async |by: &str, until_us: i64| {
        store.request_inherited(&statement(until_us), by, AT).await.expect("store")
    };
    let ask = async |by: &str| ask_until(by, AT + DAY).await;
    let decide = async |id: &str, by: Decider<'_>, at_us| {
        store.decide_inherited(id, by, true, "", at_us).await.expect("store")
    };
    let in_person = Decider::in_person;
    let id = ask(&lead).await;
    assert_eq!(decide(&id, in_person(&lead), AT).await, Err(ExceptionRefusal::OwnRequest));
    assert_eq!(decide(&id, in_person(&admin), AT).await, Err(ExceptionRefusal::NotApprover));
    let exception = store.decide_exception(&id, &owner, true, "", AT).await.expect("store");
    assert_eq!(exception, Err(ExceptionRefusal::Unknown), "it is no exception");
    assert!(store.exceptions().await.expect("store").is_empty());
    assert!(store.inherited_rules(AT).await.expect("store").is_empty(), "it waits");
    assert_eq!(decide(&id, in_person(&owner), AT).await, Ok(()));
    assert_eq!(acts(store, "inherited_requested").await, 1);
    assert_eq!(acts(store, "inherited_approved").await, 1);

    web.says(store, "fail", AT + HOUR).await;
    store.watch_exceptions(AT + HOUR).await.expect("store");
    assert!(alerts(store).await.is_empty());
    assert!(fails(store, &web).await, "it makes no pass");
    let held = store.inherited_rules(AT + HOUR).await.expect("store");
    assert_eq!(held[&("default".to_owned(), "acc".to_owned())].statement, id);
    assert!(store.excepted(AT + HOUR).await.expect("store").is_empty());
    assert!(store.excepted_times("acc").await.expect("store").is_empty());

    store.watch_exceptions(AT + DAY).await.expect("store");
    assert!(store.inherited_rules(AT + DAY).await.expect("store").is_empty());
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.drift.as_str(), alert.cause.as_str()), ("overdue", "exception_ended"));
    assert!(alert.title.contains("inherited evidence expired"), "{}", alert.title);
    let times = store.inherited_times().await.expect("store");
    assert_eq!(times[0].lasted, (AT, AT + DAY));

    // Ended by a person: the same, at once.
    let id = ask_until(&lead, AT + 5 * DAY).await;
    assert_eq!(decide(&id, in_person(&owner), AT + DAY + HOUR).await, Ok(()));
    assert_eq!(states(store).await, [state("acknowledged", 1)], "it is covered again");
    let end = AT + 2 * DAY;
    assert_eq!(store.inherited_rules(end).await.expect("store").len(), 1);
    store.end_inherited(&id, &lead, "moved", end).await.expect("store").expect("ended");
    let rows = store.inherited().await.expect("store");
    let row = rows.iter().find(|row| row.id == id).expect("a row");
    assert_eq!(row.state(end), State::Withdrawn);
    assert!(store.inherited_rules(end).await.expect("store").is_empty());
    assert_eq!(acts(store, "inherited_withdrawn").await, 1);
}

pub(crate) async fn two_names_of_one_login_of_the_machine_are_one_pair_of_eyes(store: &Store) {
    let lead = person(store, "lead", "compliance_lead").await;
    let ask = async |by: &str| {
        store.request_inherited(&statement(AT + DAY), by, AT).await.expect("store")
    };
    let decide = async |id: &str, actor: &str| {
        let by = Decider { person: &lead, actor };
        store.decide_inherited(id, by, true, "", AT).await.expect("store")
    };
    let own = Err(ExceptionRefusal::OwnRequest);
    let id = ask("cli:root as operator").await;
    assert_eq!(decide(&id, "cli:root as lead").await, own);
    assert_eq!(decide(&ask("cli:root").await, "cli:root as lead").await, own);
    assert_eq!(decide(&ask(&lead).await, "cli:root as lead").await, own, "the name's own request");
    assert_eq!(decide(&id, "cli:anna as lead").await, Ok(()));
    let acts = store.acts(1).await.expect("acts");
    assert_eq!(acts[0].1.actor, "cli:anna as lead");
}

fn finding(title: &str, due_us: i64) -> Finding {
    Finding {
        title: title.to_owned(),
        grade: Grade::Minor,
        source: Source::Alert,
        source_name: "01J".into(),
        about: ["A.8.5".to_owned()].into(),
        description: String::new(),
        owner: "platform".into(),
        due_us,
        correction: String::new(),
        root_cause: String::new(),
        similar_cases: String::new(),
        action: String::new(),
        effectiveness: String::new(),
    }
}

pub(crate) async fn a_finding_keeps_its_revisions_and_is_overdue_until_it_is_closed(store: &Store) {
    use evidenced_collector::finding::State::{Closed, Corrected, Open};
    let first = finding("root logs in", AT + DAY);
    let id = store.raise_finding(&first, "lead", AT).await.expect("store");
    let later = store.raise_finding(&finding("another", AT + 2 * DAY), "lead", AT).await;
    let later = later.expect("store");
    let of = store.findings_of(Source::Alert, "01J").await.expect("store");
    assert_eq!(of.len(), 2);
    let watch = async |at_us| store.watch_findings(at_us).await.expect("store");
    assert!(!watch(AT + DAY - 1).await);
    assert!(watch(AT + DAY).await);
    assert!(!watch(AT + DAY).await, "once");
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.drift.as_str(), alert.cause.as_str()), ("overdue", "time_passed"));
    assert!(alert.title.contains("root logs in"), "{}", alert.title);

    let mended = Finding { correction: "keys only".into(), ..first.clone() };
    let step = async |revision, finding: &Finding, to| {
        let by = ("owner", AT + DAY + HOUR);
        store.revise_finding(&id, revision, (finding, to), by.0, by.1).await.expect("store")
    };
    assert_eq!(step(1, &mended, Closed).await, Err(Wrong::NotCorrected.into()));
    assert_eq!(step(1, &mended, Corrected).await, Ok(()));
    assert_eq!(step(1, &first, Open).await, Err(FindingRefusal::Meanwhile));
    assert_eq!(states(store).await, [state("open", 0)], "its effect is still owed");
    assert_eq!(step(2, &mended, Closed).await, Ok(()));
    assert_eq!(states(store).await, [state("resolved", 0)]);
    assert_eq!(step(3, &first, Open).await, Err(Wrong::Closed.into()));
    let said = store.finding(&id).await.expect("store");
    let said: Vec<_> = said.iter().map(|row| (row.revision, row.state)).collect();
    assert_eq!(said, [(3, Closed), (2, Corrected), (1, Open)]);
    for act in ["finding_corrected", "finding_closed"] {
        assert_eq!(acts(store, act).await, 1);
    }
    assert_eq!(acts(store, "finding_raised").await, 2);
    let order: Vec<_> = store.findings().await.expect("store");
    assert_eq!(order.iter().map(|row| &row.id).collect::<Vec<_>>(), [&later, &id]);
    assert!(store.finding("none").await.expect("store").is_empty());
}

pub(crate) async fn a_request_that_nobody_decided_is_overdue_until_it_is_withdrawn_or_asked_for_again(
    store: &Store,
) {
    let watch = async |at_us| store.watch_undecided(at_us).await.expect("store");
    let group = || Scope::Group("web".into());
    requested(store, group(), AT + DAY, AT).await;
    assert!(!watch(AT + DAY - 1).await, "it waits");
    assert!(watch(AT + DAY).await);
    assert!(!watch(AT + DAY).await, "once");
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.drift.as_str(), alert.cause.as_str()), ("overdue", "time_passed"));
    let says = "an exception from acc for group web ended without a decision";
    assert!(alert.title.contains(says), "{}", alert.title);
    let drift = drifts(store, true).await.remove(0);
    assert_eq!((drift.opened_us, drift.severity.as_str()), (AT + DAY, "high"));

    // Another scope is another request; the same one answers for the first, and may lapse as well.
    requested(store, Scope::Organisation, AT + 9 * DAY, AT + DAY + HOUR).await;
    assert!(!watch(AT + DAY + HOUR).await);
    let again = requested(store, group(), AT + 3 * DAY, AT + 2 * DAY).await;
    assert!(watch(AT + 2 * DAY).await);
    assert_eq!(states(store).await, [state("resolved", 0)]);
    assert!(watch(AT + 3 * DAY).await);
    let withdraw = async |id: &str| {
        store.withdraw_exception(id, "lead", "done without", AT + 4 * DAY).await.expect("store")
    };
    assert_eq!(drifts(store, true).await.len(), 1);
    assert_eq!(withdraw(&again).await, Ok(()));
    assert!(drifts(store, true).await.is_empty());
    let row = store.exception(&again).await.expect("store").expect("a row");
    assert_eq!(row.state(AT + 4 * DAY), State::Withdrawn);

    // What was decided in time is owed no more.
    let decided = approved(store, Scope::Group("lab".into()), AT + 6 * DAY, AT + 5 * DAY).await;
    assert!(!watch(AT + 7 * DAY).await, "{decided} expired as it was to");

    // Inherited evidence is asked for in the same way.
    let id = store.request_inherited(&statement(AT + 8 * DAY), "lead", AT + 7 * DAY).await;
    assert!(watch(AT + 8 * DAY).await);
    let says = "inherited evidence of acc for group default ended without a decision";
    assert_eq!(drifts(store, true).await[0].offenders, [format!("the request for {says}")]);
    let id = id.expect("store");
    store.end_inherited(&id, "lead", "", AT + 8 * DAY).await.expect("store").expect("ended");
    assert!(drifts(store, true).await.is_empty());
}
