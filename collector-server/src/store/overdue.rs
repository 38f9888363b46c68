//! What people owe by a day and did not do: access reviews, findings. Each is a drift of no host,
//! with its alert, until what was owed is done.

use super::alerts;
use super::db::{Tx, execute, fetch, read};
use super::judging::{About, open_drift};
use super::model::DriftRow;
use super::{Store, StoreError};
use crate::alert::{Candidate, Lane};
use evidence::HostId;
use std::collections::{BTreeMap, BTreeSet};

/// Something that is owed by a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owed {
    /// What is owed, in words that tell it from others of its sort: `access review of group web`.
    pub subject: String,
    /// One line for people.
    pub says: String,
    pub severity: String,
    /// It is overdue from this moment on.
    pub due_us: i64,
}

impl Store {
    /// Whether [`settle`] has anything to do: no lock is taken to find out.
    pub(super) async fn is_unsettled(
        &self,
        sort: &str,
        owed: &[Owed],
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let rows = read!(&self.db, all, (String, String), OPEN, nobody(), sort.to_owned())?;
        let open: BTreeSet<String> = rows.into_iter().map(|(_, subject)| subject).collect();
        Ok(open != overdue(owed, now_us).into_keys().collect())
    }
}

const OPEN: &str = "SELECT id, subject FROM drift
    WHERE host = $1 AND drift = 'overdue' AND grouping = $2 AND resolved_us IS NULL";

/// The host of what is of none.
fn nobody() -> String {
    HostId::nil().to_string()
}

fn overdue(owed: &[Owed], now_us: i64) -> BTreeMap<String, &Owed> {
    let past = owed.iter().filter(|owed| owed.due_us <= now_us);
    past.map(|owed| (owed.subject.clone(), owed)).collect()
}

/// Opens a drift and its alert for each of this sort that is overdue, and ends those of what is owed
/// no more. `owed` are all of this sort. True if anything changed. The last thing of its
/// transaction: it takes the lock of all alerts.
pub(super) async fn settle(
    tx: &mut Tx,
    sort: &str,
    owed: &[Owed],
    now_us: i64,
) -> Result<bool, StoreError> {
    let overdue = overdue(owed, now_us);
    let rows = fetch!(tx, all, (String, String), OPEN, nobody(), sort.to_owned())?;
    let open: BTreeMap<String, String> = rows.into_iter().map(|(id, s)| (s, id)).collect();
    let new: Vec<_> = overdue.iter().filter(|(subject, _)| !open.contains_key(*subject)).collect();
    let done: Vec<_> = open.iter().filter(|(subject, _)| !overdue.contains_key(*subject)).collect();
    if new.is_empty() && done.is_empty() {
        return Ok(false);
    }
    let (size,) = fetch!(tx, one, (i64,), "SELECT size FROM log_head WHERE id = 1")?;
    alerts::lock(tx).await?;
    for (subject, owed) in new {
        begin(tx, sort, (subject, owed), size, now_us).await?;
    }
    for (_, drift) in done {
        end(tx, drift, now_us).await?;
    }
    Ok(true)
}

async fn begin(
    tx: &mut Tx,
    sort: &str,
    (subject, owed): (&str, &Owed),
    size: i64,
    now_us: i64,
) -> Result<(), StoreError> {
    let drift = DriftRow {
        id: ulid::Ulid::generate().to_string(),
        drift: "overdue".to_owned(),
        host: HostId::nil(),
        rule: None,
        kind: None,
        cause: "time_passed".to_owned(),
        severity: owed.severity.clone(),
        from: "due".to_owned(),
        to: "overdue".to_owned(),
        offenders: vec![owed.says.clone()],
        opened_us: owed.due_us,
        resolved_us: None,
    };
    let about = About {
        subject: subject.to_owned(),
        grouping: sort.to_owned(),
        known_us: now_us,
        confirm: false,
        alert_after_us: now_us,
    };
    // The same may be overdue again at the same size of the log: its row is unique by that.
    let sql = "SELECT COALESCE(MAX(opened_index), -1) FROM drift
               WHERE drift = 'overdue' AND host = $1 AND subject = $2";
    let (last,) = fetch!(tx, one, (i64,), sql, nobody(), subject.to_owned())?;
    if !open_drift(tx, &drift, &about, (size - 1).max(last + 1)).await? {
        return Ok(());
    }
    let candidate = Candidate {
        host: HostId::nil(),
        sort: "overdue".to_owned(),
        cause: "time_passed".to_owned(),
        grouping: sort.to_owned(),
        signature: format!("overdue {sort} {subject}"),
        subjects: [subject.to_owned()].into(),
        severity: owed.severity.clone(),
        lane: Lane::Queue,
        says: owed.says.clone(),
        drifts: vec![],
    };
    // One that an earlier version opened has no drift yet.
    let sql = "SELECT id FROM alert WHERE signature = $1 AND state <> 'resolved' LIMIT 1";
    let held = fetch!(tx, optional, (String,), sql, candidate.signature.clone())?;
    let alert = match held {
        Some((id,)) => id,
        None => {
            let id = alerts::open(tx, &candidate, now_us).await?;
            alerts::event(tx, &id, "opened", Some(true), true, now_us).await?;
            id
        }
    };
    let sql = "INSERT INTO alert_drift (drift, alert) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    execute!(tx, sql, drift.id.clone(), alert.clone())?;
    Ok(())
}

async fn end(tx: &mut Tx, drift: &str, now_us: i64) -> Result<(), StoreError> {
    let sql = "UPDATE drift SET resolved_us = CASE WHEN opened_us > $2 THEN opened_us ELSE $2 END
               WHERE id = $1";
    execute!(tx, sql, drift.to_owned(), now_us)?;
    let sql = "SELECT a.id FROM alert a JOIN alert_drift l ON l.alert = a.id
               WHERE l.drift = $1 AND a.state <> 'resolved'";
    if let Some((alert,)) = fetch!(tx, optional, (String,), sql, drift.to_owned())? {
        alerts::close(tx, &alert, true, now_us).await?;
    }
    Ok(())
}
