//! The fleet side of the collector: lives of hosts, expected hosts, lists in pages, and what it
//! answers when it cannot store.

use crate::view::{results, text};
use evidenced_tests::{Agent, Collector, Root, Store, holds, postgres};
use serde_json::Value;
use std::collections::BTreeSet;

async fn a_host_lives_and_is_retired(store: Store) {
    let collector = Collector::start(store).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let (api, host) = (collector.api(), agent.host());
    let judged = results(&api, &host).await;
    let path = format!("/api/v1/hosts/{host}");
    let shown = api.document(&path).await;
    assert_eq!(shown["state"], "active");
    let index = judged.iter().filter_map(|r| r["known"].as_i64()).max();
    assert_eq!(shown["judged_index"].as_i64(), index, "judged up to its check-in: {shown}");

    collector.cli(&["hosts", "assign", &host, "--group", "web"]).await.out();
    collector.cli(&["hosts", "tag", &host, "role=front", "site=zrh"]).await.out();
    collector
        .cli(&["hosts", "maintenance", &host, "--for", "4h", "--reason", "new disk"])
        .await
        .out();
    agent.reports().await;
    assert_eq!(api.document(&path).await["state"], "maintenance", "it reports, and stays in it");
    let drifts = api.items(&format!("/api/v1/drifts?host={host}")).await;
    assert!(drifts.is_empty(), "a change of scope is no drift: {drifts:?}");

    let retire = ["hosts", "retire", &host, "--reason", "replaced by web-02"];
    collector.cli(&retire).await.out();
    let refused = agent.report().await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("retired"), "{}", refused.stderr);
    let again = collector.cli(&retire).await;
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("final"), "{}", again.stderr);

    // Its evidence is there, and what was said of it.
    let shown = api.document(&path).await;
    assert_eq!((&shown["state"], &shown["group"]), (&"retired".into(), &"web".into()));
    assert_eq!(shown["kinds"]["accounts"]["status"], "ok");
    let spans = api.items(&format!("{path}/spans")).await;
    let said: BTreeSet<_> =
        spans.iter().map(|s| (text(&s["property"]), text(&s["value"]))).collect();
    for (property, value) in [
        ("group", "default"),
        ("group", "web"),
        ("state", "enrolling"),
        ("state", "active"),
        ("state", "maintenance"),
        ("state", "retired"),
        ("tag:role", "front"),
        ("tag:site", "zrh"),
    ] {
        assert!(said.contains(&(property.to_owned(), value.to_owned())), "{property}={value}");
    }
    let groups = api.items("/api/v1/groups").await;
    assert!(groups.iter().all(|group| group["hosts"] == 0), "nobody is in service: {groups:?}");
    collector.verified_log().await;
}

#[tokio::test]
async fn a_host_lives_and_is_retired_on_sqlite() {
    a_host_lives_and_is_retired(Store::Sqlite).await;
}

#[tokio::test]
async fn a_host_lives_and_is_retired_on_postgresql() {
    a_host_lives_and_is_retired(Store::Postgres).await;
}

#[tokio::test]
async fn expected_hosts_are_imported_whole_or_not_at_all_and_add_up() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let api = collector.api();
    results(&api, &agent.host()).await;
    let name = text(&api.document(&format!("/api/v1/hosts/{}", agent.host())).await["name"]);
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("hosts.csv");
    let file = path.to_str().expect("a path");
    let import = async |text: &str, more: &[&str]| {
        std::fs::write(&path, text).expect("written");
        collector.cli(&[&["hosts", "expect", file][..], more].concat()).await
    };
    let summary =
        async || collector.cli(&["summary", "--format", "json"]).await.json()["expected"].clone();
    assert_eq!(summary().await, Value::Null, "without a list nobody is expected");

    let size = api.log_size().await;
    for more in [&["--dry-run"][..], &[]] {
        let bad = import("name,group\nweb-01,web\nWEB-01,web\n,db\n", more).await;
        assert_eq!(bad.code, Some(1));
        assert!(bad.stderr.contains("line 3: WEB-01 is in line 2 already"), "{}", bad.stderr);
        assert!(bad.stderr.contains("line 4: `name` is empty; give the name"), "{}", bad.stderr);
    }
    let good = format!(
        "\u{feff}Name;Group;Owner\r\n{};default;Team\r\nweb-99;web;\r\n",
        name.to_uppercase()
    );
    let dry = import(&good, &["--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert_eq!(api.log_size().await, size, "nothing was imported");
    assert_eq!(summary().await, Value::Null);

    let imported = import(&good, &[]).await.out();
    assert!(imported.starts_with("2 expected = 1 reporting + 0 silent"), "{imported}");
    assert_eq!(api.log_size().await, size + 1);
    let list = api.document("/api/v1/hosts/expected").await;
    let counts = &list["counts"];
    assert_eq!((&counts["expected"], &counts["reporting"]), (&2.into(), &1.into()), "{list}");
    assert_eq!((&counts["missing"], &counts["unlisted"]), (&1.into(), &0.into()), "{list}");
    assert_eq!(&summary().await, counts);
    // A new list takes the place of the old one.
    import("name,group\nweb-99,web\n", &[]).await.out();
    let counts = api.document("/api/v1/hosts/expected").await["counts"].clone();
    assert_eq!((&counts["expected"], &counts["unlisted"]), (&1.into(), &1.into()));
    let empty = import("name,group\n", &[]).await;
    assert!(empty.code == Some(1) && empty.stderr.contains("--allow-empty"), "{}", empty.stderr);
    collector.verified_log().await;
}

#[tokio::test]
async fn groups_are_described_and_ephemeral_ones_are_counted_in_hours() {
    let collector = Collector::start(Store::Sqlite).await;
    let set = ["groups", "set", "default", "--environment", "test", "--ephemeral", "--ttl", "24h"];
    collector.cli(&set).await.out();
    let agent = Agent::enrolled(&collector).await;
    let again = ["groups", "set", "default", "--criticality", "low", "--owner", "Platform"];
    collector.cli(&again).await.out();
    let groups = collector.api().items("/api/v1/groups").await;
    assert_eq!(groups.len(), 1);
    let group = &groups[0];
    assert_eq!((&group["environment"], &group["ttl_s"]), (&"test".into(), &86_400.into()));
    assert_eq!((&group["owner"], &group["hosts"]), (&"Platform".into(), &1.into()));
    let odd = collector.cli(&["groups", "set", "default", "--environment", "prod"]).await;
    assert_eq!(odd.code, Some(2));
    assert!(odd.stderr.contains("production"), "{}", odd.stderr);
    let host = agent.host();
    let end = ["hosts", "end", &host, "--reason", "deregistered"];
    collector.cli(&end).await.out();
    let hours = collector.api().items("/api/v1/groups/hours?from_us=0").await;
    assert!(
        hours.iter().all(|line| line["group"] == "default" && line["host_hours"] == 0),
        "{hours:?}"
    );
    collector.verified_log().await;
}

#[tokio::test]
async fn a_list_in_pages_is_the_whole_list() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    root.append("etc/passwd", "toor:x:0:0::/root:/bin/bash\n");
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let api = collector.api();
    let whole = results(&api, &agent.host()).await;
    let (mut paged, mut path) = (vec![], "/api/v1/results?limit=7".to_owned());
    loop {
        let page = api.document(&path).await;
        let items = page["items"].as_array().expect("items");
        assert!(!items.is_empty() && items.len() <= 7, "no page is empty");
        paged.extend(items.clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/results?limit=7&cursor={next}");
    }
    assert_eq!(paged, whole);
    for path in
        ["/api/v1/results?cursor=invented", "/api/v1/hosts?limit=0", "/api/v1/drifts?cursor=e30"]
    {
        assert_eq!(api.get(path).await.status, 400, "{path}");
    }
}

/// What the metrics say of refused check-ins.
async fn refused(collector: &Collector) -> u64 {
    let metrics = collector.stranger().get("/metrics").await.body;
    let line = "evidenced_check_ins_total{outcome=\"refused\"} ";
    let count = metrics.lines().find_map(|l| l.strip_prefix(line));
    count.map_or(0, |count| count.parse().expect("a number"))
}

#[tokio::test]
async fn a_full_queue_is_said_and_what_it_refused_comes_again() {
    let mut collector = Collector::start(Store::Postgres).await;
    let config = collector.data().join("collector.toml");
    let settings = std::fs::read_to_string(&config).expect("configuration");
    std::fs::write(&config, format!("{settings}\n[ingest]\nqueue = 1\n")).expect("written");
    assert!(collector.stop().await.success());
    collector.restart().await;
    let root = Root::debian();
    let mut agents = vec![];
    for _ in 0..3 {
        agents.push(Agent::enrolled(&collector).await.root(&root));
    }
    let url = settings.split('"').find(|part| part.starts_with("postgres://")).expect("a URL");
    // Somebody holds the log: nothing is committed until they let go.
    let lock = postgres::Held::lock(url, "SELECT size FROM log_head FOR UPDATE");
    let mut reports = vec![];
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock'";
    for agent in agents {
        reports.push(tokio::spawn(async move {
            let report = agent.report().await;
            (agent, report)
        }));
        // The first is in its commit before the others come: it does not take them along.
        holds("a commit that waits", async || postgres::sql(url, waits) == "1").await;
    }
    holds("a check-in that finds the queue full", async || refused(&collector).await > 0).await;
    drop(lock);
    for report in reports {
        let (agent, report) = report.await.expect("agent");
        assert_eq!(report.code, Some(0), "{}", report.stderr);
        assert_eq!(agent.waiting(), Vec::<String>::new());
    }
    assert_eq!(collector.verified_log().await["check_ins"], 3);
}

#[tokio::test]
async fn a_database_that_is_gone_is_said_and_nothing_is_lost_when_it_is_back() {
    let collector = Collector::start(Store::Postgres).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let config = std::fs::read_to_string(collector.data().join("collector.toml")).expect("config");
    let url = config.split('"').find(|part| part.starts_with("postgres://")).expect("a URL");
    postgres::shut(url);
    let ready = async || collector.stranger().get("/readyz").await.status;
    holds("the collector says that it is not ready", async || ready().await == 503).await;
    let report = tokio::spawn(async move {
        let report = agent.report().await;
        (agent, report)
    });
    holds("a second answer of that kind", async || ready().await == 503).await;
    postgres::open(url);
    holds("the collector is ready again by itself", async || ready().await == 200).await;
    let (agent, report) = report.await.expect("agent");
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    assert_eq!(agent.waiting(), Vec::<String>::new());
    assert_eq!(collector.verified_log().await["check_ins"], 2);
    results(&collector.api(), &agent.host()).await;
}
