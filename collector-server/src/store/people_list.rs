//! The list of people that was imported last. It holds what the newest list says, and of those who
//! are on it no more only what finds their accounts, for as long as personal evidence is kept. The
//! log names nobody: it holds the digest of the file and counts.

use super::db::{execute, execute_rows, fetch, read};
use super::isms::act;
use super::log::{Appender, LogState};
use super::{Store, StoreError};
use crate::people_list::{Held, Listed, key_of};
use evidence::Digest;
use serde_json::json;
use std::collections::BTreeMap;

/// How long those who are on no list any more are kept: 13 months.
const KEPT_US: i64 = 396 * 86_400_000_000;

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListChange {
    pub listed: usize,
    pub added: usize,
    pub moved: usize,
    /// Those that the list before had and this one has not.
    pub gone: usize,
    pub log: LogState,
}

#[derive(sqlx::FromRow)]
struct Columns {
    person_key: String,
    entry: String,
    listed_us: i64,
    unit_before: Option<String>,
    moved_us: Option<i64>,
    gone_us: Option<i64>,
}

impl Store {
    /// Takes a new list of people in the place of the last, all or nothing, and logs the act with
    /// the digest of the file. People are distinct.
    pub async fn import_people(
        &self,
        people: &[Listed],
        file: Digest,
        actor: &str,
        now_us: i64,
    ) -> Result<ListChange, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT person_key, entry, listed_us, unit_before, moved_us, gone_us
                   FROM listed_person";
        let rows = fetch!(&mut tx, all, Columns, sql)?;
        let mut before: BTreeMap<String, Columns> =
            rows.into_iter().map(|row| (row.person_key.clone(), row)).collect();
        let (mut added, mut moved, mut gone) = (0, 0, 0);
        let mut rows = vec![];
        for listed in people {
            let key = key_of(&listed.person);
            let row = match before.remove(&key) {
                None => {
                    added += 1;
                    fresh(key, listed, now_us)?
                }
                Some(held) => {
                    let row = again(held, listed, now_us)?;
                    moved += usize::from(row.moved_us == Some(now_us));
                    row
                }
            };
            rows.push(row);
        }
        for (_, row) in before {
            gone += usize::from(row.gone_us.is_none());
            let gone_us = row.gone_us.unwrap_or(now_us);
            if now_us - gone_us <= KEPT_US {
                rows.push(Columns { gone_us: Some(gone_us), ..row });
            }
        }
        execute!(&mut tx, "DELETE FROM listed_person")?;
        execute_rows!(
            &mut tx,
            "INSERT INTO listed_person (person_key, entry, listed_us, unit_before, moved_us, gone_us) VALUES ",
            6,
            "",
            rows,
            |row| row.person_key,
            row.entry,
            row.listed_us,
            row.unit_before,
            row.moved_us,
            row.gone_us
        );
        let detail = json!({
            "file": file, "listed": people.len(), "added": added, "moved": moved, "gone": gone,
        });
        act(&mut tx, &mut log, ("people_list_imported", actor, now_us), detail).await?;
        let sql = "INSERT INTO setting (name, value) VALUES ('people_list_us', $1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        execute!(&mut tx, sql, now_us.to_string())?;
        let log = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(ListChange { listed: people.len(), added, moved, gone, log })
    }

    /// Everybody on the last list, and those who are on it no more, by name.
    pub async fn listed_people(&self) -> Result<Vec<Held>, StoreError> {
        let sql = "SELECT person_key, entry, listed_us, unit_before, moved_us, gone_us
                   FROM listed_person ORDER BY person_key";
        let rows = read!(&self.db, all, Columns, sql)?;
        let held = |row: Columns| {
            let listed = listed(&row)?;
            let Columns { unit_before, moved_us, gone_us, .. } = row;
            Ok(Held { listed, unit_before, moved_us, gone_us })
        };
        rows.into_iter().map(held).collect()
    }

    /// When the list was imported; none without one.
    pub async fn people_list_us(&self) -> Result<Option<i64>, StoreError> {
        Ok(self.setting("people_list_us").await?.and_then(|text| text.parse().ok()))
    }

    /// Says that somebody looked at the rights of a mover, and logs it without a name. False if
    /// nobody of this name waits for it.
    pub async fn review_mover(
        &self,
        person: &str,
        note: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "UPDATE listed_person SET unit_before = NULL, moved_us = NULL
                   WHERE person_key = $1 AND unit_before IS NOT NULL";
        let key = key_of(person);
        if execute!(&mut tx, sql, key.clone())? == 0 {
            return Ok(false);
        }
        // Enough to show that a named review took place, to whoever knows the name.
        let detail = json!({"person": Digest::of(key.as_bytes()), "note": note});
        act(&mut tx, &mut log, ("mover_reviewed", actor, now_us), detail).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn listed(row: &Columns) -> Result<Listed, StoreError> {
    serde_json::from_str(&row.entry).map_err(|e| StoreError::corrupt(format!("a person: {e}")))
}

fn fresh(person_key: String, listed: &Listed, listed_us: i64) -> Result<Columns, StoreError> {
    let entry = serde_json::to_string(listed).map_err(|e| StoreError::corrupt(e.to_string()))?;
    Ok(Columns { person_key, entry, listed_us, unit_before: None, moved_us: None, gone_us: None })
}

/// Somebody who was on a list before: a move that nobody reviewed stays one, and one back to where
/// they came from is none.
fn again(held: Columns, now: &Listed, now_us: i64) -> Result<Columns, StoreError> {
    let unit = listed(&held)?.unit;
    let mut row = fresh(held.person_key, now, held.listed_us)?;
    let from = held.unit_before.unwrap_or(unit.clone());
    if from != now.unit && !from.is_empty() {
        row.moved_us = if unit == now.unit { held.moved_us } else { Some(now_us) };
        row.unit_before = Some(from);
    }
    Ok(row)
}
