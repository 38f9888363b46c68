//! People and their sessions, and what pages for people read.

use super::{Agent, judgement};
use evidence::{Digest, HostId};
use evidenced_collector::store::model::DriftRow;
use evidenced_collector::store::{
    ABSOLUTE_US, CauseFilter, DisableRefusal, IDLE_US, Person, SessionOf, Store,
};
use evidenced_collector::verify::verify;
use serde_json::json;

const MINUTE: i64 = 60_000_000;

async fn person(store: &Store, name: &str, seat: &str) -> String {
    let person = Person::new(name, seat).expect("person");
    assert!(store.create_person(&person, "operator", 1).await.expect("store"));
    person.id
}

async fn session(store: &Store, id: &str, person: &str, now_us: i64) {
    let of = SessionOf { person: person.into(), source: "192.0.2.1".into(), by_link: false };
    store.save_session(id, "record", &of, now_us).await.expect("session");
}

async fn is_open(store: &Store, id: &str, now_us: i64) -> bool {
    let open = store.use_session(id, now_us).await.expect("store").is_some();
    assert_eq!(store.session(id, now_us).await.expect("store").is_some(), open, "{id}");
    open
}

pub(crate) async fn a_session_ends_when_it_is_idle_and_after_its_longest_time(store: &Store) {
    let ann = person(store, "ann", "viewer").await;
    session(store, "idle", &ann, 1).await;
    assert!(is_open(store, "idle", IDLE_US).await);
    // The request a moment ago counts.
    assert!(is_open(store, "idle", 2 * IDLE_US - 1).await);
    assert!(!is_open(store, "idle", 3 * IDLE_US).await);

    session(store, "busy", &ann, 1).await;
    let mut now_us = 1;
    while now_us < ABSOLUTE_US {
        assert!(is_open(store, "busy", now_us).await, "{now_us}");
        now_us += IDLE_US / 2;
    }
    assert!(!is_open(store, "busy", 1 + ABSOLUTE_US).await, "whatever it is used for");
    // A later record of the same session does not make it younger.
    session(store, "busy", &ann, ABSOLUTE_US - MINUTE).await;
    assert!(!is_open(store, "busy", 1 + ABSOLUTE_US).await);
    assert!(store.sessions(&ann, 1 + ABSOLUTE_US).await.expect("store").is_empty());
}

pub(crate) async fn a_new_password_ends_every_session_and_link_of_its_person_and_of_no_other(
    store: &Store,
) {
    let (ann, bob) = (person(store, "ann", "viewer").await, person(store, "bob", "viewer").await);
    for (id, of) in [("a1", &ann), ("a2", &ann), ("b1", &bob)] {
        session(store, id, of, 1).await;
    }
    for (secret, of) in [("a", &ann), ("b", &bob)] {
        let hash = Digest::of(secret.as_bytes());
        store.create_login_link(hash, of, 1000, "operator", 1).await.expect("link");
    }
    store.set_password(&ann, "$argon2id$invented", 5).await.expect("store");
    let known = store.credentials("ann").await.expect("store").expect("ann");
    assert_eq!(known.password.as_deref(), Some("$argon2id$invented"));
    assert!(!is_open(store, "a1", 6).await && !is_open(store, "a2", 6).await);
    assert!(is_open(store, "b1", 6).await);
    assert!(store.use_login_link(Digest::of(b"a"), 6).await.expect("store").is_err());
    assert!(store.use_login_link(Digest::of(b"b"), 6).await.expect("store").is_ok());

    assert!(!store.revoke_session(&ann, "b1", 7).await.expect("store"), "of another person");
    assert!(is_open(store, "b1", 7).await);
    assert!(store.revoke_session(&bob, "b1", 8).await.expect("store"));
    assert!(!is_open(store, "b1", 8).await);
    let acts = store.acts(10).await.expect("acts");
    let acts: Vec<_> = acts.iter().map(|(_, act)| (act.actor.as_str(), act.act.as_str())).collect();
    assert_eq!(
        acts[..3],
        [
            (bob.as_str(), "session_ended"),
            (bob.as_str(), "logged_in"),
            (ann.as_str(), "password_set"),
        ]
    );
    assert!(
        store
            .acts(50)
            .await
            .expect("acts")
            .iter()
            .all(|(_, act)| { !act.detail.to_string().contains("argon2id") })
    );
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn a_disabled_person_is_out_at_once_and_the_last_administrator_cannot_be_disabled(
    store: &Store,
) {
    let ann = person(store, "ann", "administrator").await;
    let bob = person(store, "bob", "administrator").await;
    session(store, "b", &bob, 1).await;
    store.create_login_link(Digest::of(b"b"), &bob, 1000, "operator", 1).await.expect("link");
    let disable =
        async |id: &str, disabled| store.set_disabled(id, disabled, &ann, 5).await.expect("store");
    assert_eq!(disable(&bob, true).await, Ok(()));
    assert!(!is_open(store, "b", 6).await);
    assert!(store.use_login_link(Digest::of(b"b"), 6).await.expect("store").is_err());
    assert!(store.credentials("bob").await.expect("store").expect("bob").disabled);
    assert_eq!(disable(&ann, true).await, Err(DisableRefusal::LastAdministrator));
    assert_eq!(disable("nobody", true).await, Err(DisableRefusal::Unknown));
    // A session that is begun while somebody is being disabled opens nothing.
    session(store, "late", &bob, 6).await;
    assert!(store.use_session("late", 7).await.expect("store").is_none());
    assert_eq!(disable(&bob, false).await, Ok(()));
    assert_eq!(disable(&ann, true).await, Ok(()));
    assert_eq!(store.administrator().await.expect("store").map(|person| person.id), Some(bob));
}

pub(crate) async fn names_of_people_are_told_apart_without_regard_to_case(store: &Store) {
    person(store, "Ann", "viewer").await;
    let again = Person::new(" aNN ", "viewer").expect("person");
    assert!(!store.create_person(&again, "operator", 1).await.expect("store"));
    assert!(store.credentials("ANN ").await.expect("store").is_some());
    assert!(store.credentials("an").await.expect("store").is_none());
    assert_eq!(store.people().await.expect("people").len(), 1);
}

fn drift(host: HostId, subject: &str, severity: &str, offender: &str, opened_us: i64) -> DriftRow {
    DriftRow {
        id: HostId::generate().to_string(),
        drift: "regression".into(),
        host,
        rule: Some(subject.into()),
        kind: None,
        cause: "host_changed".into(),
        severity: severity.into(),
        from: "pass".into(),
        to: "fail".into(),
        offenders: vec![offender.into()],
        opened_us,
        resolved_us: None,
    }
}

/// A host with these drifts.
async fn with(store: &Store, drifts: &[(&str, &str, &str, i64)]) -> HostId {
    let mut agent = Agent::enrolled(store).await;
    agent.report(store, json!({"users": [agent.host.to_string()]}), 1).await;
    let mut first = judgement(store, &agent, "pass").await;
    first.opened = drifts
        .iter()
        .map(|(subject, severity, offender, us)| {
            drift(agent.host, subject, severity, offender, *us)
        })
        .collect();
    assert!(store.record(&first).await.expect("store"));
    agent.host
}

pub(crate) async fn drifts_of_one_cause_are_one_line_and_pages_of_them_add_up(store: &Store) {
    let low = ("low", "low", "x", 900);
    for us in [100, 200, 300] {
        with(store, &[("root", "critical", "toor", us), ("ports", "high", "9100", us)]).await;
    }
    with(store, &[("root", "critical", "other", 400), low]).await;
    let filter = CauseFilter { open: Some(true), limit: 10, ..CauseFilter::default() };
    let lines = async |filter: &CauseFilter| {
        let causes = store.causes(filter).await.expect("causes");
        let line = |row: &evidenced_collector::store::CauseRow| {
            (row.subject.clone(), row.hosts, row.first_us, row.last_us)
        };
        causes.iter().map(line).collect::<Vec<_>>()
    };
    let line = |subject: &str, hosts, first, last| (subject.to_owned(), hosts, first, last);
    let all = [
        // Another offender is another change.
        line("root", 1, 400, 400),
        line("root", 3, 100, 300),
        line("ports", 3, 100, 300),
        line("low", 1, 900, 900),
    ];
    assert_eq!(lines(&filter).await, all);
    assert_eq!(store.open_drifts().await.expect("count"), (8, 4));

    let mut paged = vec![];
    let mut place = CauseFilter { limit: 1, ..filter.clone() };
    loop {
        let page = store.causes(&place).await.expect("page");
        let Some(last) = page.last() else { break };
        place.after = Some(last.place());
        paged.extend(lines_of(&page));
    }
    assert_eq!(paged, all, "page by page nothing is lost and nothing comes twice");

    let severe = CauseFilter { severity: "high".into(), ..filter.clone() };
    assert_eq!(lines(&severe).await, [line("ports", 3, 100, 300)]);
    let host = |host: &str| CauseFilter { host: host.into(), ..filter.clone() };
    assert_eq!(lines(&host("WEB-01")).await.len(), 4);
    assert!(lines(&host("web_01")).await.is_empty(), "an underscore is itself");
    assert!(lines(&CauseFilter { group: "other".into(), ..filter.clone() }).await.is_empty());
    assert!(lines(&CauseFilter { open: Some(false), ..filter.clone() }).await.is_empty());

    let root = store.causes(&filter).await.expect("causes").remove(1);
    let like = store.drift_and_its_like(&root.id, 10).await.expect("drifts");
    assert_eq!((like.len(), like[0].id == root.id), (3, true));
    assert!(like.iter().all(|row| row.offenders == ["toor"]));
    assert!(store.drift_and_its_like("nothing", 10).await.expect("drifts").is_empty());
    assert_eq!(store.host_groups().await.expect("groups"), ["default"]);
}

fn lines_of(page: &[evidenced_collector::store::CauseRow]) -> Vec<(String, i64, i64, i64)> {
    page.iter().map(|row| (row.subject.clone(), row.hosts, row.first_us, row.last_us)).collect()
}

pub(crate) async fn what_was_is_told_for_the_timeline(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    for (n, users) in [(1, "a"), (2, "b"), (3, "a")] {
        agent.report(store, json!({"users": [users]}), n * 3600).await;
        let mut next = judgement(store, &agent, "pass").await;
        next.kinds = super::state(json!({"users": [users]})).0.kinds;
        assert!(store.record(&next).await.expect("store"));
    }
    let history = store.kind_history(agent.host, "accounts", 10).await.expect("history");
    let spans: Vec<_> = history.iter().map(|span| (span.row.since_us, span.to_us)).collect();
    let hour = 3600 * 1_000_000;
    assert_eq!(spans, [(3 * hour, None), (2 * hour, Some(3 * hour)), (hour, Some(2 * hour)),]);
    assert_eq!(history[0].row.facts, history[2].row.facts);
    let recent = store.kind_spans(agent.host, 2 * hour).await.expect("spans");
    assert_eq!(recent.len(), 2, "what ended before is left out");
    // The last one before the range is there, so that a gap into it is seen.
    let receipts = store.receipts(agent.host, 2 * hour + 6).await.expect("receipts");
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[0].received_us, 2 * hour + 5);
    assert_eq!(receipts[0].next_due_s, 3600);
    let chains = store.chains(agent.host).await.expect("chains");
    assert_eq!((chains.len(), chains[0].check_ins), (1, 3));
}
