use super::*;
use proptest::prelude::*;
use regex_lite::Regex;

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn word(text: &str) -> Tree {
    Tree::Word(text.to_owned())
}

#[test]
fn lines_give_words_and_keep_what_is_said_twice() {
    let text = "# keep = 1\nkeep = 7\n\nkeep 9\nname: 'a # b'\nexport HOME=\"/root\"\nbare\n";
    let tree = key_value(text).expect("lines");
    assert_eq!(tree.at(&path("keep")), [&word("7"), &word("9")]);
    assert_eq!(tree.at(&path("name")), [&word("a # b")]);
    assert_eq!(tree.at(&path("HOME")), [&word("/root")]);
    assert_eq!(tree.at(&path("bare")), [&word("")]);
    assert!(tree.at(&path("kee")).is_empty());
    assert_eq!(key_value("a = 1\n= 2\n").expect_err("no key").line, 2);
    assert_eq!(key_value("a = \"1\n").expect_err("quote").line, 1);
}

#[test]
fn sections_go_on_when_they_are_opened_again() {
    let text = "level=1\n[main]\nkeep = 7\n[other]\nkeep = 8\n[main]\nkeep = 9\n; [main]\n";
    let tree = ini(text).expect("INI");
    assert_eq!(tree.at(&path("level")), [&word("1")]);
    assert_eq!(tree.at(&path("main.keep")), [&word("7"), &word("9")]);
    assert_eq!(tree.at(&path("other.keep")), [&word("8")]);
    assert_eq!(ini("[main\nkeep = 7\n").expect_err("section").line, 1);
    assert_eq!(ini("[main]\nkeep\n").expect_err("key").line, 2);
}

#[test]
fn one_document_is_the_same_tree_in_three_formats() {
    let trees = [
        json(r#"{"a": {"n": 7, "t": "x", "b": true, "l": [1, "y"], "f": 1.5}}"#),
        toml("[a]\nn = 7\nt = 'x'\nb = true\nl = [1, 'y']\nf = 1.5\n"),
        yaml("a:\n  n: 7\n  t: 'x'\n  b: true\n  l: [1, \"y\"]\n  f: 1.5\n"),
    ];
    for tree in trees {
        let tree = tree.expect("a tree");
        assert_eq!(tree.at(&path("a.n")), [&Tree::Integer(7)]);
        assert_eq!(tree.at(&path("a.t")), [&Tree::Text("x".to_owned())]);
        assert_eq!(tree.at(&path("a.b")), [&Tree::Boolean(true)]);
        let list = Tree::List(vec![Tree::Integer(1), Tree::Text("y".to_owned())]);
        assert_eq!(tree.at(&path("a.l")), [&list]);
        assert_eq!(tree.at(&path("a.f")), [&Tree::Other]);
        assert!(tree.at(&path("a.t.x")).is_empty());
    }
}

#[test]
fn what_readers_understand_differently_is_refused_or_no_number() {
    assert_eq!(json("{\"a\": 1,\n\"a\": 2}").expect_err("twice").line, 2);
    assert!(json("{} {}").is_err() && json("").is_err());
    assert!(toml("a = 1\na = 2\n").is_err());
    for (text, what) in [
        ("a: 1\na: 2\n", "a key that is given twice"),
        ("a: &x 1\nb: *x\n", "an alias"),
        ("a: 1\n---\na: 2\n", "several documents"),
        ("a: !!str 1\n", "a tag"),
        ("? [a]\n: 1\n", "a key that is no plain text"),
        ("# nothing\n", "an empty document"),
        ("a: [1\n", "not YAML"),
    ] {
        assert_eq!(yaml(text).expect_err(text).what, what, "{text}");
    }
    for text in ["0777", "0x1f", "1e3", "99999999999999999999", ".inf", "~"] {
        let tree = yaml(&format!("a: {text}\n")).expect(text);
        assert_eq!(tree.at(&path("a")), [&Tree::Other], "{text}");
    }
    for text in ["yes", "infinity", "1.2.3", "10.0.0.0/8"] {
        let tree = yaml(&format!("a: {text}\n")).expect(text);
        assert_eq!(tree.at(&path("a")), [&word(text)]);
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |open: &str, close: &str| open.repeat(100) + &close.repeat(100);
    assert!(json(&deep("[", "]")).is_err());
    assert!(yaml(&deep("[", "]")).is_err());
}

#[test]
fn groups_of_every_line_are_collected() {
    let pattern = Regex::new(r"^(?P<name>\w+) kept (?P<days>\d+) days$").expect("pattern");
    let tree = matches("db kept 30 days\nnoise\nweb kept 7 days\n", &pattern);
    assert_eq!(tree.at(&path("name")), [&word("db"), &word("web")]);
    assert_eq!(tree.at(&path("days")), [&word("30"), &word("7")]);
}

proptest! {
    /// Whatever the text: an answer, and no panic.
    #[test]
    fn every_text_has_an_answer(text in "(?s)[ -~\n\t\u{e9}]{0,300}") {
        let _ = (key_value(&text), ini(&text), json(&text), toml(&text), yaml(&text));
    }

    /// YAML that looks like YAML.
    #[test]
    fn every_yaml_has_an_answer(text in "([ ]{0,4}[a-c&*!-]{1,2}[:]? ?[\\[\\]{}0-9a-c\"'#,|>-]{0,6}\n){0,12}") {
        let _ = yaml(&text);
    }

    #[test]
    fn what_serde_json_writes_is_read_as_it_was(
        members in proptest::collection::btree_map("[a-z]{1,4}", any::<i64>(), 0..5),
    ) {
        let text = serde_json::to_string(&members).expect("JSON");
        let expected = members.into_iter().map(|(key, n)| (key, vec![Tree::Integer(n)])).collect();
        prop_assert_eq!(json(&text), Ok(Tree::Map(expected)));
    }
}
