//! Acts: what a person or an administrator did, each a leaf of the log.

use super::db::{Tx, execute, read};
use super::log::{Appender, LogState, signed};
use super::{Store, StoreError};
use aws_lc_rs::rand;
use evidence::leaf;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One act, as it is kept. The log holds only a salted hash of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub at_us: i64,
    /// Who: a person's id, `operator` for the command line, `collector` for the program itself.
    pub actor: String,
    /// What: `collector_initialised`, `token_created`, `host_enrolled`, `rules_activated` …
    pub act: String,
    pub detail: Value,
}

impl Store {
    /// Logs an act and returns its index.
    pub async fn log_act(&self, act: &Act) -> Result<(u64, LogState), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let index = append(&mut tx, &mut log, act).await?;
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok((index, state))
    }

    /// Acts by log index, newest first.
    pub async fn acts(&self, limit: i64) -> Result<Vec<(u64, Act)>, StoreError> {
        let sql = "SELECT log_index, body FROM act WHERE body IS NOT NULL
                   ORDER BY log_index DESC LIMIT $1";
        let rows = read!(&self.db, all, (i64, Vec<u8>), sql, limit)?;
        rows.into_iter()
            .map(|(index, body)| {
                let act = serde_json::from_slice(&body);
                let act = act.map_err(|e| StoreError::corrupt(format!("act {index}: {e}")))?;
                Ok((index.unsigned_abs(), act))
            })
            .collect()
    }
}

/// Appends an act within a transaction that holds the log.
pub(super) async fn append(tx: &mut Tx, log: &mut Appender, act: &Act) -> Result<u64, StoreError> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| StoreError::corrupt("no randomness for a salt"))?;
    let body = serde_json::to_vec(act).map_err(|e| StoreError::corrupt(e.to_string()))?;
    let leaf = leaf::act_leaf(&salt, &body);
    let index = log.append(tx, &leaf).await?;
    let sql = "INSERT INTO act (log_index, at_us, leaf, salt, body) VALUES ($1, $2, $3, $4, $5)";
    execute!(tx, sql, signed(index), act.at_us, leaf.clone(), salt.to_vec(), body.clone())?;
    Ok(index)
}

/// Whether two actors of the log are one pair of eyes: the same one, or two names that one login of
/// the machine used on the command line, which writes `cli:root as lead`.
pub(super) fn is_same_eyes(a: &str, b: &str) -> bool {
    let login = |actor: &str| {
        let rest = actor.strip_prefix("cli:")?;
        Some(rest.split_once(" as ").map_or(rest, |(login, _)| login).to_owned())
    };
    a == b || login(a).is_some_and(|login_of| login(b) == Some(login_of))
}
