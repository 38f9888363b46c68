//! Kinds that an organisation declares, and the rules it writes over them.

use crate::view::{results, text};
use evidenced_tests::{Agent, Collector, Ended, Root, Store, holds, program};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const KIND: &str = r#"
kind = "own_restic"
v = 1
title = "Backup by restic"
schedule = "20 * * * *"
file = "/var/lib/restic/last.json"
format = "json"

[[field]]
name = "kept_days"
type = "integer"
from = "policy.kept_days"
about = "How long copies are kept, in days."
"#;

const RULE: &str = r#"
[[rule]]
id = "own-backup-kept"
title = "Copies are kept for ninety days"
controls = ["A.8.13"]
severity = "high"
evidence = ["own_restic"]
passes = "own_restic.kept_days >= p.days"
params = { days = 90 }
rationale = "What is found late is still there."
remediation = "Set the policy of restic."
profile = "essential"

[[rule.example]]
name = "long enough"
expect = "pass"
facts.own_restic = { kept_days = 90 }

[[rule.example]]
name = "too short"
expect = "fail"
facts.own_restic = { kept_days = 89 }
"#;

/// A directory with the kind and the rule, which only its owner may write to.
fn declared() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    put(directory.path(), "own_restic.toml", KIND);
    put(directory.path(), "backup.toml", RULE);
    directory
}

fn put(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
}

fn outcome(results: &[Value]) -> (String, String) {
    let own = results.iter().find(|result| result["rule"] == "own-backup-kept").expect("a result");
    (text(&own["outcome"]), own["reason"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_declared_kind_is_gathered_shipped_and_judged_by_a_rule_of_ones_own() {
    let declared = declared();
    let collector = Collector::configured(
        Store::Sqlite,
        &format!("[rules]\nprofiles = [\"essential\"]\ndirectory = {:?}\n", declared.path()),
    )
    .await;
    let root = Root::debian();
    let own = format!("[own]\ndirectory = {:?}\n", declared.path());
    let agent = Agent::enrolled(&collector).await.root(&root).configured(&own);

    agent.reports().await;
    let (api, host) = (collector.api(), agent.host());
    let seen = outcome(&results(&api, &host).await);
    assert_eq!(seen, ("unknown".to_owned(), "absent".to_owned()), "no file, no pass");

    for (days, expected) in [("90", "pass"), ("30", "fail"), ("\"many\"", "unknown")] {
        let text = format!("{{\"policy\": {{\"kept_days\": {days}}}}}\n");
        root.write("var/lib/restic/last.json", &text);
        agent.reports().await;
        holds(&format!("{days} is {expected}"), async || {
            outcome(&results(&api, &host).await).0 == expected
        })
        .await;
    }
}

#[tokio::test]
async fn the_same_directory_serves_collect_and_assess_without_a_collector() {
    let declared = declared();
    let root = Root::debian();
    root.write("var/lib/restic/last.json", "{\"policy\": {\"kept_days\": 7}}\n");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let config = elsewhere.path().join("agent.toml");
    std::fs::write(&config, format!("[own]\ndirectory = {:?}\n", declared.path()))
        .expect("written");
    let mut collect = program("evidenced-agent");
    collect.args(["collect", "--format", "json", "--kind", "own_restic", "--root"]);
    collect.arg(root.path()).arg("--config").arg(&config);
    let collected = Ended::of(collect).await;
    let file = elsewhere.path().join("collected.json");
    std::fs::write(&file, collected.out()).expect("written");
    let mut assess = program("evidenced-collector");
    assess.arg("assess").arg(&file).args(["--format", "json", "--rules"]).arg(declared.path());
    let assessed = Ended::of(assess).await;
    let line = assessed.stdout.lines().find(|line| line.contains("own-backup-kept"));
    let line: Value = serde_json::from_str(line.expect("a result")).expect("JSON");
    assert_eq!(line["outcome"], "fail");
}
