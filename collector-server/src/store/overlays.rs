//! What the organisation lays over the rules: every version, who made it the active one, and when.

use super::acts::{self, Act};
use super::db::{execute, fetch, read};
use super::log::{Appender, signed};
use super::{Store, StoreError};
use evidence::{Digest, canonical};
use serde::Serialize;
use serde_json::json;

/// A version of the overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OverlayVersion {
    /// 1, 2, 3 …
    pub version: i64,
    /// SHA-256 of its files.
    pub overlay: String,
    pub at_us: i64,
    pub actor: String,
    /// Of the act in the log.
    pub log_index: i64,
}

type Row = (i64, String, i64, String, i64);

fn version((version, overlay, at_us, actor, log_index): Row) -> OverlayVersion {
    OverlayVersion { version, overlay, at_us, actor, log_index }
}

impl Store {
    /// The version that is active; 0 before the first.
    pub async fn overlay_version(&self) -> Result<i64, StoreError> {
        let sql = "SELECT COALESCE(MAX(version), 0) FROM overlay_version";
        Ok(read!(&self.db, one, (i64,), sql)?.0)
    }

    /// Every version, the active one first.
    pub async fn overlay_versions(&self, limit: i64) -> Result<Vec<OverlayVersion>, StoreError> {
        let sql = "SELECT version, overlay, at_us, actor, log_index FROM overlay_version
                   ORDER BY version DESC LIMIT $1";
        Ok(read!(&self.db, all, Row, sql, limit)?.into_iter().map(version).collect())
    }

    /// The active version and its files: names and texts. None before the first.
    pub async fn active_overlay(
        &self,
    ) -> Result<Option<(OverlayVersion, Vec<(String, String)>)>, StoreError> {
        let sql = "SELECT v.version, v.overlay, v.at_us, v.actor, v.log_index, o.sources
                   FROM overlay_version v JOIN overlay o ON o.id = v.overlay
                   ORDER BY v.version DESC LIMIT 1";
        type Whole = (i64, String, i64, String, i64, String);
        let row = read!(&self.db, optional, Whole, sql)?;
        let Some((n, overlay, at_us, actor, log_index, sources)) = row else { return Ok(None) };
        let sources = serde_json::from_str(&sources);
        let sources = sources.map_err(|e| StoreError::corrupt(format!("overlay {n}: {e}")))?;
        Ok(Some((version((n, overlay, at_us, actor, log_index)), sources)))
    }

    /// Makes files the active overlay, and logs who did it. The files were checked by the caller.
    /// Gives the new version; none if these very files are active already.
    pub async fn activate_overlay(
        &self,
        sources: &[(String, String)],
        actor: &str,
        now_us: i64,
    ) -> Result<Option<OverlayVersion>, StoreError> {
        let bytes = canonical::to_vec(&sources).map_err(|e| StoreError::corrupt(e.to_string()))?;
        let id = Digest::of(&bytes).to_string();
        let text = String::from_utf8(bytes).map_err(|e| StoreError::corrupt(e.to_string()))?;
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT version, overlay FROM overlay_version ORDER BY version DESC LIMIT 1";
        let before = fetch!(&mut tx, optional, (i64, String), sql)?;
        if before.as_ref().is_some_and(|(_, active)| *active == id) {
            return Ok(None);
        }
        let number = before.as_ref().map_or(0, |(version, _)| *version) + 1;
        let names: Vec<_> = sources.iter().map(|(name, _)| name).collect();
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "overlay_activated".to_owned(),
            detail: json!({
                "version": number, "overlay": id, "before": before.map(|(_, id)| id),
                "files": names,
            }),
        };
        let index = signed(acts::append(&mut tx, &mut log, &act).await?);
        let sql = "INSERT INTO overlay (id, sources) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        execute!(&mut tx, sql, id.clone(), text.clone())?;
        let sql = "INSERT INTO overlay_version (version, overlay, at_us, actor, log_index)
                   VALUES ($1, $2, $3, $4, $5)";
        execute!(&mut tx, sql, number, id.clone(), now_us, actor.to_owned(), index)?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(version((number, id, now_us, actor.to_owned(), index))))
    }
}
