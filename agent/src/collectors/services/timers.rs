//! Timers of systemd that start at boot, and what they start.

use super::super::systemd;
use super::jobs::{Found, Known, job};
use crate::formats::systemd_config;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::services::{Job, JobForm};
use std::collections::BTreeSet;

/// First wins (systemd.unit(5)).
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// When a timer starts its unit.
const WHEN: [&str; 6] = [
    "OnActiveSec",
    "OnBootSec",
    "OnCalendar",
    "OnStartupSec",
    "OnUnitActiveSec",
    "OnUnitInactiveSec",
];

/// What a service runs.
const RUN: [&str; 6] =
    ["ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecStop", "ExecStopPost"];

type Settings = Vec<(String, String)>;

pub(super) fn jobs(reading: &mut Reading<'_>) -> Result<Vec<Job>, Failure> {
    let known = Known::read(reading);
    let mut names = BTreeSet::new();
    // Any unit may ask for a timer, and not timers.target alone.
    for directory in DIRECTORIES {
        let entries = match reading.list(directory) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        let asks = |entry: &String| {
            [".wants", ".requires", ".upholds"].iter().any(|end| entry.ends_with(end))
        };
        for entry in entries.iter().filter(|entry| asks(entry)) {
            match reading.list(&format!("{directory}/{entry}")) {
                Err(ReadError::Absent) => {}
                other => names.extend(other?),
            }
        }
    }
    let mut jobs = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(".timer")) {
        let Some((source, timer)) = settings(reading, name, "Timer")? else { continue };
        let mut when = Vec::new();
        for (key, value) in timer.iter().filter(|(key, _)| WHEN.contains(&key.as_str())) {
            if value.is_empty() {
                when.clear();
            } else {
                when.push(format!("{key}={value}"));
            }
        }
        let own = format!("{}.service", name.trim_end_matches(".timer"));
        let unit = last(&timer, "Unit").unwrap_or(&own).to_owned();
        let service = settings(reading, &unit, "Service")?;
        let (path, service) = service.unwrap_or_default();
        let user = match last(&service, "User") {
            _ if has_root_command(&service) => "root".to_owned(),
            Some(user) if !user.is_empty() => user.to_owned(),
            _ if last(&service, "DynamicUser")
                .is_some_and(|v| systemd_config::boolean(v) == Some(true)) =>
            {
                unit.trim_end_matches(".service").to_owned()
            }
            _ => "root".to_owned(),
        };
        let command = commands(&service);
        let local = [&source, &path]
            .iter()
            .any(|path| path.starts_with("/etc/") || path.starts_with("/run/"));
        let found = Found {
            source: &source,
            form: JobForm::Timer,
            schedule: when.join(" "),
            user,
            command: &command,
            packaged: Some(!local && !path.starts_with("/usr/local/")),
        };
        jobs.push(job(reading, &known, found));
    }
    Ok(jobs)
}

fn last<'s>(settings: &'s Settings, key: &str) -> Option<&'s str> {
    let mut values =
        settings.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str());
    values.next_back()
}

/// Whether a command of it runs as root whatever its user is: marks of systemd.service(5), and the
/// older switch for all but the main one.
fn has_root_command(service: &Settings) -> bool {
    let is_marked = |value: &str| {
        let marks = value.split(|c: char| !matches!(c, '-' | '@' | ':' | '+' | '!' | '|')).next();
        marks.is_some_and(|marks| marks.contains(['+', '!']))
    };
    let mut commands = service.iter().filter(|(key, _)| RUN.contains(&key.as_str()));
    let is_switched = last(service, "PermissionsStartOnly")
        .is_some_and(|value| systemd_config::boolean(value) == Some(true));
    is_switched || commands.any(|(_, value)| is_marked(value))
}

/// Everything that it runs. Marks before a program change how it runs, not what.
fn commands(service: &Settings) -> String {
    let mut all = Vec::new();
    for (key, value) in service.iter().filter(|(key, _)| RUN.contains(&key.as_str())) {
        if value.is_empty() {
            all.retain(|(other, _)| other != &key);
        } else {
            all.push((key, value.trim_start_matches(['-', '@', ':', '+', '!', '|'])));
        }
    }
    // `%` begins a specifier here, and no input.
    all.iter().map(|(_, value)| value.replace('%', "_")).collect::<Vec<_>>().join(" ; ")
}

/// `name@instance.timer` has its file without the instance.
pub(super) fn template(name: &str) -> String {
    match (name.split_once('@'), name.rsplit_once('.')) {
        (Some((begin, _)), Some((_, end))) => format!("{begin}@.{end}"),
        _ => name.to_owned(),
    }
}

/// The file of a unit, and its settings with those of its drop-ins; `None` where it is masked or not
/// there.
fn settings(
    reading: &mut Reading<'_>,
    name: &str,
    section: &str,
) -> Result<Option<(String, Settings)>, Failure> {
    if !matches!(systemd::unit(reading, &template(name))?, systemd::Unit::There { .. }) {
        return Ok(None);
    }
    let mut found = None;
    for directory in DIRECTORIES {
        let path = format!("{directory}/{}", template(name));
        match reading.config(&path) {
            Err(ReadError::Absent) => {}
            other => {
                found = Some((path, other?));
                break;
            }
        }
    }
    let Some((source, text)) = found else { return Ok(None) };
    let mut all = parsed(reading, &source, &text, section)?;
    for path in drop_ins(reading, name)? {
        let text = reading.config(&path)?;
        all.extend(parsed(reading, &path, &text, section)?);
    }
    Ok(Some((source, all)))
}

fn drop_ins(reading: &mut Reading<'_>, name: &str) -> Result<Vec<String>, ReadError> {
    let mut paths = std::collections::BTreeMap::new();
    for directory in DIRECTORIES {
        let directory = format!("{directory}/{name}.d");
        let names = match reading.list(&directory) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        for name in names.into_iter().filter(|name| name.ends_with(".conf")) {
            let path = format!("{directory}/{name}");
            paths.entry(name).or_insert(path);
        }
    }
    let masks = |path: &String| reading.link(path).as_deref() == Ok("/dev/null");
    Ok(paths.into_values().filter(|path| !masks(path)).collect())
}

fn parsed(
    reading: &mut Reading<'_>,
    path: &str,
    text: &str,
    section: &str,
) -> Result<Settings, Failure> {
    systemd_config::settings(text, section).map_err(|line| {
        reading.malformed(path, format!("line {line}: neither a section nor a setting"));
        Failure(Status::ParseError)
    })
}
