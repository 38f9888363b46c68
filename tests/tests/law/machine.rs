//! What the rules say of fixtures in which a source differs.

use evidence::Digest;
use evidenced_agent::collectors::Collected;
use evidenced_agent::host::Fixture;
use evidenced_collector::judge::Outcome;
use evidenced_tests::Sound;
pub(crate) use evidenced_tests::machine::Case;
use evidenced_tests::machine::state;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Rule → what it says.
pub(crate) type Outcomes = BTreeMap<String, Outcome>;

/// How a source can differ: in all that is seen of it, or in its contents alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Other {
    /// Nothing of it is seen: it may be anything, with any owner and mode, and be there or not.
    Source,
    /// stat(2) still answers.
    Contents,
}

/// Rules that a source decides, by what it is and what else it could hold.
type Decided = BTreeMap<(String, String, Other), Arc<BTreeSet<String>>>;

/// The rules, and what they said before.
pub(crate) struct Bench {
    sound: &'static Sound,
    /// What [`Bench::decided`] found before.
    decided: Mutex<Decided>,
    /// What [`Bench::judged`] said before, by all that it depends on.
    judged: Mutex<HashMap<Seen, Arc<Outcomes>>>,
}

/// Kind, status, facts and what was not read.
type Seen = (&'static str, &'static str, Option<Digest>, Vec<String>);

/// Most other contents of one source that are tried on one machine.
const MAX_OTHERS: usize = 6;

impl Bench {
    /// The one bench of this program.
    pub(crate) fn get() -> &'static Self {
        static BENCH: OnceLock<Bench> = OnceLock::new();
        BENCH.get_or_init(|| Self {
            sound: Sound::get(),
            decided: Mutex::default(),
            judged: Mutex::default(),
        })
    }

    /// What the rules that need the case's kind say of this machine.
    pub(crate) fn outcomes(&self, case: &Case, fixture: &Fixture) -> Arc<Outcomes> {
        self.judged(case.collector.kind, case.collected(fixture))
    }

    /// The same of a machine that is not needed again.
    pub(crate) fn outcomes_of(&self, case: &Case, fixture: Fixture) -> Arc<Outcomes> {
        self.judged(case.collector.kind, case.collected_by(fixture))
    }

    pub(crate) fn judged(&self, kind: &'static str, collected: Collected) -> Arc<Outcomes> {
        let facts = collected.facts.as_ref().map(|facts| facts.id());
        let seen = (kind, collected.status.as_str(), facts, collected.unread.clone());
        let known = || self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcomes) = known().get(&seen) {
            return Arc::clone(outcomes);
        }
        let outcomes = Arc::new(self.judge_anew(kind, collected));
        known().insert(seen, Arc::clone(&outcomes));
        outcomes
    }

    fn judge_anew(&self, kind: &str, collected: Collected) -> Outcomes {
        let results = self.sound.results(kind, state(collected)).into_iter();
        results.map(|result| (result.rule, result.outcome)).collect()
    }

    /// Rules that fail on this machine for something that the source may hold: what it holds here
    /// and in the other cases.
    pub(crate) fn decided(
        &self,
        case: &Case,
        cases: &[Case],
        path: &str,
        other: Other,
    ) -> Arc<BTreeSet<String>> {
        let key = (case.name.clone(), path.to_owned(), other);
        let known = || self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decided) = known().get(&key) {
            return Arc::clone(decided);
        }
        let (mut tried, mut decided) = (Vec::<&Case>::new(), BTreeSet::new());
        // Its own state first, then the others from its place on, so that each is tried somewhere.
        let own = cases.iter().position(|from| from.name == case.name).unwrap_or_default();
        for from in cases.iter().cycle().skip(own).take(cases.len()) {
            let is_known = tried.iter().any(|one| one.fixture.is_like(&from.fixture, path));
            if tried.len() == MAX_OTHERS || is_known {
                continue;
            }
            let Some(fixture) = with(case, from, path, other) else { continue };
            tried.push(from);
            let outcomes = self.outcomes_of(case, fixture);
            let fails = outcomes.iter().filter(|(_, outcome)| **outcome == Outcome::Fail);
            decided.extend(fails.map(|(rule, _)| rule.clone()));
        }
        let decided = Arc::new(decided);
        known().insert(key, Arc::clone(&decided));
        decided
    }
}

/// The case with the source as it is on another machine; none if it holds nothing there.
fn with(case: &Case, from: &Case, path: &str, other: Other) -> Option<Fixture> {
    let mut fixture = case.fixture.clone();
    let contents = from.fixture.contents(path);
    match (other, contents) {
        (Other::Contents, Some(contents)) if case.fixture.contents(path).is_some() => {
            fixture.replace(path, contents.to_vec());
        }
        (_, None) if !holds(from, path) => return None,
        _ => fixture.take_from(&from.fixture, path),
    }
    Some(fixture)
}

/// Whether the case has something below this directory.
fn holds(case: &Case, path: &str) -> bool {
    let below = format!("{path}/");
    case.fixture.paths().iter().any(|known| known.starts_with(&below))
}
