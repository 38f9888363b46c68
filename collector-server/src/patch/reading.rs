//! What hosts say of their updates, from the store.

use super::{Patch, PatchLimits, Seen, Waiting, patches, verdict};
use crate::judge::RuleSet;
use crate::moment::Moment;
use crate::store::model::{GroupRow, HostRow, ResultRow};
use crate::store::{Store, StoreError};
use evidence::{Digest, HostId, Status};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

const KIND: &str = "package_updates";
/// The facts that a rule over waiting updates reads.
const PENDING: &str = "package_updates.pending";
/// States that are kept in mind; facts of one id never change.
const REMEMBERED: usize = 4096;

#[derive(Deserialize)]
struct Update {
    name: String,
    candidate: String,
    security: bool,
    severity: super::Rating,
    advised_day: Option<i64>,
}

type Known = Option<Arc<Vec<Waiting>>>;

/// What waits by the facts of this id; none where they do not know.
async fn waiting(store: &Store, id: Digest) -> Result<Known, StoreError> {
    static MEMORY: LazyLock<Mutex<BTreeMap<Digest, Known>>> = LazyLock::new(Mutex::default);
    let memory = || MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = memory().get(&id) {
        return Ok(known.clone());
    }
    // Not received yet: to be asked again.
    let Some(facts) = store.facts(id).await? else { return Ok(None) };
    let pending = facts.data.get("pending").cloned();
    let pending = pending.and_then(|list| serde_json::from_value::<Vec<Update>>(list).ok());
    let update = |update: Update| Waiting {
        package: update.name,
        candidate: update.candidate,
        rating: update.severity,
        advised_day: update.advised_day,
    };
    let known = pending.map(|list| {
        Arc::new(list.into_iter().filter(|update| update.security).map(update).collect())
    });
    let mut memory = memory();
    if memory.len() >= REMEMBERED {
        memory.clear();
    }
    memory.insert(id, known.clone());
    Ok(known)
}

/// Failures over waiting updates: whether they are past the limits of patches. Those that these
/// limits cannot decide are left out.
pub async fn verdicts(
    store: &Store,
    rules: &RuleSet,
    hosts: &[HostRow],
    results: &[ResultRow],
    limits: &PatchLimits,
    moment: Option<&Moment>,
    now_us: i64,
) -> Result<BTreeMap<(HostId, String), bool>, StoreError> {
    let about = |rule: &str| {
        rules.get(rule).is_some_and(|rule| rule.reads.iter().any(|path| path.starts_with(PENDING)))
    };
    let failing: Vec<&ResultRow> =
        results.iter().filter(|row| row.outcome == "fail" && about(&row.rule)).collect();
    if failing.is_empty() {
        return Ok(BTreeMap::new());
    }
    let groups = by_name(store.groups().await?);
    let group_of: BTreeMap<HostId, &str> =
        hosts.iter().map(|host| (host.id, host.group.as_str())).collect();
    let held: BTreeMap<HostId, Option<Digest>> = match moment {
        None => {
            let held = store.kind_facts(KIND).await?;
            held.into_iter().map(|row| (row.host, row.facts)).collect()
        }
        // What each host said last before it.
        Some(_) => {
            let wanted: BTreeSet<HostId> = failing.iter().map(|row| row.host).collect();
            let said = hosts.iter().filter(|host| wanted.contains(&host.id));
            let said = said.filter_map(|host| Some((host.id, host.manifest?))).collect();
            let all = store.statuses_at(&said).await?.into_iter();
            let of_kind = all.filter(|(_, kind, ..)| kind == KIND);
            of_kind.map(|(host, _, _, facts)| (host, facts)).collect()
        }
    };
    let mut verdicts = BTreeMap::new();
    for row in failing {
        let Some(Some(id)) = held.get(&row.host) else { continue };
        let Some(waiting) = waiting(store, *id).await? else { continue };
        let group = group_of.get(&row.host).and_then(|name| groups.get(*name));
        // Where no advisory says since when, since the rule fails.
        let seen =
            Seen { from_us: row.since_us, to_us: None, waiting: Some(waiting.as_ref().clone()) };
        let open = patches(&[seen], limits, group, now_us);
        if let Some(past) = verdict(&row.offenders, &open) {
            verdicts.insert((row.host, row.rule.clone()), past);
        }
    }
    Ok(verdicts)
}

fn by_name(groups: Vec<GroupRow>) -> BTreeMap<String, GroupRow> {
    groups.into_iter().map(|group| (group.name.clone(), group)).collect()
}

/// Every security update of these hosts that waited at some time since.
pub async fn report(
    store: &Store,
    hosts: &[HostRow],
    wanted: &BTreeSet<HostId>,
    limits: &PatchLimits,
    since_us: i64,
    now_us: i64,
) -> Result<Vec<(HostId, Patch)>, StoreError> {
    let groups = by_name(store.groups().await?);
    let mut history: BTreeMap<HostId, Vec<Seen>> = BTreeMap::new();
    for row in store.kind_facts_since(KIND, since_us).await? {
        if !wanted.contains(&row.host) {
            continue;
        }
        let readable = matches!(row.status, Status::Ok | Status::Partial);
        let waiting = match row.facts.filter(|_| readable) {
            Some(id) => waiting(store, id).await?.map(|known| known.as_ref().clone()),
            None => None,
        };
        let seen = Seen { from_us: row.from_us, to_us: row.to_us, waiting };
        history.entry(row.host).or_default().push(seen);
    }
    let mut out = vec![];
    for host in hosts {
        let Some(seen) = history.get(&host.id) else { continue };
        let of_host = patches(seen, limits, groups.get(&host.group), now_us);
        out.extend(of_host.into_iter().map(|patch| (host.id, patch)));
    }
    Ok(out)
}
