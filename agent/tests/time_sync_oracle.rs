//! The kind `time_sync` against the programs that decide: systemd-analyze(1) for the order of
//! drop-ins, chronyd(8) with -p for what its configuration says. Needs the packages chrony and
//! systemd.

use evidence::kinds::TimeSync;
use evidence::kinds::time_sync::{Form, TimeSource};
use evidenced_agent::collectors;
use evidenced_agent::host::{Fixture, Host};
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
    std::fs::write(path, text).expect("written");
}

/// A root with a client that is enabled.
fn machine(program: &str, unit: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    write(root.path(), "usr/lib/systemd/systemd", "");
    write(root.path(), program, "");
    write(root.path(), &format!("usr/lib/systemd/system/{unit}"), "[Service]\n");
    write(root.path(), &format!("etc/systemd/system/multi-user.target.wants/{unit}"), "x");
    root
}

fn collect(root: &Path) -> TimeSync {
    let host = Host::rooted(root).expect("root");
    let collected = collectors::find("time_sync").expect("registered").collect(&host);
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

fn addresses(sources: &[TimeSource], form: Form) -> Vec<&str> {
    sources.iter().filter(|s| s.form == form).map(|s| s.address.as_str()).collect()
}

/// The servers in the files as systemd-analyze prints them, in its order: an assignment adds, an
/// empty one takes away all before it (timesyncd.conf(5)).
fn systemd_says(root: &Path) -> Vec<String> {
    let output = Command::new("systemd-analyze")
        .env("SYSTEMD_PAGER", "")
        .args(["cat-config", "--no-pager", "systemd/timesyncd.conf"])
        .arg(format!("--root={}", root.display()))
        .output()
        .expect("systemd-analyze");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut servers: Vec<String> = Vec::new();
    for value in text.lines().filter_map(|line| line.strip_prefix("NTP=")) {
        if value.is_empty() {
            servers.clear();
        } else if !servers.iter().any(|server| server == value) {
            servers.push(value.to_owned());
        }
    }
    servers
}

const PLACES: [&str; 4] = ["etc", "run", "usr/local/lib", "usr/lib"];
const NAMES: [&str; 4] = ["10-a.conf", "9.conf", "B.conf", "a.conf.off"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn servers_of_timesyncd_are_those_of_the_files_in_the_order_of_systemd(
        files in prop::collection::btree_map((0usize..4, 0usize..4), prop::bool::weighted(0.2), 0..8),
    ) {
        let root = machine("usr/lib/systemd/systemd-timesyncd", "systemd-timesyncd.service");
        write(root.path(), "etc/systemd/timesyncd.conf", "[Time]\nNTP=main.example.org\n");
        for ((place, name), empty) in &files {
            let path = format!("{}/systemd/timesyncd.conf.d/{}", PLACES[*place], NAMES[*name]);
            let server = if *empty { String::new() } else { format!("{place}-{name}.example.org") };
            write(root.path(), &path, &format!("[Time]\nNTP={server}\n"));
        }
        let sources = collect(root.path()).sources.expect("read");
        let servers = systemd_says(root.path());
        // The fallback that is built in is asked only where no server is named.
        let fallback = if servers.is_empty() { vec![""] } else { vec![] };
        prop_assert_eq!(addresses(&sources, Form::Server), servers);
        prop_assert_eq!(addresses(&sources, Form::VendorDefault), fallback);
    }
}

/// The sources in what `chronyd -p` prints; `None` where it refuses the configuration. Paths in the
/// files are those of the machine around the root.
fn chronyd_says(file: &Path) -> Option<Vec<String>> {
    let mut command = Command::new("chronyd");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(["-p", "-f"]).arg(file);
    let output = command.output().expect("chronyd");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    if !output.status.success() {
        return None;
    }
    let mut sources = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[0].to_ascii_lowercase().as_str() {
            "server" | "pool" | "peer" => sources.push(words[1].to_owned()),
            "refclock" => sources.push(format!("{}:{}", words[1], words[2])),
            _ => {}
        }
    }
    Some(sources)
}

/// The text for the agent, in whose root paths begin anew, and for chronyd.
fn write_both(root: &Path, path: &str, text: &str) {
    write(root, path, &text.replace("ROOT", ""));
    write(
        root,
        &format!("real/{path}"),
        &text.replace("ROOT", &format!("{}/real", root.display())),
    );
}

/// What both make of the same files.
fn both_say(files: &[(&str, &str)]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let root = machine("usr/sbin/chronyd", "chrony.service");
    for (path, text) in files {
        write_both(root.path(), path, text);
    }
    let sources = collect(root.path()).sources;
    let own = sources.map(|sources| sources.into_iter().map(|source| source.address).collect());
    (own, chronyd_says(&root.path().join("real/etc/chrony/chrony.conf")))
}

#[test]
fn chronyd_takes_every_form_for_what_it_is_read_as() {
    let main = "! comment\n # another\n; and\n%one\nSERVER a.example.org IBURST nts\n\
                \tpool\tb.example.org   maxsources 2\npeer c.example.org\n\
                refclock PHC /dev/ptp0 poll 2 noselect\nrefclock SHM 0 refid NTS\n\
                confdir ROOT/etc/d ROOT/etc/e\ninclude ROOT/etc/*.inc\ninclude ROOT/etc/*.nothing\ninclude ROOT/etc/one\n\
                rtcsync\nconfdir ROOT/etc/nowhere\n";
    let (own, chronyd) = both_say(&[
        ("etc/chrony/chrony.conf", main),
        ("etc/d/2.conf", "server d2.example.org\n"),
        ("etc/e/2.conf", "server e2.example.org\n"),
        ("etc/e/1.conf", "server e1.example.org\n"),
        ("etc/e/B.conf", "server eB.example.org\n"),
        ("etc/e/.hidden.conf", "server hidden.example.org\n"),
        ("etc/e/3.confx", "server confx.example.org\n"),
        ("etc/b.inc", "server b.inc.example.org\n"),
        ("etc/a.inc", "include ROOT/etc/two\n"),
        ("etc/.c.inc", "server c.inc.example.org\n"),
        ("etc/one", "server one.example.org"),
        ("etc/two", "pool two.example.org\n"),
    ]);
    assert_eq!(own, chronyd);
    assert_eq!(own.expect("read").len(), 11);
}

#[test]
fn what_chronyd_refuses_is_not_read() {
    for main in [
        "server\n",
        "pool a.example.org\nrefclock PPS\n",
        "include ROOT/etc/nothing\n",
        "include ROOT/etc/chrony/chrony.conf\n",
    ] {
        let (own, chronyd) = both_say(&[("etc/chrony/chrony.conf", main)]);
        assert_eq!(chronyd, None, "chronyd takes {main}");
        assert_eq!(own, None, "{main}");
    }
}

const LINES: [&str; 8] = [
    "server NAME.example.org iburst\n",
    "Pool NAME.example.org nts\n",
    "#server no.example.org\n",
    "peer NAME.example.org\n",
    "confdir ROOT/etc/d\n",
    "confdir ROOT/etc/e ROOT/etc/d\n",
    "include ROOT/etc/*.inc\n",
    "makestep 1 3\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn files_are_read_in_the_order_of_chronyd(
        main in prop::collection::vec(0usize..8, 0..6),
        files in prop::collection::btree_map((0usize..3, 0usize..4), prop::collection::vec(0usize..4, 0..3), 0..8),
    ) {
        let text = |lines: &[usize], name: &str| -> String {
            let lines = lines.iter().enumerate();
            lines.map(|(n, line)| LINES[*line].replace("NAME", &format!("{name}-{n}"))).collect()
        };
        let mut all = vec![
            ("etc/chrony/chrony.conf".to_owned(), text(&main, "main")),
            ("etc/always.inc".to_owned(), "server always.example.org\n".to_owned()),
        ];
        for ((place, name), lines) in &files {
            let name = ["10", "9", "B", "a"][*name];
            let path = match place {
                0 => format!("etc/d/{name}.conf"),
                1 => format!("etc/e/{name}.conf"),
                _ => format!("etc/{name}.inc"),
            };
            all.push((path, text(lines, &format!("{place}{name}"))));
        }
        let all: Vec<_> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (own, chronyd) = both_say(&all);
        prop_assert!(chronyd.is_some());
        prop_assert_eq!(own, chronyd);
    }
}

/// Debian's own file, as the package chrony installs it.
#[test]
fn the_file_of_the_package_is_read() {
    let text = std::fs::read_to_string("/usr/share/chrony/chrony.conf").expect("chrony's template");
    let (own, chronyd) = both_say(&[("etc/chrony/chrony.conf", &text)]);
    assert_eq!(own, chronyd);
    assert!(own.is_some_and(|sources| !sources.is_empty()));
}

/// The clock was set once more, the file touched again: nothing of that is in the manifest.
#[test]
fn an_idle_host_says_the_same_an_hour_later() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/time_sync");
    for (case, touched, touched_later) in [
        ("timesyncd", "mtime=1000008200", "mtime=1000012000"),
        ("chrony", "mtime=1000006400", "mtime=1000010000"),
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{case}.txtar"))).expect("fixture");
        let later = text.replace("\n10000.12 ", "\n13600.12 ").replace(touched, touched_later);
        assert_eq!(text.lines().zip(later.lines()).filter(|(a, b)| a != b).count(), 2, "{case}");
        let collect = |text: &str| {
            let host = Host::fixture(Fixture::parse(text).expect("fixture"));
            collectors::find("time_sync").expect("registered").collect(&host)
        };
        assert_eq!(collect(&text), collect(&later), "{case}");
    }
}
