//! `leave`: one last signed statement, then the keys are wiped.

use crate::durable::RealDisk;
use crate::identity::{Chain, Identity, Left, StateDir, StateError, erase};
use crate::renew::{RenewError, Renewal};
use crate::ship::{
    Answer, Backoff, MAX_ANSWER_BYTES, Route, Seen, SetupError, ShipError, Shipper,
    collector_client, explain,
};
use crate::spool::{Limits, Spool, SpoolError};
use evidence::wire::LeaveRequest;
use evidence::{ChainId, HostId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the host has not left. Its keys are still there.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(
        "{error}; {waiting} check-ins wait in the spool. Try again, or give them up and wipe the \
         keys with --force: the collector then sees this host fall silent"
    )]
    Ship { error: ShipError, waiting: usize },
    #[error(
        "the collector was not told: {0}. Try again, or wipe the keys with --force: the collector \
         then sees this host fall silent"
    )]
    NotTold(String),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The collector knows, and the keys are gone.
    Left(HostId),
    /// The keys are gone; the collector was not told.
    Wiped(HostId),
    /// It had left before.
    Before(HostId),
}

/// Ends this host: ships what waits, tells the collector, wipes the keys. With `force` the keys
/// are wiped even if the collector cannot be told. May be repeated.
pub async fn leave(directory: &Path, force: bool, now_ms: i64) -> Result<Outcome, LeaveError> {
    if let Some(left) = Left::read(directory)? {
        // Perhaps a crash came between the word and the wiping.
        erase(&StateDir::create(directory)?, &left)?;
        return Ok(Outcome::Before(left.host));
    }
    let (state, identity) = StateDir::open(directory)?;
    let state = Arc::new(state);
    let told = tell(&state, &identity, now_ms).await;
    let outcome = match told {
        Ok(()) => Outcome::Left(identity.host),
        Err(error) if force => {
            tracing::warn!(%error, "the keys are wiped all the same");
            Outcome::Wiped(identity.host)
        }
        Err(error) => return Err(error),
    };
    erase(&state, &Left { host: identity.host, server: identity.server, at_ms: now_ms })?;
    Ok(outcome)
}

async fn tell(state: &Arc<StateDir>, identity: &Identity, now_ms: i64) -> Result<(), LeaveError> {
    let identity = fresh(state, identity, now_ms).await?;
    let key = state.evidence_key()?;
    let limits = Limits { max_size: u64::MAX, max_age: Duration::MAX };
    let disk = Arc::new(RealDisk);
    let mut spool = Spool::open(state.path(), disk, &key.public(), limits, ChainId::generate())?;
    let shipper = Shipper::new(state, &identity, TIMEOUT)?;
    let shipped = shipper.drain(&mut spool, now_ms).await;
    if let Err(error) = shipped {
        // A host that left is not in service: what it says is not taken, but it may repeat that
        // it leaves.
        if !spool.is_empty() && !matches!(error, ShipError::Identity { .. }) {
            return Err(LeaveError::Ship { error, waiting: spool.len() });
        }
    }
    let Chain { chain, next_seq, .. } = *spool.chain();
    let statement = LeaveRequest::sign(identity.host, chain, next_seq, now_ms, &key);
    let client = collector_client(state, &identity, TIMEOUT, true, &Route::default())?;
    let url = format!("{}/agent/v1/leave", identity.server);
    let not_told = |error: reqwest::Error| LeaveError::NotTold(explain(&error));
    let response = client.post(url).json(&statement).send().await.map_err(not_told)?;
    let answer = Answer::read(response, MAX_ANSWER_BYTES, now_ms).await.map_err(not_told)?;
    if answer.status.is_success() { Ok(()) } else { Err(LeaveError::NotTold(answer.reason())) }
}

/// The identity with a certificate that is valid, as far as one is to be had.
async fn fresh(
    state: &Arc<StateDir>,
    identity: &Identity,
    now_ms: i64,
) -> Result<Identity, LeaveError> {
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
    let mut renewal = Renewal::new(state.clone(), identity.clone(), TIMEOUT, backoff)?;
    if !renewal.has_expired(now_ms) {
        return Ok(identity.clone());
    }
    match renewal.tend(Seen::default(), now_ms).await {
        Ok(_) => Ok(Identity::read(state.path())?),
        Err(RenewError::State(error)) => Err(error.into()),
        Err(error) => Err(LeaveError::NotTold(error.to_string())),
    }
}
