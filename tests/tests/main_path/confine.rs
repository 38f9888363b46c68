//! What the agent takes away from itself: with Landlock it may write nothing but its state
//! directory, and neither may a command of the operator's list, which is what tries to here.

use evidenced_tests::{Agent, Collector, Ended, Store};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const KIND: &str = r#"
kind = "own_touch"
v = 1
title = "A command that writes"
schedule = "20 * * * *"
command = "touch"
format = "exit_code"

[[field]]
name = "exit_code"
type = "integer"
about = "How it ended."
"#;

/// An agent with a kind that writes a file elsewhere, and the place of that file.
async fn agent(collector: &Collector, landlock: &str) -> (Agent, TempDir) {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let declared = elsewhere.path().join("declared");
    std::fs::create_dir(&declared).expect("a directory");
    std::fs::write(declared.join("own_touch.toml"), KIND).expect("written");
    let config = format!(
        "[own]\ndirectory = {declared:?}\n[own.commands.touch]\nprogram = \"/usr/bin/touch\"\n\
         arguments = [{:?}]\n[confine]\nlandlock = {landlock:?}\n",
        written(&elsewhere),
    );
    (Agent::enrolled(collector).await.configured(&config), elsewhere)
}

fn written(elsewhere: &TempDir) -> std::path::PathBuf {
    elsewhere.path().join("written")
}

/// The same command without CAP_SYS_PTRACE.
fn without_looking_into_processes(command: &Command) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.arg("--bounding-set=-sys_ptrace").arg(command.get_program()).args(command.get_args());
    setpriv
}

fn exists(path: &Path) -> bool {
    path.try_exists().expect("its directory can be searched")
}

#[tokio::test]
async fn a_confined_agent_reports_and_writes_nowhere_else() {
    let collector = Collector::start(Store::Sqlite).await;
    let (confined, elsewhere) = agent(&collector, "on").await;
    confined.reports().await;
    assert!(!exists(&written(&elsewhere)));
    // The same without it: the file is what tells the two apart.
    let (free, elsewhere) = agent(&collector, "off").await;
    free.reports().await;
    assert!(exists(&written(&elsewhere)));
}

#[tokio::test]
async fn by_itself_an_agent_is_confined_unless_it_has_to_look_into_processes() {
    let collector = Collector::start(Store::Sqlite).await;
    let (host, elsewhere) = agent(&collector, "auto").await;
    Ended::of(without_looking_into_processes(&host.report_command())).await.out();
    assert!(!exists(&written(&elsewhere)));
    host.reports().await;
    assert!(exists(&written(&elsewhere)), "these tests run as root, which may");
}
