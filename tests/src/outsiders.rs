//! Those outside who check or vouch for the log: an auditor with another implementation of its
//! formats, and a time-stamping authority.

use crate::program::Ended;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Audits the whole log that is served at `people`, with the package `aics-tlog`; what it saw.
pub async fn audit_log(people: SocketAddr, vkey: &str) -> Value {
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/tlog");
    assert!(Path::new(packages).is_dir(), "{packages} is missing; run tests/install");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auditor.py");
    let mut command = Command::new("python3");
    command.args([script, packages, &format!("http://{people}/log"), vkey]);
    Ended::of(command).await.json()
}

/// A time-stamping authority as a process.
pub struct Tsa {
    directory: TempDir,
    process: Child,
    port: u16,
}

impl Tsa {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the authority");
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tsa.py")).arg(directory.path());
        let mut process = command.stdout(Stdio::piped()).spawn().expect("python3");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a port");
        let port = line.trim().parse().expect("a port");
        Self { directory, process, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The certificate to trust.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Answers with an error from now on, or no more.
    pub fn breaks(&self, broken: bool) {
        let path = self.directory.path().join("broken");
        let done = if broken { std::fs::write(&path, "") } else { std::fs::remove_file(&path) };
        done.expect("a file");
    }
}

impl Drop for Tsa {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
