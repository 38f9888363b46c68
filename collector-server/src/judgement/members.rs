//! Who is there and which settings hold, beside what rules say: populations, their approved lists,
//! and watched values.

use super::{State, Worker};
use crate::approved::{List, without_accepted};
use crate::drift::{self, Cause, Drifts, HostView, RuleView};
use crate::store::model::ResultRow;
use crate::store::{ListVersion, Members, StoreError, Watch};
use crate::{population, watched};
use std::collections::BTreeMap;
use std::sync::Arc;

/// By population.
pub(super) type Lists = BTreeMap<String, List>;

impl Worker {
    /// The approved lists of a group at a version, read once.
    pub(super) async fn lists(
        &self,
        (group, version): &ListVersion,
    ) -> Result<Arc<Lists>, StoreError> {
        let held = self.lists.lock().map_or(None, |held| held.get(group).cloned());
        if let Some((_, lists)) = held.filter(|(at, _)| at == version) {
            return Ok(lists);
        }
        // No list was ever touched: there is none.
        let lists = match version {
            0 => Arc::new(Lists::new()),
            _ => Arc::new(self.store.lists_of_group(group).await?),
        };
        if let Ok(mut held) = self.lists.lock() {
            held.insert(group.clone(), (*version, Arc::clone(&lists)));
        }
        Ok(lists)
    }

    /// Results of rules that read lists, as the lists would have them that judged the host before;
    /// none if those did not change, or are not known any more.
    pub(super) async fn by_old_lists(
        &self,
        before: &HostView,
        (group, version): &ListVersion,
        results: &BTreeMap<String, ResultRow>,
    ) -> Result<BTreeMap<String, ResultRow>, StoreError> {
        let old = before.lists.as_ref().filter(|(of, at)| of == group && at < version);
        let Some((_, old)) = old else { return Ok(BTreeMap::new()) };
        let Some(lists) = self.store.lists_at_version(group, *old).await? else {
            return Ok(BTreeMap::new());
        };
        let listed = |rule: &String| population::of_rule(rule).next().is_some();
        let listed = results.iter().filter(|(rule, _)| listed(rule));
        let mut listed = listed.map(|(rule, row)| (rule.clone(), row.clone())).collect();
        apply(&lists, &mut listed);
        Ok(listed)
    }

    /// Watched values of kinds that the host changed, and which of them became weaker.
    pub(super) async fn watched(
        &self,
        state: &State,
        before: &HostView,
        after: &HostView,
        drifts: &Drifts,
    ) -> Result<Vec<Watch>, StoreError> {
        let mut found = vec![];
        for watched in watched::all() {
            let kind = &watched.kind;
            let view = RuleView { evidence: vec![kind.clone()], severity: String::new() };
            if drift::cause(before, after, "", &view) != Cause::HostChanged {
                continue;
            }
            let of = |view: &HostView| view.kinds.get(kind).and_then(|view| view.entry.facts);
            let Some(new) = of(after).filter(|id| state.held.contains(id)) else { continue };
            let was = match of(before) {
                Some(old) => self.store.facts(old).await?,
                None => None,
            };
            let now = self.store.facts(new).await?;
            let now = now.and_then(|facts| watched.read(&facts));
            let Some(now) = now else { continue };
            let was = was.and_then(|facts| watched.read(&facts));
            let was = was.filter(|was| watched.is_weaker(was, &now) && !is_told(drifts, kind));
            found.push(Watch { id: watched.id.clone(), now, was });
        }
        Ok(found)
    }

    /// Who is in the populations whose evidence changed, or whose list did. One that is not known
    /// is left as it was.
    pub(super) async fn populations(
        &self,
        state: &State,
        before: &HostView,
        after: &HostView,
    ) -> Result<Vec<Members>, StoreError> {
        let mut found = vec![];
        for population in population::all() {
            let Some(cause) = drift::population_cause(before, after, population) else { continue };
            let mut facts = BTreeMap::new();
            for kind in population.from.iter().map(|from| &from.kind) {
                let entry = state.manifest.kinds.get(kind);
                let id = entry.and_then(|entry| entry.facts).filter(|id| state.held.contains(id));
                if let Some(id) = id {
                    facts.extend(self.store.facts(id).await?.map(|facts| (kind.as_str(), facts)));
                }
            }
            let members = population.members(|kind| {
                let entry = state.manifest.kinds.get(kind)?;
                Some(population::Seen { entry, facts: facts.get(kind) })
            });
            let Some(now) = members else { continue };
            let failing = population.rules.iter().filter_map(|rule| after.results.get(rule));
            let failing = failing.filter(|row| row.outcome == "fail");
            let told = failing.flat_map(|row| row.offenders.iter().cloned()).collect();
            found.push(Members { population: population.id.clone(), now, told, cause });
        }
        Ok(found)
    }
}

/// Whether a regression of a kind tells of what changed in it.
fn is_told(drifts: &Drifts, kind: &str) -> bool {
    drifts.kinds.values().any(|changed| changed == kind)
}

/// Takes from the offenders of rules what the lists of the group accept. A rule that fails for
/// nothing else passes.
pub(super) fn apply(lists: &Lists, results: &mut BTreeMap<String, ResultRow>) {
    for population in population::all() {
        let Some(list) = lists.get(&population.id) else { continue };
        for rule in &population.rules {
            let Some(row) = results.get_mut(rule) else { continue };
            if row.outcome != "fail" || row.offenders.is_empty() {
                continue;
            }
            row.offenders = without_accepted(&row.offenders, list);
            if row.offenders.is_empty() {
                row.outcome = "pass".to_owned();
            }
        }
    }
}
