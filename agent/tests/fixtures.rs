//! Every collector reproduces its fixtures: `fixtures/<kind>/<case>.txtar` holds a fake machine
//! and what the collector says of it. `UPDATE_EXPECT=1 cargo test -p evidenced-agent` rewrites
//! the expectations; review the difference.

use evidenced_agent::collectors::{self, Collected};
use evidenced_agent::host::{Fixture, Host};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(kind);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    paths
}

/// Everything but the sources that were read without fault: paths tried and absent are noise in a
/// fixture, unless the case is about them.
fn outcome(collected: &Collected) -> Value {
    let sources: Vec<_> = collected
        .sources
        .iter()
        .filter(|s| s.note.is_some() || !matches!(s.status.as_str(), "ok" | "absent"))
        .collect();
    json!({
        "status": collected.status,
        "unread": collected.unread,
        "faults": sources.iter().map(|s| match &s.note {
            Some(note) => format!("{} {}: {note}", s.path, s.status),
            None => format!("{} {}", s.path, s.status),
        }).collect::<Vec<_>>(),
        "data": collected.facts.as_ref().map(|facts| facts.data.clone()),
    })
}

#[test]
fn every_kind_reproduces_its_fixtures() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for collector in collectors::ALL {
        let cases = cases(collector.kind);
        assert!(!cases.is_empty(), "{} has no fixture", collector.kind);
        for path in cases {
            let text = std::fs::read_to_string(&path).expect("fixture");
            let fixture =
                Fixture::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let expect = fixture.expect.clone();
            let got = outcome(&collector.collect(&Host::fixture(fixture)));
            let want = expect.and_then(|text| serde_json::from_str::<Value>(&text).ok());
            if want.as_ref() == Some(&got) {
                continue;
            }
            let pretty = serde_json::to_string_pretty(&got).expect("JSON");
            if update {
                let head = text.split("-- expect.json --").next().expect("head");
                std::fs::write(&path, format!("{head}-- expect.json --\n{pretty}\n"))
                    .expect("written");
            }
            wrong.push(format!("{}:\n{pretty}", path.display()));
        }
    }
    assert!(update || wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Reading the same machine twice gives the same bytes.
#[test]
fn facts_do_not_depend_on_when_they_are_read() {
    for collector in collectors::ALL {
        for path in cases(collector.kind) {
            let text = std::fs::read_to_string(&path).expect("fixture");
            let host = Host::fixture(Fixture::parse(&text).expect("fixture"));
            assert_eq!(collector.collect(&host), collector.collect(&host), "{}", path.display());
        }
    }
}
