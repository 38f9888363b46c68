use super::super::{Judge, RuleSet};
use super::*;
use crate::catalogue::Catalogue;
use evidence::Facts;
use serde_json::json;
use std::sync::{Arc, OnceLock};

const TODAY: i64 = 20_779;

fn rules() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES
        .get_or_init(|| RuleSet::builtin(&Catalogue::builtin().expect("catalogue")).expect("rules"))
}

fn host(kind: &str, status: Status, data: Option<Value>, unread: &[&str]) -> HostState {
    let facts = data.map(|data| Arc::new(Facts::new(kind, 1, data).expect("facts")));
    let unread = unread.iter().map(|path| (*path).to_owned()).collect();
    HostState { kinds: [(kind.to_owned(), KindState { status, unread, facts })].into() }
}

fn explain(rule: &str, host: &HostState) -> Explanation {
    let source = Source {
        path: "/etc/passwd".into(),
        status: Status::Ok,
        size_bytes: None,
        modified_s: None,
        note: None,
    };
    let sources = [("accounts".to_owned(), vec![source])].into();
    rules().explain(rules().get(rule).expect(rule), host, &sources, TODAY)
}

fn users() -> Value {
    json!({"users": [{"name": "root", "uid": 0}, {"name": "ada", "uid": 1000}, {"name": "toor", "uid": 0}]})
}

#[test]
fn a_failure_names_the_facts_it_stands_on_what_offends_first() {
    let found = explain("acc-uid0-only-root", &host("accounts", Status::Ok, Some(users()), &[]));
    assert_eq!((found.outcome, found.decided_by), (Outcome::Fail, Step::Expression));
    assert_eq!(found.offenders, ["toor"]);
    let kind = &found.kinds[0];
    assert_eq!(kind.sources[0].path, "/etc/passwd");
    let first: Vec<_> =
        kind.reads.iter().take(2).map(|r| (r.at.as_str(), r.value.clone())).collect();
    assert_eq!(first, [("users[2].name", Some(json!("toor"))), ("users[2].uid", Some(json!(0)))]);
    assert!(kind.reads[0].offends && !kind.reads[2].offends);
    assert_eq!(
        (kind.reads[2].at.as_str(), kind.reads[2].value.clone()),
        ("users", Some(json!("3 members")))
    );
    let rest: Vec<_> = kind.reads[3..].iter().map(|read| read.at.as_str()).collect();
    assert_eq!(rest, ["users[0].name", "users[0].uid", "users[1].name", "users[1].uid"]);
    assert_eq!(found.today, None, "the rule reads no day");
}

#[test]
fn an_unknown_says_at_which_step_and_for_want_of_what() {
    let decided = |host: &HostState| {
        let found = explain("acc-uid0-only-root", host);
        (found.reason.expect("a reason"), found.decided_by, found.detail.unwrap_or_default())
    };
    let denied = host("accounts", Status::Denied, None, &[]);
    assert_eq!(decided(&denied), (Reason::Denied, Step::Gate, "accounts".to_owned()));
    let none = HostState::default();
    assert_eq!(decided(&none), (Reason::NotCollected, Step::Gate, "accounts".to_owned()));
    let no_root =
        host("accounts", Status::Ok, Some(json!({"users": [{"name": "a", "uid": 1}]})), &[]);
    let guard = "accounts.users.exists(u, u.uid == 0)".to_owned();
    assert_eq!(decided(&no_root), (Reason::Guard, Step::Guard, guard));
    let nameless = host("accounts", Status::Ok, Some(json!({"users": [{"uid": 0}]})), &[]);
    assert_eq!(decided(&nameless), (Reason::FactMissing, Step::Expression, "name".to_owned()));
    let shown = explain("acc-uid0-only-root", &nameless);
    let missing = shown.kinds[0].reads.iter().find(|read| read.value.is_none()).expect("missing");
    assert_eq!(missing.at, "users[0].name");
}

#[test]
fn a_fact_that_says_where_it_came_from_is_shown_with_file_and_line() {
    let record = json!({"users": [{"name": "a"}], "source": "/etc/sudoers.d/x", "line": 4});
    let mut reads = Vec::new();
    let data = json!({"rules": [record]});
    let mut walk = Walk { reads: &mut reads, offenders: &["a".to_owned()] };
    walk.walk(&data, &["rules", "users", "name"], &Here::default());
    let read = &reads[0];
    assert_eq!(read.at, "rules[0].users[0].name");
    assert_eq!((read.file.as_deref(), read.line), (Some("/etc/sudoers.d/x"), Some(4)));
    assert!(read.offends);
}

#[test]
fn what_offends_is_told_by_whole_names() {
    assert!(names("eve: /bin/sh", "eve"));
    assert!(names("/etc/shadow mode 0644", "/etc/shadow"));
    assert!(!names("steve", "eve") && !names("eve-2", "eve") && !names("x", ""));
}

#[test]
fn parameters_and_the_day_are_told_where_they_are_read() {
    let empty = HostState::default();
    let with_param = rules().rules().iter().find(|rule| !rule.params.is_empty()).expect("one");
    let found = explain(&with_param.id, &empty);
    let param = found.params.first().expect("a parameter");
    assert_eq!(param.origin, "vendor default, not adopted");
    assert_eq!(param.policy_ref, None);
    let with_day = rules().rules().iter().find(|rule| rule.reads_today).expect("one");
    let found = explain(&with_day.id, &empty);
    assert_eq!(found.today.as_deref(), Some("2026-11-22"));
}

#[test]
fn long_lists_are_cut_and_the_rest_is_counted() {
    let users: Vec<_> = (0..300).map(|n| json!({"name": format!("u{n}"), "uid": n})).collect();
    let found = explain(
        "acc-uid0-only-root",
        &host("accounts", Status::Ok, Some(json!({"users": users})), &[]),
    );
    let kind = &found.kinds[0];
    assert_eq!((kind.reads.len(), kind.left_out), (MAX_READS, 601 - MAX_READS));
    assert_eq!(shown(&json!([1, 2])), json!([1, 2]));
    assert_eq!(shown(&json!([{"a": 1}])), json!("1 members"));
    let long = shown(&Value::Array(vec![json!(1); 60]));
    assert_eq!(long.as_array().expect("list").last(), Some(&json!("… and 10 more")));
}

/// Over every example of every rule an explanation says what the judge says.
#[test]
fn an_explanation_agrees_with_the_judge() {
    let judge = Judge::new(Arc::new(rules().clone()));
    let states = [
        host("accounts", Status::Ok, Some(users()), &[]),
        host("accounts", Status::Partial, Some(users()), &["users.password"]),
        host("host_os", Status::Ok, Some(json!({"id": "debian", "family": "debian"})), &[]),
        host("ssh_server", Status::NotApplicable, None, &[]),
        HostState::default(),
    ];
    for state in &states {
        for result in judge.judge(state, TODAY) {
            let found = explain(&result.rule, state);
            let said = (found.outcome, found.reason, found.offenders);
            assert_eq!(said, (result.outcome, result.reason, result.offenders), "{}", result.rule);
        }
    }
}
