//! The systemd units: how exposed they leave the programs, and that the programs can work within
//! them. There need not be a running systemd: `systemd-analyze` judges the files, `strace` says what
//! the programs ask of the kernel, `setpriv` gives the agent the unit's user and capabilities.

mod confinement;
mod install;
mod system_calls;

use std::path::{Path, PathBuf};
use std::process::Command;

const UNITS: [&str; 2] = ["evidenced-agent.service", "evidenced-collector.service"];

fn systemd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd")
}

/// Every value of `key` in a unit, in order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(systemd().join(unit)).expect("the unit");
    let of = |line: &str| Some(line.strip_prefix(key)?.strip_prefix('=')?.trim().to_owned());
    text.lines().filter_map(of).collect()
}

#[test]
fn the_units_leave_an_exposure_of_at_most_2_0() {
    for unit in UNITS {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold=20"]);
        let output = analyze.arg(systemd().join(unit)).output().expect("systemd-analyze");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.contains(&format!("Overall exposure level for {unit}")), "{said}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains(unit), "a line is not understood: {errors}");
    }
}

#[test]
fn a_unit_without_its_hardening_does_not_stay_within_the_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = std::fs::read_to_string(systemd().join(UNITS[0])).expect("the unit");
    let bare = text.lines().filter(|line| !line.starts_with("SystemCallFilter="));
    let path = directory.path().join(UNITS[0]);
    std::fs::write(&path, bare.collect::<Vec<_>>().join("\n")).expect("written");
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--offline=true", "--no-pager", "--threshold=20"]).arg(path);
    assert!(!analyze.output().expect("systemd-analyze").status.success());
}
