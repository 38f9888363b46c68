//! Integrity anomalies: often a restored machine, sometimes a copy. Said once each, calmly.

use super::StoreError;
use super::alerts;
use super::db::{Tx, execute, fetch};
use super::log::signed;
use evidence::HostId;

/// A refusal and the new chain that an agent opens upon it are one matter within this time.
const ONE_MATTER_US: i64 = 3_600_000_000;
/// The subject of a clock that jumped.
pub(super) const CLOCK: &str = "clock";
/// The subject of a log that is not the one the host saw.
pub(super) const LOG: &str = "log";
/// `from` of a log that is not the one the host saw.
pub(super) const LOG_SEEN: &str = "the log the host saw";
/// What a head says that is longer than the log.
pub(crate) const LONGER: &str = "the host holds a receipt for a longer log than this one: the \
     collector was put back to an earlier state, or there are two of it";
/// `from` of a refusal.
pub(super) const REFUSED: &str = "check-ins that follow each other";

/// Something about a host's identity, chain, clock or its view of the log that does not fit.
pub(super) struct Anomaly<'a> {
    pub(super) host: HostId,
    /// What it is about. While one about the same is open, no other is opened.
    pub(super) subject: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) at_us: i64,
    /// The leaf that made it known, or the next one.
    pub(super) index: u64,
}

impl Anomaly<'_> {
    fn grouping(&self) -> &'static str {
        match self.subject {
            CLOCK => CLOCK,
            LOG => LOG,
            _ => "chain",
        }
    }
}

/// Opens the drift unless one about the same is open.
pub(super) async fn open(tx: &mut Tx, anomaly: Anomaly<'_>) -> Result<(), StoreError> {
    let host = anomaly.host.to_string();
    let sql = "SELECT COUNT(*) FROM drift WHERE drift = 'integrity_anomaly' AND host = $1
               AND subject = $2 AND resolved_us IS NULL";
    let subject = anomaly.subject.to_owned();
    let (known,) = fetch!(tx, one, (i64,), sql, host.clone(), subject.clone())?;
    if known > 0 || follows_refusal(tx, &anomaly).await? {
        return Ok(());
    }
    let sql = "INSERT INTO drift (id, drift, host, subject, cause, severity, from_state, to_state,
               offenders, opened_us, opened_index, grouping, known_us, confirm, alert_after_us)
               VALUES ($1, 'integrity_anomaly', $2, $3, 'host_changed', $8, $4, $5, '[]', $6, $7,
               $9, $6, $10, $6) ON CONFLICT DO NOTHING";
    let id = ulid::Ulid::generate().to_string();
    let grouping = anomaly.grouping();
    execute!(
        tx,
        sql,
        id.clone(),
        host.clone(),
        subject.clone(),
        anomaly.from.to_owned(),
        anomaly.to.to_owned(),
        anomaly.at_us,
        signed(anomaly.index),
        if grouping == CLOCK { "low" } else { "high" },
        grouping,
        false
    )?;
    Ok(())
}

/// The chain that an agent opens because a check-in was refused says nothing new: the anomaly that
/// is there takes it in.
async fn follows_refusal(tx: &mut Tx, anomaly: &Anomaly<'_>) -> Result<bool, StoreError> {
    if anomaly.grouping() != "chain" || anomaly.from == REFUSED {
        return Ok(false);
    }
    let sql = "UPDATE drift SET subject = $2, from_state = $3, to_state = to_state || '; ' || $4
               WHERE id = (SELECT id FROM drift WHERE drift = 'integrity_anomaly' AND host = $1
                           AND from_state = $5 AND resolved_us IS NULL AND opened_us >= $6
                           ORDER BY opened_us DESC LIMIT 1)";
    let rows = execute!(
        tx,
        sql,
        anomaly.host.to_string(),
        anomaly.subject.to_owned(),
        anomaly.from.to_owned(),
        anomaly.to.to_owned(),
        REFUSED,
        anomaly.at_us - ONE_MATTER_US
    )?;
    Ok(rows > 0)
}

/// Puts anomalies that were just opened into alerts. The last thing a transaction does.
pub(super) async fn settle(tx: &mut Tx, now_us: i64) -> Result<(), StoreError> {
    let sql = "SELECT DISTINCT d.host FROM drift d LEFT JOIN alert_drift a ON a.drift = d.id
               WHERE d.drift = 'integrity_anomaly' AND d.resolved_us IS NULL AND a.drift IS NULL
                 AND d.known_us IS NOT NULL ORDER BY d.host";
    for (host,) in fetch!(tx, all, (String,), sql)? {
        alerts::settle(tx, &host, None, now_us).await?;
    }
    Ok(())
}

/// Ends an open one that another explains better.
pub(super) async fn explain(
    tx: &mut Tx,
    host: HostId,
    subject: &str,
    now_us: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE drift SET resolved_us = $3 WHERE drift = 'integrity_anomaly' AND host = $1
               AND subject = $2 AND resolved_us IS NULL";
    execute!(tx, sql, host.to_string(), subject.to_owned(), now_us)?;
    Ok(())
}
