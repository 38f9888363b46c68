use super::*;
use proptest::prelude::*;
use serde_json::json;

fn run(source: &str, facts: &Value) -> Result<Answer, EvalError> {
    let program = Program::new(parse(source).expect(source));
    let mut scope = Scope::new(20_000);
    scope.bind("f", facts);
    scope.run(&program)
}

fn truth(source: &str) -> Result<bool, EvalError> {
    match run(source, &json!({"yes": true, "no": false, "list": [{"yes": true}, {}]}))? {
        Answer::Bool(answer) => Ok(answer),
        Answer::Texts(_) => Err(EvalError::Rule("texts".to_owned())),
    }
}

#[test]
fn a_missing_fact_is_never_absorbed() {
    let missing = Err(EvalError::Missing("gone".to_owned()));
    for source in [
        "f.gone || f.yes",
        "!(f.gone && f.no)",
        "f.no || f.gone",
        "f.yes && f.gone",
        "[1, 2].exists(x, x == 1 ? f.gone : true)",
        "![1, 2].all(x, x == 1 ? f.gone : false)",
        "[f.gone, f.yes].exists(x, x)",
        "(f.gone || f.yes) ? true : false",
        "f.list.exists(x, f.gone || x.yes)",
    ] {
        assert_eq!(truth(source), missing, "{source}");
    }
    assert_eq!(truth("f.list.all(x, x.yes)"), Err(EvalError::Missing("yes".to_owned())));
}

#[test]
fn what_is_decided_does_not_ask_further() {
    for source in ["f.yes || f.gone", "!(f.no && f.gone)", "f.list.exists(x, x.yes)"] {
        assert_eq!(truth(source), Ok(true), "{source}");
    }
}

#[test]
fn macros_give_what_cel_says() {
    let facts = json!({"n": [1, 2, 3], "s": ["a", "b"]});
    for (source, want) in [
        ("f.n.all(x, x > 0)", true),
        ("f.n.all(x, x > 1)", false),
        ("f.n.exists(x, x == 3)", true),
        ("f.n.exists(x, x == 4)", false),
        ("f.n.filter(x, x > 1) == [2, 3]", true),
        ("f.n.map(x, x * 2) == [2, 4, 6]", true),
        ("f.n.map(x, x > 1, x * 2) == [4, 6]", true),
        ("[].all(x, false)", true),
        ("f.n.exists(x, f.s.all(y, y != 'c' && x == 2))", true),
        ("today == 20000 || 1 == 2 || 3 == 4", true),
        ("1 == 1 && 2 == 2 && 3 == 4", false),
    ] {
        assert_eq!(run(source, &facts), Ok(Answer::Bool(want)), "{source}");
    }
    let texts = Answer::Texts(vec!["a!".to_owned(), "b!".to_owned()]);
    assert_eq!(run("f.s.map(x, x + '!')", &facts), Ok(texts));
}

#[test]
fn integers_are_ints_and_what_is_no_evidence_has_no_key() {
    let facts = json!({"port": 22, "gone": null, "half": 0.5, "huge": u64::MAX});
    assert_eq!(run("f.port + 1 == 23 && f.port > 21", &facts), Ok(Answer::Bool(true)));
    for key in ["gone", "half", "huge"] {
        let missing = Err(EvalError::Missing(key.to_owned()));
        assert_eq!(run(&format!("f.{key} == 0"), &facts), missing);
    }
}

#[test]
fn a_value_of_the_wrong_type_is_an_error_and_no_answer() {
    let facts = json!({"a": "text", "n": 1});
    for source in [
        "f.a",
        "f.n",
        "f.a.b == 1",
        "f.a ? true : false",
        "[f.n]",
        "f.n + f.a == 1",
        "9223372036854775807 + f.n > 0",
        "f.n / 0 == 1",
        "f.a > f.n",
        "!f.a",
        "g == 1",
    ] {
        assert!(
            matches!(run(source, &facts), Err(EvalError::Rule(_) | EvalError::Missing(_))),
            "{source}"
        );
    }
}

#[test]
fn a_rule_past_its_budget_stops() {
    let list: Vec<_> = (0..1000).collect();
    let facts = json!({"n": list});
    assert_eq!(
        run("f.n.all(x, f.n.filter(y, y < 0) == [])", &json!({"n": [1]})),
        Ok(Answer::Bool(true))
    );
    for source in [
        "f.n.all(x, f.n.all(y, y >= 0))",
        "f.n.exists(x, f.n.exists(y, y < 0))",
        "f.n.all(x, f.n.filter(y, y < 0) == [])",
        "f.n.all(x, f.n.map(y, y) == [])|| f.n.all(x, f.n.map(y, y) != [])",
    ] {
        match run(source, &facts) {
            Err(EvalError::Rule(message)) => assert!(message.contains("steps"), "{message}"),
            other => assert_eq!(other, Ok(Answer::Bool(false)), "{source}"),
        }
    }
    let map = run("f.n.all(x, f.n.map(y, y) != [])", &facts);
    assert!(matches!(map, Err(EvalError::Rule(message)) if message.contains("steps")));
    // The budget is one expression's, not the scope's.
    let program = Program::new(parse("f.n.all(x, x >= 0)").expect("program"));
    let mut scope = Scope::new(0);
    scope.bind("f", &facts);
    for _ in 0..2 * MAX_STEPS / 1000 {
        assert_eq!(scope.run(&program), Ok(Answer::Bool(true)));
    }
}

#[test]
fn what_is_too_large_is_refused() {
    assert!(matches!(parse(&" ".repeat(5000)), Err(ParseError::TooLong(5000))));
    assert!(matches!(parse("f.a =="), Err(ParseError::Syntax(_))));
    assert!(matches!(parse(&"!(".repeat(40)), Err(ParseError::Syntax(_))));
    assert_eq!(parse(&vec!["1"; 80].join("+")), Err(ParseError::TooDeep));
    assert!(parse(&vec!["1"; 60].join("+")).is_ok());
    let nested = |n: usize| format!("{}true{}", "f.n.all(x, ".repeat(n), ")".repeat(n));
    assert!(parse(&nested(2)).is_ok());
    assert_eq!(parse(&nested(3)), Err(ParseError::TooNested));
    let wide = format!("[{}]", vec!["1"; 2040].join(","));
    assert!(parse(&wide).is_err(), "2,040 nodes");
}

/// The deepest shapes there can be, on a quarter of the stack that they get. A debug build needs
/// the most: between 2 and 4 MiB.
#[test]
fn the_deepest_rule_needs_a_quarter_of_the_stack() {
    let chains = ["+", "-", "*"].map(|op| format!("{} > 0", vec!["f.n"; 60].join(op)));
    let fields = format!("f{} == 1", ".n".repeat(60));
    let ternary = format!("{}true", "true ? true : ".repeat(28));
    let nested = format!("{}true{}", "!(".repeat(28), ")".repeat(28));
    let calls = format!("f.s{} == ''", ".map(x, x)".repeat(2));
    let sums = vec!["f.n"; 50].join("+");
    let inner = format!("f.s.all(x, f.s.all(y, {sums} > 0))");
    let sources: Vec<String> =
        chains.into_iter().chain([fields, ternary, nested, calls, inner]).collect();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES / 4).spawn(move || {
        let facts = json!({"n": 1, "s": ["a"]});
        for source in &sources {
            match parse(source) {
                Ok(expr) => {
                    let program = Program::new(expr);
                    let mut scope = Scope::new(0);
                    scope.bind("f", &facts);
                    let _ = scope.run(&program.clone());
                }
                Err(error) => panic!("{source}: {error}"),
            }
        }
    });
    thread.expect("thread").join().expect("no overflow");
}

/// Expressions of all that can absorb an error in CEL, over `f.a`, `f.b`, `f.n` and the list `f.l`.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["f.a", "f.b", "f.n > 1", "'s' in f.t", "true", "false"]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        (0..8u8, inner.clone(), inner.clone(), inner).prop_map(|(form, a, b, c)| match form {
            0 => format!("({a} && {b})"),
            1 => format!("({a} || {b})"),
            2 => format!("!({a})"),
            3 => format!("({a} ? {b} : {c})"),
            4 => format!("f.l.exists(v, {a} || v.x)"),
            5 => format!("f.l.all(v, v.y && {a})"),
            6 => format!("size(f.l.filter(v, v.x || {a})) > 0"),
            _ => format!("({a}) == ({b})"),
        })
    })
}

fn facts() -> impl Strategy<Value = Value> {
    let item = (any::<bool>(), any::<bool>()).prop_map(|(x, y)| json!({"x": x, "y": y}));
    let list = prop::collection::vec(item, 0..4);
    let names = prop::sample::select(vec![json!([]), json!(["s"]), json!(["t"])]);
    (any::<bool>(), any::<bool>(), 0..3, list, names)
        .prop_map(|(a, b, n, l, t)| json!({"a": a, "b": b, "n": n, "l": l, "t": t}))
}

/// Takes away the keys whose turn in `taken` is true.
fn thinned(facts: &Value, taken: &mut impl Iterator<Item = bool>) -> Value {
    match facts {
        Value::Object(members) => {
            let kept: Vec<_> = members.iter().filter(|_| !taken.next().unwrap_or(false)).collect();
            kept.into_iter().map(|(key, value)| (key.clone(), thinned(value, taken))).collect()
        }
        Value::Array(items) => items.iter().map(|item| thinned(item, taken)).collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn fewer_facts_give_the_same_answer_or_none(
        source in expressions(),
        facts in facts(),
        taken in prop::collection::vec(any::<bool>(), 13),
    ) {
        prop_assume!(parse(&source).is_ok());
        let less = thinned(&facts, &mut taken.into_iter());
        let answers = on_large_stack(|| (run(&source, &facts), run(&source, &less)));
        let (whole, less) = answers.expect("no overflow");
        prop_assert!(less.is_err() || less == whole, "{}: {:?}, then {:?}", source, whole, less);
    }
}
