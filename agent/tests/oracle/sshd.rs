//! What `sshd -T` prints, and that the facts of `ssh_server` are the same.

use evidence::kinds::SshServer;
use evidence::kinds::ssh_server::Settings;
use std::collections::BTreeMap;

/// Every keyword `sshd -T` printed, with all its values.
pub(super) type Printed = BTreeMap<String, Vec<String>>;

const LISTS: [&str; 4] = ["allowusers", "allowgroups", "denyusers", "denygroups"];

/// The lines of `sshd -T`.
pub(super) fn parsed(text: &str) -> Printed {
    let mut printed = Printed::new();
    for line in text.lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        printed.entry(keyword.to_owned()).or_default().push(value.to_owned());
    }
    printed
}

/// What the agent says, in the form of `sshd -T`.
pub(super) fn as_printed(settings: &Settings) -> Printed {
    let value = serde_json::to_value(settings).expect("JSON");
    let mut printed = Printed::new();
    for (field, value) in value.as_object().expect("object") {
        let keyword = match field.as_str() {
            "ports" => "port",
            "listenaddresses" => "listenaddress",
            field => field.trim_end_matches("_s"),
        };
        let words: Vec<String> = match value {
            serde_json::Value::Array(items) => items.iter().map(text).collect(),
            value => vec![text(value)],
        };
        let one_line = ["authorizedkeysfile", "authenticationmethods"].contains(&keyword);
        let mut words = if one_line { vec![words.join(" ")] } else { words };
        if keyword == "listenaddress" {
            words.sort();
        }
        if !words.is_empty() {
            printed.insert(keyword.to_owned(), words);
        }
    }
    printed
}

pub(super) fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The same keywords of what sshd printed.
pub(super) fn reported(mut printed: Printed) -> Printed {
    for (keyword, values) in &mut printed {
        for value in values.iter_mut() {
            match keyword.as_str() {
                "permitrootlogin" => *value = value.replace("without-", "prohibit-"),
                "loglevel" => *value = value.replace("SILENT", "QUIET"),
                "authorizedkeyscommand" => {
                    *value = value.split(' ').next().expect("path").to_owned();
                }
                _ => {}
            }
        }
        if keyword == "listenaddress" {
            values.sort();
        }
    }
    printed
}

/// The global settings and every list of algorithms are those that sshd printed (`reported`).
pub(super) fn assert_same(agent: &SshServer, printed: &Printed) {
    let global = as_printed(agent.global.as_ref().expect("global"));
    for keyword in global.keys().chain(&LISTS.map(str::to_owned)) {
        assert_eq!(global.get(keyword), printed.get(keyword), "{keyword}");
    }
    let algorithms = agent.effective_algorithms.as_ref().expect("algorithms");
    assert_eq!(algorithms.ciphers, list(printed, "ciphers", ""));
    assert_eq!(algorithms.macs, list(printed, "macs", ""));
    assert_eq!(algorithms.kex, list(printed, "kexalgorithms", ""));
    assert_eq!(algorithms.hostkey, list(printed, "hostkeyalgorithms", ""));
    let own = pubkey(printed);
    assert_eq!(algorithms.pubkey[..own.len()], own);
}

/// A comma-separated value by its name, or by the one of older releases.
fn list(printed: &Printed, keyword: &str, old: &str) -> Vec<String> {
    let value = printed.get(keyword).or_else(|| printed.get(old)).expect("list");
    value[0].split(',').map(str::to_owned).collect()
}

pub(super) fn pubkey(printed: &Printed) -> Vec<String> {
    list(printed, "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes")
}
