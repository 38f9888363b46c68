//! Sessions of people: `tower-sessions` on our own table, and who is logged in.

use super::people::Trouble;
use super::problem::Problem;
use crate::app::App;
use crate::clock::Clock;
use crate::store::{SessionOf, Store};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Session, SessionStore};

/// Keys of what a session's record holds.
const PERSON: &str = "person";
const SOURCE: &str = "source";
const BY_LINK: &str = "by_link";

#[derive(Clone)]
pub struct StoredSessions {
    pub store: Store,
    pub clock: Clock,
}

impl std::fmt::Debug for StoredSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredSessions")
    }
}

impl StoredSessions {
    async fn write(&self, record: &Record) -> Result<()> {
        let word = |key| record.data.get(key).and_then(Value::as_str).map(str::to_owned);
        let whose = || Error::Encode("a session belongs to a person".to_owned());
        let of = SessionOf {
            person: word(PERSON).ok_or_else(whose)?,
            source: word(SOURCE).unwrap_or_default(),
            by_link: record.data.get(BY_LINK) == Some(&Value::Bool(true)),
        };
        let nameless = Record { id: Id(0), ..record.clone() };
        let text = serde_json::to_string(&nameless).map_err(|e| Error::Encode(e.to_string()))?;
        let key = key(&record.id);
        let saved = self.store.save_session(&key, &text, &of, self.clock.now_us()).await;
        saved.map_err(|e| Error::Backend(e.to_string()))
    }
}

/// Sessions are kept under the hash of their id, so that a copy of the database opens none.
fn key(id: &Id) -> String {
    evidence::Digest::of(&id.0.to_be_bytes()).to_string()
}

#[async_trait::async_trait]
impl SessionStore for StoredSessions {
    /// A new session under an id that no other has.
    async fn create(&self, record: &mut Record) -> Result<()> {
        while self.load(&record.id).await?.is_some() {
            record.id = Id::default();
        }
        self.write(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.write(record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let text = self.store.session(&key(id), self.clock.now_us()).await;
        let text = text.map_err(|e| Error::Backend(e.to_string()))?;
        let read = |text: String| {
            let mut record: Record =
                serde_json::from_str(&text).map_err(|e| Error::Decode(e.to_string()))?;
            record.id = *id;
            Ok(record)
        };
        text.map(read).transpose()
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.store.end_session(&key(id)).await.map_err(|e| Error::Backend(e.to_string()))
    }
}

/// The person of a session, as the store knows them now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    pub id: String,
    pub name: String,
    pub seat: String,
    pub has_password: bool,
    /// The session was begun by a login link: it may set a password without the old one.
    pub by_link: bool,
    /// The key of the session in the store.
    pub session: String,
}

impl LoggedIn {
    /// Who came with this session; none if it has ended or the person is out.
    pub async fn of(session: &Session, app: &App) -> std::result::Result<Option<Self>, Problem> {
        let Some(id) = session.id() else { return Ok(None) };
        let row = app.store.use_session(&key(&id), app.clock.now_us()).await?;
        Ok(row.map(|row| Self {
            id: row.person,
            name: row.name,
            seat: row.seat,
            has_password: row.has_password,
            by_link: row.by_link,
            session: row.id,
        }))
    }

    pub fn is_administrator(&self) -> bool {
        crate::seat::may(&self.seat, crate::seat::Right::LetIn)
    }
}

/// Starts a session under a new id.
pub async fn log_in(session: &Session, of: SessionOf) -> std::result::Result<(), Problem> {
    session.cycle_id().await.map_err(broken)?;
    session.insert(PERSON, of.person).await.map_err(broken)?;
    session.insert(SOURCE, of.source).await.map_err(broken)?;
    session.insert_value(BY_LINK, json!(of.by_link)).await.map_err(broken)?;
    Ok(())
}

fn broken(error: tower_sessions::session::Error) -> Problem {
    tracing::error!(%error, "sessions cannot be kept");
    let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
    Problem::new(status, "/problems/busy", "logins are not possible now")
}

/// Refused for want of a login: pages go to the login page.
#[derive(Debug)]
pub struct LoginNeeded;

impl IntoResponse for LoginNeeded {
    fn into_response(self) -> Response {
        Redirect::to("/login").into_response()
    }
}

impl FromRequestParts<App> for LoggedIn {
    type Rejection = LoginNeeded;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> std::result::Result<Self, LoginNeeded> {
        let session = Session::from_request_parts(parts, app).await.map_err(|_| LoginNeeded)?;
        let person = Self::of(&session, app).await.map_err(|_| LoginNeeded)?;
        person.ok_or(LoginNeeded)
    }
}

/// A person who may change who is let in: people and hosts.
pub struct Administrator(pub LoggedIn);

impl FromRequestParts<App> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> std::result::Result<Self, Response> {
        let person = LoggedIn::from_request_parts(parts, app).await;
        let person = person.map_err(IntoResponse::into_response)?;
        if person.is_administrator() {
            Ok(Self(person))
        } else {
            let why = "Only an administrator may do this.";
            Err(Trouble::Refused(why.to_owned()).into_response())
        }
    }
}
