//! What a check-in costs the collector: a real `evidenced-collector serve` on loopback, and hosts
//! with keys of their own that check in an unchanged state, first as fast as answers come, then at
//! the pace of a million hosts hourly. Prints figures; nothing here can fail for being slow.
//!
//!   cargo bench -p evidenced-tests --bench ingest -- [--hosts 200] [--seconds 8] [--store URL]

mod collector;
mod host;
mod measure;

use collector::Collector;
use host::SimulatedHost;
use measure::{argument, memory_mib, percentile, report};
use std::time::{Duration, Instant};

/// A million check-ins an hour, each second.
const PACE: f64 = 1_000_000.0 / 3600.0;

/// What one load did.
struct Load {
    latencies_ms: Vec<f64>,
    wall: Duration,
    cpu: Duration,
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let count: usize = argument("--hosts", 200).clamp(1, 2000);
    let seconds: u64 = argument("--seconds", 8).clamp(1, 12);
    let mut collector = Collector::init(&argument("--store", String::new()));
    let server = collector.serve();
    let mut hosts = enrolled(&collector, &server, count).await;
    collector.rests().await;

    // Only a stopped collector has everything in its file.
    collector.stop();
    let before_bytes = collector.size_bytes();
    let server = collector.serve();
    hosts.iter_mut().for_each(|host| host.server.clone_from(&server));
    let body_bytes = hosts[0].body_bytes();
    let warm = load(&collector, &mut hosts, Duration::from_millis(500), None).await;
    let full = load(&collector, &mut hosts, Duration::from_secs(seconds), None).await;
    let paced = load(&collector, &mut hosts, Duration::from_secs(seconds), Some(PACE)).await;
    let memory = memory_mib(collector.pid(), "VmHWM").unwrap_or_default();
    collector.stop();
    let check_ins: usize = [&warm, &full, &paced].iter().map(|load| load.latencies_ms.len()).sum();
    let disk = (collector.size_bytes() - before_bytes) as f64 / check_ins as f64;

    println!("ingest: {count} hosts, kept-alive HTTP/2 with client certificates, unchanged state");
    full.print("as fast as answers come");
    paced.print("a million hosts hourly");
    report("body of a check-in", format!("{body_bytes} B"), "budget ≤ 600 B");
    report("on disk with its leaf", format!("{disk:.0} B"), "budget ≤ 400 B");
    report("collector, peak RSS", format!("{memory:.0} MiB"), "");
}

impl Load {
    fn print(&self, name: &str) {
        let count = self.latencies_ms.len() as f64;
        println!("  {name}");
        let rate = count / self.wall.as_secs_f64();
        report("  check-ins", format!("{rate:.0} /s"), "");
        let cpu = self.cpu.as_secs_f64() * 1e6 / count;
        report("  collector CPU per check-in", format!("{cpu:.0} µs"), "budget ≤ 90 µs");
        let share = self.cpu.as_secs_f64() / self.wall.as_secs_f64();
        report("  collector CPU", format!("{share:.2} cores"), "budget ≤ 0.5 at a million hourly");
        let latency = |share| format!("{:.1} ms", percentile(&self.latencies_ms, share));
        report("  latency, p50", latency(0.5), "");
        report("  latency, p99", latency(0.99), "");
    }
}

/// Enrols hosts as agents do, and sends their first state whole.
async fn enrolled(collector: &Collector, server: &str, count: usize) -> Vec<SimulatedHost> {
    let token = collector.token(count);
    let state = host::state_of_this_machine();
    let mut hosts = Vec::with_capacity(count);
    for _ in 0..count {
        let mut host = SimulatedHost::enrol(server, &token, &state).await;
        host.first_check_in(&state).await;
        hosts.push(host);
    }
    hosts
}

/// Every host checks in again and again until `time` is over; at most `pace` a second in all.
async fn load(
    collector: &Collector,
    hosts: &mut [SimulatedHost],
    time: Duration,
    pace: Option<f64>,
) -> Load {
    let (cpu, start) = (collector.cpu(), Instant::now());
    let until = start + time;
    let between = pace.map(|pace| Duration::from_secs_f64(hosts.len() as f64 / pace));
    let count = hosts.len() as u32;
    let mut tasks = tokio::task::JoinSet::new();
    for (position, host) in hosts.iter_mut().enumerate() {
        let mut host = std::mem::take(host);
        // Spread over the first round, as jitter spreads hosts.
        let first = between.map_or(start, |between| start + between * position as u32 / count);
        tasks.spawn(async move {
            let (mut latencies, mut next) = (vec![], first);
            while next < until && Instant::now() < until {
                tokio::time::sleep_until(next.into()).await;
                let sent = Instant::now();
                host.check_in().await;
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
    let (cpu, wall) = (collector.cpu() - cpu, start.elapsed());
    latencies_ms.sort_by(f64::total_cmp);
    Load { latencies_ms, wall, cpu }
}
