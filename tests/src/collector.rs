//! A collector as a process.

use crate::api::Api;
use crate::postgres;
use crate::program::{Ended, program, traced};
use crate::until::until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time until the ready line, and from SIGTERM to the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a collector keeps evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

/// A collector with a data directory of its own, serving on ports the system chose.
pub struct Collector {
    directory: TempDir,
    /// Of a PostgreSQL; none for the file in the data directory.
    database: Option<String>,
    process: Option<Child>,
    pub agents: SocketAddr,
    pub people: SocketAddr,
    api_token: String,
    /// Where the system calls of the program are written, from its next start on.
    pub trace: Option<PathBuf>,
}

impl Collector {
    /// Makes a collector and serves.
    pub async fn start(store: Store) -> Self {
        Self::configured(store, "").await
    }

    /// [`Collector::start`] with more configuration.
    pub async fn configured(store: Store, config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the collector");
        let mut init = program("evidenced-collector");
        init.arg("init").arg("--data").arg(directory.path().join("data"));
        let database = match store {
            Store::Sqlite => None,
            Store::Postgres => {
                let url = tokio::task::spawn_blocking(postgres::database).await;
                Some(url.expect("a database"))
            }
        };
        if let Some(url) = &database {
            init.arg("--store").arg(url);
        }
        Ended::of(init).await.out();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut collector = Self {
            directory,
            database,
            process: None,
            agents: nowhere,
            people: nowhere,
            api_token: String::new(),
            trace: None,
        };
        collector.configure(config);
        collector.serve().await.expect("the collector serves");
        collector.api_token =
            collector.cli(&["api-token", "create", "--seat", "viewer"]).await.out();
        collector
    }

    /// Replaces what was configured before; counts from the next start on.
    pub fn configure(&mut self, config: &str) {
        let path = self.data().join("collector.toml");
        let text = std::fs::read_to_string(&path).expect("collector.toml");
        let made = text.split("\n# Of the test\n").next().unwrap_or_default();
        std::fs::write(&path, format!("{made}\n# Of the test\n{config}")).expect("written");
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Address of the database.
    pub fn store_url(&self) -> String {
        match &self.database {
            Some(url) => url.clone(),
            None => format!("sqlite:{}", self.data().join("evidence.db").display()),
        }
    }

    /// Another command over the same data directory.
    pub async fn cli(&self, args: &[&str]) -> Ended {
        let mut command = program("evidenced-collector");
        command.args(args).arg("--data").arg(self.data());
        Ended::of(command).await
    }

    pub async fn token(&self) -> String {
        self.cli(&["token", "create"]).await.out()
    }

    pub async fn login_link(&self) -> String {
        self.cli(&["login-link"]).await.out()
    }

    /// What `log verify` says; fails unless the log holds.
    #[track_caller]
    pub fn verified_log(&self) -> impl Future<Output = Value> {
        let verify = self.cli(&["log", "verify", "--format", "json"]);
        async move {
            let verified = verify.await.json();
            assert_eq!(verified["verified"], true, "{verified}");
            verified
        }
    }

    /// `https://IP:PORT` for agents.
    pub fn server(&self) -> String {
        format!("https://{}", self.agents)
    }

    /// The API, with a token.
    pub fn api(&self) -> Api {
        Api::new(self.people, Some(self.api_token.clone()))
    }

    /// The API and everything else for people, without a token.
    pub fn stranger(&self) -> Api {
        Api::new(self.people, None)
    }

    /// Asks it to stop and waits for it: SIGTERM.
    pub async fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        signal(&process, Signal::TERM);
        let ended = tokio::task::spawn_blocking(move || wait(&mut process));
        ended.await.expect("thread").expect("it stops when it is told to")
    }

    /// Ends it in the middle of whatever it does: SIGKILL.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("killed");
        process.wait().expect("ended");
    }

    /// Serves again on the same data and ports.
    pub async fn restart(&mut self) {
        // Somebody's outgoing connection may hold a port of ours for a moment.
        let mut words = String::new();
        let started = until("the collector's ports are free", async || match self.serve().await {
            Err(error) if error.contains("cannot listen") => {
                words = error;
                None
            }
            served => Some(served),
        });
        started.await.unwrap_or_else(|error| panic!("{error}\n{words}"));
    }

    /// Serves and reads the ready line; what it said on standard error if there is none.
    async fn serve(&mut self) -> Result<(), String> {
        let log = self.log();
        let stderr = File::options().create(true).append(true).open(&log).expect("log file");
        let mut command = program("evidenced-collector");
        command.arg("serve").arg("--data").arg(self.data());
        command.arg("--listen-agents").arg(self.agents.to_string());
        command.arg("--listen-people").arg(self.people.to_string());
        if let Some(log) = &self.trace {
            command = traced(&command, log);
        }
        command.stdout(Stdio::piped()).stderr(stderr);
        let process = self.process.insert(spawn(command));
        let stdout = process.stdout.take().expect("stdout");
        let line = tokio::task::spawn_blocking(move || ready_line(stdout)).await.expect("thread");
        let ready: Value = match serde_json::from_str(&line) {
            Ok(ready) => ready,
            Err(_) => {
                self.process.take().map(|mut process| process.wait());
                return Err(format!("not ready: {line}\n{}", text(&log)));
            }
        };
        let address = |name: &str| ready[name].as_str().and_then(|text| text.parse().ok());
        self.agents = address("agents").expect("an address for agents");
        self.people = address("people").expect("an address for people");
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("stderr")
    }
}

impl Drop for Collector {
    #[expect(clippy::print_stderr, reason = "a failed test shows what the collector said")]
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(&process, Signal::TERM);
            if wait(&mut process).is_none() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        if std::thread::panicking() {
            eprintln!("the collector said:\n{}", text(&self.log()));
        }
    }
}

fn spawn(mut command: Command) -> Child {
    command.spawn().expect("the collector starts")
}

/// The first line of standard output; the rest is read and dropped, so that the pipe never fills.
fn ready_line(stdout: impl Read + Send + 'static) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let _ = sender.send(lines.next().unwrap_or_default());
        lines.for_each(drop);
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}

fn signal(process: &Child, signal: Signal) {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("a process id");
    let _ = kill_process(pid, signal);
}

/// Waits with a deadline; none if it passed.
fn wait(process: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait().expect("a child of ours") {
            return Some(status);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    None
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
