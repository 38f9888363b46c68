//! Medians, and what `/proc` says a process has used.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The kernel's clock ticks are hundredths of a second for every program (proc(5), USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// The value in the middle; zero of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The value below which `share` (0 to 1) of all lie.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// One line: what, figure, budget.
pub(crate) fn report(what: &str, figure: String, budget: &str) {
    println!("{what:<52} {figure:>14}   {budget}");
}

/// A program that cargo built beside this benchmark.
pub(crate) fn program(name: &str) -> PathBuf {
    let bench = std::env::current_exe().expect("the path of this benchmark");
    let target = bench.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    let path = target.join(name);
    assert!(path.is_file(), "{} is missing: cargo build --release --bins", path.display());
    path
}

/// User and system time of a process and all its threads.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    // The name in parentheses may hold anything; after it stand fields 3, 4 …
    let (_, fields) = stat.rsplit_once(')').expect("proc(5)");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.map(|field| field.parse::<u32>().expect("a number")).sum();
    TICK * ticks
}

/// A field of `/proc/PID/status` in MiB; none once the process is a zombie.
pub(crate) fn memory_mib(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// The value after `--name` on the command line, or the default.
pub(crate) fn argument<T: std::str::FromStr>(name: &str, default: T) -> T {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    match arguments.next().map(|text| text.parse()) {
        Some(Ok(value)) => value,
        Some(Err(_)) => panic!("{name}: not a value"),
        None => default,
    }
}
