//! What the agent costs this machine: processor time and memory of `evidenced-agent collect`
//! against reading the same files and no more, and memory of an agent at rest. Prints figures;
//! nothing here can fail for being slow. Needs bash, whose `time` asks getrusage(2).
//!
//! At rest counts what is shipped: the `dist` program (`cargo build --profile dist --bins`), with
//! the environment that its systemd unit gives it.

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

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let paths = sources();
    let (cpu, wall) = floor(&paths);
    let (agent_cpu, agent_wall) = collect();
    let start_cpu = timed("--version").1;
    println!("agent: every kind, of this machine, {} sources, median of {RUNS}", paths.len());
    report("reading the same sources, CPU", format!("{cpu:.2} ms"), "the floor");
    report("reading the same sources, wall", format!("{wall:.2} ms"), "");
    report("evidenced-agent --version, CPU", format!("{start_cpu:.0} ms"), "");
    let times = format!("{:.1} × the floor; budget ≤ 2.5 ×", agent_cpu / cpu);
    report("evidenced-agent collect, CPU", format!("{agent_cpu:.0} ms"), &times);
    report("evidenced-agent collect, wall", format!("{agent_wall:.0} ms"), "");
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

fn agent(words: &[&str]) -> Command {
    let mut command = Command::new(program("evidenced-agent"));
    command.args(words).stdin(Stdio::null());
    command
}

/// The program that is shipped, or why it cannot be measured. One that is older than the program
/// beside this benchmark would give the figure of another agent.
fn shipped() -> Result<PathBuf, String> {
    let built = "cargo build --profile dist --bins";
    let beside = program("evidenced-agent");
    let target = beside.parent().and_then(Path::parent).expect("target/PROFILE");
    let path = target.join("dist/evidenced-agent");
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
fn sources() -> Vec<String> {
    let output = agent(&["collect", "--format", "json"]).output().expect("the agent");
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
            match path.strip_suffix('/') {
                Some(directory) => drop(std::fs::read_dir(directory).map(Iterator::count)),
                None => drop(std::fs::read(Path::new(path))),
            }
        }
        wall.push(start.elapsed().as_secs_f64() * 1e3);
        cpu.push(cpu_ms() - before);
    }
    (median(cpu), median(wall))
}

/// Milliseconds of processor and of the clock for `evidenced-agent collect`.
fn collect() -> (f64, f64) {
    let (wall, cpu) = timed("collect --format json");
    (cpu, wall)
}

/// Medians of the clock and of the processor, in milliseconds.
fn timed(words: &str) -> (f64, f64) {
    let script = format!("TIMEFORMAT='%3R %3U %3S'; time \"$0\" {words} >/dev/null");
    let (mut wall, mut cpu) = (vec![], vec![]);
    for _ in 0..RUNS {
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", &script]).arg(program("evidenced-agent")).output();
        let output = output.expect("bash");
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
