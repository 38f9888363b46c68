//! Snapshots that were asked for on the page: jobs that one collector at a time works on, and goes on
//! with after another one died.

use super::acts::{self, Act};
use super::db::{execute, fetch, read};
use super::log::Appender;
use super::{Store, StoreError};
use crate::snapshot::document::Asked;
use evidence::Digest;
use serde_json::json;

/// A snapshot that was asked for, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    pub id: String,
    pub asked: Asked,
    /// `waiting`, `running`, `done`, `failed`.
    pub state: String,
    pub asked_by: String,
    pub asked_us: i64,
    pub hosts_done: i64,
    pub hosts_of: i64,
    pub done_us: Option<i64>,
    /// Name of the archive in the data directory of the collector that made it.
    pub file: Option<String>,
    pub size_bytes: Option<i64>,
    /// SHA-256 of the archive.
    pub digest: Option<Digest>,
    pub error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Columns {
    id: String,
    asked: String,
    state: String,
    asked_by: String,
    asked_us: i64,
    hosts_done: i64,
    hosts_of: i64,
    done_us: Option<i64>,
    file: Option<String>,
    size_bytes: Option<i64>,
    digest: Option<Vec<u8>>,
    error: Option<String>,
}

/// The columns of `Columns`, in a statement.
macro_rules! snapshots_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, asked, state, asked_by, asked_us, hosts_done, hosts_of, done_us, file,
             size_bytes, digest, error FROM snapshot ",
            $rest
        )
    };
}

impl Store {
    /// Notes that a snapshot is asked for, and logs it. Gives its id.
    pub async fn ask_snapshot(
        &self,
        asked: &Asked,
        actor: &str,
        now_us: i64,
    ) -> Result<String, StoreError> {
        let id = ulid::Ulid::generate().to_string();
        let text = serde_json::to_string(asked).map_err(|e| StoreError::corrupt(e.to_string()))?;
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "snapshot_asked".to_owned(),
            detail: json!({"snapshot": id, "asked": asked}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        let sql =
            "INSERT INTO snapshot (id, asked, state, asked_by, asked_us, hosts_done, hosts_of,
                   lease_us) VALUES ($1, $2, 'waiting', $3, $4, 0, 0, 0)";
        execute!(&mut tx, sql, id.clone(), text.clone(), actor.to_owned(), now_us)?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Takes the snapshot that waits longest, or one whose collector died, until `lease_us`.
    pub async fn claim_snapshot(
        &self,
        now_us: i64,
        lease_us: i64,
    ) -> Result<Option<SnapshotRow>, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = snapshots_where!(
            "WHERE state IN ('waiting', 'running') AND lease_us < $1 ORDER BY asked_us, id LIMIT 1"
        );
        let Some(row) = fetch!(&mut tx, optional, Columns, sql, now_us)? else { return Ok(None) };
        let sql = "UPDATE snapshot SET state = 'running', lease_us = $3
                   WHERE id = $1 AND lease_us < $2 AND state IN ('waiting', 'running')";
        let taken = execute!(&mut tx, sql, row.id.clone(), now_us, lease_us)?;
        tx.commit().await?;
        if taken == 0 { Ok(None) } else { snapshot_row(row).map(Some) }
    }

    /// Notes how far a snapshot is, and keeps it for longer.
    pub async fn snapshot_progress(
        &self,
        id: &str,
        (done, of): (i64, i64),
        lease_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE snapshot SET hosts_done = $2, hosts_of = $3, lease_us = $4
                   WHERE id = $1 AND state = 'running'";
        execute!(&mut tx, sql, id.to_owned(), done, of, lease_us)?;
        tx.commit().await
    }

    /// Notes that an archive was made, and logs its digest.
    pub async fn snapshot_made(
        &self,
        id: &str,
        (file, size_bytes, digest): (&str, i64, Digest),
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let act = Act {
            at_us: now_us,
            actor: "collector".to_owned(),
            act: "snapshot_made".to_owned(),
            detail: json!({"snapshot": id, "archive": digest}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        let sql = "UPDATE snapshot SET state = 'done', done_us = $2, file = $3, size_bytes = $4,
                   digest = $5, hosts_done = hosts_of WHERE id = $1";
        let (id, file) = (id.to_owned(), file.to_owned());
        execute!(&mut tx, sql, id.clone(), now_us, file.clone(), size_bytes, digest.0.to_vec())?;
        log.finish(&mut tx).await?;
        tx.commit().await
    }

    /// Notes that none can be made.
    pub async fn snapshot_failed(
        &self,
        id: &str,
        error: &str,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE snapshot SET state = 'failed', done_us = $2, error = $3 WHERE id = $1";
        execute!(&mut tx, sql, id.to_owned(), now_us, error.to_owned())?;
        tx.commit().await
    }

    /// Snapshots that were asked for on the page, the latest first.
    pub async fn snapshots(&self, limit: i64) -> Result<Vec<SnapshotRow>, StoreError> {
        let sql = snapshots_where!("ORDER BY asked_us DESC, id DESC LIMIT $1");
        let rows = read!(&self.db, all, Columns, sql, limit)?;
        rows.into_iter().map(snapshot_row).collect()
    }

    pub async fn snapshot(&self, id: &str) -> Result<Option<SnapshotRow>, StoreError> {
        let sql = snapshots_where!("WHERE id = $1");
        let row = read!(&self.db, optional, Columns, sql, id.to_owned())?;
        row.map(snapshot_row).transpose()
    }
}

fn snapshot_row(row: Columns) -> Result<SnapshotRow, StoreError> {
    let asked = serde_json::from_str(&row.asked);
    Ok(SnapshotRow {
        asked: asked.map_err(|e| StoreError::corrupt(format!("snapshot {}: {e}", row.id)))?,
        id: row.id,
        state: row.state,
        asked_by: row.asked_by,
        asked_us: row.asked_us,
        hosts_done: row.hosts_done,
        hosts_of: row.hosts_of,
        done_us: row.done_us,
        file: row.file,
        size_bytes: row.size_bytes,
        digest: row.digest.as_deref().and_then(Digest::from_slice),
        error: row.error,
    })
}
