//! /proc/self/status: who the agent is, and what it may do.

use crate::host::Reading;
use evidence::kinds::meta::{Confinement, Seccomp};
use std::collections::HashMap;

const STATUS: &str = "/proc/self/status";

/// A capability, its number (linux/capability.h), and the kinds that say less without it.
const NEEDED: [(&str, u32, &[&str]); 2] = [
    // Files that only root may read: shadow(5), sudoers(5), audit and log configuration.
    (
        "CAP_DAC_READ_SEARCH",
        2,
        &["accounts", "authorized_keys", "file_permissions", "file_walk", "logging", "sudo"],
    ),
    // The programs behind the sockets of other users, and the mounts of the first process.
    ("CAP_SYS_PTRACE", 19, &["file_walk", "listening_ports", "storage"]),
];

/// What the status says; what it does not say, or not in its form, is `None`.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) uid: Option<i64>,
    effective: Option<u64>,
    pub(super) confinement: Confinement,
}

pub(super) fn read(reading: &mut Reading<'_>) -> Process {
    let Ok(text) = reading.text(STATUS) else { return Process::default() };
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let fields: HashMap<&str, &str> = lines.map(|(key, value)| (key, value.trim())).collect();
    let field = |key: &str| fields.get(key).copied();
    // Real, effective, saved and file system user.
    let uid = field("Uid").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok());
    let effective = field("CapEff").and_then(|bits| u64::from_str_radix(bits, 16).ok());
    let no_new_privs = match field("NoNewPrivs") {
        Some("0") => Some(false),
        Some("1") => Some(true),
        _ => None,
    };
    let seccomp = match field("Seccomp") {
        Some("0") => Some(Seccomp::Off),
        Some("1") => Some(Seccomp::Strict),
        Some("2") => Some(Seccomp::Filter),
        _ => None,
    };
    let process = Process { uid, effective, confinement: Confinement { no_new_privs, seccomp } };
    if uid.is_none() || effective.is_none() || no_new_privs.is_none() || seccomp.is_none() {
        reading.malformed(STATUS, "no Uid, CapEff, NoNewPrivs or Seccomp in it");
    }
    process
}

impl Process {
    pub(super) fn capabilities(&self) -> Option<Vec<String>> {
        let effective = self.effective?;
        let held = NEEDED.iter().filter(|(_, bit, _)| effective & (1 << bit) != 0);
        Some(held.map(|(name, ..)| (*name).to_owned()).collect())
    }

    /// What kinds of this agent that are not `off` need in vain.
    pub(super) fn missing(&self, off: &[String]) -> Option<Vec<String>> {
        let effective = self.effective?;
        let lacking = NEEDED.iter().filter(|(_, bit, _)| effective & (1 << bit) == 0);
        let missing = lacking.filter_map(|(name, _, kinds)| {
            let on = |kind: &&&str| {
                crate::collectors::find(kind).is_some() && !off.iter().any(|off| off == **kind)
            };
            let kinds: Vec<&str> = kinds.iter().filter(on).copied().collect();
            (!kinds.is_empty()).then(|| format!("{name} ({})", kinds.join(", ")))
        });
        Some(missing.collect())
    }
}
