use super::super::load::RuleSet;
use super::super::{Change, HostState, Judge, KindState, Outcome, differences};
use super::*;
use evidence::{Facts, Status};
use serde_json::json;
use std::sync::Arc;

const PRODUCT: &str = r#"[[rule]]
id = "acc-few"
title = "Few accounts"
controls = ["A.8.2"]
severity = "low"
evidence = ["accounts"]
passes = "accounts.legacy_plus_entries <= p.max"
params = { max = 3 }
rationale = "r"
remediation = "m"
profile = "essential"

[[rule.example]]
name = "few"
expect = "pass"
facts.accounts = { legacy_plus_entries = 3 }

[[rule.example]]
name = "many"
expect = "fail"
facts.accounts = { legacy_plus_entries = 4 }

[[rule]]
id = "acc-states"
title = "No password of a bad state"
controls = ["A.8.5"]
severity = "high"
evidence = ["accounts"]
offenders = "accounts.users.filter(u, !(u.password.state in p.good)).map(u, u.name)"
params = { good = ["set", "locked"] }
rationale = "r"
remediation = "m"
profile = "standard"

[[rule.example]]
name = "good"
expect = "pass"
facts.accounts = { users = [{ name = "ada", password = { state = "set" } }] }

[[rule.example]]
name = "bad"
expect = "fail"
facts.accounts = { users = [{ name = "eve", password = { state = "empty" } }] }
"#;

const OWN: &str = r#"
[[control]]
id = "X.1"
title = "Plants are apart"
theme = "technological"

[[param]]
rule = "acc-few"
name = "max"
value = 10
policy_ref = "POL-1"

[[param]]
rule = "acc-few"
name = "max"
value = 0
policy_ref = "POL-2"
groups = ["payment"]

[[off]]
rule = "acc-states"
reason = "Consoles have none; risk R-12."
groups = ["plant"]

[[rule]]
id = "own-plant"
title = "One legacy entry at most in a plant"
controls = ["X.1"]
severity = "low"
evidence = ["accounts"]
passes = "accounts.legacy_plus_entries <= 1"
rationale = "r"
remediation = "m"
profile = "essential"
groups = ["plant"]

[[rule.example]]
name = "one"
expect = "pass"
facts.accounts = { legacy_plus_entries = 1 }

[[rule.example]]
name = "two"
expect = "fail"
facts.accounts = { legacy_plus_entries = 2 }
"#;

fn set(own: &str) -> Result<RuleSet, Vec<RuleError>> {
    let sources = [("a.toml", PRODUCT), ("overlay/own.toml", own)];
    let sources = sources.map(|(name, text)| (name.to_owned(), text.to_owned()));
    RuleSet::from_sources(&sources, &Catalogue::builtin().expect("catalogue"))
}

#[track_caller]
fn good(own: &str) -> RuleSet {
    set(own).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

#[track_caller]
fn refused(own: &str) -> String {
    set(own).expect_err(own).first().expect("error").to_string()
}

fn entries(n: i64) -> HostState {
    let data = json!({"legacy_plus_entries": n, "users": [
        {"name": "ada", "password": {"state": "empty"}}]});
    let facts = Some(Arc::new(Facts::new("accounts", 1, data).expect("facts")));
    let state = KindState { status: Status::Ok, unread: vec![], facts };
    HostState { kinds: [("accounts".to_owned(), state)].into() }
}

/// `rule outcome` of each rule that judges hosts of a group.
fn said(judge: &Judge, group: &str, n: i64) -> Vec<String> {
    let results = judge.judge_in(group, &entries(n), 0).into_iter();
    results.map(|r| format!("{} {}", r.rule, r.outcome.as_str())).collect()
}

#[test]
fn each_group_is_judged_by_its_own_rules_and_parameters() {
    let judge = Judge::new(Arc::new(good(OWN)));
    for _ in ["first", "out of memory"] {
        assert_eq!(said(&judge, "", 7), ["acc-few pass", "acc-states fail"]);
        assert_eq!(said(&judge, "web", 11), ["acc-few fail", "acc-states fail"]);
        assert_eq!(said(&judge, "payment", 7), ["acc-few fail", "acc-states fail"]);
        assert_eq!(said(&judge, "payment", 0), ["acc-few pass", "acc-states fail"]);
        assert_eq!(said(&judge, "plant", 7), ["acc-few pass", "own-plant fail"]);
    }
    let rules = judge.rules();
    let ids: Vec<_> = rules.rules().iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["acc-few", "acc-states", "own-plant"], "each once");
    assert_ne!(rules.id_of("plant"), rules.id_of("payment"));
    assert_eq!(rules.id_of("web"), rules.id());
    assert!(rules.has(rules.id_of("plant")) && !rules.has(evidence::Digest::of(b"other")));
}

#[test]
fn a_rule_that_is_switched_off_gives_no_result_and_is_listed_with_its_reason() {
    let rules = good(OWN);
    let off: Vec<_> = rules.off_of("plant").iter().map(|off| off.rule.as_str()).collect();
    assert_eq!(off, ["acc-states"]);
    assert!(rules.off_of("web").is_empty());
    let all = rules.off();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].group.as_deref(), Some("plant"));
    assert_eq!(all[0].reason, "Consoles have none; risk R-12.");
    assert_eq!(all[0].title, "No password of a bad state");
    let everywhere = good("[[off]]\nrule = \"acc-few\"\nreason = \"r\"\n");
    assert_eq!(everywhere.off()[0].group, None);
    assert!(everywhere.get("acc-few").is_none());
    // Of another profile it is none that could have judged.
    assert!(everywhere.only(&[Profile::Standard]).off().is_empty());
}

#[test]
fn a_parameter_says_which_policy_it_follows_or_that_nobody_adopted_it() {
    let rules = good(OWN);
    let origin = |group: &str, rule: &str, name: &str| {
        rules.rule_of(group, rule).expect("rule").origin(name).to_string()
    };
    assert_eq!(origin("web", "acc-few", "max"), "POL-1");
    assert_eq!(origin("payment", "acc-few", "max"), "POL-2");
    assert_eq!(origin("web", "acc-states", "good"), "vendor default, not adopted");
    let adopted = "[[param]]\nrule = \"acc-few\"\nname = \"max\"\npolicy_ref = \"POL-3\"\n";
    let rules = good(adopted);
    let rule = rules.get("acc-few").expect("rule");
    assert_eq!(
        (rule.params["max"].clone(), rule.origin("max").to_string()),
        (json!(3), "POL-3".into())
    );
    assert_eq!(rule.digest, good("").get("acc-few").expect("rule").digest, "it judges as before");
    let other = good(OWN);
    assert_ne!(rule.digest, other.get("acc-few").expect("rule").digest, "another version");
}

#[test]
fn own_controls_stand_beside_those_of_the_standard() {
    let rules = good(OWN);
    assert_eq!(rules.catalogue().get("X.1").expect("control").title, "Plants are apart");
    assert_eq!(rules.catalogue().controls().len(), 94);
    let control =
        |id: &str| format!("[[control]]\nid = \"{id}\"\ntitle = \"t\"\ntheme = \"people\"\n");
    assert!(
        refused(&control("A.9.1")).contains("overlay/own.toml:2:6: `A.9.1`: a control of one's")
    );
    assert!(refused(&control("house")).contains("an id such as X.1"));
    let twice = control("X.1") + &control("X.1");
    assert!(refused(&twice).contains("there is a control `X.1` already"));
    let half = control("X.1") + "not_shown = \"much\"\n";
    assert!(refused(&half).contains("come together"));
    assert!(refused(&control("X.1").replace("people", "peple")).contains("overlay/own.toml:4:9"));
}

#[test]
fn what_an_overlay_says_wrongly_is_refused_with_place_and_suggestion() {
    let param = |more: &str| format!("[[param]]\nrule = \"acc-few\"\nname = \"max\"\n{more}");
    let policy = "policy_ref = \"POL\"\n";
    for (own, error) in [
        (
            param(policy).replace("acc-few", "acc-fews"),
            "overlay/own.toml:2:8: unknown rule `acc-fews`; did you mean `acc-few`?",
        ),
        (
            param(policy).replace("max", "maxi"),
            "overlay/own.toml:3:8: rule `acc-few`: there is no parameter `maxi`; did you mean `max`?",
        ),
        (param(""), "overlay/own.toml:1:1: missing field `policy_ref`"),
        (param("policy_ref = \" \"\n"), "overlay/own.toml:4:14: `policy_ref` says something"),
        (
            param(policy) + "value = \"many\"\n",
            "overlay/own.toml:5:9: rule `acc-few`: `max` is an int",
        ),
        (param(policy) + "value = 1.5\n", "overlay/own.toml:5:9: rule `acc-few`: `max` is an int"),
        (
            param(policy) + "value = 2026-11-22\n",
            "overlay/own.toml:5:9: rule `acc-few`: `max` is an int",
        ),
        (param(policy) + "groups = []\n", "overlay/own.toml:5:10: groups are named"),
        (param(policy) + "groups = [\"a\\nb\"]\n", "overlay/own.toml:5:10: groups are named"),
        (param(policy) + "grups = [\"a\"]\n", "overlay/own.toml:5:1: unknown field `grups`"),
        (
            param(policy) + &param(policy),
            "overlay/own.toml:7:8: rule `acc-few`: `max` is set twice",
        ),
        ("[[off]]\nrule = \"acc-few\"\n".into(), "overlay/own.toml:1:1: missing field `reason`"),
        (
            "[[off]]\nrule = \"acc-few\"\nreason = \"\"\n".into(),
            "overlay/own.toml:3:10: `reason` says something",
        ),
        (
            "[[off]]\nrule = \"acc\"\nreason = \"r\"\n".into(),
            "overlay/own.toml:2:8: unknown rule `acc`",
        ),
        (PRODUCT.into(), "overlay/own.toml:2:6: rule `acc-few`: another rule has this id"),
        ("[[off]\n".into(), "overlay/own.toml:1:"),
    ] {
        let found = refused(&own);
        assert!(found.starts_with(error), "{found}\n  for {own}");
    }
    let off = "[[off]]\nrule = \"acc-few\"\nreason = \"r\"\n";
    assert!(refused(&off.repeat(2)).contains("switched off twice"));
    // For all hosts and for a group is no contradiction.
    let special = param(policy) + "value = 1\n" + &param(policy) + "groups = [\"a\"]\nvalue = 2\n";
    assert!(set(&special).is_ok());
}

/// A parameter can turn an expression that names good values into one that names bad ones.
#[test]
fn a_parameter_that_makes_an_expression_pass_the_unknown_is_refused() {
    let value = |value: &str| {
        format!(
            "[[param]]\nrule = \"acc-states\"\nname = \"good\"\nvalue = {value}\npolicy_ref = \"P\"\n"
        )
    };
    assert!(set(&value("[\"set\"]")).is_ok());
    let error = refused(&value("[\"set\", \"unknown\"]"));
    assert!(
        error.starts_with("overlay/own.toml:4:9: rule `acc-states`: with these param"),
        "{error}"
    );
    let error = refused(&value("[\"set\", \"loked\"]"));
    assert!(error.contains("with these parameters"), "{error}");
}

#[test]
fn an_overlay_has_bounds() {
    let off =
        |n: usize| format!("[[off]]\nrule = \"acc-few\"\nreason = \"r\"\ngroups = [\"g{n}\"]\n");
    let many: String = (0..=MAX_GROUPS).map(off).collect();
    assert!(
        set(&many).expect_err("groups").iter().any(|e| e.message.contains("at most 500 groups"))
    );
    let many: String = (0..=MAX_ENTRIES).map(off).collect();
    assert!(refused(&many).contains("at most 1000 rules switched off"));
    let example = "[[rule.example]]\nname = \"e\"\nexpect = \"pass\"\n\
                   facts.accounts = { legacy_plus_entries = 1 }\n";
    let many = OWN.to_owned() + &example.repeat(MAX_EXAMPLES);
    assert!(refused(&many).contains("at most 2000 examples together"), "{}", refused(&many));
    let long = format!("[[off]]\nrule = \"acc-few\"\nreason = \"{}\"\n", "r".repeat(MAX_WORDS + 1));
    assert!(refused(&long).contains("in at most 500 characters"));

    let directory = tempfile::tempdir().expect("directory");
    let says = || read_dir(directory.path()).expect_err("refused")[0].message.clone();
    assert!(says().contains("no *.toml"));
    std::fs::write(directory.path().join("big.toml"), "#".repeat(MAX_BYTES as usize + 1))
        .expect("file");
    assert!(says().contains("at most 1048576 bytes"));
    std::fs::write(directory.path().join("big.toml"), [0xff, 0xfe]).expect("file");
    assert!(says().contains("UTF-8"), "{}", says());
    std::fs::remove_file(directory.path().join("big.toml")).expect("removed");
    std::fs::create_dir(directory.path().join("d.toml")).expect("directory");
    assert!(says().contains("is no file"));
    assert!(read_dir(&directory.path().join("absent")).is_err());
}

#[test]
fn what_differs_is_told_by_rule_and_group() {
    let (before, after) = (good(""), good(OWN));
    let found: Vec<_> = differences(&before, &after)
        .into_iter()
        .map(|d| (d.rule, d.group.unwrap_or_default(), d.change))
        .collect();
    let expected = [
        ("acc-few", "", Change::Parameters),
        ("acc-few", "payment", Change::Parameters),
        ("acc-states", "plant", Change::SwitchedOff),
        ("own-plant", "plant", Change::Added),
    ];
    assert_eq!(found, expected.map(|(r, g, c)| (r.to_owned(), g.to_owned(), c)));
    assert!(differences(&after, &after).is_empty());
    let back: Vec<_> = differences(&after, &before).into_iter().map(|d| d.change).collect();
    assert_eq!(back[2..], [Change::SwitchedOn, Change::Removed]);
    let sterner = good(&OWN.replace("<= 1", "<= 0").replace("entries = 1", "entries = 0"));
    let changed = differences(&after, &sterner);
    assert_eq!((changed.len(), changed[0].change), (1, Change::Rewritten));
}

#[test]
fn rules_that_cannot_be_relied_on_say_unknown() {
    let judge = Judge::new(Arc::new(good(OWN).refused()));
    for group in ["", "plant"] {
        let results = judge.judge_in(group, &entries(0), 0);
        assert!(results.iter().all(|result| result.outcome == Outcome::Unknown));
        assert!(!results.is_empty());
    }
    assert_ne!(judge.rules().id(), good(OWN).id(), "hosts are judged again");
}

#[test]
fn the_example_of_the_manual_is_sound() {
    let manual = include_str!("../../../../docs/overlay.md");
    let (_, rest) = manual.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let profiles =
        vec![Profile::Essential, Profile::Standard, Profile::Hardened, Profile::Optional];
    let chosen = crate::config::Rules { profiles, directory: Default::default() };
    let overlay = [("overlay/manual.toml".to_owned(), example.to_owned())];
    let catalogue = Catalogue::builtin().expect("catalogue");
    let rules = RuleSet::with_overlay(&chosen, &overlay, &catalogue);
    let rules = rules.unwrap_or_else(|errors| panic!("{}", errors[0]));
    assert_eq!(rules.off().len(), 1);
    assert_eq!(rules.rule_of("payment", "acc-dormant").expect("rule").params["max_idle_days"], 45);
    assert!(
        rules.judges("payment", "own-few-accounts") && !rules.judges("web", "own-few-accounts")
    );
}
