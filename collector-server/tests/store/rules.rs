//! What an organisation lays over the rules, and what that does to hosts.

use crate::cases::{Agent, SECOND};
use evidence::{Facts, HostId};
use evidenced_collector::backtest::replay;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::clock::Clock;
use evidenced_collector::explained::{self, Nothing};
use evidenced_collector::judge::{Judge, RuleSet};
use evidenced_collector::judgement::Worker;
use evidenced_collector::store::{DriftFilter, Saying, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Notify;

/// Seconds since the epoch of the first check-in.
const T: i64 = 1_900_000_000;
const RULE: &str = "acc-uid0-only-root";
const OFF: &str =
    "[[off]]\nrule = \"acc-uid0-only-root\"\nreason = \"risk R-1\"\ngroups = [\"plant\"]\n";

fn rules(overlay: &str) -> RuleSet {
    let chosen = evidenced_collector::config::Rules {
        profiles: vec![evidenced_collector::judge::Profile::Essential],
        directory: Default::default(),
    };
    let overlay = [("overlay/own.toml".to_owned(), overlay.to_owned())];
    let catalogue = Catalogue::builtin().expect("catalogue");
    RuleSet::with_overlay(&chosen, &overlay, &catalogue).expect("rules")
}

fn users(second: bool) -> Value {
    let root = json!({"name": "root", "uid": 0});
    let toor = json!({"name": "toor", "uid": 0});
    json!({"users": if second { json!([root, toor]) } else { json!([root]) }})
}

async fn work(store: &Store, rules: &RuleSet, now_s: i64) {
    let judge = Arc::new(Judge::new(Arc::new(rules.clone())));
    let clock = Clock::fast(UNIX_EPOCH + Duration::from_secs(now_s as u64), 1);
    let worker = Worker::new(store.clone(), judge, clock, Arc::new(Notify::new()));
    worker.drain().await.expect("judged");
}

/// Outcome and cause of what holds for the rule.
async fn holds(store: &Store, host: HostId) -> Option<(String, Option<String>)> {
    let rows = store.open_results(Some(host), Some(&[RULE.to_owned()])).await.expect("results");
    rows.into_iter().next().map(|row| (row.outcome, row.cause))
}

async fn open_drifts(store: &Store, host: HostId) -> Vec<String> {
    let filter = DriftFilter { host: Some(host), open: Some(true), limit: 100 };
    let drifts = store.drifts(filter).await.expect("drifts").into_iter();
    drifts.filter_map(|drift| drift.rule).collect()
}

async fn assign(store: &Store, host: HostId, group: &str, at_s: i64) {
    let saying = Saying {
        host,
        property: "group".into(),
        value: Some(group.into()),
        from_us: at_s * SECOND,
        actor: "operator".into(),
        reason: None,
        now_us: at_s * SECOND,
    };
    store.say(&saying).await.expect("store").expect("assigned");
}

pub(crate) async fn an_overlay_has_versions_and_each_is_an_act_of_the_log(store: &Store) {
    let files = |text: &str| vec![("overlay/own.toml".to_owned(), text.to_owned())];
    assert_eq!(store.overlay_version().await.expect("version"), 0);
    assert!(store.active_overlay().await.expect("overlay").is_none());
    let first = store.activate_overlay(&files(OFF), "ada", 1).await.expect("store").expect("new");
    let same = store.activate_overlay(&files(OFF), "eve", 2).await.expect("store");
    assert_eq!(same, None, "the same files are no new version");
    let second = store.activate_overlay(&[], "eve", 3).await.expect("store").expect("new");
    let third = store.activate_overlay(&files(OFF), "ada", 4).await.expect("store").expect("new");
    assert_eq!([first.version, second.version, third.version], [1, 2, 3]);
    assert_eq!(first.overlay, third.overlay);
    let (active, sources) = store.active_overlay().await.expect("overlay").expect("active");
    assert_eq!((active.version, sources), (3, files(OFF)));
    let versions = store.overlay_versions(10).await.expect("versions");
    let told: Vec<_> = versions.iter().map(|v| (v.version, v.actor.as_str(), v.at_us)).collect();
    assert_eq!(told, [(3, "ada", 4), (2, "eve", 3), (1, "ada", 1)]);
    let acts = store.acts(10).await.expect("acts");
    let of = |index: i64| acts.iter().find(|(at, _)| *at as i64 == index).map(|(_, act)| act);
    for version in &versions {
        let act = of(version.log_index).expect("an act");
        assert_eq!(
            (act.act.as_str(), act.actor.as_str()),
            ("overlay_activated", version.actor.as_str())
        );
        assert_eq!(act.detail["version"], version.version);
    }
}

pub(crate) async fn a_rule_that_is_switched_off_for_a_group_ends_its_result_and_its_drift(
    store: &Store,
) {
    let mut agent = Agent::enrolled(store).await;
    let mut other = Agent::enrolled(store).await;
    assign(store, agent.host, "plant", T - 10).await;
    let plain = rules("");
    for agent in [&mut agent, &mut other] {
        agent.report(store, users(false), T).await;
        work(store, &plain, T).await;
        agent.report(store, users(true), T + 60).await;
        work(store, &plain, T + 60).await;
        assert_eq!(
            holds(store, agent.host).await,
            Some(("fail".into(), Some("host_changed".into())))
        );
        assert_eq!(open_drifts(store, agent.host).await, [RULE]);
    }
    // Nothing new came; the rules are others.
    store.queue_all(1).await.expect("queued");
    let laid = rules(OFF);
    work(store, &laid, T + 120).await;
    assert_eq!(holds(store, agent.host).await, None, "no result: neither pass nor fail");
    assert!(open_drifts(store, agent.host).await.is_empty(), "nothing could end it any more");
    let last = store.last_verdicts(RULE).await.expect("last");
    assert_eq!(last, [("fail".to_owned(), 1)], "what it said last is told");
    assert_eq!(holds(store, other.host).await.expect("result").0, "fail", "of another group");
    assert_eq!(open_drifts(store, other.host).await, [RULE]);
    // And on again: it fails by the rules, which is no drift of the host.
    store.queue_all(1).await.expect("queued");
    work(store, &plain, T + 180).await;
    assert_eq!(holds(store, agent.host).await.expect("result").0, "fail");
    assert!(open_drifts(store, agent.host).await.is_empty());
}

pub(crate) async fn a_host_is_judged_by_the_rules_of_the_group_it_comes_into(store: &Store) {
    const LAX: &str = "[[param]]\nrule = \"upd-os-supported\"\nname = \"tier\"\nvalue = \"standard\"\n\
                       policy_ref = \"P\"\ngroups = [\"strict\"]\n";
    let mut agent = Agent::enrolled(store).await;
    let laid = rules(&(OFF.to_owned() + LAX));
    agent.report(store, users(true), T).await;
    work(store, &laid, T).await;
    assert_eq!(holds(store, agent.host).await.expect("result").0, "fail");
    let judged = async || store.judged_rules(agent.host).await.expect("rules");
    assert_eq!(judged().await, Some(laid.id()));

    assign(store, agent.host, "plant", T + 60).await;
    assert_eq!(store.hosts_to_judge(10).await.expect("jobs").len(), 1, "it waits to be judged");
    work(store, &laid, T + 60).await;
    assert_eq!(holds(store, agent.host).await, None);
    assert_eq!(judged().await, Some(laid.id_of("plant")));
    let found = explained::load(store, &laid, (agent.host, RULE), None).await.expect("store");
    let Err(Nothing::SwitchedOff(off)) = found else { panic!("it judges") };
    assert_eq!(off.reason, "risk R-1");

    assign(store, agent.host, "strict", T + 120).await;
    work(store, &laid, T + 120).await;
    assert_eq!(holds(store, agent.host).await.expect("result").0, "fail");
    assert!(open_drifts(store, agent.host).await.is_empty(), "a move is no drift of the host");
    // A group that nothing is said of.
    assign(store, agent.host, "elsewhere", T + 180).await;
    work(store, &laid, T + 180).await;
    assert_eq!(judged().await, Some(laid.id()));
}

pub(crate) async fn a_result_that_changes_by_a_move_says_so(store: &Store) {
    const DAYS: &str = "[[rule]]\nid = \"own-few\"\ntitle = \"t\"\ncontrols = []\nseverity = \"high\"\n\
        evidence = [\"accounts\"]\npasses = \"accounts.legacy_plus_entries <= p.max\"\n\
        params = { max = 5 }\nrationale = \"r\"\nremediation = \"m\"\nprofile = \"essential\"\n\
        [[rule.example]]\nname = \"a\"\nexpect = \"pass\"\nfacts.accounts = { legacy_plus_entries = 5, users = [{ name = \"root\", uid = 0 }] }\n\
        [[rule.example]]\nname = \"b\"\nexpect = \"fail\"\nfacts.accounts = { legacy_plus_entries = 6, users = [{ name = \"root\", uid = 0 }] }\n\
        [[param]]\nrule = \"own-few\"\nname = \"max\"\nvalue = 0\npolicy_ref = \"P\"\ngroups = [\"strict\"]\n";
    let mut agent = Agent::enrolled(store).await;
    let laid = rules(DAYS);
    let mut data = users(false);
    data["legacy_plus_entries"] = 3.into();
    agent.report(store, data, T).await;
    work(store, &laid, T).await;
    let row = async || {
        let only = ["own-few".to_owned()];
        let rows = store.open_results(Some(agent.host), Some(&only)).await.expect("results");
        rows.into_iter().next().map(|row| (row.outcome, row.cause)).expect("a result")
    };
    assert_eq!(row().await, ("pass".into(), None));
    assign(store, agent.host, "strict", T + 60).await;
    work(store, &laid, T + 60).await;
    assert_eq!(row().await, ("fail".into(), Some("scope_changed".into())));
    assert!(open_drifts(store, agent.host).await.is_empty());
    // Other rules for the same group are a change of the rules.
    store.queue_all(1).await.expect("queued");
    work(store, &rules(&DAYS.replace("value = 0", "value = 4")), T + 120).await;
    assert_eq!(row().await, ("pass".into(), Some("rule_changed".into())));
}

pub(crate) async fn stored_history_is_judged_again_and_nothing_is_written(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let plain = rules("");
    for (second, at) in [(false, T), (true, T + 100), (false, T + 200)] {
        agent.report(store, users(second), at).await;
        work(store, &plain, at).await;
    }
    let size = store.log().await.expect("log").size;
    let ids = [RULE.to_owned()];
    let window = (T * SECOND, (T + 300) * SECOND);
    let history = store.history(agent.host, &ids, window).await.expect("history");
    let mut facts: BTreeMap<_, Arc<Facts>> = BTreeMap::new();
    for id in history.kinds.iter().filter_map(|span| span.row.facts) {
        let body = store.facts_of_host(agent.host, id).await.expect("store").expect("facts");
        facts.insert(id, Arc::new(body));
    }
    let judge = Judge::new(Arc::new(plain.with_only(&ids.into())));
    let found = replay(&judge, agent.host, &history, &facts, window);
    let told: Vec<_> = found
        .iter()
        .map(|s| ((s.from_us / SECOND) - T, (s.to_us / SECOND) - T, s.would.outcome.as_str()))
        .collect();
    assert_eq!(told, [(0, 100, "pass"), (100, 200, "fail"), (200, 300, "pass")]);
    for stretch in &found {
        assert_eq!(Some(&stretch.would), stretch.was.as_ref(), "the same rule says the same");
    }
    assert_eq!(store.log().await.expect("log").size, size);
}

pub(crate) async fn a_result_is_explained_by_what_the_host_sent(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let plain = rules("");
    let load = async |id: &str| {
        explained::load(store, &plain, (agent.host, id), None).await.expect("store")
    };
    assert!(matches!(load(RULE).await, Err(Nothing::NotJudged)));
    let sent = agent.report(store, users(true), T).await;
    work(store, &plain, T).await;
    let load = async |id: &str| {
        explained::load(store, &plain, (agent.host, id), None).await.expect("store")
    };
    let found = load(RULE).await.unwrap_or_else(|nothing| panic!("{nothing:?}"));
    assert!(found.agrees());
    assert_eq!((found.explanation.outcome.as_str(), found.statement.index), ("fail", sent.index));
    assert_eq!(found.explanation.offenders, ["toor"]);
    let first = &found.explanation.kinds[0].reads[0];
    assert_eq!((first.at.as_str(), first.value.clone()), ("users[1].name", Some(json!("toor"))));
    assert!(matches!(load("no-such-rule").await, Err(Nothing::NoRule)));
    let nobody =
        explained::load(store, &plain, (HostId::generate(), RULE), None).await.expect("store");
    assert!(matches!(nobody, Err(Nothing::NoHost)));
}
