//! Any moment over the API and on the command line: what is known of it, and what is refused.

use crate::view::results;
use evidenced_tests::{Agent, Collector, Root, Store, holds};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What ocsf-json-schema says of events; it is not ours.
fn validated(events: &str) -> Result<String, String> {
    let home = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/ocsf");
    assert!(Path::new(home).is_dir(), "{home} is missing; run tests/install");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ocsf.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(home).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("python3");
    let mut input = process.stdin.take().expect("stdin");
    input.write_all(events.as_bytes()).expect("events");
    drop(input);
    let output = process.wait_with_output().expect("python3 ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(said) } else { Err(said) }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

/// A moment as an address has it.
fn written(us: i64) -> String {
    evidenced_collector::moment::written(us)
}

#[tokio::test]
async fn the_past_is_asked_for_read_out_and_never_mixed_with_the_present() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let (api, host) = (collector.api(), agent.host());
    results(&api, &host).await;
    let one = api.document(&format!("/api/v1/hosts/{host}")).await;
    let first_us = one["last_received_us"].as_i64().expect("received");
    for (name, kind) in one["kinds"].as_object().expect("kinds") {
        for time in ["observed_us", "received_us", "valid_until_us"] {
            assert!(kind[time].is_i64(), "{name} {time}: {kind}");
        }
    }
    let at = written(first_us + 1);
    root.append("etc/passwd", "toor:x:0:0:Toor:/root:/bin/bash\n");
    root.append("etc/shadow", "toor:$y$j9T$invented$invented:20100:0:99999:7:::\n");
    agent.reports().await;
    let rule = "acc-uid0-only-root";
    let outcome = async |query: &str| {
        let path = format!("/api/v1/results?host={host}&rule={rule}{query}");
        let items = api.items(&path).await;
        items.first().map(|item| item["outcome"].as_str().unwrap_or_default().to_owned())
    };
    holds("the failure", async || outcome("").await.as_deref() == Some("fail")).await;
    assert_eq!(outcome(&format!("&at={at}")).await.as_deref(), Some("pass"));
    assert_eq!(outcome(&format!("&at={at}&known={at}")).await.as_deref(), Some("pass"));
    assert_eq!(outcome("&at=2001-01-01").await, None, "nothing was known of it");
    // Explained by the facts of then.
    let path = format!("/api/v1/hosts/{host}/results/{rule}");
    let then = api.document(&format!("{path}?at={at}")).await;
    assert_eq!((&then["explanation"]["outcome"], &then["agrees"]), (&"pass".into(), &true.into()));
    assert_eq!(api.document(&path).await["explanation"]["outcome"], "fail");
    let control = async |query: &str| {
        let items = api.items(&format!("/api/v1/controls{query}")).await;
        items.into_iter().find(|item| item["id"] == "A.8.2").expect("a control")
    };
    let (now, then) = (control("").await, control(&format!("?at={at}")).await);
    assert!(now["fail"].as_u64() > then["fail"].as_u64(), "{now} {then}");

    // What is no moment is refused with the form of one, and so is what knows only the present.
    for query in ["at=yesterday", "at=2999-01-01", "known=999999", "at=2026-01-01&at=2026-01-02"] {
        let answer = api.get(&format!("/api/v1/hosts?{query}")).await;
        assert_eq!((answer.status, &*answer.content_type), (400, "application/problem+json"));
        assert!(answer.json()["detail"].is_string(), "{query}: {}", answer.body);
    }
    let present = api.get(&format!("/api/v1/deliveries?at={at}")).await;
    assert_eq!(present.status, 400, "{}", present.body);
    assert!(present.body.contains("the present only"), "{}", present.body);

    let gaps = api.document(&format!("/api/v1/hosts/{host}/gaps?from=2001-01-01")).await;
    let items = gaps["items"].as_array().expect("items");
    assert_eq!((&items[0]["why"], &items[0]["kind"]), (&"not_enrolled".into(), &Value::Null));
    let of_host = items[1..].iter().filter(|gap| gap["kind"].is_null());
    let why: Vec<&Value> = of_host.map(|gap| &gap["why"]).collect();
    assert_eq!(why, ["not_yet"], "it was heard from its first check-in on");
    assert!(gaps["covered_us"].as_i64() > Some(0), "{gaps}");
    let coverage = api.document("/api/v1/coverage?from=2001-01-01").await;
    assert_eq!(coverage["items"][0]["hosts"], 1, "{coverage}");
    let period = api.document("/api/v1/controls/A.8.2/period?from=2001-01-01").await;
    assert!(period["coverage"]["expected_us"].as_i64() > Some(0), "{period}");

    exports(&collector, &host, &at).await;
}

async fn exports(collector: &Collector, host: &str, at: &str) {
    let api = collector.api();
    let whole = api.get("/api/v1/export/results?format=jsonl").await;
    assert_eq!(whole.content_type, "application/jsonl; charset=utf-8");
    let records = lines(&whole.body);
    assert!(records.iter().any(|row| row["outcome"] == "fail") && records.len() > 20);
    let cursor = records[10]["cursor"].as_str().expect("a cursor");
    let rest = api.get(&format!("/api/v1/export/results?cursor={cursor}")).await;
    assert_eq!(lines(&rest.body), records[11..]);
    for what in ["results", "drifts"] {
        let events = api.get(&format!("/api/v1/export/{what}?format=ocsf")).await.body;
        validated(&events).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        // A near miss: an event with a status that there is none of.
        let bad = events.replace("\"class_uid\":2003", "\"class_uid\":2004");
        assert!(validated(&bad).is_err(), "{what}");
    }
    for (query, says) in [
        ("hosts?format=ocsf", "OCSF is for results and drifts"),
        ("results?format=xml", "jsonl, csv, ocsf"),
        ("nothing", "results, drifts, hosts, evidence"),
        ("results?cursor=x", "cursor"),
        ("results?from=2026-02-01&to=2026-01-01", "before"),
    ] {
        let answer = api.get(&format!("/api/v1/export/{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.body.contains(says), "{query}: {}", answer.body);
    }
    // The command line says the same, and the past too.
    let export = async |args: &[&str]| collector.cli(&[&["export"], args].concat()).await.out();
    let hosts = export(&["--what", "hosts", "--format", "csv"]).await;
    assert!(hosts.starts_with("host,host_name,") && hosts.contains(host), "{hosts}");
    let then = lines(&export(&["--what", "results", "--at", at]).await);
    let failed = |row: &Value| row["rule"] == "acc-uid0-only-root" && row["outcome"] == "fail";
    assert!(!then.is_empty() && !then.iter().any(failed));
    let evidence = export(&["--what", "evidence", "--from", "2001-01-01"]).await;
    let accounts = |row: &&Value| row["kind"] == "accounts";
    assert_eq!(lines(&evidence).iter().filter(accounts).count(), 2, "both states of it");
    let plan = collector.cli(&["retention", "plan"]).await.out();
    assert!(plan.contains("0 bodies are old enough"), "{plan}");
    let hold = ["retention", "hold", "--scope", "organisation", "--reason", "a claim"];
    let id = collector.cli(&hold).await.out();
    let holds = collector.cli(&["retention", "holds", "--format", "json"]).await.json();
    assert_eq!(holds["id"], id.trim());
    collector.verified_log().await;
}
