//! Laws of history and drift, over random lives of a host through the worker that judges it.

use crate::cases::{Agent, SECOND, accept};
use crate::exceptions::person;
use crate::lists::{rules, worker};
use evidence::{Digest, Facts, KindEntry, Manifest, Status};
use evidenced_collector::exception::{Scope, Wanted};
use evidenced_collector::store::model::ResultRow;
use evidenced_collector::store::{AlertFilter, DriftFilter, Store};
use evidenced_collector::{population, window};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const HOUR: i64 = 3600;
const AT: i64 = 20_000 * 24 * HOUR + 8 * HOUR;
const KIND: &str = "authorized_keys";

/// What a check-in says of its one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Weak,
    Root,
    Both,
    Denied,
    /// The manifest does not name the kind.
    Missing,
}

impl Said {
    fn is_proof(self) -> bool {
        !matches!(self, Self::Denied | Self::Missing)
    }

    fn facts(self) -> Option<Facts> {
        let key = |user: &str, uid: i64, sort: &str, bits: i64, fingerprint: &str| {
            json!({
                "user": user, "uid": uid, "path": format!("/home/{user}/.ssh/authorized_keys"),
                "type": sort, "bits": bits, "fingerprint": fingerprint, "options": [],
                "has_from": false, "restricted": false, "cert_authority": false,
            })
        };
        let weak = || key("anna", 1000, "rsa", 1024, "SHA256:weak");
        let root = || key("root", 0, "ed25519", 256, "SHA256:root");
        let entries: Vec<Value> = match self {
            Self::Nothing => vec![],
            Self::Weak => vec![weak()],
            Self::Root => vec![root()],
            Self::Both => vec![root(), weak()],
            Self::Denied | Self::Missing => return None,
        };
        let data = json!({"entries": entries, "files": [], "command_configured": false});
        Some(Facts::new(KIND, 1, data).expect("facts"))
    }

    fn manifest(self) -> (Manifest, Option<Facts>) {
        let facts = self.facts();
        let mut manifest = Manifest::default();
        if self != Self::Missing {
            let status = if facts.is_some() { Status::Ok } else { Status::Denied };
            let id = facts.as_ref().map(Facts::id);
            let entry = KindEntry { status, facts: id, sources: vec![], unread: vec![] };
            manifest.kinds.insert(KIND.to_owned(), entry);
        }
        (manifest, facts)
    }
}

/// What a host says, and when (seconds).
type Life = Vec<(Said, i64)>;

fn lives() -> impl Strategy<Value = Life> {
    let said = prop_oneof![
        Just(Said::Nothing),
        Just(Said::Weak),
        Just(Said::Root),
        Just(Said::Both),
        Just(Said::Denied),
        Just(Said::Missing)
    ];
    proptest::collection::vec((said, 60..6 * HOUR), 2..6).prop_map(|steps| {
        let mut at = AT;
        let step = |(said, gap)| {
            at += gap;
            (said, at)
        };
        steps.into_iter().map(step).collect()
    })
}

/// A fresh store, and what happens in it.
pub(crate) fn in_a_store<T>(test: impl AsyncFnOnce(&Store) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("runtime").block_on(in_a_store_of(test))
}

/// [`in_a_store`], within another.
pub(crate) async fn in_a_store_of<T>(test: impl AsyncFnOnce(&Store) -> T) -> T {
    let directory = tempfile::tempdir().expect("directory");
    let url = format!("sqlite:{}", directory.path().join("evidence.db").display());
    let store = crate::open(&url).await;
    let found = test(&store).await;
    store.close().await;
    found
}

fn check(cases: u32, law: impl Fn(Life) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    TestRunner::new(config).run(&lives(), law).expect("the law");
}

/// Sends one check-in, received at a time.
async fn send(store: &Store, agent: &mut Agent, said: Said, at_s: i64, received_s: i64) {
    let (manifest, facts) = said.manifest();
    let bytes = manifest.to_bytes().expect("manifest");
    let mut incoming = agent.incoming(Digest::of(&bytes), at_s);
    incoming.received_us = received_s * SECOND + 5;
    let first = accept(store, &incoming).await.expect("accepted");
    if let Some(id) = first.want.manifest {
        store.put_manifest(agent.host, id, &bytes).await.expect("store").expect("manifest");
    }
    if let Some(facts) = facts {
        let put = store.put_facts(agent.host, facts.id(), facts.bytes().to_vec()).await;
        let _ = put.expect("store"); // Refused when it is there already.
    }
    assert!(accept(store, &incoming).await.expect("accepted").want.is_empty());
}

async fn work(store: &Store, now_s: i64) {
    worker(store, now_s).drain().await.expect("judged");
}

/// One rule's outcome, reason and offenders.
type Value3 = (String, Option<String>, Vec<String>);

fn value(row: ResultRow) -> (String, Value3) {
    (row.rule, (row.outcome, row.reason, row.offenders))
}

/// What held at a moment, as was known at an index.
async fn held(store: &Store, at_s: i64, known: i64) -> BTreeMap<String, Value3> {
    let rows = store.results_at(None, at_s * SECOND, known).await.expect("results");
    rows.into_iter().map(value).collect()
}

/// Rules that read the kind.
fn readers() -> BTreeSet<String> {
    let rules = rules();
    let reads = |rule: &&evidenced_collector::judge::Rule| rule.evidence.iter().any(|k| k == KIND);
    rules.rules().iter().filter(reads).map(|rule| rule.id.clone()).collect()
}

/// Moments in and between the steps.
fn probes(life: &Life) -> Vec<i64> {
    life.iter().flat_map(|(_, at)| [*at, at + 30]).collect()
}

async fn history(store: &Store, life: &Life) -> Vec<BTreeMap<String, Value3>> {
    let mut all = vec![];
    for at in probes(life) {
        all.push(held(store, at, i64::MAX).await);
    }
    all
}

/// Drifts without what is the store's own: ids, indexes.
async fn drifts(store: &Store) -> BTreeSet<(String, String, String, i64, Option<i64>)> {
    let filter = DriftFilter { host: None, open: None, limit: 10_000 };
    let rows = store.drifts(filter).await.expect("drifts").into_iter();
    let row = |row: evidenced_collector::store::model::DriftRow| {
        let subject = row.rule.or(row.kind).unwrap_or_default();
        (row.drift, subject, row.cause, row.opened_us, row.resolved_us)
    };
    rows.map(row).collect()
}

/// Lives a life on time: each check-in is judged before the next.
async fn lived(store: &Store, life: &Life) -> Agent {
    let mut agent = Agent::enrolled(store).await;
    for (said, at) in life {
        send(store, &mut agent, *said, *at, *at).await;
        work(store, *at).await;
    }
    agent
}

#[test]
fn late_check_ins_give_the_same_history_as_timely_ones() {
    check(16, |life| {
        let timely = in_a_store(async |store| {
            lived(store, &life).await;
            (history(store, &life).await, drifts(store).await)
        });
        let late = in_a_store(async |store| {
            let mut agent = Agent::enrolled(store).await;
            let end = life.last().map_or(AT, |(_, at)| *at);
            for (said, at) in &life {
                send(store, &mut agent, *said, *at, end).await;
            }
            work(store, end).await;
            (history(store, &life).await, drifts(store).await)
        });
        prop_assert_eq!(timely, late);
        Ok(())
    });
}

#[test]
fn judging_again_changes_nothing() {
    check(8, |life| {
        in_a_store(async |store| {
            lived(store, &life).await;
            let end = life.last().map_or(AT, |(_, at)| *at);
            let before = (history(store, &life).await, drifts(store).await);
            for _ in 0..2 {
                store.queue_all(end * SECOND).await.expect("queued");
                work(store, end + 60).await;
            }
            prop_assert_eq!(before, (history(store, &life).await, drifts(store).await));
            Ok(())
        })
    });
}

/// One judge, and so one memory of judgements, for two hosts in either order.
#[test]
fn hosts_judged_in_another_order_are_judged_the_same() {
    check(8, |life| {
        let lived = |first: usize| {
            in_a_store(async |store| {
                let mut agents = [Agent::enrolled(store).await, Agent::enrolled(store).await];
                let worker = worker(store, AT);
                // The other host says the same, the last first.
                for ((said, at), (other, _)) in life.iter().zip(life.iter().rev()) {
                    for n in [first, 1 - first] {
                        let said = if n == 0 { *said } else { *other };
                        send(store, &mut agents[n], said, *at, *at).await;
                    }
                    worker.drain().await.expect("judged");
                }
                let mut all = vec![];
                for agent in &agents {
                    for at in probes(&life) {
                        let at_us = at * SECOND;
                        let rows = store.results_at(Some(agent.host), at_us, i64::MAX).await;
                        let rows = rows.expect("results").into_iter().map(value);
                        all.push(rows.collect::<BTreeMap<_, _>>());
                    }
                }
                all
            })
        };
        prop_assert_eq!(lived(0), lived(1));
        Ok(())
    });
}

#[test]
fn history_only_grows() {
    check(8, |life| {
        in_a_store(async |store| {
            let mut agent = Agent::enrolled(store).await;
            let mut answers = vec![];
            let end = life.last().map_or(AT, |(_, at)| *at);
            for (n, (said, at)) in life.iter().enumerate() {
                // Every other one comes late.
                send(store, &mut agent, *said, *at, if n % 2 == 0 { *at } else { end }).await;
                work(store, *at).await;
                let known = store.log().await.expect("log").size as i64 - 1;
                for probe in probes(&life) {
                    answers.push((probe, known, held(store, probe, known).await));
                }
            }
            for (probe, known, answer) in answers {
                prop_assert_eq!(held(store, probe, known).await, answer, "{} {}", probe, known);
            }
            Ok(())
        })
    });
}

#[test]
fn a_missing_kind_never_passes_and_each_transition_has_one_cause() {
    check(12, |life| {
        in_a_store(async |store| {
            lived(store, &life).await;
            let readers = readers();
            prop_assert!(readers.len() > 2);
            let mut before: Option<BTreeMap<String, ResultRow>> = None;
            for (said, at) in &life {
                let rows = store.results_at(None, at * SECOND, i64::MAX).await.expect("results");
                let now: BTreeMap<_, _> =
                    rows.into_iter().map(|row| (row.rule.clone(), row)).collect();
                for rule in readers.iter().filter(|_| !said.is_proof()) {
                    prop_assert_eq!(&now[rule].outcome, "unknown", "{} at {:?}", rule, said);
                }
                for (rule, row) in &now {
                    let same = |held: &ResultRow| value(held.clone()) == value(row.clone());
                    match before.as_ref().map(|before| &before[rule]) {
                        // The first state has none.
                        None => prop_assert!(row.cause.is_none(), "{}", rule),
                        Some(held) if same(held) => prop_assert_eq!(&held.cause, &row.cause),
                        Some(_) => {
                            let lost = row.outcome == "unknown";
                            let cause = if lost { "evidence_lost" } else { "host_changed" };
                            prop_assert_eq!(row.cause.as_deref(), Some(cause), "{}", rule);
                        }
                    }
                }
                before = Some(now);
            }
            Ok(())
        })
    });
}

/// An exception for every rule that reads the kind, a window that names them all, and lists that
/// were learnt: what fails is what fails without them, and so is what drifts.
#[test]
fn no_exception_and_no_window_hides_a_failure() {
    check(12, |life| {
        let bare = in_a_store(async |store| {
            lived(store, &life).await;
            (history(store, &life).await, drifts(store).await)
        });
        let laid_over = in_a_store(async |store| {
            let rules = readers();
            let severity = |rule: &String| (rule.clone(), "high".to_owned());
            let wanted = Wanted {
                rules: rules.iter().map(severity).collect(),
                scope: Scope::Organisation,
                reason: "a reason".into(),
                measure: "a measure".into(),
                ticket: String::new(),
                risk: "R-1".into(),
                until_us: (AT + 99 * HOUR) * SECOND,
            };
            let now_us = (AT - HOUR) * SECOND;
            let id = store.request_exception(&wanted, None, "operator", now_us).await;
            let owner = person(store, "owner", "risk_owner").await;
            let id = id.expect("store").expect("requested");
            let done = store.decide_exception(&id, &owner, true, "", now_us).await;
            done.expect("store").expect("approved");
            let window = window::Wanted {
                from_us: now_us,
                to_us: wanted.until_us,
                groups: ["default".to_owned()].into(),
                rules,
                kinds: [KIND.to_owned()].into(),
                populations: population::all().iter().map(|p| p.id.clone()).collect(),
                ticket: "CHG-1".into(),
                ..window::Wanted::default()
            };
            store.create_windows(&[window], "operator", now_us).await.expect("store");
            lived(store, &life).await;
            let end = life.last().map_or(AT, |(_, at)| *at);
            store.watch_exceptions(end * SECOND).await.expect("store");
            store.settle_alerts((end + HOUR) * SECOND).await.expect("store");
            let filter = AlertFilter { limit: 100, ..AlertFilter::default() };
            let told = store.alerts(&filter);
            let told = told.await.expect("alerts").len();
            (history(store, &life).await, drifts(store).await, told)
        });
        prop_assert_eq!(laid_over.2, 0, "all of it is covered and expected");
        prop_assert_eq!(bare, (laid_over.0, laid_over.1));
        Ok(())
    });
}
