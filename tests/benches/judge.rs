//! What judging costs: one host by the whole rule set, cold and out of memory; and a fleet in
//! groups, judged again whole after a change of the rules, then check-in by check-in. Prints
//! figures; nothing here can fail for being slow. `JUDGE_HOSTS=1000` makes the fleet smaller.

#[path = "judge/fleet.rs"]
mod fleet;
mod measure;

use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::config;
use evidenced_collector::judge::{HostState, Judge, KindState, Profile, RuleSet};
use fleet::Fleet;
use measure::{median, report};
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const RUNS: usize = 15;
/// Any day will do.
const TODAY: i64 = 20_000;
/// Check-ins of which each brings something new.
const CHANGES: usize = 2_000;

fn main() {
    let state = this_machine();
    one_host(&state);
    let hosts = std::env::var("JUDGE_HOSTS").ok().and_then(|text| text.parse().ok());
    whole_fleet(&state, hosts.unwrap_or(100_000));
}

fn this_machine() -> HostState {
    let host = Host::live().expect("this machine");
    let kinds = collectors::ALL.iter().map(|collector| {
        let found = collector.collect(&host);
        let facts = found.facts.map(Arc::new);
        let state = KindState { status: found.status, unread: found.unread, facts };
        (collector.kind.to_owned(), state)
    });
    HostState { kinds: kinds.collect() }
}

/// Every rule of the product, and parameters and rules switched off for some groups of the fleet.
fn rules(overlay: &str) -> Arc<RuleSet> {
    let profiles =
        vec![Profile::Essential, Profile::Standard, Profile::Hardened, Profile::Optional];
    let chosen = config::Rules { profiles, directory: PathBuf::new() };
    let overlay = [("overlay/own.toml".to_owned(), overlay.to_owned())];
    let catalogue = Catalogue::builtin().expect("catalogue");
    let rules = RuleSet::with_overlay(&chosen, &overlay, &catalogue);
    Arc::new(rules.unwrap_or_else(|errors| panic!("{errors:?}")))
}

fn micros(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn one_host(state: &HostState) {
    let rules = rules("");
    let (mut cold, mut warm, mut day) = (vec![], vec![], vec![]);
    for _ in 0..RUNS {
        let judge = Judge::new(Arc::clone(&rules));
        let start = Instant::now();
        black_box(judge.judge(state, TODAY));
        cold.push(micros(start));
        let start = Instant::now();
        black_box(judge.judge(state, TODAY));
        warm.push(micros(start));
        let start = Instant::now();
        black_box(judge.judge(state, TODAY + 1));
        day.push(micros(start));
    }
    println!("judge: {} rules, {} kinds, median of {RUNS}", rules.rules().len(), state.kinds.len());
    let figure = |values| format!("{:.0} µs", median(values));
    report("one host, nothing remembered", figure(cold), "no budget");
    report("the same host again", figure(warm), "no budget");
    report("the same host on the next day", figure(day), "no budget");
}

fn whole_fleet(state: &HostState, hosts: usize) {
    let fleet = Fleet::of(state, hosts);
    let judge = Judge::new(rules(&fleet.overlay()));
    println!(
        "fleet: {hosts} hosts in {} groups, {} different facts; in memory, the store is not read",
        fleet.groups(),
        fleet.different()
    );
    let seconds = |us: f64| format!("{:.2} s", us / 1e6);
    let each = |us: f64, of: usize| format!("{:.1} µs", us / of as f64);
    let mut results = 0;
    let mut round = |today: i64| {
        let mut spent = 0.0;
        for host in 0..hosts {
            let (group, manifest, held, state) = fleet.host(host, 0);
            let start = Instant::now();
            let recalled = judge.recall(&group, &manifest, &held, today);
            results += black_box(judge.complete(recalled, &state)).len();
            spent += micros(start);
        }
        spent
    };
    let first = round(TODAY);
    report("all hosts judged again, rules changed", seconds(first), "no budget");
    report("  of these, each", each(first, hosts), "no budget");
    let again = round(TODAY);
    report("all hosts, nothing changed", seconds(again), "no budget");
    let day = round(TODAY + 1);
    report("all hosts, a new day", seconds(day), "no budget");
    println!("{} results a round", results / 3);
    // What a check-in brings: one kind is new, to the fleet or to this host alone.
    for (what, change) in [("new in the fleet", 1), ("as another host has it", 2)] {
        let (mut spent, count) = (vec![], CHANGES.min(hosts));
        for host in 0..count {
            let (group, manifest, held, state) = fleet.host(host, change);
            let start = Instant::now();
            let recalled = judge.recall(&group, &manifest, &held, TODAY + 1);
            black_box(judge.complete(recalled, &state));
            spent.push(micros(start));
        }
        report(
            &format!("a changed check-in, {what}"),
            format!("{:.0} µs", median(spent)),
            "no budget",
        );
    }
}
