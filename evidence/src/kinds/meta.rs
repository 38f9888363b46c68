//! The agent about itself: which program gathers, with which rights, and what it leaves out.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the agent says about itself. It is its own witness: this shows mistakes of operation, not an
/// agent that somebody replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    pub agent_version: String,
    /// SHA-256 of the running program, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_sha256: Option<String>,
    /// SHA-256 of the configuration file, in hexadecimal; of the text shipped as the default where
    /// there is none. Absent when the kind was gathered by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_sha256: Option<String>,
    /// Kinds that the configuration switches off, sorted. Absent when gathered by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds_off: Option<Vec<String>>,
    /// The effective user the agent runs as; 0 is root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<i64>,
    /// Capabilities (capabilities(7)) that kinds need and the agent has, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    /// Capabilities that it lacks, each with the kinds that then say less: `NAME (kind, kind)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities_missing: Option<Vec<String>>,
    pub confinement: Confinement,
    /// Since version 3.
    pub limits: Limits,
    pub spool: Spool,
}

/// How the agent is confined, as /proc/self/status says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// It can gain no rights by running another program (`NoNewPrivileges=` of systemd.exec(5)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_new_privs: Option<bool>,
    /// Its system calls are filtered (`SystemCallFilter=`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// It may write nothing but its state directory (landlock(7)); absent when gathered by hand.
    /// Since version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landlock: Option<bool>,
}

/// What the agent can take at most. Where no unit of systemd bounds it, it does so itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How far it steps back for other programs, from -20 to 19.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<i64>,
    /// Files that it may have open; 0 is any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<i64>,
    /// The least of `MemoryMax=` of its control groups and its own limit of data; 0 is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<i64>,
    /// Whether what it had in memory may be written to a disk when it crashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dumps_core: Option<bool>,
}

/// The mode of seccomp(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    Off,
    Strict,
    Filter,
}

/// What waits for the collector. Absent fields: gathered by hand, or not readable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spool {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<SpoolState>,
    /// Facts were dropped at some time, because the spool was full or they were too old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_dropped: Option<bool>,
    /// UTC day on which facts were last dropped; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_dropped_day: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpoolState {
    /// Everything was delivered.
    Empty,
    /// Check-ins wait.
    Waiting,
    /// Check-ins wait, and facts were dropped since the oldest of them was made.
    Dropping,
}

impl Kind for Meta {
    const NAME: &'static str = "meta";
    const V: i64 = 3;
    const TITLE: &'static str = "The agent about itself";
    const ABOUT: About = About {
        purpose: "The agent about itself: its program, its privileges, what waits in its spool.",
        reads: &[
            "/proc/self/cgroup",
            "/proc/self/limits",
            "/proc/self/stat",
            "/proc/self/status",
            "/sys/fs/cgroup/*",
            "/var/lib/evidenced-agent/spool/*",
        ],
        also_reads: "the agent's own program, for its hash",
        stays: &[],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
