//! The kind `file_integrity` beside `dpkg --verify`, over the real roots of `tests/roots`, as they are
//! and with files changed. Needs root.

use evidence::kinds::FileIntegrity;
use evidenced_agent::collectors;
use evidenced_agent::host::Host;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn collected(root: &Path) -> FileIntegrity {
    let collector = collectors::find("file_integrity").expect("kind");
    let collected = collector.collect(&Host::rooted(root).expect("root"));
    serde_json::from_value(collected.facts.expect("facts").data).expect("typed")
}

fn is_program(path: &str) -> bool {
    ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"].iter().any(|below| path.starts_with(below))
}

/// What dpkg finds changed or gone: programs, and configuration (`c`).
fn verified(root: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let output = Command::new("dpkg").arg("--root").arg(root).arg("--verify").output();
    let output = output.expect("dpkg");
    let (mut programs, mut conffiles) = (BTreeSet::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (_, rest) = line.split_at(9);
        let path = rest.get(rest.find('/').expect("a path")..).expect("a path").to_owned();
        if rest.trim_start().starts_with("c ") {
            conffiles.insert(path);
        } else if is_program(&path) {
            programs.insert(path);
        }
    }
    (programs, conffiles)
}

fn agree(root: &Path) {
    let (programs, conffiles) = verified(root);
    let facts = collected(root);
    let all = |verified: evidence::kinds::file_integrity::Verified| {
        let changed = verified.modified.into_iter().chain(verified.missing);
        changed.map(|one| one.path).collect::<BTreeSet<_>>()
    };
    let found = facts.programs.expect("programs");
    assert!(found.checked > 200, "{}", found.checked);
    let found: BTreeSet<_> = all(found).into_iter().filter(|path| is_program(path)).collect();
    assert_eq!(found, programs);
    assert_eq!(all(facts.conffiles.expect("conffiles")), conffiles);
}

fn bookworm() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/roots/bookworm");
    root.canonicalize().expect("there is no .cache/roots/bookworm: run tests/roots first")
}

/// What the comparison reads, with a program changed, one gone, and configuration changed.
#[test]
fn a_real_root_is_compared_as_dpkg_compares_it_before_and_after_changes() {
    let copy = tempfile::tempdir().expect("directory");
    let status = Command::new("cp")
        .args(["-a", "--no-target-directory"])
        .args([bookworm().as_path(), copy.path()])
        .status();
    assert!(status.expect("cp").success());
    let root = copy.path();
    agree(root);
    fs::write(root.join("usr/bin/passwd"), "another").expect("written");
    fs::remove_file(root.join("usr/sbin/useradd")).expect("removed");
    fs::write(root.join("etc/login.defs"), "UID_MIN 1\n").expect("written");
    fs::remove_file(root.join("etc/pam.d/passwd")).expect("removed");
    agree(root);
    let found = collected(root).programs.expect("programs");
    assert!(
        found.modified.iter().any(|one| one.path == "/usr/bin/passwd" && one.package == "passwd")
    );
    assert!(found.missing.iter().any(|one| one.path == "/usr/sbin/useradd"));
}
