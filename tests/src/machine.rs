//! Fixtures as machines, and what the shipped rules say of them: what the law and the broken hosts
//! have in common.

use evidenced_agent::collectors::{self, Collected, Collector};
use evidenced_agent::host::{Fixture, Host};
use evidenced_collector::catalogue::Catalogue;
use evidenced_collector::judge::{HostState, Judge, KindState, Outcome, RuleResult, RuleSet};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A day on which the releases of the fixtures were supported.
const TODAY: i64 = 20_779;

/// One fixture of one kind.
pub struct Case {
    pub collector: &'static Collector,
    pub name: String,
    pub fixture: Fixture,
}

impl Case {
    pub fn all(collector: &'static Collector) -> Vec<Self> {
        let folder = Self::folder(collector.kind);
        let entries = std::fs::read_dir(folder).expect("fixtures");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
        paths.sort();
        let case = |path: &PathBuf| {
            let name = path.file_stem().expect("name").to_string_lossy();
            let text = std::fs::read_to_string(path).expect("fixture");
            let fixture = Fixture::parse(&text).expect("fixture");
            Self { collector, name: format!("{}/{name}", collector.kind), fixture }
        };
        paths.iter().map(case).collect()
    }

    /// Where the fixtures of a kind are.
    pub fn folder(kind: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/fixtures").join(kind)
    }

    pub fn collected(&self, fixture: &Fixture) -> Collected {
        self.collected_by(fixture.clone())
    }

    pub fn collected_by(&self, fixture: Fixture) -> Collected {
        self.collector.collect(&Host::fixture(fixture))
    }

    /// Every path that is asked for: what the collector reads or lists, whether it is there or
    /// not, and whatever else the fixture holds, because attributes are asked for too.
    pub fn sources(&self) -> BTreeSet<String> {
        let read = self.collected(&self.fixture).sources;
        let read = read.into_iter().map(|source| source.path.trim_end_matches('/').to_owned());
        read.chain(self.fixture.paths()).filter(|path| path.starts_with('/')).collect()
    }
}

/// All rules of all profiles, and a sound state of every kind beside the one that is tried.
pub struct Sound {
    pub judge: Judge,
    state: HostState,
}

impl Sound {
    /// The one of this program.
    pub fn get() -> &'static Self {
        static SOUND: OnceLock<Sound> = OnceLock::new();
        SOUND.get_or_init(Self::new)
    }

    /// Of each kind the fixture that passes most. The second time every other kind is there, so that
    /// rules of several kinds count: whether a host is a container decides most of them.
    fn new() -> Self {
        let catalogue = Catalogue::builtin().expect("catalogue");
        let judge = Judge::new(Arc::new(RuleSet::builtin(&catalogue).expect("rules")));
        let mut sound = Self { judge, state: HostState::default() };
        for collector in collectors::ALL.iter().chain(collectors::ALL) {
            let cases = Case::all(collector);
            let passes = |case: &&Case| {
                let results = sound.results(collector.kind, state(case.collected(&case.fixture)));
                results.iter().filter(|result| result.outcome == Outcome::Pass).count()
            };
            let best = cases.iter().max_by_key(passes).expect("a fixture");
            let state = state(best.collected(&best.fixture));
            sound.state.kinds.insert(collector.kind.to_owned(), state);
        }
        sound
    }

    /// The sound state of every kind.
    pub fn state(&self) -> &HostState {
        &self.state
    }

    /// What the rules that need the kind say of a machine that is sound otherwise.
    pub fn results(&self, kind: &str, state: KindState) -> Vec<RuleResult> {
        self.results_beside(&[], kind, state)
    }

    /// The same with other kinds given.
    pub fn results_beside(
        &self,
        others: &[(String, KindState)],
        kind: &str,
        state: KindState,
    ) -> Vec<RuleResult> {
        let mut host = self.state.clone();
        host.kinds.extend(others.iter().cloned());
        host.kinds.insert(kind.to_owned(), state);
        let results = self.judge.judge(&host, TODAY).into_iter().zip(self.judge.rules().rules());
        let reads = results.filter(|(_, rule)| rule.evidence.iter().any(|name| name == kind));
        reads.map(|(result, _)| result).collect()
    }
}

/// What the collector of evidence has of what was gathered.
pub fn state(collected: Collected) -> KindState {
    let Collected { status, facts, unread, .. } = collected;
    KindState { status, unread, facts: facts.map(Arc::new) }
}
