//! A day in a minute. Fifty hosts with real agents and a real collector, all in this process and on
//! clocks that pass as fast as everybody can live them; before it, one host has a week without a
//! line. What goes wrong is found, what does not is not, and nothing is lost.
//!
//! Certificates are verified by the machine's own clock, so the day is yesterday.

mod disk;
mod host;
mod line;
mod site;
mod time;

use evidence::wire::Token;
use evidenced_tests::holds;
use host::Host;
use line::{Line, Weather};
use serde_json::Value;
use site::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};
use time::Time;

const DAY: Duration = Duration::from_secs(86_400);
const DAY_MS: i64 = 86_400_000;
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

    fn start(&mut self, name: &str) {
        let now = self.time.now();
        self.host(name).start(now);
    }

    /// Lives until this time of the day.
    async fn at(&mut self, hour: i64, minute: i64) {
        let at_ms = self.midnight_ms + (hour * 60 + minute) * 60_000;
        self.time.pass(at_ms, true, &mut self.hosts).await;
    }
}

/// A host that checked in, lost its line, and went on for a week: it had a second root on the
/// second day, and has one since the sixth.
async fn traveller(site: &mut Site, directory: &Path, token: &Token, time: &Time) -> Host {
    let start_ms = time.now_ms();
    site.serve(time).await;
    let directory = directory.join("traveller");
    let host = Host::enrolled(&directory, &site.server(), token, GOOD, start_ms).await;
    let mut hosts = BTreeMap::from([("traveller".to_owned(), host)]);
    hosts.values_mut().for_each(|host| host.start(time.now()));
    time.pass(start_ms + 60_000, true, &mut hosts).await;
    assert_eq!(hosts["traveller"].waiting(), 0, "{}", hosts["traveller"].trouble());
    assert!(!site.api().items("/api/v1/results").await.is_empty());
    site.stop().await;

    for (days, then) in [(2, two_roots()), (3, GOOD.to_owned()), (6, two_roots())] {
        time.pass(start_ms + days * DAY_MS, false, &mut hosts).await;
        hosts["traveller"].set(&then);
    }
    time.pass(start_ms + 8 * DAY_MS, false, &mut hosts).await;
    let mut host = hosts.remove("traveller").expect("it");
    host.stop().await;
    assert!(host.waiting() > 180, "a week of hours: {}", host.waiting());
    host
}

/// Everyone else, enrolled just before the day begins.
async fn others(
    site: &Site,
    directory: &Path,
    token: &Token,
    line: &Line,
    now_ms: i64,
) -> BTreeMap<String, Host> {
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
        let host = Host::enrolled(&directory.join(&name), &server, token, GOOD, now_ms).await;
        hosts.insert(name, host);
    }
    hosts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_fifty_hosts_shows_the_expected_drifts_and_no_others_and_loses_nothing() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let directory = tempfile::tempdir().expect("a directory");
    let mut site = Site::made(directory.path()).await;
    let token = site.token(60).await;
    // The day begins a little more than a day ago.
    let time = Time::at(SystemTime::now() - 9 * DAY - Duration::from_secs(600));
    let traveller = traveller(&mut site, directory.path(), &token, &time).await;
    let midnight_ms = time.now_ms();

    let line = Line::to(site.agents).await;
    site.serve(&time).await;
    let mut hosts = others(&site, directory.path(), &token, &line, midnight_ms).await;
    for host in hosts.values_mut() {
        host.start(time.now());
    }
    hosts.insert("traveller".to_owned(), traveller);
    assert_eq!(hosts.len(), 50);
    let mut day = Day { hosts, time, midnight_ms };
    live(&mut day, &mut site, &line, directory.path()).await;

    for host in day.hosts.values_mut() {
        host.stop().await;
    }
    nothing_is_lost(&day, &site).await;
    let mut drifts = drifts(&day, &site).await;
    let expected = expected();
    let seen: BTreeSet<_> = drifts.keys().cloned().collect();
    let missing: Vec<_> = expected.difference(&seen).collect();
    drifts.retain(|drift, _| !expected.contains(drift));
    assert!(
        missing.is_empty() && drifts.is_empty(),
        "not seen {missing:#?}, not expected {drifts:#?}"
    );
    site.stop().await;
    let verified: Value =
        serde_json::from_str(&site.cli(&["log", "verify", "--format", "json"]).await)
            .expect("JSON");
    assert_eq!(verified["verified"], true, "{verified}");
}

/// The drifts that there are, and when. Judgement is a job of its own: it has caught up when what
/// it says stays.
async fn drifts(day: &Day, site: &Site) -> BTreeMap<Seen, String> {
    let (names, api) = (names(day), site.api());
    let mut seen = BTreeMap::new();
    holds("judgement has caught up", async || {
        let drifts = api.items("/api/v1/drifts").await;
        let now =
            drifts.iter().map(|drift| (read(drift, &names), at_what_time(drift, day.midnight_ms)));
        let now: BTreeMap<_, _> = now.collect();
        let settled = now == seen;
        seen = now;
        settled
    })
    .await;
    seen
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
    day.start("restored");
    line.set(Weather::Cuts(9_000));
    day.at(4, 30).await;
    line.set(Weather::Fair);
    day.at(5, 0).await;
    day.host("ahead").jump_ms(YEAR_MS);
    day.host("behind").jump_ms(-YEAR_MS);
    day.at(6, 0).await;
    day.start("traveller");
    line.set(Weather::Resets(5_000));
    day.at(6, 30).await;
    line.set(Weather::Fair);
    day.at(7, 15).await;
    day.host("restored").stop().await;
    day.host("restored").restore(&directory.join("backup"));
    day.start("restored");
    day.at(8, 0).await;
    day.start("asleep");
    day.at(9, 0).await;
    day.host("changed").set(GOOD);
    day.at(10, 0).await;
    day.host("ahead").jump_ms(-YEAR_MS);
    day.host("behind").jump_ms(YEAR_MS);
    day.host("denied").set(&denied());
    day.at(11, 0).await;
    day.host("cloned").stop().await;
    let twin = day.host("cloned").copied(&directory.join("twin"));
    day.start("cloned");
    day.hosts.insert("twin".to_owned(), twin);
    day.start("twin");
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

/// From and to which hours of the day it lasted.
fn at_what_time(drift: &Value, midnight_ms: i64) -> String {
    let hour = |key: &str| {
        let at_us = drift[key].as_i64()?;
        let minutes = (at_us / 1000 - midnight_ms).div_euclid(60_000);
        Some(format!("{:02}:{:02}", minutes.div_euclid(60), minutes.rem_euclid(60)))
    };
    format!("{:?} to {:?}", hour("opened_us"), hour("resolved_us"))
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
        let waiting = (host.waiting(), host.trouble());
        assert_eq!(waiting.0, 0, "{name}: {waiting:?}");
        assert_eq!(chain.accepted, chain.prev, "{name}: its last check-in has a receipt");
        let conflicts = ["restored", "cloned", "twin"].contains(&name.as_str());
        assert!(conflicts || host.refused() == 0, "{name}: {}", host.refused());
    }
    let hosts = site.api().items("/api/v1/hosts").await;
    assert_eq!(hosts.len(), 50);
}

fn ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time")
}
