//! People, passwords, login links, API tokens. Secrets of ours are kept as SHA-256 only, passwords
//! of people as argon2id.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::log::Appender;
use super::{Store, StoreError};
use evidence::Digest;
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub name: String,
    /// What the person may do (`seat.rs`).
    pub seat: String,
}

/// What is wrong with a person who was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    #[error("a name has 1 to 64 characters, on one line")]
    Name,
    #[error("a seat is one of {}", crate::seat::SEATS.join(", "))]
    Seat,
}

impl Person {
    /// A new person under a new id.
    pub fn new(name: &str, seat: &str) -> Result<Self, PersonError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
            return Err(PersonError::Name);
        }
        if !crate::seat::SEATS.contains(&seat) {
            return Err(PersonError::Seat);
        }
        let id = ulid::Ulid::generate().to_string();
        Ok(Self { id, name: name.to_owned(), seat: seat.to_owned() })
    }
}

/// A person as the list of people shows one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PersonRow {
    pub id: String,
    pub name: String,
    pub seat: String,
    pub created_us: i64,
    /// False until the first one is set through a login link.
    pub has_password: bool,
    pub disabled_us: Option<i64>,
}

/// What a login with a password is checked against.
#[derive(Clone)]
pub struct Credentials {
    pub person: Person,
    /// argon2id, PHC form.
    pub password: Option<String>,
    pub disabled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisableRefusal {
    #[error("there is no such person")]
    Unknown,
    #[error("this is the last administrator; make another one first")]
    LastAdministrator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeatRefusal {
    #[error("there is no such person")]
    Unknown,
    #[error("this is the last administrator; make another one first")]
    LastAdministrator,
    #[error(transparent)]
    Seat(PersonError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefusal {
    #[error("this login link was used already, or never existed")]
    Unknown,
    #[error("this login link has expired")]
    Expired,
}

impl Store {
    /// Makes a person known, who has no password yet; false if somebody has that name.
    pub async fn create_person(
        &self,
        person: &Person,
        actor: &str,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "INSERT INTO person (id, name, login, seat, created_us)
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (login) DO NOTHING";
        let (id, name, seat) = (person.id.clone(), person.name.clone(), person.seat.clone());
        if execute!(&mut tx, sql, id.clone(), name.clone(), login(&name), seat.clone(), now_us)?
            == 0
        {
            return Ok(false);
        }
        let detail = json!({"person": person.id, "seat": person.seat});
        append(&mut tx, &mut log, actor, "person_created", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// All people, by name.
    pub async fn people(&self) -> Result<Vec<PersonRow>, StoreError> {
        let sql = "SELECT id, name, seat, created_us, password IS NOT NULL AS has_password,
                   disabled_us FROM person ORDER BY login";
        Ok(read!(&self.db, all, PersonRow, sql)?)
    }

    /// The person of this user name, in any case, with what a login is checked against.
    pub async fn credentials(&self, name: &str) -> Result<Option<Credentials>, StoreError> {
        let sql = "SELECT id, name, seat, password, disabled_us FROM person WHERE login = $1";
        let row = read!(
            &self.db,
            optional,
            (String, String, String, Option<String>, Option<i64>),
            sql,
            login(name)
        )?;
        Ok(row.map(|(id, name, seat, password, disabled_us)| Credentials {
            person: Person { id, name, seat },
            password,
            disabled: disabled_us.is_some(),
        }))
    }

    /// Sets the password (argon2id, PHC form) and ends every session and login link of the person.
    pub async fn set_password(
        &self,
        person: &str,
        phc: &str,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "UPDATE person SET password = $1 WHERE id = $2";
        execute!(&mut tx, sql, phc.to_owned(), person.to_owned())?;
        shut_out(&mut tx, person).await?;
        let detail = json!({"person": person});
        append(&mut tx, &mut log, person, "password_set", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await
    }

    /// Takes a person's way in, or gives it back. Disabling ends every session and login link.
    pub async fn set_disabled(
        &self,
        person: &str,
        disabled: bool,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), DisableRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT seat, disabled_us FROM person WHERE id = $1";
        let row = fetch!(&mut tx, optional, (String, Option<i64>), sql, person.to_owned())?;
        let Some((seat, was)) = row else { return Ok(Err(DisableRefusal::Unknown)) };
        if was.is_some() == disabled {
            return Ok(Ok(()));
        }
        if disabled {
            let sql = "SELECT COUNT(*) FROM person
                       WHERE seat = 'administrator' AND disabled_us IS NULL AND id <> $1";
            let (others,) = fetch!(&mut tx, one, (i64,), sql, person.to_owned())?;
            if seat == "administrator" && others == 0 {
                return Ok(Err(DisableRefusal::LastAdministrator));
            }
            shut_out(&mut tx, person).await?;
        }
        let sql = "UPDATE person SET disabled_us = $1 WHERE id = $2";
        execute!(&mut tx, sql, disabled.then_some(now_us), person.to_owned())?;
        let act = if disabled { "person_disabled" } else { "person_enabled" };
        append(&mut tx, &mut log, actor, act, json!({"person": person}), now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Gives a person another seat; it counts from the next request on.
    pub async fn set_seat(
        &self,
        person: &str,
        seat: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), SeatRefusal>, StoreError> {
        if !crate::seat::SEATS.contains(&seat) {
            return Ok(Err(SeatRefusal::Seat(PersonError::Seat)));
        }
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT seat FROM person WHERE id = $1";
        let row = fetch!(&mut tx, optional, (String,), sql, person.to_owned())?;
        let Some((before,)) = row else { return Ok(Err(SeatRefusal::Unknown)) };
        if before == seat {
            return Ok(Ok(()));
        }
        let sql = "SELECT COUNT(*) FROM person
                   WHERE seat = 'administrator' AND disabled_us IS NULL AND id <> $1";
        let (others,) = fetch!(&mut tx, one, (i64,), sql, person.to_owned())?;
        if before == "administrator" && others == 0 {
            return Ok(Err(SeatRefusal::LastAdministrator));
        }
        let sql = "UPDATE person SET seat = $1 WHERE id = $2";
        execute!(&mut tx, sql, seat.to_owned(), person.to_owned())?;
        let detail = json!({"person": person, "before": before, "seat": seat});
        append(&mut tx, &mut log, actor, "seat_given", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Logs that a person signed in with a password.
    pub async fn logged_in(&self, person: &str, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        append(&mut tx, &mut log, person, "logged_in", json!({"by": "password"}), now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await
    }

    /// The first administrator.
    pub async fn administrator(&self) -> Result<Option<Person>, StoreError> {
        let sql = "SELECT id, name, seat FROM person WHERE seat = 'administrator'
                   AND disabled_us IS NULL ORDER BY created_us LIMIT 1";
        let row = read!(&self.db, optional, (String, String, String), sql)?;
        Ok(row.map(|(id, name, seat)| Person { id, name, seat }))
    }

    /// Keeps a login link that works once, in place of any other of this person.
    pub async fn create_login_link(
        &self,
        hash: Digest,
        person: &str,
        expires_us: i64,
        actor: &str,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        execute!(&mut tx, "DELETE FROM login_link WHERE expires_us <= $1", now_us)?;
        let sql = "INSERT INTO login_link (hash, person, expires_us) VALUES ($1, $2, $3)";
        execute!(&mut tx, sql, hash.0.to_vec(), person.to_owned(), expires_us)?;
        let detail = json!({"person": person, "expires_us": expires_us});
        append(&mut tx, &mut log, actor, "login_link_created", detail, now_us).await?;
        log.finish(&mut tx).await?;
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
        let sql = "SELECT id, name, seat FROM person WHERE id = $1 AND disabled_us IS NULL";
        let row = fetch!(&mut tx, optional, (String, String, String), sql, id.clone())?;
        let Some((id, name, seat)) = row else { return Ok(Err(LoginRefusal::Unknown)) };
        append(&mut tx, &mut log, &id, "logged_in", json!({"by": "login_link"}), now_us).await?;
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
        append(&mut tx, &mut log, "operator", "api_token_created", json!({"seat": seat}), now_us)
            .await?;
        log.finish(&mut tx).await?;
        tx.commit().await
    }

    /// The seat of an API token; none for an unknown one.
    pub async fn api_seat(&self, hash: Digest) -> Result<Option<String>, StoreError> {
        let sql = "SELECT seat FROM api_token WHERE hash = $1";
        let row = read!(&self.db, optional, (String,), sql, hash.0.to_vec())?;
        Ok(row.map(|(seat,)| seat))
    }
}

/// Names are told apart without regard to case.
fn login(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Ends all that lets a person in without a password.
async fn shut_out(tx: &mut Tx, person: &str) -> Result<(), StoreError> {
    execute!(tx, "DELETE FROM session WHERE person = $1", person.to_owned())?;
    execute!(tx, "DELETE FROM login_link WHERE person = $1", person.to_owned())?;
    Ok(())
}

/// Appends an act of `actor` within a transaction that holds the log.
pub(super) async fn append(
    tx: &mut Tx,
    log: &mut Appender,
    actor: &str,
    act: &str,
    detail: Value,
    at_us: i64,
) -> Result<(), StoreError> {
    let act = Act { at_us, actor: actor.to_owned(), act: act.to_owned(), detail };
    acts::append(tx, log, &act).await?;
    Ok(())
}
