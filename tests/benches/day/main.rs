//! A day in a minute. Fifty hosts with real agents and a real collector, all in this process and on
//! clocks that run 1440 times as fast; before it, one host has a week without a line. What goes
//! wrong is found, what does not is not, and nothing is lost.
//!
//! Prints what was seen and not expected, and the other way round, and exits 1 if anything was. It
//! depends on how fast the machine is, so it stands beside the tests and not among them.
//!
//!   cargo bench -p evidenced-tests --bench day          # after cargo build --release --bins; as root
//!
//! Certificates are verified by the machine's own clock, so the day is yesterday.

mod disk;
mod host;
mod line;
mod site;
mod time;

use evidenced_agent::clock::Clock;
use evidenced_tests::{holds, until};
use host::Host;
use line::{Line, Weather};
use serde_json::Value;
use site::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};
use time::Time;

/// A day in a minute.
const SPEED: u32 = 1440;
const DAY: Duration = Duration::from_secs(86_400);
const YEAR_MS: i64 = 365 * 86_400_000;

const GOOD: &str = include_str!("../../../agent/fixtures/accounts/debian_as_installed.txtar");

/// The host as it should be, with a second root.
fn two_roots() -> String {
    let root = "root:x:0:0:root:/root:/bin/bash\n";
    assert!(GOOD.contains(root));
    let machine = GOOD.replace(root, &format!("{root}toor:x:0:0::/root:/bin/bash\n"));
    let line = "root:*:20000:0:99999:7:::\n";
    machine.replace(line, &format!("{line}toor:*:20000:0:99999:7:::\n"))
}

/// The host as it should be, with a file that the agent may not read.
fn denied() -> String {
    let machine = GOOD.replace("-- /etc/passwd --", "-- /etc/passwd denied --");
    assert_ne!(machine, GOOD);
    machine
}

/// A drift as the day expects it: host, drift, subject, and whether it is over.
type Seen = (String, String, String, bool);

struct Day {
    hosts: BTreeMap<String, Host>,
    time: Time,
    midnight_ms: i64,
}

impl Day {
    fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).unwrap_or_else(|| panic!("no host {name}"))
    }

    /// Waits until this time of the day.
    async fn at(&self, hour: i64, minute: i64) {
        let at_ms = self.midnight_ms + (hour * 60 + minute) * 60_000;
        self.time.until(at_ms).await;
    }
}

/// A host that checked in, lost its line, and went on for a week: it had a second root on the
/// second day, and has one since the sixth.
async fn traveller(site: &mut Site, directory: &Path, token: &evidence::wire::Token) -> Host {
    let start = yesterday() - 8 * DAY;
    site.serve(start).await;
    let (at, server) = (directory.join("traveller"), site.server());
    let mut host = Host::enrolled(&at, &server, token, GOOD, Clock::fast(start, 1)).await;
    host.start();
    let api = site.api();
    holds("its first report", async || !api.items("/api/v1/results").await.is_empty()).await;
    holds("its receipt", async || host.waiting() == 0).await;
    host.stop().await;
    site.stop().await;

    host.clock = Clock::fast(start, 24 * SPEED);
    host.start();
    let day = async |host: &Host, days: u32| {
        let end_ms = ms(start + days * DAY);
        let wait_ms = u64::try_from(end_ms - host.clock.now_ms()).unwrap_or(0);
        host.clock.sleep(Duration::from_millis(wait_ms)).await;
    };
    day(&host, 2).await;
    host.set(&two_roots());
    day(&host, 3).await;
    host.set(GOOD);
    day(&host, 6).await;
    host.set(&two_roots());
    day(&host, 8).await;
    host.stop().await;
    assert!(host.waiting() > 100, "a week of hours: {}", host.waiting());
    host
}

/// Everyone else, enrolled just before the day begins.
async fn others(
    site: &mut Site,
    directory: &Path,
    token: &evidence::wire::Token,
    line: &Line,
) -> BTreeMap<String, Host> {
    let start = yesterday();
    site.serve(start).await;
    let roles = ["changed", "denied", "asleep", "ahead", "behind", "restored", "cloned", "revoked"];
    let roles = roles.into_iter().chain(["full"]).map(str::to_owned);
    let behind = (0..10).map(|number| format!("line-{number}"));
    let quiet = (0..30).map(|number| format!("quiet-{number:02}"));
    let mut hosts = BTreeMap::new();
    for name in roles.chain(behind).chain(quiet) {
        let server = match name.starts_with("line-") {
            true => format!("https://{}", line.address),
            false => site.server(),
        };
        let clock = Clock::fast(start, 1);
        let host = Host::enrolled(&directory.join(&name), &server, token, GOOD, clock).await;
        hosts.insert(name, host);
    }
    site.stop().await;
    hosts
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> std::process::ExitCode {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let directory = tempfile::tempdir().expect("a directory");
    let mut site = Site::made(directory.path()).await;
    let token = site.token(60).await;
    let traveller = traveller(&mut site, directory.path(), &token).await;
    let line = Line::to(site.agents).await;
    let mut hosts = others(&mut site, directory.path(), &token, &line).await;
    hosts.insert("traveller".to_owned(), traveller);
    assert_eq!(hosts.len(), 50);

    let midnight = yesterday();
    let mut time = Time::at(midnight, SPEED);
    site.serve_by(time.for_collector()).await;
    for host in hosts.values_mut() {
        host.clock = time.for_agents();
    }
    time.pass(site.api());
    let mut day = Day { hosts, time, midnight_ms: ms(midnight) };
    for (name, host) in &mut day.hosts {
        if name != "traveller" {
            host.start();
        }
    }
    live(&mut day, &mut site, &line, directory.path()).await;

    // From here on time passes as it does, so that the last hour can be delivered.
    let end = midnight + DAY;
    day.time.stop();
    for host in day.hosts.values_mut() {
        host.stop().await;
    }
    site.stop().await;
    site.serve(end).await;
    for host in day.hosts.values_mut() {
        host.clock = Clock::fast(end, 1);
        host.start();
    }
    delivered(&day).await;
    for host in day.hosts.values_mut() {
        host.stop().await;
    }
    let names = names(&day);
    // Judgement is a job of its own: it ends when what it says is what is expected, or never.
    let api = site.api();
    let mut seen = BTreeSet::new();
    holds("judgement has caught up", async || {
        let drifts = api.items("/api/v1/drifts").await;
        let now = drifts.iter().map(|drift| read(drift, &names)).collect();
        let settled = now == seen;
        seen = now;
        settled
    })
    .await;
    let told = api.items("/api/v1/drifts").await;
    let expected = expected();
    println!("day: {} drifts seen, {} expected", seen.len(), expected.len());
    for missing in expected.difference(&seen) {
        println!("  expected and not seen: {missing:?}");
    }
    for drift in told.iter().filter(|drift| !expected.contains(&read(drift, &names))) {
        let at = at_what_time(drift, &names, day.midnight_ms);
        println!("  seen and not expected: {at}");
    }
    nothing_is_lost(&day, &site).await;
    site.stop().await;
    let verified: Value =
        serde_json::from_str(&site.cli(&["log", "verify", "--format", "json"]).await)
            .expect("JSON");
    assert_eq!(verified["verified"], true, "{verified}");
    println!("  nothing is lost; the log holds: {} check-ins", verified["check_ins"]);
    if seen == expected { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}

/// Waits until nothing waits, but on the host that is refused.
async fn delivered(day: &Day) {
    let mut looks = 0;
    let late = until("everything is delivered", async || {
        let hosts =
            day.hosts.iter().filter(|(name, host)| *name != "revoked" && host.waiting() > 0);
        let late: Vec<_> = hosts.map(|(name, host)| (name.clone(), host.trouble())).collect();
        looks += 1;
        (late.is_empty() || looks > 400).then_some(late)
    })
    .await;
    assert!(late.is_empty(), "not delivered: {late:#?}");
}

/// What happens, hour by hour.
async fn live(day: &mut Day, site: &mut Site, line: &Line, directory: &Path) {
    day.at(2, 0).await;
    day.host("asleep").stop().await;
    day.at(3, 0).await;
    day.host("changed").set(&two_roots());
    line.set(Weather::Slow(Duration::from_millis(30)));
    day.at(4, 0).await;
    let restored = day.host("restored");
    // All of it at one moment, as a snapshot of a virtual machine.
    restored.stop().await;
    restored.back_up(&directory.join("backup"));
    restored.start();
    line.set(Weather::Cuts(9_000));
    day.at(4, 30).await;
    line.set(Weather::Fair);
    day.at(5, 0).await;
    day.host("ahead").clock.jump_ms(YEAR_MS);
    day.host("behind").clock.jump_ms(-YEAR_MS);
    day.at(6, 0).await;
    day.host("traveller").start();
    line.set(Weather::Resets(5_000));
    day.at(6, 30).await;
    line.set(Weather::Fair);
    day.at(7, 15).await;
    day.host("restored").stop().await;
    day.host("restored").restore(&directory.join("backup"));
    day.host("restored").start();
    day.at(8, 0).await;
    day.host("asleep").start();
    day.at(9, 0).await;
    day.host("changed").set(GOOD);
    day.at(10, 0).await;
    day.host("ahead").clock.jump_ms(-YEAR_MS);
    day.host("behind").clock.jump_ms(YEAR_MS);
    day.host("denied").set(&denied());
    day.at(11, 0).await;
    day.host("cloned").stop().await;
    let twin = day.host("cloned").copied(&directory.join("twin"));
    day.host("cloned").start();
    day.hosts.insert("twin".to_owned(), twin);
    day.host("twin").start();
    day.at(12, 0).await;
    let revoked = day.host("revoked").id();
    site.cli(&["hosts", "revoke", &revoked]).await;
    day.at(13, 0).await;
    day.host("full").disk.set_full(true);
    line.set(Weather::Resets(0));
    day.at(13, 30).await;
    line.set(Weather::Fair);
    day.host("full").disk.set_full(false);
    day.at(14, 0).await;
    day.host("denied").set(GOOD);
    day.at(16, 0).await;
    site.set_full(true);
    day.at(16, 45).await;
    site.set_full(false);
    day.at(24, 0).await;
}

/// The drifts of the day, and no others.
fn expected() -> BTreeSet<Seen> {
    let row = |(host, drift, subject, over): (&str, &str, &str, bool)| {
        (host.to_owned(), drift.to_owned(), subject.to_owned(), over)
    };
    let second_root = ["acc-system-nologin", "acc-uid0-only-root", "acc-unique-uid"];
    let regressions = second_root.into_iter().flat_map(|rule| {
        // The traveller had a second root for a day, and has one again.
        let traveller = [false, true].map(|over| ("traveller", "regression", rule, over));
        [("changed", "regression", rule, true)].into_iter().chain(traveller)
    });
    let others = [
        ("denied", "evidence_lost", "accounts", true),
        ("asleep", "not_reporting", "", true),
        ("traveller", "not_reporting", "", true),
        ("revoked", "not_reporting", "", false),
        // Clocks that are right again.
        ("ahead", "integrity_anomaly", "", true),
        ("behind", "integrity_anomaly", "", true),
        ("restored", "integrity_anomaly", "", false),
        // A new chain, until the old one went on too: then two machines, until a person acts.
        ("cloned", "integrity_anomaly", "", true),
        ("cloned", "integrity_anomaly", "", false),
    ];
    others.into_iter().chain(regressions).map(row).collect()
}

fn names(day: &Day) -> BTreeMap<String, String> {
    // A copy has the name of what it was copied from.
    day.hosts
        .iter()
        .filter(|(name, _)| *name != "twin")
        .map(|(n, host)| (host.id(), n.clone()))
        .collect()
}

/// A drift with its hours of the day, for whoever has to find out why it is there.
fn at_what_time(drift: &Value, names: &BTreeMap<String, String>, midnight_ms: i64) -> String {
    let hour = |key: &str| {
        let at_us = drift[key].as_i64()?;
        let minutes = (at_us / 1000 - midnight_ms).div_euclid(60_000);
        Some(format!("{:02}:{:02}", minutes.div_euclid(60), minutes.rem_euclid(60)))
    };
    let seen = read(drift, names);
    format!("{seen:?} {:?} to {:?}", hour("opened_us"), hour("resolved_us"))
}

fn read(drift: &Value, names: &BTreeMap<String, String>) -> Seen {
    let word = |key: &str| drift[key].as_str().unwrap_or_default().to_owned();
    let subject = [word("rule"), word("kind")].concat();
    let host = names.get(&word("host")).cloned().unwrap_or_else(|| word("host"));
    (host, word("drift"), subject, word("state") == "resolved")
}

/// Every check-in that a host signed is in the log, but for those that another with the same number
/// came before; every chain is whole.
async fn nothing_is_lost(day: &Day, site: &Site) {
    for (name, host) in &day.hosts {
        let chain = host.chain();
        if name == "revoked" {
            assert!(host.waiting() > 0, "what is refused is kept");
            continue;
        }
        assert_eq!(chain.accepted, chain.prev, "{name}: its last check-in has a receipt");
        let conflicts = ["restored", "cloned", "twin"].contains(&name.as_str());
        assert!(conflicts || host.refused() == 0, "{name}: {}", host.refused());
    }
    let hosts = site.api().items("/api/v1/hosts").await;
    assert_eq!(hosts.len(), 50);
}

/// The day begins a little more than a day ago.
fn yesterday() -> SystemTime {
    SystemTime::now() - DAY - Duration::from_secs(600)
}

fn ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time")
}
