//! Judging a host of a snapshot again: the same when one is made and when one is verified. Pure.

use super::SnapshotError;
use super::document::{HostDocument, ListsDocument, ResultDocument};
use crate::approved::{List, Standing, without_accepted};
use crate::judge::{HostState, Judge, Outcome, RuleResult};
use crate::population;
use evidence::{Digest, Facts, Manifest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Text in place of offenders that a snapshot leaves out.
pub(super) fn left_out(offenders: usize) -> String {
    format!("{offenders} left out")
}

/// What a host said, as far as it is there.
pub(super) struct Said<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) facts: &'a BTreeMap<Digest, Arc<Facts>>,
    /// Kinds whose bodies a snapshot leaves out: rules that read them are not judged again.
    pub(super) left_out: &'a BTreeSet<String>,
}

/// What came of judging again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Results that are the same.
    pub(super) equal: u64,
    /// Rules whose result on record is another, or missing, or of a rule that does not judge.
    pub(super) differ: Vec<String>,
    /// Results that could not be judged again.
    pub(super) not_judged: u64,
}

/// The state that a manifest describes.
pub(super) fn state(said: &Said<'_>) -> HostState {
    HostState::from_manifest(said.manifest, |id| said.facts.get(&id).cloned())
}

/// The results of a state, with what the lists of the group accept taken away.
pub(super) fn results(
    judge: &Judge,
    group: &str,
    lists: &ListsDocument,
    state: &HostState,
    day: i64,
) -> BTreeMap<String, RuleResult> {
    let accepted = lists.get(group);
    let mut found = BTreeMap::new();
    for mut result in judge.judge_in(group, state, day) {
        for population in population::of_rule(&result.rule) {
            let Some(members) = accepted.and_then(|lists| lists.get(&population.id)) else {
                continue;
            };
            if result.outcome != Outcome::Fail || result.offenders.is_empty() {
                continue;
            }
            let members = members.iter().map(|member| (member.clone(), Standing::Accepted));
            let list = List { members: members.collect() };
            result.offenders = without_accepted(&result.offenders, &list);
            if result.offenders.is_empty() {
                result.outcome = Outcome::Pass;
            }
        }
        found.insert(result.rule.clone(), result);
    }
    found
}

/// Why each failure and each unknown is one: lines of `explanations/HOST.jsonl`.
pub(super) fn explanations(
    judge: &Judge,
    group: &str,
    lists: &ListsDocument,
    said: &Said<'_>,
    day: i64,
) -> Result<Vec<Value>, SnapshotError> {
    let state = state(said);
    let kinds = said.manifest.kinds.iter();
    let sources: BTreeMap<_, _> =
        kinds.map(|(kind, entry)| (kind.clone(), entry.sources.clone())).collect();
    let mut lines = vec![];
    for (id, result) in results(judge, group, lists, &state, day) {
        let Some(rule) = judge.rules().rule_of(group, &id) else { continue };
        let is_left_out = rule.evidence.iter().any(|kind| said.left_out.contains(kind));
        if is_left_out || !matches!(result.outcome, Outcome::Fail | Outcome::Unknown) {
            continue;
        }
        let mut explanation = judge.rules().explain(rule, &state, &sources, day);
        explanation.offenders = result.offenders;
        let value = serde_json::to_value(&explanation);
        lines.push(value.map_err(|e| SnapshotError::Other(e.to_string()))?);
    }
    Ok(lines)
}

/// Compares results that hold at the end with those of judging again.
pub(super) fn compare(
    document: &HostDocument,
    judge: &Judge,
    lists: &ListsDocument,
    said: &Said<'_>,
    day: i64,
) -> Compared {
    let again = results(judge, &document.group, lists, &state(said), day);
    let mut held: BTreeMap<&str, &ResultDocument> = BTreeMap::new();
    let mut compared = Compared::default();
    for row in document.results.iter().filter(|row| row.holds()) {
        if held.insert(&row.rule, row).is_some() {
            compared.differ.push(row.rule.clone());
        }
    }
    for (id, result) in &again {
        let rule = judge.rules().rule_of(&document.group, id);
        let reads =
            rule.is_some_and(|rule| rule.evidence.iter().any(|k| said.left_out.contains(k)));
        let held = held.remove(id.as_str());
        if reads {
            compared.not_judged += 1;
            if held.is_none() {
                compared.differ.push(id.clone());
            }
        } else if held.is_some_and(|row| is_same(row, result)) {
            compared.equal += 1;
        } else {
            compared.differ.push(id.clone());
        }
    }
    compared.differ.extend(held.into_keys().map(str::to_owned));
    // What the manifest says of each kind is what is on record.
    let kinds: BTreeMap<&str, _> = document
        .kinds
        .iter()
        .filter(|row| row.to_us.is_none())
        .map(|row| (row.kind.as_str(), &row.entry))
        .collect();
    let named = said.manifest.kinds.iter().map(|(kind, entry)| (kind.as_str(), entry));
    let named: BTreeMap<&str, _> = named.collect();
    let all: BTreeSet<&str> = kinds.keys().chain(named.keys()).copied().collect();
    let differ = all.into_iter().filter(|kind| kinds.get(kind) != named.get(kind));
    compared.differ.extend(differ.map(|kind| format!("kind {kind}")));
    compared
}

fn is_same(row: &ResultDocument, result: &RuleResult) -> bool {
    row.outcome == result.outcome.as_str()
        && row.reason.as_deref() == result.reason.map(|reason| reason.as_str())
        && row.offenders == result.offenders
}
