//! The kind `logging`: journald.conf(5), rsyslog.conf(5), journal-upload.conf(5), logrotate(8), and
//! the attributes of log files. Log contents are never read. Most of it needs no privilege;
//! /var/log/audit and configuration with secrets may.

mod files;
mod remote;

use super::{Collector, facts, kernel_clock, systemd};
use crate::formats::systemd_config;
use crate::host::{Failure, FileKind, ReadError, Reading};
use evidence::kinds::logging::{Journald, Shipper, Storage, Syslog, SyslogDaemon};
use evidence::kinds::{Kind, Logging};
use std::collections::BTreeMap;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Logging::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const JOURNALD_UNIT: &str = "systemd-journald.service";
/// Levels of syslog(3), the gravest first: as words, and as their numbers.
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
const INFO: usize = 6;
const DEBUG: usize = 7;

/// Programs of syslog daemons, and the unit where it is known.
const DAEMONS: [(&str, SyslogDaemon, &str); 7] = [
    ("/usr/sbin/rsyslogd", SyslogDaemon::Rsyslog, "rsyslog.service"),
    ("/usr/bin/rsyslogd", SyslogDaemon::Rsyslog, "rsyslog.service"),
    ("/usr/sbin/syslog-ng", SyslogDaemon::SyslogNg, "syslog-ng.service"),
    ("/usr/bin/syslog-ng", SyslogDaemon::SyslogNg, "syslog-ng.service"),
    ("/usr/sbin/syslogd", SyslogDaemon::Unknown, ""),
    ("/sbin/syslogd", SyslogDaemon::Unknown, ""),
    ("/usr/sbin/metalog", SyslogDaemon::Unknown, ""),
];

/// Units of programs that ship logs.
const SHIPPERS: [&str; 16] = [
    "SplunkForwarder",
    "alloy",
    "amazon-cloudwatch-agent",
    "datadog-agent",
    "elastic-agent",
    "filebeat",
    "fluent-bit",
    "fluentd",
    "google-cloud-ops-agent",
    "nxlog",
    "otelcol",
    "otelcol-contrib",
    "promtail",
    "td-agent",
    "vector",
    "wazuh-agent",
];

fn collect(reading: &mut Reading<'_>) -> Result<Logging, Failure> {
    let journald = known(journald(reading), "journald", reading);
    let mut syslog = known(syslog(reading), "syslog", reading);
    let ways = remote::ways(reading, syslog.as_ref());
    let remote_targets = remote::targets(reading, ways.as_ref(), journald.as_ref());
    let remote_targets = known(remote_targets, "remote_targets", reading);
    if let Some(syslog) = &mut syslog {
        let kept = remote::main_files(reading, ways.as_ref(), journald.as_ref());
        syslog.main_files = known(kept, "syslog.main_files", reading);
    }
    let shippers = known(shippers(reading), "shippers", reading);
    let files = known(files::read(reading), "files", reading);
    let last_entry_age = files::last_entry_age(reading).ok().flatten();
    if last_entry_age.is_none() {
        reading.unread("last_entry_age");
    }
    Ok(Logging { journald, syslog, remote_targets, shippers, files, last_entry_age })
}

/// What could not be read is unread.
fn known<T>(read: Result<T, Failure>, field: &str, reading: &mut Reading<'_>) -> Option<T> {
    let value = read.ok();
    if value.is_none() {
        reading.unread(field);
    }
    value
}

fn exists(reading: &Reading<'_>, path: &str) -> Result<bool, ReadError> {
    match reading.stat(path) {
        Err(ReadError::Absent) => Ok(false),
        other => other.map(|_| true),
    }
}

fn journald(reading: &mut Reading<'_>) -> Result<Journald, Failure> {
    let mut installed = false;
    for directory in ["/usr/lib", "/lib"] {
        installed |= exists(reading, &format!("{directory}/systemd/systemd-journald"))?;
    }
    let mut facts = Journald {
        installed,
        storage: None,
        persistent: Some(false),
        system_max_use_bytes: None,
        max_retention_s: None,
        forward_to_syslog: None,
        seal: None,
    };
    if !installed {
        return Ok(facts);
    }
    let settings = systemd::merged(reading, "journald.conf", "Journal")?;
    let setting = |key: &str| settings.get(key).map(String::as_str);
    let storage = match setting("Storage") {
        None | Some("auto") => Some(Storage::Auto),
        Some("persistent") => Some(Storage::Persistent),
        Some("volatile") => Some(Storage::Volatile),
        Some("none") => Some(Storage::None),
        Some(_) => None,
    };
    facts.storage = storage;
    facts.system_max_use_bytes = setting("SystemMaxUse").and_then(systemd_config::bytes);
    facts.max_retention_s = setting("MaxRetentionSec").map_or(Some(0), systemd_config::seconds);
    facts.forward_to_syslog = match keeps(setting("MaxLevelSyslog"), DEBUG) {
        Some(true) => setting("ForwardToSyslog").and_then(systemd_config::boolean),
        _ => Some(false),
    };
    facts.seal = setting("Seal").map_or(Some(true), systemd_config::boolean);
    facts.persistent = match storage {
        Some(Storage::Auto) => journal_directory(reading).ok(),
        other => other.map(|storage| storage == Storage::Persistent),
    };
    if facts.persistent == Some(true) {
        let is_masked = systemd::unit(reading, JOURNALD_UNIT)? == systemd::Unit::Masked;
        facts.persistent = keeps(setting("MaxLevelStore"), INFO).map(|keeps| keeps && !is_masked);
    }
    journald_gaps(reading, &facts, &settings);
    Ok(facts)
}

/// What is configured and not understood.
fn journald_gaps(reading: &mut Reading<'_>, facts: &Journald, settings: &BTreeMap<String, String>) {
    let is_set = |key: &str| settings.contains_key(key);
    for (field, is_unread) in [
        ("storage", facts.storage.is_none()),
        ("persistent", facts.persistent.is_none()),
        ("max_retention_s", facts.max_retention_s.is_none()),
        ("seal", facts.seal.is_none()),
        ("system_max_use_bytes", facts.system_max_use_bytes.is_none() && is_set("SystemMaxUse")),
        ("forward_to_syslog", facts.forward_to_syslog.is_none() && is_set("ForwardToSyslog")),
    ] {
        if is_unread {
            reading.unread(&format!("journald.{field}"));
        }
    }
}

/// Whether journald takes messages of a level, and so of all that are graver: by default all. `None`
/// for a word that is no level.
fn keeps(setting: Option<&str>, level: usize) -> Option<bool> {
    let Some(word) = setting.filter(|word| !word.is_empty()) else { return Some(true) };
    let position = LEVELS.iter().position(|level| *level == word);
    let highest = position.or_else(|| word.parse().ok()).filter(|level| *level <= DEBUG)?;
    Some(highest >= level)
}

fn journal_directory(reading: &Reading<'_>) -> Result<bool, ReadError> {
    match reading.stat("/var/log/journal") {
        Ok(meta) => Ok(meta.kind == FileKind::Directory),
        Err(ReadError::Absent) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The daemon whose program is there; of several, the only one that is enabled.
fn syslog(reading: &mut Reading<'_>) -> Result<Syslog, Failure> {
    let mut found = Vec::new();
    for (path, daemon, unit) in DAEMONS {
        // /usr/sbin may be a link to /usr/bin.
        if exists(reading, path)? && !found.contains(&(daemon, unit)) {
            found.push((daemon, unit));
        }
    }
    let systemd = systemd::is_installed(reading)?;
    let mut daemons = Vec::new();
    for (daemon, unit) in found {
        let enabled = match systemd && !unit.is_empty() {
            true => Some(systemd::enabled(reading, unit)?),
            false => None,
        };
        daemons.push((daemon, unit, enabled));
    }
    if daemons.len() > 1 {
        daemons.retain(|(_, _, enabled)| *enabled != Some(false));
    }
    let (daemon, unit, enabled) = match daemons.as_slice() {
        [] => (SyslogDaemon::None, "", Some(false)),
        [one] => *one,
        _ => (SyslogDaemon::Unknown, "", None),
    };
    let active = match reading.is_live() {
        true if daemon == SyslogDaemon::None => Some(false),
        true if !unit.is_empty() => systemd::active(reading, unit)?,
        _ => None,
    };
    if enabled.is_none() {
        reading.unread("syslog.enabled");
    }
    if active.is_none() {
        reading.unread("syslog.active");
    }
    Ok(Syslog { daemon, enabled, active, main_files: None })
}

fn shippers(reading: &mut Reading<'_>) -> Result<Vec<Shipper>, Failure> {
    let mut shippers = Vec::new();
    for name in SHIPPERS {
        let unit = format!("{name}.service");
        if systemd::unit(reading, &unit)? != systemd::Unit::Absent {
            let enabled = systemd::enabled(reading, &unit)?;
            shippers.push(Shipper { name: name.to_owned(), enabled });
        }
    }
    Ok(shippers)
}
