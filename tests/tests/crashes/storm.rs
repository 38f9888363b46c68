//! Agents that report without a pause, and kills at random moments.

use evidence::Digest;
use evidenced_tests::{Agent, Api, Collector, Random, Root, holds, postgres, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

const AGENTS: usize = 3;
/// A kill falls within this time after its victim began its work: a report takes as long, and a
/// collector is at work by then.
const AGENT_LIFE_MS: usize = 700;
const COLLECTOR_LIFE_MS: usize = 700;
/// Every so many kills of the collector or its database, the log has to grow first. So it is known
/// that a collector comes back by itself, and what it took stands before the next kill.
const GROWS_EVERY: usize = 3;

/// How many of each are killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kills {
    pub(crate) agent: usize,
    pub(crate) collector: usize,
    pub(crate) database: usize,
}

pub(crate) struct Storm {
    collector: Collector,
    kills: Kills,
    random: Random,
    agents: Vec<JoinHandle<Host>>,
    agent_kills_left: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

/// A host of the storm.
pub(crate) struct Host {
    pub(crate) agent: Agent,
    root: Root,
    random: Random,
    /// Check-ins that a receipt named, as the agent kept them.
    pub(crate) receipts: BTreeSet<Digest>,
}

impl Storm {
    #[expect(clippy::print_stderr, reason = "a failed test says how to repeat it")]
    pub(crate) async fn new(collector: Collector, kills: Kills) -> Self {
        let seed = std::env::var("EVIDENCED_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("EVIDENCED_SEED={seed}");
        let mut random = Random::new(seed);
        let agent_kills_left = Arc::new(AtomicUsize::new(kills.agent));
        let over = Arc::new(AtomicBool::new(false));
        let mut agents = Vec::new();
        for _ in 0..AGENTS {
            let root = Root::debian();
            let agent = Agent::enrolled(&collector).await.root(&root);
            let random = Random::new(random.number());
            let host = Host { agent, root, random, receipts: BTreeSet::new() };
            let (left, over) = (Arc::clone(&agent_kills_left), Arc::clone(&over));
            agents.push(tokio::spawn(host.reports_on(left, over)));
        }
        Self { collector, kills, random, agents, agent_kills_left, over }
    }

    /// Until every kill was one.
    pub(crate) async fn rages(&mut self) {
        let Kills { mut collector, mut database, .. } = self.kills;
        let mut size = self.log_size().await.expect("a collector that nobody killed");
        while collector + database > 0 {
            if (collector + database).is_multiple_of(GROWS_EVERY) {
                let grown = async || self.log_size().await.filter(|now| *now > size);
                size = until("a collector that is at work again", grown).await;
            }
            moment(&mut self.random, COLLECTOR_LIFE_MS).await;
            if self.random.below(collector + database) < collector {
                collector -= 1;
                self.collector.kill();
                self.collector.restart().await;
            } else {
                database -= 1;
                let restarted = tokio::task::spawn_blocking(postgres::kill_and_restart);
                restarted.await.expect("PostgreSQL");
            }
        }
        let left = Arc::clone(&self.agent_kills_left);
        holds("the last kills of agents", async || left.load(Ordering::Relaxed) == 0).await;
    }

    /// Leaves of the log; none while the store cannot be asked, which is said as 503.
    async fn log_size(&self) -> Option<u64> {
        let answer = self.collector.api().get("/api/v1/log/checkpoint").await;
        match answer.status {
            200 => answer.json()["size"].as_u64(),
            503 => None,
            status => panic!("{status}: {}", answer.body),
        }
    }

    /// Everybody finishes what is waiting, and is in order in the end.
    pub(crate) async fn calms(self) -> (Collector, Vec<Host>) {
        self.over.store(true, Ordering::Relaxed);
        let mut hosts = Vec::new();
        for agent in self.agents {
            let mut host = agent.await.expect("a host");
            host.recover();
            host.agent.reports().await;
            assert_eq!(host.agent.waiting(), Vec::<String>::new());
            host.keep_receipt();
            hosts.push(host);
        }
        let api = self.collector.api();
        let open = |host: &Host| format!("/api/v1/drifts?state=open&host={}", host.agent.host());
        // What was over before anybody looked is alerted to nobody; what stands has to be.
        for host in &mut hosts {
            host.degrade();
            host.agent.reports().await;
            let path = open(host);
            holds("a drift", async || !api.items(&path).await.is_empty()).await;
            host.recover();
            host.agent.reports().await;
            host.keep_receipt();
        }
        for host in &hosts {
            let path = open(host);
            holds("the end of every drift", async || api.items(&path).await.is_empty()).await;
        }
        holds("every delivery", async || is_told(&api).await).await;
        (self.collector, hosts)
    }
}

/// Whether every alert is over, or flaps, which takes hours to end, and every step that is always
/// told was delivered.
async fn is_told(api: &Api) -> bool {
    let mut steps = BTreeSet::new();
    for alert in api.items("/api/v1/alerts").await {
        if alert["state"] != "resolved" && alert["flapping"] != true {
            return false;
        }
        let path = format!("/api/v1/alerts/{}", alert["id"].as_str().expect("an id"));
        let whole = api.document(&path).await;
        for step in whole["events"].as_array().expect("steps") {
            let always = ["opened", "reopened", "flapping", "resolved"];
            if step["event"].as_str().is_some_and(|event| always.contains(&event)) {
                steps.insert(step["id"].to_string());
            }
        }
    }
    let waiting = api.items("/api/v1/deliveries?state=waiting").await;
    let delivered = api.items("/api/v1/deliveries?state=delivered").await;
    let delivered: BTreeSet<_> = delivered.iter().map(|d| d["event"].to_string()).collect();
    waiting.is_empty() && steps.is_subset(&delivered)
}

impl Host {
    async fn reports_on(mut self, left: Arc<AtomicUsize>, over: Arc<AtomicBool>) -> Self {
        let mut bad = false;
        while !over.load(Ordering::Relaxed) {
            bad = !bad;
            if bad {
                self.degrade()
            } else {
                self.recover()
            }
            let mut command = self.agent.report_command();
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().expect("the agent starts");
            let dies = left.load(Ordering::Relaxed) > 0;
            let life = dies.then(|| self.random.below(AGENT_LIFE_MS));
            let killed = ends(child, life.map(|ms| Duration::from_millis(ms as u64))).await;
            if killed {
                let one_less = |left: usize| left.checked_sub(1);
                let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
            }
            self.keep_receipt();
        }
        self
    }

    /// A second superuser: rules that passed fail.
    fn degrade(&self) {
        self.root.append("etc/passwd", "toor:x:0:0:Toor:/root:/bin/bash\n");
    }

    fn recover(&self) {
        let passwd = self.root.read("etc/passwd");
        let lines = passwd.lines().filter(|line| !line.starts_with("toor:"));
        self.root.write("etc/passwd", &lines.map(|line| format!("{line}\n")).collect::<String>());
    }

    fn keep_receipt(&mut self) {
        // A killed agent may not have begun its chain.
        let Ok(bytes) = std::fs::read(self.agent.state().join("chain.json")) else { return };
        let chain: Value = serde_json::from_slice(&bytes).expect("a whole file, whatever happened");
        let accepted = chain["accepted"].as_str();
        self.receipts.extend(accepted.map(|id| id.parse::<Digest>().expect("a digest")));
    }
}

/// Waits for a moment, up to `most_ms`. A kill is not waited for by what happens: that it falls
/// anywhere is what is tried.
async fn moment(random: &mut Random, most_ms: usize) {
    let until = Instant::now() + Duration::from_millis(random.below(most_ms) as u64);
    tokio::time::sleep_until(until).await;
}

/// The end of an agent: its own, or after `life` by SIGKILL. Whether it was killed.
async fn ends(mut child: Child, life: Option<Duration>) -> bool {
    let deadline = life.map(|life| Instant::now() + life);
    let mut ticks = interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if child.try_wait().expect("a child of ours").is_some() {
            return false;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            child.kill().expect("killed");
            let status = child.wait().expect("ended");
            return status.code().is_none();
        }
        ticks.tick().await;
    }
}
