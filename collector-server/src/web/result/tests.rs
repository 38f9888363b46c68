use super::*;
use crate::catalogue::Catalogue;
use crate::judge::{HostState as State, KindState, RuleSet};
use crate::store::Statement;
use crate::store::model::HostState;
use crate::web::testing::{NOW, host, log, result};
use evidence::{Digest, Facts, Source, Status};
use serde_json::json;
use std::sync::Arc;

fn found(outcome: &str) -> Explained {
    let rules = RuleSet::builtin(&Catalogue::builtin().expect("catalogue")).expect("rules");
    let users = json!({"users": [{"name": "root", "uid": 0}, {"name": "toor", "uid": 0}]});
    let facts = Some(Arc::new(Facts::new("accounts", 1, users).expect("facts")));
    let kind = KindState { status: Status::Ok, unread: vec![], facts };
    let state = State { kinds: [("accounts".to_owned(), kind)].into() };
    let source = Source {
        path: "/etc/passwd".into(),
        status: Status::Ok,
        size_bytes: Some(90),
        modified_s: None,
        note: None,
    };
    let sources = [("accounts".to_owned(), vec![source])].into();
    let rule = rules.get("acc-uid0-only-root").expect("rule");
    let row = result(1, &rule.id, outcome, 3);
    let offenders = if outcome == "fail" { vec!["toor".to_owned()] } else { vec![] };
    Explained {
        host: host(1, HostState::Active, Some(NOW)),
        explanation: rules.explain(rule, &state, &sources, 20_000),
        recorded: Some(crate::store::model::ResultRow { offenders, ..row }),
        statement: Statement {
            index: 12,
            observed_us: NOW,
            manifest: Digest::of(b"m"),
            complete: true,
        },
        accepted: vec![],
        judged_rules: Some(rules.id()),
    }
}

#[test]
fn a_result_shows_what_it_stands_on_and_where_that_came_from() {
    let page = page(Frame::inside(None, NOW, log()), &found("fail"), NOW);
    assert_eq!((page.mark.word, page.differs.as_deref()), ("fail", None));
    assert!(page.verdict.starts_with("1 offender in the facts below. Since "), "{}", page.verdict);
    let kind = &page.kinds[0];
    assert_eq!(kind.sources, ["/etc/passwd (ok)"]);
    let first = &kind.reads[0];
    assert_eq!(
        (first.at.as_str(), first.value.as_str(), first.offends),
        ("users[1].name", "toor", true)
    );
    assert!(page.remediation.is_some());
    let html = askama::Template::render(&page).expect("html");
    assert!(html.contains("leaf 12 of the log"), "{html}");
}

#[test]
fn a_result_that_is_inherited_says_from_whom_and_until_when_and_what_the_host_shows() {
    let by = crate::store::Inherited {
        statement: "01J".into(),
        provider: "the <cloud>".into(),
        until_us: NOW,
        outcome: "fail".into(),
    };
    let plain = page(Frame::inside(None, NOW, log()), &found("fail"), NOW);
    let html = askama::Template::render(&plain).expect("html");
    assert!(!html.contains("inherited"), "{html}");
    let page = page(Frame::inside(None, NOW, log()), &found("fail"), NOW).standing_on(Some(&by));
    assert_eq!(page.mark.word, "inherited");
    let html = askama::Template::render(&page).expect("html");
    let said = html.contains(r#"<a href="/inherited/01J">inherited from the &#60;cloud&#62;</a>"#);
    assert!(said && html.contains("the host itself: fail"), "{html}");
}

#[test]
fn a_record_that_says_something_else_is_said_to() {
    let page = page(Frame::inside(None, NOW, log()), &found("pass"), NOW);
    let differs = page.differs.expect("told");
    assert!(differs.starts_with("The record says pass"), "{differs}");
}
