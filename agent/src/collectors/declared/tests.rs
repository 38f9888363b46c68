use super::*;
use crate::host::Fixture;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

fn declaration(head: &str, fields: &[(&str, &str, &str)]) -> Declaration {
    let mut text = format!(
        "kind = \"own_check\"\nv = 1\ntitle = \"A check\"\nschedule = \"@hourly\"\n{head}\n"
    );
    for (name, shape, more) in fields {
        let field = format!("name = \"{name}\"\ntype = \"{shape}\"\nabout = \"It.\"\n{more}\n");
        text.push_str(&format!("[[field]]\n{field}"));
    }
    Declaration::parse(&text).expect("a declaration")
}

fn file(format: &str, fields: &[(&str, &str, &str)]) -> Declared {
    let head = format!("file = \"/etc/check\"\nformat = \"{format}\"");
    Declared::new(declaration(&head, fields), &BTreeMap::new()).expect("usable")
}

fn host(text: &str) -> Host {
    Host::fixture(Fixture::parse(&format!("-- /etc/check --\n{text}")).expect("fixture"))
}

/// Status, data, unread fields and the note of the one source.
fn outcome(declared: &Declared, host: &Host) -> (Status, Value, Vec<String>, String) {
    let collected = declared.collect(host);
    let data = collected.facts.map_or(Value::Null, |facts| facts.data);
    let note = collected.sources.into_iter().find_map(|source| source.note).unwrap_or_default();
    (collected.status, data, collected.unread, note)
}

#[test]
fn every_format_gives_the_same_facts() {
    let fields =
        [("keep", "integer", "from = \"main.keep\""), ("on", "boolean", "from = \"main.on\"")];
    for (format, text) in [
        ("ini", "[main]\nkeep = 7\non = yes\n"),
        ("json", "{\"main\": {\"keep\": 7, \"on\": true}}\n"),
        ("yaml", "main:\n  keep: 7\n  on: yes\n"),
        ("toml", "[main]\nkeep = 7\non = true\n"),
    ] {
        let seen = outcome(&file(format, &fields), &host(text));
        let expected = (Status::Ok, json!({"keep": 7, "on": true}), vec![], String::new());
        assert_eq!(seen, expected, "{format}");
    }
    let flat = [("keep", "integer", ""), ("on", "boolean", "")];
    let seen = outcome(&file("key_value", &flat), &host("keep 7\non = off\n"));
    assert_eq!(seen.1, json!({"keep": 7, "on": false}));
}

#[test]
fn what_is_not_said_plainly_is_unread_and_the_rest_is_told() {
    let fields = [("keep", "integer", ""), ("name", "text", "")];
    let declared = file("key_value", &fields);
    for (text, why) in [
        ("name = a\n", "keep: it is not there"),
        ("name = a\nkeep = 7\nkeep = 9\n", "keep: it is given more than once"),
        ("name = a\nkeep = 7 days\n", "keep: it is no whole number"),
        ("name = a\nkeep = 9007199254740993\n", "keep: it is no whole number"),
        ("name = a\n# keep = 7\n", "keep: it is not there"),
    ] {
        let (status, data, unread, note) = outcome(&declared, &host(text));
        assert_eq!((status, data), (Status::Partial, json!({"name": "a"})), "{text}");
        assert_eq!((unread, note.as_str()), (vec!["keep".to_owned()], why), "{text}");
    }
    let long = format!("name = {}\nkeep = 7\n", "x".repeat(MAX_TEXT_BYTES + 1));
    assert_eq!(outcome(&declared, &host(&long)).1, json!({"keep": 7}));
}

#[test]
fn a_default_holds_only_where_the_file_was_read_and_says_nothing() {
    let declared = file("key_value", &[("keep", "integer", "default = 30")]);
    assert_eq!(outcome(&declared, &host("other = 1\n")).1, json!({"keep": 30}));
    assert_eq!(outcome(&declared, &host("keep = x\n")).0, Status::Partial);
    assert_eq!(outcome(&declared, &host("= 7\n")).0, Status::ParseError);
    for (text, status) in [
        ("-- /etc/other --\nkeep = 7\n", Status::Absent),
        ("-- /etc/check denied --\n", Status::Denied),
    ] {
        let host = Host::fixture(Fixture::parse(text).expect("fixture"));
        let (seen, data, ..) = outcome(&declared, &host);
        assert_eq!((seen, data), (status, Value::Null), "{text}");
    }
}

#[test]
fn the_first_or_the_last_counts_where_the_declaration_says_so() {
    for (repeated, keep) in [("first", 7), ("last", 9)] {
        let head =
            format!("file = \"/etc/check\"\nformat = \"key_value\"\nrepeated = \"{repeated}\"");
        let declaration = declaration(&head, &[("keep", "integer", "")]);
        let declared = Declared::new(declaration, &BTreeMap::new()).expect("usable");
        assert_eq!(outcome(&declared, &host("keep = 7\nkeep = 9\n")).1, json!({"keep": keep}));
    }
}

#[test]
fn lines_are_taken_apart_by_a_pattern_with_a_group_for_each_field() {
    let head =
        "file = \"/etc/check\"\nformat = \"regex\"\npattern = '^(?P<name>\\w+): (?P<n>\\d+)$'";
    let fields = [("names", "texts", "from = \"name\""), ("sizes", "integers", "from = \"n\"")];
    let declared = Declared::new(declaration(head, &fields), &BTreeMap::new()).expect("usable");
    let seen = outcome(&declared, &host("a: 1\nnoise\nb: 22\n"));
    assert_eq!(seen.1, json!({"names": ["a", "b"], "sizes": [1, 22]}));
    // No line is no empty list: the pattern may be wrong.
    assert_eq!(outcome(&declared, &host("A-1\n")).0, Status::Partial);

    let wrong = declaration(head, &[("other", "text", "")]);
    let error = Declared::new(wrong, &BTreeMap::new()).expect_err("no such group");
    assert_eq!(error, UnusableKind::Group("other".into()));
    let head = "file = \"/etc/check\"\nformat = \"regex\"\npattern = '('";
    let error = Declared::new(declaration(head, &[("a", "text", "")]), &BTreeMap::new());
    assert!(matches!(error, Err(UnusableKind::Pattern(_))));
}

#[test]
fn a_command_is_run_only_from_the_hosts_own_list_and_on_the_running_system() {
    let declared = |script: &str, format: &str, fields: &[(&str, &str, &str)]| {
        let command = Command {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            timeout: Duration::from_secs(30),
            max_output: 4096,
        };
        let head = format!("command = \"raid\"\nformat = \"{format}\"");
        Declared::new(declaration(&head, fields), &[("raid".to_owned(), command)].into())
    };
    let live = Host::live().expect("this machine");
    let keep = [("keep", "integer", "")];
    let seen = outcome(&declared("echo keep=7", "key_value", &keep).expect("usable"), &live);
    assert_eq!((seen.0, seen.1), (Status::Ok, json!({"keep": 7})));
    let failed = declared("echo keep=7; exit 3", "key_value", &keep).expect("usable");
    let seen = outcome(&failed, &live);
    assert_eq!(
        (seen.0, seen.1, seen.3.as_str()),
        (Status::IoError, Value::Null, "it ended with 3")
    );
    let code = [("state", "integer", "from = \"exit_code\"")];
    let seen = outcome(&declared("exit 3", "exit_code", &code).expect("usable"), &live);
    assert_eq!(seen.1, json!({"state": 3}));
    let there = declared("echo keep=7", "key_value", &keep).expect("usable");
    assert_eq!(outcome(&there, &host("")).0, Status::Unsupported, "an image runs nothing");
    let unlisted = declaration("command = \"raid\"\nformat = \"json\"", &keep);
    let error = Declared::new(unlisted, &BTreeMap::new()).expect_err("not listed");
    assert_eq!(error, UnusableKind::Command("raid".into()));
}

proptest! {
    /// Noise in the place of a file never fills a field that was not said.
    #[test]
    fn whatever_stands_there_there_is_an_answer(text in "(?s)[ -~\n\t]{0,200}") {
        for format in ["key_value", "ini", "json", "yaml", "toml"] {
            let declared = file(format, &[("keep", "integer", ""), ("names", "texts", "")]);
            let collected = declared.collect(&host(&text.replace("-- ", "")));
            if collected.status == Status::Ok {
                prop_assert!(collected.facts.is_some() && collected.unread.is_empty());
            }
        }
    }
}
