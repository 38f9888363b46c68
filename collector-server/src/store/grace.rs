//! Grace for new hosts: what a host does while it is being set up is written, and told when that
//! time is over and it still holds. What is critical is told at once.

use super::db::execute;
use super::{Store, StoreError};

/// More than any host needs, and less than what would overflow.
const TEN_YEARS_US: i64 = 10 * 366 * 86_400_000_000;

/// SQL: whether the drift `d` is of a host that is still being set up. `$now` is the parameter of
/// the time.
macro_rules! graced {
    ($now:literal) => {
        concat!(
            "(d.drift IN ('regression', 'evidence_lost', 'change') AND d.severity <> 'critical'
              AND EXISTS (SELECT 1 FROM host gh JOIN setting gs ON gs.name = 'new_host_grace_us'
                          WHERE gh.id = d.host
                            AND gh.enrolled_us + CAST(gs.value AS BIGINT) > ",
            $now,
            "))"
        )
    };
}
pub(super) use graced;

impl Store {
    /// Sets how long after its enrolment a host is new, for every collector of this store.
    pub async fn set_new_host_grace(&self, grace_us: i64) -> Result<(), StoreError> {
        let grace_us = grace_us.clamp(0, TEN_YEARS_US);
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO setting (name, value) VALUES ('new_host_grace_us', $1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        execute!(&mut tx, sql, grace_us.to_string())?;
        tx.commit().await
    }
}
