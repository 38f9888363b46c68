//! The kind `services`. What is active and what failed is told by systemd over the message bus: no
//! file says that a unit failed, and the control groups know no service without a process. What is
//! enabled, and what runs by the clock, is in files.
//!
//! Units of sessions come and go by themselves and are left out.

mod jobs;
mod paths;
mod timers;

use super::{Collector, facts, systemd};
use crate::formats::unit_list;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::services::{Init, Services};
use std::collections::BTreeSet;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Services::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const LINKS: &str = "/etc/systemd/system";
const BUS: &str = "/run/dbus/system_bus_socket";
const ALLOWED: &str = "/etc/cron.allow";
/// Beginnings of units that a session brings with it, or a person by systemd-run(1).
const PASSING: [&str; 4] = ["run-", "session-", "user-runtime-dir@", "user@"];

fn collect(reading: &mut Reading<'_>) -> Result<Services, Failure> {
    let init = init(reading).ok();
    let enabled = match init {
        Some(Init::Systemd) => enabled(reading).ok(),
        Some(Init::Openrc) => runlevels(reading).ok(),
        _ => None,
    };
    let units =
        if init == Some(Init::Systemd) && reading.is_live() { units(reading) } else { None };
    let (active, failed) = units.unzip();
    let jobs = jobs::of_cron(reading).and_then(|mut jobs| match init {
        Some(Init::Systemd) => {
            jobs.extend(timers::jobs(reading)?);
            Ok(jobs)
        }
        Some(_) => Ok(jobs),
        // There may be timers.
        None => Err(Failure(Status::Denied)),
    });
    let jobs = jobs.ok().map(|jobs| jobs.into_iter().collect::<BTreeSet<_>>());
    let cron_restricted = match reading.stat(ALLOWED) {
        Ok(_) => Some(true),
        Err(ReadError::Absent) => Some(false),
        Err(_) => None,
    };
    let some = |lacks: fn(&evidence::kinds::services::Job) -> bool| {
        jobs.as_ref().is_some_and(|jobs| jobs.iter().any(lacks))
    };
    reading.gaps([
        ("init", init.is_none()),
        ("enabled", enabled.is_none()),
        ("active", active.is_none()),
        ("failed", failed.is_none()),
        ("jobs", jobs.is_none()),
        ("jobs.runs_as_root", some(|job| job.runs_as_root.is_none())),
        ("jobs.target_writable_by_others", some(|job| job.target_writable_by_others.is_none())),
        ("jobs.packaged", some(|job| job.packaged.is_none())),
        ("cron_restricted", cron_restricted.is_none()),
    ]);
    let jobs = jobs.map(|jobs| jobs.into_iter().collect());
    Ok(Services { init, enabled, active, failed, jobs, cron_restricted })
}

/// Of the running system as sd_booted(3) does; of another by what is installed.
fn init(reading: &Reading<'_>) -> Result<Init, ReadError> {
    let is_there = |path: &str| match reading.stat(path) {
        Ok(_) => Ok(true),
        Err(ReadError::Absent) => Ok(false),
        Err(error) => Err(error),
    };
    let systemd = match reading.is_live() {
        true => is_there("/run/systemd/system")?,
        false => systemd::is_installed(reading)?,
    };
    if systemd {
        return Ok(Init::Systemd);
    }
    let openrc = if reading.is_live() { "/run/openrc" } else { "/sbin/openrc" };
    Ok(if is_there(openrc)? { Init::Openrc } else { Init::Other })
}

/// Links in `*.wants`, `*.requires` and `*.upholds`, and aliases, of units that are there.
fn enabled(reading: &mut Reading<'_>) -> Result<Vec<String>, ReadError> {
    let mut names = BTreeSet::new();
    let entries = match reading.list(LINKS) {
        Err(ReadError::Absent) => Vec::new(),
        other => other?,
    };
    for entry in entries {
        let path = format!("{LINKS}/{entry}");
        let is_list = [".wants", ".requires", ".upholds"].iter().any(|end| entry.ends_with(end));
        if is_list {
            match reading.list(&path) {
                Err(ReadError::Absent) => {}
                other => names.extend(other?),
            }
        } else if let Ok(target) = reading.link(&path) {
            // An alias has another name than what it leads to.
            let target = target.rsplit('/').next().unwrap_or_default().to_owned();
            if target != entry && target != "null" {
                names.insert(target);
            }
        }
    }
    let mut there = Vec::new();
    for name in names {
        // A file of the instance's own, which may mask it, comes before that of its template.
        let unit = match systemd::unit(reading, &name)? {
            systemd::Unit::Absent => systemd::unit(reading, &timers::template(&name))?,
            own => own,
        };
        if matches!(unit, systemd::Unit::There { .. }) {
            there.push(name);
        }
    }
    Ok(there)
}

/// Services of OpenRC in any of the levels.
fn runlevels(reading: &mut Reading<'_>) -> Result<Vec<String>, ReadError> {
    let mut names = BTreeSet::new();
    for level in reading.list("/etc/runlevels")? {
        names.extend(reading.list(&format!("/etc/runlevels/{level}"))?);
    }
    Ok(names.into_iter().collect())
}

/// Services that are active, and units that failed.
fn units(reading: &mut Reading<'_>) -> Option<(Vec<String>, Vec<String>)> {
    let body = reading.units().ok()?;
    let Some(units) = unit_list::parse(&body) else {
        reading.malformed(BUS, "not an answer of systemd");
        return None;
    };
    // systemd always has some.
    if units.is_empty() {
        return None;
    }
    let lasting =
        |unit: &&unit_list::Unit| !PASSING.iter().any(|begin| unit.name.starts_with(begin));
    let named = |wanted: &dyn Fn(&unit_list::Unit) -> bool| {
        let chosen = units.iter().filter(lasting).filter(|unit| wanted(unit));
        let names: BTreeSet<String> = chosen.map(|unit| unit.name.clone()).collect();
        names.into_iter().collect::<Vec<_>>()
    };
    let active = named(&|unit| unit.name.ends_with(".service") && unit.active == "active");
    Some((active, named(&|unit| unit.active == "failed")))
}
