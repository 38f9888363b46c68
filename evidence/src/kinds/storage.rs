//! Where data lies.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mounted file systems with their options, what is encrypted by the kernel, swap, and RAID. Of the
/// running system only. Encryption by the disk itself or by a hypervisor is not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// By mount point, without those of the kernel (/proc, /sys …); the last that was mounted at a
    /// place hides the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filesystems: Option<Vec<Filesystem>>,
    /// Encryption below `/`. Absent where it cannot be told, as of ZFS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_encryption: Option<Encryption>,
    /// In the order of the kernel's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<Vec<Swap>>,
    /// Arrays of md(4) that have lost a disk or did not come up, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raid_degraded: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filesystem {
    pub mount: String,
    /// Type, such as `ext4`.
    pub fstype: String,
    /// Absent where it cannot be told whether its device is removable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<StorageKind>,
    /// Options of the mount and of the file system that decide what may happen on it (`nodev`,
    /// `noexec`, `nosuid`, `ro`), sorted.
    pub options: Vec<String>,
    /// What lies under a file system on a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StorageKind {
    Disk,
    /// On a device of the USB or of a card reader, but for the system's own mount points.
    Removable,
    Network,
    /// In memory.
    Memory,
    /// Layers of others, as in containers.
    Overlay,
    /// Made once and never written to: squashfs, iso9660.
    Image,
    /// Another without a device, such as FUSE.
    Other,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// A part of it, or all, lies on a device in the clear.
    None,
    /// dm-crypt without a header, or of another kind than LUKS.
    Plain,
    /// By its header. A cipher that hides nothing (`cipher_null`) is not told apart.
    Luks1,
    Luks2,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    pub kind: SwapKind,
    /// Absent for one in memory, and where it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapKind {
    Device,
    File,
    /// Compressed, in memory.
    Zram,
}

impl Kind for Storage {
    const NAME: &'static str = "storage";
    const V: i64 = 1;
    const TITLE: &'static str = "Storage";
    const ABOUT: About = About {
        purpose: "Which file systems there are, whether they are encrypted, whether arrays are whole.",
        reads: &[
            "/proc/1/mountinfo",
            "/proc/swaps",
            "/sys/block/*",
            "/sys/class/block/*",
            "/sys/dev/block/*",
            "/sys/fs/btrfs/*",
        ],
        also_reads: "",
        stays: &["labels, UUIDs and serial numbers of disks", "addresses of network file systems"],
        needs: &[(
            Privilege::SysPtrace,
            "the mounts of the first process, where the agent has mounts of its own",
        )],
        cost: Cost::Light,
        people: "",
    };
}
