//! What both backends must do.

mod fleet;
mod people;

pub(crate) use crate::identity::*;
pub(crate) use fleet::*;
pub(crate) use people::*;

use evidence::check_in::Clock;
use evidence::checkpoint::TreeHead;
use evidence::key::SigningKey;
use evidence::proof::{verify_consistency, verify_inclusion};
use evidence::{CheckIn, Digest, Facts, HostId, KindEntry, Manifest, SignedCheckIn, Status, leaf};
use evidenced_collector::log_check::{self, LogCheck};
use evidenced_collector::store::model::ResultRow;
use evidenced_collector::store::{
    Accepted, DriftFilter, EnrolRefusal, Enrolment, Incoming, Judgement, LogState, NewToken,
    Notice, ObjectRefusal, Person, Refusal, Store,
};
use evidenced_collector::verify::{Verifier, VerifyError, verify};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::timeout;

pub(crate) const SECOND: i64 = 1_000_000;
/// How long a job may take to tell something.
const TELLS: Duration = Duration::from_secs(60);
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A host with a key, and where its chain is.
pub(crate) struct Agent {
    pub(crate) host: HostId,
    pub(crate) key: SigningKey,
    pub(crate) chain: evidence::ChainId,
    pub(crate) seq: i64,
    pub(crate) prev: Option<Digest>,
    pub(crate) checkpoint: Option<TreeHead>,
}

impl Agent {
    pub(crate) async fn enrolled(store: &Store) -> Self {
        Self::enrolled_as(store, HostId::generate()).await
    }

    pub(crate) async fn enrolled_as(store: &Store, host: HostId) -> Self {
        Self::enrolled_at(store, host, 1).await
    }

    pub(crate) async fn enrolled_at(store: &Store, host: HostId, at_us: i64) -> Self {
        let (key, _) = SigningKey::generate().expect("key");
        let token = token(store, 1, at_us).await;
        store.enrol(&enrolment(host, &key, token, at_us)).await.expect("store").expect("enrolled");
        let chain = evidence::ChainId::generate();
        Self { host, key, chain, seq: 0, prev: None, checkpoint: None }
    }

    pub(crate) fn incoming(&mut self, manifest: Digest, at_s: i64) -> Incoming {
        let check_in = CheckIn {
            agent: "0.1.0".into(),
            at_ms: at_s * 1000,
            chain: self.chain,
            checkpoint: self.checkpoint,
            clock: Clock { synchronised: None },
            collected: BTreeMap::new(),
            healed: None,
            host: self.host,
            manifest,
            next_due_s: 3600,
            prev: self.prev,
            resumes: None,
            seq: self.seq,
        };
        let signed = SignedCheckIn::sign(check_in, &self.key).expect("signed");
        self.seq += 1;
        self.prev = Some(signed.id());
        Incoming { signed, received_us: at_s * SECOND + 5, peer: Some(PEER), certificate: None }
    }

    /// Sends a state whole: check-in, manifest, facts, check-in again.
    pub(crate) async fn report(
        &mut self,
        store: &Store,
        data: serde_json::Value,
        at_s: i64,
    ) -> Accepted {
        let (manifest, facts) = state(data);
        let bytes = manifest.to_bytes().expect("manifest");
        let incoming = self.incoming(Digest::of(&bytes), at_s);
        let first = accept(store, &incoming).await.expect("accepted");
        if let Some(id) = first.want.manifest {
            store.put_manifest(self.host, id, &bytes).await.expect("store").expect("manifest");
        }
        let second = accept(store, &incoming).await.expect("accepted");
        for id in &second.want.facts {
            assert_eq!(*id, facts.id());
            let put = store.put_facts(self.host, *id, facts.bytes().to_vec()).await;
            put.expect("store").expect("facts");
        }
        let last = accept(store, &incoming).await.expect("accepted");
        assert!(last.want.is_empty());
        last
    }
}

pub(crate) fn state(data: serde_json::Value) -> (Manifest, Facts) {
    let facts = Facts::new("accounts", 1, data).expect("facts");
    let entry =
        KindEntry { status: Status::Ok, facts: Some(facts.id()), sources: vec![], unread: vec![] };
    (Manifest { kinds: [("accounts".to_owned(), entry)].into() }, facts)
}

pub(crate) fn enrolment(host: HostId, key: &SigningKey, token: Digest, at_us: i64) -> Enrolment {
    Enrolment {
        host,
        name: "web-01.example.org".into(),
        machine: None,
        evidence_key: key.public(),
        token,
        serial: host.to_string().to_lowercase(),
        not_after_s: 2_000_000_000,
        authority: Digest::of(b"authority"),
        trust: Digest::of(b"bundle"),
        peer: PEER,
        at_us,
    }
}

async fn token(store: &Store, uses: i64, at_us: i64) -> Digest {
    let hash = Digest::of(HostId::generate().to_string().as_bytes());
    let new = NewToken {
        hash,
        group: "default".into(),
        uses,
        expires_us: at_us + 1000,
        cidrs: vec![],
        actor: "operator".into(),
        at_us,
    };
    store.create_token(&new).await.expect("token");
    hash
}

pub(crate) async fn accept(store: &Store, incoming: &Incoming) -> Result<Accepted, Refusal> {
    let (mut answers, _) = store.accept(std::slice::from_ref(incoming)).await.expect("store");
    answers.pop().expect("one answer")
}

pub(crate) async fn a_check_in_is_in_the_log_with_proofs_that_verify(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let mut heads: Vec<LogState> = vec![];
    for at in 1..=40 {
        let incoming = agent.incoming(Digest::of(b"manifest"), at);
        let (answers, state) = store.accept(std::slice::from_ref(&incoming)).await.expect("store");
        let accepted = answers[0].clone().expect("accepted");
        let hash = leaf::hash(&leaf::check_in_leaf(&incoming.signed));
        let proof = store.inclusion(accepted.index, state.size).await.expect("proof");
        verify_inclusion(&hash, accepted.index, state.size, &proof, &state.root).expect("included");
        for old in &heads {
            let proof = store.consistency(old.size, state.size).await.expect("proof");
            verify_consistency(old.size, &old.root, state.size, &state.root, &proof)
                .expect("consistent");
        }
        assert_eq!(store.log().await.expect("log"), state);
        assert_eq!(store.root_at(state.size).await.expect("root"), state.root);
        heads.push(state);
    }
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn a_repeated_check_in_is_answered_and_not_logged_again(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let incoming = agent.incoming(Digest::of(b"m"), 1);
    let first = accept(store, &incoming).await.expect("accepted");
    let size = store.log().await.expect("log").size;
    let again = accept(store, &incoming).await.expect("accepted");
    assert_eq!((first.index, first.want.clone()), (again.index, again.want));
    assert!(!first.duplicate && again.duplicate);
    assert_eq!(store.log().await.expect("log").size, size);
    let later = agent.incoming(Digest::of(b"m"), 2);
    accept(store, &later).await.expect("accepted");
    assert_eq!(accept(store, &incoming).await.expect("old repetition").index, first.index);
}

/// More hosts than one statement has rows, each of them with two check-ins.
pub(crate) async fn a_large_group_keeps_its_order_and_a_host_may_be_in_it_more_than_once(
    store: &Store,
) {
    let mut agents = Vec::new();
    for _ in 0..70 {
        agents.push(Agent::enrolled(store).await);
    }
    let before = store.log().await.expect("log").size;
    let mut batch = Vec::new();
    for at in 1..=2 {
        batch.extend(agents.iter_mut().map(|agent| agent.incoming(Digest::of(b"m"), at)));
    }
    let (answers, state) = store.accept(&batch).await.expect("store");
    assert_eq!(state.size, before + 140);
    for ((incoming, answer), index) in batch.iter().zip(answers).zip(before..) {
        assert_eq!(answer.expect("accepted").index, index);
        let kept = store.check_in(index).await.expect("store").expect("a row");
        assert_eq!(kept.id(), incoming.signed.id());
    }
    // What the rows say of a host afterwards is what its last check-in left.
    let third: Vec<_> = agents.iter_mut().map(|a| a.incoming(Digest::of(b"m"), 3)).collect();
    let (answers, _) = store.accept(&third).await.expect("store");
    assert!(answers.iter().all(Result::is_ok));
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn what_does_not_follow_is_refused_and_the_rest_of_the_batch_counts(
    store: &Store,
) {
    let mut agent = Agent::enrolled(store).await;
    let mut other = Agent::enrolled(store).await;
    let mut stranger = Agent::enrolled(store).await;
    stranger.host = HostId::generate();
    let first = agent.incoming(Digest::of(b"m"), 1);
    let second = agent.incoming(Digest::of(b"m"), 2);
    let third = agent.incoming(Digest::of(b"m"), 3);
    // Same number, other contents.
    let fork = Incoming {
        signed: SignedCheckIn::sign(
            CheckIn { manifest: Digest::of(b"fork"), ..second.signed.check_in.clone() },
            &agent.key,
        )
        .expect("signed"),
        ..second.clone()
    };
    // Right number, wrong predecessor.
    let wrong_prev = Incoming {
        signed: SignedCheckIn::sign(
            CheckIn { prev: Some(Digest::of(b"?")), ..second.signed.check_in.clone() },
            &agent.key,
        )
        .expect("signed"),
        ..second.clone()
    };
    let batch = [
        first,
        third.clone(),
        wrong_prev,
        second,
        fork,
        third,
        stranger.incoming(Digest::of(b"m"), 1),
        other.incoming(Digest::of(b"m"), 1),
    ];
    let (answers, _) = store.accept(&batch).await.expect("store");
    let accepted: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, false, false, true, false, true, false, true]);
    assert_eq!(answers[6], Err(Refusal::UnknownHost));
    assert!(matches!(answers[4], Err(Refusal::Conflict { .. })));
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn a_new_chain_is_accepted_and_noticed(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    accept(store, &agent.incoming(Digest::of(b"m"), 1)).await.expect("accepted");
    let open = DriftFilter { open: Some(true), limit: 10, ..DriftFilter::default() };
    assert!(store.drifts(open).await.expect("drifts").is_empty());
    (agent.chain, agent.seq, agent.prev) = (evidence::ChainId::generate(), 0, None);
    accept(store, &agent.incoming(Digest::of(b"m"), 2)).await.expect("accepted");
    let drifts = store.drifts(open).await.expect("drifts");
    assert_eq!(drifts.len(), 1);
    assert_eq!(drifts[0].drift, "integrity_anomaly");
    agent.chain = evidence::ChainId::generate();
    let gap = accept(store, &agent.incoming(Digest::of(b"m"), 3)).await;
    assert!(matches!(gap, Err(Refusal::Conflict { .. })), "a chain begins at 0");
}

pub(crate) async fn nothing_is_asked_for_twice_and_nothing_unasked_is_taken(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let (manifest, facts) = state(json!({"users": []}));
    let bytes = manifest.to_bytes().expect("manifest");
    let id = Digest::of(&bytes);
    let refused = store.put_manifest(agent.host, id, &bytes).await.expect("store");
    assert!(matches!(refused, Err(ObjectRefusal::NotWanted)));
    let refused = store.put_facts(agent.host, facts.id(), facts.bytes().to_vec()).await;
    assert!(matches!(refused.expect("store"), Err(ObjectRefusal::NotWanted)));

    let incoming = agent.incoming(id, 1);
    assert_eq!(accept(store, &incoming).await.expect("accepted").want.manifest, Some(id));
    let wrong = store.put_manifest(agent.host, id, b"{}").await.expect("store");
    assert!(matches!(wrong, Err(ObjectRefusal::Malformed(_))));
    store.put_manifest(agent.host, id, &bytes).await.expect("store").expect("manifest");
    let want = accept(store, &incoming).await.expect("accepted").want;
    assert_eq!((want.manifest, want.facts.as_slice()), (None, &[facts.id()][..]));
    let put = store.put_facts(agent.host, facts.id(), facts.bytes().to_vec()).await;
    put.expect("store").expect("facts");
    assert!(accept(store, &incoming).await.expect("accepted").want.is_empty());
    assert!(accept(store, &agent.incoming(id, 2)).await.expect("accepted").want.is_empty());
    assert_eq!(store.facts(facts.id()).await.expect("store"), Some(facts));
    assert_eq!(store.manifest(id).await.expect("store"), Some(manifest));
}

pub(crate) async fn one_host_learns_nothing_of_what_another_sent(store: &Store) {
    let mut one = Agent::enrolled(store).await;
    let mut other = Agent::enrolled(store).await;
    one.report(store, json!({"users": ["a"]}), 1).await;
    let (manifest, facts) = state(json!({"users": ["a"]}));
    let id = Digest::of(&manifest.to_bytes().expect("manifest"));
    let want = accept(store, &other.incoming(id, 1)).await.expect("accepted").want;
    assert_eq!(want.manifest, Some(id), "the other host must show that it has it");
    assert_eq!(store.facts_of_host(other.host, facts.id()).await.expect("store"), None);
    assert!(store.facts_of_host(one.host, facts.id()).await.expect("store").is_some());
}

pub(crate) async fn a_token_enrols_as_often_as_it_may_and_not_after_its_time(store: &Store) {
    let (key, _) = SigningKey::generate().expect("key");
    let twice = token(store, 2, 0).await;
    let enrol = async |token, at_us| {
        store.enrol(&enrolment(HostId::generate(), &key, token, at_us)).await.expect("store")
    };
    assert!(enrol(twice, 1).await.is_ok());
    assert!(enrol(twice, 2).await.is_ok());
    assert_eq!(enrol(twice, 3).await, Err(EnrolRefusal::UsedUp));
    let late = token(store, 1, 0).await;
    assert_eq!(enrol(late, 1000).await, Err(EnrolRefusal::Expired));
    assert_eq!(enrol(Digest::of(b"?"), 1).await, Err(EnrolRefusal::UnknownToken));
    assert_eq!(store.hosts().await.expect("hosts").len(), 2);
}

fn result(host: HostId, outcome: &str, since_us: i64, known: i64) -> ResultRow {
    ResultRow {
        host,
        rule: "acc-uid0-only-root".into(),
        outcome: outcome.into(),
        reason: None,
        offenders: if outcome == "fail" { vec!["toor".into()] } else { vec![] },
        since_us,
        known,
        cause: None,
    }
}

pub(crate) async fn a_judgement_counts_once_whoever_computed_it(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    agent.report(store, json!({"users": []}), 1).await;
    let pending = store.pending(agent.host, 10).await.expect("store").expect("host");
    assert_eq!(pending.statements.len(), 1);
    let statement = pending.statements[0];
    assert!(statement.complete);
    let (manifest, _) = state(json!({"users": []}));
    let judgement = Judgement {
        host: agent.host,
        after: pending.judged_index,
        statement,
        known: statement.index as i64,
        at_us: statement.observed_us,
        day: statement.observed_us / 86_400_000_000,
        past: None,
        rules: Digest::of(b"rules"),
        kinds: manifest.kinds,
        results: vec![result(agent.host, "pass", statement.observed_us, statement.index as i64)],
        opened: vec![],
        resolved: vec![],
        notice: Notice::default(),
    };
    assert!(store.record(&judgement).await.expect("store"));
    assert!(!store.record(&judgement).await.expect("store"), "the second one comes too late");
    assert_eq!(store.open_results(Some(agent.host), None).await.expect("results").len(), 1);
    assert_eq!(store.kind_rows(agent.host).await.expect("kinds").len(), 1);
    let pending = store.pending(agent.host, 10).await.expect("store").expect("host");
    assert!(pending.statements.is_empty());
    assert_eq!(store.last_judged(agent.host).await.expect("store"), Some(statement));
}

pub(crate) async fn a_job_is_not_taken_away_while_new_check_ins_arrive(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    agent.report(store, json!({"users": []}), 1).await;
    let jobs = store.hosts_to_judge(10).await.expect("jobs");
    assert_eq!(jobs.len(), 1);
    agent.report(store, json!({"users": ["more"]}), 2).await;
    store.judged(vec![(agent.host, jobs[0].1)]).await.expect("store");
    let jobs = store.hosts_to_judge(10).await.expect("jobs");
    assert_eq!(jobs.len(), 1, "the new check-in keeps the job");
    store.judged(vec![(agent.host, jobs[0].1)]).await.expect("store");
    assert!(store.hosts_to_judge(10).await.expect("jobs").is_empty());
}

/// Known at 10: pass from 100 on. Known at 20: fail from 200 on. Known at 30, late: it was unknown
/// from 150 to 200.
pub(crate) async fn the_past_is_answered_as_it_was_known_then(store: &Store) {
    let agent = Agent::enrolled(store).await;
    let rules = Digest::of(b"rules");
    let say = async |outcome: &str, from: i64, to: Option<i64>, known: i64| {
        store
            .assert_result(&result(agent.host, outcome, from, known), to, rules)
            .await
            .expect("said");
    };
    say("pass", 100, None, 10).await;
    say("fail", 200, None, 20).await;
    say("unknown", 150, Some(200), 30).await;
    let at = async |at_us: i64, known: i64| {
        let rows = store.results_at(Some(agent.host), at_us, known).await.expect("rows");
        assert!(rows.len() <= 1, "{rows:?}");
        rows.first().map(|row| row.outcome.clone())
    };
    let expect = |text: &str| Some(text.to_owned());
    assert_eq!(at(50, 99).await, None);
    assert_eq!(at(120, 9).await, None);
    assert_eq!(at(170, 10).await, expect("pass"));
    assert_eq!(at(250, 19).await, expect("pass"));
    assert_eq!(at(250, 20).await, expect("fail"));
    assert_eq!(at(170, 29).await, expect("pass"));
    assert_eq!(at(170, 30).await, expect("unknown"));
    assert_eq!(at(149, 99).await, expect("pass"));
    assert_eq!(at(200, 99).await, expect("fail"));
    let open = store.open_results(Some(agent.host), None).await.expect("open");
    assert_eq!((open.len(), open[0].since_us), (1, 200));
}

pub(crate) async fn a_login_link_works_once(store: &Store) {
    let person =
        Person { id: "p".into(), name: "Administrator".into(), seat: "administrator".into() };
    assert!(store.create_person(&person, "operator", 1).await.expect("person"));
    let (hash, late) = (Digest::of(b"link"), Digest::of(b"late"));
    store.create_login_link(hash, "p", 10, "operator", 1).await.expect("link");
    store.create_login_link(late, "p", 10, "operator", 1).await.expect("link");
    assert_eq!(store.use_login_link(hash, 5).await.expect("store"), Ok(person));
    assert!(store.use_login_link(hash, 5).await.expect("store").is_err());
    assert!(store.use_login_link(late, 10).await.expect("store").is_err());
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn concurrent_writers_get_one_order(store: &Store) {
    let mut tasks = vec![];
    for _ in 0..8 {
        let mut agent = Agent::enrolled(store).await;
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for at in 1..=10 {
                accept(&store, &agent.incoming(Digest::of(b"m"), at)).await.expect("accepted");
            }
        }));
    }
    for task in tasks {
        task.await.expect("task");
    }
    let verified = verify(store, |_, _| {}).await.expect("the log holds");
    assert_eq!(verified.check_ins, 80);
}

pub(crate) async fn a_damaged_row_is_found_and_named(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    for at in 1..=3 {
        accept(store, &agent.incoming(Digest::of(b"m"), at)).await.expect("accepted");
    }
    // The second of three is replaced by one that the same host signed: only the log can tell.
    let index = store.log().await.expect("log").size - 2;
    let stored = store.check_in(index).await.expect("store").expect("check-in");
    let other = CheckIn { next_due_s: 1, ..stored.check_in.clone() };
    let forged = SignedCheckIn::sign(other, &agent.key).expect("signed");
    store.overwrite_check_in_for_testing(index, &forged.to_bytes()).await.expect("overwritten");
    let error = verify(store, |_, _| {}).await.expect_err("damage");
    // The tree holds the hash of the true one.
    assert!(matches!(error, VerifyError::Leaf { index: at, .. } if at == index), "{error}");
}

/// Damages the first check-in of an agent so that only its signature tells.
async fn damage(store: &Store, agent: &Agent, index: u64) {
    let stored = store.check_in(index).await.expect("store").expect("check-in");
    let (stranger, _) = SigningKey::generate().expect("key");
    assert_eq!(stored.check_in.host, agent.host);
    let forged = SignedCheckIn::sign(stored.check_in, &stranger).expect("signed");
    store.overwrite_check_in_for_testing(index, &forged.to_bytes()).await.expect("overwritten");
}

pub(crate) async fn a_reading_of_the_log_goes_on_with_what_is_new(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let first = accept(store, &agent.incoming(Digest::of(b"m"), 1)).await.expect("accepted");
    let mut reading = Verifier::new(store).await.expect("store");
    let whole = async |reading: &mut Verifier| {
        let head = store.log().await.expect("log");
        while reading.size() < head.size {
            reading.read(store, &head, 2).await?;
        }
        reading.arrive(store, &head).await
    };
    whole(&mut reading).await.expect("the log holds");
    damage(store, &agent, first.index).await;
    // A host that came meanwhile, and one that was there.
    let mut other = Agent::enrolled(store).await;
    accept(store, &other.incoming(Digest::of(b"m"), 2)).await.expect("accepted");
    accept(store, &agent.incoming(Digest::of(b"m"), 2)).await.expect("accepted");
    assert_eq!(whole(&mut reading).await.expect("what is new holds").check_ins, 3);
    let mut again = Verifier::new(store).await.expect("store");
    let error = whole(&mut again).await.expect_err("damage");
    assert!(matches!(error, VerifyError::Leaf { index, .. } if index == first.index), "{error}");
}

/// A clock whose waits are over at once, and which is then so much later.
fn hurried() -> evidenced_collector::clock::Clock {
    let passed = Arc::new(AtomicU64::new(0));
    let (now, later) = (Arc::clone(&passed), passed);
    evidenced_collector::clock::Clock::driven(
        move || UNIX_EPOCH + Duration::from_micros(now.load(Ordering::Relaxed)),
        move |time| {
            later.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
            Box::pin(tokio::task::yield_now())
        },
    )
}

pub(crate) async fn a_running_collector_checks_what_is_new_and_all_that_was(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let first = accept(store, &agent.incoming(Digest::of(b"m"), 1)).await.expect("accepted");
    let (told, mut outcome) = watch::channel(LogCheck::NotYet { read: 0, of: 0 });
    let (stop, stopped) = watch::channel(false);
    let job = tokio::spawn(log_check::run(store.clone(), hurried(), told, stopped));
    for at in 2..=4 {
        let new = accept(store, &agent.incoming(Digest::of(b"m"), at)).await.expect("accepted");
        let all =
            |told: &LogCheck| matches!(told, LogCheck::Held { size, .. } if *size > new.index);
        timeout(TELLS, outcome.wait_for(all)).await.expect("in time").expect("it runs");
    }
    damage(store, &agent, first.index).await;
    let broken = |told: &LogCheck| matches!(told, LogCheck::Broken { .. });
    timeout(TELLS, outcome.wait_for(broken)).await.expect("in time").expect("it runs");
    stop.send_replace(true);
    job.await.expect("it stops");
}

pub(crate) async fn tiles_hold_across_their_borders(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    let mut at = 0;
    for group in [250, 5, 1, 1, 255, 10] {
        let batch: Vec<_> = (0..group)
            .map(|_| {
                at += 1;
                agent.incoming(Digest::of(b"m"), at)
            })
            .collect();
        let (answers, state) = store.accept(&batch).await.expect("store");
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(store.root_at(state.size).await.expect("root"), state.root);
        for size in [state.size - 1, state.size] {
            let proof = store.inclusion(3, size).await.expect("proof");
            let signed = store.check_in(3).await.expect("store").expect("check-in");
            let hash = leaf::hash(&leaf::check_in_leaf(&signed));
            let root = store.root_at(size).await.expect("root");
            verify_inclusion(&hash, 3, size, &proof, &root).expect("included");
        }
    }
    verify(store, |_, _| {}).await.expect("the log holds");
}

pub(crate) async fn a_wrong_clock_moves_nothing_into_the_future_or_before_enrolment(store: &Store) {
    let mut agent = Agent::enrolled(store).await; // at 1 µs
    let manifest = Digest::of(b"m");
    let past = agent.incoming(manifest, 0);
    let mut future = agent.incoming(manifest, 9_000_000_000);
    future.received_us = 50 * SECOND;
    let mut back = agent.incoming(manifest, 3);
    back.received_us = 60 * SECOND;
    for incoming in [&past, &future, &back] {
        accept(store, incoming).await.expect("accepted");
    }
    let pending = store.pending(agent.host, 10).await.expect("store").expect("host");
    let observed: Vec<_> = pending.statements.iter().map(|s| s.observed_us).collect();
    assert_eq!(observed, [1, 50 * SECOND, 50 * SECOND + 1]);
}

pub(crate) async fn facts_that_never_come_do_not_hide_that_they_are_missing(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    agent.report(store, json!({"users": ["a"]}), 1).await;
    let (manifest, _) = state(json!({"users": ["b"]}));
    let bytes = manifest.to_bytes().expect("manifest");
    let id = Digest::of(&bytes);
    accept(store, &agent.incoming(id, 2)).await.expect("accepted");
    store.put_manifest(agent.host, id, &bytes).await.expect("store").expect("manifest");
    agent.report(store, json!({"users": ["a"]}), 3).await;
    let pending = store.pending(agent.host, 10).await.expect("store").expect("host");
    let complete: Vec<_> = pending.statements.iter().map(|s| s.complete).collect();
    assert_eq!(complete, [true, false, true]);
    assert_eq!(store.manifest_of_host(agent.host, id).await.expect("store"), Some(manifest));
}

/// Otherwise the last state that was whole would stand for ever, and its passes with it.
pub(crate) async fn a_host_whose_objects_never_come_is_judged_all_the_same(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    agent.report(store, json!({"users": ["a"]}), 1).await;
    let (host, generation) = store.hosts_to_judge(1).await.expect("jobs")[0];
    assert!(store.record(&judgement(store, &agent, "pass").await).await.expect("store"));
    store.judged(vec![(host, generation)]).await.expect("store");
    accept(store, &agent.incoming(Digest::of(b"lost"), 2)).await.expect("accepted");
    assert!(
        store.hosts_to_judge(1).await.expect("jobs").is_empty(),
        "its objects may be on their way"
    );
    accept(store, &agent.incoming(Digest::of(b"lost too"), 3)).await.expect("accepted");
    assert_eq!(store.hosts_to_judge(1).await.expect("jobs").len(), 1);
}

pub(crate) async fn objects_that_a_host_says_are_lost_are_waited_for_no_longer_and_still_taken(
    store: &Store,
) {
    let mut agent = Agent::enrolled(store).await;
    let (manifest, facts) = state(json!({"users": ["b"]}));
    let bytes = manifest.to_bytes().expect("manifest");
    let incoming = agent.incoming(Digest::of(&bytes), 2);
    accept(store, &incoming).await.expect("accepted");
    store.put_manifest(agent.host, Digest::of(&bytes), &bytes).await.expect("store").expect("put");
    let host = agent.host;
    let waits = async || {
        let pending = store.pending(host, 10).await.expect("store").expect("host");
        !pending.statements[0].complete
    };
    let strange = [Digest::of(b"never asked for")];
    assert_eq!(store.note_lost(agent.host, &strange, 3).await.expect("store"), 0);
    let other = Agent::enrolled(store).await.host;
    assert_eq!(store.note_lost(other, &[facts.id()], 3).await.expect("store"), 0);
    assert!(waits().await && store.hosts_to_judge(1).await.expect("jobs").is_empty());

    assert_eq!(store.note_lost(agent.host, &[facts.id()], 3).await.expect("store"), 1);
    assert!(!waits().await);
    assert_eq!(store.hosts_to_judge(1).await.expect("jobs")[0].0, agent.host);
    assert!(store.record(&judgement(store, &agent, "unknown").await).await.expect("store"));
    // The same state again: its facts are asked for again, and taken.
    let again = accept(store, &agent.incoming(Digest::of(&bytes), 4)).await.expect("accepted");
    assert_eq!(again.want.facts, [facts.id()]);
    assert!(waits().await, "said once is not said for ever");
    let put = store.put_facts(agent.host, facts.id(), facts.bytes().to_vec()).await;
    put.expect("store").expect("taken");
    assert!(!waits().await);
}

pub(crate) async fn a_rule_that_judges_no_more_holds_no_result(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    agent.report(store, json!({"users": ["a"]}), 1).await;
    let first = judgement(store, &agent, "pass").await;
    assert!(store.record(&first).await.expect("store"));
    agent.report(store, json!({"users": ["b"]}), 2).await;
    let mut second = judgement(store, &agent, "pass").await;
    second.results[0].rule = "another-rule".into();
    assert!(store.record(&second).await.expect("store"));
    let rules = |rows: Vec<ResultRow>| rows.into_iter().map(|row| row.rule).collect::<Vec<_>>();
    let open = store.open_results(Some(agent.host), None).await.expect("open");
    assert_eq!(rules(open), ["another-rule"]);
    let (then, known) = (first.statement.observed_us, first.statement.index as i64);
    let before = store.results_at(Some(agent.host), then, known).await.expect("past");
    assert_eq!(rules(before), ["acc-uid0-only-root"]);
}

/// What a judgement of the oldest waiting check-in would write.
async fn judgement(store: &Store, agent: &Agent, outcome: &str) -> Judgement {
    let pending = store.pending(agent.host, 10).await.expect("store").expect("host");
    let statement = pending.statements[0];
    Judgement {
        host: agent.host,
        after: pending.judged_index,
        statement,
        known: statement.index as i64,
        at_us: statement.observed_us,
        day: statement.observed_us / 86_400_000_000,
        past: None,
        rules: Digest::of(b"rules"),
        kinds: BTreeMap::new(),
        results: vec![result(agent.host, outcome, statement.observed_us, statement.index as i64)],
        opened: vec![],
        resolved: vec![],
        notice: Notice::default(),
    }
}

/// As after a change of the rules: the new verdict holds, and the old one is what was known before.
pub(crate) async fn a_check_in_judged_again_supersedes_and_rewrites_nothing(store: &Store) {
    let mut agent = Agent::enrolled(store).await;
    agent.report(store, json!({"users": ["a"]}), 1).await;
    let first = judgement(store, &agent, "pass").await;
    assert!(store.record(&first).await.expect("store"));
    let (at, index) = (first.statement.observed_us, first.statement.index as i64);
    let again = Judgement {
        after: index,
        known: index + 1,
        rules: Digest::of(b"other rules"),
        results: vec![result(agent.host, "fail", at, index + 1)],
        ..first
    };
    assert!(store.record(&again).await.expect("store"));
    let outcome = async |known: i64| {
        let rows = store.results_at(Some(agent.host), at, known).await.expect("rows");
        rows.iter().map(|row| row.outcome.clone()).collect::<Vec<_>>()
    };
    assert_eq!(outcome(index).await, ["pass"]);
    assert_eq!(outcome(index + 1).await, ["fail"]);
    assert_eq!(store.judged_rules(agent.host).await.expect("store"), Some(again.rules));
}
