//! Bodies of facts that were erased, and legal holds.

use super::db::read;
use super::{Store, StoreError};
use evidence::Digest;

impl Store {
    /// When the check-in at a log index came.
    pub async fn received_us(&self, index: u64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT received_us FROM check_in WHERE log_index = $1";
        Ok(read!(&self.db, optional, (i64,), sql, super::log::signed(index))?.map(|(us,)| us))
    }

    /// When the body of these facts was erased, if it was.
    pub async fn erased(&self, facts: Option<Digest>) -> Result<Option<i64>, StoreError> {
        let Some(id) = facts else { return Ok(None) };
        let sql = "SELECT erased_us FROM erased_object WHERE id = $1";
        let row = read!(&self.db, optional, (i64,), sql, id.0.to_vec())?;
        Ok(row.map(|(us,)| us))
    }
}
