//! The kind `kernel`: uname, packages with kernel images, /run/reboot-required, and what the kernel
//! says of itself in /proc and /sys. Needs no privilege but for /sys/kernel/security/lockdown, which
//! some systems close. Offline only the packages can be read, and the kind is `partial`.
//!
//! That nothing asks for a restart proves little by itself: plain Debian writes no
//! /run/reboot-required. So the versions decide, and a kernel whose package is not known leaves the
//! question open.

mod images;

use super::packages::Database;
use super::{Collector, facts};
use crate::host::{Failure, ReadError, Reading};
use evidence::kinds::Kind;
use evidence::kinds::kernel::{CpuVulnerability, Kernel, Lockdown, VulnerabilityState};
use images::Images;
use std::collections::BTreeMap;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Kernel::NAME,
    schedule: "0 */6 * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const RELEASE: &str = "/proc/sys/kernel/osrelease";
const VULNERABILITIES: &str = "/sys/devices/system/cpu/vulnerabilities";
/// Ubuntu and some others leave one of them for a restart that is due; SUSE the last.
const MARKS: [&str; 3] = ["/run/reboot-required", "/var/run/reboot-required", "/run/reboot-needed"];
/// Words of the command line that may leave the host.
const WORDS: [&str; 18] = [
    "apparmor",
    "audit",
    "enforcing",
    "init_on_alloc",
    "init_on_free",
    "iommu",
    "ipv6.disable",
    "l1tf",
    "lockdown",
    "lsm",
    "mds",
    "mitigations",
    "module.sig_enforce",
    "nosmt",
    "security",
    "selinux",
    "spectre_v2",
    "vsyscall",
];
const DAY_S: i64 = 86_400;

fn collect(reading: &mut Reading<'_>) -> Result<Kernel, Failure> {
    // Without a database that is read whole nothing is known of packages; what the kernel says of
    // itself is.
    let images = reading.apart(images).ok();
    let live = reading.is_live();
    let running = live.then(|| line(reading, RELEASE)).flatten();
    // Only Debian's kernel says its version; elsewhere the release is that of one package.
    let running_version = match (&images, &running) {
        (Some(images), Some(running)) if !images.keep_releases() => images.version_of(running),
        _ => live.then(|| running_version(reading)).flatten(),
    };
    let required = match &running {
        Some(running) => required(reading, running, running_version.as_deref(), images.as_ref()),
        _ => None,
    };
    let installed = images.as_ref().map(Images::facts);
    let facts = Kernel {
        reboot_required: required.as_ref().map(|required| required.is_due),
        reboot_required_since_day: required.as_ref().and_then(|required| required.since_day),
        taint: live.then(|| line(reading, "/proc/sys/kernel/tainted")?.parse().ok()).flatten(),
        lockdown: live.then(|| lockdown(reading)).flatten(),
        cpu_vulnerabilities: live.then(|| vulnerabilities(reading)).flatten(),
        command_line: live.then(|| command_line(reading)).flatten(),
        running,
        running_version,
        installed,
    };
    name_gaps(reading, &facts);
    Ok(facts)
}

/// Every fact that is not there was not read, but for the day of a restart that is not due.
fn name_gaps(reading: &mut Reading<'_>, facts: &Kernel) {
    let due = facts.reboot_required != Some(false);
    reading.gaps([
        ("running", facts.running.is_none()),
        ("running_version", facts.running_version.is_none()),
        ("installed", facts.installed.is_none()),
        ("reboot_required", facts.reboot_required.is_none()),
        ("reboot_required_since_day", due && facts.reboot_required_since_day.is_none()),
        ("taint", facts.taint.is_none()),
        ("lockdown", facts.lockdown.is_none()),
        ("cpu_vulnerabilities", facts.cpu_vulnerabilities.is_none()),
        ("command_line", facts.command_line.is_none()),
    ]);
}

fn line(reading: &mut Reading<'_>, path: &str) -> Option<String> {
    reading.text(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn images(reading: &mut Reading<'_>) -> Result<Images, Failure> {
    let database = Database::find(reading)?;
    let records = database.records(reading, &images::is_wanted)?;
    Ok(Images::of(database.manager(), &records))
}

/// `… #1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)`, or `Ubuntu 6.8.0-60.63-generic 6.8.12`:
/// there the package version is what stands before the flavour.
fn running_version(reading: &mut Reading<'_>) -> Option<String> {
    if let Some(signature) = line(reading, "/proc/version_signature") {
        let word = signature.strip_prefix("Ubuntu ")?.split(' ').next()?;
        let version = word
            .rsplit_once('-')
            .filter(|(_, flavour)| !flavour.starts_with(|c: char| c.is_ascii_digit()));
        return Some(version.map_or(word, |(version, _)| version).to_owned());
    }
    let version = line(reading, "/proc/version")?;
    let (_, after) = version.rsplit_once(" Debian ")?;
    let word = after.split(' ').next()?;
    word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
}

struct Required {
    is_due: bool,
    since_day: Option<i64>,
}

/// What the mark, or the versions of the packages, say.
fn required(
    reading: &Reading<'_>,
    running: &str,
    running_version: Option<&str>,
    images: Option<&Images>,
) -> Option<Required> {
    let marked = mark(reading)?;
    let waiting = images.and_then(|images| images.waiting(running, running_version));
    if marked.is_none() && waiting.as_ref()?.is_empty() {
        return Some(Required { is_due: false, since_day: None });
    }
    // The first that waits counts: a mark is written anew with every package that asks for a restart,
    // and a newer kernel does not make the one before it younger.
    let own_counts = running_version.is_some() || images.is_some_and(Images::goes_by_release);
    let since_day = waiting.filter(|_| own_counts).and_then(|waiting| {
        let came = waiting.iter().map(|image| image.came_day(reading));
        came.chain(marked.map(Some)).min().flatten()
    });
    Some(Required { is_due: true, since_day })
}

/// The day of the mark, if there is one; nothing if that cannot be told.
fn mark(reading: &Reading<'_>) -> Option<Option<i64>> {
    for mark in MARKS {
        match reading.stat(mark) {
            Ok(meta) => return Some(Some(meta.modified_s.div_euclid(DAY_S))),
            Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
    }
    Some(None)
}

/// `[none] integrity confidentiality`.
fn lockdown(reading: &mut Reading<'_>) -> Option<Lockdown> {
    let text = line(reading, "/sys/kernel/security/lockdown")?;
    let word = text.split(' ').find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))?;
    match word {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

/// Documentation/ABI/testing/sysfs-devices-system-cpu of the kernel. One that cannot be read leaves
/// the whole list out: a shorter one would look better.
fn vulnerabilities(reading: &mut Reading<'_>) -> Option<Vec<CpuVulnerability>> {
    // A kernel that says anything of them says something of each.
    let names = reading.list(VULNERABILITIES).ok().filter(|names| !names.is_empty())?;
    let one = |name: String| {
        let text = line(reading, &format!("{VULNERABILITIES}/{name}"))?;
        Some(CpuVulnerability { state: state(&text), name })
    };
    names.into_iter().map(one).collect()
}

fn state(text: &str) -> VulnerabilityState {
    // What holds for guests, and what the processor is not told apart for, stands before it.
    let said = text.strip_prefix("KVM: ").unwrap_or(text);
    if said.starts_with("Not affected") {
        VulnerabilityState::NotAffected
    } else if said.starts_with("Mitigation") {
        VulnerabilityState::Mitigated
    } else if said.starts_with("Vulnerable") {
        VulnerabilityState::Vulnerable
    } else {
        VulnerabilityState::Unknown
    }
}

fn command_line(reading: &mut Reading<'_>) -> Option<BTreeMap<String, String>> {
    let text = line(reading, "/proc/cmdline")?;
    let word = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let plain = value.len() <= 64 && value.chars().all(|c| c.is_ascii_graphic());
        (WORDS.contains(&name) && plain).then(|| (name.to_owned(), value.to_owned()))
    };
    Some(text.split_ascii_whitespace().filter_map(word).collect())
}
