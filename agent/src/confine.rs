//! Takes writing away from the agent itself: landlock(7), for every place but the state directory.
//! What it starts is confined with it.
//!
//! The kernel lets a confined program look into no process outside of its confinement, not even
//! one that holds CAP_SYS_PTRACE: `/proc/PID/exe` of others is refused. So where a kind needs that
//! and may, as under the agent's systemd unit, the unit confines it and Landlock is left off.

use crate::collectors;
use crate::config::Landlock;
use evidence::kinds::about::Privilege;
use landlock::{
    ABI, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
    path_beneath_rules,
};
use rustix::thread::{CapabilitySet, capabilities};
use std::path::Path;

/// The newest version of Landlock that the rules are written for; older kernels enforce what they
/// know of it.
const NEWEST: ABI = ABI::V5;

/// Why the agent may write where it should not.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    #[error("Landlock: {0}")]
    Refused(#[from] RulesetError),
    #[error(
        "Landlock is not part of this kernel, or switched off (`lsm=`); set landlock = \"auto\""
    )]
    Unsupported,
}

/// Confines this thread and all that it starts from now on, and says whether it did: before the
/// runtime starts. `off` are the kinds that are not gathered.
pub fn confine(mode: Landlock, state: &Path, off: &[String]) -> Result<bool, ConfineError> {
    let wanted = match mode {
        Landlock::Off => false,
        Landlock::On => true,
        Landlock::Auto => !looks_into_processes(off),
    };
    if !wanted {
        return Ok(false);
    }
    let writing = AccessFs::from_write(NEWEST);
    let status = Ruleset::default()
        .handle_access(writing)?
        .create()?
        .add_rules(path_beneath_rules([state], writing))?
        .restrict_self()?;
    match (status.ruleset, mode) {
        (RulesetStatus::NotEnforced, Landlock::On) => Err(ConfineError::Unsupported),
        (enforced, _) => Ok(enforced != RulesetStatus::NotEnforced),
    }
}

/// Whether a kind that is gathered needs CAP_SYS_PTRACE, and has it.
fn looks_into_processes(off: &[String]) -> bool {
    let needed =
        collectors::needing(Privilege::SysPtrace).any(|kind| !off.iter().any(|off| off == kind));
    let held =
        capabilities(None).is_ok_and(|held| held.effective.contains(CapabilitySet::SYS_PTRACE));
    needed && held
}
