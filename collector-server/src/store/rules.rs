//! Settings and rule sets. The active rule set is a row, so that all collectors agree.

use super::acts::{self, Act};
use super::db::{execute, fetch, read};
use super::log::{Appender, LogState, signed};
use super::{Store, StoreError};
use evidence::Digest;
use serde_json::json;

/// The setting that names the active rule set.
const ACTIVE_RULES: &str = "active_rules";

impl Store {
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM setting WHERE name = $1";
        Ok(read!(&self.db, optional, (String,), sql, name.to_owned())?.map(|(value,)| value))
    }

    /// Writes settings that do not exist yet, and logs the act. False if one exists: nothing is
    /// written then.
    pub async fn initialise(
        &self,
        settings: &[(&str, String)],
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        for (name, value) in settings {
            let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            if execute!(&mut tx, sql, (*name).to_owned(), value.clone())? == 0 {
                return Ok(false);
            }
        }
        let act = Act {
            at_us: now_us,
            actor: "operator".to_owned(),
            act: "collector_initialised".to_owned(),
            detail: json!(settings.iter().cloned().collect::<std::collections::BTreeMap<_, _>>()),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The sources of the active rule set: file names and texts.
    pub async fn active_rules(&self) -> Result<Option<Vec<(String, String)>>, StoreError> {
        let sql = "SELECT r.sources FROM setting s JOIN rule_set r ON s.value = r.name
                   WHERE s.name = $1";
        let row = read!(&self.db, optional, (String,), sql, ACTIVE_RULES.to_owned())?;
        let parse = |(sources,): (String,)| {
            serde_json::from_str(&sources)
                .map_err(|e| StoreError::corrupt(format!("rule set: {e}")))
        };
        row.map(parse).transpose()
    }

    /// Makes a rule set the active one and logs who did it; `None` if it is active already.
    pub async fn activate_rules(
        &self,
        id: Digest,
        sources: &[(String, String)],
        actor: &str,
        now_us: i64,
    ) -> Result<Option<LogState>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT value FROM setting WHERE name = $1";
        let active = fetch!(&mut tx, optional, (String,), sql, ACTIVE_RULES.to_owned())?;
        if active == Some((id.to_string(),)) {
            return Ok(None);
        }
        let text =
            serde_json::to_string(sources).map_err(|e| StoreError::corrupt(e.to_string()))?;
        let sql = "INSERT INTO rule_set (name, sources, activated_us) VALUES ($1, $2, $3)
                   ON CONFLICT DO NOTHING";
        execute!(&mut tx, sql, id.to_string(), text.clone(), now_us)?;
        let sql = "INSERT INTO setting (name, value) VALUES ($1, $2)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        execute!(&mut tx, sql, ACTIVE_RULES.to_owned(), id.to_string())?;
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "rules_activated".to_owned(),
            detail: json!({"rules": id, "before": active.map(|(id,)| id)}),
        };
        let index = signed(acts::append(&mut tx, &mut log, &act).await?);
        let sql = "INSERT INTO rule_activation (log_index, at_us, rules) VALUES ($1, $2, $3)";
        execute!(&mut tx, sql, index, now_us, id.to_string())?;
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(state))
    }
}
