//! Cases on real files. Needs root: files have owners.

use crate::case::files;
use crate::try_case::Trial;
use evidenced_agent::host::{Fixture, Host, MAX_FILE_BYTES, ReadError};
use evidenced_tests::on_disk::{give, write};
use std::cell::RefCell;
use std::fmt::Write as _;
use tempfile::TempDir;

/// Least number of cases that can be written to disk.
const MIN_ON_DISK: usize = 100;

/// A running machine is none on disk, and root is refused nothing.
fn can_be_on_disk(fixture: &Fixture) -> bool {
    let host = Host::fixture(fixture.clone());
    let is_refused = |path: &String| {
        matches!(host.read(path, MAX_FILE_BYTES), Err(ReadError::Denied | ReadError::Io(_)))
    };
    if host.is_live() || fixture.paths().iter().any(is_refused) {
        return false;
    }
    // No kernel keeps a damaged attribute.
    let directory = tempfile::tempdir().expect("directory");
    write(fixture, directory.path());
    give(fixture, directory.path())
}

pub(crate) fn on_disk(fixture: &Fixture) -> TempDir {
    let directory = tempfile::tempdir().expect("directory");
    write(fixture, directory.path());
    give(fixture, directory.path());
    directory
}

#[test]
#[expect(clippy::print_stderr, reason = "the test says how much it tried")]
fn cases_say_the_same_of_files_on_a_disk() {
    let (mut text, mut tried) = (String::new(), 0);
    for file in files() {
        for (case, base) in file.cases.each() {
            let Ok(trial) = Trial::new(&file.kind, case, &base) else { continue };
            if ![&trial.base, &trial.defect, &trial.near].into_iter().all(can_be_on_disk) {
                continue;
            }
            tried += 1;
            let roots = RefCell::new(vec![]);
            let host = |fixture: &Fixture| {
                let root = on_disk(fixture);
                let host = Host::rooted(root.path()).expect("root");
                roots.borrow_mut().push(root);
                host
            };
            for line in trial.differences(case, host) {
                let _ = writeln!(text, "{}: {} | {}: {line}", file.kind, case.name, case.near_miss);
            }
        }
    }
    assert!(text.is_empty(), "\n{text}");
    assert!(tried >= MIN_ON_DISK, "{tried} cases on disk");
    eprintln!("{tried} cases on disk");
}
