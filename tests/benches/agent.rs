//! What the agent costs this machine: processor time and memory of `evidenced-agent collect`
//! against reading the same files and no more, and memory of an agent at rest. Prints figures;
//! nothing here can fail for being slow. Needs bash, whose `time` asks getrusage(2).
//!
//! At rest counts what is shipped: the program that `deploy/build-agent` makes, with the environment
//! that its systemd unit gives it.

mod collector;
mod measure;

use collector::Collector;
use evidenced_agent::clock::Moment;
use evidenced_agent::host::Host;
use measure::{median, memory_mib, program, report};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 15;
/// Kinds whose cost is measured by itself.
const OWN_BUDGET: [&str; 4] = ["file_integrity", "file_walk", "package_updates", "packages"];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let collect = light();
    let paths = sources(&collect);
    let (cpu, wall) = floor(&paths);
    let (agent_wall, agent_cpu) = timed(&collect);
    let start_cpu = timed("--version").1;
    println!("agent: of this machine, {} sources, median of {RUNS}", paths.len());
    report("reading the same sources, CPU", format!("{cpu:.2} ms"), "the floor");
    report("reading the same sources, wall", format!("{wall:.2} ms"), "");
    report("evidenced-agent --version, CPU", format!("{start_cpu:.0} ms"), "");
    let times = format!("{:.1} × the floor; budget ≤ 2.5 ×", agent_cpu / cpu);
    let what = "collect without walk, hashes and package lists, CPU";
    report(what, format!("{agent_cpu:.0} ms"), &times);
    report("  wall", format!("{agent_wall:.0} ms"), "");
    walk();
    let cold = timed("collect --kind package_updates --format json").1;
    report("collect of package_updates, cold, CPU", format!("{cold:.0} ms"), "budget ≤ 150 ms");
    let peak = peak_mib().map_or("not measured".to_owned(), |mib| format!("{mib:.1} MiB"));
    report("evidenced-agent collect, peak RSS", peak, "budget ≤ 24 MiB");
    for kind in ["package_updates", "file_integrity"] {
        let [first, again] = twice(kind);
        report(&format!("{kind}, first run, CPU"), format!("{first:.1} ms"), "");
        let what = format!("{kind}, nothing changed, CPU");
        report(&what, format!("{again:.1} ms"), "in the same agent; budget: no reading");
    }
    match shipped() {
        Ok(program) => {
            let (idle, run_peak) = idle_mib(&program).await;
            let what = "evidenced-agent run (dist, unit), RSS at rest";
            report(what, format!("{idle:.1} MiB"), "budget ≤ 10 MiB");
            let what = "evidenced-agent run (dist, unit), peak RSS";
            report(what, format!("{run_peak:.1} MiB"), "budget ≤ 24 MiB");
        }
        Err(why) => report("evidenced-agent run, RSS at rest", "not measured".to_owned(), &why),
    }
}

/// Milliseconds of processor of a first run of a kind in an agent that goes on running, and of one
/// after it.
fn twice(kind: &str) -> [f64; 2] {
    let host = Host::live().expect("/").remembering(Box::new(Moment::now));
    let collector = evidenced_agent::collectors::find(kind).expect("kind");
    let (mut first, mut again) = (0.0, vec![]);
    for run in 0..=RUNS {
        let before = cpu_ms();
        drop(collector.collect(&host));
        let took = cpu_ms() - before;
        match run {
            0 => first = took,
            _ => again.push(took),
        }
    }
    [first, median(again)]
}

/// Milliseconds of processor of this process so far.
fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

/// The words that collect all but what has a budget of its own: the walk, the hashing of files, and
/// what reads the lists of packages.
fn light() -> String {
    let output = agent(&["kinds", "--format", "json"]).output().expect("the agent");
    let kinds: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let kinds = kinds["kinds"].as_array().expect("kinds").iter();
    let names = kinds.filter_map(|kind| kind["kind"].as_str());
    let names = names.filter(|kind| !OWN_BUDGET.contains(kind));
    names.fold("collect --format json".to_owned(), |words, kind| words + " --kind " + kind)
}

/// The walk beside `find`, which looks for one of the things that the walk looks for. Both begin at
/// `/` and stay on its file system.
fn walk() {
    let ours = timed("collect --root / --kind file_walk --format json").1;
    let find = script_times("find / -xdev -type f -perm /6000").1;
    let times = format!("{:.2} × find; budget ≤ 1.1 ×", ours / find);
    report("find / -xdev -perm /6000, CPU", format!("{find:.0} ms"), "");
    report("collect of file_walk, CPU", format!("{ours:.0} ms"), &times);
}

fn agent(words: &[&str]) -> Command {
    let mut command = Command::new(program("evidenced-agent"));
    command.args(words).stdin(Stdio::null());
    command
}

/// The program that is shipped, or why it cannot be measured. One that is older than the program
/// beside this benchmark would give the figure of another agent.
fn shipped() -> Result<PathBuf, String> {
    let built = "deploy/build-agent";
    let beside = program("evidenced-agent");
    let target = beside.parent().and_then(Path::parent).expect("target/PROFILE");
    let path =
        target.join(format!("{}-unknown-linux-gnu/dist/evidenced-agent", std::env::consts::ARCH));
    let made = |path: &Path| path.metadata().and_then(|found| found.modified());
    let shipped = made(&path).map_err(|_| format!("{} is missing: {built}", path.display()))?;
    if made(&beside).is_ok_and(|beside| beside > shipped) {
        return Err(format!("{} is older than the release program: {built}", path.display()));
    }
    Ok(path)
}

/// What the unit puts into its agent's environment.
fn unit_environment() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd/evidenced-agent.service");
    let unit = std::fs::read_to_string(path).expect("the unit");
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let pair = |word: &str| {
        assert!(!word.contains(['"', '\'', '\\', '%']), "{word}: read as systemd would");
        let (name, value) = word.split_once('=').expect("NAME=VALUE");
        (name.to_owned(), value.to_owned())
    };
    let pairs: Vec<_> = lines.flat_map(str::split_whitespace).map(pair).collect();
    assert!(pairs.iter().any(|(name, _)| name.starts_with("MALLOC_")), "the unit's settings");
    pairs
}

/// What `collect` says it read: files, and directories with a `/` at the end.
fn sources(collect: &str) -> Vec<String> {
    let words: Vec<_> = collect.split(' ').collect();
    let output = agent(&words).output().expect("the agent");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let kinds = document["kinds"].as_object().expect("kinds").values();
    let sources = kinds.filter_map(|kind| kind["sources"].as_array()).flatten();
    let paths = sources.filter_map(|source| source["path"].as_str());
    paths.filter(|path| path.starts_with('/')).map(str::to_owned).collect()
}

/// Milliseconds of processor and of the clock to read `paths` once.
fn floor(paths: &[String]) -> (f64, f64) {
    let (mut cpu, mut wall) = (vec![], vec![]);
    for _ in 0..RUNS {
        let (before, start) = (cpu_ms(), Instant::now());
        for path in paths {
            // What is missing is looked for as well.
            match (path.strip_suffix('/'), path.rsplit_once("/*")) {
                (Some(directory), _) => drop(std::fs::read_dir(directory).map(Iterator::count)),
                (None, Some((directory, ending))) => read_all(directory, ending),
                (None, None) => drop(std::fs::read(Path::new(path))),
            }
        }
        wall.push(start.elapsed().as_secs_f64() * 1e3);
        cpu.push(cpu_ms() - before);
    }
    (median(cpu), median(wall))
}

/// Reads the files of a directory that the document names together, as `DIRECTORY/*ENDING`.
fn read_all(directory: &str, ending: &str) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let paths = entries.flatten().map(|entry| entry.path());
    for path in paths.filter(|path| path.to_string_lossy().ends_with(ending)) {
        drop(std::fs::read(path));
    }
}

/// Medians of the clock and of the processor for the agent, in milliseconds.
fn timed(words: &str) -> (f64, f64) {
    script_times(&format!("{} {words}", program("evidenced-agent").display()))
}

/// The same for any words of a shell.
fn script_times(words: &str) -> (f64, f64) {
    let script = format!("TIMEFORMAT='%3R %3U %3S'; time {words} >/dev/null 2>&1");
    let (mut wall, mut cpu) = (vec![], vec![]);
    for _ in 0..RUNS {
        let output = Command::new("bash").args(["-c", &script]).output().expect("bash");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().last().unwrap_or_default();
        let times: Vec<f64> =
            line.split(' ').map(|word| word.parse::<f64>().expect("seconds") * 1e3).collect();
        wall.push(times[0]);
        cpu.push(times[1] + times[2]);
    }
    (median(wall), median(cpu))
}

/// Peak memory at the moment the agent begins to print. The document does not fit into the pipe,
/// so the agent is still there; on a machine with so few packages that it fits, nothing is said.
fn peak_mib() -> Option<f64> {
    let mut command = agent(&["collect", "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the agent");
    let mut output = child.stdout.take().expect("output");
    output.read_exact(&mut [0]).expect("a document");
    let peak = memory_mib(child.id(), "VmHWM");
    output.read_to_end(&mut vec![]).expect("a document");
    child.wait().expect("the end");
    peak
}

/// Ends the agent whatever happens.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Memory of `PROGRAM run`, after its first check-in was accepted, and its peak until then.
async fn idle_mib(program: &Path) -> (f64, f64) {
    let mut collector = Collector::init("");
    let server = collector.serve();
    let directory = tempfile::tempdir().expect("directory");
    let state = directory.path().join("state");
    let mut enroll = agent(&["enroll", "--server", &server, "--state"]);
    enroll.arg(&state).arg("--token").arg(collector.token(1).to_string());
    assert!(enroll.stdout(Stdio::null()).status().is_ok_and(|s| s.success()), "enrolment");
    let mut run = Command::new(program);
    run.args(["run", "--state"]).arg(&state).envs(unit_environment());
    run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = Ended(run.spawn().expect("the agent"));
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let accepted = |_: &usize| {
        let chain = std::fs::read(state.join("chain.json")).unwrap_or_default();
        let chain: Value = serde_json::from_slice(&chain).unwrap_or_default();
        chain["accepted"].is_string()
    };
    for _ in (0..100).take_while(|n| !accepted(n)) {
        tick.tick().await;
    }
    assert!(accepted(&0), "no check-in was accepted within twenty seconds");
    // Connections idle out after five seconds.
    for _ in 0..35 {
        tick.tick().await;
    }
    let memory = |field| memory_mib(child.0.id(), field).expect("a running agent");
    (memory("VmRSS"), memory("VmHWM"))
}
