//! Reads what a result stands on, and has it explained: the last check-in that was judged, its
//! facts, the day. The explanation itself is pure (`judge`).

use crate::approved::{List, without_accepted};
use crate::clock::day_of;
use crate::judge::{Explanation, HostState, Off, Outcome, RuleSet};
use crate::moment::Moment;
use crate::population;
use crate::store::model::{HostRow, ResultRow};
use crate::store::{Head, Statement, Store, StoreError};
use evidence::{Digest, HostId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A result, and what it stands on.
pub struct Explained {
    pub host: HostRow,
    /// As the rules that are active now judge what the host said last.
    pub explanation: Explanation,
    /// Offenders that the approved lists of the host's group accept; the explanation is without them.
    pub accepted: Vec<String>,
    /// What is on record since the rule judged last.
    pub recorded: Option<ResultRow>,
    /// The check-in.
    pub statement: Statement,
    /// The set of rules that judged the host last.
    pub judged_rules: Option<Digest>,
}

impl Explained {
    /// Whether the record says the same. It may not for moments: new rules reach host by host.
    pub fn agrees(&self) -> bool {
        let now = &self.explanation;
        self.recorded.as_ref().is_some_and(|row| {
            row.outcome == now.outcome.as_str()
                && row.reason.as_deref() == now.reason.map(|reason| reason.as_str())
                && row.offenders == now.offenders
        })
    }
}

/// Why there is nothing to explain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nothing {
    NoHost,
    NoRule,
    /// The rule does not judge this host.
    SwitchedOff(Off),
    /// Nothing of the host was judged yet.
    NotJudged,
}

/// By the rules that judge now; with a moment, by those that judged then, and what is on record of it.
pub async fn load(
    store: &Store,
    rules: &RuleSet,
    (host, id): (HostId, &str),
    moment: Option<&Moment>,
) -> Result<Result<Explained, Nothing>, StoreError> {
    let host = match moment {
        None => store.host(host).await?,
        Some(moment) => store.host_at(host, moment).await?,
    };
    let Some(host) = host else { return Ok(Err(Nothing::NoHost)) };
    let Some(rule) = rules.rule_of(&host.group, id) else {
        let off = rules.off_of(&host.group).iter().find(|off| off.rule == id);
        return Ok(Err(off.map_or(Nothing::NoRule, |off| Nothing::SwitchedOff(off.clone()))));
    };
    let (day, statement) = match moment {
        None => {
            let judged = store.judged_up_to(Some(host.id)).await?.remove(&host.id);
            (judged.map(|(_, day)| day), store.last_judged(host.id).await?)
        }
        Some(moment) => {
            let head = store.heads_at(&[host.id], moment).await?.remove(&host.id);
            // A silent host is not judged for a new day.
            let last = head.as_ref().map(|head| match host.is_silent(moment.at_us) {
                true => head.observed_us,
                false => moment.at_us,
            });
            (last.map(day_of), head.map(|head| said(&head)))
        }
    };
    let (Some(day), Some(statement)) = (day, statement) else {
        return Ok(Err(Nothing::NotJudged));
    };
    let manifest = store.manifest_of_host(host.id, statement.manifest).await?.unwrap_or_default();
    let entries = manifest.kinds.iter().filter(|(kind, _)| rule.evidence.contains(kind));
    let named: Vec<Digest> = entries.clone().filter_map(|(_, entry)| entry.facts).collect();
    let mut facts = HashMap::new();
    for id in store.held(host.id, named.into_iter()).await? {
        if let Some(body) = store.facts(id).await? {
            facts.insert(id, Arc::new(body));
        }
    }
    let sources = entries.map(|(kind, entry)| (kind.clone(), entry.sources.clone())).collect();
    let state = HostState::from_manifest(&manifest, |id| facts.get(&id).cloned());
    let mut explanation = rules.explain(rule, &state, &sources, day);
    let (accepted, recorded, judged_rules) = match moment {
        None => {
            // The lists that judged it, as they were then.
            let (now, judged_by) = store.list_versions(host.id).await?;
            let (group, version) = judged_by.unwrap_or(now);
            let lists = match store.lists_at_version(&group, version).await? {
                Some(lists) => lists,
                None => store.lists_of_group(&host.group).await?,
            };
            let accepted = accept(&mut explanation, &lists);
            let only = [id.to_owned()];
            let recorded = store.open_results(Some(host.id), Some(&only)).await?.into_iter().next();
            (accepted, recorded, store.judged_rules(host.id).await?)
        }
        Some(moment) => {
            let held = store.results_at(Some(host.id), moment.at_us, moment.known).await?;
            let recorded = held.into_iter().find(|row| row.rule == id);
            let accepted = accepted_then(&mut explanation, recorded.as_ref());
            (accepted, recorded, Some(rules.id_of(&host.group)))
        }
    };
    Ok(Ok(Explained { host, explanation, accepted, recorded, statement, judged_rules }))
}

fn said(head: &Head) -> Statement {
    Statement {
        index: head.index.unsigned_abs(),
        observed_us: head.observed_us,
        manifest: head.manifest,
        complete: true,
    }
}

/// Approved lists of another moment are not kept; the record tells whom they accepted: offenders that
/// it does not have, of a rule over a population.
fn accepted_then(explanation: &mut Explanation, recorded: Option<&ResultRow>) -> Vec<String> {
    let of_list = population::of_rule(&explanation.rule).next().is_some();
    let Some(recorded) = recorded.filter(|_| of_list && explanation.outcome == Outcome::Fail)
    else {
        return vec![];
    };
    let left = |member: &String| recorded.offenders.contains(member);
    let counted = matches!(recorded.outcome.as_str(), "pass" | "fail");
    if !counted || !recorded.offenders.iter().all(|who| explanation.offenders.contains(who)) {
        return vec![];
    }
    let (left, accepted): (Vec<_>, Vec<_>) =
        std::mem::take(&mut explanation.offenders).into_iter().partition(left);
    explanation.offenders = left;
    if explanation.offenders.is_empty() {
        explanation.outcome = Outcome::Pass;
    }
    accepted
}

/// Takes from the offenders what lists accept, as judgement does, and returns it.
fn accept(explanation: &mut Explanation, lists: &BTreeMap<String, List>) -> Vec<String> {
    let mut accepted = vec![];
    if explanation.outcome != Outcome::Fail {
        return accepted;
    }
    for population in population::of_rule(&explanation.rule) {
        let Some(list) = lists.get(&population.id) else { continue };
        let left = without_accepted(&explanation.offenders, list);
        let gone = explanation.offenders.iter().filter(|member| !left.contains(member));
        accepted.extend(gone.cloned());
        explanation.offenders = left;
    }
    if explanation.offenders.is_empty() && !accepted.is_empty() {
        explanation.outcome = Outcome::Pass;
    }
    accepted
}
