//! Any moment: as of two axes, gaps, retention, exports. And the law of it.

use crate::cases::{Agent, SECOND, accept};
use crate::lists::{rules, worker};
use evidence::{Digest, Facts, HostId, KindEntry, Manifest, Status};
use evidenced_collector::config::Retention;
use evidenced_collector::export::{Ask, Format, Key, What, page};
use evidenced_collector::gap::{self, Gap, Why};
use evidenced_collector::judge::RuleSet;
use evidenced_collector::moment::{Known, Moment, NoMoment};
use evidenced_collector::overview::{Limits, Overview, load, load_at};
use evidenced_collector::retention::sweep;
use evidenced_collector::scope::Scope;
use evidenced_collector::store::model::HostState;
use evidenced_collector::store::{LifeChange, Saying, Store};
use evidenced_collector::verify::verify;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const AT: i64 = 20_000 * DAY + 8 * HOUR;

fn keys(of: &[(&str, i64, i64)]) -> Value {
    let entry = |(user, uid, bits): &(&str, i64, i64)| {
        json!({
            "user": user, "uid": uid, "path": format!("/home/{user}/.ssh/authorized_keys"),
            "type": "rsa", "bits": bits, "fingerprint": format!("SHA256:{user}{bits}"),
            "options": [], "has_from": false, "restricted": false, "cert_authority": false,
        })
    };
    json!({
        "entries": of.iter().map(entry).collect::<Vec<_>>(), "files": [],
        "command_configured": false,
    })
}

/// Sends one kind whole, received at a time; none: it was denied.
async fn send(store: &Store, agent: &mut Agent, data: Option<Value>, at_s: i64, received_s: i64) {
    send_at(store, agent, data, at_s, received_s * SECOND + 5).await;
}

async fn send_at(
    store: &Store,
    agent: &mut Agent,
    data: Option<Value>,
    at_s: i64,
    received_us: i64,
) {
    let facts = data.map(|data| Facts::new("authorized_keys", 1, data).expect("facts"));
    let status = if facts.is_some() { Status::Ok } else { Status::Denied };
    let id = facts.as_ref().map(Facts::id);
    let entry = KindEntry { status, facts: id, sources: vec![], unread: vec![] };
    let manifest = Manifest { kinds: [("authorized_keys".to_owned(), entry)].into() };
    let bytes = manifest.to_bytes().expect("manifest");
    let mut incoming = agent.incoming(Digest::of(&bytes), at_s);
    incoming.received_us = received_us;
    let first = accept(store, &incoming).await.expect("accepted");
    if let Some(id) = first.want.manifest {
        store.put_manifest(agent.host, id, &bytes).await.expect("store").expect("manifest");
    }
    if let Some(facts) = facts {
        // Refused when it is there already.
        let _ =
            store.put_facts(agent.host, facts.id(), facts.bytes().to_vec()).await.expect("store");
    }
    assert!(accept(store, &incoming).await.expect("accepted").want.is_empty());
}

async fn judge(store: &Store, now_s: i64) {
    worker(store, now_s).drain().await.expect("judged");
}

/// Makes the rules known, as a collector does at its start.
async fn announced(store: &Store) {
    let rules = rules();
    store.activate_rules(rules.id(), rules.sources(), "collector", 1).await.expect("store");
}

async fn moment(store: &Store, at_s: i64, known: Option<Known>) -> Moment {
    store.moment(at_s * SECOND, known).await.expect("store").expect("a moment")
}

/// What an overview says, without what is a store's own: log indexes.
type Seen = (Vec<Value>, Vec<Value>, Vec<Value>);

fn seen(overview: &Overview) -> Seen {
    let results = overview.results.iter().map(|row| {
        json!([row.host, row.rule, row.outcome, row.reason, row.offenders, row.since_us, row.cause])
    });
    let controls = overview.controls.iter().map(|(control, status)| json!([control.id, status]));
    let hosts = overview.hosts.iter().map(|host| {
        json!([
            host.id,
            host.group,
            host.state,
            host.last_received_us,
            host.next_due_s,
            host.manifest,
            host.revoked_us
        ])
    });
    (results.collect(), controls.collect(), hosts.collect())
}

async fn now(store: &Store, now_s: i64) -> Seen {
    let rules = rules();
    let rules: &RuleSet = &rules;
    let limits = Limits::default();
    let found = load(store, rules, rules.catalogue(), &limits, now_s * SECOND).await;
    seen(&found.expect("overview"))
}

async fn then(store: &Store, moment: &Moment) -> Seen {
    let rules = rules();
    let rules: &RuleSet = &rules;
    let found = load_at(store, rules, rules.catalogue(), &Limits::default(), moment).await;
    seen(&found.expect("overview"))
}

pub(crate) async fn the_past_shows_what_held_and_what_was_known_of_it(store: &Store) {
    announced(store).await;
    let mut agent = Agent::enrolled(store).await;
    let weak = || Some(keys(&[("anna", 1000, 1024)]));
    send(store, &mut agent, Some(keys(&[])), AT, AT).await;
    judge(store, AT).await;
    let first = now(store, AT + 60).await;
    // This one is seen an hour later and comes after five.
    send(store, &mut agent, weak(), AT + HOUR, AT + 5 * HOUR).await;
    judge(store, AT + 5 * HOUR).await;
    let at = moment(store, AT + 60, None).await;
    assert_eq!(then(store, &at).await, first);
    // Two hours later it is silent, for what was known then; as is known now it had failed.
    let known = Some(Known::At((AT + 4 * HOUR) * SECOND));
    let as_known = moment(store, AT + 4 * HOUR, known).await;
    let silent = then(store, &as_known).await.0;
    assert!(silent.iter().all(|row| row[2] != "fail" && row[2] != "pass"), "{silent:?}");
    let late = moment(store, AT + 2 * HOUR, None).await;
    assert!(then(store, &late).await.0.iter().any(|row| row[2] == "fail"));
    // Before it was there, there was nothing.
    let before = moment(store, 0, None).await;
    assert_eq!(then(store, &before).await.2, Vec::<Value>::new());
    let size = store.log().await.expect("log").size;
    let ahead = store.moment(AT * SECOND, Some(Known::Size(size + 1))).await.expect("store");
    assert_eq!(ahead, Err(NoMoment::Size(size + 1, size)));
}

pub(crate) async fn rules_groups_and_lives_are_those_of_the_moment(store: &Store) {
    announced(store).await;
    let mut agent = Agent::enrolled(store).await;
    send(store, &mut agent, Some(keys(&[])), AT, AT).await;
    judge(store, AT).await;
    let say = Saying {
        host: agent.host,
        property: "group".into(),
        value: Some("web".into()),
        from_us: (AT + HOUR) * SECOND,
        actor: "operator".into(),
        reason: None,
        now_us: (AT + HOUR) * SECOND,
    };
    store.say(&say).await.expect("store").expect("said");
    let retired = LifeChange {
        host: agent.host,
        to: HostState::Retired,
        actor: "operator".into(),
        reason: "gone".into(),
        from_us: (AT + 2 * HOUR) * SECOND,
        now_us: (AT + 2 * HOUR) * SECOND,
        until_us: None,
        unheard_since_us: None,
    };
    store.change_life(&retired).await.expect("store").expect("retired");
    let other = RuleSet::builtin(rules().catalogue()).expect("rules");
    let other = other.with_only(&["keys-root-approved".to_owned()].into());
    let at_us = (AT + 3 * HOUR) * SECOND;
    store.activate_rules(other.id(), other.sources(), "operator", at_us).await.expect("store");
    let stood = async |at_s: i64| {
        let at = moment(store, at_s, None).await;
        let host = store.host_at(agent.host, &at).await.expect("store").expect("a host");
        let rules = store.rules_at(&at).await.expect("store").map(|then| then.name);
        (host.group, host.state, rules)
    };
    let (ours, other) = (Some(rules().id().to_string()), Some(other.id().to_string()));
    assert_eq!(stood(AT + 60).await, ("default".into(), HostState::Active, ours.clone()));
    assert_eq!(stood(AT + HOUR + 60).await, ("web".into(), HostState::Active, ours.clone()));
    assert_eq!(stood(AT + 2 * HOUR + 60).await, ("web".into(), HostState::Retired, ours));
    assert_eq!(stood(AT + 3 * HOUR + 60).await.2, other);
    // Its end names the last that was taken of it.
    let acts = store.acts(9).await.expect("acts");
    let end = acts.iter().find(|(_, act)| act.act == "host_retired").expect("an act");
    assert_eq!(end.1.detail["last_check_in"]["seq"], 0, "{}", end.1.detail);
    // And what comes later is refused.
    let late = agent.incoming(Digest::of(b"manifest"), AT + 4 * HOUR);
    assert!(accept(store, &late).await.is_err());
}

pub(crate) async fn gaps_of_a_host_say_when_and_why(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    send(store, &mut agent, Some(keys(&[])), AT, AT).await;
    send(store, &mut agent, None, AT + HOUR, AT + HOUR).await;
    send(store, &mut agent, Some(keys(&[])), AT + 6 * HOUR, AT + 6 * HOUR).await;
    judge(store, AT + 6 * HOUR).await;
    let end = AT + 7 * HOUR;
    let period = (AT * SECOND, end * SECOND);
    let found = gap::of_host(store, agent.host, period, None, end * SECOND).await.expect("gaps");
    let hours = |gap: &Gap| {
        let hour = |us: i64| (us / SECOND - AT) / HOUR;
        (gap.kind.clone(), gap.why, hour(gap.from_us), hour(gap.to_us))
    };
    let kind = Some("authorized_keys".to_owned());
    let wanted = [(None, Why::Silent, 3, 6), (kind, Why::Denied, 1, 3)];
    assert_eq!(found.iter().map(hours).collect::<Vec<_>>(), wanted);
    assert_eq!(gap::coverage(&found, period), (7 * HOUR * SECOND, 4 * HOUR * SECOND));
    // A collector that was away is named as the cause.
    let away = |at_s: i64| store.watch((AT + at_s) * SECOND, 120 * SECOND);
    away(4 * HOUR).await.expect("store");
    away(5 * HOUR).await.expect("store");
    let found = gap::of_host(store, agent.host, period, None, end * SECOND).await.expect("gaps");
    let whole: Vec<_> = found.iter().filter(|gap| gap.kind.is_none()).map(hours).collect();
    let silent = |from, to| (None, Why::Silent, from, to);
    assert_eq!(whole, [silent(3, 4), (None, Why::CollectorOutage, 4, 5), silent(5, 6)]);
}

fn kept(months: u32) -> Retention {
    Retention { months, personal_months: months, kinds: BTreeMap::new() }
}

pub(crate) async fn bodies_are_erased_after_their_time_and_nothing_that_holds(store: &Store) {
    let (mut one, mut two) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
    let (old, other) = (keys(&[("anna", 1000, 1024)]), keys(&[("ben", 1001, 2048)]));
    let body = |data: &Value| Facts::new("authorized_keys", 1, data.clone()).expect("facts").id();
    for agent in [&mut one, &mut two] {
        send(store, agent, Some(old.clone()), AT, AT).await;
    }
    send(store, &mut one, Some(other.clone()), AT + HOUR, AT + HOUR).await;
    judge(store, AT + HOUR).await;
    let later = (AT + 400 * DAY) * SECOND;
    let erase = async |months| {
        let planned = sweep(store, &kept(months), true, later, None).await.expect("swept");
        planned.iter().map(|kind| (kind.bodies, kind.in_force, kind.held)).collect::<Vec<_>>()
    };
    let here = async |id| store.object(id).await.expect("store").is_some();
    // The other host still has it: what is equal is in force wherever it holds.
    assert_eq!(erase(12).await, [(0, 1, 0)]);
    send(store, &mut two, Some(keys(&[])), AT + 2 * HOUR, AT + 2 * HOUR).await;
    judge(store, AT + 2 * HOUR).await;
    let hold = store.set_hold(&Scope::Host(two.host), "a claim", "operator", later).await;
    let hold = hold.expect("store").expect("held");
    assert_eq!(erase(12).await, [(0, 0, 1)]);
    assert_eq!(erase(0).await, [], "nothing has a time");
    assert_eq!(erase(14).await, [(0, 0, 0)], "it is not old enough");
    assert!(here(body(&old)).await);
    let released = store.release_hold(&hold, "settled", "operator", later).await;
    released.expect("store").expect("released");
    // A plan erases nothing.
    let planned = sweep(store, &kept(12), false, later, None).await.expect("planned");
    assert_eq!((planned[0].bodies, here(body(&old)).await), (1, true));
    assert_eq!(erase(12).await, [(1, 0, 0)]);
    assert!(!here(body(&old)).await);
    for id in [body(&other), body(&keys(&[]))] {
        assert!(here(id).await, "what holds stays");
    }
    assert_eq!(store.erased(Some(body(&old))).await.expect("store"), Some(later));
    assert_eq!(store.erased_count().await.expect("store"), 1);
    let (_, act) = &store.acts(1).await.expect("acts")[0];
    let named = json!([body(&old)]);
    assert_eq!((act.act.as_str(), &act.detail["facts"]), ("facts_erased", &named));
    // The log holds, and what was judged of it stays on record.
    verify(store, |_, _| {}).await.expect("the log holds");
    let at = moment(store, AT + 60, None).await;
    let kinds = store.kind_rows_at(one.host, &at).await.expect("kinds");
    assert_eq!(kinds[0].facts, Some(body(&old)));
    let results = store.results_at(Some(one.host), at.at_us, at.known).await.expect("results");
    assert!(!results.is_empty());
    // When the state is there again, its body is asked for again.
    let now_s = later / SECOND;
    send(store, &mut one, Some(old.clone()), now_s, now_s).await;
    assert!(here(body(&old)).await);
    assert_eq!(store.erased(Some(body(&old))).await.expect("store"), None);
    judge(store, now_s).await;
    let held = store.results_at(Some(one.host), later + SECOND, i64::MAX).await.expect("results");
    assert!(held.iter().all(|row| row.reason.as_deref() != Some("no_facts")), "{held:?}");
}

async fn exported(store: &Store, ask: &Ask) -> Vec<Value> {
    let (mut ask, mut records) = (ask.clone(), vec![]);
    loop {
        let page = page(store, &rules(), &ask).await.expect("a page");
        let lines = page.text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        records.extend(lines);
        match page.next {
            Some(next) => ask.after = Some(next),
            None => return records,
        }
    }
}

pub(crate) async fn an_export_goes_on_at_any_record_as_of_the_same_moment(store: &Store) {
    announced(store).await;
    let mut agents = vec![];
    for n in 0..3 {
        let mut agent = Agent::enrolled(store).await;
        send(store, &mut agent, Some(keys(&[("anna", 1000 + n, 1024)])), AT, AT).await;
        agents.push(agent);
    }
    judge(store, AT).await;
    for what in [What::Results, What::Drifts, What::Hosts, What::Evidence] {
        let at = moment(store, AT + 60, None).await;
        let ask = Ask { what, format: Format::Jsonl, from_us: None, moment: at, after: None };
        let whole = exported(store, &ask).await;
        assert_eq!(whole.is_empty(), what == What::Drifts, "{what:?}");
        for (n, record) in whole.iter().enumerate() {
            // Some of them, the borders of pages and hosts among these.
            if !n.is_multiple_of(83) && n + 1 != whole.len() {
                continue;
            }
            for column in what.columns() {
                assert!(record.get(*column).is_some(), "{what:?} has no {column}");
            }
            let cursor = record["cursor"].as_str().expect("a cursor");
            let rest = Ask::resume(what, Format::Jsonl, cursor).expect("resumed");
            assert!(exported(store, &rest).await == whole[n + 1..], "{what:?} after {n}");
        }
        // What changes meanwhile is not of this moment.
        if let Some(first) = whole.first().and_then(|record| record["cursor"].as_str()) {
            let rest = Ask::resume(what, Format::Jsonl, first).expect("resumed");
            send(store, &mut agents[2], Some(keys(&[])), AT + HOUR, AT + HOUR).await;
            judge(store, AT + HOUR).await;
            assert!(exported(store, &rest).await == whole[1..], "{what:?}");
        }
    }
    // A period has what was, with its ends.
    let now = moment(store, AT + 2 * HOUR, None).await;
    let from_us = Some(AT * SECOND);
    let ask = |what| Ask { what, format: Format::Jsonl, from_us, moment: now, after: None };
    let states = exported(store, &ask(What::Evidence)).await;
    let last = agents[2].host.to_string();
    let of_last: Vec<_> = states.iter().filter(|row| row["host"] == last.as_str()).collect();
    assert_eq!(of_last.len(), 2);
    assert_eq!(of_last[0]["to_us"], of_last[1]["from_us"]);
    let results = exported(store, &ask(What::Results)).await;
    assert!(results.iter().any(|row| row["outcome"] == "fail" && !row["to_us"].is_null()));
    let nobody = Key::Host(HostId::from(u128::MAX), String::new(), 0);
    let end = Ask { after: Some(nobody), ..ask(What::Results) };
    assert_eq!(exported(store, &end).await, Vec::<Value>::new());
}

/// One check-in of a life: which host, what it says, when it is seen, how late it comes.
#[derive(Debug, Clone)]
struct Word {
    host: usize,
    said: usize,
    at_s: i64,
    received_s: i64,
    /// Microseconds that it takes.
    way_us: i64,
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let word = (0..2_usize, 0..5_usize, 300..5 * HOUR, prop_oneof![Just(0_i64), 0..9 * HOUR]);
    proptest::collection::vec(word, 2..6).prop_map(|steps| {
        let mut at = AT;
        let mut words: Vec<Word> = vec![];
        for (host, said, gap, late) in steps {
            at += gap;
            words.push(Word { host, said, at_s: at, received_s: at + late, way_us: 5 });
        }
        // A host's spool is emptied in order, and the log is in the order in which all came.
        for host in 0..2 {
            let mut last = 0;
            for word in words.iter_mut().filter(|word| word.host == host) {
                word.received_s = word.received_s.max(last);
                last = word.received_s;
            }
        }
        words.sort_by_key(|word| (word.received_s, word.at_s));
        words
    })
}

fn said(n: usize) -> Option<Value> {
    match n {
        0 => Some(keys(&[])),
        1 => Some(keys(&[("anna", 1000, 1024)])),
        2 => Some(keys(&[("root", 0, 4096)])),
        3 => Some(keys(&[("root", 0, 1024), ("anna", 1000, 1024)])),
        _ => None,
    }
}

/// Feeds a store; each is judged as it comes. Gives the log's size after each.
async fn fed(store: &Store, words: &[Word], same: &[[u8; 16]; 2]) -> Vec<u64> {
    announced(store).await;
    let mut agents = vec![];
    for id in same {
        agents.push(Agent::enrolled_as(store, HostId::from(u128::from_be_bytes(*id))).await);
    }
    let mut sizes = vec![];
    for word in words {
        let agent = &mut agents[word.host];
        let received_us = word.received_s * SECOND + word.way_us;
        send_at(store, agent, said(word.said), word.at_s, received_us).await;
        judge(store, word.received_s).await;
        sizes.push(store.log().await.expect("log").size);
    }
    sizes
}

/// The law: reading at (T, known) is reading `now` of a store that was fed only what had been received
/// by `known` and seen by T, with the clock at T.
#[test]
fn the_past_is_the_now_of_a_store_that_knew_no_more() {
    let config = ProptestConfig { cases: 6, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let ids = [[1_u8; 16], [2; 16]];
    let law = |words: Vec<Word>| {
        crate::laws::in_a_store(async |whole| {
            let sizes = fed(whole, &words, &ids).await;
            // All that were fed are of one day: judgement of a new day is another matter.
            for (n, size) in sizes
                .iter()
                .enumerate()
                .filter(|(n, _)| [sizes.len() / 2, sizes.len() - 1].contains(n))
            {
                let known = &words[..=n];
                let last = known.iter().map(|word| word.received_s).max().unwrap_or(AT);
                let moments: BTreeSet<i64> =
                    known.iter().map(|word| word.at_s + 30).chain([last + 30]).collect();
                for at_s in moments {
                    let part: Vec<Word> = known
                        .iter()
                        .filter(|word| word.at_s <= at_s)
                        .map(|word| match word.received_s <= at_s {
                            true => word.clone(),
                            // What came later, and is known, counts when it was seen.
                            false => Word { received_s: word.at_s, way_us: 0, ..word.clone() },
                        })
                        .collect();
                    let wanted = crate::laws::in_a_store_of(async |store| {
                        fed(store, &part, &ids).await;
                        now(store, at_s).await
                    })
                    .await;
                    let at = moment(whole, at_s, Some(Known::Size(*size))).await;
                    let got = then(whole, &at).await;
                    for (got, wanted) in [(got.0, wanted.0), (got.1, wanted.1), (got.2, wanted.2)] {
                        let differs = got.iter().zip(&wanted).find(|(got, wanted)| got != wanted);
                        prop_assert!(differs.is_none(), "{:?} at {} of {}", differs, at_s, size);
                        prop_assert_eq!(got.len(), wanted.len(), "at {} of {}", at_s, size);
                    }
                }
            }
            Ok(())
        })
    };
    runner.run(&words(), law).expect("the law");
}
