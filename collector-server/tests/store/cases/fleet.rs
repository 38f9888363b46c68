//! Days, lives, groups, tags and expected hosts.

use super::*;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::clock::Clock;
use evidenced_collector::data::DataDir;
use evidenced_collector::expected::{Found, parse_hosts, reconcile};
use evidenced_collector::ingest::{Ingest, IngestError};
use evidenced_collector::judge::{Judge, RuleSet};
use evidenced_collector::judgement::Worker;
use evidenced_collector::keyring::{Keyring, Keys};
use evidenced_collector::life::{end_what_is_over, service_us};
use evidenced_collector::settings::LOG_ORIGIN;
use evidenced_collector::store::model::{GroupRow, HostState};
use evidenced_collector::store::{HostKey, IdentityRefusal, LifeChange, LifeRefusal, Saying};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::{Notify, watch};

const HOUR: i64 = 3600;
/// A day, in days since the epoch.
const DAY: i64 = 20_000;
const RULE: &str = "upd-os-supported";

/// Seconds since the epoch at an hour of a day.
fn at(day: i64, hour: i64) -> i64 {
    day * 24 * HOUR + hour * HOUR
}

/// A host whose operating system is supported until the end of `last_day`.
fn supported_until(last_day: i64) -> (Manifest, Facts) {
    let data = json!({
        "id": "debian", "id_like": [], "family": "debian",
        "support": {
            "standard_end_day": last_day, "lts_end_day": last_day, "extended_end_day": last_day,
            "source": "distro_info",
        },
    });
    let facts = Facts::new("host_os", 1, data).expect("facts");
    let entry =
        KindEntry { status: Status::Ok, facts: Some(facts.id()), sources: vec![], unread: vec![] };
    (Manifest { kinds: [("host_os".to_owned(), entry)].into() }, facts)
}

/// Sends a state whole; received `late_s` after it was observed.
async fn report(store: &Store, agent: &mut Agent, last_day: i64, at_s: i64, late_s: i64) -> i64 {
    let (manifest, facts) = supported_until(last_day);
    let bytes = manifest.to_bytes().expect("manifest");
    let mut incoming = agent.incoming(Digest::of(&bytes), at_s);
    incoming.received_us += late_s * SECOND;
    let first = accept(store, &incoming).await.expect("accepted");
    if let Some(id) = first.want.manifest {
        store.put_manifest(agent.host, id, &bytes).await.expect("store").expect("manifest");
    }
    let put = store.put_facts(agent.host, facts.id(), facts.bytes().to_vec()).await;
    let _ = put.expect("store"); // Refused when it is there already.
    let last = accept(store, &incoming).await.expect("accepted");
    assert!(last.want.is_empty());
    last.index as i64
}

/// The worker at a moment: what came in, and then the day.
pub(crate) async fn work(store: &Store, now_s: i64) {
    let rules = RuleSet::builtin(&Catalogue::builtin().expect("catalogue")).expect("rules");
    let judge = Arc::new(Judge::new(Arc::new(rules)));
    let clock = Clock::fast(UNIX_EPOCH + Duration::from_secs(now_s as u64), 1);
    let worker = Worker::new(store.clone(), judge, clock, Arc::new(Notify::new()));
    worker.drain().await.expect("judged");
    worker.day(&watch::channel(false).1).await.expect("judged for today");
}

/// Outcome, begin, cause and index of what holds for the rule.
async fn holds(store: &Store, agent: &Agent) -> (String, i64, Option<String>, i64) {
    let rows = store.open_results(Some(agent.host), None).await.expect("results");
    let row = rows.into_iter().find(|row| row.rule == RULE).expect("a result");
    (row.outcome, row.since_us / SECOND, row.cause, row.known)
}

async fn open_drifts(store: &Store) -> Vec<(String, String, i64)> {
    let open = DriftFilter { open: Some(true), limit: 100, ..DriftFilter::default() };
    let drifts = store.drifts(open).await.expect("drifts").into_iter();
    let about =
        |row: &evidenced_collector::store::model::DriftRow| row.rule.as_deref() == Some(RULE);
    drifts.filter(about).map(|row| (row.drift, row.cause, row.opened_us / SECOND)).collect()
}

pub(crate) async fn a_day_that_turns_is_judged_though_a_host_sends_nothing_new(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let index = report(store, &mut agent, DAY, at(DAY, 23), 0).await;
    work(store, at(DAY, 23)).await;
    assert_eq!(holds(store, &agent).await, ("pass".into(), at(DAY, 23), None, index));

    // Half an hour into the next day: it still reports, within what it promised.
    let before = store.log().await.expect("log").size as i64;
    work(store, at(DAY + 1, 0) + 1800).await;
    let (outcome, since, cause, known) = holds(store, &agent).await;
    assert_eq!((outcome.as_str(), since), ("fail", at(DAY + 1, 0)), "since the day began");
    assert_eq!(cause.as_deref(), Some("time_passed"));
    assert_eq!(known, before, "known by the leaf that says that the day began");
    assert_eq!(
        open_drifts(store).await,
        [("regression".into(), "time_passed".into(), at(DAY + 1, 0))]
    );
    // What was known before stays what was known before.
    let outcome = async |s: i64, known: i64| {
        let rows = store.results_at(Some(agent.host), s * SECOND, known).await.expect("rows");
        rows.into_iter().find(|row| row.rule == RULE).map(|row| row.outcome)
    };
    assert_eq!(outcome(at(DAY + 1, 0), known - 1).await.as_deref(), Some("pass"));
    assert_eq!(outcome(at(DAY + 1, 0), known).await.as_deref(), Some("fail"));
    assert_eq!(outcome(at(DAY + 1, 0) - 1, known).await.as_deref(), Some("pass"));

    // A second look, and the first check-in of the day, change nothing and judge nothing twice.
    work(store, at(DAY + 1, 0) + 1900).await;
    let same =
        agent.incoming(Digest::of(&supported_until(DAY).0.to_bytes().expect("m")), at(DAY + 1, 1));
    accept(store, &same).await.expect("accepted");
    assert!(store.hosts_to_judge(10).await.expect("jobs").is_empty(), "judged for today already");
    assert_eq!(holds(store, &agent).await.1, at(DAY + 1, 0));
    assert_eq!(open_drifts(store).await.len(), 1);
    verify(store, |_, _| {}).await.expect("the log holds");
}

/// What a host saw before midnight and sent after it says nothing good of today.
pub(crate) async fn a_late_check_in_of_yesterday_brings_no_yesterday_back(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    report(store, &mut agent, DAY, at(DAY, 23), 0).await;
    work(store, at(DAY, 23)).await;
    work(store, at(DAY + 1, 0) + 60).await;
    assert_eq!(holds(store, &agent).await.0, "fail");
    let drifts = open_drifts(store).await;

    // It is another state, so that it must be judged: both days long supported, then not.
    report(store, &mut agent, DAY - 1, at(DAY, 23) + 1800, HOUR).await;
    work(store, at(DAY + 1, 0) + 1860).await;
    let host = agent.host;
    let past = async |s: i64| {
        let known = store.log().await.expect("log").size as i64;
        let rows = store.results_at(Some(host), s * SECOND, known).await.expect("rows");
        let rows: Vec<_> = rows.into_iter().filter(|row| row.rule == RULE).collect();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0].outcome.clone()
    };
    assert_eq!(past(at(DAY, 23)).await, "pass");
    assert_eq!(past(at(DAY, 23) + 1800).await, "fail", "history is as it was");
    assert_eq!(holds(store, &agent).await.0, "fail");

    report(store, &mut agent, DAY, at(DAY, 23) + 2400, HOUR).await;
    work(store, at(DAY + 1, 0) + 2460).await;
    assert_eq!(past(at(DAY, 23) + 1800).await, "fail");
    assert_eq!(past(at(DAY, 23) + 2400).await, "pass", "supported on its last day");
    assert_eq!(past(at(DAY + 1, 0)).await, "fail", "and not on the next");
    assert_eq!(holds(store, &agent).await.0, "fail", "no false pass");
    assert_eq!(open_drifts(store).await, drifts, "one drift, opened once, never closed between");
}

pub(crate) async fn a_silent_host_gets_no_verdict_of_a_new_day(store: &Store) {
    let mut silent = Agent::enrolled(store).await;
    let mut retired = Agent::enrolled(store).await;
    let mut fresh = Agent::enrolled(store).await;
    report(store, &mut silent, DAY, at(DAY, 20), 0).await;
    report(store, &mut retired, DAY, at(DAY, 23), 0).await;
    report(store, &mut fresh, DAY, at(DAY, 23), 0).await;
    work(store, at(DAY, 23)).await;
    retire(store, &retired, at(DAY, 23)).await.expect("retired");
    work(store, at(DAY + 1, 0) + 60).await;
    assert_eq!(holds(store, &silent).await.0, "pass", "as it was said last; shown as unknown");
    assert_eq!(holds(store, &retired).await.0, "pass");
    assert_eq!(holds(store, &fresh).await.0, "fail");
    // It comes back: each check-in has the day on which it was made.
    report(store, &mut silent, DAY, at(DAY, 22), 3 * HOUR).await;
    work(store, at(DAY + 1, 1)).await;
    assert_eq!(holds(store, &silent).await.0, "fail");
}

pub(crate) async fn a_wrong_clock_that_jumped_ahead_does_not_decide_for_ever(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    report(store, &mut agent, DAY + 100, at(DAY, 10), 0).await;
    // The collector believes that a year has passed, and so believes the host's promise to be kept.
    let mut wrong = agent.incoming(Digest::of(b"lost"), at(DAY, 10) + 60);
    wrong.received_us = at(DAY + 365, 0) * SECOND;
    accept(store, &wrong).await.expect("accepted");
    work(store, at(DAY + 365, 0)).await;
    assert_eq!(holds(store, &agent).await.0, "fail");
    work(store, at(DAY, 11)).await;
    assert_eq!(holds(store, &agent).await.0, "pass");
    assert!(open_drifts(store).await.is_empty());
}

pub(crate) async fn collectors_share_the_work_of_a_day_and_one_that_dies_leaves_it(store: &Store) {
    let mut agents = vec![];
    for _ in 0..12 {
        let mut agent = Agent::enrolled(store).await;
        report(store, &mut agent, DAY, at(DAY, 23), 0).await;
        agents.push(agent);
    }
    work(store, at(DAY, 23)).await;
    let now_us = (at(DAY + 1, 0) + 60) * SECOND;
    assert!(store.turn_day(DAY + 1, now_us).await.expect("turned"));
    assert!(!store.turn_day(DAY + 1, now_us).await.expect("turned"), "once for all");
    let claim = async |now_us: i64, limit| {
        let lease_us = now_us + 60 * SECOND;
        store.claim_for_day(DAY + 1, now_us, lease_us, limit).await.expect("claimed")
    };
    let (one, two) = tokio::join!(claim(now_us, 5), claim(now_us, 5));
    let both: BTreeSet<_> = one.iter().chain(&two).collect();
    assert_eq!((one.len(), two.len(), both.len()), (5, 5, 10), "nobody twice");
    // Both die. The rest is done by another one, and their part when their lease is over.
    work(store, at(DAY + 1, 0) + 61).await;
    let failing = async || {
        let rows = store.open_results(None, None).await.expect("results").into_iter();
        rows.filter(|row| row.rule == RULE && row.outcome == "fail").count()
    };
    assert_eq!(failing().await, 2);
    work(store, at(DAY + 1, 0) + 121).await;
    assert_eq!(failing().await, 12);
    assert!(claim(now_us + 3600 * SECOND, 50).await.is_empty());
    assert_eq!(open_drifts(store).await.len(), 12);
}

fn life(agent: &Agent, to: HostState, now_s: i64) -> LifeChange {
    LifeChange {
        host: agent.host,
        to,
        actor: "operator".into(),
        reason: "replaced".into(),
        from_us: now_s * SECOND,
        now_us: now_s * SECOND,
        until_us: None,
        unheard_since_us: None,
    }
}

async fn retire(store: &Store, agent: &Agent, now_s: i64) -> Result<LogState, LifeRefusal> {
    store.change_life(&life(agent, HostState::Retired, now_s)).await.expect("store")
}

pub(crate) async fn a_retired_host_is_refused_and_its_evidence_stays(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    report(store, &mut agent, DAY, at(DAY, 1), 0).await;
    work(store, at(DAY, 1)).await;
    let serial = agent.host.to_string().to_lowercase();
    assert!(store.certificate_holder(&serial).await.expect("store").is_ok());
    retire(store, &agent, at(DAY, 2)).await.expect("retired");
    let holder = store.certificate_holder(&serial).await.expect("store");
    assert_eq!(holder, Err(IdentityRefusal::Retired));
    let refused = accept(store, &agent.incoming(Digest::of(b"m"), at(DAY, 3))).await;
    assert_eq!(refused, Err(Refusal::UnknownHost));
    assert_eq!(holds(store, &agent).await.0, "pass");
    assert_eq!(store.kind_rows(agent.host).await.expect("kinds").len(), 1);
    let acts = store.acts(1).await.expect("acts");
    let (_, act) = &acts[0];
    assert_eq!((act.act.as_str(), act.actor.as_str()), ("host_retired", "operator"));
    assert_eq!(act.detail["reason"], "replaced");
    // The end is the end.
    assert_eq!(retire(store, &agent, at(DAY, 4)).await, Err(LifeRefusal::Final("retired")));
    let back = store.change_life(&life(&agent, HostState::Maintenance, at(DAY, 4))).await;
    assert!(matches!(back.expect("store"), Err(LifeRefusal::Final(_))));
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn maintenance_ends_by_itself_and_a_check_in_does_not_end_it(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    report(store, &mut agent, DAY, at(DAY, 1), 0).await;
    let end = store.change_life(&life(&agent, HostState::Active, at(DAY, 1))).await;
    assert_eq!(end.expect("store"), Err(LifeRefusal::NotInMaintenance("active")));
    let until_us = Some(at(DAY, 4) * SECOND);
    let begin = LifeChange { until_us, ..life(&agent, HostState::Maintenance, at(DAY, 2)) };
    store.change_life(&begin).await.expect("store").expect("begun");
    accept(store, &agent.incoming(Digest::of(b"m"), at(DAY, 3))).await.expect("still in service");
    let state = async || store.host(agent.host).await.expect("store").expect("host").state;
    end_what_is_over(store, at(DAY, 4) * SECOND - 1).await.expect("life");
    assert_eq!(state().await, HostState::Maintenance);
    end_what_is_over(store, at(DAY, 4) * SECOND).await.expect("life");
    assert_eq!(state().await, HostState::Active);
    let spans = store.host_spans(Some(agent.host)).await.expect("spans");
    let states: Vec<_> = spans.iter().filter(|row| row.property == "state").collect();
    let words: Vec<_> = states.iter().map(|row| row.span.value.as_str()).collect();
    assert_eq!(words, ["enrolling", "active", "maintenance", "active"]);
}

pub(crate) async fn hosts_of_an_ephemeral_group_end_when_nobody_hears_them(store: &Store) {
    let mut gone = Agent::enrolled(store).await;
    let mut here = Agent::enrolled(store).await;
    let mut lasting = Agent::enrolled(store).await;
    for agent in [&mut gone, &mut here, &mut lasting] {
        report(store, agent, DAY, at(DAY, 1), 0).await;
    }
    let assign = |agent: &Agent| Saying {
        host: agent.host,
        property: "group".into(),
        value: Some("ci".into()),
        from_us: at(DAY, 1) * SECOND,
        actor: "operator".into(),
        reason: None,
        now_us: at(DAY, 1) * SECOND,
    };
    store.say(&assign(&gone)).await.expect("store").expect("assigned");
    store.say(&assign(&here)).await.expect("store").expect("assigned");
    let ci = GroupRow { name: "ci".into(), ttl_s: Some(24 * HOUR), ..GroupRow::default() };
    store.describe_groups(&[ci], "operator", 0).await.expect("described");
    report(store, &mut here, DAY, at(DAY + 1, 0), 0).await;
    let drifts = open_drifts(store).await;
    let states = async || {
        let of =
            async |agent: &Agent| store.host(agent.host).await.expect("store").expect("host").state;
        [of(&gone).await, of(&here).await, of(&lasting).await]
    };
    use HostState::{Active, Ended};
    end_what_is_over(store, at(DAY + 1, 1) * SECOND).await.expect("life");
    assert_eq!(states().await, [Active, Active, Active], "exactly its time is not longer");
    end_what_is_over(store, at(DAY + 1, 2) * SECOND).await.expect("life");
    assert_eq!(states().await, [Ended, Active, Active]);
    assert_eq!(open_drifts(store).await, drifts, "nobody is alarmed");
    // It ended when it was last heard: a minute or so in service, not a day.
    let spans = store.host_spans(None).await.expect("spans");
    let hours = service_us(&spans, at(DAY, 0) * SECOND, at(DAY + 1, 2) * SECOND);
    assert_eq!(
        hours.get("ci").map(|us| us / SECOND / HOUR),
        Some(25),
        "those of the one that is there"
    );
}

pub(crate) async fn what_is_said_of_a_host_is_answered_as_it_was_known_then(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    report(store, &mut agent, DAY, at(DAY, 1), 0).await;
    work(store, at(DAY, 1)).await;
    let results = store.open_results(Some(agent.host), None).await.expect("results");
    let say = async |property: &str, value: Option<&str>, from_s: i64, now_s: i64| {
        let saying = Saying {
            host: agent.host,
            property: property.into(),
            value: value.map(str::to_owned),
            from_us: from_s * SECOND,
            actor: "operator".into(),
            reason: Some("inventory".into()),
            now_us: now_s * SECOND,
        };
        store.say(&saying).await.expect("store").expect("said").size as i64 - 1
    };
    let first = say("group", Some("db"), at(DAY, 10), at(DAY, 10)).await;
    let late = say("group", Some("web"), at(DAY, 5), at(DAY, 12)).await;
    say("tag:role", Some("front"), at(DAY, 12), at(DAY, 12)).await;
    let gone = say("tag:role", None, at(DAY, 13), at(DAY, 13)).await;
    let spans = store.host_spans(Some(agent.host)).await.expect("spans");
    let said = |property: &str, at_s: i64, known: i64| {
        let mut of = spans.iter().filter(|row| row.property == property);
        let row = of.find(|row| row.span.holds(at_s * SECOND, known));
        row.map(|row| row.span.value.as_str())
    };
    assert_eq!(said("group", at(DAY, 4), late), Some("default"));
    assert_eq!(said("group", at(DAY, 7), first), Some("default"), "as it was known then");
    assert_eq!(said("group", at(DAY, 11), first), Some("db"));
    assert_eq!(said("group", at(DAY, 7), late), Some("web"));
    assert_eq!(said("group", at(DAY, 11), late), Some("web"), "what was said before gives way");
    assert_eq!(said("tag:role", at(DAY, 12), gone), Some("front"));
    assert_eq!(said("tag:role", at(DAY, 13), gone), Some(""), "taken away");
    let causes: BTreeSet<_> = spans.iter().filter_map(|row| row.cause.as_deref()).collect();
    assert_eq!(causes, ["scope_changed"].into());
    assert_eq!(store.host(agent.host).await.expect("store").expect("host").group, "web");
    // A change of scope is no change of the host.
    assert_eq!(store.open_results(Some(agent.host), None).await.expect("results"), results);
    assert!(open_drifts(store).await.is_empty());
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn the_list_of_expected_hosts_is_replaced_whole_and_logged(store: &Store) {
    assert_eq!(store.expected_hosts().await.expect("list").imported_us, None);
    let import = async |csv: &str, now_us| {
        let list = parse_hosts(csv.as_bytes()).expect("a list").entries;
        let digest = Digest::of(csv.as_bytes());
        let done = store.expect_hosts(&list, digest, "operator", now_us).await.expect("imported");
        (done.added, done.changed, done.unchanged, done.removed)
    };
    let counts = import("name,group,owner\na,web,x\nweb-01.example.org,web,\nc,db,\n", 10).await;
    assert_eq!(counts, (3, 0, 0, 0));
    let size = store.log().await.expect("log").size;
    let counts = import("name,group,owner\na,web,y\nWEB-01.example.org,web,\nd,db,\n", 20).await;
    assert_eq!(counts, (1, 2, 0, 1), "another owner, another spelling");
    assert_eq!(store.log().await.expect("log").size, size + 1);
    let list = store.expected_hosts().await.expect("list");
    assert_eq!(list.imported_us, Some(20));
    let names: Vec<_> = list.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["a", "d", "WEB-01.example.org"]);
    let _agent = Agent::enrolled(store).await; // web-01.example.org
    let reconciled = reconcile(&list.entries, &store.hosts().await.expect("hosts"), 30);
    assert_eq!((reconciled.count(Found::Enrolling), reconciled.count(Found::Missing)), (1, 2));
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn lists_in_pages_have_every_item_once_whatever_comes_between(store: &Store) {
    let mut agents = vec![];
    for _ in 0..5 {
        let mut agent = Agent::enrolled(store).await; // All of one name.
        accept(store, &agent.incoming(Digest::of(b"m"), 1)).await.expect("accepted");
        agents.push(agent);
    }
    let anomaly = async |agent: &mut Agent, at_s: i64| {
        (agent.chain, agent.seq, agent.prev) = (evidence::ChainId::generate(), 0, None);
        accept(store, &agent.incoming(Digest::of(b"m"), at_s)).await.expect("accepted");
    };
    for agent in &mut agents {
        anomaly(agent, 2).await; // All at one moment.
    }
    let (mut hosts, mut after) = (vec![], None);
    loop {
        let page = store.hosts_after(after.as_ref(), 2).await.expect("hosts");
        let Some(last) = page.last() else { break };
        after = Some(HostKey(last.name.clone(), last.id));
        hosts.extend(page.iter().map(|host| host.id));
    }
    let all: Vec<_> = store.hosts().await.expect("hosts").iter().map(|host| host.id).collect();
    assert_eq!((hosts.len(), &hosts), (5, &all));

    let filter = DriftFilter { open: Some(true), limit: 2, ..DriftFilter::default() };
    let all = store.drifts(DriftFilter { limit: 99, ..filter }).await.expect("drifts");
    let (mut drifts, mut after) = (vec![], None);
    loop {
        let page = store.drifts_after(filter, after).await.expect("drifts");
        let Some(last) = page.last() else { break };
        let rank = evidenced_collector::alert::rank(&last.severity).min(3);
        after = Some((last.opened_us, rank as i64, last.id.clone()));
        drifts.extend(page);
        anomaly(&mut agents[0], 3 + drifts.len() as i64).await; // Newer ones come first, elsewhere.
    }
    assert_eq!((drifts.len(), drifts), (5, all));
}

/// The queue's entrance on a store, with room for `queue`.
async fn ingest(store: &Store, queue: usize) -> Ingest {
    let directory = tempfile::tempdir().expect("directory");
    let data = DataDir::create(directory.path(), "Example", "", UNIX_EPOCH).expect("keys");
    let origin = (LOG_ORIGIN, "log.example".to_owned());
    assert!(store.initialise(&[origin], 0).await.expect("store"));
    let keys = Keys::new(Keyring::load(&data, store, 0).await.expect("keys"));
    Ingest::start(store.clone(), keys, Arc::new(Notify::new()), queue).0
}

pub(crate) async fn a_queue_takes_what_it_has_room_for_and_refuses_the_rest(store: &Store) {
    let mut agents = vec![];
    for _ in 0..4 {
        agents.push(Agent::enrolled(store).await);
    }
    let ingest = ingest(store, 2).await;
    let incoming: Vec<_> = agents.iter_mut().map(|a| a.incoming(Digest::of(b"m"), 1)).collect();
    let ask = async |n: usize| ingest.accept(incoming[n].clone()).await;
    // All four are at the door before the writer takes the first: there is one thread.
    let answers = tokio::join!(ask(0), ask(1), ask(2), ask(3));
    let busy = |answer: &Result<_, _>| matches!(answer, Err(IngestError::Busy));
    let refused = [busy(&answers.0), busy(&answers.1), busy(&answers.2), busy(&answers.3)];
    assert_eq!(refused, [false, false, true, true]);
    assert!(answers.0.is_ok() && answers.1.is_ok());
    // They come again and nothing is lost.
    assert!(ask(2).await.is_ok() && ask(3).await.is_ok());
    assert_eq!(verify(store, |_, _| {}).await.expect("the log holds").check_ins, 4);
}

pub(crate) async fn a_check_in_that_meets_a_damaged_row_holds_up_no_other(store: &Store) {
    let (mut one, mut other) = (Agent::enrolled(store).await, Agent::enrolled(store).await);
    let first = one.incoming(Digest::of(b"m"), 1);
    let index = accept(store, &first).await.expect("accepted").index;
    accept(store, &one.incoming(Digest::of(b"m"), 2)).await.expect("accepted");
    store.overwrite_check_in_for_testing(index, b"damage").await.expect("overwritten");
    let ingest = ingest(store, 10).await;
    let sound = other.incoming(Digest::of(b"m"), 1);
    let (damaged, sound) = tokio::join!(ingest.accept(first), ingest.accept(sound));
    assert!(matches!(damaged, Err(IngestError::Unavailable)), "{damaged:?}");
    assert!(sound.is_ok(), "{sound:?}");
}

/// SQLite only: the disk of PostgreSQL is not ours to fill.
pub(crate) async fn a_full_disk_loses_nothing(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    accept(store, &agent.incoming(Digest::of(b"m"), 1)).await.expect("accepted");
    assert!(store.limit_pages_for_testing(Some(0)).await.expect("limited"), "SQLite");
    let size = store.log().await.expect("log").size;
    // It takes what fits into pages it has, and then says no.
    let (mut kept, mut refused) = (size, None);
    for at in 2..10_000 {
        let incoming = agent.incoming(Digest::of(&[at as u8; 32]), at);
        match store.accept(std::slice::from_ref(&incoming)).await {
            Ok(_) => kept += 1,
            Err(error) => {
                assert!(error.to_string().contains("full"), "{error}");
                refused = Some(incoming);
                break;
            }
        }
    }
    let refused = refused.expect("a full disk");
    assert_eq!(store.log().await.expect("log").size, kept, "all or nothing");
    // The connection is a new one after that, and knows nothing of the limit yet.
    store.queue_all(0).await.expect("a transaction");
    assert!(store.limit_pages_for_testing(Some(0)).await.expect("limited"), "SQLite");
    assert!(store.accept(std::slice::from_ref(&refused)).await.is_err(), "still full");
    verify(store, |_, _| {}).await.expect("the log holds");
    // Room again, and the same check-in repeated: nothing was lost.
    store.limit_pages_for_testing(None).await.expect("room");
    accept(store, &refused).await.expect("accepted");
    assert_eq!(store.log().await.expect("log").size, kept + 1);
    verify(store, |_, _| {}).await.expect("the log holds");
}
