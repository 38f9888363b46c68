//! A collector as a child process on loopback, with its own directory.

#![allow(dead_code, reason = "each benchmark uses its part")]

use crate::measure::{self, program};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Collector {
    directory: tempfile::TempDir,
    /// `postgres://…`, or empty for the file in the directory.
    store: String,
    running: Option<Running>,
}

struct Running {
    child: Child,
    agents: String,
}

impl Collector {
    pub(crate) fn init(store: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let collector = Self { directory, store: store.to_owned(), running: None };
        let mut init = collector.command(&["init"]);
        if !store.is_empty() {
            init.args(["--store", store]);
        }
        assert!(init.stdout(Stdio::null()).status().is_ok_and(|s| s.success()), "init");
        collector
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("evidenced-collector"));
        command.args(words).arg("--data").arg(self.directory.path().join("data"));
        command
    }

    /// Serves, and gives the address for agents.
    pub(crate) fn serve(&mut self) -> String {
        let mut command = self.command(&["serve"]);
        command.args(["--listen-agents", "127.0.0.1:0", "--listen-people", "127.0.0.1:0"]);
        command.env("NO_COLOR", "1").stderr(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the collector starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("output");
        BufReader::new(output).read_line(&mut line).expect("the ready line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("the ready line");
        let agents = format!("https://{}", ready["agents"].as_str().expect("address"));
        self.running = Some(Running { child, agents: agents.clone() });
        agents
    }

    pub(crate) fn token(&self, uses: usize) -> evidence::wire::Token {
        let mut command = self.command(&["token", "create"]);
        let output = command.args(["--uses", &uses.to_string()]).output().expect("token");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a token")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().expect("running").child.id()
    }

    pub(crate) fn cpu(&self) -> Duration {
        measure::cpu(self.pid())
    }

    /// Waits until it rests: judgement of what came in is done. At most ten seconds.
    pub(crate) async fn rests(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(300));
        tick.tick().await;
        let mut before = self.cpu();
        for _ in 0..33 {
            tick.tick().await;
            let now = self.cpu();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Stops it in good order.
    pub(crate) fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let pid = rustix::process::Pid::from_child(&running.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = running.child.wait();
    }

    /// What the stopped collector's database takes on disk, in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        if self.store.is_empty() {
            let file = self.directory.path().join("data/evidence.db");
            let wal = Path::new(&file).with_extension("db-wal");
            let length = |path: &Path| path.metadata().map_or(0, |found| found.len());
            return length(&file) + length(&wal);
        }
        let sql = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class
                   WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
        let output = Command::new("psql").args(["-XAtc", sql, &self.store]).output();
        let output = output.expect("psql: install postgresql-client");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of bytes")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}
