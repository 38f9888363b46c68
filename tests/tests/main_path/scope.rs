//! What people say of scope: management systems, statements, tolerances, lists over the API.

use crate::view::results;
use evidenced_tests::{Agent, Collector, Root, Store};
use serde_json::{Value, json};

/// The item of a list with this id.
fn of<'a>(items: &'a [Value], id: &str) -> &'a Value {
    items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("no {id}: {items:?}"))
}

#[tokio::test]
async fn a_part_of_the_organisation_has_its_own_states_and_its_own_word() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    root.append("etc/passwd", "toor:x:0:0:Toor:/root:/bin/bash\n");
    root.append("etc/shadow", "toor:$y$j9T$invented$invented:20100:0:99999:7:::\n");
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let api = collector.api();
    results(&api, &agent.host()).await;
    let id = collector
        .cli(&["isms", "create", "Hosting", "--legal-entity", "Example AG", "--statement", "All."])
        .await
        .out();
    let id = id.trim();
    let control = "A.8.2";
    let scoped = async |scope: &str| {
        let items = api.items(&format!("/api/v1/controls?scope={scope}")).await;
        of(&items, control).clone()
    };
    let whole = scoped("organisation").await;
    assert!(whole["fail"].as_u64() > Some(0), "{whole}");
    assert_eq!(scoped(&format!("isms:{id}")).await["state"], "none", "no group is in it");
    let operator = collector.cli(&["api-token", "create", "--seat", "operator"]).await.out();
    let writer = collector.api().with_token(operator.trim());
    let said = writer
        .post(&format!("/api/v1/isms/{id}/groups"), &json!({"group": "default", "belongs": true}))
        .await;
    assert_eq!(said.status, 204, "{}", said.body);
    let hosting = scoped(&format!("isms:{id}")).await;
    assert_eq!((&hosting["fail"], &hosting["hosts"]), (&whole["fail"], &1.into()));
    assert_eq!(scoped("group:elsewhere").await["state"], "none");
    assert_eq!(api.get("/api/v1/controls?scope=x").await.status, 400);
    assert_eq!(api.get("/api/v1/controls?scope=isms:x").await.status, 404);

    // A failure of a minute is within its limit; one host is more than none.
    assert_ne!(hosting["state"], "deviating");
    let tolerate = [
        "controls",
        "tolerate",
        control,
        "--isms",
        "Hosting",
        "--hosts",
        "0",
        "--owner",
        "platform",
        "--reason",
        "no excuse",
    ];
    collector.cli(&tolerate).await.out();
    let hosting = scoped(&format!("isms:{id}")).await;
    assert_eq!(
        (&hosting["state"], &hosting["tolerance_exceeded"]),
        (&"deviating".into(), &true.into())
    );
    assert_ne!(
        scoped("organisation").await["state"],
        "deviating",
        "it is a word for that ISMS only"
    );
    let period = format!("/api/v1/controls/{control}/period?from_us=1&scope=isms:{id}");
    let period = api.document(&period).await;
    let states = period["states_us"].as_object().expect("states");
    let sum: i64 = states.values().filter_map(Value::as_i64).sum();
    assert_eq!(Some(sum), period["to_us"].as_i64().map(|to| to - 1), "they add up: {period}");
    assert!(period["open"].as_u64() > Some(0), "{period}");
    collector.verified_log().await;
}

#[tokio::test]
async fn a_statement_is_written_by_programs_and_approved_by_none() {
    let collector = Collector::start(Store::Sqlite).await;
    let id = collector
        .cli(&["isms", "create", "Hosting", "--legal-entity", "Example AG", "--statement", "All."])
        .await
        .out();
    let base = format!("/api/v1/isms/{}/applicability", id.trim());
    let viewer = collector.api();
    let operator = collector.cli(&["api-token", "create", "--seat", "operator"]).await.out();
    let writer = collector.api().with_token(operator.trim());
    let empty = viewer.get(&format!("{base}.csv")).await;
    assert_eq!(empty.content_type, "text/csv; charset=utf-8");
    assert_eq!(empty.body.lines().count(), 94);

    // Every control applies, but for one whose reason looks like a formula.
    let mut lines = "control,applicable,grounds,justification,implementation\n".to_owned();
    for line in empty.body.lines().skip(1) {
        let control = line.split(',').next().expect("a control").trim_matches('"');
        lines += &match control {
            "A.7.1" => format!("{control},no,,'=no offices,\n"),
            _ => format!("{control},yes,risk,,implemented\n"),
        };
    }
    let bad = lines.replace("A.5.1,yes,risk", "A.5.1,yes,fear");
    let answer = writer.post_text(&format!("{base}.csv?dry_run=true"), &bad).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (422, "application/problem+json"));
    assert_eq!(answer.json()["bad"][0]["line"], 2);
    assert!(answer.json()["bad"][0]["remedy"].as_str().is_some_and(|text| text.contains("legal")));
    let size = viewer.log_size().await;
    let dry = writer.post_text(&format!("{base}.csv?dry_run=true"), &lines).await;
    assert_eq!(dry.json()["controls"], 93);
    assert_eq!(viewer.log_size().await, size, "nothing was written");
    assert_eq!(viewer.post_text(&format!("{base}.csv"), &lines).await.status, 403);
    let done = writer.post_text(&format!("{base}.csv"), &lines).await;
    assert_eq!(done.json()["changed"], 93, "{}", done.body);
    let written = viewer.get(&format!("{base}.csv")).await.body;
    assert!(written.contains("\"'=no offices\""), "{written}");
    let again = writer.post_text(&format!("{base}.csv"), &written).await;
    assert_eq!(again.json()["changed"], 0, "what is written is read back the same");

    let submitted = writer.post(&format!("{base}/submit"), &json!({})).await.json();
    let seen = json!({"version": 1, "submitted_us": submitted["submitted_us"]});
    let other = collector.cli(&["api-token", "create", "--seat", "operator"]).await.out();
    for token in [operator.trim(), other.trim()] {
        let refused = collector.api().with_token(token);
        let refused = refused.post(&format!("{base}/approve"), &seen).await;
        assert_eq!(refused.status, 403, "two tokens are no two people: {}", refused.body);
    }
    let approve =
        ["isms", "applicability", "approve", "Hosting", "--version", "1", "--actor", "head of IT"];
    collector.cli(&approve).await.out();
    let statement = viewer.document(&base).await;
    assert_eq!(statement["version"]["state"], "approved");
    assert_eq!(statement["sum"]["implemented"], 92);
    // The evidence state stands beside it and is not written by it.
    let entry = statement["items"]
        .as_array()
        .and_then(|items| items.iter().find(|e| e["control"] == "A.8.2"));
    let entry = entry.expect("an entry");
    assert_eq!(
        (&entry["implementation"], &entry["evidence_state"]),
        (&"implemented".into(), &"none".into())
    );
    collector.verified_log().await;
}

#[tokio::test]
async fn lists_are_tried_and_taken_over_the_api_and_find_who_left() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    root.append("etc/passwd", "gone:x:1500:1500::/home/gone:/bin/bash\n");
    root.append("etc/shadow", "gone:$y$j9T$invented$invented:20100:0:99999:7:::\n");
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let viewer = collector.api();
    results(&viewer, &agent.host()).await;
    let operator = collector.cli(&["api-token", "create", "--seat", "operator"]).await.out();
    let writer = collector.api().with_token(operator.trim());
    let findings = async || viewer.items("/api/v1/people-list/findings").await;
    let sort_of = |items: &[Value], account: &str| {
        let found = items.iter().find(|item| item["account"] == account);
        found.map(|item| item["sort"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(sort_of(&findings().await, "gone").as_deref(), Some("no_person"));
    let list = "person;accounts;leave\nSomebody;gone;2026-01-31\n";
    let dry = writer.post_text("/api/v1/people-list?dry_run=true", list).await;
    assert_eq!(dry.json()["listed"], 1);
    assert_eq!(sort_of(&findings().await, "gone").as_deref(), Some("no_person"));
    assert_eq!(viewer.post_text("/api/v1/people-list", list).await.status, 403);
    let done = writer.post_text("/api/v1/people-list", list).await;
    assert_eq!(done.json()["added"], 1, "{}", done.body);
    assert_eq!(sort_of(&findings().await, "gone").as_deref(), Some("leaver"));
    assert_eq!(collector.cli(&["people-list", "findings"]).await.code, Some(3));

    let bad = writer.post_text("/api/v1/hosts/expected", "name,group\nweb-01,web\n,db\n").await;
    assert_eq!((bad.status, &bad.json()["bad"][0]["line"]), (422, &3.into()));
    let good = "name,group\nweb-01,web\n";
    let dry = writer.post_text("/api/v1/hosts/expected?dry_run=true", good).await;
    assert_eq!(dry.json()["expected"], 1);
    assert_eq!(viewer.document("/api/v1/hosts/expected").await["imported_us"], Value::Null);
    assert_eq!(writer.post_text("/api/v1/hosts/expected", "name,group\n").await.status, 400);
    assert_eq!(writer.post_text("/api/v1/hosts/expected", good).await.json()["added"], 1);
    let counts = viewer.document("/api/v1/hosts/expected").await["counts"].clone();
    assert_eq!((&counts["expected"], &counts["missing"]), (&1.into(), &1.into()));
    let groups = "name,owner,deputy,fallback\nweb,platform,network,operations\n";
    assert_eq!(writer.post_text("/api/v1/groups", groups).await.status, 200);
    let web = viewer.items("/api/v1/groups").await;
    let web = web.iter().find(|group| group["name"] == "web").expect("the group");
    assert_eq!((&web["deputy"], &web["fallback"]), (&"network".into(), &"operations".into()));
    collector.verified_log().await;
}
