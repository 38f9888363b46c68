//! Backups while the collector serves, and what follows when one is restored: hosts notice, keep what
//! they have, and go on when the operator said what happened.

use crate::view::results;
use evidenced_collector::store::Store as EvidenceStore;
use evidenced_tests::{Agent, Collector, Ended, Root, Store, postgres, program};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

async fn audit(collector: &Collector) -> (Option<i32>, Value) {
    let ended = collector.cli(&["log", "audit", "--format", "json"]).await;
    (ended.code, serde_json::from_str(&ended.stdout).expect("a report"))
}

#[tokio::test]
async fn a_restored_collector_is_noticed_by_every_host_and_healed_by_a_word_of_its_operator() {
    let mut collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let (first, second) = (
        Agent::enrolled(&collector).await.root(&root),
        Agent::enrolled(&collector).await.root(&root),
    );
    for agent in [&first, &second, &first] {
        agent.reports().await;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("backup").display().to_string();
    collector.cli(&["backup", "--output", &file, "--with-keys"]).await.out();
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    root.append("etc/passwd", "extra:x:2001:2001::/:/usr/sbin/nologin\n");
    for agent in [&first, &second, &first] {
        agent.reports().await;
    }
    let former = first.chain()["checkpoint"].clone();
    collector.stop().await;
    std::fs::remove_dir_all(collector.data()).expect("the directory is lost");
    let said = collector.cli(&["restore", &file]).await.out();
    assert!(said.contains("the log holds"), "{said}");
    collector.restart().await;

    // The host gives again what was forgotten, and believes nothing that does not continue its log.
    for _ in 0..2 {
        let report = first.report().await;
        assert_eq!(report.code, Some(1));
        assert!(report.stderr.contains("log heal"), "{}", report.stderr);
    }
    assert_eq!(first.waiting().len(), 2, "it goes on keeping check-ins");
    assert_eq!(first.chain()["checkpoint"], former, "and what it knows of the log");
    let status = first.command("status", &[]).await.out();
    assert!(status.contains("needs a person") && status.contains("does not continue"), "{status}");
    // The collector knows it too: at once, and again whenever it is audited.
    let alerts = collector.api().items("/api/v1/alerts").await;
    let alert = alerts.iter().find(|alert| alert["drift"] == "integrity_anomaly");
    assert_eq!(alert.expect("an alert")["lane"], "page");
    let (code, found) = audit(&collector).await;
    assert_eq!(code, Some(4), "{found}");
    let one = &found["disagreements"][0];
    assert_eq!((&one["witness"]["host"], &one["explained"]), (&json!(first.host()), &json!(false)));

    let healed = collector.cli(&["log", "heal", "--reason", "disk lost, backup of Monday"]).await;
    let healed = healed.out();
    assert!(healed.starts_with("Leaf "), "{healed}");
    for agent in [&first, &second] {
        agent.reports().await;
        assert_eq!(agent.waiting(), Vec::<String>::new());
        let chain = agent.chain();
        assert_eq!(chain["accepted"], chain["prev"]);
        assert_eq!(chain.get("resumes"), None, "its chain goes on");
        let status = agent.command("status", &[]).await.out();
        assert!(status.contains("disk lost, backup of Monday"), "{status}");
        // The next one says what it gave up.
        agent.reports().await;
    }
    let (code, found) = audit(&collector).await;
    assert_eq!(code, Some(0), "{found}");
    let stated = &found["breaks"][0];
    assert_eq!((&stated["accepted"], &stated["gaps"]), (&json!(2), &json!([])), "{stated}");
    assert_eq!(stated["refilled"], 3, "what each host had reported after the backup: {stated}");
    assert!(stated["former"].as_u64() >= former["size"].as_u64(), "{stated}");
    collector.verified_log().await;
    let again = collector.cli(&["log", "heal", "--reason", "once more"]).await;
    assert!(again.code == Some(1) && again.stderr.contains("nothing to heal"), "{}", again.stderr);
}

/// `evidenced-collector COMMAND … --data DIR`.
async fn command(directory: &Path, args: &[&str]) -> Ended {
    let mut command = program("evidenced-collector");
    command.args(args).arg("--data").arg(directory);
    Ended::of(command).await
}

/// Rows of every table, in an order of their own.
async fn rows(url: &str) -> Vec<String> {
    let store = EvidenceStore::open(url).await.expect("the store");
    let mut dump = store.dump().await.expect("a dump");
    let mut all = vec![];
    for shape in dump.shapes().await.expect("tables") {
        let table = shape.table.clone();
        let each = |page: Vec<Vec<Value>>| {
            all.extend(page.into_iter().map(|row| format!("{table} {}", json!(row))));
            Ok(())
        };
        dump.rows(&shape, each).await.expect("rows");
    }
    drop(dump);
    store.close().await;
    all.sort();
    all
}

#[tokio::test]
async fn a_backup_moves_between_backends_while_check_ins_go_on_and_nothing_of_it_is_lost() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    results(&collector.api(), &agent.host()).await;
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let path = |name: &str| at(name).display().to_string();
    // A report comes in while it is made.
    let backup = ["backup", "--output", &path("one"), "--with-keys"];
    let (made, reported) = tokio::join!(collector.cli(&backup), agent.report());
    made.out();
    reported.out();

    let database = tokio::task::spawn_blocking(postgres::database).await.expect("a database");
    command(&at("pg"), &["restore", &path("one"), "--store", &database]).await.out();
    command(&at("pg"), &["log", "verify"]).await.out();
    assert!(at("pg").join("keys/log.key").is_file());
    let refused = command(&at("again"), &["restore", &path("one"), "--store", &database]).await;
    assert!(refused.stderr.contains("holds something already"), "{}", refused.stderr);
    command(&at("pg"), &["backup", "--output", &path("two")]).await.out();
    let in_postgres = rows(&database).await;

    // Back again, without keys in the file.
    let keys = at("pg").join("keys").display().to_string();
    command(&at("lite"), &["restore", &path("two"), "--keys", &keys]).await.out();
    let in_sqlite = rows(&format!("sqlite:{}", at("lite").join("evidence.db").display())).await;
    let of = |table: &str, rows: &[String]| {
        rows.iter().filter(|row| row.starts_with(table)).cloned().collect::<Vec<_>>()
    };
    for table in
        ["check_in ", "object ", "chain ", "host ", "result_span ", "trust_key ", "setting "]
    {
        assert_eq!(of(table, &in_sqlite), of(table, &in_postgres), "{table}");
        assert_ne!(of(table, &in_sqlite), Vec::<String>::new(), "{table}");
    }
    // Each restoring is an act of its own.
    assert_eq!(of("act ", &in_sqlite).len(), of("act ", &in_postgres).len() + 1);
    let said = command(&at("lite"), &["log", "keys"]).await.out();
    assert_eq!(said, collector.cli(&["log", "keys"]).await.out());

    // A file that was cut or changed restores nothing.
    let bytes = std::fs::read(at("one")).expect("the file");
    for (name, damaged) in [("cut", &bytes[..bytes.len() / 2]), ("empty", &[]), ("none", b"hello")]
    {
        std::fs::write(at(name), damaged).expect("written");
        let dir = at(&format!("of-{name}"));
        let ended = command(&dir, &["restore", &path(name)]).await;
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.stdout);
        assert!(!dir.join("collector.toml").exists(), "{name}");
    }
}
