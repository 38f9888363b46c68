//! What pages and the API read of alerts, and the one thing a person does to them.

use super::acts::{self, Act};
use super::alerts::{close, event, lock};
use super::db::{execute, fetch, read};
use super::hosts::host_id;
use super::log::Appender;
use super::model::{AlertEvent, AlertRow, DriftRow};
use super::reading::{DriftColumns, drift_row};
use super::{Store, StoreError};
use crate::alert::title;
use evidence::HostId;
use serde_json::json;

/// Which alerts. Newest first.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// `open`, `acknowledged`, `resolved`; `live` is the first two.
    pub state: Option<String>,
    /// `page` or `queue`.
    pub lane: Option<String>,
    pub host: Option<HostId>,
    /// Those after this one: when it was opened, and its id.
    pub after: Option<(i64, String)>,
    pub limit: i64,
}

/// An alert with what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertWhole {
    pub alert: AlertRow,
    /// By host.
    pub hosts: Vec<HostId>,
    pub drifts: Vec<DriftRow>,
    pub events: Vec<AlertEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeRefusal {
    #[error("no such alert")]
    Unknown,
    #[error("this alert is resolved")]
    Resolved,
}

#[derive(sqlx::FromRow)]
struct AlertColumns {
    id: String,
    drift: String,
    cause: String,
    grouping: String,
    subjects: String,
    severity: String,
    lane: String,
    state: String,
    says: String,
    hosts: i64,
    flapping: bool,
    opened_us: i64,
    gained_us: i64,
    acknowledged_us: Option<i64>,
    acknowledged_by: Option<String>,
    note: Option<String>,
    resolved_us: Option<i64>,
    merged_into: Option<String>,
}

impl Store {
    /// Alerts, newest first. Those that became part of another are left out.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRow>, StoreError> {
        let sql = "SELECT id, drift, cause, grouping, subjects, severity, lane, state, says, hosts,
                   flapping, opened_us, gained_us, acknowledged_us, acknowledged_by, note,
                   resolved_us, merged_into FROM alert
                   WHERE merged_into IS NULL
                     AND ($1 = '' OR state = $1 OR ($1 = 'live' AND state <> 'resolved'))
                     AND ($2 = '' OR lane = $2)
                     AND ($3 = '' OR EXISTS (SELECT 1 FROM alert_host x
                                             WHERE x.alert = alert.id AND x.host = $3))
                     AND (opened_us < $4 OR (opened_us = $4 AND id < $5))
                   ORDER BY opened_us DESC, id DESC LIMIT $6";
        let state = filter.state.clone().unwrap_or_default();
        let lane = filter.lane.clone().unwrap_or_default();
        let host = filter.host.map(|host| host.to_string()).unwrap_or_default();
        let (after_us, after) = filter.after.clone().unwrap_or((i64::MAX, String::new()));
        let rows = read!(
            &self.db,
            all,
            AlertColumns,
            sql,
            state.clone(),
            lane.clone(),
            host.clone(),
            after_us,
            after.clone(),
            filter.limit
        )?;
        rows.into_iter().map(alert_row).collect()
    }

    /// An alert with its hosts, drifts and life; none if there is none of this id.
    pub async fn alert(&self, id: &str) -> Result<Option<AlertWhole>, StoreError> {
        let sql = "SELECT id, drift, cause, grouping, subjects, severity, lane, state, says, hosts,
                   flapping, opened_us, gained_us, acknowledged_us, acknowledged_by, note,
                   resolved_us, merged_into FROM alert WHERE id = $1";
        let row = read!(&self.db, optional, AlertColumns, sql, id.to_owned())?;
        let Some(row) = row else { return Ok(None) };
        let sql = "SELECT host FROM alert_host WHERE alert = $1 ORDER BY host";
        let hosts = read!(&self.db, all, (String,), sql, id.to_owned())?;
        let sql = "SELECT d.id, d.drift, d.host, d.subject, d.cause, d.severity, d.from_state,
                   d.to_state, d.offenders, d.opened_us, d.resolved_us
                   FROM drift d JOIN alert_drift l ON l.drift = d.id WHERE l.alert = $1
                   ORDER BY d.opened_us, d.host, d.subject, d.id";
        let drifts = read!(&self.db, all, DriftColumns, sql, id.to_owned())?;
        let sql = "SELECT id, at_us, event FROM alert_event WHERE alert = $1 ORDER BY n";
        let events = read!(&self.db, all, (String, i64, String), sql, id.to_owned())?;
        let event = |(id, at_us, event)| AlertEvent { id, at_us, event };
        Ok(Some(AlertWhole {
            alert: alert_row(row)?,
            hosts: hosts.iter().map(|(host,)| host_id(host)).collect::<Result<_, _>>()?,
            drifts: drifts.into_iter().map(drift_row).collect::<Result<_, _>>()?,
            events: events.into_iter().map(event).collect(),
        }))
    }

    /// Notes that `actor` has taken an alert on; the act is logged. A second time changes who and
    /// why. An alert that only announces something is closed by it; any other is closed by
    /// evidence alone.
    pub async fn acknowledge(
        &self,
        id: &str,
        actor: &str,
        note: &str,
        now_us: i64,
    ) -> Result<Result<(), AcknowledgeRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        lock(&mut tx).await?;
        let sql = "SELECT state, drift FROM alert WHERE id = $1";
        let row = fetch!(&mut tx, optional, (String, String), sql, id.to_owned())?;
        let Some((state, drift)) = row else { return Ok(Err(AcknowledgeRefusal::Unknown)) };
        if state == "resolved" {
            return Ok(Err(AcknowledgeRefusal::Resolved));
        }
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "alert_acknowledged".to_owned(),
            detail: json!({"alert": id, "note": note}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        let sql = "UPDATE alert SET state = 'acknowledged', acknowledged_us = $2,
                   acknowledged_by = $3, note = $4 WHERE id = $1";
        execute!(&mut tx, sql, id.to_owned(), now_us, actor.to_owned(), note.to_owned())?;
        event(&mut tx, id, "acknowledged", None, true, now_us).await?;
        if drift == "change" {
            close(&mut tx, id, true, now_us).await?;
        }
        tx.commit().await?;
        Ok(Ok(()))
    }
}

fn alert_row(columns: AlertColumns) -> Result<AlertRow, StoreError> {
    let subjects: Vec<String> = serde_json::from_str(&columns.subjects)
        .map_err(|e| StoreError::corrupt(format!("subjects of an alert: {e}")))?;
    Ok(AlertRow {
        title: title(&columns.drift, &subjects, &columns.says, columns.hosts),
        id: columns.id,
        drift: columns.drift,
        cause: columns.cause,
        grouping: Some(columns.grouping).filter(|grouping| !grouping.is_empty()),
        subjects,
        severity: columns.severity,
        lane: columns.lane,
        state: columns.state,
        hosts: columns.hosts,
        flapping: columns.flapping,
        opened_us: columns.opened_us,
        gained_us: columns.gained_us,
        acknowledged_us: columns.acknowledged_us,
        acknowledged_by: columns.acknowledged_by,
        note: columns.note,
        resolved_us: columns.resolved_us,
        merged_into: columns.merged_into,
    })
}
