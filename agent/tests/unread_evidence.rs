//! What could not be read is never invented: a machine of which one file is denied or broken says
//! a part of what the whole one says, and names all that it leaves out.

use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::{Fixture, Host};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(kind);
    let entries = std::fs::read_dir(folder).expect("fixtures");
    entries.map(|entry| entry.expect("entry").path()).collect()
}

fn collect(kind: &str, text: &str) -> Collected {
    let fixture = Fixture::parse(text).expect("fixture");
    collectors::find(kind).expect("kind").collect(&Host::fixture(fixture))
}

/// The fixture once for every file in it, that file `denied` or failing.
fn sabotaged(text: &str, how: &str) -> Vec<(String, String)> {
    let headers = text.lines().filter_map(|line| {
        line.trim_end().strip_prefix("-- /")?.strip_suffix(" --").filter(|header| {
            !header.contains(" -> ") && !header.split(' ').any(|word| word == "dir")
        })
    });
    headers
        .map(|header| {
            let path = format!("/{}", header.split(' ').next().unwrap_or_default());
            let sabotaged = format!("-- /{header} {how} --");
            (path, text.replacen(&format!("-- /{header} --"), &sabotaged, 1))
        })
        .collect()
}

/// The fixture without one of its files.
fn without(text: &str, path: &str) -> Option<String> {
    let start = text.find(&format!("\n-- {path} "))?;
    let end = text[start + 1..].find("\n-- /").map_or(text.len(), |at| start + 1 + at);
    Some(format!("{}{}", &text[..start], &text[end..]))
}

/// Fails unless `part` says nothing that `whole` does not say, and what it leaves out is unread.
fn is_part(whole: &Value, part: &Value, path: &str, unread: &[String]) -> Result<(), String> {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            if let Some(key) = part.keys().find(|key| !whole.contains_key(*key)) {
                return Err(format!("{path}.{key} appears"));
            }
            whole.iter().try_for_each(|(key, value)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match part.get(key) {
                    Some(part) => is_part(value, part, &path, unread),
                    None if unread.contains(&path) => Ok(()),
                    None => Err(format!("{path} is gone, and nothing says so")),
                }
            })
        }
        (Value::Array(whole), Value::Array(part)) if whole.len() == part.len() => {
            let mut pairs = whole.iter().zip(part);
            pairs.try_for_each(|(whole, part)| is_part(whole, part, path, unread))
        }
        _ if whole == part => Ok(()),
        _ => Err(format!("{path} was {whole} and is {part}")),
    }
}

fn check(kind: &str, name: &str, whole: &Collected, text: &str) {
    let part = collect(kind, text);
    let (Some(whole), Some(facts)) = (&whole.facts, &part.facts) else {
        assert!(whole.facts.is_some() || part.facts.is_none(), "{name}: facts from nothing");
        assert_ne!(part.status, evidence::Status::Ok, "{name}");
        return;
    };
    // The list of what could not be read is the one fact that grows.
    let listed = |data: &Value| {
        let mut data = data.clone();
        data.as_object_mut().map(|data| data.remove("unresolved"));
        data
    };
    if let Err(why) = is_part(&listed(&whole.data), &listed(&facts.data), "", &part.unread) {
        panic!("{name}: {why}");
    }
}

#[test]
fn a_file_that_cannot_be_read_takes_facts_away_and_changes_none() {
    let mut checked = 0;
    for kind in [
        "accounts",
        "backup",
        "containers",
        "endpoint_protection",
        "host_os",
        "kernel_hardening",
        "listening_ports",
        "logging",
        "logins",
        "meta",
        "sudo",
        "time_sync",
    ] {
        for path in fixtures(kind) {
            let text = std::fs::read_to_string(&path).expect("fixture");
            let whole = collect(kind, &text);
            for how in ["denied", "io_error"] {
                for (file, text) in sabotaged(&text, how) {
                    // There the table built into the agent answers instead, and says so.
                    if file.starts_with("/usr/share/distro-info/") {
                        continue;
                    }
                    check(kind, &format!("{} {file} {how}", path.display()), &whole, &text);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 400, "{checked}");
}

/// gshadow(5) and login.defs(5) may be missing for good; these may not.
#[test]
fn a_missing_file_of_accounts_takes_facts_away_and_changes_none() {
    let mut checked = 0;
    for path in fixtures("accounts") {
        let text = std::fs::read_to_string(&path).expect("fixture");
        let whole = collect("accounts", &text);
        for file in ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/nsswitch.conf"] {
            if let Some(text) = without(&text, file) {
                check("accounts", &format!("{} without {file}", path.display()), &whole, &text);
                checked += 1;
            }
        }
    }
    assert!(checked > 80, "{checked}");
}
