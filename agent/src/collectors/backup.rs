//! The kind `backup`: markers that jobs leave in the agent's state directory, what the package
//! database and the disk say of programs, timers and cron files, and what root's restic and borg
//! remember of repositories (CAP_DAC_READ_SEARCH). No configuration of a program is read: passwords
//! stand there.

mod markers;
mod repositories;
mod schedules;
mod tools;

use super::{Collector, facts, kernel_clock, packages, storage, systemd};
use crate::host::{Failure, Reading};
use evidence::kinds::{Backup, Kind};

pub(super) const COLLECTOR: Collector = Collector {
    kind: Backup::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const DAY_S: i64 = 86_400;

fn collect(reading: &mut Reading<'_>) -> Result<Backup, Failure> {
    let facts = Backup {
        tools: tools::read(reading).ok(),
        jobs: markers::read(reading).ok(),
        repositories: repositories::read(reading).ok(),
    };
    let jobs = facts.jobs.as_deref().unwrap_or_default();
    let repositories = facts.repositories.as_deref().unwrap_or_default();
    reading.gaps([
        ("tools", facts.tools.is_none()),
        ("jobs", facts.jobs.is_none()),
        ("jobs.destination", jobs.iter().any(|job| job.destination.is_none())),
        ("jobs.encryption", jobs.iter().any(|job| job.encryption.is_none())),
        ("repositories", facts.repositories.is_none()),
        ("repositories.destination", repositories.iter().any(|one| one.destination.is_none())),
        ("repositories.encryption", repositories.iter().any(|one| one.encryption.is_none())),
    ]);
    Ok(facts)
}
