//! What the agent costs this machine: processor time and memory of `evidenced-agent collect`
//! against reading the same files and no more, and memory of an agent at rest. Prints figures;
//! nothing here can fail for being slow. Needs bash, whose `time` asks getrusage(2).

mod collector;
mod measure;

use collector::Collector;
use measure::{median, memory_mib, program, report};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;
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
    let (idle, run_peak) = idle_mib().await;
    report("evidenced-agent run, RSS at rest", format!("{idle:.1} MiB"), "budget ≤ 10 MiB");
    report("evidenced-agent run, peak RSS", format!("{run_peak:.1} MiB"), "budget ≤ 24 MiB");
}

fn agent(words: &[&str]) -> Command {
    let mut command = Command::new(program("evidenced-agent"));
    command.args(words).stdin(Stdio::null());
    command
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
    let clock = || {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
    };
    let (mut cpu, mut wall) = (vec![], vec![]);
    for _ in 0..RUNS {
        let (before, start) = (clock(), Instant::now());
        for path in paths {
            // What is missing is looked for as well.
            match path.strip_suffix('/') {
                Some(directory) => drop(std::fs::read_dir(directory).map(Iterator::count)),
                None => drop(std::fs::read(Path::new(path))),
            }
        }
        wall.push(start.elapsed().as_secs_f64() * 1e3);
        cpu.push(clock() - before);
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

/// Memory of `evidenced-agent run`, after its first check-in was accepted, and its peak until then.
async fn idle_mib() -> (f64, f64) {
    let mut collector = Collector::init("");
    let server = collector.serve();
    let directory = tempfile::tempdir().expect("directory");
    let state = directory.path().join("state");
    let mut enroll = agent(&["enroll", "--server", &server, "--state"]);
    enroll.arg(&state).arg("--token").arg(collector.token(1).to_string());
    assert!(enroll.stdout(Stdio::null()).status().is_ok_and(|s| s.success()), "enrolment");
    let mut run = agent(&["run", "--state"]);
    run.arg(&state).stdout(Stdio::null()).stderr(Stdio::null());
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
