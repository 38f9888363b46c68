//! The promises of the judge, over the rules that are compiled in.

mod facts;

use self::facts::{accounts, good_data, host_os};
use super::*;
use crate::catalogue::Catalogue;
use evidence::{Facts, Status};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

const TODAY: i64 = 20_779;
const KINDS: usize = evidence::kinds::ALL.len();

fn judge() -> &'static Judge {
    static JUDGE: OnceLock<Judge> = OnceLock::new();
    JUDGE.get_or_init(|| {
        let catalogue = Catalogue::builtin().expect("catalogue");
        Judge::new(Arc::new(RuleSet::builtin(&catalogue).expect("rules")))
    })
}

fn rules_of(text: &str) -> Judge {
    let catalogue = Catalogue::builtin().expect("catalogue");
    let sources = [("a.toml".to_owned(), text.to_owned())];
    Judge::new(Arc::new(RuleSet::from_sources(&sources, &catalogue).expect("rules")))
}

fn state(kind: &str, data: Value) -> KindState {
    let v = evidence::kinds::find(kind).map_or(1, |kind| kind.v);
    let facts = Facts::new(kind, v, data).expect("facts");
    KindState { status: Status::Ok, unread: vec![], facts: Some(Arc::new(facts)) }
}

fn host(data: impl IntoIterator<Item = (&'static str, Value)>) -> HostState {
    let kinds = data.into_iter().map(|(kind, data)| (kind.to_owned(), state(kind, data)));
    HostState { kinds: kinds.collect() }
}

fn good() -> HostState {
    host(good_data())
}

fn outcomes(host: &HostState) -> Vec<RuleResult> {
    judge().judge(host, TODAY)
}

#[track_caller]
fn result(host: &HostState, rule: &str) -> RuleResult {
    outcomes(host).into_iter().find(|result| result.rule == rule).expect(rule)
}

#[test]
fn one_judge_serves_all_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(judge());
}

/// Rules of other hosts than the good one: of SELinux, of workstations.
const OF_OTHERS: [&str; 7] = [
    "boot-secure",
    "cry-policy",
    "mac-persistent",
    "enc-root",
    "dsk-screen-lock",
    "dsk-lock-enforced",
    "dsk-no-automount",
];

#[test]
fn a_well_kept_host_passes_every_rule() {
    let wrong = outcomes(&good()).into_iter().filter(|r| r.outcome != Outcome::Pass);
    let (others, wrong): (Vec<_>, Vec<_>) =
        wrong.partition(|result| OF_OTHERS.contains(&result.rule.as_str()));
    assert_eq!(wrong, []);
    assert_eq!(others.len(), OF_OTHERS.len());
    assert!(others.iter().all(|result| result.outcome == Outcome::NotApplicable));
}

#[test]
fn a_host_that_sent_nothing_passes_nothing() {
    for result in outcomes(&HostState::default()) {
        assert_eq!(result.reason, Some(Reason::NotCollected), "{}", result.rule);
    }
}

#[test]
fn every_status_but_ok_and_partial_gives_its_own_reason() {
    for (status, reason) in [
        (Status::Absent, Reason::Absent),
        (Status::Denied, Reason::Denied),
        (Status::ParseError, Reason::ParseError),
        (Status::Unsupported, Reason::Unsupported),
        (Status::Timeout, Reason::Timeout),
        (Status::Truncated, Reason::Truncated),
        (Status::IoError, Reason::IoError),
    ] {
        let mut host = good();
        host.kinds.get_mut("accounts").expect("kind").status = status;
        let result = result(&host, "acc-uid0-only-root");
        assert_eq!((result.outcome, result.reason), (Outcome::Unknown, Some(reason)));
    }
}

#[test]
fn facts_that_have_not_arrived_are_unknown() {
    let mut host = good();
    host.kinds.get_mut("ssh_server").expect("kind").facts = None;
    assert_eq!(result(&host, "ssh-no-x11").reason, Some(Reason::NotReceived));
}

#[test]
fn a_partial_kind_counts_for_rules_that_read_none_of_what_is_missing() {
    let mut host = good();
    let accounts = host.kinds.get_mut("accounts").expect("kind");
    accounts.status = Status::Partial;
    accounts.unread = vec!["users.password".to_owned()];
    assert_eq!(result(&host, "acc-uid0-only-root").outcome, Outcome::Pass);
    assert_eq!(result(&host, "acc-weak-hash").reason, Some(Reason::FactMissing));
}

#[test]
fn a_partial_kind_that_does_not_say_what_is_missing_counts_for_nothing() {
    for unread in [vec![], vec!["no_such_fact".to_owned()], vec!["users".to_owned()]] {
        let mut host = good();
        let accounts = host.kinds.get_mut("accounts").expect("kind");
        (accounts.status, accounts.unread) = (Status::Partial, unread);
        let reason = result(&host, "acc-uid0-only-root").reason;
        assert_eq!(reason, Some(Reason::FactMissing));
    }
}

#[test]
fn a_kind_without_meaning_settles_a_rule_unless_another_is_in_doubt() {
    let mut host = good();
    host.kinds.get_mut("packages").expect("kind").status = Status::NotApplicable;
    assert_eq!(result(&host, "pkg-inventory").outcome, Outcome::NotApplicable);
    assert_eq!(result(&host, "pkg-no-devtools-prod").outcome, Outcome::NotApplicable);
    host.kinds.get_mut("host_os").expect("kind").status = Status::Denied;
    assert_eq!(result(&host, "pkg-no-devtools-prod").reason, Some(Reason::Denied));
    let mut host = good();
    host.kinds.get_mut("host_os").expect("kind").status = Status::NotApplicable;
    host.kinds.get_mut("packages").expect("kind").status = Status::Denied;
    assert_eq!(result(&host, "pkg-no-devtools-prod").reason, Some(Reason::Denied));
}

#[test]
fn a_rule_does_not_apply_by_proof_only() {
    let without = host([("ssh_server", json!({"installed": false}))]);
    assert_eq!(result(&without, "ssh-no-x11").outcome, Outcome::NotApplicable);
    let silent = host([("ssh_server", json!({}))]);
    assert_eq!(result(&silent, "ssh-no-x11").reason, Some(Reason::FactMissing));
    let mut unread = without;
    let ssh = unread.kinds.get_mut("ssh_server").expect("kind");
    (ssh.status, ssh.unread) = (Status::Partial, vec!["installed".to_owned()]);
    assert_eq!(result(&unread, "ssh-no-x11").reason, Some(Reason::FactMissing));
}

#[test]
fn facts_that_are_no_real_hosts_are_unknown() {
    let mut accounts = accounts();
    accounts["users"] = json!([]);
    let result = result(&host([("accounts", accounts)]), "acc-uid0-only-root");
    assert_eq!(result.reason, Some(Reason::Guard));
}

#[test]
fn facts_of_the_wrong_type_are_an_error_of_the_rule() {
    let mut accounts = accounts();
    accounts["legacy_plus_entries"] = json!("0");
    accounts["hashes_in_passwd"] = json!([1]);
    let host = host([("accounts", accounts)]);
    assert_eq!(result(&host, "acc-legacy-plus").reason, Some(Reason::RuleError));
    assert_eq!(result(&host, "acc-shadowed").reason, Some(Reason::RuleError));
    assert_eq!(result(&host, "acc-unique-uid").outcome, Outcome::Pass);
}

#[test]
fn a_superuser_does_not_hide_behind_a_number_in_quotes() {
    let mut accounts = accounts();
    accounts["users"][1]["uid"] = json!("0");
    let host = host([("accounts", accounts)]);
    assert_eq!(result(&host, "acc-uid0-only-root").reason, Some(Reason::RuleError));
}

#[test]
fn an_agent_too_old_for_a_rule_is_unknown() {
    let text = include_str!("../../../config/rules/host_os.toml")
        .replace("profile = \"essential\"", "since = { host_os = 1 }\nprofile = \"essential\"");
    let judge = rules_of(&text);
    let old = Facts::new("host_os", 0, host_os()).expect("facts");
    let mut host = host([("host_os", host_os())]);
    assert_eq!(judge.judge(&host, TODAY)[0].outcome, Outcome::Pass);
    host.kinds.get_mut("host_os").expect("kind").facts = Some(Arc::new(old));
    assert_eq!(judge.judge(&host, TODAY)[0].reason, Some(Reason::AgentTooOld));
}

#[test]
fn the_day_matters_to_rules_that_read_it_although_results_are_remembered() {
    let host = good();
    let judge = rules_of(include_str!("../../../config/rules/host_os.toml"));
    assert_eq!(judge.judge(&host, TODAY)[0].outcome, Outcome::Pass);
    assert_eq!(judge.judge(&host, TODAY + 901)[0].outcome, Outcome::Fail);
    assert_eq!(judge.judge(&host, TODAY)[0].outcome, Outcome::Pass);
}

#[test]
fn a_remembered_result_is_that_of_the_same_facts_and_statuses() {
    let judge = rules_of(include_str!("../../../config/rules/accounts.toml"));
    let first = judge.judge(&good(), TODAY);
    assert_eq!(judge.judge(&good(), TODAY), first);
    let mut other = good();
    other.kinds.get_mut("accounts").expect("kind").status = Status::Denied;
    assert!(judge.judge(&other, TODAY).iter().all(|r| r.outcome == Outcome::Unknown));
    let mut partial = good();
    let accounts = partial.kinds.get_mut("accounts").expect("kind");
    (accounts.status, accounts.unread) = (Status::Partial, vec!["users.password".to_owned()]);
    assert!(judge.judge(&partial, TODAY).iter().any(|r| r.outcome == Outcome::Unknown));
    assert_eq!(judge.judge(&good(), TODAY), first);
}

/// A judge that remembers the well-kept host.
fn warm() -> &'static Judge {
    let judge = judge();
    judge.judge(&good(), TODAY);
    judge
}

fn manifest_of(host: &HostState) -> evidence::Manifest {
    let entry = |state: &KindState| evidence::KindEntry {
        status: state.status,
        facts: state.facts.as_ref().map(|facts| facts.id()),
        sources: vec![],
        unread: state.unread.clone(),
    };
    let kinds = host.kinds.iter().map(|(kind, state)| (kind.clone(), entry(state)));
    evidence::Manifest { kinds: kinds.collect() }
}

/// Objects in the value, as JSON pointers with one of their keys.
fn keys(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                found.push((at.to_owned(), key.clone()));
                keys(member, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| keys(item, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

fn without(data: &Value, removed: &[(String, String)]) -> Value {
    let mut data = data.clone();
    for (at, key) in removed {
        if let Some(Value::Object(members)) = data.pointer_mut(at) {
            members.remove(key);
        }
    }
    data
}

/// A value with any leaf replaced, so that rules also fail.
fn spoiled(data: &Value, replaced: &[(prop::sample::Index, Value)]) -> Value {
    let mut data = data.clone();
    for (index, value) in replaced {
        let mut found = Vec::new();
        keys(&data, "", &mut found);
        let (at, key) = index.get(&found).clone();
        if let Some(Value::Object(members)) = data.pointer_mut(&at) {
            members.insert(key, value.clone());
        }
    }
    data
}

fn leaves() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(TODAY - 400),
        json!(TODAY + 1),
        json!("yes"),
        json!("no"),
        json!("unknown"),
        json!("locked"),
        json!("empty"),
        json!("md5"),
        json!([]),
        json!(["toor"]),
        json!("root"),
        json!({}),
    ])
}

type Spoil = Vec<(prop::sample::Index, Value)>;

fn spoil() -> impl Strategy<Value = Spoil> {
    prop::collection::vec((any::<prop::sample::Index>(), leaves()), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Evidence that is taken away leaves a result as it was, or makes it unknown.
    #[test]
    fn removing_facts_never_changes_a_result_but_to_unknown(
        kind in 0..KINDS,
        spoil in spoil(),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
    ) {
        let mut data = good_data();
        data[kind].1 = spoiled(&data[kind].1, &spoil);
        let whole = outcomes(&host(data.clone()));
        let mut found = Vec::new();
        keys(&data[kind].1, "", &mut found);
        let removed: Vec<_> = removed.iter().map(|index| index.get(&found).clone()).collect();
        data[kind].1 = without(&data[kind].1, &removed);
        for (whole, less) in whole.iter().zip(outcomes(&host(data))) {
            // What has a wrong type is refused wherever it stands; taking it away is a repair.
            if less.outcome != Outcome::Unknown && whole.reason != Some(Reason::RuleError) {
                prop_assert_eq!(whole, &less, "without {:?}", removed);
            }
        }
    }

    /// What is remembered and what is read anew give together what reading everything gives.
    #[test]
    fn a_state_of_which_only_the_unknown_part_is_read_is_judged_as_if_all_were_read(
        changed in prop::collection::vec((0..KINDS, spoil()), 0..3),
        lost in prop::option::of(0..KINDS),
    ) {
        let mut data = good_data();
        for (kind, spoil) in &changed {
            data[*kind].1 = spoiled(&data[*kind].1, spoil);
        }
        let mut state = host(data);
        let lost = lost.map(|kind| good_data()[kind].0);
        let manifest = manifest_of(&state);
        if let Some(kind) = lost {
            state.kinds.get_mut(kind).expect("kind").facts = None;
        }
        let facts = || state.kinds.values().filter_map(|kind| kind.facts.clone());
        let held = facts().map(|facts| facts.id()).collect();
        let recalled = warm().recall("", &manifest, &held, TODAY);
        let read = HostState::from_manifest(&manifest, |id| {
            facts().find(|facts| facts.id() == id && recalled.needs(&facts.kind))
        });
        prop_assert!(changed.len() + usize::from(lost.is_some()) > 0 || recalled.is_whole());
        let whole = Judge::new(Arc::clone(&warm().rules)).judge(&state, TODAY);
        prop_assert_eq!(warm().complete(recalled, &read), whole);
    }

    /// A kind that is denied leaves no pass to any rule that needs it, and no "not applicable"
    /// that was not proven by another kind.
    #[test]
    fn denying_a_kind_never_gives_a_pass(
        kind in 0..KINDS,
        spoil in spoil(),
        status in prop::sample::select(vec![Status::Absent, Status::Denied, Status::ParseError,
            Status::Unsupported, Status::Timeout, Status::Truncated, Status::IoError]),
        keeps_facts in any::<bool>(),
    ) {
        let mut data = good_data();
        data[kind].1 = spoiled(&data[kind].1, &spoil);
        let name = data[kind].0;
        let mut state = host(data);
        let before = outcomes(&state);
        let denied = state.kinds.get_mut(name).expect("kind");
        denied.status = status;
        if !keeps_facts {
            denied.facts = None;
        }
        for (before, after) in before.iter().zip(outcomes(&state)) {
            let rule = judge().rules().get(&after.rule).expect("rule");
            if !rule.evidence.iter().any(|kind| kind == name) {
                prop_assert_eq!(before, &after);
            } else if after.outcome == Outcome::NotApplicable {
                prop_assert_eq!(before.outcome, Outcome::NotApplicable);
            } else {
                prop_assert_eq!(after.outcome, Outcome::Unknown, "{}", after.rule);
            }
        }
    }

    /// Paths that were not read turn every rule that reads them, or below or above them, unknown.
    #[test]
    fn what_is_unread_never_passes(kind in 0..KINDS, unread in any::<prop::sample::Index>()) {
        let (name, data) = good_data()[kind].clone();
        let mut found = Vec::new();
        keys(&data, "", &mut found);
        let (at, key) = unread.get(&found).clone();
        let steps = format!("{at}/{key}");
        let names: Vec<_> = steps.split('/').filter(|s| s.parse::<u32>().is_err() && !s.is_empty()).collect();
        let path = names.join(".");
        let mut state = good();
        let partial = state.kinds.get_mut(name).expect("kind");
        (partial.status, partial.unread) = (Status::Partial, vec![path.clone()]);
        let full = format!("{name}.{path}");
        for (whole, result) in outcomes(&good()).into_iter().zip(outcomes(&state)) {
            let rule = judge().rules().get(&result.rule).expect("rule");
            let reads = rule.reads.iter().any(|read| *read == full || read.starts_with(&format!("{full}.")));
            // What does not apply is proven by what its `applies` reads.
            if reads && whole.outcome == Outcome::Pass {
                prop_assert_eq!(result.outcome, Outcome::Unknown, "{} {}", result.rule, path);
            } else if reads {
                prop_assert_ne!(result.outcome, Outcome::Pass, "{} {}", result.rule, path);
            } else {
                prop_assert_eq!(result.outcome, whole.outcome, "{} {}", result.rule, path);
            }
        }
    }
}
