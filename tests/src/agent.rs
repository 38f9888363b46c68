//! An agent with a state directory of its own.

use crate::collector::Collector;
use crate::program::{Ended, program};
use crate::root::Root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A host's agent. It reads the root it was given, or else this machine.
pub struct Agent {
    directory: TempDir,
    root: Option<PathBuf>,
    /// The file that names its machine.
    machine: Option<PathBuf>,
}

impl Agent {
    /// An agent that no collector knows.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the agent");
        // Tests do not wait longer than an operator would want to.
        let config = "[ship]\nretry_min = \"1s\"\nretry_max = \"1s\"\n";
        std::fs::write(directory.path().join("agent.toml"), config).expect("configuration");
        Self { directory, root: None, machine: None }
    }

    /// An agent that `collector` knows.
    pub async fn enrolled(collector: &Collector) -> Self {
        let agent = Self::new();
        agent.enroll(&collector.server(), &collector.token().await).await.out();
        agent
    }

    /// Adds to its configuration.
    pub fn configured(self, more: &str) -> Self {
        let path = self.directory.path().join("agent.toml");
        let text = std::fs::read_to_string(&path).expect("configuration");
        std::fs::write(&path, text + more).expect("configuration");
        self
    }

    /// Reads this root from now on.
    pub fn root(mut self, root: &Root) -> Self {
        self.root = Some(root.path().to_owned());
        self
    }

    /// Runs on the machine with this id (32 hexadecimal digits) from now on.
    pub fn machine(mut self, id: &str) -> Self {
        let path = self.directory.path().join("machine-id");
        std::fs::write(&path, format!("{id}\n")).expect("machine id");
        self.machine = Some(path);
        self
    }

    /// The same state directory again, as on a copied disk, on the same machine.
    pub fn copied(&self) -> Self {
        let copy = Self { root: self.root.clone(), machine: self.machine.clone(), ..Self::new() };
        let mut command = std::process::Command::new("cp");
        command.arg("-a").args([self.state(), copy.state()]);
        assert!(command.status().expect("cp runs").success());
        copy
    }

    /// `evidenced-agent COMMAND --state STATE` with more arguments.
    pub async fn command(&self, name: &str, args: &[&str]) -> Ended {
        let mut command = program("evidenced-agent");
        command.arg(name).arg("--state").arg(self.state()).args(args);
        Ended::of(command).await
    }

    pub async fn enroll(&self, server: &str, token: &str) -> Ended {
        let mut command = program("evidenced-agent");
        command.arg("enroll").arg("--state").arg(self.state());
        command.args(["--server", server, "--token", token]);
        if let Some(machine) = &self.machine {
            command.arg("--machine-id").arg(machine);
        }
        Ended::of(command).await
    }

    /// Gathers everything, ships it, and ends: `run --once`.
    pub async fn report(&self) -> Ended {
        self.report_with(&[]).await
    }

    /// [`Agent::report`] with more arguments.
    pub async fn report_with(&self, args: &[&str]) -> Ended {
        let mut command = self.report_command();
        command.args(args);
        Ended::of(command).await
    }

    /// The command of [`Agent::report`].
    pub fn report_command(&self) -> Command {
        let mut command = program("evidenced-agent");
        command.args(["run", "--once", "--state"]).arg(self.state());
        command.arg("--config").arg(self.directory.path().join("agent.toml"));
        if let Some(root) = &self.root {
            command.arg("--root").arg(root);
        }
        if let Some(machine) = &self.machine {
            command.arg("--machine-id").arg(machine);
        }
        command
    }

    /// [`Agent::report`] that has to be delivered.
    pub async fn reports(&self) {
        self.report().await.out();
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The host id that enrolment gave.
    pub fn host(&self) -> String {
        let identity = read(&self.state().join("identity.json"));
        identity["host"].as_str().expect("a host id").to_owned()
    }

    /// What enrolment and renewals gave.
    pub fn identity(&self) -> Value {
        read(&self.state().join("identity.json"))
    }

    /// The host's place in its chain: what it sent, and what it holds receipts for.
    pub fn chain(&self) -> Value {
        read(&self.state().join("chain.json"))
    }

    /// Check-ins that wait for a receipt, by file name.
    pub fn waiting(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.state().join("spool")).expect("spool");
        let names = entries.map(|entry| entry.expect("entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.retain(|name| name.ends_with(".checkin"));
        names.sort();
        names
    }
}

impl Default for Agent {
    fn default() -> Self {
        Self::new()
    }
}

fn read(path: &Path) -> Value {
    let bytes = std::fs::read(path);
    let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
