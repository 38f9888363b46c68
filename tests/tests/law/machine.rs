//! Fixtures as machines, and what the rules say of them.

use evidence::Digest;
use evidenced_agent::collectors::{self, Collected, Collector};
use evidenced_agent::host::{Fixture, Host};
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::judge::{HostState, Judge, KindState, Outcome, RuleSet};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A day on which the releases of the fixtures were supported.
const TODAY: i64 = 20_779;

/// Rule → what it says.
pub(crate) type Outcomes = BTreeMap<String, Outcome>;

/// One fixture of one kind.
pub(crate) struct Case {
    pub(crate) collector: &'static Collector,
    pub(crate) name: String,
    pub(crate) fixture: Fixture,
}

impl Case {
    pub(crate) fn all(collector: &'static Collector) -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/fixtures");
        let entries = std::fs::read_dir(folder.join(collector.kind)).expect("fixtures");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
        paths.sort();
        let case = |path: &std::path::PathBuf| {
            let name = path.file_stem().expect("name").to_string_lossy();
            let text = std::fs::read_to_string(path).expect("fixture");
            let fixture = Fixture::parse(&text).expect("fixture");
            Self { collector, name: format!("{}/{name}", collector.kind), fixture }
        };
        paths.iter().map(case).collect()
    }

    pub(crate) fn collected(&self, fixture: &Fixture) -> Collected {
        self.collected_by(fixture.clone())
    }

    fn collected_by(&self, fixture: Fixture) -> Collected {
        self.collector.collect(&Host::fixture(fixture))
    }

    /// Every path that is asked for: what the collector reads or lists, whether it is there or
    /// not, and whatever else the fixture holds, because attributes are asked for too.
    pub(crate) fn sources(&self) -> BTreeSet<String> {
        let read = self.collected(&self.fixture).sources;
        let read = read.into_iter().map(|source| source.path.trim_end_matches('/').to_owned());
        read.chain(self.fixture.paths()).filter(|path| path.starts_with('/')).collect()
    }
}

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

/// All rules of all profiles, and a sound state of every kind beside the one that is tried.
pub(crate) struct Bench {
    judge: Judge,
    sound: HostState,
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
        BENCH.get_or_init(Self::new)
    }

    fn new() -> Self {
        let catalogue = Catalogue::builtin().expect("catalogue");
        let judge = Judge::new(Arc::new(RuleSet::builtin(&catalogue).expect("rules")));
        let mut bench = Self {
            judge,
            sound: HostState::default(),
            decided: Mutex::default(),
            judged: Mutex::default(),
        };
        for collector in collectors::ALL {
            let cases = Case::all(collector);
            let passes = |case: &&Case| {
                let outcomes = bench.outcomes(case, &case.fixture);
                outcomes.values().filter(|outcome| **outcome == Outcome::Pass).count()
            };
            let sound = cases.iter().max_by_key(passes).expect("a fixture");
            let state = state(sound.collected(&sound.fixture));
            bench.sound.kinds.insert(collector.kind.to_owned(), state);
        }
        // Until now the others were missing.
        bench.judged = Mutex::default();
        bench
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
        let mut host = self.sound.clone();
        host.kinds.insert(kind.to_owned(), state(collected));
        let results = self.judge.judge(&host, TODAY).into_iter().zip(self.judge.rules().rules());
        let reads = results.filter(|(_, rule)| rule.evidence.iter().any(|name| name == kind));
        reads.map(|(result, _)| (result.rule, result.outcome)).collect()
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

fn state(collected: Collected) -> KindState {
    let Collected { status, facts, unread, .. } = collected;
    KindState { status, unread, facts: facts.map(Arc::new) }
}
