//! The kind `meta` of the real program, beside what setpriv(1), sha256sum(1) and the kernel say of
//! it. Needs root, to give rights away, and the packages coreutils and util-linux.

use evidence::Digest;
use evidence::kinds::Meta;
use evidence::kinds::meta::{Seccomp, SpoolState};
use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::{Host, Own};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn out(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What the program says of itself when setpriv starts it so.
fn started_with(privileges: &[&str]) -> Meta {
    // Where any user may run it.
    let directory = tempfile::tempdir().expect("directory");
    let program = directory.path().join("evidenced-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_evidenced-agent"), &program).expect("copied");
    out(Command::new("chmod").args(["-R", "a+rX"]).arg(directory.path()));
    let mut setpriv = Command::new("setpriv");
    setpriv.args(privileges).arg(&program).args(["collect", "--format", "json", "--kind", "meta"]);
    let document: Value = serde_json::from_str(&out(&mut setpriv)).expect("JSON");
    let data = document["kinds"]["meta"]["facts"]["data"].clone();
    serde_json::from_value(data).expect("typed")
}

#[test]
fn the_program_says_what_it_is() {
    let meta = started_with(&["--no-new-privs"]);
    let sum = out(Command::new("sha256sum").arg(env!("CARGO_BIN_EXE_evidenced-agent")));
    assert_eq!(meta.agent_sha256.as_deref(), sum.split(' ').next());
    let version = out(Command::new(env!("CARGO_BIN_EXE_evidenced-agent")).arg("--version"));
    assert_eq!(version.trim_end(), format!("evidenced-agent {}", meta.agent_version));
    assert_eq!((meta.config_sha256, meta.kinds_off), (None, None), "collected by hand");
}

#[test]
fn rights_are_those_that_it_was_started_with() {
    let read = "CAP_DAC_READ_SEARCH".to_owned();
    let lacks = |meta: &Meta| {
        let missing = meta.capabilities_missing.as_ref().expect("read");
        missing.iter().any(|missing| missing.starts_with(&format!("{read} (accounts, ")))
    };
    let root = started_with(&["--no-new-privs"]);
    assert_eq!((root.uid, root.confinement.no_new_privs), (Some(0), Some(true)));
    assert!(root.capabilities.as_ref().expect("read").contains(&read) && !lacks(&root));
    let bounded = started_with(&["--bounding-set=-dac_read_search", "--inh-caps=-all"]);
    assert_eq!((bounded.uid, bounded.confinement.no_new_privs), (Some(0), Some(false)));
    assert!(lacks(&bounded), "root without it: {bounded:?}");
    let plain = started_with(&["--reuid=65534", "--regid=65534", "--clear-groups"]);
    assert_eq!((plain.uid, plain.capabilities.clone()), (Some(65534), Some(vec![])));
    assert!(lacks(&plain));
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let ambient = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"];
    let granted = started_with(&[user.as_slice(), ambient.as_slice()].concat());
    assert_eq!(
        (granted.uid, granted.capabilities.clone()),
        (Some(65534), Some(vec![read.clone()]))
    );
    assert!(!lacks(&granted));
}

#[test]
fn the_filter_of_system_calls_is_what_the_kernel_says() {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).expect("line");
    let says = match line.trim() {
        "0" => Seccomp::Off,
        "2" => Seccomp::Filter,
        other => panic!("{other}"),
    };
    assert_eq!(started_with(&["--no-new-privs"]).confinement.seccomp, Some(says));
}

fn collect(state: &Path) -> Collected {
    let own = Own {
        config: Some(Digest::of(b"a configuration")),
        kinds_off: Some(vec!["logins".to_owned()]),
        state: state.to_str().map(str::to_owned),
        landlock: Some(false),
        ..Own::default()
    };
    let host = Host::live().expect("root").about(own);
    collectors::find("meta").expect("registered").collect(&host)
}

fn typed(collected: &Collected) -> Meta {
    assert_eq!(collected.status, evidence::Status::Ok, "{collected:?}");
    serde_json::from_value(collected.facts.as_ref().expect("facts").data.clone()).expect("typed")
}

/// Between two check-ins the state directory changes, and nothing that is told of it.
#[test]
fn an_idle_host_says_the_same_two_check_ins_later() {
    let state = tempfile::tempdir().expect("directory");
    let spool = state.path().join("spool");
    std::fs::create_dir_all(spool.join("objects")).expect("spool");
    let first = collect(state.path());
    assert_eq!(typed(&first).spool.state, Some(SpoolState::Empty));
    for seq in 0..2 {
        let waiting = spool.join(format!("01JD0000000000000000000000-{seq:012}.checkin"));
        std::fs::write(&waiting, b"signed").expect("written");
        std::fs::write(spool.join("current.json"), seq.to_string()).expect("written");
        std::fs::write(state.path().join("chain.json"), seq.to_string()).expect("written");
        // The near miss: while it waits, that is a state of its own.
        let meanwhile = collect(state.path());
        assert_eq!(typed(&meanwhile).spool.state, Some(SpoolState::Waiting));
        assert_ne!(meanwhile.entry(), first.entry());
        std::fs::remove_file(&waiting).expect("delivered");
    }
    let second = collect(state.path());
    assert_eq!(second.entry(), first.entry(), "facts, sources, status: all of it");
}
