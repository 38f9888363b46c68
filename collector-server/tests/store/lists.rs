//! Populations and approved lists, through the worker that judges by them.

use crate::alerts::{alerts, state, states};
use crate::cases::{Agent, SECOND, accept};
use evidence::{Digest, Facts, KindEntry, Manifest, Status};
use evidenced_collector::approved::Standing;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::clock::Clock;
use evidenced_collector::judge::{Judge, RuleSet};
use evidenced_collector::judgement::Worker;
use evidenced_collector::store::model::DriftRow;
use evidenced_collector::store::{Decision, DriftFilter, ListRefusal, Saying, Store};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Notify;

const HOUR: i64 = 3600;
/// The morning of a day.
const AT: i64 = 20_000 * 24 * HOUR + 8 * HOUR;
const RULE: &str = "keys-root-approved";

/// Sends a state whole. A kind without facts was denied.
pub(crate) async fn report(
    store: &Store,
    agent: &mut Agent,
    kinds: &[(&str, Option<Value>)],
    at_s: i64,
) {
    let mut manifest = Manifest::default();
    let mut bodies = vec![];
    for (kind, data) in kinds {
        let facts = data.as_ref().map(|data| Facts::new(kind, 1, data.clone()).expect("facts"));
        let entry = KindEntry {
            status: if facts.is_some() { Status::Ok } else { Status::Denied },
            facts: facts.as_ref().map(Facts::id),
            sources: vec![],
            unread: vec![],
        };
        manifest.kinds.insert((*kind).to_owned(), entry);
        bodies.extend(facts);
    }
    let bytes = manifest.to_bytes().expect("manifest");
    let incoming = agent.incoming(Digest::of(&bytes), at_s);
    let first = accept(store, &incoming).await.expect("accepted");
    if let Some(id) = first.want.manifest {
        store.put_manifest(agent.host, id, &bytes).await.expect("store").expect("manifest");
    }
    for facts in &bodies {
        let _ =
            store.put_facts(agent.host, facts.id(), facts.bytes().to_vec()).await.expect("store");
    }
    assert!(accept(store, &incoming).await.expect("accepted").want.is_empty());
    work(store, at_s).await;
}

/// Every rule there is.
pub(crate) fn rules() -> Arc<RuleSet> {
    static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| {
        let catalogue = Catalogue::builtin().expect("catalogue");
        Arc::new(RuleSet::builtin(&catalogue).expect("rules"))
    });
    Arc::clone(&RULES)
}

/// The worker at a moment.
pub(crate) fn worker(store: &Store, now_s: i64) -> Worker {
    let judge = Arc::new(Judge::new(rules()));
    let clock = Clock::fast(UNIX_EPOCH + Duration::from_secs(now_s as u64), 1);
    Worker::new(store.clone(), judge, clock, Arc::new(Notify::new()))
}

/// Judges what waits.
pub(crate) async fn work(store: &Store, now_s: i64) {
    worker(store, now_s).drain().await.expect("judged");
}

fn units(enabled: &[&str]) -> (&'static str, Option<Value>) {
    ("services", Some(json!({"enabled": enabled})))
}

fn keys(fingerprints: &[&str]) -> (&'static str, Option<Value>) {
    let entry = |fingerprint: &&str| {
        json!({
            "user": "root", "uid": 0, "path": "/root/.ssh/authorized_keys", "type": "ed25519",
            "bits": 256, "fingerprint": fingerprint, "options": [], "has_from": false,
            "restricted": false, "cert_authority": false,
        })
    };
    let entries: Vec<_> = fingerprints.iter().map(entry).collect();
    ("authorized_keys", Some(json!({"entries": entries, "command_configured": false})))
}

pub(crate) async fn learns(store: &Store, population: &str, at_s: i64) -> i64 {
    let learnt = store.learn_list("default", population, "operator", at_s * SECOND).await;
    learnt.expect("store").expect("learnt")
}

pub(crate) async fn decides(
    store: &Store,
    population: &str,
    standing: Standing,
    members: &[&str],
    (at_s, expires_s): (i64, Option<i64>),
) {
    let decision = Decision {
        standing,
        members: members.iter().map(|member| (*member).to_owned()).collect(),
        expires_us: expires_s.map(|s| s * SECOND),
        note: String::new(),
    };
    let now_us = at_s * SECOND;
    let done = store.decide_members("default", population, &decision, "operator", now_us).await;
    done.expect("store").expect("decided");
    work(store, at_s).await;
}

pub(crate) async fn changes(store: &Store) -> Vec<(String, String, String)> {
    let filter = DriftFilter { host: None, open: Some(true), limit: 100 };
    let drifts = store.drifts(filter).await.expect("drifts").into_iter();
    let said = |row: DriftRow| (row.offenders.join(","), row.to, row.cause);
    let mut changes: Vec<_> = drifts.filter(|row| row.drift == "change").map(said).collect();
    changes.sort();
    changes
}

fn change(member: &str, how: &str, cause: &str) -> (String, String, String) {
    (member.to_owned(), how.to_owned(), cause.to_owned())
}

async fn holds(store: &Store, agent: &Agent) -> (String, Vec<String>, Option<String>) {
    let rows = store.open_results(Some(agent.host), None).await.expect("results");
    let row = rows.into_iter().find(|row| row.rule == RULE).expect("a result");
    (row.outcome, row.offenders, row.cause)
}

pub(crate) async fn a_list_is_learnt_decided_and_guards_its_population_from_then_on(store: &Store) {
    let mut web = Agent::enrolled(store).await;
    report(store, &mut web, &[units(&["ssh.service"])], AT).await;
    report(store, &mut web, &[units(&["cron.service", "ssh.service"])], AT + 60).await;
    assert!(changes(store).await.is_empty(), "without a list nothing deviates");
    let refusal = store.learn_list("nowhere", "enabled-units", "operator", 1).await.expect("store");
    assert_eq!(refusal, Err(ListRefusal::UnknownGroup));
    assert_eq!(learns(store, "enabled-units", AT + 120).await, 2);
    work(store, AT + 120).await;
    assert!(changes(store).await.is_empty(), "what is proposed calls for nobody");
    let both = ["cron.service", "ssh.service"];
    decides(store, "enabled-units", Standing::Accepted, &both, (AT + 180, None)).await;
    assert!(changes(store).await.is_empty());

    let three = [units(&["cron.service", "miner.service", "ssh.service"])];
    report(store, &mut web, &three, AT + HOUR).await;
    assert_eq!(changes(store).await, [change("miner.service", "added", "host_changed")]);
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.drift.as_str(), alert.lane.as_str()), ("change", "queue"));
    assert!(alert.title.contains("enabled-units: miner.service"), "{}", alert.title);

    // Accepting it ends the matter; removing it from the host makes it gone.
    let one = ["miner.service"];
    decides(store, "enabled-units", Standing::Accepted, &one, (AT + 2 * HOUR, None)).await;
    assert!(changes(store).await.is_empty());
    assert_eq!(states(store).await, [state("resolved", 1)]);
    report(store, &mut web, &[units(&both)], AT + 3 * HOUR).await;
    assert_eq!(changes(store).await, [change("miner.service", "gone", "host_changed")]);
    decides(store, "enabled-units", Standing::Removed, &one, (AT + 4 * HOUR, None)).await;
    assert!(changes(store).await.is_empty(), "the list does not want it any more");
    let acts = store.acts(10).await.expect("acts");
    let acts: Vec<_> = acts.iter().map(|(_, act)| act.act.as_str()).collect();
    assert_eq!(acts[..2], ["list_members_removed", "list_members_accepted"]);
}

pub(crate) async fn what_was_not_read_is_not_gone(store: &Store) {
    let mut web = Agent::enrolled(store).await;
    report(store, &mut web, &[units(&["ssh.service"])], AT).await;
    learns(store, "enabled-units", AT).await;
    decides(store, "enabled-units", Standing::Accepted, &["ssh.service"], (AT, None)).await;
    report(store, &mut web, &[("services", None)], AT + 60).await;
    assert!(changes(store).await.is_empty());
    // Back, and changed while it was dark.
    report(store, &mut web, &[units(&["x.service"])], AT + 120).await;
    let expected = [
        change("ssh.service", "gone", "host_changed"),
        change("x.service", "added", "host_changed"),
    ];
    assert_eq!(changes(store).await, expected);
}

/// How the rule's result is explained, which the record must agree with: outcome, offenders, and what
/// the list accepts.
async fn explained(store: &Store, agent: &Agent) -> (&'static str, Vec<String>, Vec<String>) {
    let found =
        evidenced_collector::explained::load(store, &rules(), (agent.host, RULE), None).await;
    let found = found.expect("store").unwrap_or_else(|nothing| panic!("{nothing:?}"));
    assert!(found.agrees(), "{:?}", found.recorded);
    let now = found.explanation;
    (now.outcome.as_str(), now.offenders, found.accepted)
}

pub(crate) async fn what_a_list_accepts_is_no_offender_of_its_rule(store: &Store) {
    let mut web = Agent::enrolled(store).await;
    report(store, &mut web, &[keys(&["SHA256:a"])], AT).await;
    assert_eq!(holds(store, &web).await.0, "fail");
    learns(store, "root-keys", AT + 60).await;
    work(store, AT + 60).await;
    assert_eq!(holds(store, &web).await.0, "fail", "proposed is not accepted");
    decides(store, "root-keys", Standing::Accepted, &["SHA256:a"], (AT + 120, None)).await;
    let cause = Some("list_changed".to_owned());
    assert_eq!(holds(store, &web).await, ("pass".into(), vec![], cause.clone()));
    assert!(alerts(store).await.is_empty());
    assert_eq!(explained(store, &web).await, ("pass", vec![], vec!["SHA256:a".into()]));

    // Another key fails the rule, names nobody else, and is one alert in the lane that wakes.
    report(store, &mut web, &[keys(&["SHA256:a", "SHA256:b"])], AT + HOUR).await;
    let failing = ("fail".to_owned(), vec!["SHA256:b".to_owned()], Some("host_changed".to_owned()));
    assert_eq!(holds(store, &web).await, failing);
    let said = ("fail", vec!["SHA256:b".into()], vec!["SHA256:a".into()]);
    assert_eq!(explained(store, &web).await, said);
    assert!(changes(store).await.is_empty(), "the rule tells of it");
    let alert = alerts(store).await.remove(0);
    assert_eq!((alert.drift.as_str(), alert.lane.as_str()), ("regression", "page"));
    assert_eq!(alerts(store).await.len(), 1);
    report(store, &mut web, &[keys(&["SHA256:a"])], AT + 2 * HOUR).await;
    assert_eq!(states(store).await, [state("resolved", 1)]);

    // A person who changes their mind is no drift of the host.
    decides(store, "root-keys", Standing::Refused, &["SHA256:a"], (AT + 3 * HOUR, None)).await;
    assert_eq!(holds(store, &web).await, ("fail".into(), vec!["SHA256:a".into()], cause));
    let filter = DriftFilter { host: None, open: Some(true), limit: 100 };
    assert!(store.drifts(filter).await.expect("drifts").is_empty());
    let live: Vec<_> = alerts(store).await.into_iter().filter(|a| a.state == "open").collect();
    assert_eq!(live.len(), 1);
    assert_eq!((live[0].drift.as_str(), live[0].cause.as_str()), ("change", "list_changed"));
}

pub(crate) async fn a_member_whose_time_is_over_is_told_once_for_all_hosts(store: &Store) {
    let (mut one, mut two) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
    for agent in [&mut one, &mut two] {
        report(store, agent, &[units(&["trial.service"])], AT).await;
    }
    learns(store, "enabled-units", AT).await;
    let until = Some(AT + 2 * HOUR);
    decides(store, "enabled-units", Standing::Accepted, &["trial.service"], (AT, until)).await;
    assert!(!store.watch_lists((AT + HOUR) * SECOND).await.expect("store"));
    assert!(store.watch_lists((AT + 2 * HOUR) * SECOND).await.expect("store"));
    work(store, AT + 2 * HOUR).await;
    let expired = change("trial.service", "added", "list_changed");
    assert_eq!(changes(store).await, [expired.clone(), expired]);
    assert_eq!(states(store).await, [state("open", 2)]);
    assert_eq!(alerts(store).await[0].cause, "list_changed");
    decides(store, "enabled-units", Standing::Accepted, &["trial.service"], (AT + 3 * HOUR, None))
        .await;
    assert!(changes(store).await.is_empty());
    assert_eq!(states(store).await, [state("resolved", 2)]);
}

pub(crate) async fn a_host_that_comes_into_a_group_meets_its_list_and_did_nothing(store: &Store) {
    let mut web = Agent::enrolled(store).await;
    let mut other = Agent::enrolled(store).await;
    report(store, &mut web, &[units(&["ssh.service"])], AT).await;
    learns(store, "enabled-units", AT).await;
    decides(store, "enabled-units", Standing::Accepted, &["ssh.service"], (AT, None)).await;
    let moves = async |agent: &Agent, to: &str, at_s: i64| {
        let saying = Saying {
            host: agent.host,
            property: "group".into(),
            value: Some(to.into()),
            from_us: at_s * SECOND,
            actor: "operator".into(),
            reason: None,
            now_us: at_s * SECOND,
        };
        store.say(&saying).await.expect("store");
    };
    moves(&other, "lab", AT + 1).await;
    report(store, &mut other, &[units(&["lab.service"])], AT + 60).await;
    assert!(changes(store).await.is_empty());
    moves(&other, "default", AT + 120).await;
    report(store, &mut other, &[units(&["lab.service"])], AT + 180).await;
    store.queue_all((AT + 180) * SECOND).await.expect("queued");
    work(store, AT + 180).await;
    assert_eq!(changes(store).await, [change("lab.service", "added", "scope_changed")]);
    assert_eq!(alerts(store).await.len(), 1);
}

pub(crate) async fn a_value_that_became_weaker_is_a_change_until_it_is_as_strong_again(
    store: &Store,
) {
    let mut web = Agent::enrolled(store).await;
    let policy = |minlen: i64, history: i64| {
        [("password_policy", Some(json!({"minlen": minlen, "history": history})))]
    };
    report(store, &mut web, &policy(20, 24), AT).await;
    report(store, &mut web, &policy(22, 24), AT + 60).await;
    assert!(open_changes(store).await.is_empty(), "stronger is no drift");
    report(store, &mut web, &policy(18, 24), AT + 120).await;
    let weaker = [("22".to_owned(), "18".to_owned(), "host_changed".to_owned())];
    assert_eq!(open_changes(store).await[..], weaker, "no rule asks for more than 18");
    let alert = alerts(store).await.remove(0);
    assert!(alert.title.contains("password-length: 22 became 18"), "{}", alert.title);
    // Half the way back is not back; nor is a value that is not read.
    report(store, &mut web, &policy(20, 24), AT + 180).await;
    report(store, &mut web, &[("password_policy", None)], AT + 240).await;
    assert_eq!(open_changes(store).await, weaker);
    report(store, &mut web, &policy(18, 24), AT + 300).await;
    report(store, &mut web, &policy(22, 24), AT + 360).await;
    assert!(open_changes(store).await.is_empty());
    let change = alerts(store).await.into_iter().find(|alert| alert.drift == "change");
    assert_eq!(change.expect("the alert").state, "resolved");
}

async fn open_changes(store: &Store) -> Vec<(String, String, String)> {
    let filter = DriftFilter { host: None, open: Some(true), limit: 100 };
    let drifts = store.drifts(filter).await.expect("drifts").into_iter();
    drifts.filter(|row| row.drift == "change").map(|row| (row.from, row.to, row.cause)).collect()
}

pub(crate) async fn a_list_that_changes_while_facts_do_is_the_cause_only_where_it_made_the_difference(
    store: &Store,
) {
    let mut web = Agent::enrolled(store).await;
    report(store, &mut web, &[keys(&["SHA256:a"])], AT).await;
    learns(store, "root-keys", AT).await;
    decides(store, "root-keys", Standing::Accepted, &["SHA256:a"], (AT, None)).await;
    assert_eq!(holds(store, &web).await.0, "pass");
    let refuse = Decision {
        standing: Standing::Refused,
        members: ["SHA256:a".to_owned()].into(),
        expires_us: None,
        note: String::new(),
    };
    // Before anybody judges by it, the host says something else that the rule does not mind.
    let now_us = (AT + 60) * SECOND;
    let done = store.decide_members("default", "root-keys", &refuse, "operator", now_us).await;
    done.expect("store").expect("refused");
    let other = (
        "authorized_keys",
        keys(&["SHA256:a"]).1.map(|mut data| {
            data["entries"][0]["options"] = json!(["no-pty"]);
            data
        }),
    );
    report(store, &mut web, &[other], AT + 120).await;
    let (outcome, _, cause) = holds(store, &web).await;
    assert_eq!((outcome.as_str(), cause.as_deref()), ("fail", Some("list_changed")));
    // The near miss: a key that no list ever had, while the list takes the other one back.
    let accept = Decision { standing: Standing::Accepted, ..refuse };
    let now_us = (AT + 180) * SECOND;
    let done = store.decide_members("default", "root-keys", &accept, "operator", now_us).await;
    done.expect("store").expect("accepted");
    report(store, &mut web, &[keys(&["SHA256:b"])], AT + 240).await;
    let (outcome, _, cause) = holds(store, &web).await;
    assert_eq!((outcome.as_str(), cause.as_deref()), ("fail", Some("host_changed")));
}

pub(crate) async fn a_list_is_known_as_it_was_at_any_moment(store: &Store) {
    let mut web = Agent::enrolled(store).await;
    report(store, &mut web, &[units(&["ssh.service", "cron.service"])], AT).await;
    learns(store, "enabled-units", AT + 10).await;
    let (ssh, cron) = ("ssh.service", "cron.service");
    decides(store, "enabled-units", Standing::Accepted, &[ssh], (AT + 20, Some(AT + 100))).await;
    decides(store, "enabled-units", Standing::Refused, &[cron], (AT + 30, None)).await;
    store.watch_lists((AT + 150) * SECOND).await.expect("store");
    let at = async |at_s: i64| {
        let lists = store.lists_at("default", at_s * SECOND).await.expect("store");
        lists
            .get("enabled-units")
            .map(|list| (list.members[ssh].as_str(), list.members[cron].as_str()))
    };
    assert_eq!(at(AT + 9).await, None, "nobody had learnt it");
    assert_eq!(at(AT + 10).await, Some(("proposed", "proposed")));
    assert_eq!(at(AT + 20).await, Some(("accepted", "proposed")));
    assert_eq!(at(AT + 99).await, Some(("accepted", "refused")));
    assert_eq!(at(AT + 100).await, Some(("expired", "refused")), "from its end, not from the look");
    assert_eq!(at(AT + 200).await, Some(("expired", "refused")));
    let ((group, version), _) = store.list_versions(web.host).await.expect("store");
    assert_eq!((group.as_str(), version), ("default", 4));
    let by = async |version| store.lists_at_version("default", version).await.expect("store");
    assert_eq!(by(0).await, Some(Default::default()));
    let first = by(1).await.expect("known");
    assert_eq!(first["enabled-units"].members[ssh], Standing::Proposed);
    assert_eq!(by(4).await, Some(store.lists_of_group("default").await.expect("store")));
}
