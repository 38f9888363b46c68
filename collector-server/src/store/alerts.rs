//! Alerts are kept: drifts are put together in the transaction that writes them, and every step
//! of an alert's life is an event that waits to be told.

use super::covers::covered;
use super::db::{Tx, execute, fetch};
use super::grace::graced;
use super::hosts::host_id;
use super::judging::Summary;
use super::windows::excused;
use super::{Store, StoreError};
use crate::alert::{self, Candidate, Part, Place, Standing};
use evidence::HostId;
use std::collections::BTreeSet;

#[derive(sqlx::FromRow)]
struct PartColumns {
    id: String,
    host: String,
    drift: String,
    subject: String,
    cause: String,
    severity: String,
    grouping: String,
    opened_index: i64,
    to_state: String,
    offenders: String,
    confirm: bool,
    alert_after_us: Option<i64>,
}

/// The row of an alert as it is changed.
#[derive(sqlx::FromRow)]
struct Held {
    subjects: String,
    severity: String,
    lane: String,
    hosts: i64,
    flapping: bool,
}

impl Store {
    /// Alerts what was waiting on one more check-in, or on late ones, for long enough, and closes
    /// flapping that ended. True if there was anything.
    pub async fn settle_alerts(&self, now_us: i64) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = concat!(
            "SELECT DISTINCT d.host FROM drift d LEFT JOIN alert_drift a ON a.drift = d.id
             LEFT JOIN host h ON h.id = d.host
             WHERE (d.resolved_us IS NULL AND a.drift IS NULL AND d.known_us IS NOT NULL
                    AND (d.alert_after_us <= $1
                         OR (d.confirm AND h.judged_index > d.opened_index)) AND NOT ",
            covered!("$1"),
            " AND NOT ",
            excused!("$1"),
            " AND NOT ",
            graced!("$1"),
            ")"
        );
        let mut hosts = fetch!(&mut tx, all, (String,), sql, now_us)?;
        // Evidence may have ended the drifts of an alert in a check-in that was not the last.
        let sql = "SELECT DISTINCT x.host FROM alert a JOIN alert_host x ON x.alert = a.id
                   WHERE a.state <> 'resolved' AND NOT a.flapping
                     AND EXISTS (SELECT 1 FROM alert_drift l WHERE l.alert = a.id)
                     AND NOT EXISTS (SELECT 1 FROM alert_drift l JOIN drift d ON d.id = l.drift
                                     WHERE l.alert = a.id AND d.resolved_us IS NULL)
                     AND NOT EXISTS (SELECT 1 FROM alert_drift l JOIN drift d ON d.id = l.drift
                                     WHERE l.alert = a.id AND d.resolved_us > $1)";
        hosts.extend(fetch!(&mut tx, all, (String,), sql, now_us - alert::HOLD_US)?);
        let some = !hosts.is_empty();
        for (host,) in hosts {
            settle(&mut tx, &host, None, now_us).await?;
        }
        calm(&mut tx, now_us).await?;
        tx.commit().await?;
        Ok(some)
    }
}

/// Puts the open drifts of a host that have no alert into alerts, and resolves the alerts whose
/// drifts have ended. `judged` is the log index up to which the host's evidence was looked at.
///
/// The last thing a transaction does: it takes the lock of all alerts.
pub(super) async fn settle(
    tx: &mut Tx,
    host: &str,
    judged: Option<i64>,
    now_us: i64,
) -> Result<(), StoreError> {
    let sql = concat!(
        "SELECT (SELECT COUNT(*) FROM drift d WHERE d.host = $1 AND d.resolved_us IS NULL
                 AND d.known_us IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM alert_drift a WHERE a.drift = d.id) AND NOT ",
        covered!("$2"),
        " AND NOT ",
        excused!("$2"),
        " AND NOT ",
        graced!("$2"),
        "), (SELECT COUNT(*) FROM alert_host x JOIN alert a ON a.id = x.alert
             WHERE x.host = $1 AND a.state <> 'resolved')"
    );
    let (loose, live) = fetch!(tx, one, (i64, i64), sql, host.to_owned(), now_us)?;
    if loose == 0 && live == 0 {
        return Ok(());
    }
    lock(tx).await?;
    let parts = loose_parts(tx, host, judged, now_us).await?;
    for candidate in alert::candidates(&parts) {
        put(tx, &candidate, now_us).await?;
    }
    resolve(tx, host, now_us).await
}

/// Waits until no other transaction writes alerts.
pub(super) async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(tx, "UPDATE alert_lock SET n = n + 1 WHERE id = 1")?;
    Ok(())
}

async fn loose_parts(
    tx: &mut Tx,
    host: &str,
    judged: Option<i64>,
    now_us: i64,
) -> Result<Vec<Part>, StoreError> {
    let sql = "SELECT judged_index FROM host WHERE id = $1";
    let stored = fetch!(tx, optional, (i64,), sql, host.to_owned())?;
    let judged = judged.or(stored.map(|(index,)| index)).unwrap_or(-1);
    let sql = concat!(
        "SELECT d.id, d.host, d.drift, d.subject, d.cause, d.severity, d.grouping,
                d.opened_index, d.to_state, d.offenders, d.confirm, d.alert_after_us
         FROM drift d WHERE d.host = $1 AND d.resolved_us IS NULL AND d.known_us IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM alert_drift a WHERE a.drift = d.id) AND NOT ",
        covered!("$2"),
        " AND NOT ",
        excused!("$2"),
        " AND NOT ",
        graced!("$2"),
        " ORDER BY d.id"
    );
    let rows = fetch!(tx, all, PartColumns, sql, host.to_owned(), now_us)?;
    let ready = |row: &PartColumns| {
        let waited = row.alert_after_us.is_some_and(|after| after <= now_us);
        !row.confirm || judged > row.opened_index || waited
    };
    rows.into_iter().filter(ready).map(part).collect()
}

fn part(row: PartColumns) -> Result<Part, StoreError> {
    let offenders = serde_json::from_str(&row.offenders);
    Ok(Part {
        drift: row.id,
        host: host_id(&row.host)?,
        sort: row.drift,
        subject: row.subject,
        cause: row.cause,
        severity: row.severity,
        grouping: row.grouping,
        index: row.opened_index,
        to: row.to_state,
        offenders: offenders.map_err(|e| StoreError::corrupt(format!("offenders: {e}")))?,
    })
}

async fn put(tx: &mut Tx, candidate: &Candidate, now_us: i64) -> Result<(), StoreError> {
    let standing = standing(tx, candidate, now_us).await?;
    match alert::place(candidate, &standing, now_us) {
        Place::Open => {
            let id = open(tx, candidate, now_us).await?;
            link(tx, &id, candidate).await?;
            event(tx, &id, "opened", Some(true), true, now_us).await
        }
        Place::Join(id) => join(tx, &id, candidate, now_us).await,
        Place::Reopen(id) => {
            let sql = "UPDATE alert SET state = 'open', resolved_us = NULL, acknowledged_us = NULL,
                       acknowledged_by = NULL, note = NULL WHERE id = $1";
            execute!(tx, sql, id.clone())?;
            gain(tx, &id, candidate, now_us).await?;
            went_bad(tx, &id, "reopened", true, now_us).await
        }
        Place::Gather { into, merged } => {
            let before = held(tx, &into).await?.hosts;
            for other in merged {
                merge(tx, &into, &other, now_us).await?;
            }
            gain(tx, &into, candidate, now_us).await?;
            grew(tx, &into, before, now_us).await
        }
    }
}

#[derive(sqlx::FromRow)]
struct StandingColumns {
    id: String,
    signature: String,
    hosts: i64,
    has_host: i64,
    opened_us: i64,
    gained_us: i64,
    resolved_us: Option<i64>,
}

/// What a candidate may belong to.
async fn standing(
    tx: &mut Tx,
    candidate: &Candidate,
    now_us: i64,
) -> Result<Vec<Standing>, StoreError> {
    let host = candidate.host.to_string();
    // Chains have names of their own: a host's anomalies of one sort are one matter.
    let by_grouping = candidate.sort == "integrity_anomaly";
    let mut again = BTreeSet::new();
    for subject in &candidate.subjects {
        let sql = "SELECT DISTINCT l.alert FROM drift d JOIN alert_drift l ON l.drift = d.id
                   WHERE d.host = $1 AND d.drift = $2
                     AND (($4 = 1 AND d.grouping = $5) OR ($4 = 0 AND d.subject = $3))";
        let rows = fetch!(
            tx,
            all,
            (String,),
            sql,
            host.clone(),
            candidate.sort.clone(),
            subject.clone(),
            i64::from(by_grouping),
            candidate.grouping.clone()
        )?;
        again.extend(rows.into_iter().map(|(alert,)| alert));
    }
    let mut standing = vec![];
    for alert in &again {
        let sql = "SELECT a.id, a.signature, a.hosts, a.opened_us, a.gained_us, a.resolved_us,
                   (SELECT COUNT(*) FROM alert_host x WHERE x.alert = a.id AND x.host = $2) AS has_host
                   FROM alert a WHERE a.id = $1 AND a.merged_into IS NULL";
        let row = fetch!(tx, optional, StandingColumns, sql, alert.clone(), host.clone())?;
        standing.extend(row.map(|row| of(row, true)));
    }
    let sql = "SELECT a.id, a.signature, a.hosts, a.opened_us, a.gained_us, a.resolved_us,
               (SELECT COUNT(*) FROM alert_host x WHERE x.alert = a.id AND x.host = $2) AS has_host
               FROM alert a WHERE a.signature = $1 AND a.state <> 'resolved' AND a.gained_us >= $3";
    let signature = candidate.signature.clone();
    let since = now_us - alert::GATHER_WITHIN_US;
    let rows = fetch!(tx, all, StandingColumns, sql, signature.clone(), host.clone(), since)?;
    standing.extend(rows.into_iter().filter(|row| !again.contains(&row.id)).map(|r| of(r, false)));
    Ok(standing)
}

fn of(row: StandingColumns, recurs: bool) -> Standing {
    Standing {
        alert: row.id,
        signature: row.signature,
        hosts: row.hosts,
        has_host: row.has_host > 0,
        recurs,
        opened_us: row.opened_us,
        gained_us: row.gained_us,
        resolved_us: row.resolved_us,
    }
}

/// Writes a new alert without drifts or hosts.
pub(super) async fn open(
    tx: &mut Tx,
    candidate: &Candidate,
    now_us: i64,
) -> Result<String, StoreError> {
    let id = ulid::Ulid::generate().to_string();
    let sql = "INSERT INTO alert (id, drift, cause, grouping, signature, subjects, severity, lane,
               state, says, hosts, flapping, opened_us, gained_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9, 0, $10, $11, $11)";
    execute!(
        tx,
        sql,
        id.clone(),
        candidate.sort.clone(),
        candidate.cause.clone(),
        candidate.grouping.clone(),
        candidate.signature.clone(),
        list(&candidate.subjects)?,
        candidate.severity.clone(),
        candidate.lane.as_str(),
        candidate.says.clone(),
        false,
        now_us
    )?;
    Ok(id)
}

fn list(subjects: &BTreeSet<String>) -> Result<String, StoreError> {
    serde_json::to_string(subjects).map_err(|e| StoreError::corrupt(e.to_string()))
}

/// Notes that drifts and host of a candidate belong to an alert.
pub(super) async fn link(tx: &mut Tx, id: &str, candidate: &Candidate) -> Result<(), StoreError> {
    for drift in &candidate.drifts {
        let sql = "INSERT INTO alert_drift (drift, alert) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        execute!(tx, sql, drift.clone(), id.to_owned())?;
    }
    add_host(tx, id, &candidate.host.to_string()).await?;
    Ok(())
}

/// True if the host was not in it.
pub(super) async fn add_host(tx: &mut Tx, id: &str, host: &str) -> Result<bool, StoreError> {
    let sql = "INSERT INTO alert_host (alert, host) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    if execute!(tx, sql, id.to_owned(), host.to_owned())? == 0 {
        return Ok(false);
    }
    execute!(tx, "UPDATE alert SET hosts = hosts + 1 WHERE id = $1", id.to_owned())?;
    Ok(true)
}

/// Links a candidate, and takes over what is worse in it.
pub(super) async fn gain(
    tx: &mut Tx,
    id: &str,
    candidate: &Candidate,
    now_us: i64,
) -> Result<(), StoreError> {
    link(tx, id, candidate).await?;
    let held = held(tx, id).await?;
    let mut subjects = subjects(&held.subjects)?;
    subjects.extend(candidate.subjects.iter().cloned());
    let worse = alert::rank(&candidate.severity) < alert::rank(&held.severity);
    let severity = if worse { candidate.severity.clone() } else { held.severity };
    let page = candidate.lane == alert::Lane::Page;
    let lane = if page { "page".to_owned() } else { held.lane };
    let sql =
        "UPDATE alert SET subjects = $2, severity = $3, lane = $4, gained_us = $5 WHERE id = $1";
    execute!(tx, sql, id.to_owned(), list(&subjects)?, severity.clone(), lane.clone(), now_us)?;
    Ok(())
}

async fn held(tx: &mut Tx, id: &str) -> Result<Held, StoreError> {
    let sql = "SELECT subjects, severity, lane, hosts, flapping FROM alert WHERE id = $1";
    Ok(fetch!(tx, one, Held, sql, id.to_owned())?)
}

fn subjects(text: &str) -> Result<BTreeSet<String>, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::corrupt(format!("subjects: {e}")))
}

async fn join(tx: &mut Tx, id: &str, candidate: &Candidate, now_us: i64) -> Result<(), StoreError> {
    let before = held(tx, id).await?;
    gain(tx, id, candidate, now_us).await?;
    if transitions(tx, id).await?.last().is_some_and(|(_, bad)| !bad) {
        return went_bad(tx, id, "returned", false, now_us).await;
    }
    let new = subjects(&before.subjects)?;
    if candidate.subjects.iter().any(|subject| !new.contains(subject))
        && candidate.lane == alert::Lane::Page
        && before.lane != "page"
    {
        // What was for the day's list has become something to wake somebody for.
        return event(tx, id, "grew", None, true, now_us).await;
    }
    grew(tx, id, before.hosts, now_us).await
}

/// Tells that an alert has more hosts, now and then.
pub(super) async fn grew(
    tx: &mut Tx,
    id: &str,
    before: i64,
    now_us: i64,
) -> Result<(), StoreError> {
    let held = held(tx, id).await?;
    if !alert::is_told_again(before, held.hosts) {
        return Ok(());
    }
    // What was not told yet will tell it.
    let sql = "SELECT COUNT(*) FROM alert_event WHERE alert = $1 AND NOT told";
    let (waiting,) = fetch!(tx, one, (i64,), sql, id.to_owned())?;
    event(tx, id, "grew", None, waiting == 0 && !held.flapping, now_us).await
}

/// Makes one alert part of another.
pub(super) async fn merge(
    tx: &mut Tx,
    into: &str,
    other: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE alert_drift SET alert = $1 WHERE alert = $2";
    execute!(tx, sql, into.to_owned(), other.to_owned())?;
    let sql = "SELECT host FROM alert_host WHERE alert = $1";
    for (host,) in fetch!(tx, all, (String,), sql, other.to_owned())? {
        add_host(tx, into, &host).await?;
    }
    let sql =
        "UPDATE alert SET state = 'resolved', resolved_us = $2, merged_into = $3 WHERE id = $1";
    execute!(tx, sql, other.to_owned(), now_us, into.to_owned())?;
    // Whoever heard of it hears where it went; whoever did not need not hear of it at all.
    let sql = "UPDATE alert_event SET told = $2 WHERE alert = $1";
    execute!(tx, sql, other.to_owned(), true)?;
    let sql = "SELECT COUNT(*) FROM delivery WHERE alert = $1";
    let (heard,) = fetch!(tx, one, (i64,), sql, other.to_owned())?;
    event(tx, other, "merged", Some(false), heard > 0, now_us).await
}

/// Something is wrong again. `tell` unless flapping says it.
async fn went_bad(
    tx: &mut Tx,
    id: &str,
    what: &str,
    tell: bool,
    now_us: i64,
) -> Result<(), StoreError> {
    let was = held(tx, id).await?.flapping;
    let mut history = transitions(tx, id).await?;
    history.push((now_us, true));
    let flap = alert::flap(&history, now_us);
    if flap.flapping && !was {
        return begin_flapping(tx, id, true, now_us).await;
    }
    event(tx, id, what, Some(true), tell && !flap.flapping, now_us).await
}

async fn begin_flapping(tx: &mut Tx, id: &str, bad: bool, now_us: i64) -> Result<(), StoreError> {
    execute!(tx, "UPDATE alert SET flapping = $2 WHERE id = $1", id.to_owned(), true)?;
    event(tx, id, "flapping", Some(bad), true, now_us).await
}

/// Resolves the alerts of a host that hold no open drift any more.
pub(super) async fn resolve(tx: &mut Tx, host: &str, now_us: i64) -> Result<(), StoreError> {
    let sql = "SELECT a.id FROM alert a JOIN alert_host x ON x.alert = a.id
               WHERE x.host = $1 AND a.state <> 'resolved'
                 AND EXISTS (SELECT 1 FROM alert_drift l WHERE l.alert = a.id)
                 AND NOT EXISTS (SELECT 1 FROM alert_drift l JOIN drift d ON d.id = l.drift
                                 WHERE l.alert = a.id AND d.resolved_us IS NULL) ORDER BY a.id";
    for (id,) in fetch!(tx, all, (String,), sql, host.to_owned())? {
        let mut history = transitions(tx, &id).await?;
        if history.last().is_some_and(|(_, bad)| !bad) {
            continue; // It flaps, and is well at the moment.
        }
        history.push((now_us, false));
        let flap = alert::flap(&history, now_us);
        match (flap.flapping, held(tx, &id).await?.flapping) {
            (true, false) => begin_flapping(tx, &id, false, now_us).await?,
            (true, true) => event(tx, &id, "went", Some(false), false, now_us).await?,
            (false, _) => close(tx, &id, true, now_us).await?,
        }
    }
    Ok(())
}

/// Evidence ended it. `transition` unless that was noted already.
pub(super) async fn close(
    tx: &mut Tx,
    id: &str,
    transition: bool,
    now_us: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE alert SET state = 'resolved', resolved_us = $2, flapping = $3 WHERE id = $1";
    execute!(tx, sql, id.to_owned(), now_us, false)?;
    event(tx, id, "resolved", transition.then_some(false), true, now_us).await
}

/// Ends flapping that has been quiet for long enough: as what it was last.
async fn calm(tx: &mut Tx, now_us: i64) -> Result<(), StoreError> {
    let flapping = fetch!(tx, all, (String,), "SELECT id FROM alert WHERE flapping")?;
    if flapping.is_empty() {
        return Ok(());
    }
    lock(tx).await?;
    for (id,) in flapping {
        let flap = alert::flap(&transitions(tx, &id).await?, now_us);
        if flap.flapping {
            continue;
        }
        if !flap.bad {
            close(tx, &id, false, now_us).await?;
            continue;
        }
        execute!(tx, "UPDATE alert SET flapping = $2 WHERE id = $1", id.clone(), false)?;
        event(tx, &id, "stable", None, true, now_us).await?;
    }
    Ok(())
}

/// Adds a host to the one alert that tells what a change of rules or agents did.
pub(super) async fn announce(
    tx: &mut Tx,
    host: HostId,
    summary: &Summary,
    now_us: i64,
) -> Result<(), StoreError> {
    lock(tx).await?;
    let (cause, what) = (summary.cause.clone(), summary.what.clone());
    let candidate = Candidate {
        host,
        sort: "change".to_owned(),
        cause: cause.clone(),
        grouping: String::new(),
        signature: format!("change {cause} {what}"),
        subjects: summary.rules.clone(),
        severity: summary.severity.clone(),
        lane: alert::Lane::Queue,
        says: alert::announcement(&cause).to_owned(),
        drifts: vec![],
    };
    let sql = "SELECT id FROM alert WHERE signature = $1 ORDER BY opened_us LIMIT 1";
    let signature = candidate.signature.clone();
    if let Some((id,)) = fetch!(tx, optional, (String,), sql, signature.clone())? {
        return gain(tx, &id, &candidate, now_us).await;
    }
    let id = open(tx, &candidate, now_us).await?;
    link(tx, &id, &candidate).await?;
    event(tx, &id, "opened", Some(true), true, now_us).await
}

async fn transitions(tx: &mut Tx, id: &str) -> Result<Vec<(i64, bool)>, StoreError> {
    let sql = "SELECT at_us, bad FROM alert_event WHERE alert = $1 AND bad IS NOT NULL ORDER BY n";
    Ok(fetch!(tx, all, (i64, bool), sql, id.to_owned())?)
}

/// A step in an alert's life; `tell` puts it into the outbox.
pub(super) async fn event(
    tx: &mut Tx,
    id: &str,
    what: &str,
    bad: Option<bool>,
    tell: bool,
    now_us: i64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO alert_event (id, alert, n, at_us, event, bad, told)
               SELECT $1, $2, COALESCE(MAX(n) + 1, 0), $3, $4, $5, $6
               FROM alert_event WHERE alert = $2";
    let event = ulid::Ulid::generate().to_string();
    execute!(tx, sql, event.clone(), id.to_owned(), now_us, what.to_owned(), bad, !tell)?;
    Ok(())
}
