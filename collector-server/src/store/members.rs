//! Members of populations as hosts show them, and what deviates from the lists of their groups.
//! Written in the transaction of the judgement that saw them, or of the list that changed.

use super::db::{Tx, execute, fetch};
use super::judging::{About, Judgement, open_drift};
use super::model::DriftRow;
use super::{StoreError, alerts};
use crate::alert::{self, Candidate, Lane};
use crate::approved::{Deviation, Deviations, List, Standing, deviations};
use crate::drift::Cause;
use crate::population;
use evidence::HostId;
use std::collections::BTreeSet;

/// Members of a population on a host, where its evidence changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    pub population: String,
    pub now: BTreeSet<String>,
    /// Those that a failing rule tells of.
    pub told: BTreeSet<String>,
    /// Why they are looked at.
    pub cause: Cause,
}

/// What is to be said of members once every drift is written.
pub(super) struct Untold {
    candidates: Vec<Candidate>,
    /// A list or a scope ended drifts: no evidence follows that would settle their alerts.
    ended: bool,
}

/// Writes who is there now, and opens and ends the drifts that follow.
pub(super) async fn write_members(
    tx: &mut Tx,
    judgement: &Judgement,
) -> Result<Untold, StoreError> {
    let mut untold = Untold { candidates: vec![], ended: false };
    if judgement.notice.populations.is_empty() {
        return Ok(untold);
    }
    let host = judgement.host.to_string();
    let sql = "SELECT host_group FROM host WHERE id = $1";
    let (group,) = fetch!(tx, one, (String,), sql, host.clone())?;
    for members in &judgement.notice.populations {
        let before = members_of(tx, &host, &members.population).await?;
        let at = (judgement.at_us, judgement.known);
        write_spans(tx, &host, &members.population, (&before, &members.now), at).await?;
        let list = list_of(tx, &group, &members.population).await?;
        let place = Place {
            host: judgement.host,
            population: &members.population,
            cause: members.cause.as_str(),
            // What a person changed holds since then, not since the evidence it is about.
            at_us: if members.cause.is_of_the_host() {
                judgement.at_us
            } else {
                judgement.notice.now_us
            },
            index: judgement.known,
            now_us: judgement.notice.now_us,
        };
        let changed = (&before, &members.now, &members.told);
        let (opened, ended) = compare(tx, &place, list.as_ref(), changed).await?;
        if members.cause.is_of_the_host() {
            continue;
        }
        untold.ended |= ended;
        if !opened.is_empty() {
            untold.candidates.push(once(&place, (&group, opened), judgement.notice.lists));
        }
    }
    Ok(untold)
}

/// Says what is untold. It takes the lock of all alerts.
pub(super) async fn tell(
    tx: &mut Tx,
    untold: Untold,
    host: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    if untold.candidates.is_empty() && !untold.ended {
        return Ok(());
    }
    alerts::lock(tx).await?;
    for candidate in untold.candidates {
        let sql = "SELECT id FROM alert WHERE signature = $1 AND state <> 'resolved'
                   ORDER BY opened_us LIMIT 1";
        let standing = fetch!(tx, optional, (String,), sql, candidate.signature.clone())?;
        if let Some((id,)) = standing {
            alerts::gain(tx, &id, &candidate, now_us).await?;
            continue;
        }
        let id = alerts::open(tx, &candidate, now_us).await?;
        alerts::link(tx, &id, &candidate).await?;
        alerts::event(tx, &id, "opened", Some(true), true, now_us).await?;
    }
    alerts::resolve(tx, host, now_us).await
}

/// What no host did is told once for all hosts: `version` of the lists names it.
fn once(place: &Place<'_>, (group, drifts): (&str, Vec<String>), version: i64) -> Candidate {
    let (cause, population) = (place.cause, place.population);
    let severity = population::find(population).map(|population| population.severity.clone());
    Candidate {
        host: place.host,
        sort: "change".to_owned(),
        cause: cause.to_owned(),
        grouping: population.to_owned(),
        signature: format!("change {cause} {group} {population} {version}"),
        subjects: [population.to_owned()].into(),
        severity: severity.unwrap_or_else(|| "medium".to_owned()),
        lane: Lane::Queue,
        says: match cause {
            "scope_changed" => "hosts came into a group whose list does not have what they show",
            _ => "an approved list changed: it does not have what is there",
        }
        .to_owned(),
        drifts,
    }
}

/// Members of a population on a host, as they were seen last.
async fn members_of(
    tx: &mut Tx,
    host: &str,
    population: &str,
) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT member FROM host_member
               WHERE host = $1 AND population = $2 AND to_us IS NULL";
    let rows = fetch!(tx, all, (String,), sql, host.to_owned(), population.to_owned())?;
    Ok(rows.into_iter().map(|(member,)| member).collect())
}

async fn write_spans(
    tx: &mut Tx,
    host: &str,
    population: &str,
    (before, now): (&BTreeSet<String>, &BTreeSet<String>),
    (at_us, known): (i64, i64),
) -> Result<(), StoreError> {
    for member in before.difference(now) {
        let sql = "UPDATE host_member SET to_us = CASE WHEN from_us > $4 THEN from_us ELSE $4 END
                   WHERE host = $1 AND population = $2 AND member = $3 AND to_us IS NULL";
        execute!(tx, sql, host.to_owned(), population.to_owned(), member.clone(), at_us)?;
    }
    for member in now.difference(before) {
        let sql = "INSERT INTO host_member (host, population, member, from_us, known)
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let (host, population) = (host.to_owned(), population.to_owned());
        execute!(tx, sql, host.clone(), population.clone(), member.clone(), at_us, known)?;
    }
    Ok(())
}

/// The list of a population for a group; none if nobody learnt it.
pub(super) async fn list_of(
    tx: &mut Tx,
    group: &str,
    population: &str,
) -> Result<Option<List>, StoreError> {
    let sql = "SELECT COUNT(*) FROM approved_list WHERE host_group = $1 AND population = $2";
    let (learnt,) = fetch!(tx, one, (i64,), sql, group.to_owned(), population.to_owned())?;
    if learnt == 0 {
        return Ok(None);
    }
    let sql = "SELECT member, state FROM approved_member
               WHERE host_group = $1 AND population = $2";
    let rows = fetch!(tx, all, (String, String), sql, group.to_owned(), population.to_owned())?;
    let member = |(member, state): (String, String)| {
        let standing = Standing::from_word(&state);
        Ok((member, standing.ok_or_else(|| StoreError::corrupt(format!("state {state}")))?))
    };
    Ok(Some(List { members: rows.into_iter().map(member).collect::<Result<_, StoreError>>()? }))
}

/// Where and why a comparison is made.
struct Place<'a> {
    host: HostId,
    population: &'a str,
    cause: &'static str,
    at_us: i64,
    index: i64,
    now_us: i64,
}

/// Opens and ends drifts of a host; gives the ids of those opened, and whether any ended. `told`
/// members are told by a rule.
async fn compare(
    tx: &mut Tx,
    place: &Place<'_>,
    list: Option<&List>,
    (before, now, told): (&BTreeSet<String>, &BTreeSet<String>, &BTreeSet<String>),
) -> Result<(Vec<String>, bool), StoreError> {
    let open = open_deviations(tx, place).await?;
    let turn = deviations(list, before, now, &open);
    for (how, member) in &turn.ended {
        let sql =
            "UPDATE drift SET resolved_us = CASE WHEN opened_us > $3 THEN opened_us ELSE $3 END
                   WHERE host = $1 AND subject = $2 AND drift = 'change' AND resolved_us IS NULL";
        let subject = subject(place.population, *how, member);
        execute!(tx, sql, place.host.to_string(), subject.clone(), place.at_us)?;
    }
    let mut opened = vec![];
    for (how, member) in &turn.opened {
        if *how == Deviation::Added && told.contains(member) {
            continue;
        }
        opened.extend(open_one(tx, place, *how, member).await?);
    }
    Ok((opened, !turn.ended.is_empty()))
}

async fn open_deviations(tx: &mut Tx, place: &Place<'_>) -> Result<Deviations, StoreError> {
    let sql = "SELECT to_state, offenders FROM drift
               WHERE host = $1 AND drift = 'change' AND grouping = $2 AND resolved_us IS NULL";
    let (host, population) = (place.host.to_string(), place.population.to_owned());
    let rows = fetch!(tx, all, (String, String), sql, host.clone(), population.clone())?;
    let mut open = Deviations::new();
    for (to, offenders) in rows {
        let members: Vec<String> = serde_json::from_str(&offenders)
            .map_err(|e| StoreError::corrupt(format!("offenders: {e}")))?;
        let how = Deviation::from_word(&to);
        open.extend(how.zip(members.into_iter().next()));
    }
    Ok(open)
}

async fn open_one(
    tx: &mut Tx,
    place: &Place<'_>,
    how: Deviation,
    member: &str,
) -> Result<Option<String>, StoreError> {
    let population = population::find(place.population);
    let severity = match (how, population) {
        (Deviation::Added, Some(population)) => population.severity.as_str(),
        _ => "low",
    };
    let mut kinds = population.iter().flat_map(|population| &population.from);
    let confirm = kinds.any(|from| alert::is_live(&from.kind));
    let drift = DriftRow {
        id: ulid::Ulid::generate().to_string(),
        drift: "change".to_owned(),
        host: place.host,
        rule: None,
        kind: None,
        cause: place.cause.to_owned(),
        severity: severity.to_owned(),
        from: if how == Deviation::Added { "not_approved" } else { "approved" }.to_owned(),
        to: how.as_str().to_owned(),
        offenders: vec![member.to_owned()],
        opened_us: place.at_us,
        resolved_us: None,
    };
    let wait = if confirm { alert::CONFIRM_US } else { alert::HOLD_US };
    let about = About {
        subject: subject(place.population, how, member),
        grouping: place.population.to_owned(),
        known_us: place.now_us,
        confirm,
        alert_after_us: place.now_us + wait,
    };
    Ok(open_drift(tx, &drift, &about, place.index).await?.then_some(drift.id))
}

/// `root-keys: SHA256:… is not approved`; one that is gone is another subject.
fn subject(population: &str, how: Deviation, member: &str) -> String {
    match how {
        Deviation::Added => format!("{population}: {member} is not approved"),
        Deviation::Gone => format!("{population}: {member} is gone"),
    }
}
