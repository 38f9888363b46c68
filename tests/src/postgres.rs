//! A PostgreSQL of our own: one cluster per test program, on a socket in a temporary directory,
//! one database per test. A shell waits at the end of a pipe and stops the server when the test
//! program ends, however it ends.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

struct Cluster {
    socket: String,
    /// Its input is held open for as long as the test program lives; a line in it starts the server
    /// again, and a line in its output says that it runs.
    shell: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
}

const SCRIPT: &str = r#"
set -eu
dir=$(mktemp -d /tmp/evidenced-postgres.XXXXXX)
if [ "$(id -u)" = 0 ]; then
  chown postgres "$dir"
  as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
else
  as() { "$@"; }
fi
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
cd "$dir"
as "$bin/initdb" -D "$dir/data" -U test -A trust --no-sync >"$dir/initdb.log" 2>&1
options="-k $dir -c listen_addresses= -c fsync=off -c max_connections=300"
# After a SIGKILL the old server's children may hold its memory for a moment.
start() {
  tries=0
  until as "$bin/pg_ctl" start -w -s -D "$dir/data" -l "$dir/postgres.log" -o "$options" \
    </dev/null >"$dir/pg_ctl.log" 2>&1
  do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ]
    sleep 0.05
  done
  echo "$dir"
}
start
while read -r _; do start; done
as "$bin/pg_ctl" stop -w -s -m immediate -D "$dir/data" >/dev/null 2>&1
rm -rf "$dir"
"#;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let mut shell = Command::new("bash")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell for PostgreSQL");
        let mut socket = String::new();
        let mut output = BufReader::new(shell.stdout.take().expect("output"));
        output.read_line(&mut socket).expect("the socket's directory");
        let socket = socket.trim().to_owned();
        assert!(
            socket.starts_with("/tmp/"),
            "PostgreSQL did not start (install the package postgresql): {socket}"
        );
        let shell_input = shell.stdin.take().expect("input");
        Cluster { socket, shell: Mutex::new((shell_input, output)), _process: shell }
    })
}

/// Ends the server of this test program in the middle of whatever it does (SIGKILL), and starts it
/// again. What it had written stays: the machine did not fail.
pub fn kill_and_restart() {
    let cluster = cluster();
    let mut shell = cluster.shell.lock().unwrap_or_else(PoisonError::into_inner);
    let data = format!("{}/data", cluster.socket);
    let file = std::fs::read_to_string(format!("{data}/postmaster.pid")).expect("a server");
    let pid = file.lines().next().and_then(|line| line.trim().parse().ok());
    let pid: i32 = pid.expect("a process id");
    // The file is our own server's, and so is the process.
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
    assert!(command.contains(&data), "{pid} is not this test's PostgreSQL: {command}");
    kill_process(Pid::from_raw(pid).expect("a process id"), Signal::KILL).expect("killed");
    let (input, output) = &mut *shell;
    input.write_all(b"start\n").expect("the shell listens");
    let mut line = String::new();
    output.read_line(&mut line).expect("the shell answers");
    assert_eq!(line.trim(), cluster.socket, "PostgreSQL did not start again");
}

/// Address of a new, empty database.
pub fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let socket = &cluster().socket;
    let name = format!("case_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let created = Command::new("psql")
        .args(["-h", socket, "-U", "test", "-d", "postgres", "-q", "-c"])
        .arg(format!("CREATE DATABASE {name}"))
        .output()
        .expect("psql (install the package postgresql)");
    let words = String::from_utf8_lossy(&created.stderr);
    assert!(created.status.success(), "psql: {words}");
    format!("postgres://test@localhost/{name}?host={socket}")
}

/// Runs SQL in a database and gives what it printed.
pub fn sql(url: &str, sql: &str) -> String {
    let output = Command::new("psql").args(["-XAtq", "-c", sql, url]).output().expect("psql");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {words}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Shuts a database: everybody is thrown out and nobody comes in.
pub fn shut(url: &str) {
    let name = name(url);
    let aside = aside(url);
    sql(&aside, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname";
    sql(&aside, &format!("{end} = '{name}'"));
}

/// Opens a database that was shut.
pub fn open(url: &str) {
    sql(&aside(url), &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", name(url)));
}

fn name(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or(url);
    path.rsplit('/').next().expect("the name of a database")
}

/// The same cluster's other database.
fn aside(url: &str) -> String {
    url.replacen(&format!("/{}?", name(url)), "/postgres?", 1)
}

/// A transaction that is left open: what it locked is locked until this is dropped.
pub struct Held(Child);

impl Held {
    pub fn lock(url: &str, sql: &str) -> Self {
        let mut psql = Command::new("psql")
            .args(["-XAtq", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql");
        let input = psql.stdin.as_mut().expect("input");
        writeln!(input, "BEGIN; {sql}; SELECT 'held';").expect("written");
        let lines = BufReader::new(psql.stdout.take().expect("output")).lines();
        let held = lines.map_while(Result::ok).any(|line| line == "held");
        assert!(held, "{sql}");
        Self(psql)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take()); // Its input ends, it ends, and the transaction with it.
        let _ = self.0.wait();
    }
}
