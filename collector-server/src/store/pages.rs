//! Lists in pages: what comes after the last item of the page before, whatever happened meanwhile.

use super::db::read;
use super::hosts::{self, HostColumns, host_id};
use super::model::HostRow;
use super::{Store, StoreError};
use evidence::HostId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The last host of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKey(pub String, pub HostId);

impl Store {
    /// Hosts by name and id, from after `after` on.
    pub async fn hosts_after(
        &self,
        after: Option<&HostKey>,
        limit: i64,
    ) -> Result<Vec<HostRow>, StoreError> {
        let sql = "SELECT id, name, host_group, state, enrolled_us, last_received_us, next_due_s,
                   agent, manifest, revoked_us FROM host WHERE name > $1 OR (name = $1 AND id > $2)
                   ORDER BY name, id LIMIT $3";
        let (name, id) = match after {
            Some(HostKey(name, id)) => (name.clone(), id.to_string()),
            None => (String::new(), String::new()),
        };
        let rows = read!(&self.db, all, HostColumns, sql, name.clone(), id.clone(), limit)?;
        rows.into_iter().map(hosts::row).collect()
    }

    /// Up to which log index and for which day (since the epoch) each host was judged; of one host
    /// or all. -1: not yet.
    pub async fn judged_up_to(
        &self,
        host: Option<HostId>,
    ) -> Result<BTreeMap<HostId, (i64, i64)>, StoreError> {
        let sql = match host {
            Some(_) => "SELECT id, judged_index, judged_day FROM host WHERE id = $1",
            None => "SELECT id, judged_index, judged_day FROM host WHERE $1 = ''",
        };
        let host = host.map(|host| host.to_string()).unwrap_or_default();
        let rows = read!(&self.db, all, (String, i64, i64), sql, host.clone())?;
        rows.into_iter().map(|(id, index, day)| Ok((host_id(&id)?, (index, day)))).collect()
    }
}
