//! Joins the two ends without a shared struct: every rule judges the facts that the agent's
//! collectors are known to give. A field that is renamed in a collector breaks here.

use evidence::{Facts, Status, kinds};
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::judge::{HostState, Judge, KindState, Reason, RuleSet};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TODAY: i64 = 20_779;

/// The section `expect.json` of a fixture.
#[derive(Deserialize)]
struct Expected {
    status: Status,
    unread: Vec<String>,
    data: Option<Value>,
}

fn fixtures(kind: &str) -> Option<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/fixtures").join(kind);
    let entries = std::fs::read_dir(folder).ok()?;
    let paths = entries.map(|entry| entry.expect("entry").path());
    Some(paths.filter(|path| path.extension().is_some_and(|e| e == "txtar")).collect())
}

fn state(kind: &str, v: i64, path: &Path) -> KindState {
    let text = std::fs::read_to_string(path).expect("fixture");
    let (_, json) = text.split_once("-- expect.json --\n").expect("an expectation");
    let expected: Expected = serde_json::from_str(json).expect("JSON");
    let facts = |data| Arc::new(Facts::new(kind, v, data).expect("facts"));
    KindState { status: expected.status, unread: expected.unread, facts: expected.data.map(facts) }
}

#[test]
fn no_rule_stumbles_over_what_the_collectors_give() {
    let catalogue = Catalogue::builtin().expect("catalogue");
    let judge = Judge::new(Arc::new(RuleSet::builtin(&catalogue).expect("rules")));
    for kind in kinds::ALL {
        let Some(paths) = fixtures(kind.name) else { continue };
        assert!(!paths.is_empty(), "agent/fixtures/{} holds no fixture", kind.name);
        let mut judged = 0;
        for path in paths {
            let mut host = HostState::default();
            host.kinds.insert(kind.name.to_owned(), state(kind.name, kind.v, &path));
            for result in judge.judge(&host, TODAY) {
                let at = path.display();
                assert_ne!(result.reason, Some(Reason::RuleError), "{} on {at}", result.rule);
                judged += usize::from(result.reason.is_none());
            }
        }
        let has_rules = judge.rules().rules().iter().any(|rule| rule.evidence == [kind.name]);
        assert!(judged > 0 || !has_rules, "no rule can judge any fixture of {}", kind.name);
    }
}
