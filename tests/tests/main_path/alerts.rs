//! Alerts reach somebody: one for each cause, signed, once for whoever tells repetitions apart,
//! whatever happens on the way.

use crate::view::{open, results, text};
use evidenced_tests::{Agent, Collector, Receiver, Root, Store, holds};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

const TOOR: &str = "toor:x:0:0:Toor:/root:/bin/bash\n";

/// A collector that tells `receiver`.
async fn telling(store: Store, receiver: &Receiver) -> Collector {
    let mut collector = Collector::start(store).await;
    assert!(collector.stop().await.success());
    let config = collector.data().join("collector.toml");
    let mut file = std::fs::File::options().append(true).open(config).expect("configuration");
    write!(file, "\n{}", receiver.section("chat")).expect("written");
    collector.restart().await;
    collector
}

/// Messages that were taken: `(type, alert)` by id.
fn taken(receiver: &Receiver) -> BTreeMap<String, (String, String)> {
    let requests = receiver.requests();
    // A trial message is about no alert.
    let alert = |request: &&Value| request["event"]["subject"].is_string();
    let taken = requests.iter().filter(|request| request["answer"] == 204).filter(alert);
    let message = |request: &Value| {
        let event = &request["event"];
        (text(&request["id"]), (text(&event["type"]), text(&event["subject"])))
    };
    taken.map(message).collect()
}

/// How many messages of a type were taken, repetitions apart.
fn count(receiver: &Receiver, what: &str) -> usize {
    taken(receiver).values().filter(|(of, _)| *of == format!("evidenced.alert.{what}")).count()
}

async fn the_alert_story(store: Store) {
    let receiver = Receiver::start();
    let mut collector = telling(store, &receiver).await;
    let test = collector.cli(&["notify", "test", "chat"]).await.out();
    assert_eq!(test, "chat took it: HTTP 204");
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    let (api, host) = (collector.api(), agent.host());
    agent.reports().await;
    results(&api, &host).await;

    // Two changes: three rules fail by the one, one rule by the other.
    receiver.fail(1);
    let (passwd, shadow) = (root.read("etc/passwd"), root.read("etc/shadow"));
    root.append("etc/passwd", TOOR);
    root.append("etc/shadow", "toor:$y$j9T$invented$invented:20100:0:99999:7:::\n");
    root.write("etc/ssh/sshd_config.d/10-x.conf", "PermitRootLogin yes\n");
    agent.reports().await;
    holds("two alerts told", async || count(&receiver, "opened") == 2).await;
    let alerts = api.items("/api/v1/alerts?state=open").await;
    let seen: BTreeSet<_> = alerts
        .iter()
        .map(|a| (text(&a["grouping"]), text(&a["lane"]), a["subjects"].as_array().map(Vec::len)))
        .collect();
    let expected = [("accounts", "page", Some(3)), ("ssh_server", "queue", Some(1))];
    let expected = expected.map(|(kind, lane, n)| (kind.to_owned(), lane.to_owned(), n));
    assert_eq!(seen, expected.into());
    assert_eq!(api.items("/api/v1/alerts?lane=page").await.len(), 1);
    assert_eq!(api.items(&format!("/api/v1/alerts?host={host}")).await.len(), 2);
    assert_eq!(api.get("/api/v1/alerts?lane=pages").await.status, 400);
    for list in ["/api/v1/alerts", "/api/v1/drifts", "/api/v1/deliveries"] {
        let whole = api.items(list).await;
        assert!(whole.len() > 1, "{list}");
        // Page by page.
        assert_eq!(api.items(&format!("{list}?limit=1")).await, whole, "{list}");
    }

    // One attempt failed and was repeated, both under one id; the log of deliveries says so.
    let requests = receiver.requests();
    let failed = requests.iter().find(|request| request["answer"] == 500).expect("a failure");
    assert!(requests.iter().any(|r| r["id"] == failed["id"] && r["answer"] == 204));
    assert!(requests.iter().all(|r| r["event"]["specversion"] == "1.0"
        && r["type"] == "application/cloudevents+json; charset=utf-8"));
    let tried = async || {
        let deliveries = api.items("/api/v1/deliveries?state=delivered").await;
        let tries = |d: &Value| d["attempts"].as_array().map_or(0, Vec::len);
        deliveries.iter().map(tries).collect::<Vec<_>>()
    };
    holds("both deliveries", async || tried().await.iter().sum::<usize>() == 3).await;

    // Who only looks changes nothing; who operates says what is done.
    let alert = text(&alerts[0]["id"]);
    let path = format!("/api/v1/alerts/{alert}/acknowledge");
    let note = json!({"note": "a ticket"});
    assert_eq!(api.post(&path, &note).await.status, 403);
    assert_eq!(collector.stranger().post(&path, &note).await.status, 401);
    let operator = collector.cli(&["api-token", "create", "--seat", "operator"]).await.out();
    let operator = collector.stranger().with_token(&operator);
    assert_eq!(operator.post(&path, &json!({"note": " "})).await.status, 400);
    let done = operator.post(&path, &note).await.json();
    assert_eq!((&done["state"], &done["note"]), (&"acknowledged".into(), &"a ticket".into()));
    holds("the word of it", async || count(&receiver, "acknowledged") == 1).await;

    // The same state again is nothing new.
    agent.reports().await;

    // Killed while a message is on its way: it comes again under its id.
    receiver.hang();
    root.write("etc/passwd", &passwd);
    root.write("etc/shadow", &shadow);
    root.remove("etc/ssh/sshd_config.d/10-x.conf");
    agent.reports().await;
    holds("the end of every drift", async || open(&api, &host).await.is_empty()).await;
    holds("a message on its way", async || count(&receiver, "resolved") == 1).await;
    collector.kill();
    receiver.answer();
    collector.restart().await;
    let api = collector.api();
    holds("all deliveries", async || {
        api.items("/api/v1/deliveries?state=waiting").await.is_empty()
            && count(&receiver, "resolved") == 2
    })
    .await;
    assert!(api.items("/api/v1/alerts?state=live").await.is_empty());
    assert_eq!(api.items("/api/v1/alerts?state=resolved").await.len(), 2);

    // Told apart by their ids, there is one message for each step and no other.
    let messages: Vec<_> = taken(&receiver).into_values().collect();
    let distinct: BTreeSet<_> = messages.iter().collect();
    assert_eq!((messages.len(), distinct.len()), (5, 5), "{messages:#?}");
    // The trial, the one that failed, and the one that was cut off came besides.
    assert_eq!(receiver.requests().len(), messages.len() + 3);
    collector.verified_log().await;
}

#[tokio::test]
async fn one_alert_for_each_cause_arrives_signed_and_once_on_sqlite() {
    the_alert_story(Store::Sqlite).await;
}

#[tokio::test]
async fn one_alert_for_each_cause_arrives_signed_and_once_on_postgresql() {
    the_alert_story(Store::Postgres).await;
}

#[tokio::test]
async fn a_channel_that_cannot_be_used_is_refused_before_anything_starts() {
    let receiver = Receiver::start();
    let mut collector = Collector::start(Store::Sqlite).await;
    assert!(collector.stop().await.success());
    let config = collector.data().join("collector.toml");
    let good = std::fs::read_to_string(&config).expect("configuration");
    let section = receiver.section("chat");
    for (from, to, says) in [
        ("http://127.0.0.1", "http://hooks.example.org", "without TLS anybody on the way reads it"),
        ("secret_file = \"", "secret_file = \"/nowhere", "cannot read /nowhere"),
        ("name = \"chat\"", "name = \"chat\"\nlanes = [\"pages\"]", "unknown lane `pages`"),
        ("name = \"chat\"", "name = \"chat\"\nsecret = \"x\"", "unknown field `secret`"),
    ] {
        let text = format!("{good}\n{}", section.replace(from, to));
        std::fs::write(&config, text).expect("written");
        let refused = collector.cli(&["serve"]).await;
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
}
