//! Enrolment tokens as they are listed.

use super::db::read;
use super::{Store, StoreError};

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TokenRow {
    pub host_group: String,
    /// How many hosts may still enrol with it.
    pub uses_left: i64,
    pub expires_us: i64,
}

impl Store {
    /// Tokens that still enrol, the one that ends first before the others.
    pub async fn open_tokens(&self, now_us: i64) -> Result<Vec<TokenRow>, StoreError> {
        let sql = "SELECT host_group, uses_left, expires_us FROM token
                   WHERE uses_left > 0 AND expires_us > $1 ORDER BY expires_us, host_group";
        Ok(read!(&self.db, all, TokenRow, sql, now_us)?)
    }
}
