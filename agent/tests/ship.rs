//! Agent and collector over real TLS: what is accepted, what is refused, and what survives.

mod collector;
mod proxy;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use collector::{Collector, Faults, problem};
use evidence::{ChainId, Digest, Facts, Status};
use evidenced_agent::clock::Clock;
use evidenced_agent::collectors::Collected;
use evidenced_agent::durable::RealDisk;
use evidenced_agent::enroll::{EnrollError, enroll};
use evidenced_agent::identity::{Identity, StateDir, StateError};
use evidenced_agent::run::{Agent, Parts, Plan, RunError};
use evidenced_agent::ship::{Backoff, ReceiptError, Route, ShipError, Shipper};
use evidenced_agent::spool::{Limits, Spool, Trouble};
use proxy::Proxy;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

const KINDS: [&str; 2] = ["accounts", "packages"];

/// A host with a state directory of its own, and facts that the test sets.
struct Machine {
    directory: tempfile::TempDir,
    value: Arc<Mutex<String>>,
    clock: Clock,
    max_size: u64,
    route: Route,
}

/// An agent, and the lock of its state directory.
struct Running {
    agent: Agent,
    _state: StateDir,
}

impl Machine {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("directory"),
            value: Arc::new(Mutex::new("first".into())),
            // 2026-11-22 12:10 UTC: no hourly kind is due within the next minutes, whatever its delay.
            clock: Clock::fast(UNIX_EPOCH + Duration::from_secs(1_795_349_400), 1),
            max_size: 1 << 30,
            route: Route::default(),
        }
    }

    async fn enrolled(collector: &Collector) -> Self {
        let machine = Self::new();
        machine.enroll(collector).await.expect("enrolled");
        machine
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The file that names it.
    fn machine_id(&self) -> PathBuf {
        self.directory.path().join("machine-id")
    }

    async fn enroll(&self, collector: &Collector) -> Result<Identity, EnrollError> {
        let machine_id = self.machine_id();
        std::fs::write(&machine_id, "0123456789abcdef0123456789abcdef\n").expect("written");
        enroll(&self.state(), &collector.url, &collector.token, &machine_id, 1).await
    }

    /// The agent after a start.
    fn start(&self) -> Running {
        let (state, identity) = StateDir::open(&self.state()).expect("state");
        let key = state.evidence_key().expect("key");
        let limits = Limits { max_size: self.max_size, max_age: Duration::from_secs(1 << 30) };
        let spool = Spool::open(
            state.path(),
            Arc::new(RealDisk),
            &key.public(),
            limits,
            ChainId::generate(),
        );
        let value = self.value.clone();
        let hour = "0 * * * *".parse::<evidenced_agent::schedule::Schedule>().expect("schedule");
        let schedules = KINDS.map(|kind| (kind.to_owned(), hour.clone())).into();
        let (every, coalesce) = (Duration::from_secs(3600), Duration::from_secs(60));
        let agent = Agent::new(Parts {
            host: identity.host,
            key,
            spool: spool.expect("spool"),
            shipper: Shipper::by(&state, &identity, Duration::from_secs(20), &self.route)
                .expect("shipper"),
            backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(5)),
            plan: Plan::new(identity.host, schedules, every, coalesce),
            gather: Arc::new(move |kind| gathered(kind, &value.lock().expect("lock"))),
            clock: self.clock.clone(),
        });
        Running { agent, _state: state }
    }

    fn set(&self, value: &str) {
        value.clone_into(&mut self.value.lock().expect("lock"));
    }

    fn pass(&self, seconds: i64) {
        self.clock.jump_ms(seconds * 1000);
    }

    fn files(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.state().join(directory)).expect("listed");
        let names = entries.map(|entry| entry.expect("entry").file_name());
        names.map(|name| name.into_string().expect("name")).collect()
    }
}

/// `accounts` never changes, `packages` says `value`.
fn gathered(kind: &str, value: &str) -> Collected {
    let value = if kind == "packages" { value } else { "same" };
    let facts = Facts::new(kind, 1, json!({ "value": value })).expect("facts");
    Collected { status: Status::Ok, facts: Some(facts), sources: vec![], unread: vec![] }
}

fn busy(retry_after: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, retry_after)]).into_response()
}

/// Why shipping stopped.
fn stopped(outcome: Result<(), RunError>) -> ShipError {
    match outcome {
        Err(RunError::Ship { error, .. }) => error,
        other => panic!("shipping went on: {other:?}"),
    }
}

#[tokio::test]
async fn a_new_host_is_enrolled_sends_everything_once_and_then_next_to_nothing() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    machine.start().agent.once().await.expect("shipped");
    {
        let inner = collector.inner();
        assert_eq!(inner.hosts.len(), 1);
        let (_, first) = &inner.accepted[0];
        assert_eq!((first.check_in.seq, first.check_in.resumes), (0, None));
        assert_eq!(first.check_in.collected.keys().collect::<Vec<_>>(), KINDS);
        assert_eq!((inner.manifests.len(), inner.facts.len()), (1, 2));
        let wanted = ["enroll", "check-in", "manifest", "check-in", "facts", "facts", "check-in"];
        assert_eq!(inner.paths, wanted);
    }
    machine.pass(3600);
    machine.start().agent.once().await.expect("shipped");
    machine.set("second");
    machine.pass(3600);
    machine.start().agent.once().await.expect("shipped");
    let inner = collector.inner();
    let [(_, first), (_, second), (_, third)] = &inner.accepted[..] else { panic!("three") };
    assert_eq!(second.check_in.manifest, first.check_in.manifest, "nothing changed");
    assert_eq!(second.check_in.prev, Some(first.id()));
    assert_eq!(second.check_in.checkpoint.map(|head| head.size), Some(4));
    assert_ne!(third.check_in.manifest, first.check_in.manifest);
    assert_eq!(inner.paths[7..8], ["check-in"], "one request for an unchanged state");
    assert_eq!((inner.manifests.len(), inner.facts.len()), (2, 3));
    assert!(machine.files("spool").iter().all(|name| !name.ends_with(".checkin")));
}

#[tokio::test]
async fn a_collector_of_another_authority_is_refused_and_the_same_directory_enrols_later() {
    let (collector, mut mixed) = (Collector::start().await, Collector::start().await);
    let machine = Machine::new();
    mixed.token = collector.token.clone();
    let error = machine.enroll(&mixed).await.expect_err("refused").to_string();
    assert!(error.contains("its authority is not the one that the token names"), "{error}");
    assert!(mixed.inner().paths.is_empty(), "the secret was not handed over");
    assert!(matches!(StateDir::open(&machine.state()), Err(StateError::NotEnrolled(_))));

    let key = std::fs::read_to_string(machine.state().join("tls.next.key")).expect("key");
    let identity = machine.enroll(&collector).await.expect("enrolled");
    let pair = std::fs::read_to_string(machine.state().join("tls.pem")).expect("pair");
    assert!(pair.ends_with(&key), "the key that was made first");
    assert!(!machine.state().join("tls.next.key").exists());
    let request = collector.inner().hosts[&identity.host].1.clone();
    assert!(request.machine.is_some() && !request.name.is_empty());

    let error = machine.enroll(&collector).await.expect_err("twice").to_string();
    assert!(error.contains("already enrolled") && error.contains(&collector.url), "{error}");
}

#[tokio::test]
async fn a_refused_token_and_an_expired_certificate_are_explained() {
    let collector = Collector::start().await;
    let machine = Machine::new();
    let mut used = collector.token.clone();
    used.secret = "x".repeat(43);
    let machine_id = Path::new("/nowhere");
    let refused = enroll(&machine.state(), &collector.url, &used, machine_id, 1).await;
    let error = refused.expect_err("refused").to_string();
    assert!(error.ends_with("the token is not known: it was used, or it has expired"), "{error}");

    let expired = Collector::start_with(Faults { expired: true, ..Faults::default() }).await;
    let error = machine.enroll(&expired).await.expect_err("refused").to_string();
    assert!(error.contains("certificate has expired, or this host's clock is ahead"), "{error}");
}

#[tokio::test]
async fn a_forged_inclusion_proof_is_refused_and_the_spool_keeps_the_check_in() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    collector.inner().faults.forge_inclusion = true;
    let mut running = machine.start();
    let error = stopped(running.agent.once().await);
    assert!(matches!(error, ShipError::Receipt(ReceiptError::Inclusion(_))), "{error}");
    assert_eq!((running.agent.spool.len(), running.agent.spool.chain().checkpoint), (1, None));

    collector.inner().faults.forge_inclusion = false;
    let drained = running.agent.shipper.drain(&mut running.agent.spool, 1).await.expect("drained");
    assert_eq!((drained.accepted, running.agent.spool.len()), (1, 0));
    assert_eq!(collector.inner().accepted.len(), 1);
}

#[tokio::test]
async fn a_rewritten_log_and_a_hidden_proof_are_refused() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    machine.start().agent.once().await.expect("shipped");
    let mut running = machine.start();
    let known = running.agent.spool.chain().checkpoint;

    collector.inner().faults.hide_consistency = true;
    let error = stopped(running.agent.once().await);
    assert!(error.to_string().contains("the receipt brings no proof"), "{error}");
    collector.inner().faults.hide_consistency = false;

    collector.inner().rewrite();
    let error = stopped(running.agent.once().await);
    assert!(matches!(error, ShipError::Receipt(ReceiptError::Consistency { .. })), "{error}");
    assert_eq!(running.agent.spool.len(), 2);
    assert_eq!(running.agent.spool.chain().checkpoint, known, "the known head stays");
    let trouble = Trouble::read(&machine.state().join("spool")).expect("noted");
    assert!(trouble.needs_a_person);
    drop(running);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_evidenced-agent"));
    let status = command.arg("status").arg("--state").arg(machine.state()).output().await;
    let said = String::from_utf8(status.expect("run").stdout).expect("text");
    assert!(said.contains("waiting:     2 check-ins"), "{said}");
    assert!(
        said.contains("(needs a person): the receipt is not believed: the log does not"),
        "{said}"
    );
}

#[tokio::test]
async fn a_lost_receipt_and_a_restart_append_the_check_in_once() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    let before = collector.inner().log_size();
    collector.inner().faults.lose_receipt = true;
    machine.start().agent.once().await.expect("shipped");
    assert_eq!(collector.inner().log_size(), before + 1);
}

/// The agent is killed when the n-th request has reached the collector, for every n.
#[tokio::test]
async fn an_agent_killed_at_any_request_loses_nothing_and_repeats_no_number() {
    for kill_at in 1.. {
        let collector = Collector::start().await;
        let machine = Machine::enrolled(&collector).await;
        let enrolled = collector.inner().paths.len();
        let mut requests = collector.requests.clone();
        let mut running = machine.start();
        let finished = tokio::select! {
            biased;
            _ = requests.wait_for(|count| *count >= enrolled + kill_at) => false,
            done = running.agent.once() => done.is_ok(),
        };
        drop(running);
        machine.set("after the kill");
        machine.start().agent.once().await.expect("shipped");
        let inner = collector.inner();
        let places: Vec<_> = inner.accepted.iter().map(|(_, it)| it.check_in.seq).collect();
        assert_eq!(places, [0, 1], "killed at {kill_at}");
        let named = inner.manifests.values().flat_map(|manifest| manifest.facts());
        assert!(named.into_iter().all(|id| inner.facts.contains_key(&id)), "killed at {kill_at}");
        assert_eq!(inner.manifests.len(), 2);
        if finished {
            assert!(kill_at > 6, "{kill_at}");
            break;
        }
    }
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_when_it_said() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    collector.inner().faults.answers.extend([busy("0"), busy("0")]);
    machine.start().agent.once().await.expect("shipped at the third attempt");

    let mut running = machine.start();
    collector.inner().faults.answers.extend((0..8).map(|_| busy("0")));
    let error = stopped(running.agent.once().await);
    assert!(matches!(error, ShipError::Busy { .. }), "{error}");
    collector.inner().faults.answers.clear();
    collector.inner().faults.answers.push_back(busy("7"));
    let error = running.agent.shipper.drain(&mut running.agent.spool, 1).await.expect_err("busy");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(!error.needs_a_person());
    running.agent.shipper.drain(&mut running.agent.spool, 1).await.expect("drained");
    assert!(running.agent.spool.is_empty());
}

#[tokio::test]
async fn a_chain_that_does_not_fit_is_followed_by_one_that_resumes_it() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    machine.start().agent.once().await.expect("shipped");
    // As after a host was restored from an old copy: the collector is further on in the chain.
    let (chain, accepted) = {
        let mut inner = collector.inner();
        let first = inner.accepted[0].1.clone();
        inner.chains.insert(first.check_in.chain, Digest::of(b"one that the copy forgot"));
        (first.check_in.chain, first.id())
    };
    machine.set("restored");
    machine.start().agent.once().await.expect("shipped in a new chain");
    let inner = collector.inner();
    let (_, last) = inner.accepted.last().expect("accepted");
    assert_ne!(last.check_in.chain, chain);
    assert_eq!((last.check_in.seq, last.check_in.resumes), (0, Some(accepted)));
    assert_eq!(last.check_in.collected.len(), 2, "the state is told again");
    let stated = &inner.manifests[&last.check_in.manifest];
    assert!(stated.facts().all(|id| inner.facts.contains_key(&id)));
    assert_eq!(machine.files("spool/refused").len(), 2, "check-in and reason");
}

#[tokio::test]
async fn a_collector_that_continues_no_chain_is_given_up_and_nothing_is_lost() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    let conflicts = (0..8).map(|_| problem(409, "does not fit", None));
    collector.inner().faults.answers.extend(conflicts);
    let outcome = machine.start().agent.once().await;
    assert!(matches!(outcome, Err(RunError::Conflict)), "{outcome:?}");
    assert_eq!(machine.files("spool/refused").len(), 4);
}

#[tokio::test]
async fn only_a_collectors_own_words_refuse_a_check_in_for_good() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    let mut running = machine.start();
    collector.inner().faults.answers.push_back(StatusCode::NOT_FOUND.into_response());
    let error = stopped(running.agent.once().await);
    assert!(matches!(error, ShipError::Foreign { .. }), "{error}");
    assert_eq!(running.agent.spool.len(), 1);

    collector.inner().faults.answers.push_back(problem(403, "the host is blocked", None));
    let error = running.agent.shipper.drain(&mut running.agent.spool, 1).await.expect_err("403");
    assert!(matches!(error, ShipError::Identity { .. }), "{error}");
    assert!(error.to_string().contains("the host is blocked"), "{error}");
    assert_eq!(running.agent.spool.len(), 1);

    collector.inner().faults.answers.push_back(problem(400, "not a check-in", Some("because")));
    let outcome = running.agent.once().await;
    assert!(matches!(outcome, Err(RunError::Refused(1))), "{outcome:?}");
    let refused = machine.files("spool/refused");
    assert!(refused.iter().any(|name| name.ends_with("-000000000000.checkin")), "{refused:?}");
}

#[tokio::test]
async fn a_full_spool_still_delivers_every_check_in_in_order() {
    let collector = Collector::start().await;
    let mut machine = Machine::enrolled(&collector).await;
    machine.max_size = 6000;
    let mut running = machine.start();
    for round in 0..10 {
        machine.set(&format!("state {round} {}", "x".repeat(100)));
        machine.pass(3600);
        collector.inner().faults.answers.push_back(StatusCode::NOT_FOUND.into_response());
        stopped(running.agent.once().await);
    }
    let dropped = running.agent.spool.dropped().facts;
    assert!(dropped > 0);
    drop(running);
    let mut running = machine.start();
    let drained = running.agent.shipper.drain(&mut running.agent.spool, 1).await.expect("drained");
    assert_eq!(drained.accepted, 10);
    let inner = collector.inner();
    let places: Vec<_> = inner.accepted.iter().map(|(_, it)| it.check_in.seq).collect();
    assert_eq!(places, (0..10).collect::<Vec<_>>());
    assert_eq!(inner.facts.len() as u64, 11 - dropped);
    assert_eq!(running.agent.spool.dropped().lost, dropped);
    let told: usize = inner.lost.iter().map(|lost| lost.objects.len()).sum();
    assert_eq!(told as u64, dropped, "the collector is told what will not come");
    let last = &inner.manifests[&inner.accepted[9].1.check_in.manifest];
    assert!(last.facts().all(|id| inner.facts.contains_key(&id)), "the newest state is whole");
}

#[tokio::test]
async fn a_collector_that_hears_of_no_losses_gets_the_check_ins_all_the_same() {
    let collector = Collector::start().await;
    collector.inner().faults.hears_no_losses = true;
    let mut machine = Machine::enrolled(&collector).await;
    machine.max_size = 6000;
    let mut running = machine.start();
    for round in 0..10 {
        machine.set(&format!("state {round} {}", "x".repeat(100)));
        machine.pass(3600);
        collector.inner().faults.answers.push_back(StatusCode::NOT_FOUND.into_response());
        stopped(running.agent.once().await);
    }
    assert!(running.agent.spool.dropped().facts > 0);
    let drained = running.agent.shipper.drain(&mut running.agent.spool, 1).await.expect("drained");
    assert_eq!((drained.accepted, running.agent.spool.len()), (10, 0));
    let inner = collector.inner();
    assert!(inner.lost.is_empty());
    // Told once for each, and not again and again.
    let asked = inner.paths.iter().filter(|path| *path == "lost").count();
    assert!((1..=10).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_connection_that_nobody_needs_is_closed() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    let mut running = machine.start();
    running.agent.once().await.expect("shipped");
    let mut open = collector.connections.clone();
    let closed = open.wait_for(|open| *open == 0);
    // The agent lives on, and holds none.
    tokio::time::timeout(Duration::from_secs(60), closed).await.expect("closed").expect("counted");
    machine.pass(3600);
    running.agent.once().await.expect("shipped over a new one");
}

#[tokio::test]
async fn a_collector_that_the_host_does_not_trust_is_named_so() {
    let (collector, impostor) = (Collector::start().await, Collector::start().await);
    let machine = Machine::enrolled(&collector).await;
    let path = machine.state().join("identity.json");
    let identity = std::fs::read_to_string(&path).expect("identity");
    std::fs::write(&path, identity.replace(&collector.url, &impostor.url)).expect("written");
    let error = stopped(machine.start().agent.once().await).to_string();
    assert!(error.contains("from an authority that this host does not trust"), "{error}");
    assert!(impostor.inner().paths.is_empty());
}

#[tokio::test]
async fn a_certificate_that_the_collector_refuses_is_named_as_the_likely_cause() {
    let faults = Faults { other_clients: true, ..Faults::default() };
    let collector = Collector::start_with(faults).await;
    let machine = Machine::enrolled(&collector).await;
    let error = stopped(machine.start().agent.once().await);
    assert!(matches!(error, ShipError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("this host's certificate"), "{error}");
    let trouble = Trouble::read(&machine.state().join("spool")).expect("noted");
    assert_eq!(trouble.reason, error.to_string());
}

#[tokio::test]
async fn a_collector_under_another_name_is_named_so() {
    let collector = Collector::start().await;
    let mut machine = Machine::enrolled(&collector).await;
    machine.route.servers = vec![collector.url.replace("127.0.0.1", "localhost")];
    let error = stopped(machine.start().agent.once().await).to_string();
    assert!(error.contains("is for another name or address"), "{error}");
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_left_for_the_next_and_not_asked_at_every_request() {
    let collector = Collector::start().await;
    let mut machine = Machine::enrolled(&collector).await;
    let away = Proxy::refusing().await;
    machine.route.servers = vec![away.https(), collector.url.clone()];
    machine.start().agent.once().await.expect("shipped by the second");
    assert_eq!(away.count(), 1, "and it stays with the second");
    machine.pass(3600);
    machine.start().agent.once().await.expect("shipped again");
    assert_eq!(away.count(), 2, "after a start the first is preferred again");
    assert_eq!(collector.inner().accepted.len(), 2);

    machine.route.servers = vec![away.https(), away.https()];
    let error = stopped(machine.start().agent.once().await);
    assert!(matches!(error, ShipError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn the_configured_proxy_is_gone_through_and_not_around() {
    let collector = Collector::start().await;
    let mut machine = Machine::enrolled(&collector).await;
    let proxy = Proxy::start().await;
    machine.route.proxy = proxy.http();
    machine.start().agent.once().await.expect("shipped");
    assert!(proxy.count() >= 1);
    assert_eq!(collector.inner().accepted.len(), 1);

    machine.route.proxy = Proxy::refusing().await.http();
    let error = stopped(machine.start().agent.once().await);
    assert!(matches!(error, ShipError::Unreachable { .. }), "{error}");
    assert_eq!(collector.inner().accepted.len(), 1, "nothing went around the proxy");
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_except_where_it_says_not() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    let proxy = Proxy::start().await;
    let run = async |no_proxy: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_evidenced-agent"));
        command.args(["run", "--once", "--state"]).arg(machine.state());
        command.arg("--machine-id").arg(machine.machine_id());
        command.env("HTTPS_PROXY", proxy.http()).env("NO_PROXY", no_proxy);
        command.env_remove("https_proxy").env_remove("no_proxy").env_remove("ALL_PROXY");
        let output = command.output().await.expect("run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        proxy.count()
    };
    let through = run("example.org").await;
    assert!(through >= 1);
    assert_eq!(run("127.0.0.1").await, through);
    assert_eq!(collector.inner().accepted.len(), 2);
}

#[tokio::test]
async fn a_collector_that_forgot_is_given_again_what_it_acknowledged() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    for value in ["one", "two", "three"] {
        machine.set(value);
        machine.pass(3600);
        machine.start().agent.once().await.expect("shipped");
    }
    let (accepted, facts) = {
        let mut inner = collector.inner();
        let before = (inner.accepted.clone(), inner.facts.clone());
        inner.forget();
        before
    };
    let mut running = machine.start();
    let known = running.agent.spool.chain().clone();
    let held = running.agent.shipper.refill(&mut running.agent.spool, 1).await.expect("refilled");
    assert_eq!(held, 3);
    assert_eq!(*running.agent.spool.chain(), known);
    {
        let inner = collector.inner();
        assert_eq!((&inner.accepted, &inner.facts), (&accepted, &facts));
    }
    let again = running.agent.shipper.refill(&mut running.agent.spool, 1).await.expect("again");
    assert_eq!((again, collector.inner().accepted.len()), (3, 3), "twice does no harm");
}

#[tokio::test]
async fn a_running_agent_ships_by_itself_and_stops_when_told() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    let mut requests = collector.requests.clone();
    let mut running = machine.start();
    // Enrolment, three check-ins of one number, three objects.
    let all = async {
        let _ = requests.wait_for(|count| *count >= 7).await;
    };
    let serve = running.agent.serve(all);
    tokio::time::timeout(Duration::from_secs(30), serve).await.expect("stopped");
    assert_eq!(collector.inner().accepted.len(), 1);
    drop(running);
    // Nothing is due after the restart, and what waits is shipped all the same.
    let mut running = machine.start();
    running.agent.shipper.drain(&mut running.agent.spool, 1).await.expect("drained");
    assert!(running.agent.spool.is_empty());
    assert!(running.agent.plan.due(machine.clock.now_ms()).is_empty());
}

#[tokio::test]
async fn the_binary_enrols_ships_and_tells_its_state_with_honest_exit_codes() {
    let collector = Collector::start().await;
    let machine = Machine::new();
    let state = machine.state().display().to_string();
    let run = async |args: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_evidenced-agent"));
        let output = command.args(args).args(["--state", &state]).output().await.expect("run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, error) = run(&["run", "--once"]).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("is not enrolled; run `evidenced-agent enroll"), "{error}");

    let token = collector.token.to_string();
    let (code, out, error) = run(&["enroll", "--server", &collector.url, "--token", &token]).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(out.starts_with("enrolled as host "), "{out}");
    let (code, out, error) = run(&["run", "--once"]).await;
    assert_eq!((code, out.as_str()), (Some(0), ""), "{error}");
    let (code, out, _) = run(&["status"]).await;
    assert_eq!(code, Some(0));
    for line in ["waiting:     0 check-ins", "certificate: valid until", "next number 1"] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let (code, _, _) = run(&["enroll", "--server", &collector.url, "--token", "short"]).await;
    assert_eq!(code, Some(2), "usage");
    assert_eq!(collector.inner().accepted.len(), 1);
}

#[tokio::test]
async fn the_binary_ends_well_when_the_service_manager_says_so() {
    let collector = Collector::start().await;
    let machine = Machine::enrolled(&collector).await;
    let mut requests = collector.requests.clone();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_evidenced-agent"));
    let state = machine.state();
    command.arg("run").arg("--state").arg(&state).kill_on_drop(true);
    command.arg("--machine-id").arg(machine.machine_id());
    let mut agent = command.spawn().expect("started");
    let shipped = requests.wait_for(|count| *count >= 3);
    let within = Duration::from_secs(60);
    tokio::time::timeout(within, shipped).await.expect("in time").expect("collector");
    let second = tokio::process::Command::new(env!("CARGO_BIN_EXE_evidenced-agent"))
        .arg("run")
        .arg("--state")
        .arg(&state)
        .arg("--machine-id")
        .arg(machine.machine_id())
        .output();
    let second = second.await.expect("run");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another agent is using the state directory"), "{said}");

    let id = rustix::process::Pid::from_raw(agent.id().expect("id") as i32).expect("pid");
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("told");
    let status = tokio::time::timeout(within, agent.wait()).await.expect("in time").expect("ended");
    assert_eq!(status.code(), Some(0));
}
