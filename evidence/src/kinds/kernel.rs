//! The kernel that runs, and those that are installed.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which kernel runs, whether a newer one waits for a restart, and what the processor's weaknesses
/// are met with. In a container all of it is that of the machine around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// As uname(1) -r prints it; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// Version of the package the running kernel was built as, by /proc/version (Debian) or
    /// /proc/version_signature (Ubuntu), in other families of the package that holds the release;
    /// absent offline and for another kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_version: Option<String>,
    /// Packages with a kernel image (`linux-image-RELEASE`; of rpm `kernel-core`, `kernel-default`
    /// and the like, of apk and pacman `linux-lts` and the like), by release; absent where no
    /// package database is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<Vec<Installed>>,
    /// Whether a restart is due: /run/reboot-required is there, or a newer kernel of the same
    /// flavour is installed than the one that runs. Absent offline, and for a kernel that none of
    /// the packages holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot_required: Option<bool>,
    /// Since when, as UTC day since the epoch: when the mark or the newest kernel came. Absent
    /// unless a restart is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot_required_since_day: Option<i64>,
    /// The bits of /proc/sys/kernel/tainted; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taint: Option<i64>,
    /// What the kernel keeps even root from (kernel_lockdown(7)); absent offline, and without the
    /// file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockdown: Option<Lockdown>,
    /// What the kernel says of each weakness of the processor, by name; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_vulnerabilities: Option<Vec<CpuVulnerability>>,
    /// Words of the kernel's command line that decide about protections, by name: only those of a
    /// list, for the rest may hold secrets. A word without a value has an empty one. Absent
    /// offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<BTreeMap<String, String>>,
}

/// A package with a kernel image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// As uname(1) -r prints it when it runs.
    pub release: String,
    /// Version of the package.
    pub version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lockdown {
    None,
    Integrity,
    Confidentiality,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuVulnerability {
    /// File name below /sys/devices/system/cpu/vulnerabilities.
    pub name: String,
    pub state: VulnerabilityState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VulnerabilityState {
    NotAffected,
    /// `Mitigation: …`, also where the kernel adds that something beside it stays open (`SMT
    /// vulnerable`).
    Mitigated,
    Vulnerable,
    /// The kernel does not know, or says something this agent does not.
    Unknown,
}

impl Kind for Kernel {
    const NAME: &'static str = "kernel";
    const V: i64 = 1;
    const TITLE: &'static str = "Kernel";
    const ABOUT: About = About {
        purpose: "Whether the kernel that runs is the newest that is installed, and what it is open to.",
        reads: &[
            "/proc/cmdline",
            "/proc/version",
            "/proc/version_signature",
            "/proc/sys/kernel/*",
            "/sys/devices/system/cpu/vulnerabilities/*",
            "/sys/kernel/security/lockdown",
        ],
        also_reads: "the package database, as `packages` reads it",
        stays: &["the kernel's command line, but for a fixed list of security switches"],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
