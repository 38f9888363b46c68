use super::*;
use crate::catalogue::Catalogue;
use crate::judge::RuleSet;
use crate::store::model::KindRow;
use evidence::Status;
use proptest::prelude::*;
use serde_json::json;

const RULES: &str = r#"[[rule]]
id = "acc-few"
title = "Few"
controls = []
severity = "low"
evidence = ["accounts"]
passes = "accounts.legacy_plus_entries <= p.max"
params = { max = 1 }
rationale = "r"
remediation = "m"
profile = "essential"

[[rule.example]]
name = "few"
expect = "pass"
facts.accounts = { legacy_plus_entries = 1 }

[[rule.example]]
name = "many"
expect = "fail"
facts.accounts = { legacy_plus_entries = 2 }

[[param]]
rule = "acc-few"
name = "max"
value = 5
policy_ref = "P"
groups = ["lax"]
"#;

/// Reads the day, and says of the first of two days that it passes.
const DAILY: &str = r#"[[rule]]
id = "acc-day"
title = "Until the day"
controls = []
severity = "low"
evidence = ["accounts"]
passes = "accounts.legacy_plus_entries + 10 > today"
rationale = "r"
remediation = "m"
profile = "essential"

[[rule.example]]
name = "before"
expect = "pass"
today = "1970-01-01"
facts.accounts = { legacy_plus_entries = 1 }

[[rule.example]]
name = "after"
expect = "fail"
today = "1970-02-01"
facts.accounts = { legacy_plus_entries = 1 }
"#;

fn judge(text: &str) -> Judge {
    let sources = [("a.toml".to_owned(), text.to_owned())];
    let catalogue = Catalogue::builtin().expect("catalogue");
    Judge::new(Arc::new(RuleSet::from_sources(&sources, &catalogue).expect("rules")))
}

fn host() -> HostId {
    HostId::from(7)
}

fn facts(n: i64) -> Arc<Facts> {
    Arc::new(Facts::new("accounts", 1, json!({"legacy_plus_entries": n})).expect("facts"))
}

fn span(n: i64, from_us: i64, to_us: Option<i64>) -> KindSpan {
    let row = KindRow {
        host: host(),
        kind: "accounts".into(),
        status: Status::Ok,
        facts: Some(facts(n).id()),
        sources: vec![],
        unread: vec![],
        since_us: from_us,
        collected_us: None,
    };
    KindSpan { row, to_us }
}

fn interval(from_us: i64, to_us: Option<i64>) -> Interval {
    Interval { from_us, to_us }
}

fn verdict_of(outcome: &str) -> Verdict {
    Verdict { outcome: outcome.into(), reason: None, offenders: vec![] }
}

/// From, to, what it would have been, what it was.
fn told(judge: &Judge, history: &History, window: (i64, i64)) -> Vec<(i64, i64, String, String)> {
    let facts = (0..9).map(facts).map(|facts| (facts.id(), facts)).collect();
    let word = |verdict: Option<&Verdict>| verdict.map_or("", |v| v.outcome.as_str()).to_owned();
    replay(judge, host(), history, &facts, window)
        .into_iter()
        .map(|s| (s.from_us, s.to_us, word(Some(&s.would)), word(s.was.as_ref())))
        .collect()
}

fn row(from: i64, to: i64, would: &str, was: &str) -> (i64, i64, String, String) {
    (from, to, would.to_owned(), was.to_owned())
}

#[test]
fn history_is_judged_as_long_as_it_held_and_no_longer() {
    let history = History {
        kinds: vec![span(1, 100, Some(200)), span(3, 200, Some(300)), span(1, 300, None)],
        ..History::default()
    };
    let judge = judge(RULES);
    let found = told(&judge, &history, (0, 1000));
    let expected =
        [row(100, 200, "pass", ""), row(200, 300, "fail", ""), row(300, 1000, "pass", "")];
    assert_eq!(found, expected, "and nothing before it reported first");
    assert_eq!(told(&judge, &history, (210, 220)), [row(210, 220, "fail", "")]);
    assert_eq!(told(&judge, &history, (0, 100)), []);
}

#[test]
fn the_recorded_verdict_stands_beside_and_equal_neighbours_are_one() {
    let recorded = vec![
        (interval(100, Some(150)), verdict_of("fail")),
        (interval(150, None), verdict_of("pass")),
    ];
    let history = History {
        // The same facts twice: another manifest, no other verdict.
        kinds: vec![span(1, 100, Some(120)), span(1, 120, None)],
        recorded: [("acc-few".to_owned(), recorded)].into(),
        ..History::default()
    };
    let found = told(&judge(RULES), &history, (0, 200));
    assert_eq!(found, [row(100, 150, "pass", "fail"), row(150, 200, "pass", "pass")]);
}

#[test]
fn a_silent_host_is_unknown_and_one_that_ended_has_no_verdict() {
    let history = History {
        kinds: vec![span(1, 0, None)],
        silent: vec![interval(50, Some(60))],
        over: vec![interval(80, None)],
        ..History::default()
    };
    let found = told(&judge(RULES), &history, (0, 100));
    let expected = [row(0, 50, "pass", ""), row(50, 60, "unknown", ""), row(60, 80, "pass", "")];
    assert_eq!(found, expected);
}

#[test]
fn a_moment_is_judged_by_the_rules_of_the_group_of_then() {
    let history = History {
        kinds: vec![span(3, 0, None)],
        groups: vec![
            (interval(0, Some(50)), "lax".to_owned()),
            (interval(50, None), "strict".to_owned()),
        ],
        ..History::default()
    };
    let found = told(&judge(RULES), &history, (0, 100));
    assert_eq!(found, [row(0, 50, "pass", ""), row(50, 100, "fail", "")]);
}

#[test]
fn a_rule_that_reads_the_day_is_judged_for_each() {
    let history = History { kinds: vec![span(1, 0, None)], ..History::default() };
    let found = told(&judge(DAILY), &history, (9 * DAY_US, 13 * DAY_US));
    let turn = 11 * DAY_US;
    assert_eq!(found, [row(9 * DAY_US, turn, "pass", ""), row(turn, 13 * DAY_US, "fail", "")]);
}

#[test]
fn facts_that_never_came_prove_nothing() {
    let history = History { kinds: vec![span(1, 0, None)], ..History::default() };
    let found = replay(&judge(RULES), host(), &history, &BTreeMap::new(), (0, 10));
    assert_eq!(found[0].would.outcome, "unknown");
    assert_eq!(found[0].would.reason.as_deref(), Some("not_received"));
}

/// Spans of a host that follow one another, with gaps: facts and how long they held.
fn spans() -> impl Strategy<Value = Vec<KindSpan>> {
    let drawn = (0..4i64, 1..20i64, 0..3i64);
    prop::collection::vec(drawn, 0..12).prop_map(|spans| {
        let mut at = 0;
        let next = |(n, length, gap): (i64, i64, i64)| {
            let (from, to) = (at + gap, at + gap + length);
            at = to;
            span(n, from, Some(to))
        };
        spans.into_iter().map(next).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// At every moment the verdict is that of the state of that moment, and of no other.
    #[test]
    fn each_moment_has_the_verdict_of_its_own_state(
        kinds in spans(),
        silent in (0..100i64, 0..50i64),
        moved in 0..200i64,
        (from, length) in (0..100i64, 1..200i64),
    ) {
        let judge = judge(RULES);
        let history = History {
            kinds: kinds.clone(),
            silent: vec![interval(silent.0, Some(silent.0 + silent.1))],
            groups: vec![
                (interval(0, Some(moved)), "lax".to_owned()),
                (interval(moved, None), "strict".to_owned()),
            ],
            ..History::default()
        };
        let bodies = (0..9).map(facts).map(|facts| (facts.id(), facts)).collect();
        let found = replay(&judge, host(), &history, &bodies, (from, from + length));
        for at in from..from + length {
            let here: Vec<_> = found.iter().filter(|s| s.from_us <= at && at < s.to_us).collect();
            let held = kinds.iter().find(|k| k.row.since_us <= at && k.to_us.is_none_or(|to| at < to));
            let expected = held.map(|held| {
                let few = (0..9).find(|n| Some(facts(*n).id()) == held.row.facts).unwrap_or(9);
                let limit = if at < moved { 5 } else { 1 };
                match (silent.0..silent.0 + silent.1).contains(&at) {
                    true => "unknown",
                    false if few <= limit => "pass",
                    false => "fail",
                }
            });
            prop_assert!(here.len() <= 1, "at {}: {:?}", at, here);
            prop_assert_eq!(here.first().map(|s| s.would.outcome.as_str()), expected, "at {}", at);
        }
        for pair in found.windows(2) {
            prop_assert!(!continues(&pair[0], &pair[1]), "equal neighbours are one");
        }
    }
}
