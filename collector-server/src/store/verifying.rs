//! Rows as they lie there, for who checks them.

use super::db::read;
use super::hosts::host_id;
use super::{Store, StoreError};
use evidence::wire::MAX_OBJECT_BYTES;
use evidence::{ChainId, Digest, HostId};

/// Where a chain stands, as the table of chains says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    pub host: HostId,
    pub chain: ChainId,
    pub first_index: i64,
    pub next_seq: i64,
    pub last_id: Digest,
}

/// An object as its row holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    pub id: Vec<u8>,
    pub size_bytes: i64,
    zstd: Vec<u8>,
}

impl StoredObject {
    /// Its bytes; none if they cannot be read back.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        zstd::bulk::decompress(&self.zstd, MAX_OBJECT_BYTES).ok()
    }
}

impl Store {
    /// Every chain.
    pub async fn chain_ends(&self) -> Result<Vec<ChainEnd>, StoreError> {
        let sql = "SELECT host, chain, first_index, next_seq, last_id FROM chain";
        let rows = read!(&self.db, all, (String, String, i64, i64, Vec<u8>), sql)?;
        rows.into_iter()
            .map(|(host, chain, first_index, next_seq, last_id)| {
                let wrong = || StoreError::corrupt(format!("chain {chain} of host {host}"));
                Ok(ChainEnd {
                    host: host_id(&host)?,
                    chain: chain.parse().map_err(|_| wrong())?,
                    first_index,
                    next_seq,
                    last_id: Digest::from_slice(&last_id).ok_or_else(wrong)?,
                })
            })
            .collect()
    }

    pub async fn count_objects(&self) -> Result<u64, StoreError> {
        let (count,) = read!(&self.db, one, (i64,), "SELECT COUNT(*) FROM object")?;
        Ok(count.unsigned_abs())
    }

    /// Objects by id, after one, at most `limit`.
    pub async fn stored_objects(
        &self,
        after: &[u8],
        limit: i64,
    ) -> Result<Vec<StoredObject>, StoreError> {
        let sql = "SELECT id, size_bytes, zstd FROM object WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = read!(&self.db, all, (Vec<u8>, i64, Vec<u8>), sql, after.to_vec(), limit)?;
        let object = |(id, size_bytes, zstd)| StoredObject { id, size_bytes, zstd };
        Ok(rows.into_iter().map(object).collect())
    }

    /// A host that sent an object.
    pub async fn sender_of(&self, object: &[u8]) -> Result<Option<HostId>, StoreError> {
        let sql = "SELECT host FROM host_object WHERE object = $1 LIMIT 1";
        let row = read!(&self.db, optional, (String,), sql, object.to_vec())?;
        row.map(|(host,)| host_id(&host)).transpose()
    }

    /// Runs a statement that damages the store, so that a test can see whether it is found.
    #[doc(hidden)]
    pub async fn damage_for_testing(&self, sql: &str) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let touched = super::db::execute!(&mut tx, sqlx::AssertSqlSafe(sql.to_owned()))?;
        tx.commit().await?;
        Ok(touched)
    }
}
