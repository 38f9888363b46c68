//! Which hosts are expected: a list that a person imports. A new list ends the entries it does not
//! repeat, and the old ones stay on record.

use super::acts::{self, Act};
use super::db::{execute, fetch, read};
use super::log::{Appender, LogState, signed};
use super::{Store, StoreError};
use crate::expected::Expected;
use crate::moment::Moment;
use evidence::Digest;
use serde_json::json;
use std::collections::BTreeMap;

/// The list that holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedList {
    /// By key.
    pub entries: Vec<Expected>,
    /// When it was imported last; none if there never was a list.
    pub imported_us: Option<i64>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedChange {
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    pub unchanged: usize,
    pub log: LogState,
}

impl Store {
    /// Replaces the list of expected hosts, all or nothing, and logs the act with the digest of
    /// the file. Entries have distinct keys.
    pub async fn expect_hosts(
        &self,
        entries: &[Expected],
        file: Digest,
        actor: &str,
        now_us: i64,
    ) -> Result<ExpectedChange, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT name_key, entry, known_from FROM expected_host WHERE to_us IS NULL";
        let rows = fetch!(&mut tx, all, (String, String, i64), sql)?;
        let mut held: BTreeMap<_, _> = rows.into_iter().map(|r| (r.0, (r.1, r.2))).collect();
        let known = signed(log.size());
        let (mut added, mut changed, mut unchanged) = (0, 0, 0);
        let mut ended = vec![];
        for entry in entries {
            let text =
                serde_json::to_string(entry).map_err(|e| StoreError::corrupt(e.to_string()))?;
            match held.remove(&entry.key) {
                Some((same, _)) if same == text => {
                    unchanged += 1;
                    continue;
                }
                Some((_, since)) => {
                    changed += 1;
                    ended.push((entry.key.clone(), since));
                }
                None => added += 1,
            }
            let sql = "INSERT INTO expected_host (name_key, entry, from_us, known_from)
                       VALUES ($1, $2, $3, $4)";
            execute!(&mut tx, sql, entry.key.clone(), text.clone(), now_us, known)?;
        }
        let removed = held.len();
        ended.extend(held.into_iter().map(|(key, (_, since))| (key, since)));
        for (key, since) in ended {
            let sql = "UPDATE expected_host SET to_us = $3, ended_known = $4
                       WHERE name_key = $1 AND known_from = $2";
            execute!(&mut tx, sql, key.clone(), since, now_us, known)?;
        }
        let act = Act {
            at_us: now_us,
            actor: actor.to_owned(),
            act: "expected_hosts_imported".to_owned(),
            detail: json!({
                "file": file, "entries": entries.len(), "added": added, "changed": changed,
                "removed": removed,
            }),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        let sql = "INSERT INTO setting (name, value) VALUES ('expected_imported_us', $1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        execute!(&mut tx, sql, now_us.to_string())?;
        let log = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(ExpectedChange { added, changed, removed, unchanged, log })
    }

    /// The list of expected hosts that holds.
    pub async fn expected_hosts(&self) -> Result<ExpectedList, StoreError> {
        let imported = self.setting("expected_imported_us").await?;
        let sql = "SELECT name_key, entry FROM expected_host WHERE to_us IS NULL ORDER BY name_key";
        let rows = read!(&self.db, all, (String, String), sql)?;
        let entry = |(key, text): (String, String)| {
            serde_json::from_str(&text)
                .map_err(|e| StoreError::corrupt(format!("expected host {key}: {e}")))
        };
        Ok(ExpectedList {
            entries: rows.into_iter().map(entry).collect::<Result<_, _>>()?,
            imported_us: imported.and_then(|text| text.parse().ok()),
        })
    }

    /// The list that held, as was known then.
    pub async fn expected_hosts_at(&self, moment: &Moment) -> Result<ExpectedList, StoreError> {
        let sql = "SELECT name_key, entry, from_us FROM expected_host
                   WHERE from_us <= $1 AND known_from <= $2
                     AND (to_us IS NULL OR to_us > $1 OR ended_known > $2) ORDER BY name_key";
        type Row = (String, String, i64);
        let rows = read!(&self.db, all, Row, sql, moment.at_us, moment.known)?;
        let imported_us = rows.iter().map(|row| row.2).max();
        let entry = |(key, text, _): Row| {
            serde_json::from_str(&text)
                .map_err(|e| StoreError::corrupt(format!("expected host {key}: {e}")))
        };
        Ok(ExpectedList {
            entries: rows.into_iter().map(entry).collect::<Result<_, _>>()?,
            imported_us,
        })
    }
}
