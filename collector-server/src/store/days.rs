//! Days: when one begins, and which hosts are still to be judged for it.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::hosts::host_id;
use super::log::{Appender, signed};
use super::{Store, StoreError};
use evidence::HostId;
use serde_json::json;

/// Which hosts are still to be judged for the day `$1` at the moment `$2`. A lease of an hour and
/// more was taken by a wrong clock, and is none.
macro_rules! waiting {
    () => {
        "(judged_day < $1 OR judged_day > $1 + 1)
           AND (day_lease_us <= $2 OR day_lease_us > $2 + 3600000000)
           AND judged_index >= 0 AND state IN ('active', 'maintenance')
           AND last_received_us + 2000000 * next_due_s >= $2"
    };
}

/// Claims some of them; the last words are the backend's.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "UPDATE host SET day_lease_us = $3 WHERE id IN (SELECT id FROM host WHERE ",
            waiting!(),
            " ORDER BY judged_day, id LIMIT $4 ",
            $lock,
            ") RETURNING id"
        )
    };
}

impl Store {
    /// Makes known that a day (since the epoch, UTC) began, once for all collectors. Its leaf is
    /// what results of that day are known by. True if this call did it.
    pub async fn turn_day(&self, day: i64, now_us: i64) -> Result<bool, StoreError> {
        let sql = "SELECT log_index FROM day WHERE day = $1";
        if read!(&self.db, optional, (i64,), sql, day)?.is_some() {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        if fetch!(&mut tx, optional, (i64,), sql, day)?.is_some() {
            return Ok(false);
        }
        let act = Act {
            at_us: now_us,
            actor: "collector".to_owned(),
            act: "day_began".to_owned(),
            detail: json!({"day": day}),
        };
        let index = acts::append(&mut tx, &mut log, &act).await?;
        execute!(&mut tx, "INSERT INTO day (day, log_index) VALUES ($1, $2)", day, signed(index))?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Hosts in service that report and whose results are of another day, at most `limit`. They
    /// are this caller's until `lease_us`: one that dies gives them back by that.
    ///
    /// A host that does not report is left out: its last facts say nothing of today. Results of
    /// the day ahead stand: a collector whose clock is a little ahead has judged them.
    pub async fn claim_for_day(
        &self,
        day: i64,
        now_us: i64,
        lease_us: i64,
        limit: i64,
    ) -> Result<Vec<HostId>, StoreError> {
        // Mostly there is nothing to do, and then nobody's lock is asked for.
        let sql = concat!("SELECT id FROM host WHERE ", waiting!(), " LIMIT 1");
        if read!(&self.db, optional, (String,), sql, day, now_us)?.is_none() {
            return Ok(vec![]);
        }
        let mut tx = self.db.begin().await?;
        let sql = match &tx {
            // The transaction has the one write lock.
            Tx::Sqlite(_) => claim!(""),
            Tx::Postgres(_) => claim!("FOR UPDATE SKIP LOCKED"),
        };
        let rows = fetch!(&mut tx, all, (String,), sql, day, now_us, lease_us, limit)?;
        tx.commit().await?;
        rows.iter().map(|(id,)| host_id(id)).collect()
    }
}
