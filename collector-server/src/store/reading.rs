//! What pages and the API read.

use super::db::read;
use super::hosts::host_id;

use super::model::{DriftRow, KindRow};
use super::packed::unpack;
use super::{Store, StoreError};
use evidence::{HostId, KindEntry, Status};
use std::collections::BTreeMap;

/// Which drifts.
#[derive(Debug, Clone, Copy, Default)]
pub struct DriftFilter {
    pub host: Option<HostId>,
    /// Open or resolved ones only; both when none.
    pub open: Option<bool>,
    pub limit: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct DriftColumns {
    id: String,
    drift: String,
    host: String,
    subject: String,
    cause: String,
    severity: String,
    from_state: String,
    to_state: String,
    offenders: String,
    opened_us: i64,
    resolved_us: Option<i64>,
}

/// Check-ins that are looked through for when a kind was last collected: a day of hourly ones and
/// what triggers add.
const CHECK_INS_BACK: i64 = 120;

impl Store {
    /// What holds for each kind of a host, by kind.
    pub async fn kind_rows(&self, host: HostId) -> Result<Vec<KindRow>, StoreError> {
        let sql = "SELECT kind, entry, observed_from_us FROM kind_span WHERE host = $1
                   AND observed_to_us IS NULL AND superseded_known IS NULL ORDER BY kind";
        let rows = read!(&self.db, all, (String, String, i64), sql, host.to_string())?;
        let collected = self.collected(host).await?;
        rows.into_iter()
            .map(|(kind, entry, since)| kind_row(host, kind, &entry, since, &collected))
            .collect()
    }

    /// The entry of each kind of a host that holds.
    pub async fn kind_entries(
        &self,
        host: HostId,
    ) -> Result<BTreeMap<String, KindEntry>, StoreError> {
        let sql = "SELECT kind, entry FROM kind_span WHERE host = $1
                   AND observed_to_us IS NULL AND superseded_known IS NULL";
        let rows = read!(&self.db, all, (String, String), sql, host.to_string())?;
        rows.into_iter()
            .map(|(kind, entry)| entry_of(&kind, &entry).map(|entry| (kind, entry)))
            .collect()
    }

    /// Status of every kind of every host.
    pub async fn kind_statuses(&self) -> Result<Vec<(HostId, Status)>, StoreError> {
        let sql = "SELECT host, kind, entry FROM kind_span
                   WHERE observed_to_us IS NULL AND superseded_known IS NULL";
        let rows = read!(&self.db, all, (String, String, String), sql)?;
        rows.into_iter()
            .map(|(host, kind, entry)| Ok((host_id(&host)?, entry_of(&kind, &entry)?.status)))
            .collect()
    }

    /// When each kind was last collected, as the last check-ins say.
    async fn collected(&self, host: HostId) -> Result<BTreeMap<String, i64>, StoreError> {
        let sql = "SELECT c.observed_us, c.packed
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   WHERE chain.host = $1 ORDER BY c.log_index DESC LIMIT $2";
        let rows = read!(&self.db, all, (i64, Vec<u8>), sql, host.to_string(), CHECK_INS_BACK)?;
        let mut collected = BTreeMap::new();
        for (observed_us, bytes) in rows {
            for (kind, age_s) in unpack(&bytes)?.check_in.collected {
                collected.entry(kind).or_insert(observed_us - age_s.saturating_mul(1_000_000));
            }
        }
        Ok(collected)
    }

    /// Drifts, newest first, and those of one check-in by urgency.
    pub async fn drifts(&self, filter: DriftFilter) -> Result<Vec<DriftRow>, StoreError> {
        self.drifts_after(filter, None).await
    }

    /// [`Store::drifts`] after one of them: when it was opened, its urgency (0 is critical), its id.
    pub async fn drifts_after(
        &self,
        filter: DriftFilter,
        after: Option<(i64, i64, String)>,
    ) -> Result<Vec<DriftRow>, StoreError> {
        let sql = "SELECT id, drift, host, subject, cause, severity, from_state, to_state, offenders,
                   opened_us, resolved_us FROM drift
                   WHERE ($1 = '' OR host = $1)
                     AND ($2 = 0 OR ($2 = 1 AND resolved_us IS NULL) OR ($2 = 2 AND resolved_us IS NOT NULL))
                     AND (opened_us < $4 OR (opened_us = $4
                          AND (CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1
                               WHEN 'medium' THEN 2 ELSE 3 END > $5
                               OR (CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1
                                   WHEN 'medium' THEN 2 ELSE 3 END = $5 AND id < $6))))
                   ORDER BY opened_us DESC, CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1
                     WHEN 'medium' THEN 2 ELSE 3 END, id DESC LIMIT $3";
        let host = filter.host.map(|host| host.to_string()).unwrap_or_default();
        let state: i64 = match filter.open {
            None => 0,
            Some(true) => 1,
            Some(false) => 2,
        };
        let (at, rank, id) = after.unwrap_or((i64::MAX, 0, String::new()));
        let limit = filter.limit;
        let rows = read!(
            &self.db,
            all,
            DriftColumns,
            sql,
            host.clone(),
            state,
            limit,
            at,
            rank,
            id.clone()
        )?;
        rows.into_iter().map(drift_row).collect()
    }
}

pub(super) fn kind_row(
    host: HostId,
    kind: String,
    entry: &str,
    since_us: i64,
    collected: &BTreeMap<String, i64>,
) -> Result<KindRow, StoreError> {
    let entry = entry_of(&kind, entry)?;
    Ok(KindRow {
        host,
        status: entry.status,
        facts: entry.facts,
        sources: entry.sources,
        unread: entry.unread,
        since_us,
        collected_us: collected.get(&kind).copied(),
        kind,
    })
}

fn entry_of(kind: &str, entry: &str) -> Result<KindEntry, StoreError> {
    serde_json::from_str(entry).map_err(|e| StoreError::corrupt(format!("entry of {kind}: {e}")))
}

pub(super) fn drift_row(columns: DriftColumns) -> Result<DriftRow, StoreError> {
    let offenders = serde_json::from_str(&columns.offenders);
    let about = |drift: &str| (columns.drift == drift).then(|| columns.subject.clone());
    Ok(DriftRow {
        // What people owe is overdue without a rule.
        rule: about("regression")
            .or_else(|| about("overdue").filter(|_| columns.from_state == "excepted")),
        kind: about("evidence_lost"),
        host: host_id(&columns.host)?,
        id: columns.id,
        drift: columns.drift,
        cause: columns.cause,
        severity: columns.severity,
        from: columns.from_state,
        to: columns.to_state,
        offenders: offenders.map_err(|e| StoreError::corrupt(format!("offenders: {e}")))?,
        opened_us: columns.opened_us,
        resolved_us: columns.resolved_us,
    })
}
