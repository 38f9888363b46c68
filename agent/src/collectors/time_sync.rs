//! The kind `time_sync`: units of the programs that set the clock, timesyncd.conf(5),
//! chrony.conf(5), localtime(5), /etc/adjtime of hwclock(8), the files that these programs write when
//! they have set the clock, and what they answer when they are asked how well. Only the drift file of chronyd needs a privilege.

mod chrony;
mod clients;
mod offset;
mod proof;
mod timesyncd;

use super::{Collector, facts, kernel_clock, systemd};
use crate::host::{Failure, ReadError, Reading};
use clients::Installed;
use evidence::Status;
use evidence::kinds::time_sync::{ClientName, HardwareClock, TimeSource};
use evidence::kinds::{Kind, TimeSync};

pub(super) const COLLECTOR: Collector = Collector {
    kind: TimeSync::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const LOCALTIME: &str = "/etc/localtime";
const ADJTIME: &str = "/etc/adjtime";

fn collect(reading: &mut Reading<'_>) -> Result<TimeSync, Failure> {
    let clients = clients::read(reading).ok();
    let last_sync = match &clients {
        Some(clients) if reading.is_live() => proof::read(reading, clients),
        _ => proof::Proof::default(),
    };
    let sources = clients.as_ref().and_then(|clients| sources(reading, clients).ok());
    let facts = TimeSync {
        synchronised: last_sync.synchronised,
        last_sync_age: last_sync.age,
        offset: last_sync.offset,
        sources,
        timezone: timezone(reading).ok(),
        hardware_clock: hardware_clock(reading).ok(),
        clients: clients.map(|clients| clients.into_iter().map(Installed::facts).collect()),
    };
    name_gaps(reading, &facts);
    Ok(facts)
}

/// References of the clients that are started; the configuration of the rest is dead.
fn sources(reading: &mut Reading<'_>, clients: &[Installed]) -> Result<Vec<TimeSource>, Failure> {
    let mut sources = Vec::new();
    for client in clients {
        let unclear = Failure(Status::Unsupported);
        match (client.name, client.enabled.ok_or(unclear)?) {
            (_, false) => {}
            (ClientName::Chrony, true) => {
                sources.extend(chrony::Configuration::read(reading, client)?.sources);
            }
            (ClientName::Timesyncd, true) => sources.extend(timesyncd::sources(reading)?),
            _ => return Err(unclear),
        }
    }
    Ok(sources)
}

/// localtime(5): the zone is the end of the link's target; without the link it is UTC.
fn timezone(reading: &mut Reading<'_>) -> Result<String, Failure> {
    let target = match reading.link(LOCALTIME) {
        Err(ReadError::Absent) => return Ok("UTC".to_owned()),
        other => other?,
    };
    let zone = target.split_once("/zoneinfo/").map(|(_, zone)| zone).filter(|z| !z.is_empty());
    zone.map(str::to_owned).ok_or(Failure(Status::Unsupported))
}

/// hwclock(8): the third line of the file, without which the clock holds UTC.
fn hardware_clock(reading: &mut Reading<'_>) -> Result<HardwareClock, Failure> {
    let text = match reading.config(ADJTIME) {
        Err(ReadError::Absent) => return Ok(HardwareClock::Utc),
        other => other?,
    };
    match text.lines().nth(2).map(str::trim) {
        Some("UTC") => Ok(HardwareClock::Utc),
        Some("LOCAL") => Ok(HardwareClock::Local),
        // Adjustments alone say nothing else.
        None if text.lines().count() < 3 && text.ends_with('\n') => Ok(HardwareClock::Utc),
        _ => {
            reading.malformed(ADJTIME, "line 3: neither UTC nor LOCAL");
            Err(Failure(Status::ParseError))
        }
    }
}

/// Every fact that is not there was not read.
fn name_gaps(reading: &mut Reading<'_>, facts: &TimeSync) {
    let clients = facts.clients.as_deref().unwrap_or_default();
    reading.gaps([
        ("clients", facts.clients.is_none()),
        ("clients.enabled", clients.iter().any(|client| client.enabled.is_none())),
        ("clients.active", clients.iter().any(|client| client.active.is_none())),
        ("synchronised", facts.synchronised.is_none()),
        ("last_sync_age", facts.last_sync_age.is_none()),
        ("offset", facts.offset.is_none()),
        ("sources", facts.sources.is_none()),
        ("timezone", facts.timezone.is_none()),
        ("hardware_clock", facts.hardware_clock.is_none()),
    ]);
}
