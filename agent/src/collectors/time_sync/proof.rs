//! Whether the clock was set lately, and how far it may be off. The kernel's own word, adjtimex(2),
//! is not asked: it takes code that this agent does not hold, its unit refuses the call, and
//! systemd-timesyncd tells the kernel of no error.
//!
//! chronyd says itself what it follows and how well. One that does not answer (`cmdport 0`) still
//! writes its drift file at most once an hour, and only when a source set the clock; and once more
//! when it ends, so that a file older than the process proves nothing. Its absence proves nothing
//! either: the first is written an hour after the start. systemd-timesyncd touches a file in /run
//! whenever it has set the clock, and tells what its server answered last. ntpd leaves no proof.

use super::chrony::Configuration;
use super::clients::Installed;
use super::{kernel_clock, offset, timesyncd};
use crate::formats::chrony_tracking::{self, Tracking};
use crate::formats::ntp_message::{self, NtpMessage};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::time_sync::{Age, ClientName, Offset};

const TOUCHED: &str = "/run/systemd/timesync/synchronized";

#[derive(Debug, Default)]
pub(super) struct Proof {
    pub(super) synchronised: Option<bool>,
    pub(super) age: Option<Age>,
    pub(super) offset: Option<Offset>,
}

impl Proof {
    const NEVER: Self = Self { synchronised: Some(false), age: Some(Age::Never), offset: None };
}

pub(super) fn read(reading: &mut Reading<'_>, clients: &[Installed]) -> Proof {
    if clients.iter().any(|client| client.active.is_none()) {
        return Proof::default();
    }
    let running: Vec<_> = clients.iter().filter(|client| client.active == Some(true)).collect();
    let outcome = match running.as_slice() {
        [] => return Proof::NEVER,
        [client] if client.name == ClientName::Timesyncd => of_timesyncd(reading),
        [client] if client.name == ClientName::Chrony => match tracking(reading) {
            Ok(Some(Tracking::Follows { at_s, error_us })) => following(reading, at_s, error_us),
            // It knows no other time, whatever its drift file says of an earlier day.
            Ok(Some(Tracking::Unsynchronised)) => {
                return Proof { synchronised: Some(false), ..Proof::default() };
            }
            Ok(Some(Tracking::OwnClock) | None) => of_drift_file(reading, client),
            // It may have said that it follows nobody.
            Err(failure) => Err(failure),
        },
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
    Ok(Proof { synchronised, age, offset: last_answer(reading) })
}

/// By what the server of systemd-timesyncd answered last, unless that is long ago.
fn last_answer(reading: &mut Reading<'_>) -> Option<Offset> {
    let body = reading.ntp_message().ok()?;
    let Some(message) = ntp_message::parse(&body) else {
        reading.malformed("/bus/timesync1", "not a property NTPMessage");
        return None;
    };
    let NtpMessage::Taken { at_s, error_us } = message else { return None };
    let now = kernel_clock::now(reading).ok()?;
    let lately = age(now, at_s) == Some(Age::UnderThreeHours);
    lately.then(|| offset::of(ClientName::Timesyncd, error_us)).flatten()
}

/// None where nobody is to be asked.
fn tracking(reading: &mut Reading<'_>) -> Result<Option<Tracking>, Failure> {
    let answer = match reading.chrony_tracking() {
        Ok(answer) => answer,
        Err(ReadError::Absent) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let tracking = chrony_tracking::parse(&answer);
    if tracking.is_none() {
        reading.malformed("/chronyd/tracking", "not an answer to `tracking`");
        return Err(Failure(Status::ParseError));
    }
    Ok(tracking)
}

/// chronyd asks each server at least every seventeen minutes, unless it is told otherwise: after a
/// day without, it follows nobody. Its bound grows meanwhile, and holds.
fn following(reading: &mut Reading<'_>, at_s: i64, error_us: u64) -> Result<Proof, Failure> {
    let age = age(kernel_clock::now(reading)?, at_s);
    let synchronised = match age {
        Some(Age::UnderThreeHours) => Some(true),
        Some(Age::Older) => Some(false),
        _ => None,
    };
    Ok(Proof { synchronised, age, offset: offset::of(ClientName::Chrony, error_us) })
}

fn of_drift_file(reading: &mut Reading<'_>, client: &Installed) -> Result<Proof, Failure> {
    let unclear = Failure(Status::Unsupported);
    let path = Configuration::read(reading, client)?.drift_file.ok_or(unclear)?;
    let written = reading.stat(&path)?.modified_s;
    let started = started(reading, client)?;
    if written <= started {
        return Err(unclear);
    }
    let age = age(kernel_clock::now(reading)?, written);
    let synchronised = (age == Some(Age::UnderThreeHours)).then_some(true);
    Ok(Proof { synchronised, age, offset: None })
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
