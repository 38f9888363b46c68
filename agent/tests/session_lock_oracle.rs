//! The kind `session_lock` against dconf(1): databases that it compiled, read back by it in a profile
//! of their own. Needs the package dconf-cli; no setting of this machine is asked.

use evidence::kinds::SessionLock;
use evidence::kinds::session_lock::{Media, ScreenLock};
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const IDLE: &str = "/org/gnome/desktop/session/idle-delay";
const ENABLED: &str = "/org/gnome/desktop/screensaver/lock-enabled";
const DELAY: &str = "/org/gnome/desktop/screensaver/lock-delay";
const DISABLED: &str = "/org/gnome/desktop/lockdown/disable-lock-screen";
const AUTOMOUNT: &str = "/org/gnome/desktop/media-handling/automount";
const NO_AUTORUN: &str = "/org/gnome/desktop/media-handling/autorun-never";
const KEYS: [&str; 6] = [IDLE, ENABLED, DELAY, DISABLED, AUTOMOUNT, NO_AUTORUN];

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
    std::fs::write(path, text).expect("written");
}

fn dconf(root: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("dconf");
    command.args(arguments).env("DCONF_PROFILE", root.join("profile")).env("HOME", root);
    let output = command.output().expect("dconf");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What one database says of each key, and whether it locks it.
type Database = BTreeMap<usize, (u32, bool, bool)>;

/// A root with GNOME and these databases, compiled by dconf.
fn machine(databases: &[Database]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    write(root.path(), "usr/bin/gnome-shell", "");
    let (mut profile, mut own) = ("user-db:user\n".to_owned(), String::new());
    for (number, database) in databases.iter().enumerate() {
        let (mut keys, mut locks) = (String::new(), String::new());
        for (key, (value, is_set, is_locked)) in database {
            let (directory, name) = KEYS[*key].rsplit_once('/').expect("a path");
            let value = match KEYS[*key] {
                IDLE | DELAY => format!("uint32 {value}"),
                _ => (value % 2 == 0).to_string(),
            };
            if *is_set {
                let _ = writeln!(keys, "[{}]\n{name}={value}", &directory[1..]);
            }
            if *is_locked {
                let _ = writeln!(locks, "{}", KEYS[*key]);
            }
        }
        // Others beside them, as every system has.
        keys.push_str("[org/gnome/desktop/a]\nlist=['x', 'y']\ntext='z'\n[org/z]\nn=-1\n");
        let files = format!("source/{number}.d");
        write(root.path(), &format!("{files}/00-own"), &keys);
        write(root.path(), &format!("{files}/locks/own"), &locks);
        let target = root.path().join(format!("etc/dconf/db/n{number}"));
        std::fs::create_dir_all(target.parent().expect("parent")).expect("directory");
        let source = root.path().join(files);
        let path = |path: &Path| path.display().to_string();
        let mut command = Command::new("dconf");
        let status = command.args(["compile", &path(&target), &path(&source)]).status();
        assert!(status.expect("dconf").success());
        let _ = writeln!(profile, "system-db:n{number}");
        let _ = writeln!(own, "file-db:{}", target.display());
    }
    write(root.path(), "etc/dconf/profile/user", &profile);
    write(root.path(), "profile", &format!("user-db:nobody\n{own}"));
    root
}

fn collect(root: &Path) -> (ScreenLock, Media) {
    let host = Host::rooted(root).expect("root");
    let collected = collectors::find("session_lock").expect("registered").collect(&host);
    let facts: SessionLock =
        serde_json::from_value(collected.facts.expect("facts").data).expect("typed");
    (facts.effective.expect("read"), facts.media.expect("read"))
}

/// The same by dconf; where no database has a key, by the defaults of GNOME's schemas.
fn dconf_says(root: &Path) -> (ScreenLock, Media) {
    let read = |key: &str| dconf(root, &["read", key]).trim().to_owned();
    let number = |key: &str, default: i64| match read(key).strip_prefix("uint32 ") {
        Some(number) => number.parse().expect("a number"),
        None => default,
    };
    let idle = number(IDLE, 300);
    let enabled = read(ENABLED) != "false" && idle != 0 && read(DISABLED) != "true";
    let locks = dconf(root, &["list-locks", "/"]);
    let is_open = |keys: &[&str]| !keys.iter().all(|key| locks.lines().any(|line| line == *key));
    let lock = ScreenLock {
        enabled,
        timeout_s: if enabled { idle + number(DELAY, 0) } else { 0 },
        user_overridable: is_open(&[IDLE, ENABLED, DELAY, DISABLED]),
    };
    let media = Media {
        automount: read(AUTOMOUNT) != "false",
        autorun: read(NO_AUTORUN) != "true",
        user_overridable: is_open(&[AUTOMOUNT, NO_AUTORUN]),
    };
    (lock, media)
}

fn databases() -> impl Strategy<Value = Vec<Database>> {
    let key = (0u32..1000, any::<bool>(), any::<bool>());
    prop::collection::vec(prop::collection::btree_map(0usize..KEYS.len(), key, 0..7), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn databases_say_what_dconf_reads_from_them(databases in databases()) {
        let root = machine(&databases);
        prop_assert_eq!(collect(root.path()), dconf_says(root.path()));
    }
}
