//! What the life of a host means for drifts and alerts, on both backends.

use crate::alerts::{HOUR, MINUTE, Subject, alerts, state, states, watch};
use crate::cases::SECOND;
use evidence::HostId;
use evidenced_collector::life::end_what_is_over;
use evidenced_collector::store::model::{GroupRow, HostState};
use evidenced_collector::store::{DriftFilter, LifeChange, Saying, Store};
use serde_json::json;

const START: i64 = 10 * HOUR;

fn life(subject: &Subject, to: HostState, now_us: i64) -> LifeChange {
    LifeChange {
        host: subject.host(),
        to,
        actor: "operator".into(),
        reason: "a reason".into(),
        from_us: now_us,
        now_us,
        until_us: None,
        unheard_since_us: None,
    }
}

async fn step(store: &Store, subject: &Subject, to: HostState, now_us: i64) {
    store.change_life(&life(subject, to, now_us)).await.expect("store").expect("a step");
}

/// Puts a host into the group `ci`, whose hosts end after a day in silence.
async fn make_ephemeral(store: &Store, host: HostId, at_us: i64) {
    let ttl_s = Some(24 * HOUR / SECOND);
    let ci = GroupRow { name: "ci".into(), ttl_s, ..GroupRow::default() };
    store.describe_groups(&[ci], "operator", at_us).await.expect("described");
    let saying = Saying {
        host,
        property: "group".into(),
        value: Some("ci".into()),
        from_us: at_us,
        actor: "operator".into(),
        reason: None,
        now_us: at_us,
    };
    store.say(&saying).await.expect("store").expect("assigned");
}

async fn silent(store: &Store) -> Vec<HostId> {
    store.silent_hosts().await.expect("store").into_keys().collect()
}

async fn open_sorts(store: &Store, host: HostId) -> Vec<String> {
    let filter = DriftFilter { host: Some(host), open: Some(true), limit: 100 };
    let drifts = store.drifts(filter).await.expect("drifts");
    drifts.into_iter().map(|drift| drift.drift).collect()
}

pub(crate) async fn silence_is_a_drift_only_where_a_host_is_expected_to_report(store: &Store) {
    let lasting = Subject::new(store, START).await;
    let short = Subject::new(store, START).await;
    let worked_on = Subject::new(store, START).await;
    let retired = Subject::new(store, START).await;
    let waiting = crate::cases::Agent::enrolled(store).await;
    make_ephemeral(store, short.host(), START).await;
    make_ephemeral(store, waiting.host, START).await;
    step(store, &worked_on, HostState::Maintenance, START).await;
    step(store, &retired, HostState::Retired, START).await;
    watch(store, START, START + 40 * HOUR).await;
    assert_eq!(silent(store).await, [lasting.host()]);
    assert_eq!(states(store).await, [state("open", 1)]);
}

pub(crate) async fn maintenance_ends_silence_and_gives_a_host_its_time_again(store: &Store) {
    let mut web = Subject::new(store, START).await;
    watch(store, START, START + 3 * HOUR).await;
    assert_eq!(silent(store).await, [web.host()]);
    let begin = START + 3 * HOUR;
    let until_us = Some(begin + 4 * HOUR);
    let change = LifeChange { until_us, ..life(&web, HostState::Maintenance, begin) };
    store.change_life(&change).await.expect("store").expect("begun");
    watch(store, begin, begin + 4 * HOUR).await;
    assert_eq!(states(store).await, [state("resolved", 1)]);
    let end = begin + 4 * HOUR;
    end_what_is_over(store, end).await.expect("life");
    watch(store, end, end + 2 * HOUR - MINUTE).await;
    assert!(silent(store).await.is_empty(), "two promised check-ins from the end on");
    watch(store, end + 2 * HOUR - MINUTE, end + 2 * HOUR + MINUTE).await;
    assert_eq!(silent(store).await, [web.host()]);
    // An anomaly of a host under maintenance ends as another's does: by evidence.
    step(store, &web, HostState::Maintenance, end + 3 * HOUR).await;
    store.note_fork(web.host(), "another log", end + 3 * HOUR).await.expect("store");
    store.watch_ends(end + 4 * HOUR).await.expect("store");
    let alert = alerts(store).await.into_iter().find(|alert| alert.state == "open");
    let id = alert.expect("an alert").id;
    store.acknowledge(&id, "me", "restored", end + 4 * HOUR).await.expect("store").expect("ok");
    web.agent.checkpoint = Some(store.log().await.expect("log").head());
    web.says(store, "pass", end + 5 * HOUR).await;
    store.watch_ends(end + 5 * HOUR).await.expect("store");
    assert!(open_sorts(store, web.host()).await.is_empty());
}

pub(crate) async fn what_is_open_of_a_host_ends_with_it_and_of_no_other(store: &Store) {
    for (n, to) in [HostState::Retired, HostState::Ended].into_iter().enumerate() {
        let at = START + n as i64 * 100 * HOUR;
        let (mut gone, mut stays) = (Subject::new(store, at).await, Subject::new(store, at).await);
        gone.says(store, "fail", at + HOUR).await;
        stays.says(store, "fail", at + HOUR).await;
        step(store, &gone, to, at + 2 * HOUR).await;
        assert!(open_sorts(store, gone.host()).await.is_empty());
        assert_eq!(open_sorts(store, stays.host()).await, ["regression"]);
        let mut now = states(store).await;
        now.truncate(2);
        now.sort();
        assert_eq!(now, [state("open", 1), state("resolved", 1)], "the other still fails");
        let filter = DriftFilter { host: Some(gone.host()), open: Some(false), limit: 9 };
        let ended = store.drifts(filter).await.expect("drifts");
        assert_eq!(ended[0].resolved_us, Some(at + 2 * HOUR));
        step(store, &stays, to, at + 3 * HOUR).await;
        assert!(states(store).await.iter().all(|alert| *alert == state("resolved", 1)));
    }
}

pub(crate) async fn a_host_that_leaves_is_ended_as_by_a_person(store: &Store) {
    let mut web = Subject::new(store, START).await;
    web.says(store, "fail", START + HOUR).await;
    let left = START + 2 * HOUR;
    assert!(store.end_host(web.host(), &json!({"said": "bye"}), left).await.expect("store"));
    assert!(open_sorts(store, web.host()).await.is_empty());
    assert_eq!(states(store).await, [state("resolved", 1)]);
    let spans = store.host_spans(Some(web.host())).await.expect("spans");
    let states: Vec<_> = spans.iter().filter(|row| row.property == "state").collect();
    let last = states.last().expect("a span");
    assert_eq!((last.span.value.as_str(), last.span.from_us), ("ended", left));
    let (_, act) = &store.acts(1).await.expect("acts")[0];
    assert_eq!((act.act.as_str(), &act.detail["statement"]["said"]), ("host_ended", &json!("bye")));
}

pub(crate) async fn a_host_does_not_clear_its_anomaly_by_leaving(store: &Store) {
    let web = Subject::new(store, START).await;
    store.note_fork(web.host(), "another log", START + HOUR).await.expect("store");
    assert!(store.end_host(web.host(), &json!({}), START + 2 * HOUR).await.expect("store"));
    store.watch_ends(START + 3 * HOUR).await.expect("store");
    assert_eq!(open_sorts(store, web.host()).await, ["integrity_anomaly"]);
    let id = alerts(store).await.remove(0).id;
    let done = store.acknowledge(&id, "me", "reinstalled", START + 4 * HOUR).await;
    done.expect("store").expect("taken on");
    store.watch_ends(START + 5 * HOUR).await.expect("store");
    assert!(open_sorts(store, web.host()).await.is_empty());
}

pub(crate) async fn the_last_words_of_a_host_open_nothing_after_its_end(store: &Store) {
    let mut web = Subject::new(store, START).await;
    let host = web.host();
    let change = life(&web, HostState::Retired, START + 2 * HOUR);
    // It is retired between the check-in and its judgement.
    let retire = async || store.change_life(&change).await.expect("store").expect("retired");
    web.says_and(store, "fail", START + HOUR, retire).await;
    assert!(open_sorts(store, host).await.is_empty());
    assert!(alerts(store).await.is_empty());
}
