//! What judging one host costs: the whole rule set over facts gathered from this machine, cold and
//! out of memory. Prints figures; nothing here can fail for being slow.

mod measure;

use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::judge::{HostState, Judge, KindState, RuleSet};
use measure::{median, report};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const RUNS: usize = 15;
/// Any day will do.
const TODAY: i64 = 20_000;

fn main() {
    let host = Host::live().expect("this machine");
    let kinds = collectors::ALL.iter().map(|collector| {
        let found = collector.collect(&host);
        let facts = found.facts.map(Arc::new);
        let state = KindState { status: found.status, unread: found.unread, facts };
        (collector.kind.to_owned(), state)
    });
    let state = HostState { kinds: kinds.collect() };
    let catalogue = Catalogue::builtin().expect("catalogue");
    let rules = RuleSet::builtin(&catalogue).unwrap_or_else(|errors| panic!("{errors:?}"));
    let rules = Arc::new(rules);
    let micros = |start: Instant| start.elapsed().as_secs_f64() * 1e6;

    let (mut cold, mut warm, mut day) = (vec![], vec![], vec![]);
    for _ in 0..RUNS {
        let judge = Judge::new(Arc::clone(&rules));
        let start = Instant::now();
        black_box(judge.judge(&state, TODAY));
        cold.push(micros(start));
        let start = Instant::now();
        black_box(judge.judge(&state, TODAY));
        warm.push(micros(start));
        let start = Instant::now();
        black_box(judge.judge(&state, TODAY + 1));
        day.push(micros(start));
    }
    println!("judge: {} rules, {} kinds, median of {RUNS}", rules.rules().len(), state.kinds.len());
    let figure = |values| format!("{:.0} µs", median(values));
    report("one host, nothing remembered", figure(cold), "no budget");
    report("the same host again", figure(warm), "no budget");
    report("the same host on the next day", figure(day), "no budget");
}
