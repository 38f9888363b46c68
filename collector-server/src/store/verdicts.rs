//! What a rule said last of hosts that it judges no more.

use super::db::read;
use super::{Store, StoreError};

impl Store {
    /// Hosts of which a rule holds no result now, by the outcome that it gave last.
    pub async fn last_verdicts(&self, rule: &str) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = "SELECT r.outcome, COUNT(*) FROM result_span r
                   WHERE r.rule = $1 AND r.superseded_known IS NULL
                     AND r.observed_from_us = (
                       SELECT MAX(l.observed_from_us) FROM result_span l
                       WHERE l.host = r.host AND l.rule = $1 AND l.superseded_known IS NULL)
                     AND r.observed_to_us IS NOT NULL
                   GROUP BY r.outcome ORDER BY r.outcome";
        Ok(read!(&self.db, all, (String, i64), sql, rule.to_owned())?)
    }
}
