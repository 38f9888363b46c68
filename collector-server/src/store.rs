//! The collector's memory, on SQLite or PostgreSQL.
//!
//! Methods are domain verbs, and each keeps these promises:
//! - When a verb that writes returns, its effect is durable; if it fails, it had none.
//! - A transaction that appends to the log begins by updating the one row of `log_head`: that row
//!   is the lock that orders all collectors, and nothing of the head is kept across transactions.
//! - Evidence is never updated or deleted. Spans only get an end, or are superseded by later
//!   knowledge, and say at which log index.

mod acts;
mod days;
mod db;
mod expected;
mod groups;
mod host_spans;
mod hosts;
mod ingest;
mod judging;
mod life;
mod log;
pub mod model;
mod objects;
mod packed;
mod pages;
mod people;
mod reading;
mod rules;

pub use expected::{ExpectedChange, ExpectedList};
pub use host_spans::{HostSpan, Saying};
pub use hosts::{EnrolRefusal, Enrolment, Holder};
pub use ingest::{Accepted, Incoming, Refusal};
pub use judging::{Judgement, Past, Pending, Statement};
pub use life::{LifeChange, LifeRefusal};
pub use log::{LogState, StoredLeaf};
pub use objects::ObjectRefusal;
pub use pages::{DriftKey, HostKey};
pub use people::{LoginRefusal, Person};
pub use reading::DriftFilter;

use db::Db;

/// A handle on the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: Db,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not do it. Try again later; nothing was changed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Its tables could not be brought up to date. Do not serve.
    #[error("database migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row does not hold what this program wrote. Stop and verify the log.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
    /// The address of the database is of no known form.
    #[error("not a database address; use sqlite:PATH or postgres://USER@HOST/NAME")]
    Url,
}

impl StoreError {
    fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}

impl Store {
    /// Opens `sqlite:PATH` or `postgres://…`, creating or updating its tables.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self { db: Db::open(url).await? })
    }

    /// Closes every connection; later calls fail.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
