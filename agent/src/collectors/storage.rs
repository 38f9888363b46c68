//! The kind `storage`: proc_pid_mountinfo(5), /proc/swaps, and the tree of block devices in
//! /sys. Mounts are those of the first process, which CAP_SYS_PTRACE shows. Only of the running system.

mod devices;
pub(super) mod mounts;

use super::{Collector, facts};
use crate::host::{Failure, FileKind, ReadError, Reading};
use devices::{Device, encryption};
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::storage::{Encryption, Filesystem, Storage, StorageKind, Swap, SwapKind};
use mounts::Mount;
use std::collections::BTreeMap;

pub(super) const COLLECTOR: Collector = Collector {
    kind: Storage::NAME,
    schedule: "0 * * * *",
    live_only: true,
    collect: |reading| collect(reading).and_then(facts),
};

/// Of the first process: a unit's own mounts are made stricter for it.
const MOUNTS: &str = "/proc/1/mountinfo";
const SWAPS: &str = "/proc/swaps";
const BLOCK: &str = "/sys/block";
/// Mount points of the system itself, whatever it was installed on.
const SYSTEM: [&str; 9] =
    ["/", "/boot", "/boot/efi", "/boot/firmware", "/efi", "/home", "/srv", "/usr", "/var"];
/// Options that decide what may happen on a file system.
const OPTIONS: [&str; 4] = ["nodev", "noexec", "nosuid", "ro"];

fn collect(reading: &mut Reading<'_>) -> Result<Storage, Failure> {
    let text = reading.text(MOUNTS)?;
    let mounts = mounts::parse(&text).map_err(|line| {
        reading.malformed(MOUNTS, format!("line {line}: not a mount"));
        Failure(Status::ParseError)
    })?;
    let filesystems = filesystems(reading, &mounts);
    let root = filesystems.iter().find(|one| one.mount == "/");
    let root_encryption = root.and_then(|root| root.encryption);
    let on_device = |one: &&Filesystem| {
        matches!(one.kind, None | Some(StorageKind::Disk | StorageKind::Removable))
    };
    let kind_unclear = filesystems.iter().any(|one| one.kind.is_none());
    let unclear = filesystems.iter().filter(on_device).any(|one| one.encryption.is_none());
    let swap = swaps(reading, &mounts);
    let swap_unclear = swap.as_ref().is_some_and(|swap| {
        swap.iter().any(|one| one.kind != SwapKind::Zram && one.encryption.is_none())
    });
    let raid_degraded = raid_degraded(reading);
    reading.gaps([
        ("filesystems.kind", kind_unclear),
        ("filesystems.encryption", unclear),
        ("root_encryption", root_encryption.is_none()),
        ("swap", swap.is_none()),
        ("swap.encryption", swap_unclear),
        ("raid_degraded", raid_degraded.is_none()),
    ]);
    Ok(Storage { filesystems: Some(filesystems), root_encryption, swap, raid_degraded })
}

fn filesystems(reading: &mut Reading<'_>, mounts: &[Mount]) -> Vec<Filesystem> {
    let mut places = BTreeMap::new();
    for mount in mounts {
        places.insert(mount.target.as_str(), mount);
    }
    let mut found = Vec::new();
    for mount in places.into_values() {
        let (kind, on_device) = match place(mount) {
            Place::Kernel => continue,
            Place::Of(kind) => (Some(kind), false),
            Place::Device => (device_kind(reading, mount), true),
        };
        let encryption = on_device.then(|| encryption(reading, &Device::of_mount(mount))).flatten();
        let mut options: Vec<_> = OPTIONS.iter().filter(|option| mount.has(option)).collect();
        options.sort();
        found.push(Filesystem {
            mount: mount.target.clone(),
            fstype: mount.fstype.clone(),
            kind,
            options: options.into_iter().map(|option| (*option).to_owned()).collect(),
            encryption,
        });
    }
    found
}

/// Whether a mount is of this machine's own disks or memory, and is no device file system.
pub(super) fn is_local(mount: &Mount) -> bool {
    matches!(place(mount), Place::Device | Place::Of(StorageKind::Memory))
}

pub(super) fn is_overlay(mount: &Mount) -> bool {
    matches!(place(mount), Place::Of(StorageKind::Overlay))
}

pub(super) fn is_network(mount: &Mount) -> bool {
    matches!(place(mount), Place::Of(StorageKind::Network))
}

/// Where a file system has its files.
enum Place {
    /// It has none: it shows what the kernel knows.
    Kernel,
    Of(StorageKind),
    /// On a block device.
    Device,
}

fn place(mount: &Mount) -> Place {
    match mount.fstype.as_str() {
        "autofs" | "binfmt_misc" | "bpf" | "cgroup" | "cgroup2" | "configfs" | "debugfs"
        | "devpts" | "devtmpfs" | "efivarfs" | "fusectl" | "hugetlbfs" | "mqueue" | "nsfs"
        | "proc" | "pstore" | "rpc_pipefs" | "securityfs" | "selinuxfs" | "sysfs" | "tracefs" => {
            Place::Kernel
        }
        "tmpfs" | "ramfs" => Place::Of(StorageKind::Memory),
        "overlay" | "aufs" => Place::Of(StorageKind::Overlay),
        "cramfs" | "erofs" | "iso9660" | "squashfs" | "udf" => Place::Of(StorageKind::Image),
        "9p" | "afs" | "ceph" | "cifs" | "gfs2" | "nfs" | "nfs4" | "ocfs2" | "smb3"
        | "virtiofs" => Place::Of(StorageKind::Network),
        fuse if fuse == "fuse" || fuse.starts_with("fuse.") => Place::Of(StorageKind::Other),
        _ if mount.source.starts_with("/dev/") || mount.fstype == "zfs" => Place::Device,
        _ => Place::Of(StorageKind::Other),
    }
}

/// Whether a path of the running system lies on a network file system; false when it lies on a
/// device. None when neither is sure, as with memory, FUSE, and a link on the way.
pub(super) fn is_on_network(reading: &mut Reading<'_>, path: &str) -> Option<bool> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    for end in ends {
        if reading.lstat(path.get(..end)?).ok()?.kind == FileKind::Link {
            return None;
        }
    }
    let mounts = mounts::parse(&reading.text(MOUNTS).ok()?).ok()?;
    let holds = |mount: &&Mount| match path.strip_prefix(mount.target.trim_end_matches('/')) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    };
    // Of two at one place the later one hides the other: the last of the longest.
    match place(mounts.iter().filter(holds).max_by_key(|mount| mount.target.len())?) {
        Place::Device => Some(false),
        Place::Of(StorageKind::Network) => Some(true),
        _ => None,
    }
}

fn device_kind(reading: &mut Reading<'_>, mount: &Mount) -> Option<StorageKind> {
    // A pool is no stick, and neither is the card or the USB disk that the system itself lives on.
    if mount.fstype == "zfs" || SYSTEM.contains(&mount.target.as_str()) {
        return Some(StorageKind::Disk);
    }
    let is_removable = devices::is_removable(reading, &Device::of_mount(mount))?;
    Some(if is_removable { StorageKind::Removable } else { StorageKind::Disk })
}

/// `Filename Type Size Used Priority`, a line each; blanks in names are `\040`.
fn swaps(reading: &mut Reading<'_>, mounts: &[Mount]) -> Option<Vec<Swap>> {
    let text = reading.text(SWAPS).ok()?;
    let mut lines = text.lines();
    if !lines.next().is_some_and(|head| head.starts_with("Filename")) {
        reading.malformed(SWAPS, "line 1: not the head of the list");
        return None;
    }
    let mut found = Vec::new();
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        let (Some(path), Some(kind)) = (words.next(), words.next()) else {
            reading.malformed(SWAPS, "a line that is no swap");
            return None;
        };
        let path = mounts::decoded(path);
        let name = path.strip_prefix("/dev/").unwrap_or_default();
        let (kind, encryption) = match kind {
            "partition" if name.starts_with("zram") => (SwapKind::Zram, None),
            "partition" => (SwapKind::Device, encryption(reading, &Device::of_path(&path))),
            "file" => (SwapKind::File, of_file(reading, &path, mounts)),
            _ => {
                reading.malformed(SWAPS, "a kind of swap that is not known here");
                return None;
            }
        };
        found.push(Swap { kind, encryption });
    }
    Some(found)
}

/// That of the file system the file lies on: the longest mount point above it.
fn of_file(reading: &mut Reading<'_>, path: &str, mounts: &[Mount]) -> Option<Encryption> {
    let above = |mount: &&Mount| {
        let target = mount.target.trim_end_matches('/');
        path.strip_prefix(target).is_some_and(|rest| rest.starts_with('/'))
    };
    let mount = mounts.iter().filter(above).max_by_key(|mount| mount.target.len())?;
    encryption(reading, &Device::of_mount(mount))
}

/// Arrays that lack a disk, or did not come up at all.
fn raid_degraded(reading: &mut Reading<'_>) -> Option<Vec<String>> {
    let names = reading.list(BLOCK).ok()?;
    let mut degraded = Vec::new();
    for name in names.into_iter().filter(|name| name.starts_with("md")) {
        if is_degraded(reading, &format!("{BLOCK}/{name}/md"))? {
            degraded.push(name);
        }
    }
    Some(degraded)
}

/// `degraded` of md: how many disks are missing (Documentation/admin-guide/md.rst of the kernel). An
/// array without redundancy has no such file, and neither has one that was not assembled.
fn is_degraded(reading: &mut Reading<'_>, array: &str) -> Option<bool> {
    match reading.text(&format!("{array}/degraded")) {
        Ok(text) => return text.trim().parse::<u32>().ok().map(|missing| missing > 0),
        Err(ReadError::Absent) => {}
        Err(_) => return None,
    }
    let state = reading.text(&format!("{array}/array_state")).ok()?;
    let level = reading.text(&format!("{array}/level")).ok()?;
    match (state.trim(), level.trim()) {
        // A number without disks.
        ("clear", _) => Some(false),
        ("inactive", _) => Some(true),
        (_, "raid0" | "linear") => Some(false),
        _ => None,
    }
}
