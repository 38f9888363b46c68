//! The first thing `run` does: find out whether this is the machine that was enrolled.
//!
//! A state directory that came with an image, or was copied, belongs to another host. It is not
//! used: its keys are wiped, the rest is moved to `former/HOST`, and this machine is enrolled for
//! itself where an enrolment token is configured.

use crate::config;
use crate::enroll::{self, EnrollError};
use crate::identity::{Identity, StateDir, StateError, machine, set_aside};
use crate::ship::Backoff;
use evidence::HostId;
use evidence::wire::Token;
use std::path::{Path, PathBuf};

/// Why there is no identity to run with.
#[derive(Debug, thiserror::Error)]
pub enum ArriveError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "the state directory {} was copied from another machine (host {host}): it is not used. \
         What it held is in {}, without its keys. Enrol this machine: `evidenced-agent enroll`, or \
         [enroll] in agent.toml to do so at the first start", path.display(), former.display()
    )]
    Copied { path: PathBuf, host: HostId, former: PathBuf },
    #[error("the enrolment token in {}: {reason}", path.display())]
    Token { path: PathBuf, reason: String },
    #[error(transparent)]
    Enroll(#[from] EnrollError),
}

/// How a machine enrols by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfEnrolment {
    pub server: String,
    pub token_file: PathBuf,
}

impl SelfEnrolment {
    /// As configured, with what the command line says over it; none unless both are there.
    pub fn of(
        configured: &config::Enroll,
        server: Option<&str>,
        token_file: Option<&Path>,
    ) -> Option<Self> {
        let server = server.unwrap_or(&configured.server).to_owned();
        let token_file = token_file.unwrap_or(&configured.token_file).to_owned();
        let both = !server.is_empty() && !token_file.as_os_str().is_empty();
        both.then_some(Self { server, token_file })
    }

    fn token(&self) -> Result<Token, ArriveError> {
        let path = &self.token_file;
        let fail = |reason: String| ArriveError::Token { path: path.clone(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        text.trim().parse().map_err(|error| fail(format!("{error}")))
    }
}

/// The identity of this machine in `directory`. With `patience`, a collector that cannot be
/// reached is asked again until it can.
pub async fn arrive(
    directory: &Path,
    machine_id: &Path,
    enrolment: Option<&SelfEnrolment>,
    patience: Option<Backoff>,
    now_ms: &(dyn Fn() -> i64 + Send + Sync),
) -> Result<(StateDir, Identity), ArriveError> {
    match StateDir::open(directory) {
        Ok((state, identity)) if !is_copied(&identity, machine_id) => return Ok((state, identity)),
        Ok((state, identity)) => {
            let former = set_aside(&state, &identity)?;
            let host = identity.host;
            tracing::warn!(%host, former = %former.display(), "this state directory was copied from another machine and is not used");
            if enrolment.is_none() {
                return Err(ArriveError::Copied { path: directory.to_owned(), host, former });
            }
        }
        Err(error @ StateError::NotEnrolled(_)) if enrolment.is_none() => return Err(error.into()),
        Err(StateError::NotEnrolled(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let Some(enrolment) = enrolment else {
        return Err(StateError::NotEnrolled(directory.to_owned()).into());
    };
    enrol(directory, machine_id, enrolment, patience, now_ms).await?;
    Ok(StateDir::open(directory)?)
}

/// Whether another machine was enrolled with this directory. Where either has no id, that cannot
/// be told, and the collector is the one to notice two machines.
fn is_copied(identity: &Identity, machine_id: &Path) -> bool {
    match (identity.machine, machine(machine_id)) {
        (Some(enrolled), Some(here)) => enrolled != here,
        _ => false,
    }
}

async fn enrol(
    directory: &Path,
    machine_id: &Path,
    enrolment: &SelfEnrolment,
    mut patience: Option<Backoff>,
    now_ms: &(dyn Fn() -> i64 + Send + Sync),
) -> Result<(), ArriveError> {
    loop {
        let token = enrolment.token()?;
        let server = &enrolment.server;
        let done = enroll::enroll(directory, server, &token, machine_id, now_ms()).await;
        match (done, &mut patience) {
            (Ok(identity), _) => {
                tracing::info!(host = %identity.host, server, "enrolled at the first start");
                return Ok(());
            }
            (Err(error @ EnrollError::Unreachable { .. }), Some(backoff)) => {
                let wait = backoff.next(None, false);
                tracing::warn!(%error, wait_s = wait.as_secs(), "not enrolled; trying again");
                tokio::time::sleep(wait).await;
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
}
