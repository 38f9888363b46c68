//! What check-ins cost the collector: a real `evidenced-collector serve` on loopback, and hosts
//! with keys of their own. Kept-alive and new connections, unchanged and changed states, each
//! beside a bare handler behind the same TLS in the same run; then the pace of a million hosts
//! hourly. Only the server's process is counted. Prints figures; nothing here can fail for being
//! slow.
//!
//!   cargo bench -p evidenced-tests --bench ingest -- [--hosts 200] [--seconds 8] [--store URL]

mod bare;
mod collector;
mod host;
mod measure;

use bare::Bare;
use collector::Collector;
use host::{SimulatedHost, State};
use measure::{argument, memory_mib, percentile, report};
use std::time::{Duration, Instant};

/// A million check-ins an hour, each second.
const PACE: f64 = 1_000_000.0 / 3600.0;

/// What the hosts do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Unchanged,
    /// One kind's facts are new each time: check-in, manifest, facts, check-in.
    Changed,
    /// The same requests to the bare handler.
    Bare,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Connection {
    Kept,
    New,
}

/// What one load did.
struct Load {
    latencies_ms: Vec<f64>,
    wall: Duration,
    cpu: Duration,
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if !argument("--bare", String::new()).is_empty() {
        return bare::serve().await;
    }
    let count: usize = argument("--hosts", 200).clamp(1, 2000);
    let time = Duration::from_secs(argument("--seconds", 8).clamp(1, 12));
    let mut collector = Collector::init(&argument("--store", String::new()));
    let server = collector.serve();
    let state = host::state_of_this_machine();
    let mut hosts = enrolled(&collector, &server, count, &state).await;
    collector.rests().await;

    // First, while the log is short: the collector reads its log again when it starts.
    let changed = {
        let cpu = || collector.cpu();
        load(&cpu, &mut hosts, &state, time, Work::Changed, Connection::Kept, None).await
    };
    let settling = collector.cpu();
    collector.rests().await;
    let judging = (collector.cpu() - settling).as_secs_f64() * 1e6 / changed.count();

    // Only a stopped collector has everything in its file.
    collector.stop();
    let before_bytes = collector.size_bytes();
    let server = collector.serve();
    hosts.iter_mut().for_each(|host| host.server.clone_from(&server));
    let body_bytes = hosts[0].body_bytes();
    let bare = Bare::start(&hosts[0].authorities(), hosts[0].receipt_bytes);
    hosts.iter_mut().for_each(|host| host.knows_bare(&bare.server, &bare.certificate));

    let warm = Duration::from_millis(500);
    let cpu = || collector.cpu();
    let bare_cpu = || bare.cpu();
    let mut unchanged =
        load(&cpu, &mut hosts, &state, warm, Work::Unchanged, Connection::Kept, None).await;
    // Before the saturation, which leaves the collector's own check of its log much to read.
    let paced =
        load(&cpu, &mut hosts, &state, time, Work::Unchanged, Connection::Kept, Some(PACE)).await;
    let kept = load(&cpu, &mut hosts, &state, time, Work::Unchanged, Connection::Kept, None).await;
    let new = load(&cpu, &mut hosts, &state, time, Work::Unchanged, Connection::New, None).await;
    let memory = memory_mib(collector.pid(), "VmHWM").unwrap_or_default();
    let bare_kept =
        load(&bare_cpu, &mut hosts, &state, time, Work::Bare, Connection::Kept, None).await;
    let bare_new =
        load(&bare_cpu, &mut hosts, &state, time, Work::Bare, Connection::New, None).await;
    for load in [&kept, &paced, &new] {
        unchanged.latencies_ms.extend(&load.latencies_ms);
    }
    collector.stop();
    let grown = collector.size_bytes() - before_bytes;
    let disk = grown as f64 / unchanged.latencies_ms.len() as f64;

    let floor_us = bare_kept.each_us() + hosts[0].verification().as_secs_f64() * 1e6;

    println!("ingest: {count} hosts, HTTP/2 with client certificates");
    kept.print("unchanged, kept alive, as fast as answers come", Some(&bare_kept), "≤ 90 µs");
    report("  bare handler and one Ed25519 verification", format!("{floor_us:.0} µs"), "");
    report("  ratio", format!("{:.2}", kept.each_us() / floor_us), "of the budget to its: 2.3");
    new.print("unchanged, a new connection each", Some(&bare_new), "≤ 90 + 300 µs");
    let handshake = new.each_us() - kept.each_us();
    report("  of that the new connection", format!("{handshake:.0} µs"), "budget ≤ 300 µs");
    paced.print("unchanged, kept alive, a million hosts hourly", None, "");
    report("  collector CPU", format!("{:.2} cores", paced.cores()), "budget ≤ 0.5");
    changed.print("changed, kept alive: four requests and what is judged", Some(&bare_kept), "");
    report("  judging what was still queued", format!("{judging:.0} µs"), "");
    report("body of a check-in", format!("{body_bytes} B"), "budget ≤ 600 B");
    report("an unchanged one on disk with its leaf", format!("{disk:.0} B"), "budget ≤ 400 B");
    report("collector, peak RSS", format!("{memory:.0} MiB"), "budget ≤ 1 GiB");
}

impl Load {
    fn count(&self) -> f64 {
        self.latencies_ms.len() as f64
    }

    /// CPU of each, in microseconds.
    fn each_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.count()
    }

    fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    fn print(&self, name: &str, bare: Option<&Self>, budget: &str) {
        println!("  {name}");
        report("  each second", format!("{:.0}", self.count() / self.wall.as_secs_f64()), "");
        let budget = if budget.is_empty() { String::new() } else { format!("budget {budget}") };
        report("  collector CPU of each", format!("{:.0} µs", self.each_us()), &budget);
        if let Some(bare) = bare {
            let (bare_us, ratio) = (bare.each_us(), self.each_us() / bare.each_us());
            report("  bare handler, CPU of each", format!("{bare_us:.0} µs"), "");
            report("  ratio", format!("{ratio:.1}"), "");
        }
        let latency = |share| format!("{:.1} ms", percentile(&self.latencies_ms, share));
        report("  latency, p50 and p99", format!("{}, {}", latency(0.5), latency(0.99)), "");
    }
}

/// Enrols hosts as agents do, and sends their first state whole.
async fn enrolled(
    collector: &Collector,
    server: &str,
    count: usize,
    state: &State,
) -> Vec<SimulatedHost> {
    let token = collector.token(count);
    let mut hosts = Vec::with_capacity(count);
    for _ in 0..count {
        let mut host = SimulatedHost::enrol(server, &token, state).await;
        host.first_check_in(state).await;
        hosts.push(host);
    }
    hosts
}

/// Every host works again and again until `time` is over; at most `pace` a second in all. `cpu`
/// says what the server has used so far.
async fn load(
    cpu: &dyn Fn() -> Duration,
    hosts: &mut [SimulatedHost],
    state: &State,
    time: Duration,
    work: Work,
    connection: Connection,
    pace: Option<f64>,
) -> Load {
    let (cpu_before, start) = (cpu(), Instant::now());
    let until = start + time;
    let between = pace.map(|pace| Duration::from_secs_f64(hosts.len() as f64 / pace));
    let count = hosts.len() as u32;
    let mut tasks = tokio::task::JoinSet::new();
    for (position, host) in hosts.iter_mut().enumerate() {
        let (mut host, state) = (std::mem::take(host), state.clone());
        // Spread over the first round, as jitter spreads hosts.
        let first = between.map_or(start, |between| start + between * position as u32 / count);
        tasks.spawn(async move {
            let (mut latencies, mut next) = (vec![], first);
            while next < until && Instant::now() < until {
                tokio::time::sleep_until(next.into()).await;
                if connection == Connection::New {
                    host.reconnects();
                }
                let sent = Instant::now();
                match work {
                    Work::Unchanged => host.check_in().await,
                    Work::Changed => host.changed_check_in(&state).await,
                    Work::Bare => host.bare_check_in().await,
                }
                latencies.push(sent.elapsed().as_secs_f64() * 1e3);
                next = between.map_or_else(Instant::now, |between| next + between);
            }
            (position, host, latencies)
        });
    }
    let mut latencies_ms = vec![];
    while let Some(done) = tasks.join_next().await {
        let (position, host, latencies) = done.expect("a host");
        hosts[position] = host;
        latencies_ms.extend(latencies);
    }
    let (cpu, wall) = (cpu() - cpu_before, start.elapsed());
    latencies_ms.sort_by(f64::total_cmp);
    Load { latencies_ms, wall, cpu }
}
