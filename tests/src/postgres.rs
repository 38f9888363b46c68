//! A PostgreSQL of our own: one cluster per test program, on a socket in a temporary directory,
//! one database per test. A shell waits at the end of a pipe and stops the server when the test
//! program ends, however it ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Cluster {
    socket: String,
    /// Its input is held open for as long as the test program lives.
    _shell: Child,
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
as "$bin/pg_ctl" start -w -s -D "$dir/data" -l "$dir/postgres.log" -o "$options" \
  </dev/null >"$dir/pg_ctl.log" 2>&1
echo "$dir"
cat >/dev/null
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
        Cluster { socket, _shell: shell }
    })
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
