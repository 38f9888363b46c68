//! The worker that judges what came in. It is a job: it can be killed at any moment and goes on
//! where it stopped, because a judgement counts only together with the index it reached.

use crate::alert::{self, is_live};
use crate::clock::Clock;
use crate::drift::{self, Cause, Drifts, HostView, KindView, RuleView};
use crate::judge::{HostState, Judge, RuleResult, today_day};
use crate::store::model::ResultRow;
use crate::store::{Judgement, Notice, Statement, Store, StoreError, Summary};
use evidence::{Digest, Facts, HostId, KindEntry, Manifest};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// Check-ins of one host that are looked at in one go.
const STRIDE: i64 = 200;
/// Hosts that are taken from the queue in one go.
const HOSTS: i64 = 50;

pub struct Worker {
    store: Store,
    judge: Arc<Judge>,
    rules: BTreeMap<String, RuleView>,
    clock: Clock,
    /// Told when there may be alerts to deliver.
    alerts: Arc<Notify>,
}

impl Worker {
    pub fn new(store: Store, judge: Arc<Judge>, clock: Clock, alerts: Arc<Notify>) -> Self {
        let view = |rule: &crate::judge::Rule| RuleView {
            evidence: rule.evidence.clone(),
            severity: rule.severity.as_str().to_owned(),
        };
        let rules =
            judge.rules().rules().iter().map(|rule| (rule.id.clone(), view(rule))).collect();
        Self { store, judge, rules, clock, alerts }
    }

    /// Judges until `stop`; wakes when told, and looks by itself now and then for what another
    /// collector left.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(std::time::Duration::from_secs(5));
        loop {
            tokio::select! {
                () = wake.notified() => {}
                _ = tick.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if let Err(error) = self.drain().await {
                tracing::error!(%error, "judgement stopped half-way; it goes on shortly");
            }
        }
    }

    /// Judges everything that waits. A host that cannot be judged does not hold up the others: it
    /// stays in the queue, and the error is told at the end.
    pub async fn drain(&self) -> Result<(), StoreError> {
        let mut failed = BTreeMap::new();
        loop {
            let hosts = self.store.hosts_to_judge(HOSTS + failed.len() as i64).await?;
            let fresh: Vec<_> =
                hosts.iter().filter(|(host, _)| !failed.contains_key(host)).collect();
            if fresh.is_empty() {
                return failed.into_values().next().map_or(Ok(()), Err);
            }
            for (host, generation) in fresh {
                match self.judge_host(*host).await {
                    Ok(true) => self.store.judged(*host, *generation).await?,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::error!(host.id = %host, %error, "a host could not be judged");
                        failed.insert(*host, error);
                    }
                }
            }
        }
    }

    /// Judges what waits of one host. False if another collector was quicker: then there may be
    /// more to do.
    async fn judge_host(&self, host: HostId) -> Result<bool, StoreError> {
        let mut before = None;
        while let Some(pending) = self.store.pending(host, STRIDE).await? {
            if pending.statements.is_empty() {
                return self.judge_again(host, pending.judged_index).await;
            }
            let mut after = pending.judged_index;
            for (position, statement) in pending.statements.iter().enumerate() {
                let is_last = position + 1 == pending.statements.len();
                if !statement.complete && is_last {
                    return Ok(true); // Its objects are on their way; they queue the host again.
                }
                let known = statement.index as i64;
                // Later check-ins wait: what this one opens is history, and may be no alert.
                let last = is_last && (pending.statements.len() as i64) < STRIDE;
                let state = self.step(host, after, *statement, known, before.take(), last).await?;
                let Some(state) = state else { return Ok(false) };
                after = statement.index as i64;
                before = Some(state);
            }
            if (pending.statements.len() as i64) < STRIDE {
                break;
            }
        }
        Ok(true)
    }

    /// Judges one check-in. None if another collector was quicker.
    async fn step(
        &self,
        host: HostId,
        after: i64,
        statement: Statement,
        known: i64,
        before: Option<HostView>,
        last: bool,
    ) -> Result<Option<HostView>, StoreError> {
        let before = match before {
            Some(before) => before,
            None => self.stored_view(host).await?,
        };
        let (mut view, entries) = self.view(host, statement, known).await?;
        let at = statement.observed_us;
        let drifts = drift::compare(host, &before, &mut view, &self.rules, at);
        let now_us = self.clock.now_us();
        // One that comes late is likely not the last to come.
        let settled = last && now_us - at <= alert::LATE_US;
        let notice = self.notice(&drifts, &view, settled, now_us);
        let tell = settled && !(drifts.opened.is_empty() && drifts.resolved.is_empty());
        let Drifts { opened, resolved, .. } = drifts;
        let judgement = Judgement {
            host,
            after,
            statement,
            known,
            rules: self.judge.rules().id(),
            kinds: entries,
            results: view.results.values().cloned().collect(),
            opened,
            resolved,
            notice,
        };
        let recorded = self.store.record(&judgement).await?;
        if recorded && tell {
            self.alerts.notify_one();
        }
        Ok(recorded.then_some(view))
    }

    fn notice(&self, drifts: &Drifts, after: &HostView, settled: bool, now_us: i64) -> Notice {
        let live = |rule: &String| {
            let view = self.rules.get(rule);
            view.is_some_and(|view| view.evidence.iter().any(|kind| is_live(kind)))
        };
        let opened = drifts.opened.iter().filter_map(|drift| drift.rule.clone());
        Notice {
            now_us,
            settled,
            kinds: drifts.kinds.clone(),
            confirm: opened.filter(live).collect(),
            summaries: self.summaries(drifts, after),
        }
    }

    /// One for each cause that is not of the host.
    fn summaries(&self, drifts: &Drifts, after: &HostView) -> Vec<Summary> {
        let mut by_cause: BTreeMap<&str, (Cause, BTreeSet<String>)> = BTreeMap::new();
        for (cause, rule) in &drifts.announced {
            let (_, rules) = by_cause.entry(cause.as_str()).or_insert((*cause, BTreeSet::new()));
            rules.insert(rule.clone());
        }
        let summary = |(cause, rules): (Cause, BTreeSet<String>)| {
            let severity = |rule: &String| self.rules.get(rule).map(|view| view.severity.clone());
            let worst = rules.iter().filter_map(severity).min_by_key(|text| alert::rank(text));
            Summary {
                cause: cause.as_str().to_owned(),
                what: self.what_changed(cause, &rules, after),
                severity: worst.unwrap_or_else(|| "medium".to_owned()),
                rules,
            }
        };
        by_cause.into_values().map(summary).collect()
    }

    /// A name of the change that is the same for every host: the rule set, or the versions of the
    /// kinds that the rules read.
    fn what_changed(&self, cause: Cause, rules: &BTreeSet<String>, after: &HostView) -> String {
        if cause != Cause::AgentChanged {
            return self.judge.rules().id().to_string();
        }
        let views = rules.iter().filter_map(|rule| self.rules.get(rule));
        let kinds: BTreeSet<_> = views.flat_map(|view| &view.evidence).collect();
        let version = |kind: &&String| after.kinds.get(*kind).and_then(|view| view.v);
        let names = kinds.iter().map(|kind| format!("{kind} {}", version(kind).unwrap_or(0)));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The rules changed and no check-in waits: the last one is judged again.
    async fn judge_again(&self, host: HostId, judged_index: i64) -> Result<bool, StoreError> {
        let Some(statement) = self.store.last_judged(host).await? else { return Ok(true) };
        let before = self.stored_view(host).await?;
        if before.rules == Some(self.judge.rules().id()) {
            return Ok(true);
        }
        // The new verdict is known since the rules changed, and the old one stays on record.
        let known = (self.store.log().await?.size as i64 - 1).max(statement.index as i64 + 1);
        let state = self.step(host, judged_index, statement, known, Some(before), true).await?;
        Ok(state.is_some())
    }

    /// What a check-in says, judged.
    async fn view(
        &self,
        host: HostId,
        statement: Statement,
        known: i64,
    ) -> Result<(HostView, BTreeMap<String, KindEntry>), StoreError> {
        // What never arrived (a full spool drops facts) is unknown, not what held before.
        let manifest = self.store.manifest_of_host(host, statement.manifest).await?;
        let manifest = manifest.unwrap_or_default();
        let facts = self.facts(host, &manifest).await?;
        let state = HostState::from_manifest(&manifest, |id| facts.get(&id).cloned());
        let today = today_day(statement.observed_us.div_euclid(1_000_000));
        let judge = Arc::clone(&self.judge);
        let results = tokio::task::spawn_blocking(move || judge.judge(&state, today)).await;
        let results = results.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let row = |result: RuleResult| (result.rule.clone(), row(host, statement, known, result));
        let kinds = manifest.kinds.iter().map(|(kind, entry)| {
            let v = entry.facts.and_then(|id| facts.get(&id)).map(|facts| facts.v);
            (kind.clone(), KindView { entry: entry.clone(), v })
        });
        let view = HostView {
            kinds: kinds.collect(),
            results: results.into_iter().map(row).collect(),
            rules: Some(self.judge.rules().id()),
        };
        Ok((view, manifest.kinds))
    }

    async fn facts(
        &self,
        host: HostId,
        manifest: &Manifest,
    ) -> Result<HashMap<Digest, Arc<Facts>>, StoreError> {
        let mut found = HashMap::new();
        for id in manifest.facts() {
            if let Some(facts) = self.store.facts_of_host(host, id).await? {
                found.insert(id, Arc::new(facts));
            }
        }
        Ok(found)
    }

    /// What holds in the store.
    async fn stored_view(&self, host: HostId) -> Result<HostView, StoreError> {
        let results = self.store.open_results(Some(host), None).await?;
        let mut kinds = BTreeMap::new();
        for row in self.store.kind_rows(host).await? {
            let v = match row.facts {
                Some(id) => self.store.facts_of_host(host, id).await?.map(|facts| facts.v),
                None => None,
            };
            let entry = KindEntry {
                status: row.status,
                facts: row.facts,
                sources: row.sources,
                unread: row.unread,
            };
            kinds.insert(row.kind, KindView { entry, v });
        }
        let rules = self.store.judged_rules(host).await?;
        let results = results.into_iter().map(|row| (row.rule.clone(), row)).collect();
        Ok(HostView { kinds, results, rules })
    }
}

fn row(host: HostId, statement: Statement, known: i64, result: RuleResult) -> ResultRow {
    ResultRow {
        host,
        rule: result.rule,
        outcome: result.outcome.as_str().to_owned(),
        reason: result.reason.map(|reason| reason.as_str().to_owned()),
        offenders: result.offenders,
        since_us: statement.observed_us,
        known,
        cause: None,
    }
}
