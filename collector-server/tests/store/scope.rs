//! Scopes: management systems, tolerances, statements, periods, updates, people.

use crate::cases::{Agent, SECOND, accept, work};
use evidence::{Digest, Facts, HostId, KindEntry, Manifest, Status};
use evidenced_collector::applicability::{Entry, Ground, Implementation};
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::judge::RuleSet;
use evidenced_collector::moment::Moment;
use evidenced_collector::overview::{Limits, Overview, load};
use evidenced_collector::patch::{self, Standing, Start};
use evidenced_collector::people_list::{self, Listed, Sort};
use evidenced_collector::period;
use evidenced_collector::scope::Scope;
use evidenced_collector::status::{ControlStatus, EvidenceState, Tolerance};
use evidenced_collector::store::model::{GroupRow, ResultRow};
use evidenced_collector::store::{
    ApplicabilityRefusal, IsmsRefusal, IsmsText, Membership, Saying, Store, ToleranceRefusal,
    Tolerated, VersionState,
};
use evidenced_collector::verify::verify;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DAY_S: i64 = 86_400;
const DAY_US: i64 = DAY_S * SECOND;
/// A day, in days since the epoch.
const DAY: i64 = 20_000;

fn text(name: &str) -> IsmsText {
    IsmsText {
        name: name.into(),
        legal_entity: "Example AG".into(),
        scope_statement: "Hosting in two data centres.".into(),
        certificate: None,
    }
}

async fn isms(store: &Store, name: &str) -> String {
    store.create_isms(&text(name), "operator", 1).await.expect("store").expect("made")
}

fn membership(isms: &str, group: &str, belongs: bool, from_us: i64) -> Membership {
    let (isms, group) = (isms.to_owned(), group.to_owned());
    Membership { isms, group, belongs, from_us, reason: Some("contract".into()) }
}

async fn last_act(store: &Store) -> (String, Value) {
    let (_, act) = store.acts(1).await.expect("acts").remove(0);
    (act.act, act.detail)
}

pub(crate) async fn an_isms_has_one_name_and_says_what_it_was(store: &Store) {
    let id = isms(store, "Hosting").await;
    let again = store.create_isms(&text(" HOSTING "), "operator", 2).await.expect("store");
    assert_eq!(again, Err(IsmsRefusal::NameTaken));
    let size = store.log().await.expect("log").size;
    let nameless = IsmsText { legal_entity: "\n".into(), ..text("x") };
    let refused = store.create_isms(&nameless, "operator", 2).await.expect("store");
    assert_eq!(refused, Err(IsmsRefusal::Name));
    assert_eq!(store.log().await.expect("log").size, size, "what is refused leaves no trace");

    let certified = IsmsText { certificate: Some("17, Example Cert".into()), ..text("Hosting") };
    store.describe_isms(&id, &certified, "ann", 3).await.expect("store").expect("described");
    let (act, detail) = last_act(store).await;
    assert_eq!(act, "isms_described");
    assert_eq!(detail["before"]["certificate"], Value::Null);
    assert_eq!(detail["after"]["certificate"], "17, Example Cert");
    let size = store.log().await.expect("log").size;
    store.describe_isms(&id, &certified, "ann", 4).await.expect("store").expect("the same");
    assert_eq!(store.log().await.expect("log").size, size, "the same again is no act");
    let by_name = store.isms("hosting").await.expect("store").expect("found");
    assert_eq!((by_name.id.as_str(), by_name.text), (id.as_str(), certified));
    assert!(store.isms("other").await.expect("store").is_none());
    let other = store.describe_isms("x", &text("x"), "ann", 4).await.expect("store");
    assert_eq!(other, Err(IsmsRefusal::Unknown));
}

pub(crate) async fn groups_of_an_isms_are_answered_as_they_were_known_then(store: &Store) {
    let id = isms(store, "Hosting").await;
    let say = async |group, belongs, from_us| {
        let said = membership(&id, group, belongs, from_us);
        store.scope_isms(&said, "operator", 100).await.expect("store").expect("said")
    };
    say("web", true, 10).await;
    say("db", true, 10).await;
    let before = store.log().await.expect("log").size as i64 - 1;
    // Somebody finds out later that it had left at 50.
    say("web", false, 50).await;
    let held = async |at_us, known| -> Vec<String> {
        let spans = store.isms_spans(&id).await.expect("spans").into_iter();
        let spans = spans.filter(|row| row.span.value == "in" && row.span.holds(at_us, known));
        spans.map(|row| row.group).collect()
    };
    assert_eq!(held(60, before).await, ["db", "web"]);
    assert_eq!(held(60, before + 1).await, ["db"]);
    assert_eq!(held(40, before + 1).await, ["db", "web"]);
    let now = store.isms(&id).await.expect("store").expect("found").groups;
    assert_eq!(now, ["db".to_owned()].into());
    let times = store.isms_times(&id).await.expect("times");
    assert_eq!(times["web"], [(10, 50)]);
    assert_eq!(times["db"], [(10, i64::MAX)]);
    let nowhere = membership("x", "web", true, 1);
    let refused = store.scope_isms(&nowhere, "operator", 100).await.expect("store");
    assert_eq!(refused.err(), Some(IsmsRefusal::Unknown));
    verify(store, |_, _| {}).await.expect("the log holds");
}

fn said(entry: &str) -> Entry {
    Entry {
        applicable: Some(true),
        grounds: [Ground::Legal].into(),
        implementation: Some(Implementation::Partly),
        owner: "platform".into(),
        ..Entry::empty(entry)
    }
}

pub(crate) async fn a_statement_is_approved_by_one_who_wrote_nothing_of_it(store: &Store) {
    const CONTROLS: [&str; 2] = ["A.5.1", "A.8.2"];
    let id = isms(store, "Hosting").await;
    let write = async |entry: Entry, actor: &str| {
        let entries = std::slice::from_ref(&entry);
        store.write_applicability(&id, entries, None, actor, 10).await.expect("store")
    };
    let submit = async |actor: &str, now_us: i64| {
        store.submit_applicability(&id, &CONTROLS, actor, now_us).await.expect("store")
    };
    let approve = async |seen: (i64, i64), actor: &str| {
        store.approve_applicability(&id, seen, actor, 30).await.expect("store")
    };
    assert_eq!(submit("ann", 20).await, Err(ApplicabilityRefusal::NoDraft));
    assert_eq!(write(said("A.5.1"), "ann").await, Ok(1));
    assert_eq!(write(said("A.5.1"), "bob").await, Ok(0), "the same again makes no author");
    let contradiction = Entry { grounds: BTreeSet::new(), ..said("A.8.2") };
    assert!(matches!(write(contradiction, "ann").await, Err(ApplicabilityRefusal::Entry(_))));
    let unfinished = submit("ann", 20).await.expect_err("unfinished").to_string();
    assert!(unfinished.contains("A.8.2: nobody has decided"), "{unfinished}");
    assert_eq!(write(said("A.8.2"), "bob").await, Ok(1));
    assert_eq!(approve((1, 20), "eve").await, Err(ApplicabilityRefusal::NotSubmitted));
    assert_eq!(submit("cid", 20).await, Ok(1));
    for author in ["ann", "bob", "cid"] {
        assert_eq!(approve((1, 20), author).await, Err(ApplicabilityRefusal::Author), "{author}");
    }
    // What is written after it was submitted makes it a draft again: nobody approves it unread.
    let partly = Entry { owner: "sales".into(), ..said("A.8.2") };
    assert_eq!(write(partly, "ann").await, Ok(1));
    assert_eq!(approve((1, 20), "eve").await, Err(ApplicabilityRefusal::NotSubmitted));
    assert_eq!(submit("ann", 25).await, Ok(1));
    assert_eq!(approve((1, 20), "eve").await, Err(ApplicabilityRefusal::Changed));
    let back = store.return_applicability(&id, 1, "no owner", "eve", 26).await.expect("store");
    assert_eq!(back, Ok(()));
    assert_eq!(submit("ann", 27).await, Ok(1));
    assert_eq!(approve((1, 27), "eve").await, Ok(()));
    let (act, detail) = last_act(store).await;
    assert_eq!(
        (act.as_str(), &detail["authors"]),
        ("applicability_approved", &json!(["ann", "bob"]))
    );
    assert!(detail["entries"].is_string(), "the log names what was approved");
    verify(store, |_, _| {}).await.expect("the log holds");
}

/// A control is excluded by an approved word of every ISMS, and by nothing less.
pub(crate) async fn a_control_is_excluded_where_each_isms_says_so_with_approval(store: &Store) {
    let no = Entry {
        applicable: Some(false),
        justification: "no such thing".into(),
        ..Entry::empty("A.7.6")
    };
    let state = async |id: &str, entries: &[Entry], at_us: i64| {
        let done = store.write_applicability(id, entries, None, "ann", at_us).await;
        done.expect("store").expect("written");
        let done = store.submit_applicability(id, &["A.7.6"], "ann", at_us).await.expect("store");
        let seen = (done.expect("sent"), at_us);
        let done = store.approve_applicability(id, seen, "eve", at_us + 1).await;
        done.expect("store").expect("approved");
    };
    let excluded = async |isms: Option<&str>| store.excluded(isms, None).await.expect("store");
    let (one, other) = (isms(store, "Hosting").await, isms(store, "Office").await);
    let written = store.write_applicability(&one, std::slice::from_ref(&no), None, "ann", 5).await;
    written.expect("store").expect("written");
    assert!(excluded(Some(&one)).await.is_empty(), "a draft says nothing");
    state(&one, &[no.clone(), said("A.8.2")], 10).await;
    assert_eq!(excluded(Some(&one)).await, ["A.7.6".to_owned()].into());
    assert!(excluded(None).await.is_empty(), "the other has said nothing");
    state(&other, &[said("A.7.6")], 20).await;
    assert!(excluded(None).await.is_empty(), "there it applies");
    state(&other, &[no], 30).await;
    assert_eq!(excluded(None).await, ["A.7.6".to_owned()].into());
    let then = Moment { at_us: 25, known: i64::MAX, known_us: i64::MAX };
    let then = store.excluded(None, Some(&then)).await.expect("store");
    assert!(then.is_empty(), "it applied at that time");
}

pub(crate) async fn what_was_approved_stays_and_the_next_version_begins_as_its_copy(store: &Store) {
    let id = isms(store, "Hosting").await;
    let write = async |entries: &[Entry], actor: &str| {
        store.write_applicability(&id, entries, None, actor, 10).await.expect("store")
    };
    write(&[said("A.5.1"), said("A.8.2")], "ann").await.expect("written");
    store.submit_applicability(&id, &["A.5.1"], "ann", 20).await.expect("store").expect("sent");
    store.approve_applicability(&id, (1, 20), "eve", 30).await.expect("store").expect("approved");
    let size = store.log().await.expect("log").size;
    assert_eq!(write(&[said("A.5.1")], "bob").await, Ok(0));
    assert_eq!(store.log().await.expect("log").size, size, "nothing changed, nothing began");
    let no = Entry {
        applicable: Some(false),
        justification: "no such thing".into(),
        ..Entry::empty("A.8.2")
    };
    assert_eq!(write(std::slice::from_ref(&no), "bob").await, Ok(1));
    let versions = store.applicability_versions(&id).await.expect("versions");
    let stands: Vec<_> = versions.iter().map(|v| (v.version, v.state, v.authors.len())).collect();
    assert_eq!(stands, [(2, VersionState::Draft, 1), (1, VersionState::Approved, 1)]);
    let entries = async |version| store.applicability_entries(&id, version).await.expect("entries");
    assert_eq!(entries(1).await, [said("A.5.1"), said("A.8.2")]);
    assert_eq!(entries(2).await, [said("A.5.1"), no]);
    // A control's page shows what was approved.
    let of = store.applicability_of("A.8.2").await.expect("said");
    assert_eq!((of[0].0.version, of[0].1.applicable), (1, Some(true)));
    assert_eq!(store.approved_applicability().await.expect("approved")[0].version, 1);
    let nowhere = store.write_applicability("x", &[said("A.5.1")], None, "ann", 1).await;
    assert_eq!(nowhere.expect("store"), Err(ApplicabilityRefusal::UnknownIsms));
}

pub(crate) async fn a_tolerance_holds_until_the_next_word_and_that_of_an_isms_comes_first(
    store: &Store,
) {
    let id = isms(store, "Hosting").await;
    let say = async |isms: Option<&str>, hosts: Option<u64>, now_us| {
        let tolerance = hosts.map(|n| Tolerance { max_hosts: Some(n), max_percent: None });
        let said = Tolerated {
            isms: isms.map(str::to_owned),
            control: "A.8.2".into(),
            tolerance,
            owner: "platform".into(),
            reason: "old printers".into(),
        };
        store.tolerate(&said, "operator", now_us).await.expect("store")
    };
    say(None, Some(3), 10).await.expect("said");
    say(None, Some(2), 20).await.expect("said");
    say(Some(&id), Some(0), 30).await.expect("said");
    assert_eq!(say(Some("x"), Some(1), 40).await.err(), Some(ToleranceRefusal::UnknownIsms));
    let held = async || {
        let held = store.tolerances().await.expect("tolerances");
        held.into_iter().map(|((isms, _), t)| (isms, t.max_hosts)).collect::<Vec<_>>()
    };
    assert_eq!(held().await, [(String::new(), Some(2)), (id.clone(), Some(0))]);
    say(Some(&id), None, 50).await.expect("taken back");
    assert_eq!(held().await, [(String::new(), Some(2))]);
    let nothing = Tolerance { max_hosts: None, max_percent: Some(101) };
    let said = Tolerated {
        isms: None,
        control: "A.8.2".into(),
        tolerance: Some(nothing),
        owner: "platform".into(),
        reason: "x".into(),
    };
    let refused = store.tolerate(&said, "operator", 60).await.expect("store");
    assert_eq!(refused.err(), Some(ToleranceRefusal::Nothing));
    assert_eq!(last_act(store).await.0, "tolerance_set");
}

pub(crate) async fn a_group_has_an_owner_a_deputy_and_a_fallback(store: &Store) {
    let web = GroupRow {
        name: "web".into(),
        owner: Some("platform".into()),
        deputy: Some("network".into()),
        fallback: Some("operations".into()),
        ..GroupRow::default()
    };
    let describe = async |group: &GroupRow| {
        let groups = std::slice::from_ref(group);
        store.describe_groups(groups, "operator", 1).await.expect("store").is_some()
    };
    assert!(describe(&web).await);
    assert!(!describe(&web).await, "the same is no act");
    assert_eq!(store.groups().await.expect("groups"), std::slice::from_ref(&web));
    let other = GroupRow { deputy: None, ..web };
    assert!(describe(&other).await);
    let (_, detail) = last_act(store).await;
    assert_eq!(detail["before"]["deputy"], "network");
    assert_eq!(detail["after"]["deputy"], Value::Null);
    assert_eq!(detail["after"]["fallback"], "operations");
}

fn rules() -> (RuleSet, Catalogue) {
    let catalogue = Catalogue::builtin().expect("catalogue");
    (RuleSet::builtin(&catalogue).expect("rules"), catalogue)
}

async fn overview(store: &Store, now_us: i64) -> Overview {
    let (rules, catalogue) = rules();
    load(store, &rules, &catalogue, &Limits::default(), now_us).await.expect("overview")
}

fn control<'a>(overview: &'a Overview, id: &str) -> &'a ControlStatus {
    let found = overview.controls.iter().find(|(control, _)| control.id == id);
    &found.expect("a control").1
}

/// Sends one kind whole.
async fn report(store: &Store, agent: &mut Agent, kind: &str, data: Value, at_s: i64) {
    let facts = Facts::new(kind, 1, data).expect("facts");
    let entry =
        KindEntry { status: Status::Ok, facts: Some(facts.id()), sources: vec![], unread: vec![] };
    let manifest = Manifest { kinds: [(kind.to_owned(), entry)].into() };
    let bytes = manifest.to_bytes().expect("manifest");
    let incoming = agent.incoming(Digest::of(&bytes), at_s);
    let first = accept(store, &incoming).await.expect("accepted");
    if let Some(id) = first.want.manifest {
        store.put_manifest(agent.host, id, &bytes).await.expect("store").expect("manifest");
    }
    let _ = store.put_facts(agent.host, facts.id(), facts.bytes().to_vec()).await.expect("store");
    assert!(accept(store, &incoming).await.expect("accepted").want.is_empty());
}

fn row(host: HostId, outcome: &str, offender: &str, day: i64) -> ResultRow {
    ResultRow {
        host,
        rule: "ssh-no-root-password-login".into(),
        outcome: outcome.into(),
        reason: (outcome == "unknown").then(|| "denied".into()),
        offenders: (outcome == "fail").then(|| offender.to_owned()).into_iter().collect(),
        since_us: day * DAY_US,
        known: day,
        cause: None,
    }
}

async fn results(store: &Store, rows: &[ResultRow]) {
    for row in rows {
        store.assert_result(row, None, Digest::of(b"rules")).await.expect("written");
    }
}

pub(crate) async fn a_failure_is_open_since_it_was_last_none_whoever_offends(store: &Store) {
    let agent = Agent::enrolled(store).await;
    let host = agent.host;
    results(
        store,
        &[
            row(host, "fail", "old", 1),
            row(host, "pass", "", 3),
            row(host, "fail", "a", 5),
            row(host, "fail", "b", 7),
            row(host, "unknown", "", 8),
            row(host, "fail", "c", 9),
        ],
    )
    .await;
    let since = store.failing_since().await.expect("since");
    let key = (host, "ssh-no-root-password-login".to_owned());
    assert_eq!(since.get(&key), Some(&(5 * DAY_US)));
    results(store, &[row(host, "pass", "", 10)]).await;
    assert!(store.failing_since().await.expect("since").is_empty());
}

pub(crate) async fn a_scope_has_its_own_state_and_a_period_follows_its_members(store: &Store) {
    let (rules, catalogue) = rules();
    let rule = rules.get("ssh-no-root-password-login").expect("a rule of the profile");
    let of = rule.controls[0].clone();
    let (bad, good) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
    let assign = async |host, group: &str, from_us| {
        let saying = Saying {
            host,
            property: "group".into(),
            value: Some(group.into()),
            from_us,
            actor: "operator".into(),
            reason: None,
            now_us: 100 * DAY_US,
        };
        store.say(&saying).await.expect("store").expect("said");
    };
    assign(bad.host, "lab", 1).await;
    assign(good.host, "web", 1).await;
    let id = isms(store, "Hosting").await;
    let web = membership(&id, "web", true, 1);
    store.scope_isms(&web, "operator", 1).await.expect("store").expect("said");
    results(
        store,
        &[
            row(bad.host, "fail", "x", 10),
            row(good.host, "pass", "", 10),
            row(good.host, "fail", "y", 20),
            row(good.host, "pass", "", 24),
        ],
    )
    .await;
    let now_us = 100 * DAY_US;
    let seen = overview(store, now_us).await;
    assert_eq!(control(&seen, &of).state, EvidenceState::Deviating);
    let state = |scope: &Scope, groups: &BTreeSet<String>| {
        let hosts = scope.hosts(&seen.hosts, groups);
        let controls = seen.within((&rules, &catalogue), (scope, &hosts), now_us);
        controls.into_iter().find(|(control, _)| control.id == of).expect("control").1.state
    };
    let groups = ["web".to_owned()].into();
    let none = BTreeSet::new();
    assert_eq!(state(&Scope::Isms(id.clone()), &groups), EvidenceState::Operating);
    assert_eq!(state(&Scope::Group("lab".into()), &none), EvidenceState::Deviating);
    assert_eq!(state(&Scope::Host(good.host), &none), EvidenceState::Operating);
    assert_eq!(state(&Scope::Group("nobody".into()), &none), EvidenceState::None);

    let period = async |scope: &Scope, from: i64, to: i64| {
        let about = (of.as_str(), scope);
        let period = (from * DAY_US, to * DAY_US);
        period::of_control(store, &rules, &seen.terms, about, period, i64::MAX)
            .await
            .expect("period")
    };
    let isms = period(&Scope::Isms(id.clone()), 10, 40).await;
    assert_eq!((isms.hosts, isms.repaired, isms.mean_repair_us), (1, 1, Some(4 * DAY_US)));
    assert_eq!(isms.states_us.get(&EvidenceState::Operating), Some(&(27 * DAY_US)));
    // The host that fails comes into scope on day 30: from then on it counts, since day 10.
    assign(bad.host, "web", 30 * DAY_US).await;
    let isms = period(&Scope::Isms(id), 10, 40).await;
    let days = |state| isms.states_us.get(&state).copied().unwrap_or(0) / DAY_US;
    assert_eq!((days(EvidenceState::Operating), days(EvidenceState::Deviating)), (17, 13));
    let longest = isms.longest.expect("a failure");
    assert_eq!((longest.host, longest.from_us, longest.to_us), (bad.host, 10 * DAY_US, None));
}

pub(crate) async fn inherited_evidence_counts_over_a_period_for_the_group_a_host_was_in_then(
    store: &Store,
) {
    let (rules, _) = rules();
    let rule = rules.get("ssh-no-root-password-login").expect("a rule of the profile");
    let host = Agent::enrolled(store).await.host;
    for (group, from_us) in [("lab", 1), ("web", 30 * DAY_US)] {
        let saying = Saying {
            host,
            property: "group".into(),
            value: Some(group.into()),
            from_us,
            actor: "operator".into(),
            reason: None,
            now_us: 100 * DAY_US,
        };
        store.say(&saying).await.expect("store").expect("said");
    }
    results(store, &[row(host, "fail", "x", 10)]).await;
    let owner = crate::exceptions::person(store, "owner", "risk_owner").await;
    let deviating = async || {
        let seen = overview(store, 100 * DAY_US).await;
        let about = (rule.controls[0].as_str(), &Scope::Host(host));
        let period = (10 * DAY_US, 40 * DAY_US);
        let found = period::of_control(store, &rules, &seen.terms, about, period, i64::MAX).await;
        let states = found.expect("period").states_us;
        states.get(&EvidenceState::Deviating).copied().unwrap_or(0) / DAY_US
    };
    let covered = async |group: &str, until: i64| {
        let statement = evidenced_collector::inherited::Wanted {
            rules: [(rule.id.clone(), "high".to_owned())].into(),
            group: group.into(),
            provider: "the cloud".into(),
            source: "https://example.org/report".into(),
            source_hash: String::new(),
            reason: "it is done below".into(),
            until_us: until * DAY_US,
        };
        let id = store.request_inherited(&statement, "operator", DAY_US).await.expect("store");
        let by = evidenced_collector::store::Decider::in_person(&owner);
        let done = store.decide_inherited(&id, by, true, "", 5 * DAY_US).await;
        done.expect("store").expect("approved");
    };
    let alone = deviating().await;
    assert!(alone > 25, "{alone} days");
    // Of the group that it comes into on day 30: what it showed before is its own.
    covered("web", 60).await;
    assert_eq!(deviating().await, alone - 10);
    // Of the one that it was in, until day 20.
    covered("lab", 20).await;
    assert_eq!(deviating().await, 10);
}

fn updates(pending: Value, day: i64) -> Value {
    json!({"manager": "dnf", "metadata_day": day, "security_repository": true, "pending": pending})
}

fn update(name: &str, severity: &str, advised_day: Option<i64>) -> Value {
    let mut update = json!({
        "name": name, "installed": "1", "candidate": "2", "security": true, "severity": severity,
        "kept_back": "no",
    });
    if let Some(day) = advised_day {
        update["advised_day"] = json!(day);
    }
    update
}

pub(crate) async fn updates_are_measured_from_publication_and_decide_their_rule(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let at = |day: i64| day * DAY_S + 3600;
    let young = update("openssl", "critical", Some(DAY - 1));
    let plain = json!({"name": "tzdata", "installed": "1", "candidate": "2", "security": false,
                       "severity": "unknown", "kept_back": "no"});
    report(store, &mut agent, "package_updates", updates(json!([young, plain]), DAY), at(DAY))
        .await;
    work(store, at(DAY)).await;
    // Two days later the rule's own limit of a day is over; that of the update is not.
    report(
        store,
        &mut agent,
        "package_updates",
        updates(json!([young, plain]), DAY + 2),
        at(DAY + 2),
    )
    .await;
    work(store, at(DAY + 2)).await;
    let seen = overview(store, at(DAY + 2) * SECOND).await;
    assert!(control(&seen, "A.8.8").fail > 0);
    let verdicts = |seen: &Overview| seen.terms.patches.values().copied().collect::<Vec<_>>();
    assert_eq!(verdicts(&seen), [false, false], "of the rules over critical and over all of them");
    assert_eq!(control(&seen, "A.8.8").past_limit, 0);
    // One that was published long ago is past its limit at once.
    let old = update("bash", "critical", Some(DAY - 30));
    report(
        store,
        &mut agent,
        "package_updates",
        updates(json!([young, old]), DAY + 3),
        at(DAY + 3),
    )
    .await;
    work(store, at(DAY + 3)).await;
    let seen = overview(store, at(DAY + 3) * SECOND).await;
    assert_eq!(verdicts(&seen), [true, true]);
    assert_eq!(control(&seen, "A.8.8").state, EvidenceState::Deviating);
    // And one that nobody rated has no limit but that of the rule.
    let unrated = update("bash", "unknown", None);
    report(store, &mut agent, "package_updates", updates(json!([unrated]), DAY + 4), at(DAY + 4))
        .await;
    work(store, at(DAY + 4)).await;
    assert!(overview(store, at(DAY + 4) * SECOND).await.terms.patches.is_empty());

    let hosts = store.hosts().await.expect("hosts");
    let wanted = [agent.host].into();
    let limits = Limits::default().patch;
    let now_us = at(DAY + 5) * SECOND;
    let found = patch::report(store, &hosts, &wanted, &limits, 0, now_us).await.expect("report");
    let found: Vec<_> =
        found.iter().map(|(_, p)| (p.package.as_str(), p.start, p.standing)).collect();
    assert_eq!(
        found,
        [
            ("bash", Start::Publication, Standing::Unrated),
            ("openssl", Start::Publication, Standing::ClosedInTime)
        ]
    );
}

fn listed(person: &str, account: &str, unit: &str) -> Listed {
    let (person, unit) = (person.to_owned(), unit.to_owned());
    Listed { person, accounts: [account.to_owned()].into(), unit, ..Listed::default() }
}

fn user(name: &str, uid: i64) -> Value {
    json!({"name": name, "uid": uid, "gid": uid, "human": uid >= 1000, "enabled": true})
}

pub(crate) async fn people_are_found_by_their_accounts_and_the_log_names_nobody(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let mute = Agent::enrolled(store).await;
    let users = json!([user("root", 0), user("one", 1000), user("two", 1001), user("ghost", 1002)]);
    let data = json!({"users": users, "privileged_users": ["root", "two"], "nss_passwd": ["files", "sss"]});
    report(store, &mut agent, "accounts", data, DAY * DAY_S).await;
    work(store, DAY * DAY_S).await;
    let import = async |people: &[Listed], day: i64| {
        let file = Digest::of(b"file");
        store.import_people(people, file, "operator", day * DAY_US).await.expect("imported")
    };
    let review = async |day: i64| {
        let hosts = store.hosts().await.expect("hosts");
        people_list::review(store, &hosts, day * DAY_US).await.expect("review")
    };
    let found = async |day: i64| -> Vec<(Sort, String)> {
        let review = review(day).await;
        review.findings.into_iter().map(|f| (f.sort, f.account)).collect()
    };
    let first = [listed("Person One", "one", "sales"), listed("Person Two", "two", "platform")];
    assert_eq!(import(&first, DAY).await.added, 2);
    assert_eq!(found(DAY).await, [(Sort::NoPerson, "ghost".into())]);
    let whole = review(DAY).await;
    assert_eq!((whole.hosts_read, whole.hosts, whole.hosts_with_directories), (1, 2, 1));
    assert!(!whole.findings[0].hosts.contains(&mute.host));

    // One moves, two is on the list no more, the ghost is found to be a team's.
    let second = [listed("PERSON ONE", "one", "platform"), listed("Team", "ghost", "")];
    let done = import(&second, DAY + 1).await;
    assert_eq!((done.added, done.moved, done.gone), (1, 1, 1));
    let both = [(Sort::Leaver, "two".to_owned()), (Sort::Mover, "one".to_owned())];
    assert_eq!(found(DAY + 2).await, both);
    // The same list again: nothing is forgotten, and no clock is set back.
    assert_eq!(import(&second, DAY + 3).await.moved, 0);
    let again = review(DAY + 4).await;
    assert_eq!(again.findings[0].since_day, Some(DAY + 1));
    assert_eq!(again.findings[1].since_day, Some(DAY + 1));
    assert_eq!(again.findings[1].unit_before.as_deref(), Some("sales"));

    let size = store.log().await.expect("log").size;
    assert!(!store.review_mover("Nobody", "kept", "ann", 1).await.expect("store"));
    assert_eq!(store.log().await.expect("log").size, size);
    assert!(store.review_mover("person one", "kept", "ann", 1).await.expect("store"));
    assert_eq!(found(DAY + 4).await, [(Sort::Leaver, "two".into())]);
    for (_, act) in store.acts(10).await.expect("acts") {
        let told = act.detail.to_string().to_lowercase();
        assert!(!told.contains("person one") && !told.contains("person two"), "{told}");
    }
    // After 13 months who left is forgotten; a live account is then one without a person.
    import(&second, DAY + 400).await;
    assert_eq!(found(DAY + 400).await, [(Sort::NoPerson, "two".into())]);
}
