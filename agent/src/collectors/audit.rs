//! The kind `audit`: the kernel's own state and rules over netlink, for which CAP_AUDIT_CONTROL and
//! the first user namespace are needed, and the files that auditd loads at its start: those say what
//! is configured, and nothing about what the kernel holds.
//! Where journald takes the records, `daemon_active` is false though auditing is on.

mod coverage;

use super::packages::Database;
use super::{Collector, facts, systemd};
use crate::formats::audit_rules::{self, Arch, Loaded, Rule, Rules, State};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::audit::{Audit, AuditSource, AuditdConfig};

pub(super) const COLLECTOR: Collector = Collector {
    kind: Audit::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const PROGRAMS: [&str; 2] = ["/usr/sbin/auditd", "/sbin/auditd"];
const UNIT: &str = "auditd.service";
const LOADED: &str = "/etc/audit/audit.rules";
const PARTS: &str = "/etc/audit/rules.d";
const CONF: &str = "/etc/audit/auditd.conf";
const REMOTE: &str = "/etc/audit/plugins.d/au-remote.conf";
/// The loader of 64-bit ARM, whose kernels have no old calls.
const ARM: &str = "/lib/ld-linux-aarch64.so.1";

fn collect(reading: &mut Reading<'_>) -> Result<Audit, Failure> {
    let installed = installed(reading);
    let state = state(reading);
    let archs = archs(reading);
    let in_files = rules_in_files(reading).ok();
    let of = |reading: &Reading<'_>, rules: &[Rule]| {
        let (archs, is_arm) = archs?;
        coverage::of(reading, Rules { rules, archs, is_arm })
    };
    let coverage = state.as_ref().and_then(|state| of(reading, &state.rules));
    let configured = in_files.and_then(|files| match files.enabled {
        // Whatever rules come before it.
        Some(0) => of(reading, &[]),
        _ => of(reading, &files.rules),
    });
    let loaded = coverage.zip(configured).map(|(now, files)| coverage::holds(&now, &files));
    let daemon_enabled = systemd::enabled(reading, UNIT).ok();
    let daemon_active = match &state {
        Some(state) => Some(state.has_daemon),
        None if reading.is_live() => systemd::active(reading, UNIT).ok().flatten(),
        None => None,
    };
    let config = config(reading);
    let remote = remote(reading);
    reading.gaps([
        ("installed", installed.is_none()),
        ("daemon_enabled", daemon_enabled.is_none()),
        ("daemon_active", daemon_active.is_none()),
        ("enabled", state.is_none()),
        ("has_lost", state.is_none()),
        ("rules_loaded", state.is_none()),
        ("coverage", coverage.is_none()),
        ("configured", configured.is_none()),
        ("loaded", loaded.is_none()),
        ("config", config.is_none()),
        ("remote", remote.is_none()),
    ]);
    Ok(Audit {
        source: if state.is_some() { AuditSource::Netlink } else { AuditSource::Files },
        installed,
        daemon_enabled,
        daemon_active,
        enabled: state.as_ref().map(|state| i64::from(state.enabled)),
        has_lost: state.as_ref().map(|state| state.has_lost),
        rules_loaded: state.as_ref().map(|state| state.rules.len() as i64),
        coverage,
        configured,
        loaded,
        config,
        remote,
    })
}

/// By its program, or by the package database, which alone can say that it is not.
fn installed(reading: &mut Reading<'_>) -> Option<bool> {
    for path in PROGRAMS {
        match reading.stat(path) {
            Ok(_) => return Some(true),
            Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
    }
    let is_audit = |name: &str| matches!(name, "audit" | "auditd");
    let records = reading.apart(|reading| Database::find(reading)?.records(reading, &is_audit));
    records.ok()?.is_empty().then_some(false)
}

fn state(reading: &mut Reading<'_>) -> Option<State> {
    if !reading.is_live() {
        return None;
    }
    let bytes = reading.ask(&audit_rules::question()).ok()?;
    audit_rules::read(&bytes)
        .map_err(|error| reading.malformed(audit_rules::STATE, error.to_string()))
        .ok()
}

/// Programs of both word sizes run on x86; on ARM those of the kernel's own count.
fn archs(reading: &Reading<'_>) -> Option<(&'static [Arch], bool)> {
    match reading.stat(ARM) {
        Ok(_) => Some((&[Arch::B64], true)),
        Err(ReadError::Absent) => Some((&[Arch::B64, Arch::B32], false)),
        Err(_) => None,
    }
}

/// What augenrules would make of rules.d, which auditd's unit starts; without it, what it made.
fn rules_in_files(reading: &mut Reading<'_>) -> Result<Loaded, Failure> {
    let names = match reading.list(PARTS) {
        Err(ReadError::Absent) => Vec::new(),
        other => other?,
    };
    let mut names: Vec<_> = names.into_iter().filter(|name| is_part(name)).collect();
    names.sort_by_key(|name| by_version(name));
    if names.is_empty() {
        let text = match reading.config(LOADED) {
            Err(ReadError::Absent) => return Ok(Loaded::default()),
            other => other?,
        };
        return parsed(reading, LOADED, &text);
    }
    let mut texts = Vec::new();
    for name in names {
        let path = format!("{PARTS}/{name}");
        let text = reading.config(&path)?;
        // A line that is not understood is told with its own file.
        parsed(reading, &path, &text)?;
        texts.push(text);
    }
    let whole = audit_rules::augmented(texts.iter().map(String::as_str));
    parsed(reading, PARTS, &whole)
}

fn parsed(reading: &mut Reading<'_>, path: &str, text: &str) -> Result<Loaded, Failure> {
    audit_rules::parse(text).map_err(|line| {
        reading.malformed(path, format!("line {line}: not a rule of auditctl"));
        Failure(Status::ParseError)
    })
}

/// As `ls` shows them: not those that are hidden.
fn is_part(name: &str) -> bool {
    name.ends_with(".rules") && !name.starts_with('.')
}

/// The order of `ls -v`: numbers by their value.
fn by_version(name: &str) -> Vec<(u64, String)> {
    let mut parts = vec![(0, String::new())];
    let mut rest = name;
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (text, from) = rest.split_at(at);
        let end = from.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(from.len());
        if let Some(last) = parts.last_mut() {
            text.clone_into(&mut last.1);
        }
        parts.push((from[..end].parse().unwrap_or(u64::MAX), String::new()));
        rest = &from[end..];
    }
    if let Some(last) = parts.last_mut() {
        rest.clone_into(&mut last.1);
    }
    // Text before the number that follows it.
    parts
}

/// `key = value`; what is not set has the value that auditd begins with.
fn config(reading: &mut Reading<'_>) -> Option<AuditdConfig> {
    let text = reading.config(CONF).ok()?;
    let mut config = AuditdConfig {
        space_left_action: "ignore".to_owned(),
        disk_full_action: "ignore".to_owned(),
        disk_error_action: "syslog".to_owned(),
        max_log_file: 0,
        num_logs: 0,
        max_log_file_action: "ignore".to_owned(),
    };
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if set(&mut config, line).is_none() {
            reading.malformed(CONF, format!("line {number}: not a setting of auditd"));
            return None;
        }
    }
    Some(config)
}

fn set(config: &mut AuditdConfig, line: &str) -> Option<()> {
    let (key, value) = line.split_once('=')?;
    // `exec /path`: what is started stays here.
    let value = value.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    match key.trim().to_ascii_lowercase().as_str() {
        "space_left_action" => config.space_left_action = value,
        "disk_full_action" => config.disk_full_action = value,
        "disk_error_action" => config.disk_error_action = value,
        "max_log_file_action" => config.max_log_file_action = value,
        "max_log_file" => config.max_log_file = value.parse().ok()?,
        "num_logs" => config.num_logs = value.parse().ok()?,
        _ => {}
    }
    Some(())
}

/// The plugin that sends records: switched on.
fn remote(reading: &mut Reading<'_>) -> Option<bool> {
    let text = match reading.config(REMOTE) {
        Err(ReadError::Absent) => return Some(false),
        other => other.ok()?,
    };
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let mut active = lines.filter(|(key, _)| key.trim() == "active").map(|(_, value)| value.trim());
    match active.next_back() {
        Some("yes") => Some(true),
        Some("no") | None => Some(false),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_the_order_of_numbers() {
        let mut names = ["10-b.rules", "9-a.rules", "a.rules", "10-a.rules", "100.rules"];
        names.sort_by_key(|name| by_version(name));
        assert_eq!(names, ["9-a.rules", "10-a.rules", "10-b.rules", "100.rules", "a.rules"]);
    }
}
