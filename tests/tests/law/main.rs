//! The law of promise 1, "pass needs proof", over every fixture of every kind and all rules of all
//! profiles:
//!
//! 1. A source that is refused (EACCES), fails (EIO) or holds noise turns no result into `pass` or
//!    `not_applicable` that was not so before.
//! 2. A source that was not read proves nothing: a rule that fails for some content of the source
//!    neither passes nor is excused while the source is refused, fails, or is noise throughout.
//! 3. Both hold for a required source that is gone, and the first for one that was cut within a
//!    record ([`required`] says which sources those are, and why).
//!
//! What a source may contain is known from the other fixtures of the kind: a rule that one of them
//! makes fail reads the source, whatever the collector says about it. So the second part needs no
//! list of who reads what, and a new kind is tried by its fixtures alone.
//!
//! Noise is what a text file does not hold: other bytes in place of all or of a block, NUL, control
//! characters, bytes that are not UTF-8, a line of 100,000 characters. A flip that makes one letter
//! of another is none: `x:0:` that became `x:1:` is a sound line about somebody else, and no reader
//! can know. Seeds are fixed by the names of case, file and noise, so that a failure repeats.

mod machine;
mod noise;
mod required;
mod unprivileged;

use evidenced_agent::collectors;
use evidenced_agent::host::ReadError;
use evidenced_collector::judge::Outcome;
use machine::{Bench, Case, Other, Outcomes};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// EIO.
const FAILED: ReadError = ReadError::Io(5);

/// What the law found.
#[derive(Default)]
struct Findings {
    tried: usize,
    /// Results that stopped passing: without any the test would show nothing.
    stopped: usize,
    broken: BTreeSet<String>,
}

impl Findings {
    /// No result may be better than before, nor good where the source decides: what it decides is
    /// asked only where a result is good.
    fn judge(
        &mut self,
        before: &Outcomes,
        after: &Outcomes,
        decided: impl Fn() -> Arc<BTreeSet<String>>,
        what: impl Fn() -> String,
    ) {
        self.tried += 1;
        for (rule, now) in after {
            let was = before[rule];
            let good = matches!(now, Outcome::Pass | Outcome::NotApplicable);
            self.stopped += usize::from(was == Outcome::Pass && *now != Outcome::Pass);
            let became = good && was != *now;
            if became || (good && decided().contains(rule)) {
                let why = if became { "became" } else { "stayed" };
                let (was, now) = (was.as_str(), now.as_str());
                self.broken.insert(format!("{}: {rule} was {was}, {why} {now}", what()));
            }
        }
    }

    /// The first of what is broken, in words; nothing if nothing is.
    fn text(&self, kind: &str) -> String {
        let mut text = String::new();
        if !self.broken.is_empty() {
            let _ = writeln!(text, "{kind}: {} results", self.broken.len());
        }
        for line in self.broken.iter().take(40) {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}

/// Two threads go through the kinds; all must hold.
#[expect(clippy::print_stderr, reason = "the test says how much it tried")]
fn for_every_kind(what: &str, law: fn(&Bench, &[Case], &mut Findings)) {
    let bench = Bench::get();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = vec![];
        while let Some(collector) = collectors::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut findings = Findings::default();
            law(bench, &Case::all(collector), &mut findings);
            found.push((collector.kind, findings));
        }
        found
    };
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    });
    let broken: String = found.iter().map(|(kind, findings)| findings.text(kind)).collect();
    assert!(broken.is_empty(), "results without proof\n{broken}");
    let tried: usize = found.iter().map(|(_, findings)| findings.tried).sum();
    let stopped: usize = found.iter().map(|(_, findings)| findings.stopped).sum();
    assert!(tried > 300 && stopped > 300, "{tried} faults, {stopped} results stopped passing");
    eprintln!("{what}: {tried} faults tried, {stopped} results stopped passing");
}

#[test]
fn what_cannot_be_read_passes_nothing() {
    for_every_kind("what cannot be read", |bench, cases, findings| {
        for case in cases {
            let before = bench.outcomes(case, &case.fixture);
            for path in case.sources() {
                let faults = [
                    ("denied", ReadError::Denied, Other::Contents),
                    ("failing", FAILED, Other::Source),
                ];
                // What is not there is taken for refused; that it fails would say nothing more.
                let is_there = case.fixture.holds(&path);
                for (name, error, other) in faults.into_iter().take(1 + usize::from(is_there)) {
                    let decided = || bench.decided(case, cases, &path, other);
                    let mut fixture = case.fixture.clone();
                    fixture.fail(&path, error);
                    let after = bench.outcomes_of(case, fixture);
                    let what = || format!("{} {path} {name}", case.name);
                    findings.judge(&before, &after, decided, what);
                }
            }
        }
    });
}

#[test]
fn noise_passes_nothing() {
    for_every_kind("noise", |bench, cases, findings| {
        for case in cases {
            let before = bench.outcomes(case, &case.fixture);
            let read = case.collected(&case.fixture).sources;
            for path in case.sources() {
                let Some(contents) = case.fixture.contents(&path) else { continue };
                // Of a file that is never read only the size is asked: an empty one would be none.
                if contents.is_empty() && !read.iter().any(|source| source.path == path) {
                    continue;
                }
                for noise in noise::of(contents, &format!("{} {path}", case.name)) {
                    let decided = || match noise.throughout {
                        true => bench.decided(case, cases, &path, Other::Contents),
                        false => Arc::default(),
                    };
                    let mut fixture = case.fixture.clone();
                    fixture.replace(&path, noise.bytes);
                    let after = bench.outcomes_of(case, fixture);
                    let what = || format!("{} {path} {}", case.name, noise.name);
                    findings.judge(&before, &after, decided, what);
                }
            }
        }
    });
}

#[test]
fn a_required_source_that_is_gone_or_cut_passes_nothing() {
    for_every_kind("required sources", |bench, cases, findings| {
        for case in cases {
            let before = bench.outcomes(case, &case.fixture);
            for path in required::of(case) {
                let decided = || bench.decided(case, cases, &path, Other::Source);
                let mut fixture = case.fixture.clone();
                fixture.remove(&path);
                let after = bench.outcomes_of(case, fixture);
                findings.judge(&before, &after, decided, || format!("{} {path} gone", case.name));
            }
            for (path, cut) in required::cut_within_records(case) {
                let mut fixture = case.fixture.clone();
                let length = cut.len();
                fixture.replace(&path, cut);
                let after = bench.outcomes_of(case, fixture);
                let what = || format!("{} {path} cut after {length} bytes", case.name);
                findings.judge(&before, &after, Arc::default, what);
            }
        }
    });
}
