//! Sessions of people: `tower-sessions` on our own table, and who is logged in.

use super::problem::Problem;
use crate::clock;
use crate::store::{Person, Store};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Session, SessionStore};

/// Key of the person in a session.
const PERSON: &str = "person";

#[derive(Clone)]
pub struct StoredSessions(pub Store);

impl std::fmt::Debug for StoredSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredSessions")
    }
}

impl StoredSessions {
    async fn write(&self, record: &Record) -> Result<()> {
        let nameless = Record { id: Id(0), ..record.clone() };
        let text = serde_json::to_string(&nameless).map_err(|e| Error::Encode(e.to_string()))?;
        let expires_s = record.expiry_date.unix_timestamp();
        let saved = self.0.save_session(&key(&record.id), &text, expires_s).await;
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
        let now_s = clock::now_us() / 1_000_000;
        let text = self.0.session(&key(id), now_s).await;
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
        self.0.end_session(&key(id)).await.map_err(|e| Error::Backend(e.to_string()))
    }
}

/// The person of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    pub id: String,
    pub name: String,
    pub seat: String,
}

/// Starts a session under a new id.
pub async fn log_in(session: &Session, person: Person) -> std::result::Result<(), Problem> {
    let person = LoggedIn { id: person.id, name: person.name, seat: person.seat };
    session.cycle_id().await.map_err(broken)?;
    session.insert(PERSON, person).await.map_err(broken)
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

impl<S: Send + Sync> FromRequestParts<S> for LoggedIn {
    type Rejection = LoginNeeded;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> std::result::Result<Self, LoginNeeded> {
        let session = Session::from_request_parts(parts, state).await.map_err(|_| LoginNeeded)?;
        let person = session.get::<Self>(PERSON).await.map_err(|_| LoginNeeded)?;
        person.ok_or(LoginNeeded)
    }
}
