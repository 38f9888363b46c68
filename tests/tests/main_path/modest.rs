//! What the agent leaves to others where no unit bounds it, as a command that it starts finds it:
//! limits are inherited. Those that were lower before stay.

use evidenced_tests::{Agent, Collector, Ended, Store};
use std::process::Command;
use tempfile::TempDir;

const KIND: &str = r#"
kind = "own_limits"
v = 1
title = "A command that says how it is bounded"
schedule = "20 * * * *"
command = "limits"
format = "exit_code"

[[field]]
name = "exit_code"
type = "integer"
about = "How it ended."
"#;

/// An agent whose command writes what it finds into a file: nice value, KiB of data, open files,
/// blocks of a core.
async fn agent(collector: &Collector) -> (Agent, TempDir) {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let declared = elsewhere.path().join("declared");
    std::fs::create_dir(&declared).expect("a directory");
    std::fs::write(declared.join("own_limits.toml"), KIND).expect("written");
    let script = format!(
        "echo $(nice; ulimit -d; ulimit -n; ulimit -c) > {}",
        elsewhere.path().join("found").display()
    );
    let config = format!(
        "[own]\ndirectory = {declared:?}\n[own.commands.limits]\nprogram = \"/usr/bin/bash\"\n\
         arguments = [\"-c\", {script:?}]\n[confine]\nlandlock = \"off\"\n",
    );
    (Agent::enrolled(collector).await.configured(&config), elsewhere)
}

fn found(elsewhere: &TempDir) -> String {
    let text = std::fs::read_to_string(elsewhere.path().join("found")).expect("it ran");
    text.trim().to_owned()
}

fn started_by(starter: &[&str], command: &Command) -> Command {
    let mut starting = Command::new(starter[0]);
    starting.args(&starter[1..]).arg(command.get_program()).args(command.get_args());
    starting
}

#[tokio::test]
async fn an_agent_without_a_unit_bounds_itself_and_keeps_what_is_lower() {
    let collector = Collector::start(Store::Sqlite).await;
    let (host, elsewhere) = agent(&collector).await;
    // As root one may step forward, whatever these tests were started with.
    let forward = ["nice", "-n", "-20"];
    let free = ["prlimit", "--data=unlimited", "--nofile=4096:8192", "--core=unlimited"];
    let free = [forward.as_slice(), free.as_slice()].concat();
    Ended::of(started_by(&free, &host.report_command())).await.out();
    assert_eq!(found(&elsewhere), "10 262144 1024 0");
    let bounded = ["nice", "-n", "19", "prlimit", "--data=209715200", "--nofile=512"];
    Ended::of(started_by(&bounded, &host.report_command())).await.out();
    assert_eq!(found(&elsewhere), "19 204800 512 0");
}
