//! Machines to fuzz: the fixtures of all kinds, and what their collectors ask for.
//!
//! An input is four bytes and the contents of a file: the fixture (little-endian, modulo their
//! number), the path of that fixture (the same), and what it holds from now on.

use evidenced_agent::collectors::{self, Collector};
use evidenced_agent::host::{Fixture, Host};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

pub struct Case {
    pub collector: &'static Collector,
    pub fixture: Fixture,
    /// Every path that is read, or there.
    pub paths: Vec<String>,
}

/// All of them, in a fixed order.
pub fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| collectors::ALL.iter().flat_map(of_kind).collect())
}

fn of_kind(collector: &'static Collector) -> Vec<Case> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(collector.kind);
    let entries = std::fs::read_dir(fixtures).expect("fixtures");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let case = |file: &std::path::PathBuf| {
        let text = std::fs::read_to_string(file).expect("a fixture");
        let fixture = Fixture::parse(&text).expect("a fixture");
        let read = collector.collect(&Host::fixture(fixture.clone())).sources;
        let read = read.into_iter().map(|source| source.path).filter(|path| !path.ends_with('/'));
        let paths: BTreeSet<_> = read.chain(fixture.paths()).filter(|path| path.starts_with('/')).collect();
        Case { collector, fixture, paths: paths.into_iter().collect() }
    };
    files.iter().map(case).filter(|case| !case.paths.is_empty()).collect()
}

/// Collects from the machine of an input. What it says does not matter; that it ends, and how much
/// it takes, does.
pub fn collect(input: &[u8]) {
    let Some((head, contents)) = input.split_at_checked(4) else { return };
    let at = |low: usize| usize::from(u16::from_le_bytes([head[low], head[low + 1]]));
    let cases = cases();
    let case = &cases[at(0) % cases.len()];
    let path = &case.paths[at(2) % case.paths.len()];
    let mut fixture = case.fixture.clone();
    fixture.replace(path, contents.to_vec());
    let collected = case.collector.collect(&Host::fixture(fixture));
    // What leaves has to be canonical JSON.
    std::hint::black_box(collected.entry());
}
