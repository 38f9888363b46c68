//! What an organisation lays over the rules, activated while the collector serves.

use crate::view::{drifts, outcomes, results, text};
use evidenced_tests::{Agent, Collector, Root, Store, holds};
use serde_json::Value;

const OFF: &str = r#"
[[control]]
id = "X.1"
title = "Accounts are counted"
theme = "technological"

[[off]]
rule = "acc-uid0-only-root"
reason = "A break-glass account; risk R-1."

[[param]]
rule = "upd-os-supported"
name = "tier"
value = "extended"
policy_ref = "POL-9"

[[rule]]
id = "own-root-only"
title = "There is nobody but root"
controls = ["X.1"]
severity = "low"
evidence = ["accounts"]
offenders = "accounts.users.filter(u, !(u.name in p.known)).map(u, u.name)"
params = { known = ["root"] }
rationale = "r"
remediation = "m"
profile = "essential"

[[rule.example]]
name = "root"
expect = "pass"
facts.accounts = { users = [{ name = "root", uid = 0 }] }

[[rule.example]]
name = "another"
expect = "fail"
facts.accounts = { users = [{ name = "root", uid = 0 }, { name = "ada", uid = 1 }] }
"#;

fn overlay(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("own.toml"), text).expect("written");
    directory
}

fn name(directory: &tempfile::TempDir) -> &str {
    directory.path().to_str().expect("a path")
}

async fn an_overlay_judges_without_a_restart_and_shows_what_it_says(store: Store) {
    let collector = Collector::start(store).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let (api, host) = (collector.api(), agent.host());
    assert_eq!(outcomes(&api, &host).await["acc-uid0-only-root"], "pass");
    assert_eq!(outcomes(&api, &host).await.get("own-root-only"), None);

    let laid = overlay(OFF);
    let diff = collector.cli(&["rules", "diff", name(&laid), "--format", "json"]).await.out();
    let lines: Vec<Value> = diff.lines().map(|line| line.parse().expect("JSON")).collect();
    let change = |rule: &str| {
        lines.iter().find(|line| line["rule"] == rule).map(|line| text(&line["change"]))
    };
    assert_eq!(change("acc-uid0-only-root").as_deref(), Some("switched_off"));
    assert_eq!(change("upd-os-supported").as_deref(), Some("parameters"));
    assert_eq!(change("own-root-only").as_deref(), Some("added"));
    let moves = |rule: &str| {
        let moved = lines.iter().find(|line| line["rule"] == rule && line["moves"].is_string());
        moved.map(|line| text(&line["moves"]))
    };
    assert_eq!(moves("acc-uid0-only-root").as_deref(), Some("pass → not judged"));
    assert_eq!(moves("own-root-only").as_deref(), Some("not judged → fail"));
    assert_eq!(outcomes(&api, &host).await["acc-uid0-only-root"], "pass", "nothing is active yet");

    let activate = ["rules", "activate", name(&laid), "--actor", "lead"];
    let said = collector.cli(&activate).await;
    assert!(said.stderr.contains("Version 1 of the overlay is active"), "{}", said.stderr);
    holds("the overlay judges", async || {
        let outcomes = outcomes(&api, &host).await;
        outcomes.contains_key("own-root-only") && !outcomes.contains_key("acc-uid0-only-root")
    })
    .await;
    assert_eq!(outcomes(&api, &host).await["own-root-only"], "fail");
    assert!(drifts(&api, &host, "open", "regression").await.is_empty(), "no drift of the host");

    let state = api.document("/api/v1/rules/overlay").await;
    assert_eq!(state["active"]["version"], 1);
    // Whoever is on the collector's machine may say any name: the act says both.
    let actor = text(&state["versions"][0]["actor"]);
    assert!(actor.starts_with("cli:") && actor.ends_with(" as lead"), "{actor}");
    let off = api.items("/api/v1/rules/off").await;
    assert_eq!(
        (text(&off[0]["rule"]), text(&off[0]["reason"])),
        ("acc-uid0-only-root".into(), "A break-glass account; risk R-1.".into())
    );
    let controls = api.items("/api/v1/controls").await;
    assert!(controls.iter().any(|control| control["id"] == "X.1" && control["fail"] == 1));
    let explained = api.document(&format!("/api/v1/hosts/{host}/results/upd-os-supported")).await;
    let param = &explained["explanation"]["params"][0];
    assert_eq!(
        (text(&param["value"]), text(&param["policy_ref"])),
        ("extended".into(), "POL-9".into())
    );
    assert_eq!(explained["agrees"], true, "{explained}");
    let off = api.document(&format!("/api/v1/hosts/{host}/results/acc-uid0-only-root")).await;
    assert_eq!(text(&off["switched_off"]["reason"]), "A break-glass account; risk R-1.");

    // A list that cannot be read stops nothing and changes nothing.
    let broken = overlay("[[off]]\nrule = \"acc-uid0-only-roo\"\nreason = \"r\"\n");
    for verb in ["test", "diff", "activate"] {
        let refused = collector.cli(&["rules", verb, name(&broken)]).await;
        assert_eq!(refused.code, Some(3), "{verb}: {}", refused.stderr);
        let place = "overlay/own.toml:2:8: unknown rule `acc-uid0-only-roo`; did you mean `acc-uid0-only-root`?";
        assert!(refused.stderr.contains(place), "{verb}: {}", refused.stderr);
    }
    let none = collector.cli(&["rules", "activate", "--none"]).await;
    assert!(none.stderr.contains("Version 2"), "{}", none.stderr);
    holds("the product's rules judge again", async || {
        outcomes(&api, &host)
            .await
            .get("acc-uid0-only-root")
            .is_some_and(|outcome| outcome == "pass")
    })
    .await;
    assert!(!outcomes(&api, &host).await.contains_key("own-root-only"));
    collector.verified_log().await;
}

#[tokio::test]
async fn an_overlay_judges_without_a_restart_on_sqlite() {
    an_overlay_judges_without_a_restart_and_shows_what_it_says(Store::Sqlite).await;
}

#[tokio::test]
async fn an_overlay_judges_without_a_restart_on_postgres() {
    an_overlay_judges_without_a_restart_and_shows_what_it_says(Store::Postgres).await;
}

#[tokio::test]
async fn new_rules_are_tried_on_stored_history() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let (api, host) = (collector.api(), agent.host());
    results(&api, &host).await;
    root.append("etc/passwd", "eve:x:4711:4711::/home/eve:/bin/sh\n");
    agent.reports().await;
    holds("the second state is there", async || {
        let kind = api.document(&format!("/api/v1/hosts/{host}/kinds/accounts")).await;
        kind["facts"].to_string().contains("eve")
    })
    .await;
    let laid = overlay(OFF);
    let before = api.log_size().await;
    let ended = collector
        .cli(&[
            "rules",
            "backtest",
            name(&laid),
            "--from",
            "2020-01-01T00:00:00Z",
            "--format",
            "json",
        ])
        .await;
    let lines: Vec<Value> = ended.out().lines().map(|line| line.parse().expect("JSON")).collect();
    let own: Vec<_> = lines.iter().filter(|line| line["rule"] == "own-root-only").collect();
    assert_eq!(own.len(), 2, "one before and one since: {lines:#?}");
    let named = |line: &Value| line["offenders"].to_string().contains("eve");
    assert!(!named(own[0]) && named(own[1]), "{own:#?}");
    assert_eq!(own[0]["to_us"], own[1]["from_us"]);
    assert!(own.iter().all(|line| line["outcome"] == "fail" && line["was"].is_null()));
    assert!(!lines.iter().any(|line| line["rule"] == "acc-uid0-only-root"), "it is switched off");
    assert_eq!(api.log_size().await, before, "nothing was written");
    assert!(!results(&api, &host).await.iter().any(|result| result["rule"] == "own-root-only"));
}

#[tokio::test]
async fn rules_are_listed_with_what_is_said_of_them() {
    let collector = Collector::start(Store::Sqlite).await;
    let listed = collector.cli(&["rules", "list", "--format", "json"]).await.json();
    let rules = listed["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), 44);
    assert!(listed["overlay"].is_null() && listed["off"] == Value::Array(vec![]));
    let laid = overlay(OFF);
    collector.cli(&["rules", "activate", name(&laid)]).await.out();
    let table = collector.cli(&["rules", "list"]).await.out();
    assert!(table.contains("tier = \"extended\" (POL-9)"), "{table}");
    assert!(table.contains("(vendor default, not adopted)"), "{table}");
    assert!(table.contains("(own rule, no policy named)"), "{table}");
    assert!(table.contains("acc-uid0-only-root for all hosts: A break-glass"), "{table}");
    let versions = collector.cli(&["rules", "list", "--versions"]).await.out();
    assert!(versions.contains("cli:"), "{versions}");
    let tested = collector.cli(&["rules", "test", name(&laid), "--format", "json"]).await.json();
    assert_eq!((&tested["rules"], &tested["examples"]), (&1.into(), &2.into()));
    let bad = overlay(&OFF.replace("name = \"ada\"", "name = \"root\""));
    let refused = collector.cli(&["rules", "test", name(&bad)]).await;
    assert_eq!(refused.code, Some(3));
    assert!(
        refused.stderr.contains("example `another` expects fail, gives pass"),
        "{}",
        refused.stderr
    );
    let nowhere = collector.cli(&["rules", "test", "no-such-directory"]).await;
    assert_eq!(nowhere.code, Some(1));
}
