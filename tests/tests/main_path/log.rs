//! The log as others see it: audited by a program that is not ours, proven leaf by leaf, given away.

use evidenced_collector::store::{Act, Store as EvidenceStore};
use evidenced_tests::{Agent, Collector, Receiver, Root, Store, Tsa, audit_log, holds, until};
use serde_json::{Value, json};
use std::process::Command;

/// Acts enough for full tiles, without hundreds of commands.
async fn fill(collector: &Collector, leaves: u64) {
    let store = EvidenceStore::open(&collector.store_url()).await.expect("the store");
    for n in 0..leaves {
        let (actor, act) = ("operator".to_owned(), "noted".to_owned());
        store
            .log_act(&Act { at_us: 1, actor, act, detail: json!({"n": n}) })
            .await
            .expect("logged");
    }
    store.close().await;
}

#[tokio::test]
async fn the_whole_log_is_audited_by_somebody_elses_program_and_each_leaf_is_proven() {
    let collector = Collector::configured(Store::Sqlite, "[people]\nopen_log = true\n").await;
    let vkey = collector.cli(&["log", "keys"]).await.out();
    let seen = audit_log(collector.people, &vkey).await;
    assert_eq!(
        (&seen["bundles"], &seen["size"]),
        (&json!(1), &json!(collector.api().log_size().await))
    );
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    fill(&collector, 600).await;
    agent.reports().await;
    let seen = audit_log(collector.people, &vkey).await;
    // Two full tiles of leaves and a part, a part of the level above.
    assert_eq!((&seen["tiles"], &seen["bundles"]), (&json!(4), &json!(3)), "{seen}");
    assert_eq!(seen["proved"], 6);

    // The same proof as a file, for which no collector is needed.
    let id = agent.chain()["accepted"].as_str().expect("a check-in").to_owned();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("it.tlog-proof").display().to_string();
    collector.cli(&["log", "proof", "--check-in", &id, "--output", &file]).await.out();
    let verify = async |file: &str, vkey: &str| {
        let mut command = evidenced_tests::program("evidenced-collector");
        command.args(["log", "verify-proof", file, "--key", vkey]);
        evidenced_tests::Ended::of(command).await
    };
    let said = verify(&file, &vkey).await.out();
    assert!(said.contains(&id) && said.contains(&agent.host()), "{said}");
    let text = std::fs::read_to_string(&file).expect("the proof");
    let other = format!("{file}.changed");
    std::fs::write(&other, text.replacen("index ", "index 1", 1)).expect("written");
    assert_eq!(verify(&other, &vkey).await.code, Some(4));
    let stranger = "log.example.org+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(verify(&file, stranger).await.code, Some(2), "no key at all");
}

#[tokio::test]
async fn the_log_is_for_those_who_may_read_it_unless_it_is_open() {
    let collector = Collector::start(Store::Sqlite).await;
    let paths = [
        "/log/checkpoint",
        "/log/tile/0/000.p/1",
        "/log/tile/entries/000.p/1",
        "/log/proof/0.tlog-proof",
    ];
    let token = collector.cli(&["api-token", "create", "--seat", "log-reader"]).await.out();
    let reader = collector.stranger().with_token(&token);
    for path in paths {
        assert_eq!(collector.stranger().get(path).await.status, 401, "{path}");
        assert_eq!(reader.get(path).await.status, 200, "{path}");
        assert_eq!(collector.api().get(path).await.status, 200, "{path}");
    }
    // Its token is for the log alone.
    assert_eq!(reader.get("/api/v1/hosts").await.status, 403);
    for path in [
        "/log/tile/0/000",
        "/log/tile/0/001.p/1",
        "/log/tile/1/000.p/1",
        "/log/tile/0/0",
        "/log/proof/999.tlog-proof",
        "/log/proof/0",
    ] {
        assert_eq!(reader.get(path).await.status, 404, "{path}");
    }
    let checkpoint = reader.get("/log/checkpoint").await;
    assert_eq!(checkpoint.content_type, "text/plain; charset=utf-8");
}

#[tokio::test]
async fn checkpoints_are_stamped_and_given_away_until_they_arrived() {
    let (tsa, receiver) = (Tsa::start(), Receiver::start());
    tsa.breaks(true);
    let directory = tempfile::tempdir().expect("a directory");
    let kept = directory.path().join("kept");
    let config = format!(
        "[anchor]\nevery = \"1s\"\ntsa_url = \"{}\"\ndirectory = \"{}\"\nwebhooks = [\"out\"]\n{}",
        tsa.url(),
        kept.display(),
        receiver.section("out")
    );
    let mut collector = Collector::configured(Store::Sqlite, &config).await;
    let anchors = async || {
        let lines = collector.cli(&["log", "anchors", "--format", "json"]).await.out();
        let read = |line: &str| serde_json::from_str::<Value>(line).expect("a row");
        lines.lines().map(read).collect::<Vec<_>>()
    };
    until("an attempt that failed", async || {
        let rows = anchors().await;
        rows.iter().any(|row| row["sort"] == "tsa" && row["error"].is_string()).then_some(())
    })
    .await;
    tsa.breaks(false);
    holds("a checkpoint in every place", async || {
        let rows = anchors().await;
        let done =
            |sort: &str| rows.iter().any(|row| row["sort"] == sort && row["done_us"].is_i64());
        done("tsa") && done("directory") && done("webhook")
    })
    .await;
    let told = receiver.requests();
    let event =
        told.iter().map(|one| &one["event"]).find(|e| e["type"] == "evidenced.log.checkpoint");
    assert!(event.is_some_and(|event| event["data"]["note"].is_string()), "{told:?}");

    // What came back stands before the eyes of openssl.
    let out = directory.path().join("out");
    let out_arg = out.display().to_string();
    collector.cli(&["log", "anchors", "--export", &out_arg]).await.out();
    let entries = std::fs::read_dir(&out).expect("exported");
    let mut paths = entries.map(|entry| entry.expect("entry").path());
    let stamp = paths.find(|path| path.extension().is_some_and(|e| e == "tsr"));
    let stamp = stamp.expect("a stamp");
    let verifies = |data: &std::path::Path| {
        let mut command = Command::new("openssl");
        command.args(["ts", "-verify", "-data"]).arg(data).arg("-in").arg(&stamp);
        command.arg("-CAfile").arg(tsa.root());
        command.output().expect("openssl").status.success()
    };
    let note = stamp.with_extension("txt");
    assert!(verifies(&note));
    std::fs::write(out.join("changed"), "another\n").expect("written");
    assert!(!verifies(&out.join("changed")));

    // Checkpoints that others keep are compared with the log.
    let kept = kept.display().to_string();
    let note = note.display().to_string();
    let audit = collector.cli(&["log", "audit", "--format", "json", &kept, &note]).await.json();
    assert_eq!((&audit["unexplained"], &audit["unreadable"]), (&json!(0), &json!([])), "{audit}");
    assert!(audit["heads"].as_u64() >= Some(1), "{audit}");
    collector.verified_log().await;
    collector.stop().await;
}
