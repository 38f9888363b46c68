//! What a look at this machine costs: `evidenced-agent collect` beside Lynis and OpenSCAP, where they
//! are installed (Debian: lynis, openscap-scanner, ssg-debian; and time, which measures). Prints
//! figures; nothing here can fail for being slow. Lynis takes minutes.

mod measure;

use measure::{median, program, report};
use std::path::Path;
use std::process::{Command, Stdio};

const RUNS: usize = 5;
/// The content that Debian 12 has is for its predecessor: without its platforms its rules are
/// evaluated all the same.
const CONTENT: &str = "/usr/share/xml/scap/ssg/content/ssg-debian11-ds.xml";
const PROFILE: &str = "xccdf_org.ssgproject.content_profile_anssi_np_nt28_high";

/// What GNU time says of a program and all that it started.
struct Cost {
    /// User and system, in milliseconds.
    cpu_ms: f64,
    /// Of the largest process, in MiB.
    peak_mib: f64,
}

fn main() {
    let agent = program("evidenced-agent");
    let agent = agent.to_str().expect("a path");
    let ours = cost(&[agent, "collect", "--format", "json"], RUNS).expect("the agent and time(1)");
    print("evidenced-agent collect, all kinds", &ours, &ours);
    match cost(&["lynis", "audit", "system", "--quick", "--quiet", "--no-colors"], 1) {
        Some(lynis) => print("lynis audit system (budget: 20 × the agent)", &lynis, &ours),
        None => report("lynis", "not measured".to_owned(), "apt-get install lynis"),
    }
    let light = light(agent);
    let light: Vec<_> = light.iter().map(String::as_str).collect();
    let light = cost(&light, RUNS).expect("the agent and time(1)");
    print("evidenced-agent collect, without walk and hashes", &light, &light);
    let content = everywhere(Path::new(CONTENT));
    let oscap = content.as_ref().and_then(|content| {
        let path = content.path().to_str()?;
        cost(&["oscap", "xccdf", "eval", "--skip-valid", "--profile", PROFILE, path], RUNS)
    });
    match oscap {
        Some(oscap) => print("oscap xccdf eval (budget: 5 × the agent)", &oscap, &light),
        None => report("oscap", "not measured".to_owned(), "openscap-scanner and ssg-debian"),
    }
}

/// The words that collect all but the walk through local files and the hashing of packaged ones,
/// for which the other has no like.
fn light(agent: &str) -> Vec<String> {
    let output = Command::new(agent).args(["kinds", "--format", "json"]).output();
    let kinds: serde_json::Value =
        serde_json::from_slice(&output.expect("the agent").stdout).expect("JSON");
    let kinds = kinds["kinds"].as_array().expect("kinds").iter();
    let names = kinds.filter_map(|kind| kind["kind"].as_str());
    let names = names.filter(|kind| !["file_walk", "file_integrity"].contains(kind));
    let words = names.flat_map(|kind| ["--kind".to_owned(), kind.to_owned()]);
    let collect = [agent, "collect", "--format", "json"].map(str::to_owned);
    collect.into_iter().chain(words).collect()
}

fn print(what: &str, cost: &Cost, ours: &Cost) {
    let (cpu, memory) = (cost.cpu_ms / ours.cpu_ms, cost.peak_mib / ours.peak_mib);
    report(what, format!("{:.0} ms CPU", cost.cpu_ms), &format!("{cpu:.1} × the agent"));
    report(
        "  peak RSS of its largest process",
        format!("{:.1} MiB", cost.peak_mib),
        &format!("{memory:.1} × the agent"),
    );
}

/// Medians over some runs; none where the program is not there. How it ends says what it found, not
/// whether it ran.
fn cost(words: &[&str], runs: usize) -> Option<Cost> {
    let there = |program: &str| {
        Command::new("which").arg(program).output().is_ok_and(|it| it.status.success())
    };
    if !there(words[0]) || !there("time") {
        return None;
    }
    let measured = tempfile::NamedTempFile::new().expect("a file");
    let (mut cpu, mut peak) = (vec![], vec![]);
    for _ in 0..runs {
        let mut time = Command::new("/usr/bin/time");
        time.args(["--quiet", "-f", "%U %S %M", "-o"]).arg(measured.path()).args(words);
        time.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("time(1)");
        let text = std::fs::read_to_string(measured.path()).expect("figures");
        let figures: Vec<f64> =
            text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        cpu.push((figures[0] + figures[1]) * 1e3);
        peak.push(figures[2] / 1024.0);
    }
    Some(Cost { cpu_ms: median(cpu), peak_mib: median(peak) })
}

/// A copy of the content without the platforms that its rules are for.
fn everywhere(content: &Path) -> Option<tempfile::NamedTempFile> {
    let text = std::fs::read_to_string(content).ok()?;
    let is_platform = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("<platform ") || line.starts_with("<xccdf-1.2:platform ")
    };
    let lines: Vec<_> = text.lines().filter(|line| !is_platform(line)).collect();
    let copy = tempfile::Builder::new().suffix("-ds.xml").tempfile().expect("a file");
    std::fs::write(copy.path(), lines.join("\n")).expect("written");
    Some(copy)
}
