//! A real Debian root from end to end: what the agent collects of it, the collector judges, and
//! nothing is unknown but what only a running machine can say. `tests/roots` makes the roots;
//! every one that is complete is judged, and bookworm must be there. Needs root (shadow(5)).

use evidenced_tests::{NEED_A_RUNNING_MACHINE, program};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn roots() -> Vec<PathBuf> {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/roots");
    let complete = |suite: &&str| roots.join(format!("{suite}.complete")).exists();
    let suites: Vec<_> = ["bullseye", "bookworm", "trixie"].into_iter().filter(complete).collect();
    assert!(
        suites.contains(&"bookworm"),
        "there is no .cache/roots/bookworm: run tests/roots first"
    );
    suites.into_iter().map(|suite| roots.join(suite)).collect()
}

fn collect(root: &Path) -> Vec<u8> {
    let mut command = program("evidenced-agent");
    command.args(["collect", "--format", "json", "--root"]).arg(root);
    let output = command.output().expect("the agent runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// `evidenced-collector assess -`: one result per rule of a profile, and the exit code.
fn assess(document: &[u8], profile: &str) -> (BTreeMap<String, Value>, Option<i32>) {
    let mut command = program("evidenced-collector");
    command.args(["assess", "-", "--format", "json", "--profile", profile]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the collector runs");
    child.stdin.take().expect("input").write_all(document).expect("written");
    let output = child.wait_with_output().expect("output");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let line = |line: &str| {
        let result: Value = serde_json::from_str(line).expect("JSON");
        (result["rule"].as_str().expect("rule").to_owned(), result)
    };
    (text.lines().map(line).collect(), output.status.code())
}

/// A root that was just made never asked its sources: nothing proves that no update waits.
const NEED_LISTS: [&str; 3] =
    ["upd-metadata-fresh", "upd-no-critical-pending", "upd-security-repo"];

#[test]
fn a_real_root_is_judged_and_only_what_needs_a_running_machine_is_unknown() {
    for root in roots() {
        let document = collect(&root);
        let (mut results, code) = assess(&document, "essential");
        assert_eq!(code, Some(3), "tests/roots puts failures into its roots");
        let unknown = results.iter().filter(|(_, result)| result["outcome"] == "unknown");
        let unknown: BTreeMap<_, _> =
            unknown.map(|(rule, result)| (rule.as_str(), &result["reason"])).collect();
        let rules: BTreeSet<_> = unknown.keys().copied().collect();
        let expected = NEED_A_RUNNING_MACHINE.iter().chain(&NEED_LISTS).copied().collect();
        assert_eq!(rules, expected, "{unknown:?}");
        results.extend(assess(&document, "standard").0);
        for (rule, outcome, offenders) in [
            ("acc-system-nologin", "fail", json!(["runner"])),
            ("acc-no-empty-password", "pass", json!([])),
            ("ssh-no-root-password-login", "pass", json!([])),
            ("ssh-no-password", "fail", json!([])),
        ] {
            let result = &results[rule];
            let found = (result["outcome"].as_str(), &result["offenders"]);
            assert_eq!(found, (Some(outcome), &offenders), "{rule} of {}", root.display());
        }
    }
}
