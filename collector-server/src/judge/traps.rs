//! Traps of the engine, each as a rule that a hostile overlay could hold. Every one is refused with
//! its place, or ends as `unknown`; none takes the process, its memory or its time.

use super::*;
use crate::catalogue::Catalogue;
use evidence::{Facts, Status};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What no trap may take, on a machine that is busy: without its bounds each takes for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A rule with this expression, and examples that an honest one would meet.
fn overlay(key: &str, expression: &str) -> Vec<(String, String)> {
    let quoted = serde_json::to_string(expression).expect("text");
    let text = format!(
        "[[rule]]\nid = \"own-trap\"\ntitle = \"t\"\ncontrols = []\nseverity = \"low\"\n\
         evidence = [\"accounts\"]\n{key} = {quoted}\nrationale = \"r\"\nremediation = \"m\"\n\
         profile = \"essential\"\n\
         [[rule.example]]\nname = \"good\"\nexpect = \"pass\"\nfacts.accounts = {{ users = [] }}\n\
         [[rule.example]]\nname = \"bad\"\nexpect = \"fail\"\n\
         facts.accounts = {{ users = [{{ name = \"eve\", uid = 0 }}] }}\n"
    );
    vec![("overlay/trap.toml".to_owned(), text)]
}

fn load(key: &str, expression: &str) -> Result<RuleSet, Vec<RuleError>> {
    let start = Instant::now();
    let catalogue = Catalogue::builtin().expect("catalogue");
    let loaded = RuleSet::from_sources(&overlay(key, expression), &catalogue);
    assert!(start.elapsed() < PATIENCE, "{}", expression.get(..80).unwrap_or(expression));
    loaded
}

/// The refusal, which names file, line and column.
#[track_caller]
fn refused(key: &str, expression: &str) -> String {
    let short = expression.get(..80).unwrap_or(expression);
    let errors = load(key, expression).expect_err(short);
    let error = errors.first().expect("an error").to_string();
    assert!(error.starts_with("overlay/trap.toml:7:"), "{short}: {error}");
    error
}

/// Many users with long names, as a hostile host could send them.
fn crowd(users: usize, name: usize) -> HostState {
    let user = |n: usize| json!({"name": format!("{n:0>name$}"), "uid": n});
    let users: Vec<Value> = (0..users).map(user).collect();
    let facts = Facts::new("accounts", 1, json!({"users": users})).expect("facts");
    let state = KindState { status: Status::Ok, unread: vec![], facts: Some(Arc::new(facts)) };
    HostState { kinds: [("accounts".to_owned(), state)].into() }
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["(", "[", "!(", "-(", "{'a':"] {
        for depth in [60, 800] {
            let source = open.repeat(depth);
            refused("passes", &source);
            refused("offenders", &source);
        }
    }
    // Parentheses alone make no deep tree: this one is what is within them, and ends.
    let within = "size(accounts.users) == 0";
    let closed = format!("{}{within}{}", "(".repeat(1000), ")".repeat(1000));
    assert!(load("passes", &closed).is_ok());
    // 125 bytes that once took a gigabyte.
    refused("passes", &"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[".repeat(4));
    refused("passes", &"a?b:".repeat(200));
}

#[test]
fn long_chains_are_refused() {
    for chain in ["1+", "1-", "1*", "1 == ", "'a'+", "1 < "] {
        for links in [250, 1000] {
            let error = refused("passes", &(chain.repeat(links) + "1"));
            let bounds = ["nested", "bytes", "not an expression", "nodes"];
            assert!(bounds.iter().any(|bound| error.contains(bound)), "{error}");
        }
    }
    // The parser makes a flat tree of these; they are as deep as they look to nobody.
    for chain in ["true && ", "true || "] {
        assert!(refused("passes", &(chain.repeat(250) + "true")).contains("reads no fact"));
        refused("passes", &(chain.repeat(1500) + "true"));
    }
    refused("passes", &"!".repeat(2001));
    refused("passes", &format!("accounts{}", ".a".repeat(1500)));
    refused("passes", &format!("accounts.users{} == []", ".filter(u, true)".repeat(200)));
    refused("passes", &format!("[{}] == []", vec!["1"; 3000].join(",")));
    refused("passes", &"1+".repeat(20_000));
}

#[test]
fn comprehension_bombs_are_refused_or_unknown() {
    let all = |n: usize| {
        let mut source = "true".to_owned();
        for level in 0..n {
            source = format!("accounts.users.all(v{level}, {source})");
        }
        source
    };
    assert!(refused("passes", &all(3)).contains("nested more than 2"));
    assert!(refused("passes", &all(6)).contains("nested more than 2"));
    // Two levels are honest, and over a crowd they are past their budget.
    let two =
        "accounts.users.all(u, accounts.users.all(v, u.uid >= 0 && v.uid >= 0 && u.name != 'eve'))";
    let judge = Judge::new(Arc::new(load("passes", two).unwrap_or_else(|e| panic!("{}", e[0]))));
    let start = Instant::now();
    let results = judge.judge(&crowd(2000, 8), 0);
    assert_eq!(results[0].reason, Some(Reason::RuleError));
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(judge.judge(&crowd(20, 8), 0)[0].outcome, Outcome::Pass, "it lives on");
}

#[test]
fn texts_and_lists_cannot_be_made_to_grow_without_end() {
    // Each step doubles, and there is room for dozens of steps.
    let doubling = format!("accounts.users.map(u, u.name){}", ".map(x, x + x)".repeat(20));
    assert!(refused("offenders", &doubling).contains("not gone through again"));
    let copied = format!("accounts.users.map(u, string(u.uid)){}", ".map(x, x + '')".repeat(3));
    assert!(refused("offenders", &copied).contains("not gone through again"));
    let written = format!("['a' + 'b']{}", ".map(x, x + x)".repeat(20));
    assert!(refused("offenders", &written).contains("not gone through again"));
    let lists = format!(
        "accounts.groups.map(g, g.members){}.exists(l, l == [])",
        ".map(l, l + l)".repeat(20)
    );
    assert!(
        refused("passes", &lists).contains("pieces are put together"),
        "{}",
        refused("passes", &lists)
    );
    let wide = format!("accounts.users.map(u, {})", sum(64));
    assert!(refused("offenders", &wide).contains("pieces are put together"));
    let squared = "accounts.users.map(u, accounts.users.map(v, u.name + v.name)) == []";
    assert!(refused("passes", squared).contains("a map within another"));
    let in_a_ternary = "accounts.users.map(u, true ? u.name + u.name : '').map(x, x + x)";
    assert!(refused("offenders", in_a_ternary).contains("not gone through again"));
    // What rules need is there.
    let honest = "accounts.users.filter(u, u.uid == 0).map(u, u.name + ': ' + string(u.uid))";
    let judge =
        Judge::new(Arc::new(load("offenders", honest).unwrap_or_else(|e| panic!("{}", e[0]))));
    let found = judge.judge(&crowd(3, 4), 0);
    assert_eq!(found[0].offenders, ["0000: 0"]);
}

/// `u.name + u.name + …` as a tree that is not deep.
fn sum(leaves: usize) -> String {
    match leaves {
        1 => "u.name".to_owned(),
        n => format!("({} + {})", sum(n / 2), sum(n - n / 2)),
    }
}

#[test]
fn patterns_are_short_literals_without_counted_repetition() {
    let matches = |pattern: &str| {
        format!("accounts.users.filter(u, u.name.matches({pattern})).map(u, u.name)")
    };
    for pattern in [
        "'(a{0,500}){0,40}b'",
        "'((a{0,100}){0,100}){0,100}'",
        "'x{1000}'",
        "u.name",
        "'a' + 'b'",
        "accounts.users.map(v, v.name)",
        "string(u.uid)",
    ] {
        let error = refused("offenders", &matches(pattern));
        assert!(error.contains("a pattern is a literal"), "{pattern}: {error}");
    }
    let long = matches(&format!("'{}'", "a".repeat(65)));
    assert!(refused("offenders", &long).contains("at most 64 bytes"));
    // Backtracking engines take for ever over this; it has to be judged.
    let nested = matches("'^(a+)+$'").replace("u.name.matches", "u.uid == 0 || u.name.matches");
    let judge =
        Judge::new(Arc::new(load("offenders", &nested).unwrap_or_else(|e| panic!("{}", e[0]))));
    let start = Instant::now();
    judge.judge(&crowd(50, 10_000), 0);
    assert!(start.elapsed() < PATIENCE);
    // One that does not compile is no answer.
    let broken = load("offenders", &matches("'('")).expect_err("no pattern");
    assert!(broken[0].to_string().contains("rule_error"), "{}", broken[0]);
}

#[test]
fn numbers_that_overflow_give_no_answer() {
    let judge = |expression: &str| {
        let rules = load("passes", expression).unwrap_or_else(|e| panic!("{}", e[0]));
        Judge::new(Arc::new(rules)).judge(&crowd(3, 4), 0)
    };
    let good =
        "accounts.users.all(u, u.uid == 0 ? u.name != 'eve' : 9223372036854775807 + u.uid > 0)";
    assert_eq!(judge(good)[0].reason, Some(Reason::RuleError));
    let zero = "accounts.users.all(u, u.uid == 0 ? u.name != 'eve' : 1 / (u.uid - 1) >= 0)";
    assert_eq!(judge(zero)[0].reason, Some(Reason::RuleError));
}

#[test]
fn a_hostile_example_ends_too() {
    let users: String = (0..700).map(|n| format!("{{ name = \"u{n}\", uid = {n} }},")).collect();
    let mut sources =
        overlay("passes", "accounts.users.all(u, accounts.users.all(v, u.uid >= 0 && v.uid >= 0))");
    sources[0].1 = sources[0].1.replace("users = []", &format!("users = [{users}]"));
    let start = Instant::now();
    let errors = RuleSet::from_sources(&sources, &Catalogue::builtin().expect("catalogue"));
    assert!(errors.expect_err("no pass")[0].to_string().contains("rule_error"));
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn ints_are_ints_and_a_number_in_quotes_is_refused() {
    assert!(refused("passes", "accounts.users.all(u, u.uid == '0')").contains("is an int"));
    assert!(refused("passes", "accounts.users.all(u, u.uid == 0u)").contains("literals are ints"));
    assert!(refused("passes", "accounts.users.all(u, u.uid == 0.5)").contains("literals are ints"));
    for foreign in ["now > 0", "timestamp('2026-01-01T00:00:00Z') > today", "duration('1h') > 0"] {
        refused("passes", foreign);
    }
    assert!(refused("passes", "now > 0").contains("there is no `now`, only `today`"));
}
