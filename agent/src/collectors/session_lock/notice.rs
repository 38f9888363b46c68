//! Texts that are shown before a login: agetty(8) prints the first /etc/issue, and what lies in
//! issue.d after it.

use crate::formats::os_release;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::session_lock::Notice;
use std::collections::BTreeSet;

const ISSUES: [&str; 3] = ["/etc/issue", "/run/issue", "/usr/lib/issue"];
const PARTS: [&str; 3] = ["/etc/issue.d", "/run/issue.d", "/usr/lib/issue.d"];
const NET: &str = "/etc/issue.net";
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// Fewer are no notice.
const LEAST_WORDS: usize = 3;
/// What distributions write around the system's name.
const AROUND: [&str; 8] = ["kernel", "on", "an", "a", "welcome", "to", "linux", "gnu/linux"];
/// agetty's letters for the system, its version, its release, the machine and os-release.
const SYSTEM: [char; 5] = ['s', 'v', 'r', 'm', 'S'];

pub(super) fn issue(reading: &mut Reading<'_>) -> Result<Notice, Failure> {
    let mut text = String::new();
    for path in ISSUES {
        match reading.config(path) {
            Ok(found) => {
                text = found;
                break;
            }
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for directory in PARTS {
        let names = match reading.list(directory) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        for name in names.iter().filter(|name| name.ends_with(".issue")) {
            text.push('\n');
            text.push_str(&reading.config(&format!("{directory}/{name}"))?);
        }
    }
    Ok(notice(&text, &system(reading)?))
}

pub(super) fn issue_net(reading: &mut Reading<'_>) -> Result<Notice, Failure> {
    let text = match reading.config(NET) {
        Err(ReadError::Absent) => String::new(),
        other => other?,
    };
    Ok(notice(&text, &system(reading)?))
}

/// The system by its names, and the words it is told in.
struct System {
    names: BTreeSet<String>,
    words: BTreeSet<String>,
}

fn system(reading: &mut Reading<'_>) -> Result<System, Failure> {
    for path in OS_RELEASE {
        let text = match reading.config(path) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        let values = os_release::parse(&text).map_err(|_| Failure(Status::ParseError))?;
        let get = |key: &str| values.get(key).map_or("", String::as_str);
        let names = [get("ID"), get("NAME").split_whitespace().next().unwrap_or("")];
        let told = [get("NAME"), get("PRETTY_NAME"), get("VERSION"), get("ID")].join(" ");
        let names = names.iter().filter(|name| name.len() > 1);
        return Ok(System { names: names.map(|name| word(name)).collect(), words: words(&told) });
    }
    Err(Failure(Status::Absent))
}

fn word(text: &str) -> String {
    let edges = |c: char| !c.is_alphanumeric();
    text.trim_matches(edges).to_lowercase()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(word).filter(|word| word.contains(char::is_alphabetic)).collect()
}

fn notice(text: &str, system: &System) -> Notice {
    let (plain, escapes) = without_escapes(text);
    let all = words(&plain);
    let own = all.iter().filter(|w| !system.words.contains(*w) && !AROUND.contains(&w.as_str()));
    let is_named = all.iter().any(|word| {
        system.names.contains(word) || word.split('/').any(|part| system.names.contains(part))
    });
    Notice {
        has_words: own.count() >= LEAST_WORDS,
        names_system: is_named || escapes.iter().any(|letter| SYSTEM.contains(letter)),
    }
}

/// `\n`, `\S{NAME}`: letters of agetty, which are no words.
fn without_escapes(text: &str) -> (String, Vec<char>) {
    let (mut plain, mut escapes) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut characters = after.chars();
        escapes.extend(characters.next());
        rest = characters.as_str();
        if let Some((_, behind)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            rest = behind;
        }
    }
    plain.push_str(rest);
    (plain, escapes)
}
