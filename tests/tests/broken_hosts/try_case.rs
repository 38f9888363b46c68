//! One case: the base, the defect and the near miss are machines; what the rules say of each is
//! compared with what the case says.

use crate::case::{Base, Case, Says};
use crate::machine_text::MachineText;
use evidenced_agent::collectors::{self, Collector};
use evidenced_agent::host::{Fixture, Host};
use evidenced_collector::judge::{KindState, Outcome, RuleResult};
use evidenced_tests::machine::{self, Sound};
use std::collections::BTreeMap;

/// In place of a rule: every rule of the kind that is not named.
const ALL: &str = "*";

/// Rule → what it says.
pub(crate) type Results = BTreeMap<String, RuleResult>;

/// A case with its machines.
pub(crate) struct Trial {
    pub(crate) base: Fixture,
    pub(crate) defect: Fixture,
    pub(crate) near: Fixture,
    kind: &'static str,
    collector: &'static Collector,
    beside: Vec<(String, KindState)>,
}

impl Trial {
    pub(crate) fn new(kind: &str, case: &Case, base: &Base) -> Result<Self, String> {
        let collector = collector_of(kind)?;
        let sound = machine_text(kind, &base.fixture)?.edited(&base.edits);
        let sound = sound.map_err(|error| format!("base: {error}"))?;
        let defect = sound.edited(&case.defect).map_err(|error| format!("defect: {error}"))?;
        let near = sound.edited(&case.near).map_err(|error| format!("near miss: {error}"))?;
        for (one, other, what) in [
            (&near, &sound, "the near miss is the base"),
            (&near, &defect, "the near miss is the defect"),
            (&defect, &sound, "the defect is the base"),
        ] {
            if one == other {
                return Err(what.to_owned());
            }
        }
        let beside = case.beside.iter().map(|(kind, fixture)| {
            let collected = collector_of(kind)?
                .collect(&Host::fixture(machine_text(kind, fixture)?.fixture()?));
            Ok((kind.clone(), machine::state(collected)))
        });
        let beside = beside.collect::<Result<_, String>>()?;
        let [base, defect, near] = [sound.fixture()?, defect.fixture()?, near.fixture()?];
        Ok(Self { base, defect, near, kind: collector.kind, collector, beside })
    }

    /// What the rules say of a host.
    pub(crate) fn results(&self, host: &Host) -> Results {
        let state = machine::state(self.collector.collect(host));
        let results = Sound::get().results_beside(&self.beside, self.kind, state);
        results.into_iter().map(|result| (result.rule.clone(), result)).collect()
    }

    /// Everything that differs from what the case says, each in one line.
    pub(crate) fn differences(&self, case: &Case, host: impl Fn(&Fixture) -> Host) -> Vec<String> {
        let before = self.results(&host(&self.base));
        let mut lines = vec![];
        for rule in case.flips.keys().filter(|rule| *rule != ALL) {
            match before.get(rule) {
                None => lines.push(format!("{rule}: does not read {}", self.kind)),
                Some(result) if result.outcome != Outcome::Pass => {
                    lines.push(format!("{rule}: base: expected pass, found {}", says(result).0));
                }
                Some(_) => {}
            }
        }
        let mut defect: BTreeMap<_, _> = case.flips.iter().chain(&case.also).collect();
        if let Some(says) = defect.remove(&ALL.to_owned()) {
            before.keys().for_each(|rule| {
                defect.entry(rule).or_insert(says);
            });
        }
        let after = self.results(&host(&self.defect));
        lines.extend(compared("defect", &before, &after, &defect));
        let pass = Says("pass".to_owned());
        let near = case.flips.keys().filter(|rule| *rule != ALL).map(|rule| (rule, &pass));
        let near: BTreeMap<_, _> = case.near_also.iter().chain(near).collect();
        let after = self.results(&host(&self.near));
        lines.extend(compared("near miss", &before, &after, &near));
        lines
    }
}

/// Rules that are named say what is written; the others the same as before.
fn compared(
    what: &str,
    before: &Results,
    after: &Results,
    expected: &BTreeMap<&String, &Says>,
) -> Vec<String> {
    let mut lines = vec![];
    for (rule, result) in after {
        let found = says(result);
        let was = before.get(rule).map(|before| before.outcome);
        match expected.get(rule) {
            Some(expected) if expected.is(&found) => {}
            Some(expected) => {
                lines.push(format!("{rule}: {what}: expected {}, found {}", expected.0, found.0));
            }
            None if was == Some(result.outcome) => {}
            None => {
                let was = was.map_or("nothing", Outcome::as_str);
                lines.push(format!("{rule}: {what}: expected {was} as before, found {}", found.0));
            }
        }
    }
    let missing = expected.keys().filter(|rule| !after.contains_key(**rule));
    lines.extend(missing.map(|rule| format!("{rule}: {what}: no such rule")));
    lines
}

/// What the rules say of one kind of a host, all other kinds being sound.
pub(crate) fn says_of(kind: &str, host: &Host) -> BTreeMap<String, String> {
    let state = machine::state(collector_of(kind).expect("kind").collect(host));
    let results = Sound::get().results_beside(&[], kind, state).into_iter();
    results.map(|result| (result.rule.clone(), says(&result).0)).collect()
}

fn says(result: &RuleResult) -> Says {
    match (result.outcome, result.reason) {
        (Outcome::Fail, _) if !result.offenders.is_empty() => Says::offenders(&result.offenders),
        (Outcome::Unknown, Some(reason)) => Says(format!("unknown {}", reason.as_str())),
        (outcome, _) => Says(outcome.as_str().to_owned()),
    }
}

pub(crate) fn machine_text(kind: &str, fixture: &str) -> Result<MachineText, String> {
    let path = machine::Case::folder(kind).join(format!("{fixture}.txtar"));
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|error| format!("fixture {kind}/{fixture}: {error}"))?;
    Ok(MachineText::parse(&text))
}

fn collector_of(kind: &str) -> Result<&'static Collector, String> {
    let found = collectors::ALL.iter().find(|collector| collector.kind == kind);
    found.ok_or_else(|| format!("{kind} is no kind"))
}
