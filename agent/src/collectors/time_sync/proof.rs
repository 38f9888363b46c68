//! Whether the clock was set lately. The kernel's own word, adjtimex(2), is not asked: it takes
//! code that this agent does not hold, and says nothing about who set the clock.
//!
//! systemd-timesyncd touches a file in /run whenever it has set the clock. chronyd writes its drift
//! file at most once an hour, and only when a source set the clock; and once more when it ends, so
//! that a file older than the process proves nothing. Its absence proves nothing either: the first
//! is written an hour after the start. ntpd leaves no proof.

use super::chrony::Configuration;
use super::clients::Installed;
use super::{kernel_clock, timesyncd};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::time_sync::{Age, ClientName};

const TOUCHED: &str = "/run/systemd/timesync/synchronized";

#[derive(Debug, Default)]
pub(super) struct Proof {
    pub(super) synchronised: Option<bool>,
    pub(super) age: Option<Age>,
}

impl Proof {
    const NEVER: Self = Self { synchronised: Some(false), age: Some(Age::Never) };
}

pub(super) fn read(reading: &mut Reading<'_>, clients: &[Installed]) -> Proof {
    if clients.iter().any(|client| client.active.is_none()) {
        return Proof::default();
    }
    let running: Vec<_> = clients.iter().filter(|client| client.active == Some(true)).collect();
    let outcome = match running.as_slice() {
        [] => return Proof::NEVER,
        [client] if client.name == ClientName::Timesyncd => of_timesyncd(reading),
        [client] if client.name == ClientName::Chrony => of_chrony(reading, client),
        _ => return Proof::default(),
    };
    outcome.unwrap_or_default()
}

fn of_timesyncd(reading: &mut Reading<'_>) -> Result<Proof, Failure> {
    let hourly = timesyncd::asks_hourly(reading)?;
    let age = match reading.stat(TOUCHED) {
        Ok(meta) => age(kernel_clock::now(reading)?, meta.modified_s),
        // Not once since it was started.
        Err(ReadError::Absent) => return Ok(Proof::NEVER),
        Err(error) => return Err(error.into()),
    };
    let synchronised = match age {
        Some(Age::UnderThreeHours) => Some(true),
        Some(_) => hourly.then_some(false),
        None => None,
    };
    Ok(Proof { synchronised, age })
}

fn of_chrony(reading: &mut Reading<'_>, client: &Installed) -> Result<Proof, Failure> {
    let unclear = Failure(Status::Unsupported);
    let path = Configuration::read(reading, client)?.drift_file.ok_or(unclear)?;
    let written = reading.stat(&path)?.modified_s;
    let started = started(reading, client)?;
    if written <= started {
        return Err(unclear);
    }
    let age = age(kernel_clock::now(reading)?, written);
    let synchronised = (age == Some(Age::UnderThreeHours)).then_some(true);
    Ok(Proof { synchronised, age })
}

/// When the youngest process of a client started: the privileged helper starts with the daemon.
fn started(reading: &mut Reading<'_>, client: &Installed) -> Result<i64, Failure> {
    let mut youngest = None;
    for unit in &client.units {
        for pid in super::systemd::processes(reading, unit)?.unwrap_or_default() {
            youngest = youngest.max(Some(kernel_clock::process_start(reading, pid)?));
        }
    }
    youngest.ok_or(Failure(Status::Absent))
}

/// A time in the future proves nothing; clocks may differ by a little.
fn age(now: i64, then: i64) -> Option<Age> {
    match now - then {
        ..-60 => None,
        -60..10_800 => Some(Age::UnderThreeHours),
        10_800..86_400 => Some(Age::UnderDay),
        _ => Some(Age::Older),
    }
}
