//! The programs under test, and how a run of one ended.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A command that runs one of the workspace's programs, with nothing of this process's
/// environment that could change what it does.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(path(name));
    command.stdin(Stdio::null());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        command.env_remove(name);
    }
    command
}

/// The same command under strace(1), which writes its system calls to `log`. The tracer is a
/// grandchild (`-D`), so that the program stays the child it was.
pub fn traced(command: &Command, log: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qq", "-e", "signal=none", "-o"]).arg(log);
    strace.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

/// Cargo builds the programs of other packages beside this test's directory, but not by itself.
fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    let path = target.join(name);
    assert!(
        path.is_file(),
        "{} is missing; build the binaries first: cargo build --workspace",
        path.display()
    );
    path
}

/// A run that is over.
#[derive(Debug)]
pub struct Ended {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs a command to its end, on a thread of its own.
    pub async fn of(mut command: Command) -> Self {
        let run = move || command.output().expect("the program starts");
        tokio::task::spawn_blocking(run).await.expect("the program's thread").into()
    }

    /// What it printed, without the last line's end; fails unless it exited 0.
    #[track_caller]
    pub fn out(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout.trim_end().to_owned()
    }

    /// What it printed, as JSON; fails unless it exited 0.
    #[track_caller]
    pub fn json(self) -> Value {
        let text = self.out();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
