//! The kind `logins` against the programs that write and read its records: SQLite itself (the module
//! sqlite3 of Python), lastlog(8), last(1) and utmpdump(1). Needs root, for chroot(2), and the
//! packages login, python3 and util-linux. The programs lastlog2 and wtmpdb are not in Debian 12: their
//! tables are made with the statements that make them.

use chrono::DateTime;
use evidence::kinds::Logins;
use evidence::kinds::logins::Format;
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::formats::sqlite::{Database, Value};
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\n\
                      bob:x:1001:1001::/:/bin/sh\ncyd:x:70000:70000::/:/bin/sh\n";
const LASTLOG2: &str = "CREATE TABLE IF NOT EXISTS Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER, \
                        TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT;";

fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    for directory in ["etc", "var/log", "var/lib/lastlog", "var/lib/wtmpdb"] {
        std::fs::create_dir_all(root.path().join(directory)).expect("directory");
    }
    std::fs::write(root.path().join("etc/passwd"), PASSWD).expect("passwd");
    root
}

fn collect(root: &Path) -> Collected {
    collectors::find("logins").expect("registered").collect(&Host::rooted(root).expect("root"))
}

fn typed(collected: &Collected) -> Logins {
    let facts = collected.facts.as_ref().unwrap_or_else(|| panic!("{:?}", collected.sources));
    serde_json::from_value(facts.data.clone()).expect("typed")
}

/// Name → day.
fn days(collected: &Collected) -> BTreeMap<String, i64> {
    let logins = typed(collected).last_logins;
    let logins = logins.unwrap_or_else(|| panic!("{:?}", collected.sources));
    logins.into_iter().map(|login| (login.name, login.day)).collect()
}

fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").env("TZ", "UTC").stdout(Stdio::piped());
    command
}

fn out(mut command: Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program runs");
    child.stdin.take().expect("input").write_all(input).expect("written");
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

/// Runs Python with `file` as its first argument, and gives what it prints.
fn python(script: &str, arguments: &[&str]) -> String {
    let mut python = tool("python3");
    python.arg("-c").arg(script).args(arguments);
    String::from_utf8(out(python, b"")).expect("UTF-8")
}

/// What lastlog(8) says of a root: the day of everyone who logged in.
fn lastlog_says(root: &Path) -> BTreeMap<String, i64> {
    let mut lastlog = tool("lastlog");
    lastlog.arg("--root").arg(root);
    let text = String::from_utf8(out(lastlog, b"")).expect("UTF-8");
    assert_eq!(text.lines().count(), 5, "a header and four accounts: {text}");
    let lines = text.lines().skip(1).filter(|line| !line.contains("**Never logged in**"));
    lines
        .map(|line| {
            let name = line.split_whitespace().next().expect("name").to_owned();
            let time = line.split_whitespace().rev().take(6).collect::<Vec<_>>();
            let time = time.into_iter().rev().collect::<Vec<_>>().join(" ");
            let time = DateTime::parse_from_str(&time, "%a %b %d %H:%M:%S %z %Y");
            (name, time.unwrap_or_else(|e| panic!("{line}: {e}")).timestamp() / 86_400)
        })
        .collect()
}

#[test]
fn what_lastlog_records_is_read_as_lastlog_shows_it() {
    let root = machine();
    std::fs::write(root.path().join("var/log/lastlog"), b"").expect("lastlog");
    assert_eq!(days(&collect(root.path())), BTreeMap::new());
    for (step, name) in ["cyd", "root", "ada"].into_iter().enumerate() {
        let mut set = tool("lastlog");
        set.arg("--root").arg(root.path()).args(["--set", "--user", name]);
        out(set, b"");
        let says = lastlog_says(root.path());
        assert_eq!(says.len(), step + 1, "{says:?}");
        let collected = collect(root.path());
        assert_eq!(days(&collected), says);
        let logins = typed(&collected);
        assert_eq!(logins.records[0].newest_day, says.values().max().copied());
        assert_eq!(logins.unseen.expect("unseen").len(), 4 - says.len());
    }
    // The file is as long as uid 70000 makes it, and nearly all of it is a hole.
    let length = std::fs::metadata(root.path().join("var/log/lastlog")).expect("lastlog").len();
    assert!(length > 20_000_000, "{length}");
}

/// An entry as utmpdump(1) writes it.
fn dumped(sort: i32, user: &str, line: &str, at_s: i64) -> String {
    let at = DateTime::from_timestamp(at_s, 0).expect("time").format("%Y-%m-%dT%H:%M:%S");
    format!(
        "[{sort}] [00077] [{:4}] [{user:8}] [{line:12}] [{:20}] [192.0.2.7      ] [{at},000000+00:00]\n",
        "ts/0", "host.example"
    )
}

/// What last(1) says of a file: the day of everyone's newest session.
fn last_says(file: &Path) -> BTreeMap<String, i64> {
    let mut last = tool("last");
    last.args(["--time-format", "iso", "--nohostname", "--file"]).arg(file);
    let text = String::from_utf8(out(last, b"")).expect("UTF-8");
    let mut newest = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let Some(name) = words.first().filter(|n| ["root", "ada", "bob", "cyd"].contains(n)) else {
            continue;
        };
        let time = words.iter().find_map(|word| DateTime::parse_from_rfc3339(word).ok());
        let day = time.unwrap_or_else(|| panic!("{line}")).timestamp() / 86_400;
        let newest = newest.entry((*name).to_owned()).or_insert(day);
        *newest = day.max(*newest);
    }
    newest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn sessions_in_wtmp_are_those_that_last_lists(
        entries in prop::collection::vec((0usize..8, 0usize..5, 1i64..2_000), 1..40),
    ) {
        let root = machine();
        let mut at_s = 1_700_000_000;
        let text: String = entries.iter().map(|(sort, who, later)| {
            at_s += later * 1000;
            let user = ["root", "ada", "bob", "cyd", "eve"][*who];
            match sort {
                0 => dumped(2, "reboot", "~", at_s),
                1 => dumped(8, "", "pts/0", at_s),
                2 => dumped(6, "LOGIN", "tty1", at_s),
                _ => dumped(7, user, &format!("pts/{who}"), at_s),
            }
        }).collect();
        let mut utmpdump = tool("utmpdump");
        utmpdump.arg("--reverse").stderr(Stdio::null());
        let file = root.path().join("var/log/wtmp");
        std::fs::write(&file, out(utmpdump, text.as_bytes())).expect("wtmp");
        let collected = collect(root.path());
        prop_assert_eq!(days(&collected), last_says(&file));
        let first_s = 1_700_000_000 + entries[0].2 * 1000;
        prop_assert_eq!(typed(&collected).records[0].oldest_day, Some(first_s / 86_400));
    }
}

/// Makes a database of random shape, and prints its rows as SQLite reads them.
const RANDOM_DATABASE: &str = r#"
import random, sqlite3, sys
file, seed = sys.argv[1], int(sys.argv[2])
pick = random.Random(seed)
db = sqlite3.connect(file)
db.execute(f"PRAGMA page_size = {pick.choice([512, 1024, 4096, 65536])}")
db.execute(f"PRAGMA auto_vacuum = {pick.choice([0, 1, 2])}")
db.execute("CREATE TABLE other(a, b)")
db.execute("CREATE TABLE t(ID INTEGER PRIMARY KEY, Name TEXT NOT NULL, Time INTEGER, x, CHECK(Time IS NULL OR Time <> 1.5))")
db.execute("CREATE INDEX i ON t(Name, x)")
def name(): return "n" * pick.choice([0, 1, 5, 60, 400, 5000]) + str(pick.random()) + pick.choice(["", "é", "\n"])
def time(): return pick.choice([None, 0, 1, -1, 127, -129, 70000, -(1 << 23), 1 << 40, -(1 << 47), (1 << 63) - 1, -(1 << 63)])
for _ in range(pick.choice([0, 1, 30, 1500])):
    rest = pick.choice([None, 1.5, b"\0" * 10, "x" * pick.choice([0, 3000]), 7])
    db.execute("INSERT INTO t(Name, Time, x) VALUES(?, ?, ?)", (name(), time(), rest))
    db.execute("INSERT INTO other VALUES(?, ?)", (name(), 1))
db.commit()
db.execute("DELETE FROM t WHERE ID % 3 = 1")
db.execute("UPDATE t SET Name = Name || 'y' WHERE ID % 5 = 0")
db.execute("ALTER TABLE t ADD COLUMN Late TEXT")
db.commit()
for name, time in db.execute("SELECT Name, Time FROM t ORDER BY ID"):
    print(name.encode().hex(), time)
"#;

#[test]
fn rows_are_those_that_sqlite_reads() {
    let directory = tempfile::tempdir().expect("directory");
    let mut count = 0;
    for seed in 0..24 {
        let file = directory.path().join(format!("{seed}.db"));
        let path = file.to_str().expect("path");
        let says = python(RANDOM_DATABASE, &[path, &seed.to_string()]);
        let bytes = std::fs::read(&file).expect("database");
        let database = Database::open(&bytes).expect("database");
        let table = database.table("T").expect("schema").expect("table");
        let (name, time) =
            (table.column("name").expect("Name"), table.column("TIME").expect("Time"));
        let mut rows = String::new();
        let mut add = |row: &[Value<'_>]| {
            let Value::Text(name) = row[name] else { panic!("{row:?}") };
            let time = match row[time] {
                Value::Int(time) => time.to_string(),
                Value::Null => "None".to_owned(),
                other => panic!("{other:?}"),
            };
            rows += &format!("{} {time}\n", hex::encode(name));
            count += 1;
        };
        database.rows(&table, &mut add).expect("rows");
        assert_eq!(rows, says, "seed {seed}");
        assert_eq!(database.table("nothing"), Ok(None));
        // Damage anywhere is an error or other rows, never a panic or an endless walk.
        for at in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            if let Ok(database) = Database::open(&damaged)
                && let Ok(Some(table)) = database.table("t")
            {
                let _ = database.rows(&table, &mut |_| {});
            }
            assert!(at == 0 || Database::open(&&bytes[..at]).is_err(), "cut at {at}");
        }
    }
    assert!(count > 1000, "{count}");
}

/// Another process with the database open: it writes `ada`, prints a line, and ends with its input.
fn writer(file: &Path, mode: &str) -> std::process::Child {
    let script = "import sqlite3, sys\n\
        db = sqlite3.connect(sys.argv[1])\n\
        db.execute(f'PRAGMA journal_mode = {sys.argv[2]}')\n\
        db.execute(sys.argv[3])\n\
        db.execute('INSERT OR REPLACE INTO Lastlog2 VALUES(?, ?, ?, ?, ?)', ('ada', 1700000000, 'pts/0', None, 'sshd'))\n\
        db.commit()\n\
        print('written', flush=True)\n\
        sys.stdin.read()\n\
        db.close()\n";
    let mut python = tool("python3");
    python.arg("-c").arg(script).arg(file).args([mode, LASTLOG2]).stdin(Stdio::piped());
    python.spawn().expect("python3")
}

fn first_line(child: &mut std::process::Child) {
    use std::io::BufRead as _;
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.as_mut().expect("output"))
        .read_line(&mut line)
        .expect("line");
    assert_eq!(line, "written\n");
}

#[test]
fn a_login_that_is_only_in_the_write_ahead_log_is_not_missed() {
    let root = machine();
    let file: PathBuf = root.path().join("var/lib/lastlog/lastlog2.db");
    let mut open = writer(&file, "WAL");
    first_line(&mut open);
    let log = std::fs::metadata(root.path().join("var/lib/lastlog/lastlog2.db-wal")).expect("log");
    assert!(log.len() > 0);
    let collected = collect(root.path());
    assert_eq!(collected.status, evidence::Status::Partial);
    assert_eq!((typed(&collected).last_logins, typed(&collected).unseen), (None, None));
    // The last connection that closes merges the log.
    drop(open.stdin.take());
    assert!(open.wait().expect("ended").success());
    let collected = collect(root.path());
    assert_eq!(collected.status, evidence::Status::Ok, "{:?}", collected.sources);
    assert_eq!(days(&collected), BTreeMap::from([("ada".to_owned(), 1_700_000_000 / 86_400)]));
    assert_eq!(typed(&collected).last_logins.expect("logins")[0].proof, Format::Lastlog2);
}

#[test]
fn a_writer_that_keeps_a_database_open_without_a_log_is_no_hindrance() {
    let root = machine();
    let mut open = writer(&root.path().join("var/lib/lastlog/lastlog2.db"), "DELETE");
    first_line(&mut open);
    assert_eq!(days(&collect(root.path())).len(), 1);
    drop(open.stdin.take());
    open.wait().expect("ended");
}

/// Nobody logs in to a root on disk, whatever its tools put there.
#[test]
fn a_root_that_nobody_logged_in_to_has_records_and_no_logins() {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/roots");
    assert!(roots.join("bookworm.complete").exists(), "run tests/roots first");
    let collected = collect(&roots.join("bookworm"));
    assert_eq!(collected.status, evidence::Status::Ok, "{:?}", collected.sources);
    let logins = typed(&collected);
    let formats: Vec<_> = logins.records.iter().map(|record| record.format).collect();
    assert_eq!(formats, [Format::Lastlog, Format::Wtmp]);
    assert!(logins.records.iter().all(|record| record.holds_logins == Some(false)));
    assert_eq!(logins.last_logins, Some(vec![]));
    assert!(logins.unseen.expect("unseen").contains(&"alice".to_owned()));
}
