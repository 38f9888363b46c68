//! The agent as the unit runs it: as nobody in particular, with the unit's capabilities, or with
//! none.

use crate::values;
use evidenced_tests::program;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// setpriv(1) with a user that owns nothing and exactly these capabilities.
fn as_nobody(capabilities: &[&str]) -> Command {
    let set = capabilities.iter().fold("-all".to_owned(), |set, name| format!("{set},+{name}"));
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]);
    command.arg(format!("--inh-caps={set}")).arg(format!("--ambient-caps={set}"));
    command.arg(format!("--bounding-set={set}"));
    command
}

/// What a collection of this machine says, with `before` in front of the agent.
fn collected(before: Option<Command>) -> Value {
    let agent = program("evidenced-agent");
    let mut command = match before {
        Some(mut before) => {
            before.arg(agent.get_program());
            before
        }
        None => agent,
    };
    let output = command.args(["collect", "--format", "json"]).output().expect("the agent runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Outcome by rule.
fn outcomes(document: &Value) -> BTreeMap<String, String> {
    let mut command = program("evidenced-collector");
    command.args(["assess", "-", "--format", "json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the collector runs");
    let mut input = child.stdin.take().expect("input");
    input.write_all(document.to_string().as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("output");
    let line = |line: &str| {
        let result: Value = serde_json::from_str(line).expect("JSON");
        let word = |key: &str| result[key].as_str().expect("a word").to_owned();
        (word("rule"), word("outcome"))
    };
    String::from_utf8_lossy(&output.stdout).lines().map(line).collect()
}

/// `(status, unread)` by kind.
fn read(document: &Value) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let kinds = document["kinds"].as_object().expect("kinds");
    let read = |entry: &Value| {
        let unread = entry["unread"].as_array().expect("unread").iter();
        let unread = unread.map(|field| field.as_str().expect("a field").to_owned());
        (entry["status"].as_str().expect("status").to_owned(), unread.collect())
    };
    kinds.iter().map(|(kind, entry)| (kind.clone(), read(entry))).collect()
}

#[test]
fn with_the_units_capabilities_the_agent_reads_what_root_reads() {
    let bounding = values("evidenced-agent.service", "CapabilityBoundingSet");
    let ambient = values("evidenced-agent.service", "AmbientCapabilities");
    assert_eq!(bounding, ambient, "what it may have, it has");
    let names = ambient[0].to_lowercase();
    let names: Vec<_> = names.split(' ').filter_map(|name| name.strip_prefix("cap_")).collect();
    let (root, confined) = (collected(None), collected(Some(as_nobody(&names))));
    let (confined, root) = (read(&confined), read(&root));
    for (kind, was) in &root {
        let now = &confined[kind];
        let lost: Vec<_> = now.1.difference(&was.1).map(String::as_str).collect();
        match kind.as_str() {
            // The kernel shows this one to CAP_SYS_ADMIN alone, which is far too much for an agent.
            "kernel_hardening" => assert_eq!(lost, ["sysctl.net.core.bpf_jit_harden"]),
            // What the kernel holds takes a capability that is the operator's choice: see the drop-ins
            // beside the unit. What is in files is read all the same.
            "audit" | "firewall" => {
                assert_eq!(now.0, "partial", "{kind}");
                assert!(!lost.is_empty(), "{kind}");
            }
            // The kind about the agent itself says as whom the agent runs.
            "meta" => {}
            _ => assert_eq!(now, was, "{kind}"),
        }
    }
}

#[test]
fn without_any_capability_the_agent_says_what_was_denied_and_no_rule_passes_for_it() {
    let (root, bare) = (collected(None), collected(Some(as_nobody(&[]))));
    let said = read(&bare);
    assert!(said["accounts"].1.contains("users.password"), "{said:?}");
    assert!(said.values().any(|(status, _)| status == "ok"), "it is useful without: {said:?}");
    let sources = bare["kinds"]["accounts"]["sources"].as_array().expect("sources");
    let shadow = sources.iter().find(|source| source["path"] == "/etc/shadow");
    assert_eq!(shadow.expect("named")["status"], "denied");
    let (root, bare) = (outcomes(&root), outcomes(&bare));
    for (rule, outcome) in &bare {
        let was = &root[rule];
        assert!(outcome == "unknown" || outcome == was, "{rule}: {was} as root, {outcome} without");
    }
    assert!(bare.values().any(|outcome| outcome == "pass"));
    assert!(bare.iter().any(|(rule, outcome)| outcome == "unknown" && root[rule] != "unknown"));
}
