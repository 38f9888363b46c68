//! Decisions of people, as they make them on pages and in the API, over a host that fails.

use crate::accounts::{Visitor, WORDS, person};
use evidenced_tests::{Agent, Collector, Root, Store, holds};
use serde_json::{Value, json};

/// A collector, a host that lets root in over SSH, and its id.
async fn failing() -> (Collector, Root, Agent) {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let api = collector.api();
    holds("results", async || !api.items("/api/v1/results").await.is_empty()).await;
    (collector, root, agent)
}

async fn signed_in(collector: &Collector, name: &str, seat: &str) -> Visitor {
    let mut visitor = Visitor::new(collector);
    visitor.sets_password(&person(collector, name, seat).await, WORDS).await;
    visitor
}

/// Rules that fail now.
async fn fails(collector: &Collector) -> Vec<Value> {
    collector.api().items("/api/v1/results?outcome=fail").await
}

#[tokio::test]
async fn an_exception_goes_from_its_request_to_its_end() {
    let (collector, root, agent) = failing().await;
    let api = collector.api();
    root.write("etc/ssh/sshd_config.d/10-x.conf", "PermitRootLogin yes\n");
    agent.reports().await;
    holds("a failure", async || !fails(&collector).await.is_empty()).await;
    let rule = fails(&collector).await[0]["rule"].as_str().expect("a rule").to_owned();
    holds("an alert", async || api.items("/api/v1/alerts?state=open").await.len() == 1).await;

    // Asked for on a page by an operator; the first form says what is wrong with it.
    let mut operator = signed_in(&collector, "olaf", "operator").await;
    let mut owner = signed_in(&collector, "rita", "risk_owner").await;
    let mut viewer = signed_in(&collector, "vera", "viewer").await;
    let form = |until| {
        [
            ("rules", rule.as_str()),
            ("group", "default"),
            ("reason", "a <b>reason</b>"),
            ("measure", "a measure"),
            ("risk", "R-17"),
            ("until", until),
        ]
    };
    let refused = operator.post("/exceptions", &form("2999-12-31")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("longer than the 180 days"), "{}", refused.body);
    assert!(refused.body.contains("a &#60;b&#62;reason"), "what was typed is still there");
    let until = next_month(&collector).await;
    let good = form(until.as_str());
    assert_eq!(viewer.post("/exceptions", &good).await.status, 403);
    let asked = operator.post("/exceptions", &good).await;
    assert_eq!(asked.status, 303, "{}", asked.body);
    let path = asked.location.clone();
    let id = path.rsplit('/').next().expect("an id").to_owned();

    // Only a risk owner decides, and a token never.
    let approve = [("decision", "approve"), ("note", "fine")];
    let decide = format!("{path}/decide");
    assert_eq!(operator.post(&decide, &approve).await.status, 403);
    let token = collector.cli(&["api-token", "create", "--seat", "operator"]).await.out();
    let program = collector.stranger().with_token(&token);
    let in_api = format!("/api/v1/exceptions/{id}/approve");
    assert_eq!(program.post(&in_api, &json!({})).await.status, 403);
    assert!(owner.get(&path).await.body.contains("value=\"approve\""));
    assert_eq!(owner.post(&decide, &approve).await.status, 303);
    assert_eq!(owner.post(&decide, &approve).await.status, 409, "once");

    // The failure stays, the exception beside it; the alert calls for nobody.
    let failing = fails(&collector).await;
    assert!(failing.iter().any(|row| row["rule"] == rule && row["exception"] == id.as_str()));
    assert!(api.items("/api/v1/alerts?state=open").await.is_empty());
    let host = agent.host();
    let page = viewer.get(&format!("/hosts/{host}")).await.body;
    assert!(
        page.contains(&format!("/exceptions/{id}\">under exception</a>")),
        "beside the failure"
    );
    assert!(viewer.get("/exceptions").await.body.contains(&path));
    assert_eq!(api.items("/api/v1/exceptions?state=active").await.len(), 1);
    let listed = collector.cli(&["exceptions", "list", "--format", "json"]).await.json();
    assert_eq!((&listed[0]["state"], &listed[0]["covers"]), (&json!("active"), &json!(1)));

    // Its end calls again, and says why.
    let withdrawn = collector.cli(&["exceptions", "withdraw", &id, "--note", "no more"]).await;
    withdrawn.out();
    let open = api.items("/api/v1/alerts?state=open").await;
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!(open[0]["cause"], "exception_ended");
    root.remove("etc/ssh/sshd_config.d/10-x.conf");
    agent.reports().await;
    holds("the end by evidence", async || api.items("/api/v1/alerts?state=live").await.is_empty())
        .await;
    collector.verified_log().await;
}

/// A day within the next month, by the collector's clock.
async fn next_month(collector: &Collector) -> String {
    let hosts = collector.api().items("/api/v1/hosts").await;
    let us = hosts[0]["last_received_us"].as_i64().expect("a time");
    let days = us / 86_400_000_000 + 20;
    date(days)
}

/// A day since the epoch as a civil date (proleptic Gregorian).
fn date(days: i64) -> String {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + next)
}

#[tokio::test]
async fn lists_reviews_and_windows_are_kept_by_those_whose_seat_it_is() {
    let (collector, root, agent) = failing().await;
    let api = collector.api();
    let mut lead = signed_in(&collector, "lea", "compliance_lead").await;
    let mut viewer = signed_in(&collector, "vera", "viewer").await;
    let list = "/lists/default/privileged-people";
    for path in ["/lists", list, "/reviews", "/windows", "/exceptions"] {
        let page = viewer.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains("method=\"post\" action=\"/lists"), "{path}");
        assert!(!page.body.contains("method=\"post\" action=\"/reviews"), "{path}");
        assert!(!page.body.contains("method=\"post\" action=\"/windows"), "{path}");
    }
    assert_eq!(viewer.post(&format!("{list}/learn"), &[]).await.status, 403);
    assert_eq!(lead.post(&format!("{list}/learn"), &[]).await.status, 303);
    let members = api.items("/api/v1/lists/default/privileged-people").await;
    assert!(members.iter().any(|row| row["member"] == "root"), "{members:#?}");
    let names: Vec<_> = members.iter().filter_map(|row| row["member"].as_str()).collect();
    let mut form: Vec<_> = names.iter().map(|name| ("member", *name)).collect();
    form.extend([("state", "accepted"), ("note", "as agreed")]);
    assert_eq!(lead.post(&format!("{list}/decide"), &form).await.status, 303);
    let known = api.items("/api/v1/lists/default/privileged-people").await;
    assert!(known.iter().all(|row| row["state"] == "accepted"), "{known:#?}");

    // A window that expects a new member, by CSV; then the member comes.
    let now_us = api.items("/api/v1/hosts").await[0]["last_received_us"].as_i64().expect("a time");
    let day = |days: i64| date(now_us / 86_400_000_000 + days);
    let csv = collector.data().join("windows.csv");
    let good = format!(
        "from,to,groups,populations,ticket\n{}T00:00:00Z,{}T00:00:00Z,default,privileged-people,CHG-1\n",
        day(-1),
        day(2)
    );
    std::fs::write(&csv, format!("{good}soon,later,nowhere,,\n")).expect("written");
    let path = csv.display().to_string();
    let bad = collector.cli(&["windows", "import", &path, "--dry-run"]).await;
    assert!(bad.stderr.contains("line 3"), "{}", bad.stderr);
    std::fs::write(&csv, good).expect("written");
    collector.cli(&["windows", "import", &path]).await.out();
    assert!(viewer.get("/windows").await.body.contains("CHG-1"));

    root.append("etc/passwd", "bert:x:1001:1001:Bert:/home/bert:/bin/bash\n");
    root.append("etc/shadow", "bert:$y$j9T$invented$invented:20100:0:99999:7:::\n");
    let group = "root:x:0:\ndaemon:x:1:\nsudo:x:27:alice,bert\nalice:x:1000:\nbert:x:1001:\n";
    root.write("etc/group", group);
    agent.reports().await;
    let changed = async || {
        let drifts = api.items("/api/v1/drifts?state=open").await;
        drifts.into_iter().find(|drift| drift["drift"] == "change")
    };
    holds("a change", async || changed().await.is_some()).await;
    let offenders = changed().await.expect("a change")["offenders"].clone();
    assert_eq!(offenders, json!(["bert"]));
    let subject = changed().await.expect("a change")["subject"].clone();
    assert_eq!(subject, "privileged-people: bert is not approved");
    let page = viewer.get("/drift?kind=change").await.body;
    assert!(page.contains("privileged-people: bert is not approved"), "{page}");
    let windows = api.items("/api/v1/windows").await;
    assert_eq!((&windows[0]["drifts"], &windows[0]["state"]), (&json!(1), &json!("holds")));

    // The review goes through him too; removing him takes him off the list, and stays open.
    let started = lead.post("/reviews", &[("group", "default"), ("leavers", "bert")]).await;
    assert_eq!(started.status, 303, "{}", started.body);
    let review = started.location.clone();
    assert_eq!(viewer.post(&format!("{review}/sign"), &[]).await.status, 403);
    assert_eq!(lead.post(&format!("{review}/sign"), &[]).await.status, 409, "not decided");
    let whole = api.document(&format!("/api/v1{review}")).await;
    let rows = whole["rows"].as_array().expect("rows").clone();
    assert_eq!((&rows[0]["member"], &rows[0]["class"]), (&json!("bert"), &json!("leaver")));
    let numbers: Vec<_> = rows.iter().skip(1).map(|row| row["n"].to_string()).collect();
    let mut keep: Vec<_> = numbers.iter().map(|n| ("row", n.as_str())).collect();
    keep.push(("decision", "keep"));
    assert_eq!(lead.post(&format!("{review}/decide"), &keep).await.status, 303);
    let remove = [("row", "0"), ("decision", "remove")];
    assert_eq!(lead.post(&format!("{review}/decide"), &remove).await.status, 303);
    assert_eq!(lead.post(&format!("{review}/sign"), &[]).await.status, 303);
    let signed = api.document(&format!("/api/v1{review}")).await;
    assert_eq!((&signed["open_removals"], signed["digest"].is_string()), (&json!(1), true));
    assert!(viewer.get(&review).await.body.contains("still there"));
    collector.verified_log().await;
}

#[tokio::test]
async fn inherited_evidence_and_a_finding_go_from_their_request_to_their_end() {
    let (collector, root, agent) = failing().await;
    let api = collector.api();
    root.write("etc/ssh/sshd_config.d/10-x.conf", "PermitRootLogin yes\n");
    agent.reports().await;
    holds("a failure", async || !fails(&collector).await.is_empty()).await;
    let rule = fails(&collector).await[0]["rule"].as_str().expect("a rule").to_owned();
    holds("an alert", async || api.items("/api/v1/alerts?state=open").await.len() == 1).await;
    let alert = api.items("/api/v1/alerts?state=open").await.remove(0);
    let alert = alert["id"].as_str().expect("an id").to_owned();
    let mut lead = signed_in(&collector, "lea", "compliance_lead").await;
    let mut owner = signed_in(&collector, "rita", "risk_owner").await;
    let mut viewer = signed_in(&collector, "vera", "viewer").await;
    let until = next_month(&collector).await;

    // A finding is raised from the page of the alert, which names it from then on.
    let drift = api.items("/api/v1/drifts?state=open").await.remove(0);
    let drift = format!("/drift/{}", drift["id"].as_str().expect("an id"));
    let from = format!("/findings?alert={alert}");
    assert!(lead.get(&drift).await.body.contains(&format!("{from}#raise")));
    assert!(!viewer.get(&drift).await.body.contains(&from));
    let form = lead.get(&from).await.body;
    assert!(form.contains(&format!("value=\"{alert}\"")), "{form}");
    let raised = |title, about| {
        [
            ("title", title),
            ("grade", "minor"),
            ("source", "alert"),
            ("source_name", alert.as_str()),
            ("about", about),
            ("owner", "platform"),
            ("due", until.as_str()),
        ]
    };
    assert_eq!(viewer.post("/findings", &raised("root", "A.8.5")).await.status, 403);
    let refused = lead.post("/findings", &raised("<b>root</b>", "A.99.1")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("A.99.1 is neither a control"), "{}", refused.body);
    assert!(refused.body.contains("&#60;b&#62;root"), "what was typed is still there");
    let finding = lead.post("/findings", &raised("<b>root</b>", "A.8.5, 8.1")).await;
    assert_eq!(finding.status, 303, "{}", finding.body);
    let finding = finding.location.clone();
    assert!(viewer.get(&drift).await.body.contains(&finding));
    let mut revised: Vec<_> = raised("<b>root</b>", "A.8.5").into();
    revised.extend([("revision", "1"), ("state", "corrected"), ("correction", "keys only")]);
    let revise = format!("{finding}/revise");
    let refused = lead.post(&revise, &revised).await;
    assert!(refused.status == 422 && refused.body.contains("the root cause"), "{}", refused.body);
    revised.extend([("root_cause", "r"), ("similar_cases", "s"), ("action", "a")]);
    assert_eq!(lead.post(&revise, &revised).await.status, 303);
    assert_eq!(lead.post(&revise, &revised).await.status, 409, "it follows another revision");
    assert!(viewer.get(&finding).await.body.contains("revision 2"));
    assert_eq!(api.items("/api/v1/findings?state=corrected").await.len(), 1);
    let listed = collector.cli(&["findings", "list", "--format", "json"]).await.json();
    assert_eq!(listed[0]["says"]["correction"], "keys only");

    // The rule is covered for the group by somebody else's evidence.
    let ask = |source| {
        [
            ("rules", rule.as_str()),
            ("group", "default"),
            ("provider", "the cloud"),
            ("source", source),
            ("reason", "a gate before it"),
            ("until", until.as_str()),
        ]
    };
    let refused = lead.post("/inherited", &ask("javascript:x")).await;
    assert!(refused.status == 422 && refused.body.contains("the link begins"), "{}", refused.body);
    let good = ask("https://example.org/report");
    assert_eq!(viewer.post("/inherited", &good).await.status, 403);
    let path = lead.post("/inherited", &good).await.location;
    let id = path.rsplit('/').next().expect("an id").to_owned();
    let approve = [("decision", "approve")];
    let decide = format!("{path}/decide");
    assert_eq!(lead.post(&decide, &approve).await.status, 409, "her own request");
    assert!(!fails(&collector).await.is_empty(), "it waits");
    assert_eq!(owner.post(&decide, &approve).await.status, 303);
    assert!(fails(&collector).await.is_empty());
    let inherited = api.items("/api/v1/results?outcome=inherited").await;
    assert_eq!(
        (&inherited[0]["rule"], &inherited[0]["host_outcome"]),
        (&json!(rule), &json!("fail"))
    );
    let page = viewer.get(&format!("/hosts/{}", agent.host())).await.body;
    assert!(page.contains(&format!("{path}\">inherited from the cloud</a>")), "on the host's page");
    assert!(viewer.get(&path).await.body.contains(&format!("/results/{rule}")));
    assert!(api.items("/api/v1/alerts?state=open").await.is_empty());

    // The command line says whose login it was, and ends it: what fails is told again.
    collector.cli(&["inherited", "end", &id, "--note", "moved", "--actor", "lea"]).await.out();
    let open = api.items("/api/v1/alerts?state=open").await;
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!(open[0]["cause"], "exception_ended");
    let listed = collector.cli(&["inherited", "list", "--format", "json"]).await.json();
    assert_eq!(listed[0]["state"], "withdrawn");
    let ended = api.document(&format!("/api/v1/inherited/{id}")).await;
    let by = ended["ended_by"].as_str().expect("an actor");
    assert!(by.starts_with("cli:") && by.ends_with(" as lea"), "{by}");
    collector.verified_log().await;
}
