//! People, login links, sessions, API tokens. Secrets are kept as SHA-256 only.

use super::acts::{self, Act};
use super::db::{execute, fetch, read};
use super::log::Appender;
use super::{Store, StoreError};
use evidence::Digest;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub name: String,
    /// What the person may do: `administrator`, `viewer` …
    pub seat: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefusal {
    #[error("this login link was used already, or never existed")]
    Unknown,
    #[error("this login link has expired")]
    Expired,
}

impl Store {
    pub async fn create_person(&self, person: &Person, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "INSERT INTO person (id, name, seat, created_us) VALUES ($1, $2, $3, $4)";
        execute!(
            &mut tx,
            sql,
            person.id.clone(),
            person.name.clone(),
            person.seat.clone(),
            now_us
        )?;
        let act = Act {
            at_us: now_us,
            actor: "operator".to_owned(),
            act: "person_created".to_owned(),
            detail: json!({"person": person.id, "seat": person.seat}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await
    }

    /// The first administrator.
    pub async fn administrator(&self) -> Result<Option<Person>, StoreError> {
        let sql = "SELECT id, name, seat FROM person WHERE seat = 'administrator'
                   ORDER BY created_us LIMIT 1";
        let row = read!(&self.db, optional, (String, String, String), sql)?;
        Ok(row.map(|(id, name, seat)| Person { id, name, seat }))
    }

    /// Keeps a login link that works once.
    pub async fn create_login_link(
        &self,
        hash: Digest,
        person: &str,
        expires_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO login_link (hash, person, expires_us) VALUES ($1, $2, $3)";
        execute!(&mut tx, sql, hash.0.to_vec(), person.to_owned(), expires_us)?;
        tx.commit().await
    }

    /// Spends a login link: whoever comes first is in, and the login is logged.
    pub async fn use_login_link(
        &self,
        hash: Digest,
        now_us: i64,
    ) -> Result<Result<Person, LoginRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "DELETE FROM login_link WHERE hash = $1 RETURNING person, expires_us";
        let row = fetch!(&mut tx, optional, (String, i64), sql, hash.0.to_vec())?;
        let Some((id, expires_us)) = row else { return Ok(Err(LoginRefusal::Unknown)) };
        if expires_us <= now_us {
            tx.commit().await?;
            return Ok(Err(LoginRefusal::Expired));
        }
        let sql = "SELECT id, name, seat FROM person WHERE id = $1";
        let (id, name, seat) = fetch!(&mut tx, one, (String, String, String), sql, id.clone())?;
        let act = Act {
            at_us: now_us,
            actor: id.clone(),
            act: "logged_in".to_owned(),
            detail: json!({"by": "login_link"}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(Person { id, name, seat }))
    }

    pub async fn create_api_token(
        &self,
        hash: Digest,
        seat: &str,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "INSERT INTO api_token (hash, seat, created_us) VALUES ($1, $2, $3)";
        execute!(&mut tx, sql, hash.0.to_vec(), seat.to_owned(), now_us)?;
        let act = Act {
            at_us: now_us,
            actor: "operator".to_owned(),
            act: "api_token_created".to_owned(),
            detail: json!({"seat": seat}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await
    }

    /// The seat of an API token; none for an unknown one.
    pub async fn api_seat(&self, hash: Digest) -> Result<Option<String>, StoreError> {
        let sql = "SELECT seat FROM api_token WHERE hash = $1";
        let row = read!(&self.db, optional, (String,), sql, hash.0.to_vec())?;
        Ok(row.map(|(seat,)| seat))
    }

    /// Writes a session; `expires_s` is seconds since the epoch.
    pub async fn save_session(
        &self,
        id: &str,
        record: &str,
        expires_s: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO session (id, record, expires_s) VALUES ($1, $2, $3)
                   ON CONFLICT (id) DO UPDATE
                   SET record = excluded.record, expires_s = excluded.expires_s";
        execute!(&mut tx, sql, id.to_owned(), record.to_owned(), expires_s)?;
        tx.commit().await
    }

    /// The record of a session that has not expired.
    pub async fn session(&self, id: &str, now_s: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT record FROM session WHERE id = $1 AND expires_s > $2";
        let row = read!(&self.db, optional, (String,), sql, id.to_owned(), now_s)?;
        Ok(row.map(|(record,)| record))
    }

    pub async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, "DELETE FROM session WHERE id = $1", id.to_owned())?;
        tx.commit().await
    }
}
