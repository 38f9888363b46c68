//! Which operating system this is, and how long its maker supports it.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Identity and support of the operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostOs {
    /// `ID` of os-release(5), lower case: `debian`, `ubuntu`, `rhel` …
    pub id: String,
    /// `ID_LIKE` of os-release(5).
    pub id_like: Vec<String>,
    pub family: Family,
    /// `VERSION_ID` of os-release(5); absent where the release has none (Debian testing and sid).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// `VERSION_CODENAME` of os-release(5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
    /// `VARIANT_ID` of os-release(5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<String>,
    /// When support ends; absent for a release that no source knows, and for testing and sid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<Support>,
    /// Ubuntu only: whether Expanded Security Maintenance is enabled for the main archive
    /// (`esm-infra`), by the status that the `pro` client keeps; false where it never kept one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub esm_enabled: Option<bool>,
    /// Whether the host is a container; absent offline or where signs contradict each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_container: Option<bool>,
    /// What the host runs on; absent offline or where it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtualisation: Option<Virtualisation>,
    /// Form of the machine from its firmware (SMBIOS chassis type); absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chassis: Option<Chassis>,
    /// Whether people sit at it: a portable or desktop chassis, or an enabled display manager.
    /// Absent when neither shows itself and the chassis is absent or unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_workstation: Option<bool>,
}

/// The last day of each tier of support, as UTC days since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// Last day of the maker's regular support.
    pub standard_end_day: i64,
    /// Last day of long-term support (Debian LTS); equal to the standard one where there is no such tier.
    pub lts_end_day: i64,
    /// Last day of extended support under contract (Debian ELTS, Ubuntu ESM); equal to the tier below where there is none.
    pub extended_end_day: i64,
    pub source: SupportSource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SupportSource {
    /// `SUPPORT_END` of os-release(5).
    OsRelease,
    /// The tables of distro-info-data on the host; as old as the host itself.
    DistroInfo,
    /// The table built into the agent.
    Builtin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Debian,
    Rhel,
    Suse,
    Alpine,
    Arch,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Virtualisation {
    /// Firmware names a maker of machines, and no hypervisor shows itself.
    None,
    /// The host is a virtual machine.
    Machine,
    /// The host is a container.
    Container,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Chassis {
    Desktop,
    Portable,
    Server,
    /// A virtual machine or a container: it has no form of its own.
    Virtual,
    /// The firmware does not say.
    Unknown,
}

impl Kind for HostOs {
    const NAME: &'static str = "host_os";
    const V: i64 = 1;
    const TITLE: &'static str = "Operating system and its support";
    const ABOUT: About = About {
        purpose: "Which operating system this is, and until when it is supported.",
        reads: &[
            "/etc/os-release",
            "/usr/lib/os-release",
            "/usr/share/distro-info/*",
            "/var/lib/ubuntu-advantage/status.json",
            "/.dockerenv",
            "/run/.containerenv",
            "/run/systemd/container",
            "/proc/1/cgroup",
            "/proc/cpuinfo",
            "/sys/class/dmi/id/*",
        ],
        also_reads: "",
        stays: &[
            "serial numbers and UUIDs of the hardware",
            "host name and machine id: they are in the enrolment record",
        ],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
