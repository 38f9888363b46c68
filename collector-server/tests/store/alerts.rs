//! Alerts, silence and the outbox, on both backends.

use crate::cases::{Agent, SECOND};
use evidence::checkpoint::TreeHead;
use evidence::{Digest, HostId, KindEntry, Status};
use evidenced_collector::store::model::{AlertRow, DriftRow, ResultRow};
use evidenced_collector::store::{
    AcknowledgeRefusal, AlertFilter, Attempt, DeliveryFilter, DriftFilter, Judgement, LogState,
    NewMessage, Notice, Store, Summary,
};
use serde_json::json;
use std::collections::BTreeMap;

pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A host whose rule `acc` passes or fails as a test says.
pub(crate) struct Subject {
    pub(crate) agent: Agent,
    state: i64,
}

impl Subject {
    pub(crate) async fn new(store: &Store, at_us: i64) -> Self {
        let mut subject = Self { agent: Agent::enrolled(store).await, state: 0 };
        subject.says(store, "pass", at_us).await;
        subject
    }

    pub(crate) fn host(&self) -> HostId {
        self.agent.host
    }

    /// A check-in with another state, judged as the worker would: `acc` is now `outcome`.
    pub(crate) async fn says(&mut self, store: &Store, outcome: &str, at_us: i64) {
        self.judged(store, outcome, at_us, |_| {}).await;
    }

    /// The same; something happens between the check-in and its judgement.
    pub(crate) async fn says_and(
        &mut self,
        store: &Store,
        outcome: &str,
        at_us: i64,
        meanwhile: impl AsyncFnOnce() -> LogState,
    ) {
        let judgement = self.judgement(store, outcome, at_us).await;
        meanwhile().await;
        assert!(store.record(&judgement).await.expect("store"));
    }

    pub(crate) async fn judged(
        &mut self,
        store: &Store,
        outcome: &str,
        at_us: i64,
        change: impl FnOnce(&mut Judgement),
    ) {
        let mut judgement = self.judgement(store, outcome, at_us).await;
        change(&mut judgement);
        assert!(store.record(&judgement).await.expect("store"));
    }

    async fn judgement(&mut self, store: &Store, outcome: &str, at_us: i64) -> Judgement {
        self.state += 1;
        self.agent.report(store, json!({"users": [self.state.to_string()]}), at_us / SECOND).await;
        let host = self.host();
        let pending = store.pending(host, 100).await.expect("store").expect("host");
        let statement = *pending.statements.last().expect("a check-in");
        let known = statement.index as i64;
        let drift = DriftRow {
            id: HostId::generate().to_string(),
            drift: "regression".into(),
            host,
            rule: Some("acc".into()),
            kind: None,
            cause: "host_changed".into(),
            severity: "high".into(),
            from: "pass".into(),
            to: "fail".into(),
            offenders: vec!["toor".into()],
            opened_us: statement.observed_us,
            resolved_us: None,
        };
        let entry = KindEntry { status: Status::Ok, facts: None, sources: vec![], unread: vec![] };
        let result = ResultRow {
            host,
            rule: "acc".into(),
            outcome: outcome.into(),
            reason: None,
            offenders: vec![],
            since_us: statement.observed_us,
            known,
            cause: None,
        };
        let fails = outcome == "fail";
        let ended = ["regression", "overdue"].map(|drift| (drift.to_owned(), "acc".to_owned()));
        Judgement {
            host,
            after: pending.judged_index,
            statement,
            known,
            at_us: statement.observed_us,
            day: statement.observed_us / 86_400_000_000,
            past: None,
            rules: Digest::of(b"rules"),
            kinds: BTreeMap::from([("accounts".to_owned(), entry)]),
            results: vec![result],
            opened: if fails { vec![drift] } else { vec![] },
            resolved: if fails { vec![] } else { ended.to_vec() },
            notice: Notice {
                now_us: at_us,
                settled: true,
                kinds: BTreeMap::from([("acc".to_owned(), "accounts".to_owned())]),
                ..Notice::default()
            },
        }
    }
}

fn all() -> AlertFilter {
    AlertFilter { limit: 100, ..AlertFilter::default() }
}

pub(crate) async fn alerts(store: &Store) -> Vec<AlertRow> {
    store.alerts(&all()).await.expect("alerts")
}

pub(crate) async fn states(store: &Store) -> Vec<(String, i64)> {
    alerts(store).await.into_iter().map(|alert| (alert.state, alert.hosts)).collect()
}

/// Steps of the only alert.
async fn life(store: &Store) -> Vec<String> {
    let alerts = alerts(store).await;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    let whole = store.alert(&alerts[0].id).await.expect("store").expect("alert");
    whole.events.into_iter().map(|event| event.event).collect()
}

pub(crate) fn state(state: &str, hosts: i64) -> (String, i64) {
    (state.to_owned(), hosts)
}

pub(crate) async fn an_alert_lives_from_its_drift_to_the_evidence_that_ends_it(store: &Store) {
    let mut web = Subject::new(store, HOUR).await;
    assert!(alerts(store).await.is_empty());
    web.says(store, "fail", 2 * HOUR).await;
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.state.as_str(), alert.lane.as_str()), ("open", "queue"));
    assert_eq!((alert.subjects, alert.grouping), (vec!["acc".into()], Some("accounts".into())));
    let size = store.log().await.expect("log").size;
    let done = store.acknowledge(&alert.id, "me", "a ticket", 3 * HOUR).await.expect("store");
    assert_eq!(done, Ok(()));
    assert_eq!(store.log().await.expect("log").size, size + 1, "the act is a leaf of the log");
    let taken = alerts(store).await.remove(0);
    assert_eq!((taken.state.as_str(), taken.note.as_deref()), ("acknowledged", Some("a ticket")));
    web.says(store, "pass", 4 * HOUR).await;
    assert_eq!(states(store).await, [state("resolved", 1)]);
    let again = store.acknowledge(&alert.id, "me", "x", 5 * HOUR).await.expect("store");
    assert_eq!(again, Err(AcknowledgeRefusal::Resolved));
    let none = store.acknowledge("none", "me", "x", 5 * HOUR).await.expect("store");
    assert_eq!(none, Err(AcknowledgeRefusal::Unknown));
    web.says(store, "fail", 6 * HOUR).await;
    let back = alerts(store).await.remove(0);
    assert_eq!((back.state.as_str(), back.acknowledged_us, back.note), ("open", None, None));
    assert_eq!(life(store).await, ["opened", "acknowledged", "resolved", "reopened"]);
    web.says(store, "pass", 6 * HOUR + DAY).await;
    web.says(store, "fail", 8 * HOUR + 2 * DAY).await;
    assert_eq!(states(store).await.len(), 2, "after a day it is another matter");
}

pub(crate) async fn the_same_change_on_three_hosts_is_one_alert(store: &Store) {
    let mut hosts = vec![];
    for _ in 0..4 {
        hosts.push(Subject::new(store, HOUR).await);
    }
    for (n, host) in hosts.iter_mut().enumerate().take(2) {
        host.says(store, "fail", 2 * HOUR + n as i64 * MINUTE).await;
    }
    assert_eq!(states(store).await, [state("open", 1), state("open", 1)]);
    hosts[2].says(store, "fail", 2 * HOUR + 5 * MINUTE).await;
    assert_eq!(states(store).await, [state("open", 3)]);
    hosts[3].says(store, "fail", 2 * HOUR + 9 * MINUTE).await;
    assert_eq!(states(store).await, [state("open", 4)]);
    let id = alerts(store).await.remove(0).id;
    let whole = store.alert(&id).await.expect("store").expect("alert");
    assert_eq!((whole.hosts.len(), whole.drifts.len()), (4, 4));
    for (n, host) in hosts.iter_mut().enumerate() {
        assert_eq!(states(store).await, [state("open", 4)], "{n} are well");
        host.says(store, "pass", 3 * HOUR).await;
    }
    assert_eq!(states(store).await, [state("resolved", 4)]);
}

pub(crate) async fn what_flaps_is_told_once_and_shown_as_wrong_until_it_is_quiet(store: &Store) {
    let mut web = Subject::new(store, HOUR).await;
    for n in 0..4 {
        web.says(store, "fail", 2 * HOUR + 2 * n * 10 * MINUTE).await;
        web.says(store, "pass", 2 * HOUR + (2 * n + 1) * 10 * MINUTE).await;
        let shown = if n == 0 { "resolved" } else { "open" };
        assert_eq!(states(store).await, [state(shown, 1)]);
    }
    let told = ["opened", "resolved", "reopened", "flapping"];
    assert_eq!(life(store).await[..4], told);
    let untold = store.untold().await.expect("store");
    assert_eq!(untold.iter().map(|u| u.what.as_str()).collect::<Vec<_>>(), told);
    let last = 2 * HOUR + 70 * MINUTE;
    store.settle_alerts(last + 6 * HOUR - 1).await.expect("store");
    assert_eq!(states(store).await, [state("open", 1)]);
    store.settle_alerts(last + 6 * HOUR).await.expect("store");
    assert_eq!(states(store).await, [state("resolved", 1)]);
    assert_eq!(store.untold().await.expect("store").len(), 5);
}

pub(crate) async fn what_came_and_went_before_the_last_check_in_is_history_and_no_alert(
    store: &Store,
) {
    let mut web = Subject::new(store, HOUR).await;
    web.judged(store, "fail", 2 * HOUR, |judgement| judgement.notice.settled = false).await;
    assert!(alerts(store).await.is_empty());
    web.says(store, "pass", 2 * HOUR + MINUTE).await;
    store.settle_alerts(9 * HOUR).await.expect("store");
    assert!(alerts(store).await.is_empty());
    let drifts = DriftFilter { limit: 10, ..DriftFilter::default() };
    assert_eq!(store.drifts(drifts).await.expect("drifts").len(), 1, "it is on record");
    // One that nothing follows is alerted after a while.
    web.judged(store, "fail", 3 * HOUR, |judgement| judgement.notice.settled = false).await;
    store.settle_alerts(3 * HOUR + 9 * MINUTE).await.expect("store");
    assert!(alerts(store).await.is_empty());
    store.settle_alerts(3 * HOUR + 10 * MINUTE).await.expect("store");
    assert_eq!(states(store).await, [state("open", 1)]);
}

pub(crate) async fn a_live_kind_is_alerted_when_a_second_check_in_agrees(store: &Store) {
    let live = |judgement: &mut Judgement| {
        judgement.notice.confirm.insert("acc".to_owned());
    };
    let (mut web, mut db) = (Subject::new(store, HOUR).await, Subject::new(store, HOUR).await);
    web.judged(store, "fail", 2 * HOUR, live).await;
    store.settle_alerts(2 * HOUR + 11 * MINUTE).await.expect("store");
    assert!(alerts(store).await.is_empty());
    web.judged(store, "fail", 2 * HOUR + 15 * MINUTE, |judgement| judgement.opened.clear()).await;
    assert_eq!(states(store).await, [state("open", 1)]);
    // And when none follows for long.
    db.judged(store, "fail", 5 * HOUR, live).await;
    store.settle_alerts(5 * HOUR + 89 * MINUTE).await.expect("store");
    assert_eq!(states(store).await.len(), 1);
    store.settle_alerts(5 * HOUR + 90 * MINUTE).await.expect("store");
    assert_eq!(states(store).await.len(), 2);
}

pub(crate) async fn other_rules_are_one_alert_for_all_hosts_and_acknowledging_closes_it(
    store: &Store,
) {
    for _ in 0..3 {
        let mut host = Subject::new(store, HOUR).await;
        let announce = |judgement: &mut Judgement| {
            judgement.opened.clear();
            judgement.notice.summaries.push(Summary {
                cause: "rule_changed".into(),
                what: "rules 2".into(),
                rules: ["acc".to_owned()].into(),
                severity: "high".into(),
            });
        };
        host.judged(store, "fail", 2 * HOUR, announce).await;
    }
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.drift.as_str(), alert.hosts), ("change", 3));
    let done = store.acknowledge(&alert.id, "me", "seen", 3 * HOUR).await.expect("store");
    assert_eq!(done, Ok(()));
    assert_eq!(states(store).await, [state("resolved", 3)]);
}

/// `look` every half minute of the clock; a gap would be the collector's.
pub(crate) async fn watch(store: &Store, from: i64, to: i64) {
    for now in (from..=to).step_by(30 * SECOND as usize) {
        store.watch_ends(now).await.expect("store");
        store.watch(now, 2 * MINUTE).await.expect("store");
        store.settle_alerts(now).await.expect("store");
    }
}

pub(crate) async fn a_silent_host_is_one_drift_until_it_reports_again(store: &Store) {
    let start = 10 * HOUR;
    let mut web = Subject::new(store, start).await;
    watch(store, start, start + 2 * HOUR).await;
    assert!(alerts(store).await.is_empty());
    watch(store, start + 2 * HOUR, start + 3 * HOUR).await;
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.drift.as_str(), alert.cause.as_str()), ("not_reporting", "evidence_lost"));
    assert_eq!(store.silent_hosts().await.expect("store").len(), 1);
    // One made long before the silence that only comes now does not end it.
    let now = start + 3 * HOUR;
    let (late, _) = crate::cases::state(json!({"users": ["late"]}));
    let manifest = Digest::of(&late.to_bytes().expect("manifest"));
    let mut incoming = web.agent.incoming(manifest, (start - 5 * HOUR) / SECOND);
    incoming.received_us = now;
    crate::cases::accept(store, &incoming).await.expect("accepted");
    watch(store, now, now + 5 * MINUTE).await;
    assert_eq!(states(store).await, [state("open", 1)]);
    let mut incoming = web.agent.incoming(manifest, (now + 5 * MINUTE) / SECOND);
    incoming.received_us = now + 5 * MINUTE;
    crate::cases::accept(store, &incoming).await.expect("accepted");
    watch(store, now + 5 * MINUTE, now + 6 * MINUTE).await;
    assert_eq!(states(store).await, [state("resolved", 1)]);
}

pub(crate) async fn a_host_whose_identity_was_revoked_is_no_drift(store: &Store) {
    let start = 10 * HOUR;
    let revoked = Subject::new(store, start).await;
    let silent = Subject::new(store, start).await;
    store.revoke_host(revoked.host(), "eve", start + HOUR).await.expect("store").expect("revoked");
    watch(store, start, start + 3 * HOUR).await;
    let told = store.silent_hosts().await.expect("store");
    assert_eq!(told.keys().collect::<Vec<_>>(), [&silent.host()]);
    // What was said before is settled by it.
    let now = start + 3 * HOUR;
    store.revoke_host(silent.host(), "eve", now).await.expect("store").expect("revoked");
    watch(store, now, now + MINUTE).await;
    assert!(store.silent_hosts().await.expect("store").is_empty());
    assert_eq!(states(store).await, [state("resolved", 1)]);
}

pub(crate) async fn a_fleet_that_falls_silent_is_the_collectors_trouble_first(store: &Store) {
    let start = 10 * HOUR;
    let mut hosts = vec![];
    for n in 0..6 {
        hosts.push(Subject::new(store, start + n * MINUTE).await);
    }
    watch(store, start + 6 * MINUTE, start + 2 * HOUR + 10 * MINUTE).await;
    let drifts: Vec<_> = alerts(store).await.into_iter().map(|alert| alert.drift).collect();
    assert_eq!(drifts, ["collector_silence"]);
    assert!(store.silent_hosts().await.expect("store").is_empty());
    // All but one come back; that one is called silent later, and alone.
    for host in &mut hosts[1..] {
        host.says(store, "pass", start + 2 * HOUR + 11 * MINUTE).await;
    }
    watch(store, start + 2 * HOUR + 11 * MINUTE, start + 3 * HOUR).await;
    assert_eq!(states(store).await, [state("resolved", 0)]);
    for hour in [3, 4] {
        for host in &mut hosts[1..] {
            host.says(store, "pass", start + hour * HOUR).await;
        }
        watch(store, start + hour * HOUR, start + hour * HOUR + 59 * MINUTE).await;
    }
    let silent = store.silent_hosts().await.expect("store");
    assert_eq!(silent.keys().collect::<Vec<_>>(), [&hosts[0].host()]);
    assert_eq!(states(store).await, [state("open", 1), state("resolved", 0)]);
}

pub(crate) async fn a_collector_that_was_away_gives_hosts_their_time_again(store: &Store) {
    let start = 10 * HOUR;
    Subject::new(store, start).await;
    watch(store, start, start + HOUR).await;
    let back = start + 20 * HOUR;
    watch(store, back, back + 2 * HOUR - MINUTE).await;
    let alert = alerts(store).await.remove(0);
    assert_eq!(alert.drift, "collector_silence");
    assert!(alert.title.contains("away for 1140 minutes"), "{}", alert.title);
    assert!(store.silent_hosts().await.expect("store").is_empty());
    watch(store, back + 2 * HOUR, back + 2 * HOUR + 5 * MINUTE).await;
    assert_eq!(store.silent_hosts().await.expect("store").len(), 1);
}

pub(crate) async fn a_host_that_never_reports_has_a_day(store: &Store) {
    let agent = Agent::enrolled(store).await;
    watch(store, HOUR, HOUR + MINUTE).await;
    // The collector itself must have been there for as long.
    watch(store, DAY + 2, DAY + HOUR).await;
    assert!(store.silent_hosts().await.expect("store").is_empty());
    for now in (DAY + HOUR..2 * DAY + 2 * HOUR).step_by(MINUTE as usize) {
        store.watch(now, 2 * MINUTE).await.expect("store");
    }
    let silent = store.silent_hosts().await.expect("store");
    assert_eq!(silent.keys().collect::<Vec<_>>(), [&agent.host]);
}

async fn anomalies(store: &Store, open: bool) -> Vec<DriftRow> {
    let filter = DriftFilter { open: Some(open), limit: 10, ..DriftFilter::default() };
    store.drifts(filter).await.expect("drifts")
}

pub(crate) async fn a_restored_machine_is_one_anomaly_from_refusal_to_new_chain(store: &Store) {
    let mut web = Subject::new(store, HOUR).await;
    web.says(store, "pass", 2 * HOUR).await;
    // Back to the state of an hour ago: a number that was used.
    web.agent.seq = 1;
    web.agent.prev = None;
    let (manifest, _) = crate::cases::state(json!({"users": ["old"]}));
    let manifest = Digest::of(&manifest.to_bytes().expect("manifest"));
    for at in [3, 4] {
        web.agent.seq = 0;
        let incoming = web.agent.incoming(manifest, at * 3600);
        crate::cases::accept(store, &incoming).await.expect_err("refused");
        let open = anomalies(store, true).await;
        assert_eq!(open.len(), 1, "{open:#?}");
        assert!(open[0].to.contains("often a restored machine"), "{}", open[0].to);
    }
    assert_eq!(alerts(store).await[0].lane, "page");
    (web.agent.chain, web.agent.seq, web.agent.prev) = (HostId::generate(), 0, None);
    let incoming = web.agent.incoming(manifest, 4 * 3600 + 60);
    // Within the hour of the second refusal? The first one's: it is what stands.
    let incoming = evidenced_collector::store::Incoming { received_us: 4 * HOUR, ..incoming };
    crate::cases::accept(store, &incoming).await.expect("accepted");
    let open = anomalies(store, true).await;
    assert_eq!(open.len(), 1, "{open:#?}");
    assert!(open[0].to.contains("; new chain"), "{}", open[0].to);
    assert_eq!(states(store).await, [state("open", 1)]);
    // A person says it is well, and the host goes on.
    let id = alerts(store).await.remove(0).id;
    store
        .acknowledge(&id, "me", "restored from backup", 5 * HOUR)
        .await
        .expect("store")
        .expect("ok");
    store.watch_ends(5 * HOUR + MINUTE).await.expect("store");
    assert_eq!(anomalies(store, true).await.len(), 1);
    web.says(store, "pass", 6 * HOUR).await;
    store.watch_ends(6 * HOUR + MINUTE).await.expect("store");
    assert_eq!(states(store).await, [state("resolved", 1)]);
}

pub(crate) async fn a_clock_that_jumps_is_said_once_and_ends_when_it_is_right(store: &Store) {
    let mut web = Subject::new(store, 400 * DAY).await;
    let (manifest, _) = crate::cases::state(json!({"users": ["1"]}));
    let manifest = Digest::of(&manifest.to_bytes().expect("manifest"));
    let mut says = async |made: i64, received: i64| {
        let mut incoming = web.agent.incoming(manifest, made / SECOND);
        incoming.received_us = received;
        crate::cases::accept(store, &incoming).await.expect("accepted");
        store.watch_ends(received + 1).await.expect("store");
        anomalies(store, true).await.into_iter().map(|drift| drift.to).collect::<Vec<_>>()
    };
    let now = 400 * DAY + HOUR;
    assert!(says(now + 23 * HOUR, now).await.is_empty());
    let ahead = says(now + 365 * DAY + HOUR, now + 1).await;
    assert_eq!(ahead, ["the host's clock is 365 days ahead"]);
    assert_eq!(says(now + 366 * DAY, now + 2).await, ahead);
    assert!(says(now + 3, now + 3).await.is_empty());
    assert_eq!(
        says(now - 30 * DAY, now + DAY).await,
        ["the host's clock is 30 days behind its last check-in"]
    );
    assert!(says(now + DAY + 1, now + DAY + 1).await.is_empty());
    // A week offline: what comes late comes in order.
    for day in 2..9 {
        assert!(says(now + day * DAY, now + 9 * DAY + day).await.is_empty());
    }
    let alerts = alerts(store).await;
    assert!(alerts.iter().all(|alert| alert.lane == "queue" && alert.severity == "low"));
}

pub(crate) async fn a_host_that_saw_another_log_is_one_anomaly(store: &Store) {
    let mut web = Subject::new(store, HOUR).await;
    for at in 0..2 {
        store.note_fork(web.host(), "another log", 2 * HOUR + at).await.expect("store");
    }
    assert_eq!(anomalies(store, true).await.len(), 1);
    let id = alerts(store).await.remove(0).id;
    store.acknowledge(&id, "me", "restored", 3 * HOUR).await.expect("store").expect("ok");
    web.agent.checkpoint = Some(TreeHead { size: 1, root: Digest::of(b"not ours") });
    web.says(store, "pass", 4 * HOUR).await;
    store.watch_ends(4 * HOUR + 1).await.expect("store");
    assert_eq!(anomalies(store, true).await.len(), 1, "it still holds another log's checkpoint");
    let head = store.log().await.expect("log").head();
    web.agent.checkpoint = Some(head);
    web.says(store, "pass", 5 * HOUR).await;
    store.watch_ends(5 * HOUR + 1).await.expect("store");
    assert!(anomalies(store, true).await.is_empty());
}

pub(crate) async fn a_message_is_made_once_and_tried_until_it_arrives(store: &Store) {
    let mut web = Subject::new(store, HOUR).await;
    web.says(store, "fail", 2 * HOUR).await;
    let untold = store.untold().await.expect("store").remove(0);
    let message = |channel: &str, not_before_us| NewMessage {
        channel: channel.to_owned(),
        body: "{}".to_owned(),
        not_before_us,
    };
    let messages = [message("chat", 0), message("lead", 200 * HOUR)];
    assert!(store.tell(&untold, &messages, 3 * HOUR).await.expect("store"));
    assert!(!store.tell(&untold, &messages, 3 * HOUR).await.expect("store"), "another was quicker");
    assert!(store.untold().await.expect("store").is_empty());
    let (one, other) = tokio::join!(
        store.take_due(3 * HOUR, 3 * HOUR + MINUTE),
        store.take_due(3 * HOUR, 3 * HOUR + MINUTE)
    );
    let taken: Vec<_> = one.expect("store").into_iter().chain(other.expect("store")).collect();
    assert_eq!(taken.len(), 1, "one of the two has it");
    // Cut off: it comes back, under the same id.
    let again = store.take_due(3 * HOUR + MINUTE, 3 * HOUR + 2 * MINUTE).await.expect("store");
    assert_eq!(again, taken);
    let attempt = |state, status, at_us| Attempt {
        at_us,
        status,
        error: (state != "delivered").then(|| "no".to_owned()),
        state,
        next_us: at_us + MINUTE,
        reference: (state == "delivered").then(|| "OPS-7".to_owned()),
    };
    let failed = attempt("waiting", Some(500), 4 * HOUR);
    store.attempted(&again[0], &failed).await.expect("store");
    assert!(store.take_due(4 * HOUR, 5 * HOUR).await.expect("store").is_empty());
    let due = store.take_due(4 * HOUR + MINUTE, 5 * HOUR).await.expect("store");
    assert_eq!(due[0].attempts, 1);
    store.attempted(&due[0], &attempt("delivered", Some(204), 5 * HOUR)).await.expect("store");
    assert!(store.take_due(99 * HOUR, 100 * HOUR).await.expect("store").is_empty());
    let chat = Some("chat".to_owned());
    let filter = DeliveryFilter { limit: 10, channel: chat, ..DeliveryFilter::default() };
    let row = store.deliveries(&filter).await.expect("store").remove(0);
    assert_eq!((row.state.as_str(), row.what.as_str()), ("delivered", "opened"));
    let no = Some("no".to_owned());
    assert_eq!(row.attempts, [(4 * HOUR, Some(500), no), (5 * HOUR, Some(204), None)]);

    // What was not to be told yet: a restart does not bring it forward.
    let standing = store.standing(&untold.alert, "chat").await.expect("store");
    assert_eq!((standing.state.as_str(), standing.told), ("open", true));
    assert!(!store.standing(&untold.alert, "lead").await.expect("store").told);
    store.release_taken(150 * HOUR).await.expect("store");
    assert!(store.take_due(199 * HOUR, 200 * HOUR).await.expect("store").is_empty());
    let late = store.take_due(200 * HOUR, 201 * HOUR).await.expect("store").remove(0);
    assert_eq!((late.channel.as_str(), late.not_before_us), ("lead", 200 * HOUR));
    let named = async |channel| store.reference(&untold.alert, channel).await.expect("store");
    assert_eq!(named("chat").await.as_deref(), Some("OPS-7"));
    assert_eq!(named("lead").await, None, "it is the other channel's");
    let places = store.alert_places(&untold.alert).await.expect("store");
    assert_eq!((places.hosts.len(), places.groups.len()), (1, 1));
}

pub(crate) async fn lists_are_read_page_by_page(store: &Store) {
    let mut ids = vec![];
    for n in 0..5 {
        let mut host = Subject::new(store, HOUR).await;
        // Two at the same moment, and each another change.
        let other =
            |judgement: &mut Judgement| judgement.opened[0].offenders = vec![format!("u{n}")];
        host.judged(store, "fail", (2 + n / 2) * HOUR, other).await;
    }
    let mut filter = AlertFilter { limit: 2, ..AlertFilter::default() };
    loop {
        let page = store.alerts(&filter).await.expect("store");
        let Some(last) = page.last() else { break };
        filter.after = Some((last.opened_us, last.id.clone()));
        ids.extend(page.into_iter().map(|alert| alert.id));
    }
    let whole: Vec<_> = alerts(store).await.into_iter().map(|alert| alert.id).collect();
    assert_eq!((ids.len(), &ids), (5, &whole));
    let filter = DriftFilter { limit: 2, ..DriftFilter::default() };
    let (mut after, mut drifts) = (None, vec![]);
    loop {
        let page = store.drifts_after(filter, after).await.expect("store");
        let Some(last) = page.last() else { break };
        after = Some((last.opened_us, 1, last.id.clone()));
        drifts.extend(page.into_iter().map(|drift| drift.id));
    }
    let whole = DriftFilter { limit: 100, ..filter };
    let whole = store.drifts(whole).await.expect("store").into_iter().map(|drift| drift.id);
    assert_eq!(drifts, whole.collect::<Vec<_>>());
}
