//! Enrol, ship, judge: what a host reported is there, judged, and provable.

use crate::view::{Outcomes, outcomes, results, text};
use evidence::checkpoint::Checkpoint;
use evidenced_tests::{
    Agent, Collector, Ended, NEED_A_RUNNING_MACHINE, Root, Store, log_key, program,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;

async fn a_report_is_judged_logged_and_provable(store: Store) {
    let collector = Collector::start(store).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let (api, host) = (collector.api(), agent.host());

    let results = results(&api, &host).await;
    let of = |outcome: &str| results.iter().filter(|r| r["outcome"] == outcome).count();
    assert_eq!(of("fail"), 0, "the root is in order: {results:#?}");
    let unknown = results.iter().filter(|result| result["outcome"] == "unknown");
    let unknown: BTreeSet<_> = unknown.map(|result| text(&result["rule"])).collect();
    assert_eq!(unknown, NEED_A_RUNNING_MACHINE.map(str::to_owned).into());
    assert!(of("pass") > 20, "{results:#?}");

    // Every kind of this agent has a state, and those of a root on disk are `partial` where a
    // running system is needed: whether this is a container, which machine it is.
    let kinds = api.document(&format!("/api/v1/hosts/{host}")).await["kinds"].clone();
    let stated: BTreeSet<_> = kinds.as_object().expect("kinds").keys().cloned().collect();
    let collected = collect(&root).await;
    let known: BTreeSet<_> =
        collected["kinds"].as_object().expect("kinds").keys().cloned().collect();
    assert_eq!(stated, known);
    for (kind, status) in
        [("accounts", "ok"), ("host_os", "partial"), ("packages", "ok"), ("ssh_server", "ok")]
    {
        assert_eq!(kinds[kind]["status"], status, "{kind}: {}", kinds[kind]);
    }

    // The agent holds a verified receipt for everything it sent.
    let chain = agent.chain();
    assert_eq!((&chain["next_seq"], agent.waiting()), (&Value::from(1), vec![]));
    assert!(chain["accepted"].is_string() && chain["accepted"] == chain["prev"], "{chain}");

    // The log re-reads, and its checkpoint is signed by the key it names, and no other.
    let verified = collector.verified_log().await;
    assert_eq!(verified["check_ins"], 1);
    let checkpoint = api.document("/api/v1/log/checkpoint").await;
    let vkey = text(&checkpoint["key"]);
    let key = log_key(&vkey);
    assert_eq!(key.vkey(), vkey, "the hash in the middle fits");
    let read = Checkpoint::verify(&text(&checkpoint["note"]), std::slice::from_ref(&key));
    let read = read.expect("a signed checkpoint");
    assert_eq!(read.origin, text(&checkpoint["origin"]));
    assert_eq!(Value::from(read.head.size), verified["size"]);
    assert_eq!(Value::from(read.head.root.to_string()), verified["root"]);
    let changed = text(&checkpoint["note"]).replacen(&read.head.size.to_string(), "999", 1);
    assert!(Checkpoint::verify(&changed, &[key]).is_err());
}

#[tokio::test]
async fn a_report_is_judged_logged_and_provable_on_sqlite() {
    a_report_is_judged_logged_and_provable(Store::Sqlite).await;
}

#[tokio::test]
async fn a_report_is_judged_logged_and_provable_on_postgresql() {
    a_report_is_judged_logged_and_provable(Store::Postgres).await;
}

async fn an_unchanged_report_adds_one_leaf_and_nothing_else(store: Store) {
    let collector = Collector::start(store).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    let (api, host) = (collector.api(), agent.host());
    let path = format!("/api/v1/hosts/{host}");
    agent.reports().await;
    let first = results(&api, &host).await;
    let (manifest, size) = (api.document(&path).await["manifest"].clone(), api.log_size().await);
    assert!(manifest.is_string(), "{manifest}");

    agent.reports().await;
    assert_eq!(api.document(&path).await["manifest"], manifest);
    assert_eq!(api.log_size().await, size + 1);
    assert_eq!(agent.chain()["next_seq"], 2);

    // The near miss: one byte of one source, and the manifest is another.
    root.append("etc/passwd", "bob:x:1001:1001:Bob:/home/bob:/usr/sbin/nologin\n");
    agent.reports().await;
    assert_ne!(api.document(&path).await["manifest"], manifest);
    assert_eq!(api.log_size().await, size + 2);
    let since = |results: &[Value]| -> Vec<_> {
        results.iter().map(|r| (text(&r["rule"]), r["since_us"].clone())).collect()
    };
    assert_eq!(since(&results(&api, &host).await), since(&first), "no result has changed");
    collector.verified_log().await;
}

#[tokio::test]
async fn an_unchanged_report_adds_one_leaf_and_nothing_else_on_sqlite() {
    an_unchanged_report_adds_one_leaf_and_nothing_else(Store::Sqlite).await;
}

#[tokio::test]
async fn an_unchanged_report_adds_one_leaf_and_nothing_else_on_postgresql() {
    an_unchanged_report_adds_one_leaf_and_nothing_else(Store::Postgres).await;
}

/// The judgement at a desk and the collector's are one.
#[tokio::test]
async fn assess_says_of_a_collection_what_the_collector_says_of_the_host() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    // Some of everything: a failure with offenders, one without, and something not readable.
    root.append("etc/passwd", "toor:x:0:0::/root:/bin/bash\n");
    root.write("etc/ssh/sshd_config.d/10-x.conf", "PermitRootLogin yes\n");
    root.remove("etc/nsswitch.conf");
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let said = outcomes(&collector.api(), &agent.host()).await;

    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("collection.json");
    std::fs::write(&file, collect(&root).await.to_string()).expect("written");
    let mut assess = program("evidenced-collector");
    assess.args(["assess", "-", "--format", "json"]).stdin(File::open(&file).expect("opened"));
    let assessed = Ended::of(assess).await;
    assert_eq!(assessed.code, Some(3), "some rules fail: {}", assessed.stderr);
    let lines = assessed.stdout.lines().map(|line| serde_json::from_str(line).expect("a line"));
    let pair = |result: Value| (text(&result["rule"]), text(&result["outcome"]));
    let assessed: Outcomes = lines.map(pair).collect();
    assert_eq!(assessed, said);
    let kinds: BTreeSet<_> = said.values().map(String::as_str).collect();
    assert!(kinds.is_superset(&BTreeSet::from(["pass", "fail", "unknown"])), "{said:?}");
}

async fn collect(root: &Root) -> Value {
    let mut collect = program("evidenced-agent");
    collect.args(["collect", "--format", "json", "--root"]).arg(root.path());
    Ended::of(collect).await.json()
}
