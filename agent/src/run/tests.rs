//! Days of an agent whose collector is away, in paused time.

use super::*;
use crate::durable::{Disk, RealDisk};
use crate::identity::{Identity, StateDir};
use crate::schedule::Schedule;
use crate::spool::Limits;
use crate::watch::Pace;
use evidence::wire::TrustBundle;
use evidence::{ChainId, Facts, SignedCheckIn};
use serde_json::json;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

const HOUR: Duration = Duration::from_secs(3600);
const YEAR_MS: i64 = 365 * 86_400_000;

/// Keeps every check-in with the moment it was written, by a clock that nobody sets.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(Instant, SignedCheckIn)>>>);

impl Disk for Notes {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if path.extension().is_some_and(|extension| extension == "checkin") {
            let signed = SignedCheckIn::from_bytes(bytes).expect("check-in");
            self.0.lock().expect("lock").push((Instant::now(), signed));
        }
        RealDisk.write(path, bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
}

struct Host {
    directory: tempfile::TempDir,
    clock: Clock,
    notes: Notes,
    schedules: Vec<(&'static str, &'static str)>,
}

impl Host {
    /// A host whose collector cannot be reached, at 2026-11-22 12:00 UTC.
    fn new(schedules: &[(&'static str, &'static str)]) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self {
            directory: tempfile::tempdir().expect("directory"),
            clock: Clock::fast(UNIX_EPOCH + Duration::from_secs(1_795_348_800), 1),
            notes: Notes::default(),
            schedules: schedules.to_vec(),
        }
    }

    fn start(&self) -> Agent {
        let state = StateDir::create(self.directory.path()).expect("state");
        let tls = rcgen::generate_simple_self_signed(["host".to_owned()]).expect("certificate");
        state.write("tls.crt", tls.cert.pem().as_bytes()).expect("written");
        state.write("tls.key", tls.signing_key.serialize_pem().as_bytes()).expect("written");
        let host = HostId::from_parts(1, 1);
        let trust = TrustBundle { authorities: vec![tls.cert.pem()], log_keys: vec![] };
        let server = "https://127.0.0.1:1".to_owned();
        let identity = Identity { host, server, trust, enrolled_at_ms: 0 };
        let (key, _) = SigningKey::generate().expect("key");
        let limits = Limits { max_size: 1 << 30, max_age: Duration::from_secs(1 << 30) };
        let disk = Arc::new(self.notes.clone());
        let spool = Spool::open(state.path(), disk, &key.public(), limits, ChainId::generate());
        let parse = |(kind, text): &(&str, &str)| {
            ((*kind).to_owned(), text.parse::<Schedule>().expect("schedule"))
        };
        let schedules = self.schedules.iter().map(parse).collect();
        Agent::new(Parts {
            host,
            key,
            spool: spool.expect("spool"),
            shipper: Shipper::new(&state, &identity, Duration::from_secs(20)).expect("shipper"),
            backoff: Backoff::new(HOUR, HOUR),
            plan: Plan::new(host, schedules, HOUR, Duration::from_secs(60)),
            gather: Arc::new(|kind| Collected {
                status: Status::Ok,
                facts: Some(Facts::new(kind, 1, json!({ "value": 1 })).expect("facts")),
                sources: vec![],
                unread: vec![],
            }),
            clock: self.clock.clone(),
        })
    }

    /// Every check-in that was made: seconds since the first, and what it says.
    fn made(&self) -> Vec<(u64, SignedCheckIn)> {
        let notes = self.notes.0.lock().expect("lock");
        let first = notes[0].0;
        notes.iter().map(|(at, signed)| ((*at - first).as_secs(), signed.clone())).collect()
    }
}

/// No promise is broken by more than a second, nothing comes in bursts, and every kind is told.
fn assert_steady(made: &[(u64, SignedCheckIn)], kinds: &[&str]) {
    for pair in made.windows(2) {
        let gap_s = pair[1].0 - pair[0].0;
        let promised_s = pair[0].1.check_in.next_due_s as u64;
        assert!(gap_s <= promised_s, "{gap_s} s, promised {promised_s} s");
        assert!(promised_s <= 3600 + 60, "{promised_s}");
    }
    let crowded = made.windows(4).find(|four| four[3].0 - four[0].0 < 60);
    assert!(crowded.is_none(), "a burst: {crowded:?}");
    for kind in kinds {
        let told = made.iter().filter(|(_, it)| it.check_in.collected.contains_key(*kind));
        let told: Vec<_> = told.map(|(at_s, _)| *at_s).collect();
        let widest = told.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX);
        assert!(widest <= 2 * 3600 + 60, "{kind}: {widest} s without");
        let last = made.last().expect("check-ins").0;
        assert!(last - told.last().expect("told") <= 2 * 3600, "{kind}: silent at the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_by_a_year_neither_silences_the_host_nor_makes_it_burst() {
    let kinds = ["a", "b"];
    for jumps in [vec![YEAR_MS], vec![-YEAR_MS], vec![YEAR_MS, -YEAR_MS], vec![-1_800_000, 7]] {
        let host = Host::new(&[("a", "0 * * * *"), ("b", "*/30 * * * *")]);
        let mut agent = host.start();
        agent.serve(host.clock.sleep(5 * HOUR + HOUR / 3)).await;
        for by_ms in &jumps {
            host.clock.jump_ms(*by_ms);
            agent.serve(host.clock.sleep(6 * HOUR)).await;
        }
        let made = host.made();
        assert_steady(&made, &kinds);
        let hours = 5 + 6 * jumps.len();
        assert!((hours * 2..hours * 4 + 4).contains(&made.len()), "{jumps:?}: {}", made.len());
        // Nothing that was gathered now is said to be old.
        let ages = made.iter().flat_map(|(_, it)| it.check_in.collected.values());
        assert!(ages.into_iter().all(|age_s| *age_s <= 1), "{jumps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_to_and_fro_all_the_time_keeps_the_pace() {
    let host = Host::new(&[("a", "0 * * * *")]);
    let mut agent = host.start();
    for round in 0..200 {
        host.clock.jump_ms(if round % 2 == 0 { YEAR_MS } else { -YEAR_MS });
        agent.serve(host.clock.sleep(Duration::from_secs(97))).await;
    }
    assert_steady(&host.made(), &["a"]);
}

#[tokio::test(start_paused = true)]
async fn runs_missed_while_the_machine_slept_are_caught_up_once() {
    let host = Host::new(&[("a", "0 * * * *"), ("daily", "0 3 * * *")]);
    let mut agent = host.start();
    agent.serve(host.clock.sleep(HOUR / 2)).await;
    let before = host.made().len();
    // Three days of sleep: the monotonic clock stood still.
    host.clock.jump_ms(3 * 86_400_000);
    agent.serve(host.clock.sleep(Duration::from_secs(120))).await;
    let made = host.made();
    let after: Vec<_> = made[before..].iter().map(|(_, it)| it.check_in.collected.len()).collect();
    assert_eq!(after, [2], "both kinds, in one check-in, once");
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_start_under_a_clock_that_was_set_back_is_told_at_once() {
    let host = Host::new(&[("a", "0 * * * *")]);
    host.start().serve(host.clock.sleep(HOUR / 10)).await;
    host.clock.jump_ms(-YEAR_MS);
    let mut agent = host.start();
    agent.serve(host.clock.sleep(HOUR * 3)).await;
    assert!(host.made().len() >= 4, "{}", host.made().len());
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_told_soon_and_a_second_time_only_after_the_pause() {
    let host = Host::new(&[("accounts", "0 * * * *"), ("sudo", "0 * * * *")]);
    let root = tempfile::tempdir().expect("root");
    std::fs::create_dir(root.path().join("etc")).expect("made");
    let passwd = root.path().join("etc/passwd");
    let mut agent = host.start();
    let pace = Pace { settle: Duration::from_secs(3), at_most_every: Duration::from_secs(60) };
    let kinds = agent.plan.kinds();
    agent.heed_changes(Watch::start(root.path(), &kinds, pace, host.clock.clone()));
    agent.serve(host.clock.sleep(HOUR / 3)).await;
    let before = host.made().len();
    let told = || -> Vec<_> {
        let made = host.made();
        made[before..].iter().map(|(_, it)| it.check_in.collected.clone()).collect()
    };
    std::fs::write(&passwd, "one").expect("written");
    agent.serve(host.clock.sleep(Duration::from_secs(10))).await;
    assert_eq!(told().len(), 1, "within ten seconds");
    std::fs::write(&passwd, "two").expect("written");
    agent.serve(host.clock.sleep(Duration::from_secs(40))).await;
    assert_eq!(told().len(), 1, "not within the same minute");
    agent.serve(host.clock.sleep(Duration::from_secs(40))).await;
    assert_eq!(told().len(), 2, "but after it");
    assert!(told().iter().all(|kinds| kinds.keys().eq(["accounts"])), "{:?}", told());
}
