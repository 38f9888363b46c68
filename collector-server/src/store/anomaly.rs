//! Integrity anomalies: often a restored machine, sometimes a copy. Said once each, calmly.

use super::StoreError;
use super::db::{Tx, execute, fetch};
use super::log::signed;
use evidence::HostId;

/// Something about a host's identity or chain that does not fit.
pub(super) struct Anomaly<'a> {
    pub(super) host: HostId,
    /// What it is about. While one about the same is open, no other is opened.
    pub(super) subject: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) at_us: i64,
    /// The leaf that made it known.
    pub(super) index: u64,
}

/// Opens the drift unless one about the same is open.
pub(super) async fn open(tx: &mut Tx, anomaly: Anomaly<'_>) -> Result<(), StoreError> {
    let host = anomaly.host.to_string();
    let sql = "SELECT COUNT(*) FROM drift WHERE drift = 'integrity_anomaly' AND host = $1
               AND subject = $2 AND resolved_us IS NULL";
    let subject = anomaly.subject.to_owned();
    let (known,) = fetch!(tx, one, (i64,), sql, host.clone(), subject.clone())?;
    if known > 0 {
        return Ok(());
    }
    let sql = "INSERT INTO drift (id, drift, host, subject, cause, severity, from_state, to_state,
               offenders, opened_us, opened_index)
               VALUES ($1, 'integrity_anomaly', $2, $3, 'host_changed', 'high', $4, $5, '[]', $6, $7)
               ON CONFLICT DO NOTHING";
    let id = ulid::Ulid::generate().to_string();
    execute!(
        tx,
        sql,
        id.clone(),
        host.clone(),
        subject.clone(),
        anomaly.from.to_owned(),
        anomaly.to.to_owned(),
        anomaly.at_us,
        signed(anomaly.index)
    )?;
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
