//! The collector's memory, on SQLite or PostgreSQL.
//!
//! Methods are domain verbs, and each keeps these promises:
//! - When a verb that writes returns, its effect is durable; if it fails, it had none.
//! - A transaction that appends to the log begins by updating the one row of `log_head`: that row
//!   is the lock that orders all collectors, and nothing of the head is kept across transactions.
//! - Evidence is never updated, and only bodies of facts are ever deleted, after their time (`retention`).
//!   Spans only get an end, or are superseded by later
//!   knowledge, and say at which log index.

mod acts;
mod alert_reading;
mod alerts;
mod anchors;
mod anomaly;
mod applicability;
mod as_of;
mod certificates;
mod covers;
mod days;
mod db;
mod deliveries;
mod drifts;
mod dump;
mod exceptions;
mod expected;
mod findings;
mod grace;
mod group;
mod groups;
mod healing;
mod history;
mod host_spans;
mod hosts;
mod ingest;
mod inherited;
mod isms;
mod judging;
mod life;
mod lists;
mod log;
mod members;
pub mod model;
mod objects;
mod overdue;
mod overlays;
mod packed;
mod pages;
mod people;
mod people_list;
mod reading;
mod records;
mod records_owed;
mod replay;
mod retention;
mod reviews;
mod rules;
mod scope_reading;
mod sessions;
mod snapshot_jobs;
mod snapshots;
mod tokens;
mod tolerance;
mod trust;
mod undecided;
mod verdicts;
mod verifying;
mod watched;
mod watching;
mod windows;

pub use acts::Act;
pub use alert_reading::{AcknowledgeRefusal, AlertFilter, AlertWhole};
pub use anchors::{AnchorRow, AnchorSort, Anchored, DueAnchor};
pub(crate) use anomaly::LONGER;
pub use applicability::{ApplicabilityRefusal, Version, VersionState};
pub use as_of::{Head, ResultSpan};
pub use certificates::{
    AfterExpiry, Holder, HostAct, IdentityRefusal, PendingRenewal, Renewal, Renewed,
};
pub use covers::{CoverRow, Excepted};
pub use deliveries::{
    AlertPlaces, Attempt, DeliveryFilter, DeliveryRow, Due, NewMessage, Standing, Untold,
};
pub use drifts::{CauseFilter, CauseRow, Place};
pub use dump::{Dump, Filling, Holds, TableShape};
pub use exceptions::{Decider, ExceptionRefusal, ExceptionRow};
pub use expected::{ExpectedChange, ExpectedList};
pub use findings::{FindingRefusal, FindingRow};
pub use healing::{HealRefusal, HealedHost, HealingRow, Witnessed};
pub use history::{ChainRow, KindSpan, Receipt};
pub use host_spans::{HostSpan, Saying};
pub use hosts::Enrolment;
pub use ingest::{Accepted, Incoming, Refusal};
pub use inherited::{Inherited, InheritedRow, InheritedTime};
pub use isms::{GroupSpan, Isms, IsmsRefusal, IsmsText, Membership};
pub use judging::{Judgement, Notice, Past, Pending, Statement, Summary};
pub use life::{LifeChange, LifeRefusal};
pub use lists::{Decision, ListRefusal, ListRow, ListVersion, MemberRow};
pub(crate) use log::FreshTiles;
pub use log::{LogState, Placed, StoredLeaf};
pub use members::Members;
pub use objects::ObjectRefusal;
pub use overlays::OverlayVersion;
pub use pages::HostKey;
pub use people::{
    Credentials, DisableRefusal, LoginRefusal, Person, PersonError, PersonRow, SeatRefusal,
};
pub use people_list::ListChange;
pub use reading::DriftFilter;
pub use records::{NewFile, RecordKey, RecordRefusal};
pub use retention::{Erased, HoldRefusal, HoldRow};
pub use reviews::{NewReview, ReviewMember, ReviewPeriods, ReviewRefusal, ReviewRow};
pub use scope_reading::{HeldResult, KindFacts, Silence};
pub use sessions::{ABSOLUTE_US, IDLE_US, SessionOf, SessionRow};
pub use snapshot_jobs::SnapshotRow;
pub use snapshots::{LoggedAct, LoggedCheckIn};
pub use tokens::{EnrolRefusal, NewToken, TokenChoice, TokenRow, TokenState, network};
pub use tolerance::{ToleranceRefusal, ToleranceRow, Tolerated};
pub use trust::{Behind, KeyState, RotationRefusal, Sort, Step, TrustKey};

pub use crate::seat::SEATS;
pub use watched::Watch;
pub use windows::{WindowRefusal, WindowRow};

use db::Db;

/// A handle on the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: Db,
    lost: objects::Lost,
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
        Ok(Self { db: Db::open(url).await?, lost: objects::Lost::default() })
    }

    /// Closes every connection; later calls fail.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
