//! The worker that judges what came in. It is a job: it can be killed at any moment and goes on
//! where it stopped, because a judgement counts only together with the index it reached.

mod members;

use self::members::{Lists, apply};
use crate::active::{Active, Judging};
use crate::alert::{self, is_live};
use crate::clock::{Clock, DAY_US, day_of};
use crate::drift::{self, Cause, Drifts, HostView, KindView};
use crate::judge::{HostState, Recalled, RuleResult, today_day};
use crate::store::model::ResultRow;
use crate::store::{Judgement, Notice, Past, Statement, Store, StoreError, Summary};
use evidence::{Digest, Facts, HostId, KindEntry, Manifest};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Check-ins of one host that are looked at in one go.
const STRIDE: i64 = 200;
/// Hosts that are taken from the queue in one go.
const HOSTS: i64 = 50;
/// Hosts that are judged for a new day before what came in meanwhile has its turn.
const CHUNK: i64 = 20;
/// How long a chunk is this collector's: when it dies, another one takes it after that.
const LEASE_US: i64 = 60_000_000;
/// How often the day is looked at.
const DAY_LOOK: Duration = Duration::from_secs(60);

type FactsById = HashMap<Digest, Arc<Facts>>;

/// What one check-in of a host says.
struct State {
    manifest: Manifest,
    /// Facts of the manifest that the host has sent.
    held: BTreeSet<Digest>,
}

pub struct Worker {
    store: Store,
    active: Active,
    clock: Clock,
    /// Told when there may be alerts to deliver.
    alerts: Arc<Notify>,
    /// Approved lists by group, with their version.
    lists: Mutex<HashMap<String, (i64, Arc<Lists>)>>,
}

/// The rules that judge one host.
struct Bench {
    rules: Arc<Judging>,
    group: String,
}

impl Bench {
    /// Names them: those of another group have another name.
    fn id(&self) -> Digest {
        self.rules.judge.rules().id_of(&self.group)
    }

    /// Whether a host that was judged by rules of this name was in another group.
    fn moved_from(&self, before: Option<Digest>) -> bool {
        before.is_some_and(|id| id != self.id() && self.rules.judge.rules().has(id))
    }
}

/// One check-in of a host, to be judged.
struct Step {
    host: HostId,
    /// The host's `judged_index` that this starts from.
    after: i64,
    statement: Statement,
    /// The log index since which the outcome is known.
    known: i64,
    /// The day to judge for; that of the observation, or a later one.
    day: i64,
    /// The days before `day` are judged as well.
    past: bool,
    /// No later check-in waits. What an earlier one opens is history, and may be no alert.
    last: bool,
}

impl Worker {
    pub fn new(store: Store, active: impl Into<Active>, clock: Clock, alerts: Arc<Notify>) -> Self {
        Self { store, active: active.into(), clock, alerts, lists: Mutex::default() }
    }

    fn bench(&self, group: String) -> Bench {
        Bench { rules: self.active.now(), group }
    }

    /// Judges until `stop`; wakes when told, and looks by itself now and then for what another
    /// collector left.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        let mut next_look_us = i64::MIN;
        loop {
            tokio::select! {
                () = wake.notified() => {}
                _ = tick.tick() => {}
                () = self.clock.sleep(DAY_LOOK) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if let Err(error) = self.drain().await {
                tracing::error!(%error, "judgement stopped half-way; it goes on shortly");
            }
            // Not after every commit: it is for a handful of moments a day.
            if self.clock.now_us() < next_look_us {
                continue;
            }
            next_look_us = self.clock.now_us() + DAY_LOOK.as_micros() as i64;
            if let Err(error) = self.day(&stop).await {
                tracing::error!(%error, "a new day is judged half-way; it goes on shortly");
            }
        }
    }

    /// Judges for today the hosts whose results are of another day, in chunks: what came in
    /// between two of them goes first. Which hosts are left is read from their rows, so that a
    /// crash loses nothing and several collectors share the work.
    pub async fn day(&self, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
        let mut failed = None;
        while !*stop.borrow() {
            let now_us = self.clock.now_us();
            let day = day_of(now_us);
            self.store.turn_day(day, now_us).await?;
            let hosts = self.store.claim_for_day(day, now_us, now_us + LEASE_US, CHUNK).await?;
            if hosts.is_empty() {
                break;
            }
            for host in hosts {
                // One that cannot be judged is tried again when its lease is over.
                if let Err(error) = self.judge_for(host, day).await {
                    tracing::error!(host.id = %host, %error, "a host could not be judged for today");
                    failed = Some(error);
                }
            }
            self.drain().await?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Judges the last state of a host for a day that began since.
    async fn judge_for(&self, host: HostId, day: i64) -> Result<(), StoreError> {
        // First what came in, and new rules, so that time is the one thing that differs.
        if !self.judge_host(host).await? {
            return Ok(()); // Another collector is at it; the lease brings the host back.
        }
        let Some(pending) = self.store.pending(host, 1).await? else { return Ok(()) };
        if pending.judged_day == day {
            return Ok(());
        }
        let Some(statement) = self.store.last_judged(host).await? else { return Ok(()) };
        let known = (self.store.log().await?.size as i64 - 1).max(statement.index as i64);
        let day = day.max(day_of(statement.observed_us));
        let after = pending.judged_index;
        let step = Step { host, after, statement, known, day, past: false, last: true };
        self.step(&self.bench(pending.group), step, None).await?;
        Ok(())
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
            let mut judged = Vec::with_capacity(fresh.len());
            for (host, generation) in fresh {
                match self.judge_host(*host).await {
                    Ok(true) => judged.push((*host, *generation)),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::error!(host.id = %host, %error, "a host could not be judged");
                        failed.insert(*host, error);
                    }
                }
            }
            if !judged.is_empty() {
                self.store.judged(judged).await?;
            }
        }
    }

    /// Judges what waits of one host. False if another collector was quicker: then there may be
    /// more to do.
    async fn judge_host(&self, host: HostId) -> Result<bool, StoreError> {
        let mut before = None;
        while let Some(pending) = self.store.pending(host, STRIDE).await? {
            let (mut after, mut judged_day) = (pending.judged_index, pending.judged_day);
            let bench = self.bench(pending.group);
            if pending.statements.is_empty() {
                return self.judge_again(&bench, host, after, judged_day).await;
            }
            for (position, statement) in pending.statements.iter().enumerate() {
                let is_last = position + 1 == pending.statements.len();
                if !statement.complete && is_last {
                    return Ok(true); // Its objects are on their way; they queue the host again.
                }
                let known = statement.index as i64;
                let last = is_last && (pending.statements.len() as i64) < STRIDE;
                let step = self.step_of(host, after, *statement, known, judged_day);
                judged_day = step.day;
                let step = Step { last, ..step };
                let Some(state) = self.step(&bench, step, before.take()).await? else {
                    return Ok(false);
                };
                after = statement.index as i64;
                before = Some(state);
            }
            if (pending.statements.len() as i64) < STRIDE {
                break;
            }
        }
        Ok(true)
    }

    /// A check-in is judged for the day of its observation. If a later day was judged already, what
    /// it says is judged for that day as well: a late check-in brings no yesterday back. A judged
    /// day that is not here yet came from a wrong clock, and is no day.
    fn step_of(
        &self,
        host: HostId,
        after: i64,
        statement: Statement,
        known: i64,
        judged_day: i64,
    ) -> Step {
        let observed = day_of(statement.observed_us);
        let tomorrow = day_of(self.clock.now_us()) + 1;
        let past = judged_day > observed && judged_day <= tomorrow;
        let day = if past { judged_day } else { observed };
        Step { host, after, statement, known, day, past, last: true }
    }

    /// Judges one check-in. None if another collector was quicker.
    async fn step(
        &self,
        bench: &Bench,
        step: Step,
        before: Option<HostView>,
    ) -> Result<Option<HostView>, StoreError> {
        let Step { host, after, statement, known, day, past, last } = step;
        let mut before = match before {
            Some(before) => before,
            None => self.stored_view(host).await?,
        };
        let at_us = statement.observed_us.max(day * DAY_US);
        let state = self.state(host, statement).await?;
        let (version, _) = self.store.list_versions(host).await?;
        let lists = self.lists(&version).await?;
        let mut results = self.results(bench, host, &state, day, (at_us, known)).await?;
        let by_old_lists = self.by_old_lists(&before, &version, &results).await?;
        apply(&lists, &mut results);
        let past = match past {
            true => {
                let then = (statement.observed_us, known);
                let observed = day_of(statement.observed_us);
                let mut results = self.results(bench, host, &state, observed, then).await?;
                apply(&lists, &mut results);
                Some(Past { results: results.into_values().collect(), to_us: at_us })
            }
            false => None,
        };
        let mut view = view(&state.manifest, results, bench.id());
        view.lists = Some(version);
        view.moved = bench.moved_from(before.rules);
        view.by_old_lists = by_old_lists;
        self.compare_versions(host, &mut before, &mut view).await?;
        let drifts = drift::compare(host, &before, &mut view, &bench.rules.views, at_us);
        let now_us = self.clock.now_us();
        // A check-in that comes late is likely not the last to come; a day that turned is no
        // check-in.
        let turned = past.is_none() && at_us > statement.observed_us;
        let settled = last && (turned || now_us - statement.observed_us <= alert::LATE_US);
        let mut notice = notice(bench, &drifts, &view, settled, now_us);
        notice.populations = self.populations(&state, &before, &view).await?;
        notice.watched = self.watched(&state, &before, &view, &drifts).await?;
        let quiet = drifts.opened.is_empty()
            && drifts.resolved.is_empty()
            && notice.populations.is_empty()
            && notice.watched.is_empty();
        let tell = settled && !quiet;
        let manifest = state.manifest;
        let Drifts { opened, resolved, .. } = drifts;
        let judgement = Judgement {
            host,
            after,
            statement,
            known,
            at_us,
            day,
            rules: bench.id(),
            kinds: manifest.kinds,
            results: view.results.values().cloned().collect(),
            past,
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

    /// The rules changed and no check-in waits: the last one is judged again.
    async fn judge_again(
        &self,
        bench: &Bench,
        host: HostId,
        judged_index: i64,
        judged_day: i64,
    ) -> Result<bool, StoreError> {
        let Some(statement) = self.store.last_judged(host).await? else { return Ok(true) };
        let before = self.stored_view(host).await?;
        let (lists, judged_by) = self.store.list_versions(host).await?;
        let same_lists = judged_by.is_none_or(|by| by == lists);
        if before.rules == Some(bench.id()) && same_lists {
            return Ok(true);
        }
        // The new verdict is known since the rules changed, and the old one stays on record.
        let known = (self.store.log().await?.size as i64 - 1).max(statement.index as i64 + 1);
        let step = self.step_of(host, judged_index, statement, known, judged_day);
        let state = self.step(bench, step, Some(before)).await?;
        Ok(state.is_some())
    }

    /// What a check-in says. What never arrived (a full spool drops facts) is unknown, not what
    /// held before.
    async fn state(&self, host: HostId, statement: Statement) -> Result<State, StoreError> {
        let manifest = self.store.manifest_of_host(host, statement.manifest).await?;
        let manifest = manifest.unwrap_or_default();
        let held = self.store.held(host, manifest.facts()).await?;
        Ok(State { manifest, held })
    }

    /// A state, judged for a day; the results hold since `since_us` and are known by `known`. Only
    /// facts that are new in the fleet are read.
    async fn results(
        &self,
        bench: &Bench,
        host: HostId,
        state: &State,
        day: i64,
        (since_us, known): (i64, i64),
    ) -> Result<BTreeMap<String, ResultRow>, StoreError> {
        let State { manifest, held } = state;
        let today = today_day(day * (DAY_US / 1_000_000));
        let recalled = bench.rules.judge.recall(&bench.group, manifest, held, today);
        let results = if recalled.is_whole() {
            bench.rules.judge.complete(recalled, &HostState::default())
        } else {
            let facts = self.facts(state, &recalled).await?;
            let state = HostState::from_manifest(manifest, |id| facts.get(&id).cloned());
            let rules = Arc::clone(&bench.rules);
            let judged =
                tokio::task::spawn_blocking(move || rules.judge.complete(recalled, &state)).await;
            judged.map_err(|error| StoreError::Corrupt(error.to_string()))?
        };
        let row = |result: RuleResult| (result.rule.clone(), row(host, since_us, known, result));
        Ok(results.into_iter().map(row).collect())
    }

    async fn facts(&self, state: &State, recalled: &Recalled) -> Result<FactsById, StoreError> {
        let mut found = HashMap::new();
        let needed = state.manifest.kinds.iter().filter(|(kind, _)| recalled.needs(kind));
        for id in needed.filter_map(|(_, entry)| entry.facts).filter(|id| state.held.contains(id)) {
            if let Some(facts) = self.store.facts(id).await? {
                found.insert(id, Arc::new(facts));
            }
        }
        Ok(found)
    }

    /// Fills in the versions of facts where they tell the agent's change from the host's: the facts
    /// are others, and came from the same sources.
    async fn compare_versions(
        &self,
        host: HostId,
        before: &mut HostView,
        after: &mut HostView,
    ) -> Result<(), StoreError> {
        for (kind, now) in &mut after.kinds {
            let Some(held) = before.kinds.get_mut(kind) else { continue };
            let (old, new) = (&held.entry, &now.entry);
            if old.facts != new.facts && old.sources == new.sources {
                held.v = self.version(host, old.facts).await?;
                now.v = self.version(host, new.facts).await?;
            }
        }
        Ok(())
    }

    async fn version(
        &self,
        host: HostId,
        facts: Option<Digest>,
    ) -> Result<Option<i64>, StoreError> {
        let Some(id) = facts else { return Ok(None) };
        Ok(self.store.facts_of_host(host, id).await?.map(|facts| facts.v))
    }

    /// What holds in the store.
    async fn stored_view(&self, host: HostId) -> Result<HostView, StoreError> {
        let results = self.store.open_results(Some(host), None).await?;
        let mut kinds = BTreeMap::new();
        for (kind, entry) in self.store.kind_entries(host).await? {
            kinds.insert(kind, KindView { entry, v: None });
        }
        let rules = self.store.judged_rules(host).await?;
        let results = results.into_iter().map(|row| (row.rule.clone(), row)).collect();
        let (_, lists) = self.store.list_versions(host).await?;
        Ok(HostView { kinds, results, rules, lists, ..HostView::default() })
    }
}

fn view(manifest: &Manifest, results: BTreeMap<String, ResultRow>, rules: Digest) -> HostView {
    let view = |entry: &KindEntry| KindView { entry: entry.clone(), v: None };
    let kinds = manifest.kinds.iter().map(|(kind, entry)| (kind.clone(), view(entry)));
    HostView { kinds: kinds.collect(), results, rules: Some(rules), ..HostView::default() }
}

fn notice(bench: &Bench, drifts: &Drifts, after: &HostView, settled: bool, now_us: i64) -> Notice {
    let live = |rule: &String| {
        let view = bench.rules.views.get(rule);
        view.is_some_and(|view| view.evidence.iter().any(|kind| is_live(kind)))
    };
    let opened = drifts.opened.iter().filter_map(|drift| drift.rule.clone());
    let (group, lists) = after.lists.clone().unwrap_or_default();
    Notice {
        group,
        lists,
        populations: vec![],
        watched: vec![],
        now_us,
        settled,
        kinds: drifts.kinds.clone(),
        confirm: opened.filter(live).collect(),
        summaries: summaries(bench, drifts, after),
    }
}

/// One for each cause that is not of the host.
fn summaries(bench: &Bench, drifts: &Drifts, after: &HostView) -> Vec<Summary> {
    let mut by_cause: BTreeMap<&str, (Cause, BTreeSet<String>)> = BTreeMap::new();
    for (cause, rule) in &drifts.announced {
        let (_, rules) = by_cause.entry(cause.as_str()).or_insert((*cause, BTreeSet::new()));
        rules.insert(rule.clone());
    }
    let views = &bench.rules.views;
    let summary = |(cause, rules): (Cause, BTreeSet<String>)| {
        let severity = |rule: &String| views.get(rule).map(|view| view.severity.clone());
        let worst = rules.iter().filter_map(severity).min_by_key(|text| alert::rank(text));
        Summary {
            cause: cause.as_str().to_owned(),
            what: what_changed(bench, cause, &rules, after),
            severity: worst.unwrap_or_else(|| "medium".to_owned()),
            rules,
        }
    };
    by_cause.into_values().map(summary).collect()
}

/// A name of the change that is the same for every host: the rule set, the group hosts came into,
/// or the versions of the kinds that the rules read.
fn what_changed(bench: &Bench, cause: Cause, rules: &BTreeSet<String>, after: &HostView) -> String {
    match cause {
        Cause::AgentChanged => {}
        Cause::ScopeChanged => return format!("group {}", bench.group),
        Cause::ListChanged => {
            let (group, version) = after.lists.clone().unwrap_or_default();
            return format!("{group} {version}");
        }
        _ => return bench.rules.judge.rules().id().to_string(),
    }
    let views = rules.iter().filter_map(|rule| bench.rules.views.get(rule));
    let kinds: BTreeSet<_> = views.flat_map(|view| &view.evidence).collect();
    let version = |kind: &&String| after.kinds.get(*kind).and_then(|view| view.v);
    let names = kinds.iter().map(|kind| format!("{kind} {}", version(kind).unwrap_or(0)));
    names.collect::<Vec<_>>().join(", ")
}

fn row(host: HostId, since_us: i64, known: i64, result: RuleResult) -> ResultRow {
    ResultRow {
        host,
        rule: result.rule,
        outcome: result.outcome.as_str().to_owned(),
        reason: result.reason.map(|reason| reason.as_str().to_owned()),
        offenders: result.offenders,
        since_us,
        known,
        cause: None,
    }
}
