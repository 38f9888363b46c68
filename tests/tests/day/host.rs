//! A host of the day: a real agent, with its own clock, disk and machine, in this process.

use crate::disk::Disk;
use crate::ms;
use crate::time::PATIENCE;
use evidence::ChainId;
use evidence::wire::Token;
use evidenced_agent::clock::Clock;
use evidenced_agent::collectors;
use evidenced_agent::enroll::enroll;
use evidenced_agent::host::{Fixture, Host as Machine};
use evidenced_agent::identity::{Chain, StateDir};
use evidenced_agent::renew::Renewal;
use evidenced_agent::run::{Agent, Parts, Plan};
use evidenced_agent::ship::{Backoff, Shipper};
use evidenced_agent::spool::{Limits, Spool};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// The kind that the day's hosts gather.
pub(crate) const KIND: &str = "accounts";

pub(crate) struct Host {
    directory: PathBuf,
    /// What its clock is wrong by.
    wrong_by_ms: i64,
    /// The fixture that its agent reads.
    machine: Arc<Mutex<String>>,
    pub(crate) disk: Arc<Disk>,
    running: Option<Running>,
}

/// An agent in a runtime of its own, whose time stands still until it is told to pass.
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    clock: Clock,
    /// How much time has passed since the start, and who wants to know when that has been lived.
    pass: mpsc::UnboundedSender<(Duration, oneshot::Sender<Duration>)>,
    started_ms: i64,
    /// Until when it rests, in ms since the epoch.
    rests_until_ms: i64,
}

impl Host {
    /// A host that is enrolled and does not run yet.
    pub(crate) async fn enrolled(
        directory: &Path,
        server: &str,
        token: &Token,
        machine: &str,
        now_ms: i64,
    ) -> Self {
        std::fs::create_dir_all(directory).expect("a directory");
        let host = Self::over(directory, machine, 0);
        let machine_id = directory.join("machine-id");
        let id = evidence::Digest::of(directory.to_string_lossy().as_bytes()).to_string();
        std::fs::write(&machine_id, format!("{}\n", &id[..32])).expect("a machine id");
        enroll(&host.state(), server, token, &machine_id, now_ms).await.expect("enrolled");
        host
    }

    fn over(directory: &Path, machine: &str, wrong_by_ms: i64) -> Self {
        Self {
            directory: directory.to_owned(),
            wrong_by_ms,
            machine: Arc::new(Mutex::new(machine.to_owned())),
            disk: Arc::new(Disk::default()),
            running: None,
        }
    }

    /// Another machine with a copy of this one's disk. Its clock is another too: the day's clocks
    /// agree to the millisecond, and two agents that say the same at the same moment with the same
    /// key say it once.
    pub(crate) fn copied(&self, directory: &Path) -> Self {
        copy(&self.directory, directory);
        let machine = self.machine.lock().expect("lock").clone();
        Self::over(directory, &machine, self.wrong_by_ms + 7)
    }

    /// Keeps a copy of the state directory, as a backup of a virtual machine does.
    pub(crate) fn back_up(&self, to: &Path) {
        copy(&self.directory, to);
    }

    /// Puts a backup in place of what is there. The host must not run.
    pub(crate) fn restore(&self, from: &Path) {
        assert!(self.running.is_none(), "a machine is off while it is restored");
        std::fs::remove_dir_all(&self.directory).expect("removed");
        copy(from, &self.directory);
    }

    pub(crate) fn set(&self, machine: &str) {
        machine.clone_into(&mut self.machine.lock().expect("lock"));
    }

    fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    pub(crate) fn id(&self) -> String {
        let bytes = std::fs::read(self.state().join("identity.json")).expect("an identity");
        let identity: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        identity["host"].as_str().expect("a host id").to_owned()
    }

    pub(crate) fn chain(&self) -> Chain {
        let bytes = std::fs::read(self.state().join("chain.json")).expect("a chain");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// How many check-ins wait for their receipt.
    pub(crate) fn waiting(&self) -> usize {
        self.check_ins("spool").len()
    }

    /// Why what waits is not shipped, as the agent notes it.
    pub(crate) fn trouble(&self) -> String {
        std::fs::read_to_string(self.state().join("spool/trouble.json")).unwrap_or_default()
    }

    /// How many check-ins the collector refused.
    pub(crate) fn refused(&self) -> usize {
        self.check_ins("spool/refused").len()
    }

    fn check_ins(&self, directory: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.state().join(directory)).expect("listed");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.extension().is_some_and(|end| end == "checkin")).collect()
    }

    /// Sets its clock forward (or back).
    pub(crate) fn jump_ms(&mut self, by_ms: i64) {
        self.wrong_by_ms += by_ms;
        if let Some(running) = &self.running {
            running.clock.jump_ms(by_ms);
        }
    }

    /// Starts the agent at `now`: `evidenced-agent run`, on a thread of its own.
    pub(crate) fn start(&mut self, now: SystemTime) {
        let (stop, stopped) = oneshot::channel();
        let (pass, passed) = mpsc::unbounded_channel();
        let (state, disk) = (self.state(), Arc::clone(&self.disk));
        let machine = Arc::clone(&self.machine);
        let (give, given) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build();
            runtime.expect("a runtime").block_on(async {
                let (rest, rests) = watch::channel(None);
                let clock = Clock::fast(now, 1).telling(rest);
                give.send(clock.clone()).expect("somebody waits for it");
                let _live = live(passed, rests);
                let mut agent = agent(&state, clock, disk, machine);
                agent.serve(async { drop(stopped.await) }).await;
            });
        });
        let clock = given.recv().expect("the agent starts");
        clock.jump_ms(self.wrong_by_ms);
        let started_ms = ms(now);
        let rests_until_ms = started_ms;
        self.running = Some(Running { stop, thread, clock, pass, started_ms, rests_until_ms });
    }

    /// Lets it live until this moment, which is over when it rests again. None if there is nothing
    /// for it to do by then.
    pub(crate) fn live_until(&mut self, now_ms: i64) -> Option<impl Future<Output = ()>> {
        let running = self.running.as_mut().filter(|running| running.rests_until_ms <= now_ms)?;
        let (done, rests) = oneshot::channel();
        let since_start = u64::try_from(now_ms - running.started_ms).expect("not before its start");
        let told = running.pass.send((Duration::from_millis(since_start), done));
        let directory = self.directory.display();
        told.unwrap_or_else(|_| panic!("{directory}: the agent has ended"));
        Some(async move {
            let rests = tokio::time::timeout(PATIENCE, rests).await;
            let rests = rests.unwrap_or_else(|_| panic!("{directory}: the agent does not rest"));
            let rests = rests.unwrap_or_else(|_| panic!("{directory}: the agent has ended"));
            let rests_ms = i64::try_from(rests.as_millis()).expect("not long");
            running.rests_until_ms = running.started_ms + rests_ms;
        })
    }

    /// Stops the agent, as a machine that is put to sleep or switched off does.
    pub(crate) async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let _ = running.stop.send(());
        let joined = tokio::task::spawn_blocking(move || running.thread.join()).await;
        joined.expect("a thread").expect("the agent did not panic");
    }
}

/// Lets time pass in this runtime as it is told to, until the value is dropped: a paused clock
/// goes on by itself when nothing is left to do, but not while a thread is busy.
fn live(
    mut passed: mpsc::UnboundedReceiver<(Duration, oneshot::Sender<Duration>)>,
    mut rests: watch::Receiver<Option<Instant>>,
) -> std::sync::mpsc::Sender<()> {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || held.recv());
    let start = Instant::now();
    tokio::spawn(async move {
        while let Some((since_start, done)) = passed.recv().await {
            let by = (start + since_start).saturating_duration_since(Instant::now());
            if !by.is_zero() {
                tokio::time::advance(by).await;
            }
            let now = Instant::now();
            let rest = rests.wait_for(|until| until.is_some_and(|until| until > now)).await;
            let Some(until) = rest.ok().and_then(|rest| *rest) else { return };
            let _ = done.send(until - start);
        }
    });
    hold
}

fn agent(state: &Path, clock: Clock, disk: Arc<Disk>, machine: Arc<Mutex<String>>) -> Agent {
    let (state, identity) = StateDir::open(state).expect("a state directory");
    let key = state.evidence_key().expect("a key");
    let limits = Limits { max_size: 64 << 20, max_age: Duration::from_secs(30 * 86_400) };
    let spool = Spool::open(state.path(), disk, &key.public(), limits, ChainId::generate());
    let hourly = "0 * * * *".parse().expect("a schedule");
    let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
    let timeout = Duration::from_secs(10);
    let shipper = Shipper::new(&state, &identity, timeout).expect("a shipper");
    let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
    let renewal = Renewal::new(Arc::new(state), identity.clone(), timeout, backoff.clone());
    let mut agent = Agent::new(Parts {
        host: identity.host,
        key,
        spool: spool.expect("a spool"),
        shipper,
        backoff,
        plan: Plan::new(identity.host, [(KIND.to_owned(), hourly)].into(), hour, minute),
        gather: Arc::new(move |kind| {
            let fixture = Fixture::parse(&machine.lock().expect("lock")).expect("a fixture");
            collectors::find(kind).expect("a kind").collect(&Machine::fixture(fixture))
        }),
        clock,
    });
    agent.renewal = Some(renewal.expect("a certificate"));
    agent
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}
