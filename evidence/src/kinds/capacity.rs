//! What the host has left.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Processors, memory, swap and local file systems, in steps: what moves a little all the time makes
/// no new facts. Of the running system only; in a container much of it is that of the machine
/// around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Processors, as the scheduler counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<i64>,
    /// In MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<i64>,
    /// Memory that programs can still have without swapping (`MemAvailable`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_left: Option<Room>,
    /// In MiB; 0 without swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_mib: Option<i64>,
    /// Absent without swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_left: Option<Room>,
    /// Programs that wanted to run, on the average of fifteen minutes, for each processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// Local file systems with a device, by mount point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filesystems: Option<Vec<Filesystem>>,
}

/// How much of it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// Half of it or more.
    Ample,
    /// A fifth or more.
    Enough,
    /// A tenth or more.
    Short,
    /// Less than a tenth.
    Exhausted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Below a half.
    Low,
    /// Below one.
    Moderate,
    /// Below two.
    High,
    Overloaded,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mount: String,
    /// Share that ordinary programs cannot write to any more, in percent, rounded up to a multiple
    /// of five: what is used, and what is kept for root.
    pub used_pct: i64,
}

impl Kind for Capacity {
    const NAME: &'static str = "capacity";
    const V: i64 = 1;
    const TITLE: &'static str = "Capacity";
    const ABOUT: About = About {
        purpose: "Whether the machine has room: memory, load and file systems, in coarse steps.",
        reads: &["/proc/loadavg", "/proc/meminfo", "/proc/mounts"],
        also_reads: "statfs(2) of each mounted file system",
        stays: &[],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
