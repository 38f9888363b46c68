//! The kind `meta`: the agent's program, its rights and confinement (proc_pid_status(5)), what its
//! configuration leaves out, what bounds it, and its spool. Speaks of the running agent only.

mod limits;
mod process;
mod spool;

use super::{Collector, facts};
use crate::host::{Failure, Reading};
use evidence::kinds::meta::Confinement;
use evidence::kinds::{Kind, Meta};

pub(super) const COLLECTOR: Collector = Collector {
    kind: Meta::NAME,
    schedule: "0 * * * *",
    live_only: true,
    collect: |reading| collect(reading).and_then(facts),
};

fn collect(reading: &mut Reading<'_>) -> Result<Meta, Failure> {
    let own = reading.own();
    let process = process::read(reading);
    let facts = Meta {
        agent_version: own.version.clone(),
        agent_sha256: reading.program().map(|program| program.to_string()),
        config_sha256: own.config.map(|config| config.to_string()),
        kinds_off: own.kinds_off.clone(),
        uid: process.uid,
        capabilities: process.capabilities(),
        capabilities_missing: process.missing(own.kinds_off.as_deref().unwrap_or_default()),
        confinement: Confinement { landlock: own.landlock, ..process.confinement },
        limits: limits::read(reading),
        spool: spool::read(reading, own.state.as_deref()),
    };
    name_gaps(reading, &facts);
    Ok(facts)
}

/// Every fact that is not there was not read.
fn name_gaps(reading: &mut Reading<'_>, facts: &Meta) {
    reading.gaps([
        ("agent_sha256", facts.agent_sha256.is_none()),
        ("config_sha256", facts.config_sha256.is_none()),
        ("kinds_off", facts.kinds_off.is_none()),
        ("uid", facts.uid.is_none()),
        ("capabilities", facts.capabilities.is_none()),
        ("capabilities_missing", facts.capabilities_missing.is_none()),
        ("confinement.no_new_privs", facts.confinement.no_new_privs.is_none()),
        ("confinement.seccomp", facts.confinement.seccomp.is_none()),
        ("confinement.landlock", facts.confinement.landlock.is_none()),
        ("limits.nice", facts.limits.nice.is_none()),
        ("limits.open_files", facts.limits.open_files.is_none()),
        ("limits.memory_bytes", facts.limits.memory_bytes.is_none()),
        ("limits.dumps_core", facts.limits.dumps_core.is_none()),
        ("spool.state", facts.spool.state.is_none()),
        ("spool.has_dropped", facts.spool.has_dropped.is_none()),
        ("spool.last_dropped_day", facts.spool.has_dropped.is_none()),
    ]);
}
