//! Lists in pages: what comes after the last item of the page before, whatever happened meanwhile.

use super::db::read;
use super::hosts::{self, HostColumns, host_id};
use super::model::{DriftRow, HostRow};
use super::reading::{DriftColumns, DriftFilter, drift_row};
use super::{Store, StoreError};
use evidence::HostId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The last host of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKey(pub String, pub HostId);

/// The last drift of a page: when it opened, its urgency (0 first), its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftKey(pub i64, pub i64, pub String);

impl DriftKey {
    pub fn of(row: &DriftRow) -> Self {
        let urgency = match row.severity.as_str() {
            "critical" => 0,
            "high" => 1,
            "medium" => 2,
            _ => 3,
        };
        Self(row.opened_us, urgency, row.id.clone())
    }
}

impl Store {
    /// Hosts by name and id, from after `after` on.
    pub async fn hosts_after(
        &self,
        after: Option<&HostKey>,
        limit: i64,
    ) -> Result<Vec<HostRow>, StoreError> {
        let sql = "SELECT id, name, host_group, state, enrolled_us, last_received_us, next_due_s,
                   agent, manifest FROM host WHERE name > $1 OR (name = $1 AND id > $2)
                   ORDER BY name, id LIMIT $3";
        let (name, id) = match after {
            Some(HostKey(name, id)) => (name.clone(), id.to_string()),
            None => (String::new(), String::new()),
        };
        let rows = read!(&self.db, all, HostColumns, sql, name.clone(), id.clone(), limit)?;
        rows.into_iter().map(hosts::row).collect()
    }

    /// Drifts in the order of [`Store::drifts`], from after `after` on.
    pub async fn drifts_after(
        &self,
        filter: DriftFilter,
        after: Option<&DriftKey>,
    ) -> Result<Vec<DriftRow>, StoreError> {
        let Some(DriftKey(opened_us, urgency, id)) = after else {
            return self.drifts(filter).await;
        };
        let sql = "SELECT id, drift, host, subject, cause, severity, from_state, to_state, offenders,
                   opened_us, resolved_us FROM
                     (SELECT d.*, CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1
                        WHEN 'medium' THEN 2 ELSE 3 END AS urgency FROM drift d) u
                   WHERE ($1 = '' OR host = $1)
                     AND ($2 = 0 OR ($2 = 1 AND resolved_us IS NULL) OR ($2 = 2 AND resolved_us IS NOT NULL))
                     AND (opened_us < $4 OR (opened_us = $4 AND
                           (urgency > $5 OR (urgency = $5 AND id < $6))))
                   ORDER BY opened_us DESC, urgency, id DESC LIMIT $3";
        let host = filter.host.map(|host| host.to_string()).unwrap_or_default();
        let state: i64 = filter.open.map_or(0, |open| if open { 1 } else { 2 });
        let rows = read!(
            &self.db,
            all,
            DriftColumns,
            sql,
            host.clone(),
            state,
            filter.limit,
            *opened_us,
            *urgency,
            id.clone()
        )?;
        rows.into_iter().map(drift_row).collect()
    }

    /// Up to which log index and for which day (since the epoch) each host was judged; of one host
    /// or all. -1: not yet.
    pub async fn judged_up_to(
        &self,
        host: Option<HostId>,
    ) -> Result<BTreeMap<HostId, (i64, i64)>, StoreError> {
        let sql = "SELECT id, judged_index, judged_day FROM host WHERE ($1 = '' OR id = $1)";
        let host = host.map(|host| host.to_string()).unwrap_or_default();
        let rows = read!(&self.db, all, (String, i64, i64), sql, host.clone())?;
        rows.into_iter().map(|(id, index, day)| Ok((host_id(&id)?, (index, day)))).collect()
    }
}
