//! Joins the two ends without a shared struct: every rule judges the facts that the agent's
//! collectors are known to give. A field that is renamed in a collector breaks here.

use evidence::{Facts, Status, kinds};
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::judge::{HostState, Judge, KindState, Reason, RuleSet};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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

/// Fixtures of every kind that has some, with their names.
fn every_fixture() -> BTreeMap<&'static str, Vec<(PathBuf, KindState)>> {
    let mut all = BTreeMap::new();
    for kind in kinds::ALL {
        let paths = fixtures(kind.name).unwrap_or_default().into_iter();
        let read = paths.map(|path| (path.clone(), state(kind.name, kind.v, &path)));
        all.insert(kind.name, read.collect::<Vec<_>>());
    }
    all
}

/// Asks that two kinds saw the same accounts, which fixtures of one kind each never do: whole
/// machines are judged by it in `tests/tests/broken_hosts/cases/logins.toml`.
const ELSEWHERE: [&str; 1] = ["acc-dormant"];

/// A rule of several kinds meets each fixture of each of them beside facts of the others that it
/// can be judged by.
#[test]
fn every_rule_judges_fixtures_of_all_its_kinds() {
    let catalogue = Catalogue::builtin().expect("catalogue");
    let judge = Judge::new(Arc::new(RuleSet::builtin(&catalogue).expect("rules")));
    let all = every_fixture();
    // Beside what is tried: of each kind the fixture that leaves fewest rules in doubt. The second
    // time the others are there too.
    let mut beside = HostState::default();
    for _ in 0..2 {
        for (kind, fixtures) in &all {
            let known = |state: &KindState| {
                let mut host = beside.clone();
                host.kinds.insert((*kind).to_owned(), state.clone());
                judge.judge(&host, TODAY).iter().filter(|result| result.reason.is_none()).count()
            };
            if let Some((_, best)) = fixtures.iter().max_by_key(|(_, state)| known(state)) {
                beside.kinds.insert((*kind).to_owned(), best.clone());
            }
        }
    }
    let mut judged: BTreeSet<String> = BTreeSet::new();
    for (kind, fixtures) in &all {
        for (path, state) in fixtures {
            let mut host = beside.clone();
            host.kinds.insert((*kind).to_owned(), state.clone());
            for result in judge.judge(&host, TODAY) {
                let at = path.display();
                assert_ne!(result.reason, Some(Reason::RuleError), "{} on {at}", result.rule);
                if result.reason.is_none() {
                    judged.insert(result.rule);
                }
            }
        }
    }
    let rules = judge.rules().rules().iter();
    let never = rules.filter(|rule| !judged.contains(&rule.id)).map(|rule| rule.id.as_str());
    assert_eq!(never.collect::<Vec<_>>(), ELSEWHERE, "no fixture lets these be judged");
}
