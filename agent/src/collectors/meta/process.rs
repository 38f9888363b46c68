//! /proc/self/status: who the agent is, and what it may do.

use crate::collectors;
use crate::host::Reading;
use evidence::kinds::about::Privilege;
use evidence::kinds::meta::{Confinement, Seccomp};
use std::collections::HashMap;

const STATUS: &str = "/proc/self/status";

/// The capabilities that the unit gives, and their numbers (linux/capability.h). What kinds need
/// beside them is the operator's choice, and not missing.
const GIVEN: [(Privilege, u32); 2] = [(Privilege::DacReadSearch, 2), (Privilege::SysPtrace, 19)];

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
    let process = Process {
        uid,
        effective,
        confinement: Confinement { no_new_privs, seccomp, landlock: None },
    };
    if uid.is_none() || effective.is_none() || no_new_privs.is_none() || seccomp.is_none() {
        reading.malformed(STATUS, "no Uid, CapEff, NoNewPrivs or Seccomp in it");
    }
    process
}

impl Process {
    pub(super) fn capabilities(&self) -> Option<Vec<String>> {
        let effective = self.effective?;
        let held = GIVEN.iter().filter(|(_, bit)| effective & (1 << bit) != 0);
        Some(held.map(|(privilege, _)| privilege.as_str().to_owned()).collect())
    }

    /// What kinds of this agent that are not `off` need in vain.
    pub(super) fn missing(&self, off: &[String]) -> Option<Vec<String>> {
        let effective = self.effective?;
        let lacking = GIVEN.iter().filter(|(_, bit)| effective & (1 << bit) == 0);
        let missing = lacking.filter_map(|(privilege, _)| {
            let on = |kind: &&str| !off.iter().any(|off| off == kind);
            let kinds: Vec<&str> = collectors::needing(*privilege).filter(on).collect();
            let name = privilege.as_str();
            (!kinds.is_empty()).then(|| format!("{name} ({})", kinds.join(", ")))
        });
        Some(missing.collect())
    }
}
