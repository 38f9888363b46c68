//! What has to be true of alerts after the storm: one for each cause and host, and each of its steps
//! told under one id, however often.

use crate::storm::Host;
use evidence::HostId;
use evidenced_collector::store::model::AlertEvent;
use evidenced_collector::store::{AlertFilter, AlertWhole, DeliveryFilter, Store};
use evidenced_tests::Receiver;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// More than there will ever be: lists come whole.
const ALL: i64 = 1_000_000;

pub(crate) async fn check(store: &Store, hosts: &[Host], receiver: &Receiver) {
    let filter = AlertFilter { limit: ALL, ..AlertFilter::default() };
    let mut alerts = vec![];
    for row in store.alerts(&filter).await.expect("alerts") {
        alerts.push(store.alert(&row.id).await.expect("an alert").expect("it is there"));
    }
    one_for_each_cause_and_host(&alerts, hosts);
    alerts.iter().for_each(|alert| begins_once(&alert.alert.id, &alert.events));
    assert_eq!(store.untold().await.expect("steps"), [], "a step was never told");
    told_once(store, receiver).await;
}

/// What failed on a host stands in one alert, and in no other: everything here happens within the
/// day in which the same matter is the same alert.
fn one_for_each_cause_and_host(alerts: &[AlertWhole], hosts: &[Host]) {
    let mut found: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for whole in alerts {
        for drift in &whole.drifts {
            let cause = (drift.host, &drift.drift, &drift.cause, &drift.rule, &drift.kind);
            found.entry(cause).or_default().insert(&whole.alert.id);
        }
    }
    for (cause, alerts) in &found {
        assert_eq!(alerts.len(), 1, "{cause:?} was alerted as {alerts:?}");
    }
    for host in hosts {
        let id: HostId = host.agent.host().parse().expect("a host id");
        assert!(found.keys().any(|cause| cause.0 == id), "nothing of {id} was ever alerted");
    }
}

/// An alert is opened once, and goes well and bad by turns, as far as its steps say which it is.
fn begins_once(alert: &str, events: &[AlertEvent]) {
    let names: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
    let opened = names.iter().filter(|name| **name == "opened").count();
    assert_eq!((opened, names.first()), (1, Some(&"opened")), "{alert}: {names:?}");
    let mut before = None;
    for name in &names {
        let bad = match *name {
            "opened" | "reopened" | "returned" => Some(true),
            "resolved" | "went" => Some(false),
            // The step to flapping may be either.
            "flapping" => None,
            _ => continue,
        };
        assert!(bad.is_none() || bad != before, "{alert}: {name} twice: {names:?}");
        before = bad;
    }
}

/// The receiver took every message that the store says was taken, each under the id of its step,
/// and nothing else. A kill between the answer and its record makes a repetition, under the same id.
async fn told_once(store: &Store, receiver: &Receiver) {
    let filter = DeliveryFilter { limit: ALL, ..DeliveryFilter::default() };
    let deliveries = store.deliveries(&filter).await.expect("deliveries");
    let mut sent = BTreeMap::new();
    for delivery in deliveries {
        assert_eq!(delivery.state, "delivered", "{delivery:?}");
        let what = (format!("evidenced.alert.{}", delivery.what), delivery.alert);
        let again = sent.insert(format!("msg_{}", delivery.event), what);
        assert_eq!(again, None, "two messages of one step");
    }
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let mut taken = BTreeMap::new();
    let mut bodies: BTreeMap<String, Value> = BTreeMap::new();
    for request in receiver.requests() {
        assert_eq!(request["answer"], 204, "{request}");
        let (id, event) = (text(&request["id"]), &request["event"]);
        let body = bodies.entry(id.clone()).or_insert_with(|| event.clone());
        assert_eq!(body, event, "{id} was repeated with other words");
        taken.insert(id, (text(&event["type"]), text(&event["subject"])));
    }
    assert_eq!(taken, sent, "what was taken, and what the store says of it");
    assert!(!taken.is_empty(), "nobody was ever told: the test shows nothing");
}
