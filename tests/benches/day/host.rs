//! A host of the day: a real agent, with its own clock, disk and machine, in this process.

use crate::disk::Disk;
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
use std::time::Duration;
use tokio::sync::oneshot;

/// The kind that the day's hosts gather.
pub(crate) const KIND: &str = "accounts";

pub(crate) struct Host {
    directory: PathBuf,
    pub(crate) clock: Clock,
    /// The fixture that its agent reads.
    machine: Arc<Mutex<String>>,
    pub(crate) disk: Arc<Disk>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Host {
    /// A host that is enrolled and does not run yet.
    pub(crate) async fn enrolled(
        directory: &Path,
        server: &str,
        token: &Token,
        machine: &str,
        clock: Clock,
    ) -> Self {
        std::fs::create_dir_all(directory).expect("a directory");
        let host = Self::over(directory, machine, clock);
        let machine_id = directory.join("machine-id");
        let id = evidence::Digest::of(directory.to_string_lossy().as_bytes()).to_string();
        std::fs::write(&machine_id, format!("{}\n", &id[..32])).expect("a machine id");
        let (state, now_ms) = (host.state(), host.clock.now_ms());
        enroll(&state, server, token, &machine_id, now_ms).await.expect("enrolled");
        host
    }

    fn over(directory: &Path, machine: &str, clock: Clock) -> Self {
        Self {
            directory: directory.to_owned(),
            clock,
            machine: Arc::new(Mutex::new(machine.to_owned())),
            disk: Arc::new(Disk::default()),
            running: None,
        }
    }

    /// Another machine with a copy of this one's disk.
    pub(crate) fn copied(&self, directory: &Path) -> Self {
        copy(&self.directory, directory);
        let machine = self.machine.lock().expect("lock").clone();
        Self::over(directory, &machine, self.clock.clone())
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

    /// Starts the agent: `evidenced-agent run`, on a thread of its own.
    pub(crate) fn start(&mut self) {
        let (stop, stopped) = oneshot::channel();
        let (state, clock, disk) = (self.state(), self.clock.clone(), Arc::clone(&self.disk));
        let machine = Arc::clone(&self.machine);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let mut agent = agent(&state, clock, disk, machine);
                agent.serve(async { drop(stopped.await) }).await;
            });
        });
        self.running = Some((stop, thread));
    }

    /// Stops the agent, as a machine that is put to sleep or switched off does.
    pub(crate) async fn stop(&mut self) {
        let Some((stop, thread)) = self.running.take() else { return };
        let _ = stop.send(());
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        joined.expect("a thread").expect("the agent did not panic");
    }
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
