//! What people say on pages: two pairs of eyes, and a viewer who only reads.

use crate::accounts::{Visitor, WORDS, person};
use evidenced_tests::{Collector, Store};

async fn visitor(collector: &Collector, name: &str, seat: &str) -> Visitor {
    let mut visitor = Visitor::new(collector);
    visitor.sets_password(&person(collector, name, seat).await, WORDS).await;
    visitor
}

#[tokio::test]
async fn a_statement_is_written_by_one_and_approved_by_another_and_a_viewer_only_reads() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut author = visitor(&collector, "author", "administrator").await;
    let mut approver = visitor(&collector, "approver", "administrator").await;
    let mut viewer = visitor(&collector, "auditor", "viewer").await;
    let form = [
        ("name", "Hosting"),
        ("legal_entity", "Example AG"),
        ("scope_statement", "All of it."),
        ("certificate", ""),
    ];
    assert_eq!(viewer.post("/isms", &form).await.status, 403);
    let path = author.post("/isms", &form).await.location;
    assert!(path.starts_with("/isms/"), "{path}");
    let again = author.post("/isms", &form).await;
    assert_eq!(again.status, 422);
    assert!(again.body.contains("of this name is there already"), "{}", again.body);
    let scope = [("group", "web"), ("belongs", "in"), ("reason", "contract")];
    assert_eq!(author.post(&format!("{path}/groups"), &scope).await.location, path);
    assert!(viewer.get(&path).await.body.contains(">web</a>"));

    let group = [("name", "web"), ("environment", "production"), ("owner", "platform")];
    assert_eq!(viewer.post("/groups", &group).await.status, 403);
    assert_eq!(author.post("/groups", &group).await.location, "/groups");
    assert!(viewer.get(&path).await.body.contains("platform"));
    let odd = [("name", "web"), ("environment", "moon")];
    assert_eq!(author.post("/groups", &odd).await.status, 403);

    let statement = format!("{path}/applicability");
    let lines: String = (1..=37)
        .map(|n| format!("A.5.{n}"))
        .chain((1..=8).map(|n| format!("A.6.{n}")))
        .chain((1..=14).map(|n| format!("A.7.{n}")))
        .chain((1..=34).map(|n| format!("A.8.{n}")))
        .map(|control| format!("{control},yes,risk,planned\n"))
        .collect();
    let csv = format!("control,applicable,grounds,implementation\n{lines}");
    let import = async |visitor: &mut Visitor, csv: &str, dry_run: &str| {
        let form = [("csv", csv), ("dry_run", dry_run)];
        visitor.post(&format!("{statement}/import"), &form).await
    };
    let bad = import(&mut author, &csv.replace("A.5.2,yes", "A.5.2,perhaps"), "false").await;
    assert_eq!(bad.status, 422);
    assert!(bad.body.contains("line 3: `perhaps` is not yes or no"), "{}", bad.body);
    let dry = import(&mut author, &csv, "true").await;
    assert!(dry.body.contains("93 lines are fine. Nothing was written."), "{}", dry.body);
    assert!(dry.body.contains("93 controls = 93 undecided"));
    let done = import(&mut author, &csv, "false").await;
    assert!(done.body.contains("93 controls = 93 planned"), "{}", done.body);
    // One by one on a form; what contradicts itself is refused, and what was written stays there.
    let no = [("applicable", "no"), ("justification", "")];
    let refused = author.post(&format!("{statement}/A.7.1"), &no).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("say why"), "{}", refused.body);
    let no = [("applicable", "no"), ("justification", "no\r\noffices")];
    author.post(&format!("{statement}/A.7.1"), &no).await;
    assert!(author.get(&statement).await.body.contains("no offices"));

    author.post(&format!("{statement}/submit"), &[]).await;
    let page = approver.get(&statement).await.body;
    let (_, rest) = page.split_once("name=\"submitted_us\" value=\"").expect("it waits");
    let at = rest.split('"').next().expect("a moment").to_owned();
    let approval = [("version", "1"), ("submitted_us", at.as_str())];
    let approve = format!("{statement}/approve");
    let own = author.get(&statement).await.body;
    assert!(own.contains("somebody else approves it") && !own.contains("Approve version 1"));
    let refused = author.post(&approve, &approval).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("does not approve it"), "{}", refused.body);
    assert_eq!(viewer.post(&approve, &approval).await.status, 403);
    let page = approver.post(&approve, &approval).await;
    assert_eq!(page.location, format!("{statement}?done=approved"), "{}", page.body);

    // A viewer reads all of it, and no form that changes anything but the one to sign out is offered.
    for path in
        ["/isms", &path, &statement, "/groups", "/people/list", "/patches", "/controls/A.8.2"]
    {
        let answer = viewer.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body.matches("method=\"post\"").count(), 1, "{path}");
    }
    let control = viewer.get("/controls/A.8.2").await.body;
    assert!(control.contains("What people say") && control.contains("planned"), "{control}");
    assert!(control.contains("version 1, approved"), "{control}");
}
