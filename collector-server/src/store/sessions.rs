//! Sessions of people. Each ends by itself after a time without a request and at the latest after
//! a fixed time, and with the person's way in.

use super::db::{execute, read};
use super::log::Appender;
use super::people::append;
use super::{Store, StoreError};
use serde_json::json;

const HOUR_US: i64 = 3_600_000_000;
/// A session ends after this long without a request.
pub const IDLE_US: i64 = 12 * HOUR_US;
/// A session ends after this long in any case.
pub const ABSOLUTE_US: i64 = 7 * 24 * HOUR_US;
/// How exactly the last request is remembered: a write for every page would be too many.
const SEEN_US: i64 = 60_000_000;

/// Whose session it is, and how it was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOf {
    pub person: String,
    /// The address it was begun from.
    pub source: String,
    pub by_link: bool,
}

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SessionRow {
    /// SHA-256 of what the cookie holds.
    pub id: String,
    pub person: String,
    pub name: String,
    pub seat: String,
    /// The person has a password.
    pub has_password: bool,
    pub by_link: bool,
    pub source: String,
    pub started_us: i64,
    pub seen_us: i64,
}

impl Store {
    /// Begins a session, or keeps another record for one that was begun.
    pub async fn save_session(
        &self,
        id: &str,
        record: &str,
        of: &SessionOf,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "DELETE FROM session WHERE seen_us <= $1 OR started_us <= $2";
        execute!(&mut tx, sql, now_us - IDLE_US, now_us - ABSOLUTE_US)?;
        let sql = "INSERT INTO session (id, record, person, source, by_link, started_us, seen_us)
                   VALUES ($1, $2, $3, $4, $5, $6, $6)
                   ON CONFLICT (id) DO UPDATE SET record = excluded.record";
        execute!(
            &mut tx,
            sql,
            id.to_owned(),
            record.to_owned(),
            of.person.clone(),
            of.source.clone(),
            of.by_link,
            now_us
        )?;
        tx.commit().await
    }

    /// The record of a session that has not ended.
    pub async fn session(&self, id: &str, now_us: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT record FROM session WHERE id = $1 AND seen_us > $2 AND started_us > $3";
        let (idle, absolute) = (now_us - IDLE_US, now_us - ABSOLUTE_US);
        let row = read!(&self.db, optional, (String,), sql, id.to_owned(), idle, absolute)?;
        Ok(row.map(|(record,)| record))
    }

    /// The session and its person, if it has not ended and the person was not disabled; a request
    /// came with it.
    pub async fn use_session(
        &self,
        id: &str,
        now_us: i64,
    ) -> Result<Option<SessionRow>, StoreError> {
        let sql = "SELECT s.id, s.person, p.name, p.seat, p.password IS NOT NULL AS has_password,
                   s.by_link, s.source, s.started_us, s.seen_us
                   FROM session s JOIN person p ON p.id = s.person
                   WHERE s.id = $1 AND s.seen_us > $2 AND s.started_us > $3
                     AND p.disabled_us IS NULL";
        let (idle, absolute) = (now_us - IDLE_US, now_us - ABSOLUTE_US);
        let row = read!(&self.db, optional, SessionRow, sql, id.to_owned(), idle, absolute)?;
        if row.as_ref().is_some_and(|row| now_us - row.seen_us >= SEEN_US) {
            let mut tx = self.db.begin().await?;
            let sql = "UPDATE session SET seen_us = $1 WHERE id = $2 AND seen_us < $1";
            execute!(&mut tx, sql, now_us, id.to_owned())?;
            tx.commit().await?;
        }
        Ok(row)
    }

    /// Open sessions of a person, the latest first.
    pub async fn sessions(&self, person: &str, now_us: i64) -> Result<Vec<SessionRow>, StoreError> {
        let sql = "SELECT s.id, s.person, p.name, p.seat, p.password IS NOT NULL AS has_password,
                   s.by_link, s.source, s.started_us, s.seen_us
                   FROM session s JOIN person p ON p.id = s.person
                   WHERE s.person = $1 AND s.seen_us > $2 AND s.started_us > $3
                   ORDER BY s.seen_us DESC, s.id";
        let (idle, absolute) = (now_us - IDLE_US, now_us - ABSOLUTE_US);
        Ok(read!(&self.db, all, SessionRow, sql, person.to_owned(), idle, absolute)?)
    }

    /// Ends a session without a word: its cookie was given back.
    pub async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, "DELETE FROM session WHERE id = $1", id.to_owned())?;
        tx.commit().await
    }

    /// Ends a session of a person, as an act of that person; false if there was none.
    pub async fn revoke_session(
        &self,
        person: &str,
        id: &str,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "DELETE FROM session WHERE id = $1 AND person = $2";
        if execute!(&mut tx, sql, id.to_owned(), person.to_owned())? == 0 {
            return Ok(false);
        }
        let detail = json!({"session": id});
        append(&mut tx, &mut log, person, "session_ended", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends all sessions of a person but one, as one act of that person; how many there were.
    pub async fn revoke_other_sessions(
        &self,
        person: &str,
        kept: &str,
        now_us: i64,
    ) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "DELETE FROM session WHERE person = $1 AND id <> $2";
        let ended = execute!(&mut tx, sql, person.to_owned(), kept.to_owned())?;
        if ended == 0 {
            return Ok(0);
        }
        let detail = json!({"kept": kept, "ended": ended});
        append(&mut tx, &mut log, person, "other_sessions_ended", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(ended)
    }
}
