//! The law on real files, by a user whom modes concern: every fixture is written to disk, and every
//! file and directory of it in turn is made one that nobody may read.

use crate::machine::{Bench, Case, Other};
use crate::{Findings, for_every_kind};
use evidenced_agent::host::Host;
use evidenced_tests::on_disk::{open, write};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const NAME: &str = "unprivileged::what_an_unprivileged_agent_may_not_read_passes_nothing";

/// Fixtures of what listens now. Files on a disk are no running machine: nothing listens there.
const LISTENING: [&str; 3] = [
    "ssh_server/second_server_listens",
    "ssh_server/server_of_a_container_listens",
    "ssh_server/server_started_by_hand",
];

/// Modes mean nothing to root: as root the test runs a copy of its program as nobody.
#[test]
#[expect(clippy::print_stderr, reason = "the test says how much it tried")]
fn what_an_unprivileged_agent_may_not_read_passes_nothing() {
    if !rustix::process::geteuid().is_root() {
        return for_every_kind("what an unprivileged agent may not read", denied_on_disk);
    }
    let directory = tempfile::tempdir().expect("directory");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("mode");
    let program = directory.path().join("law");
    fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&program)
        .args(["--exact", NAME, "--nocapture"])
        .current_dir("/")
        .output()
        .expect("setpriv (install the package util-linux)");
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{error}");
    eprint!("{error}");
}

fn denied_on_disk(bench: &Bench, cases: &[Case], findings: &mut Findings) {
    // Capabilities are not an unprivileged user's to give.
    let told =
        |case: &&Case| !case.fixture.has_attributes() && !LISTENING.contains(&case.name.as_str());
    for case in cases.iter().filter(told) {
        let directory = tempfile::tempdir().expect("directory");
        let root = directory.path();
        write(&case.fixture, root);
        let outcomes = || {
            let host = Host::rooted(root).expect("root");
            bench.judged(case.collector.kind, case.collector.collect(&host))
        };
        let before = outcomes();
        for path in case.fixture.paths() {
            let at = root.join(path.trim_start_matches('/'));
            // An empty file has nothing to refuse: its mode is all that is seen of it, and another
            // mode is another host.
            if case.fixture.contents(&path).is_some_and(<[u8]>::is_empty) {
                continue;
            }
            // Below a directory that is closed already nothing more can be refused.
            let Ok(found) = fs::metadata(&at) else { continue };
            let mode = found.permissions().mode();
            // Of a file only reading is refused: without set-id or execution it would be another.
            let closed = if found.is_file() { mode & !0o444 } else { 0 };
            fs::set_permissions(&at, Permissions::from_mode(closed)).expect("mode");
            let after = outcomes();
            fs::set_permissions(&at, Permissions::from_mode(mode)).expect("mode");
            // The mode is seen, and it is another one; what the fixtures decide was seen with
            // theirs. So only what became better counts, and contents.
            let decided = || match case.fixture.contents(&path) {
                Some(_) => bench.decided(case, cases, &path, Other::Contents),
                None => std::sync::Arc::default(),
            };
            findings.judge(&before, &after, decided, || format!("{} {path} closed", case.name));
        }
        open(&case.fixture, root);
    }
}
