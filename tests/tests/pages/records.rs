//! Records as people make them: with a file, approved by another, per management system, as CSV, and
//! what a control and the readiness check make of them.

use crate::accounts::{Visitor, WORDS, person};
use evidenced_tests::{Collector, Store};
use serde_json::{Value, json};

async fn signed_in(collector: &Collector, name: &str, seat: &str) -> Visitor {
    let mut visitor = Visitor::new(collector);
    visitor.sets_password(&person(collector, name, seat).await, WORDS).await;
    visitor
}

async fn isms(collector: &Collector, name: &str) -> String {
    let made = ["isms", "create", name, "--legal-entity", "Example AG", "--statement", "All."];
    collector.cli(&made).await.out().trim().to_owned()
}

/// A control that hosts cannot show, as the API has it.
async fn control(collector: &Collector, scope: &str) -> Value {
    let items = collector.api().items(&format!("/api/v1/controls?scope={scope}")).await;
    items.into_iter().find(|item| item["id"] == "A.5.1").expect("A.5.1")
}

const POLICY: [(&str, &str); 8] = [
    ("title", "Policy <b>of all</b>"),
    ("owner", "board"),
    ("effective", "2026-01-01"),
    ("valid_until", "2999-12-31"),
    ("f.version", "3"),
    ("f.topic", "information security"),
    ("f.audience", "everybody"),
    ("about", ""),
];

#[tokio::test]
async fn a_record_goes_from_its_form_to_evidence_of_a_control() {
    let collector = Collector::start(Store::Sqlite).await;
    let (first, second) = (isms(&collector, "Hosting").await, isms(&collector, "Other").await);
    let mut lead = signed_in(&collector, "lead", "compliance_lead").await;
    let mut owner = signed_in(&collector, "owner", "risk_owner").await;
    let mut viewer = signed_in(&collector, "viewer", "viewer").await;
    let register = format!("/isms/{first}/records/policies");
    let page = b"<script>alert(1)</script>".as_slice();
    let file = Some(("../policy.html", page));
    assert_eq!(viewer.post_with_file(&register, &POLICY, file).await.status, 403);
    assert!(!viewer.get(&register).await.body.contains("<form class=\"sheet\""));
    let refused = lead.post_with_file(&register, &POLICY[..5], file).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Topic is missing"), "{}", refused.body);
    assert!(refused.body.contains("Policy &#60;b&#62;of all"), "what was typed is still there");
    let large = vec![b'x'; 10 << 20];
    let huge = lead.post_with_file(&register, &POLICY, Some(("a", &large))).await;
    assert_eq!(huge.status, 400, "{}", huge.body);
    let made = lead.post_with_file(&register, &POLICY, file).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let path = made.location.clone();
    let id = path.rsplit('/').next().expect("an id").to_owned();

    // Until another approved it, it is evidence of nothing.
    assert_eq!(control(&collector, "organisation").await["state"], "none");
    let decide = format!("{path}/decide");
    let approve = [("revision", "1"), ("decision", "approve"), ("note", "read")];
    assert_eq!(viewer.post(&decide, &approve).await.status, 403);
    assert_eq!(lead.post(&decide, &approve).await.status, 409, "nobody approves what they wrote");
    let other = path.replace(&first, &second);
    assert_eq!(owner.post(&other.replace("policies", "roles"), &approve).await.status, 405);
    assert_eq!(owner.post(&format!("{other}/decide"), &approve).await.status, 404);
    assert_eq!(owner.post(&decide, &approve).await.status, 303);
    let here = control(&collector, &format!("isms:{first}")).await;
    assert_eq!(here["state"], "operating", "{here}");
    assert_eq!(control(&collector, &format!("isms:{second}")).await["state"], "none");
    let whole = control(&collector, "organisation").await;
    assert_eq!(whole["state"], "none", "the other management system has none: {whole}");
    let shown = viewer.get("/controls/A.5.1").await.body;
    assert!(shown.contains("in force") && shown.contains("no record"), "{shown}");

    // The file comes back as an attachment, and under no other address.
    let answer = viewer.get(&format!("{path}/file/1")).await;
    assert_eq!((answer.status, answer.kind.as_str()), (200, "application/octet-stream"));
    assert!(answer.disposition.starts_with("attachment; filename=\"policy.html\""));
    assert_eq!(answer.body.as_bytes(), page);
    for path in [format!("{other}/file/1"), format!("{path}/file/2"), other.clone()] {
        assert_eq!(viewer.get(&path).await.status, 404, "{path}");
    }
    let api = collector.api();
    let in_api = format!("/api/v1/isms/{second}/registers/policies/records/{id}");
    for rest in ["", "/file/1"] {
        assert_eq!(api.get(&format!("{in_api}{rest}")).await.status, 404);
    }
    let mut stranger = Visitor::new(&collector);
    assert_eq!(stranger.get(&format!("{path}/file/1")).await.location, "/login");

    // A revision waits, and what holds goes on; withdrawn, nothing rests on it.
    let mut next = POLICY.to_vec();
    next.push(("revision", "1"));
    next[0] = ("title", "Policy of next year");
    let revise = format!("{path}/revise");
    assert_eq!(viewer.post_with_file(&revise, &next, None).await.status, 403);
    assert_eq!(owner.post_with_file(&revise, &next, None).await.status, 303);
    let again = lead.post_with_file(&revise, &next, None).await;
    assert_eq!(again.status, 409, "somebody revised it meanwhile");
    assert!(lead.get(&path).await.body.contains("Revision 2 waits for approval"));
    assert_eq!(control(&collector, &format!("isms:{first}")).await["state"], "operating");
    let ready = viewer.get(&format!("/isms/{first}/readiness")).await;
    assert_eq!(ready.status, 200);
    assert!(ready.body.contains("waits for approval") && ready.body.contains(&path));
    let gaps = api.document(&format!("/api/v1/isms/{first}/readiness")).await;
    let of = |about: &str| {
        let gaps = gaps["gaps"].as_array().expect("gaps");
        gaps.iter().filter(|gap| gap["about"] == about).count()
    };
    assert!(of("4.1") > 0 && of("A.5.2") > 0 && of("A.5.1") == 0, "{gaps}");
    let why = [("note", "replaced")];
    assert_eq!(lead.post(&format!("{path}/withdraw"), &why).await.status, 303);
    assert_eq!(control(&collector, &format!("isms:{first}")).await["state"], "none");
    collector.verified_log().await;
}

#[tokio::test]
async fn a_register_goes_out_and_in_as_csv_and_the_past_stays() {
    let collector = Collector::start(Store::Sqlite).await;
    let id = isms(&collector, "Hosting").await;
    let operator = collector.cli(&["api-token", "create", "--seat", "operator"]).await.out();
    let writer = collector.api().with_token(operator.trim());
    let of = format!("/api/v1/isms/{id}/registers/objectives/records");
    let says = json!({
        "title": "=1+1", "owner": "board", "effective": "2026-01-01",
        "fields": {"measure": "restores", "target": "4", "how": "try", "evaluation": "look"},
    });
    assert_eq!(collector.api().post(&of, &says).await.status, 403, "a viewer's token");
    let made = writer.post(&of, &says).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let odd = json!({"title": "x", "owner": "board", "effective": "2026-01-01"});
    let refused = writer.post(&of, &odd).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("Measured by is missing"), "{}", refused.body);
    let decide = |record: &Value| format!("{of}/{}/decide", record["id"].as_str().expect("an id"));
    let record: Value = serde_json::from_str(&made.body).expect("a record");
    assert_eq!(record["state"], "unapproved");
    let yes = json!({"revision": 1, "approve": true});
    assert_eq!(writer.post(&decide(&record), &yes).await.status, 403, "a token approves nothing");

    let text = collector.cli(&["records", "export", "objectives", "--isms", "Hosting"]).await.out();
    assert!(text.contains("\"'=1+1\""), "{text}");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("objectives.csv");
    let import = async |text: &str, more: &[&str]| {
        std::fs::write(&file, text).expect("write");
        let path = file.display().to_string();
        let all = ["records", "import", "objectives", &path, "--isms", "Hosting"];
        collector.cli(&[&all, more].concat()).await
    };
    assert!(import(&text, &[]).await.stderr.contains("0 recorded, 0 revised"));
    let broken = text.replace("2026-01-01", "soon");
    let ended = import(&broken, &["--dry-run"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("line 2") && ended.stderr.contains("2026-12-31"));
    let changed = text.replace("\"4\"", "\"5\"");
    assert!(import(&changed, &["--dry-run"]).await.stderr.contains("Nothing was taken"));
    assert!(import(&changed, &[]).await.stderr.contains("0 recorded, 1 revised"));
    let listed = collector.cli(&["records", "list", "--isms", "Hosting"]).await.out();
    assert!(listed.contains("unapproved"), "{listed}");
    let ready = collector.cli(&["records", "readiness", "--isms", "Hosting"]).await;
    assert_eq!(ready.code, Some(3));
    assert!(ready.stdout.contains("waits for approval"), "{}", ready.stdout);

    // A moment before, nothing was recorded; and the present is not shown as that.
    let at = "2026-01-01T00:00:00Z";
    let then = collector.api().get(&format!("/api/v1/isms/{id}/records?at={at}")).await;
    assert!(then.body.contains("\"items\":[]"), "{}", then.body);
    let now =
        collector.api().items(&format!("/api/v1/isms/{id}/records?register=objectives")).await;
    assert_eq!(now[0]["revisions"].as_array().map(Vec::len), Some(2));
    let ready = collector.api().get(&format!("/api/v1/isms/{id}/readiness?at={at}")).await;
    assert_eq!(ready.status, 400, "it knows the present only");
    collector.verified_log().await;
}
