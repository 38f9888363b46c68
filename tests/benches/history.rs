//! What history costs: simulated years of a fleet that reports hourly, with change as real hosts have
//! it (apt's timers and logins move most of them daily, the rest now and then). Prints bytes per
//! check-in and per host-year, and how long a question of the past takes at the start, in the middle
//! and at the end. `HISTORY_HOSTS=1000 HISTORY_DAYS=730` is the whole measure; without them it is a
//! small one. `--store postgres://…` takes that database.

#[path = "history/fleet.rs"]
mod fleet;
mod measure;

use evidenced_collector::active::Active;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::clock::Clock;
use evidenced_collector::judge::{Judge, RuleSet};
use evidenced_collector::judgement::Worker;
use evidenced_collector::moment::Moment;
use evidenced_collector::overview::{self, Limits};
use evidenced_collector::store::Store;
use fleet::{DAY_S, Fleet, START_S};
use measure::{argument, median, report};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::sync::Notify;

/// How often each question is asked.
const RUNS: usize = 5;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("runtime").block_on(measured());
}

async fn measured() {
    let (hosts, days) = (number("HISTORY_HOSTS", 20), number("HISTORY_DAYS", 60));
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("evidence.db");
    let url = argument("--store", format!("sqlite:{}", file.display()));
    let store = Store::open(&url).await.expect("store");
    let catalogue = Catalogue::builtin().expect("catalogue");
    let rules = Arc::new(RuleSet::builtin(&catalogue).expect("rules"));
    store.activate_rules(rules.id(), rules.sources(), "operator", 0).await.expect("rules");
    let active = Active::from(Arc::new(Judge::new(Arc::clone(&rules))));
    let mut fleet = Fleet::enrolled(&store, hosts).await;
    let (mut changed, began) = (0, Instant::now());
    for day in 0..days {
        for hour in 0..24 {
            changed += fleet.report(&store, day, hour).await;
        }
        let now_s = START_S + (day as i64 + 1) * DAY_S - 1;
        let clock = Clock::fast(UNIX_EPOCH + Duration::from_secs(now_s.unsigned_abs()), 1);
        let told = Arc::new(Notify::new());
        Worker::new(store.clone(), active.clone(), clock, told).drain().await.expect("judged");
    }
    let check_ins = hosts * days * 24;
    println!(
        "history: {hosts} hosts hourly for {days} days: {check_ins} check-ins, {changed} with a \
         change, in {:.0} s",
        began.elapsed().as_secs_f64()
    );
    let bytes = bytes(&file);
    let unchanged = unchanged(&store, &mut fleet, days, hosts).await;
    let figure = |value: Option<f64>| match value {
        Some(bytes) => format!("{bytes:.0} bytes"),
        None => "not measured on this store".to_owned(),
    };
    report("an unchanged check-in on disk", figure(unchanged), "≤ 400 bytes");
    let year = bytes.map(|bytes| bytes as f64 / hosts as f64 * 365.0 / days as f64);
    report(
        "a host-year on disk",
        year.map_or(figure(None), |b| format!("{:.1} MB", b / 1e6)),
        "no budget",
    );
    ask(&store, &rules, &catalogue, days).await;
    store.close().await;
}

/// Bytes of the database, once what waits beside it is in it.
fn bytes(file: &Path) -> Option<u64> {
    let parts = ["", "-wal"].map(|end| format!("{}{end}", file.display()));
    let sizes: Vec<u64> =
        parts.iter().filter_map(|part| std::fs::metadata(part).ok()).map(|m| m.len()).collect();
    (!sizes.is_empty()).then(|| sizes.iter().sum())
}

/// What a check-in that says nothing new takes: the growth over many, without another change.
async fn unchanged(store: &Store, fleet: &mut Fleet, days: usize, hosts: usize) -> Option<f64> {
    // Pages of the database fill one after another: enough of them that one more does not count.
    let rounds = 20_000_usize.div_ceil(hosts);
    let before = store.pages_for_testing().await?;
    for hour in 0..rounds {
        fleet.repeat(store, days, hour).await;
    }
    let grown = store.pages_for_testing().await? - before;
    Some(grown as f64 / (rounds * hosts) as f64)
}

async fn ask(store: &Store, rules: &RuleSet, catalogue: &Catalogue, days: usize) {
    let limits = Limits::default();
    let last = days as i64 - 1;
    for (what, day) in [("start", 0), ("middle", last / 2), ("end", last)] {
        let at_us = (START_S + day * DAY_S + DAY_S / 2) * 1_000_000;
        let now = store.moment(at_us, None).await.expect("store").expect("moment");
        let then = store.moment(at_us, Some(evidenced_collector::moment::Known::At(at_us))).await;
        let then = then.expect("store").expect("moment");
        for (known, moment) in [("now", now), ("then", then)] {
            let spent = questions(store, rules, catalogue, &limits, &moment).await;
            let what = format!("all hosts and controls at the {what}, as known {known}");
            report(&what, format!("{spent:.0} ms"), "≤ 1 s, flat");
        }
    }
}

async fn questions(
    store: &Store,
    rules: &RuleSet,
    catalogue: &Catalogue,
    limits: &Limits,
    moment: &Moment,
) -> f64 {
    let mut spent = vec![];
    for _ in 0..RUNS {
        let begun = Instant::now();
        let found = overview::load_at(store, rules, catalogue, limits, moment).await;
        assert!(!found.expect("overview").hosts.is_empty());
        spent.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    median(spent)
}
