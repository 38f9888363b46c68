use super::*;
use crate::judge::Severity;

fn catalogue() -> Catalogue {
    Catalogue::builtin().expect("catalogue")
}

const RULE: &str = r#"[[rule]]
id = "acc-a"
title = "t"
controls = ["A.8.2"]
severity = "low"
evidence = ["accounts"]
offenders = "accounts.users.filter(u, u.uid == 0 && u.name != 'root').map(u, u.name)"
rationale = "r"
remediation = "m"
profile = "standard"

[[rule.example]]
name = "good"
expect = "pass"
facts = { accounts = { users = [{ name = "root", uid = 0 }] } }

[[rule.example]]
name = "bad"
expect = "fail"
facts = { accounts = { users = [{ name = "toor", uid = 0 }] } }
"#;

fn load(text: &str) -> Result<RuleSet, Vec<RuleError>> {
    RuleSet::from_sources(&[("a.toml".to_owned(), text.to_owned())], &catalogue())
}

/// The first error after one change of the good rule.
#[track_caller]
fn refused(from: &str, to: &str) -> String {
    assert!(RULE.contains(from), "{from}");
    let errors = load(&RULE.replacen(from, to, 1)).expect_err(to);
    errors.first().expect("error").to_string()
}

/// The error for another expression.
#[track_caller]
fn refused_expression(key: &str, expression: &str) -> String {
    let line = RULE.lines().find(|line| line.starts_with("offenders")).expect("line");
    let quoted = serde_json::to_string(expression).expect("text");
    refused(line, &format!("{key} = {quoted}"))
}

#[test]
fn the_rules_that_are_compiled_in_load() {
    match RuleSet::builtin(&catalogue()) {
        Ok(rules) => {
            assert_eq!(rules.rules().len(), 191);
            let essential = rules.only(&[Profile::Essential]).rules().len();
            assert_eq!(essential, 44, "about forty: what holds on any well-kept host");
        }
        Err(errors) => {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"));
        }
    }
}

#[test]
fn the_folder_and_what_is_compiled_in_are_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/rules");
    let from_disk = RuleSet::load_dir(&folder, &catalogue()).expect("folder");
    let builtin = RuleSet::builtin(&catalogue()).expect("builtin");
    assert_eq!(from_disk.id(), builtin.id());
    assert_eq!(from_disk.sources(), builtin.sources());
}

#[test]
fn the_id_depends_on_the_texts_and_not_on_their_order() {
    let source = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let other = RULE.replace("acc-a", "acc-b");
    let id = |sources: &[(String, String)]| {
        RuleSet::from_sources(sources, &catalogue()).expect("rules").id()
    };
    let one = id(&[source("a", RULE), source("b", &other)]);
    assert_eq!(one, id(&[source("b", &other), source("a", RULE)]));
    assert_ne!(one, id(&[source("a", RULE), source("b", &format!("{other}\n"))]));
}

#[test]
fn a_good_rule_loads_and_says_what_it_reads() {
    let rules = load(RULE).expect("rules");
    let rule = rules.get("acc-a").expect("rule");
    let reads: Vec<_> = rule.reads.iter().map(String::as_str).collect();
    assert_eq!(reads, ["accounts.users", "accounts.users.name", "accounts.users.uid"]);
    assert_eq!((rule.severity, rule.reads_today), (Severity::Low, false));
}

#[test]
fn a_misspelt_key_is_refused_with_its_place() {
    let error = refused("title", "titel");
    assert!(error.starts_with("a.toml:3:1: unknown field `titel`"), "{error}");
    assert!(error.ends_with("did you mean `title`?"), "{error}");
    assert!(refused("\"low\"", "\"lo\"").contains("a.toml:5:12"));
}

#[test]
fn an_unknown_control_kind_or_fact_is_refused_with_a_suggestion() {
    let error = refused("A.8.2", "A.8.92");
    assert!(error.starts_with("a.toml:4:13: rule `acc-a`: unknown control `A.8.92`"), "{error}");
    let error = refused("[\"accounts\"]", "[\"acounts\"]");
    assert!(error.starts_with("a.toml:6:13: rule `acc-a`: unknown kind `acounts`"), "{error}");
    assert!(error.ends_with("did you mean `accounts`?"), "{error}");
    let error = refused("u.uid == 0", "u.uidd == 0");
    assert!(error.starts_with("a.toml:7:41: rule `acc-a`: there is no fact `accounts.users.uidd`"));
    assert!(error.ends_with("did you mean `uid`?"), "{error}");
    assert!(refused("accounts.users.filter", "account.users.filter").contains("`accounts`?"));
}

#[test]
fn a_literal_of_the_wrong_type_is_refused() {
    let error = refused("u.uid == 0", "u.uid == '0'");
    assert!(error.contains("`accounts.users.uid` is an int"), "{error}");
    assert!(
        refused_expression("passes", "accounts.legacy_plus_entries").contains("must be a bool")
    );
    let error = refused_expression("offenders", "accounts.users.map(u, u.uid)");
    assert!(error.contains("list of strings"), "{error}");
}

#[test]
fn skipping_what_was_not_read_is_refused() {
    let has = refused_expression("passes", "!has(accounts.nss_passwd) || true");
    assert!(has.contains("has() is refused"), "{has}");
    let null = refused_expression("passes", "accounts.nss_passwd != null");
    assert!(null.contains("null"), "{null}");
}

#[test]
fn a_value_that_can_be_unknown_may_not_decide_by_its_bad_values() {
    let bad = "accounts.users.filter(u, u.password.state == 'empty').map(u, u.name)";
    let error = refused_expression("offenders", bad);
    assert!(error.contains("`accounts.users.password.state` can be `unknown`"), "{error}");
    assert!(error.starts_with("a.toml:7:50:"), "{error}");
}

#[test]
fn a_rule_without_a_passing_and_a_failing_example_is_refused() {
    let at = RULE.rfind("[[rule.example]]").expect("example");
    let errors = load(&RULE[..at]).expect_err("one example");
    assert!(errors[0].to_string().contains("no example expects fail"), "{}", errors[0]);
    let at = RULE.find("[[rule.example]]").expect("example");
    let errors = load(&RULE[..at]).expect_err("no example");
    assert!(errors[0].to_string().contains("pass or fail"), "{}", errors[0]);
}

#[test]
fn an_example_that_does_not_behave_is_refused_at_its_place() {
    let error = refused("name = \"toor\"", "name = \"root\"");
    assert!(error.starts_with("a.toml:17:1:"), "{error}");
    assert!(error.contains("example `bad` expects fail, gives pass"), "{error}");
    let offenders = "expect = \"fail\"\noffenders = [\"eve\"]";
    assert!(refused("expect = \"fail\"", offenders).contains("other offenders: toor"));
    let error = refused("uid = 0 }] } }", "uid = \"0\" }] } }");
    assert!(error.contains("`accounts.users.uid` is not an int"), "{error}");
    assert!(refused("expect = \"fail\"", "expect = \"fail\"\ntoday = \"soon\"").contains("date"));
}

#[test]
fn ids_are_kebab_case_and_belong_to_one_rule() {
    assert!(refused("\"acc-a\"", "\"Acc_a\"").contains("a.toml:2:6: rule `Acc_a`: an id is kebab"));
    let errors = load(&format!("{RULE}\n{RULE}")).expect_err("twice");
    assert!(errors[0].to_string().contains("another rule has this id"), "{}", errors[0]);
}

#[test]
fn a_rule_asks_one_thing_of_at_most_three_controls() {
    let four = r#"["A.8.2", "A.8.3", "A.8.5", "A.8.9"]"#;
    assert!(refused("[\"A.8.2\"]", four).contains("at most three"));
    assert!(refused("rationale", "passes = \"true\"\nrationale").contains("either"));
    let line = RULE.lines().find(|line| line.starts_with("offenders")).expect("line");
    assert!(refused(line, "").contains("either"));
    assert!(refused_expression("passes", "true").contains("reads no fact"));
}

#[test]
fn what_nothing_reads_is_refused() {
    let error = refused("[\"accounts\"]", "[\"accounts\", \"packages\"]");
    assert!(error.contains("`packages` is evidence, and nothing reads it"), "{error}");
    assert!(refused("rationale", "params = { max = 1 }\nrationale").contains("parameter `max`"));
    let both = "packages.count > 0 && accounts.legacy_plus_entries == 0";
    assert!(
        refused_expression("passes", both).contains("`packages` is not in this rule's evidence")
    );
}

#[test]
fn a_kind_has_one_guard_and_versions_that_exist() {
    let guard = "[guard]\naccounts = \"size(accounts.users) > 0\"\n";
    let sources = ["a", "b"].map(|name| (name.to_owned(), guard.to_owned()));
    let errors = RuleSet::from_sources(&sources, &catalogue()).expect_err("two guards");
    assert!(errors[0].to_string().contains("has a guard already"), "{}", errors[0]);
    assert!(refused("rationale", "since = { accounts = 9 }\nrationale").contains("no version 9"));
    assert!(load("[guard]\nacounts = \"true\"\n").expect_err("kind")[0].suggestion.is_some());
}

#[test]
fn all_faults_are_reported_at_once() {
    let text = RULE.replace("A.8.2", "A.8.99").replace("u.name)", "u.nam)");
    assert_eq!(load(&text).expect_err("two").len(), 2);
}

#[test]
fn a_long_chain_is_refused_and_does_not_overflow_the_stack() {
    let chain = vec!["1"; 2000].join("+");
    assert!(refused_expression("passes", &format!("{chain} > 0")).contains("nested"));
    assert!(refused_expression("passes", &"(".repeat(4000)).contains("not an expression"));
    assert!(refused_expression("passes", &"1+".repeat(3000)).contains("bytes long"));
}

#[test]
fn an_empty_folder_is_no_rule_set() {
    let folder = tempfile::tempdir().expect("folder");
    let errors = RuleSet::load_dir(folder.path(), &catalogue()).expect_err("empty");
    assert!(errors[0].message.contains("no *.toml"), "{}", errors[0]);
    assert!(RuleSet::load_dir(&folder.path().join("absent"), &catalogue()).is_err());
}
