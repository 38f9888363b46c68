//! What exceptions cover: failures that alert nobody for a time, and what becomes of them when that
//! time ends. A cover hides nothing: results, drifts and their histories are as they would be.

use super::alerts::{self, event, link, lock, merge, open};
use super::db::{Tx, execute, fetch, read};
use super::hosts::host_id;
use super::judging::{About, open_drift};
use super::model::DriftRow;
use super::{Store, StoreError};
use crate::alert::{self, Candidate, Lane};
use crate::exception::{Approved, Cover, Ended, Failure, Scope, Turn, turn};
use evidence::HostId;
use std::collections::{BTreeMap, BTreeSet};

/// SQL: whether an exception covers the drift `d`. `$now` is the parameter of the time. A cover whose
/// end was not acted on yet counts: what follows from its end is said once, there.
macro_rules! covered {
    ($now:literal) => {
        concat!(
            "(d.drift = 'regression' AND (EXISTS (
               SELECT 1 FROM exception_rule x JOIN exception e ON e.id = x.exception
               JOIN host eh ON eh.id = d.host
               WHERE x.rule = d.subject AND e.decision = 'approved' AND e.ended_us IS NULL
                 AND e.until_us > ",
            $now,
            " AND (e.scope = 'organisation'
                  OR (e.scope = 'group' AND e.scope_name = eh.host_group)
                  OR (e.scope = 'host' AND e.scope_name = d.host)))
             OR EXISTS (SELECT 1 FROM exception_cover c
                        WHERE c.host = d.host AND c.rule = d.subject AND c.to_us IS NULL)))"
        )
    };
}
pub(super) use covered;

/// What is uncovered, by exception and why: host, rule, and the drifts to be told.
type Opened = BTreeMap<(String, Ended), Vec<(HostId, String, Vec<String>)>>;

/// A failure beside the exception that covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excepted {
    pub exception: String,
    pub until_us: i64,
}

impl Store {
    /// Failures under an approved exception at this time, by host and rule; of several exceptions
    /// the one that lasts longest.
    pub async fn excepted(
        &self,
        now_us: i64,
    ) -> Result<BTreeMap<(HostId, String), Excepted>, StoreError> {
        let sql = "SELECT r.host, r.rule, e.id, e.until_us
                   FROM exception e JOIN exception_rule x ON x.exception = e.id
                   JOIN result_span r ON r.rule = x.rule AND r.outcome = 'fail'
                     AND r.observed_to_us IS NULL AND r.superseded_known IS NULL
                   JOIN host h ON h.id = r.host
                   WHERE e.sort = 'exception' AND e.decision = 'approved'
                     AND e.ended_us IS NULL AND e.until_us > $1
                     AND (e.scope = 'organisation'
                          OR (e.scope = 'group' AND e.scope_name = h.host_group)
                          OR (e.scope = 'host' AND e.scope_name = h.id))
                   ORDER BY e.until_us, e.id";
        let rows = read!(&self.db, all, (String, String, String, i64), sql, now_us)?;
        let mut found = BTreeMap::new();
        for (host, rule, exception, until_us) in rows {
            found.insert((host_id(&host)?, rule), Excepted { exception, until_us });
        }
        Ok(found)
    }

    /// Failures that an exception covered, those it still covers first: host, rule, from, to, why
    /// it ended.
    pub async fn covers_of(
        &self,
        exception: &str,
        limit: i64,
    ) -> Result<Vec<CoverRow>, StoreError> {
        let sql = "SELECT c.host, h.name, c.rule, c.from_us, c.to_us, c.ended
                   FROM exception_cover c JOIN host h ON h.id = c.host WHERE c.exception = $1
                   ORDER BY CASE WHEN c.to_us IS NULL THEN 0 ELSE 1 END, c.to_us DESC, h.name,
                     c.rule, c.from_us LIMIT $2";
        Ok(read!(&self.db, all, CoverRow, sql, exception.to_owned(), limit)?)
    }

    /// Looks which exceptions began to cover, or ended. True if anything changed.
    pub async fn watch_exceptions(&self, now_us: i64) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM exception
                   WHERE decision = 'approved' AND closed_us IS NULL";
        let (live,) = read!(&self.db, one, (i64,), sql)?;
        if live == 0 {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        // One collector at a time: each would tell of the same end.
        execute!(&mut tx, "UPDATE heartbeat SET at_us = at_us WHERE id = 1")?;
        let (size,) = fetch!(&mut tx, one, (i64,), "SELECT size FROM log_head WHERE id = 1")?;
        let changed = turn_covers(&mut tx, size.unsigned_abs(), now_us).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

/// A failure that an exception covers or covered.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CoverRow {
    pub host: String,
    pub name: String,
    pub rule: String,
    pub from_us: i64,
    pub to_us: Option<i64>,
    /// `evidence`, `expired`, `withdrawn`, `scope`.
    pub ended: Option<String>,
}

/// Brings covers up to date, and alerts what is uncovered. `size` is that of the log. True if
/// anything changed. The last thing of its transaction: it takes the lock of all alerts.
async fn turn_covers(tx: &mut Tx, size: u64, now_us: i64) -> Result<bool, StoreError> {
    let approved = approved(tx).await?;
    if approved.is_empty() {
        return Ok(false);
    }
    let (failures, held) = (failures(tx).await?, held(tx).await?);
    let turn = turn(&approved, &failures, &held, now_us);
    if turn == Turn::default() {
        return Ok(false);
    }
    write(tx, &turn, now_us).await?;
    let index = i64::try_from(size).unwrap_or(i64::MAX) - 1;
    let opened = open_drifts(tx, &turn, index, now_us).await?;
    lock(tx).await?;
    quieten(tx, &turn, now_us).await?;
    tell(tx, &turn, &opened, now_us).await?;
    Ok(true)
}

async fn approved(tx: &mut Tx) -> Result<Vec<Approved>, StoreError> {
    type Row = (String, String, String, i64, Option<i64>);
    let sql = "SELECT id, scope, scope_name, until_us, ended_us FROM exception
               WHERE decision = 'approved' AND closed_us IS NULL ORDER BY id";
    let mut found = vec![];
    for (id, sort, name, until_us, ended_us) in fetch!(tx, all, Row, sql)? {
        let scope = Scope::read(&sort, &name);
        let scope = scope.ok_or_else(|| StoreError::corrupt(format!("scope of {id}")))?;
        let sql = "SELECT rule FROM exception_rule WHERE exception = $1";
        let rules = fetch!(tx, all, (String,), sql, id.clone())?;
        let rules = rules.into_iter().map(|(rule,)| rule).collect();
        found.push(Approved { id, scope, rules, until_us, ended_us });
    }
    Ok(found)
}

/// Failures of the rules that exceptions name, on hosts in service.
async fn failures(tx: &mut Tx) -> Result<BTreeSet<Failure>, StoreError> {
    let sql = "SELECT r.host, r.rule, h.host_group FROM result_span r JOIN host h ON h.id = r.host
               WHERE r.outcome = 'fail' AND r.observed_to_us IS NULL AND r.superseded_known IS NULL
                 AND h.state IN ('enrolling', 'active', 'maintenance')
                 AND r.rule IN (SELECT x.rule FROM exception_rule x
                                JOIN exception e ON e.id = x.exception
                                WHERE e.decision = 'approved' AND e.closed_us IS NULL)";
    let rows = fetch!(tx, all, (String, String, String), sql)?;
    let failure = |(host, rule, group): (String, String, String)| {
        Ok(Failure { host: host_id(&host)?, rule, group })
    };
    rows.into_iter().map(failure).collect()
}

async fn held(tx: &mut Tx) -> Result<BTreeSet<Cover>, StoreError> {
    let sql = "SELECT exception, host, rule FROM exception_cover WHERE to_us IS NULL";
    let rows = fetch!(tx, all, (String, String, String), sql)?;
    let cover = |(exception, host, rule): (String, String, String)| {
        Ok(Cover { exception, host: host_id(&host)?, rule })
    };
    rows.into_iter().map(cover).collect()
}

async fn write(tx: &mut Tx, turn: &Turn, now_us: i64) -> Result<(), StoreError> {
    for (cover, why, at_us) in &turn.ended {
        let sql = "UPDATE exception_cover
                   SET to_us = CASE WHEN from_us > $4 THEN from_us ELSE $4 END, ended = $5
                   WHERE exception = $1 AND host = $2 AND rule = $3 AND to_us IS NULL";
        let (exception, host) = (cover.exception.clone(), cover.host.to_string());
        execute!(
            tx,
            sql,
            exception.clone(),
            host.clone(),
            cover.rule.clone(),
            *at_us,
            why.as_str()
        )?;
    }
    for cover in &turn.begun {
        let sql = "INSERT INTO exception_cover (exception, host, rule, from_us)
                   VALUES ($1, $2, $3, $4) ON CONFLICT (exception, host, rule, from_us) DO UPDATE
                   SET to_us = NULL, ended = NULL";
        let (exception, host) = (cover.exception.clone(), cover.host.to_string());
        execute!(tx, sql, exception.clone(), host.clone(), cover.rule.clone(), now_us)?;
        // What was overdue for want of an exception has one again.
        let sql = "UPDATE drift SET resolved_us = $3 WHERE host = $1 AND subject = $2
                   AND drift = 'overdue' AND cause IN ('exception_ended', 'scope_changed')
                   AND resolved_us IS NULL";
        execute!(tx, sql, host.clone(), cover.rule.clone(), now_us)?;
    }
    for exception in &turn.closed {
        let sql = "UPDATE exception SET closed_us = $2 WHERE id = $1";
        execute!(tx, sql, exception.clone(), now_us)?;
    }
    Ok(())
}

fn cause_of(why: Ended) -> &'static str {
    if why == Ended::Scope { "scope_changed" } else { "exception_ended" }
}

/// One drift for each failure that is uncovered: `(exception, why)` → drifts. Those that were
/// covered from their beginning, and so have no alert, go with them.
async fn open_drifts(
    tx: &mut Tx,
    turn: &Turn,
    index: i64,
    now_us: i64,
) -> Result<Opened, StoreError> {
    let mut opened: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (cover, why, at_us) in &turn.uncovered {
        let (host, rule) = (cover.host.to_string(), cover.rule.clone());
        let sql = "SELECT offenders FROM result_span WHERE host = $1 AND rule = $2
                   AND outcome = 'fail' AND observed_to_us IS NULL AND superseded_known IS NULL";
        let row = fetch!(tx, optional, (String,), sql, host.clone(), rule.clone())?;
        let Some((offenders,)) = row else { continue };
        let offenders = serde_json::from_str(&offenders)
            .map_err(|e| StoreError::corrupt(format!("offenders: {e}")))?;
        let drift = DriftRow {
            id: ulid::Ulid::generate().to_string(),
            drift: "overdue".to_owned(),
            host: cover.host,
            rule: Some(rule.clone()),
            kind: None,
            cause: cause_of(*why).to_owned(),
            severity: severity(tx, cover).await?,
            from: "excepted".to_owned(),
            to: "fail".to_owned(),
            offenders,
            opened_us: *at_us,
            resolved_us: None,
        };
        let about = About {
            subject: rule.clone(),
            grouping: cover.exception.clone(),
            known_us: now_us,
            confirm: false,
            alert_after_us: now_us,
        };
        let mut drifts = vec![];
        if open_drift(tx, &drift, &about, index).await? {
            drifts.push(drift.id);
        }
        let sql = "SELECT d.id FROM drift d WHERE d.host = $1 AND d.subject = $2
                   AND d.drift = 'regression' AND d.resolved_us IS NULL
                   AND NOT EXISTS (SELECT 1 FROM alert_drift l WHERE l.drift = d.id)";
        let silent = fetch!(tx, all, (String,), sql, host.clone(), rule.clone())?;
        drifts.extend(silent.into_iter().map(|(id,)| id));
        let of = opened.entry((cover.exception.clone(), *why)).or_default();
        of.push((cover.host, rule, drifts));
    }
    Ok(opened)
}

async fn severity(tx: &mut Tx, cover: &Cover) -> Result<String, StoreError> {
    let sql = "SELECT severity FROM exception_rule WHERE exception = $1 AND rule = $2";
    let (exception, rule) = (cover.exception.clone(), cover.rule.clone());
    let row = fetch!(tx, optional, (String,), sql, exception.clone(), rule.clone())?;
    Ok(row.map_or_else(|| "medium".to_owned(), |(severity,)| severity))
}

/// Open alerts all of whose drifts are covered now are taken on by the exception: they stay until
/// evidence ends them, and call for nobody.
async fn quieten(tx: &mut Tx, turn: &Turn, now_us: i64) -> Result<(), StoreError> {
    for cover in &turn.begun {
        let sql = concat!(
            "SELECT DISTINCT a.id FROM alert a JOIN alert_drift l ON l.alert = a.id
             JOIN drift o ON o.id = l.drift
             WHERE o.host = $1 AND o.subject = $2 AND o.drift = 'regression'
               AND o.resolved_us IS NULL AND a.state = 'open'
               AND NOT EXISTS (SELECT 1 FROM alert_drift m JOIN drift d ON d.id = m.drift
                               WHERE m.alert = a.id AND d.resolved_us IS NULL AND NOT ",
            covered!("$3"),
            ") ORDER BY a.id"
        );
        let (host, rule) = (cover.host.to_string(), cover.rule.clone());
        let alerts = fetch!(tx, all, (String,), sql, host.clone(), rule.clone(), now_us)?;
        for (id,) in alerts {
            let sql = "SELECT decided_by FROM exception WHERE id = $1";
            let exception = cover.exception.clone();
            let (by,) = fetch!(tx, one, (Option<String>,), sql, exception.clone())?;
            let sql = "UPDATE alert SET state = 'acknowledged', acknowledged_us = $2,
                       acknowledged_by = $3, note = $4 WHERE id = $1";
            let note = format!("under exception {}", cover.exception);
            execute!(tx, sql, id.clone(), now_us, by.clone().unwrap_or_default(), note.clone())?;
            event(tx, &id, "acknowledged", None, true, now_us).await?;
        }
        alerts::resolve(tx, &host, now_us).await?;
    }
    Ok(())
}

/// One alert for each exception that ended, with all that it leaves uncovered. What was told of it
/// before becomes part of that.
async fn tell(tx: &mut Tx, turn: &Turn, opened: &Opened, now_us: i64) -> Result<(), StoreError> {
    for ((exception, why), parts) in opened {
        let Some((first, ..)) = parts.first() else { continue };
        let mut severities = vec![];
        for (cover, ..) in turn.uncovered.iter().filter(|(cover, ..)| cover.exception == *exception)
        {
            severities.push(severity(tx, cover).await?);
        }
        let worst = severities.into_iter().min_by_key(|text| alert::rank(text));
        let mut candidate = Candidate {
            host: *first,
            sort: "overdue".to_owned(),
            cause: cause_of(*why).to_owned(),
            grouping: exception.clone(),
            signature: format!("overdue {exception} {now_us}"),
            subjects: parts.iter().map(|(_, rule, _)| rule.clone()).collect(),
            severity: worst.unwrap_or_else(|| "medium".to_owned()),
            lane: Lane::Queue,
            says: says(tx, exception, *why).await?,
            drifts: vec![],
        };
        let id = open(tx, &candidate, now_us).await?;
        for (host, rule, drifts) in parts {
            (candidate.host, candidate.drifts) = (*host, drifts.clone());
            link(tx, &id, &candidate).await?;
            for other in taken_on(tx, *host, rule, &id).await? {
                merge(tx, &id, &other, now_us).await?;
            }
        }
        event(tx, &id, "opened", Some(true), true, now_us).await?;
    }
    Ok(())
}

async fn says(tx: &mut Tx, exception: &str, why: Ended) -> Result<String, StoreError> {
    let sql = "SELECT sort FROM exception WHERE id = $1";
    let (sort,) = fetch!(tx, one, (String,), sql, exception.to_owned())?;
    let what = if sort == "inherited" { "inherited evidence" } else { "an exception" };
    Ok(match why {
        Ended::Expired => format!("{what} expired: what it covered still fails"),
        Ended::Withdrawn => format!("{what} was withdrawn: what it covered still fails"),
        _ => format!("hosts left the scope of {what}: what it covered fails"),
    })
}

/// Alerts that an exception had taken on, and that are about nothing but this.
async fn taken_on(
    tx: &mut Tx,
    host: HostId,
    rule: &str,
    but: &str,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT a.id FROM alert a JOIN alert_drift l ON l.alert = a.id
               JOIN drift d ON d.id = l.drift
               WHERE d.host = $1 AND d.subject = $2 AND d.drift = 'regression'
                 AND d.resolved_us IS NULL AND a.id <> $3 AND a.state = 'acknowledged'
                 AND a.note LIKE 'under exception %'
                 AND NOT EXISTS (SELECT 1 FROM alert_drift m JOIN drift o ON o.id = m.drift
                                 WHERE m.alert = a.id AND o.resolved_us IS NULL
                                   AND (o.host <> $1 OR o.subject <> $2)) ORDER BY a.id";
    let host = host.to_string();
    let rows = fetch!(tx, all, (String,), sql, host.clone(), rule.to_owned(), but.to_owned())?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}
