//! The kind `logging` against the real tools: systemd-analyze for the order of drop-ins, rsyslogd
//! for what is a configuration, logrotate for what is rotated when. Needs the Debian packages
//! systemd, rsyslog and logrotate.

use evidence::kinds::Logging;
use evidenced_agent::collectors;
use evidenced_agent::formats::{logrotate, rsyslog};
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
    std::fs::write(path, text).expect("written");
}

fn collect(root: &Path) -> Logging {
    let host = Host::rooted(root).expect("root");
    let collected = collectors::find("logging").expect("registered").collect(&host);
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

/// The last `MaxRetentionSec=` of what systemd-analyze prints, in its order.
fn systemd_says(root: &Path) -> i64 {
    let output = Command::new("systemd-analyze")
        .env("SYSTEMD_PAGER", "")
        .args(["cat-config", "--no-pager", "systemd/journald.conf"])
        .arg(format!("--root={}", root.display()))
        .output()
        .expect("systemd-analyze");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut values = text.lines().filter_map(|line| line.strip_prefix("MaxRetentionSec="));
    values.next_back().map_or(0, |value| value.parse().expect("number"))
}

const PLACES: [&str; 4] = ["etc", "run", "usr/local/lib", "usr/lib"];
const NAMES: [&str; 5] = ["10-a.conf", "9.conf", "B.conf", "a.conf", "a.conf.off"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn drop_ins_are_applied_in_the_order_of_systemd(
        files in prop::collection::btree_set((0usize..4, 0usize..5), 0..9),
        masked in prop::option::of((0usize..4, 0usize..4)),
    ) {
        let root = tempfile::tempdir().expect("directory");
        write(root.path(), "usr/lib/systemd/systemd-journald", "");
        write(root.path(), "etc/systemd/journald.conf", "[Journal]\nMaxRetentionSec=7\n");
        for (place, name) in &files {
            let path = format!("{}/systemd/journald.conf.d/{}", PLACES[*place], NAMES[*name]);
            let seconds = 100 + 10 * place + name;
            write(root.path(), &path, &format!("[Journal]\nMaxRetentionSec={seconds}\n"));
        }
        if let Some((place, name)) = masked {
            let path = format!("{}/systemd/journald.conf.d/{}", PLACES[place], NAMES[name]);
            write(root.path(), &path, "");
            std::fs::remove_file(root.path().join(&path)).expect("removed");
            std::os::unix::fs::symlink("/dev/null", root.path().join(&path)).expect("link");
        }
        let journald = collect(root.path()).journald.expect("read");
        prop_assert_eq!(journald.max_retention_s, Some(systemd_says(root.path())));
    }
}

fn rsyslogd_accepts(text: &str) -> bool {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("rsyslog.conf");
    std::fs::write(&path, text).expect("written");
    let output =
        Command::new("rsyslogd").args(["-N1", "-f"]).arg(&path).output().expect("rsyslogd");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success() && !said.contains("error") && !said.contains("invalid")
}

fn forwards(text: &str) -> Option<Vec<rsyslog::Forward>> {
    rsyslog::forwards("f", text, &mut |_, _| Err("no includes here")).ok()
}

/// Each is one form of forwarding; rsyslogd takes all of them for what they are.
#[test]
fn rsyslogd_accepts_every_form_that_is_read() {
    for form in [
        "*.* @192.0.2.7",
        "*.*\t@@(o)192.0.2.7:6514;RSYSLOG_ForwardFormat",
        "*.* @[2001:db8::7]:514",
        "auth,authpriv.*;mail.none @@192.0.2.7",
        ":msg, contains, \"then\" @192.0.2.7",
        "if $msg contains 'x then @b' then @192.0.2.7",
        "if ($programname == \"a\") then {\n /var/log/x\n @192.0.2.7\n} else {\n stop\n}",
        "*.* action(type=\"omfwd\" Target=\"192.0.2.7\" # note\n  port=\"1\" protocol=\"tcp\")",
        "action(type=\"omfwd\" target=\"192.0.2.7\" action.execOnlyWhenPreviousIsSuspended=\"on\")",
        "ruleset(name=\"x\") { stop }\n*.* @192.0.2.7",
        "template(name=\"t\" type=\"list\") { constant(value=\"}\") property(name=\"msg\") }\n\
         *.* @192.0.2.7;t",
        "set $.x = \"a;b\";\n*.* @192.0.2.7",
        "mail.* /var/log/mail\n& @192.0.2.7\n& stop",
        "*.emerg :omusrmsg:*\n*.=debug;auth.none -/var/log/debug\n*.* :omusrmsg:root,ada\n*.* @192.0.2.7",
    ] {
        // A configuration without any action is an error to rsyslogd.
        let text = format!("{form}\n*.* /var/log/all\n");
        assert!(rsyslogd_accepts(&text), "rsyslogd refuses {form}");
        let forwards = forwards(&text).unwrap_or_default();
        let targets: Vec<_> = forwards.iter().map(|f| f.target.as_str()).collect();
        let expect = if form.contains('[') { "2001:db8::7" } else { "192.0.2.7" };
        assert_eq!(targets, [expect], "{form}");
    }
}

/// What rsyslogd refuses is not read as a configuration either.
#[test]
fn what_rsyslogd_refuses_is_not_read() {
    for text in [
        "action(type=\"omfwd\" target=\"192.0.2.7\"",
        "whatever\n",
        "if $msg contains 'x' { stop }\n",
        "*.* :omrelp:192.0.2.7:1\n",
        "template(name=\"t\" type=\"list\") { constant(value=\"x\")\n",
        "{ *.* @192.0.2.7\n",
    ] {
        assert!(!rsyslogd_accepts(&format!("*.* /var/log/all\n{text}")), "rsyslogd accepts {text}");
        assert_eq!(forwards(&format!("*.* /var/log/all\n{text}")), None, "{text}");
    }
}

/// logrotate says how often it would rotate a file and how many it keeps.
#[test]
fn logrotate_reads_the_same_rotations() {
    for (globals, section, expect, least) in [
        ("weekly\nrotate 4\n", "", "weekly (4 rotations)", Some(28)),
        ("weekly\nrotate 4\n", "daily\nrotate 90\n", "after 1 days (90 rotations)", Some(90)),
        ("rotate 3\n", "monthly\n", "monthly (3 rotations)", Some(84)),
        ("daily\nrotate 3\n", "size 1M\n", "1048576 bytes (3 rotations)", None),
        ("daily\nrotate 3\n", "size 1M\nweekly\n", "weekly (3 rotations)", Some(21)),
        ("yearly\n", "", "yearly (no old logs will be kept)", Some(0)),
    ] {
        let directory = tempfile::tempdir().expect("directory");
        let log = directory.path().join("a.log");
        std::fs::write(&log, "x\n").expect("log");
        let text = format!("{globals}{} {{\n{section}}}\n", log.display());
        let path = directory.path().join("conf");
        std::fs::write(&path, &text).expect("conf");
        let state = directory.path().join("state");
        let output = Command::new("logrotate")
            .args(["-d", "-s"])
            .args([&state, &path])
            .output()
            .expect("logrotate");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expect), "{text}: {said}");
        let items = logrotate::parse(&text, &mut logrotate::Policy::default()).expect("parsed");
        let [logrotate::Item::Section(section)] = items.as_slice() else { panic!("{items:?}") };
        assert_eq!(section.kept.at_least_days, least, "{text}");
    }
}

#[test]
fn this_machine_is_read() {
    let host = Host::live().expect("root");
    let collected = collectors::find("logging").expect("registered").collect(&host);
    let facts: Logging =
        serde_json::from_value(collected.facts.expect("facts").data).expect("typed");
    let journald = facts.journald.expect("journald");
    assert_eq!(journald.installed, Path::new("/usr/lib/systemd/systemd-journald").exists());
    assert!(facts.files.is_some() && facts.shippers.is_some());
}
