//! The tree of block devices: from a file system down to the disks under it.

use super::mounts::Mount;
use crate::host::{ReadError, Reading};
use evidence::kinds::storage::Encryption;

/// Deepest stack of devices: partition, RAID, encryption, volume …
const MAX_DEPTH: u8 = 16;
/// Other forms than LUKS under which cryptsetup(8) encrypts.
const PLAIN: [&str; 5] =
    ["CRYPT-BITLK-", "CRYPT-FVAULT2-", "CRYPT-LOOPAES-", "CRYPT-PLAIN-", "CRYPT-TCRYPT-"];
const CLASS: &str = "/sys/class/block";
const BTRFS: &str = "/sys/fs/btrfs";

/// Where a file system, or swap, lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Device {
    /// A directory of a block device in /sys.
    Directory(String),
    /// A path in /dev.
    Path(String),
    /// One of the devices of a btrfs, by its path in /dev.
    Btrfs(String),
    /// None that could be looked at.
    None,
}

impl Device {
    /// By number; btrfs has a number of its own, and names one of its devices.
    pub(super) fn of_mount(mount: &Mount) -> Self {
        let own = mount.device.starts_with("0:");
        match mount.fstype.as_str() {
            _ if !own => Self::Directory(format!("/sys/dev/block/{}", mount.device)),
            "btrfs" if mount.source.starts_with("/dev/") => Self::Btrfs(mount.source.clone()),
            _ => Self::None,
        }
    }

    pub(super) fn of_path(path: &str) -> Self {
        if path.starts_with("/dev/") { Self::Path(path.to_owned()) } else { Self::None }
    }

    /// Its directory in /sys.
    fn directory(&self, reading: &mut Reading<'_>) -> Option<String> {
        match self {
            Self::Directory(directory) => Some(directory.clone()),
            Self::Path(path) | Self::Btrfs(path) => {
                name(reading, path).map(|name| format!("{CLASS}/{name}"))
            }
            Self::None => None,
        }
    }
}

/// The kernel's name of a device; those below /dev/mapper and the like are links.
fn name(reading: &mut Reading<'_>, path: &str) -> Option<String> {
    let target = match reading.link(path) {
        Ok(target) => target,
        Err(ReadError::WrongType) => path.to_owned(),
        Err(_) => return None,
    };
    target.rsplit('/').next().map(str::to_owned)
}

/// What lies under it, on every way down; None where one of them cannot be followed.
pub(super) fn encryption(reading: &mut Reading<'_>, device: &Device) -> Option<Encryption> {
    if let Device::Btrfs(path) = device {
        let name = name(reading, path)?;
        let devices = btrfs_with(reading, &name)?;
        return least(reading, devices, MAX_DEPTH);
    }
    let directory = device.directory(reading)?;
    under(reading, &directory, MAX_DEPTH)
}

/// All devices of the btrfs that has this one.
fn btrfs_with(reading: &mut Reading<'_>, name: &str) -> Option<Vec<String>> {
    for id in reading.list(BTRFS).ok()? {
        let devices = match reading.list(&format!("{BTRFS}/{id}/devices")) {
            Ok(devices) => devices,
            // `features` is no file system.
            Err(ReadError::Absent) => continue,
            Err(_) => return None,
        };
        if devices.iter().any(|device| device == name) {
            return Some(devices);
        }
    }
    None
}

/// The weakest of several devices.
fn least(reading: &mut Reading<'_>, names: Vec<String>, depth: u8) -> Option<Encryption> {
    let mut least = Encryption::Luks2;
    for name in names {
        least = least.min(under(reading, &format!("{CLASS}/{name}"), depth)?);
    }
    Some(least)
}

fn under(reading: &mut Reading<'_>, directory: &str, depth: u8) -> Option<Encryption> {
    let depth = depth.checked_sub(1)?;
    match reading.text(&format!("{directory}/dm/uuid")) {
        Ok(uuid) if uuid.starts_with("CRYPT-LUKS2-") => return Some(Encryption::Luks2),
        Ok(uuid) if uuid.starts_with("CRYPT-LUKS1-") => return Some(Encryption::Luks1),
        Ok(uuid) if PLAIN.iter().any(|form| uuid.starts_with(form)) => {
            return Some(Encryption::Plain);
        }
        // VERITY and INTEGRITY guard against change, and hide nothing.
        Ok(_) | Err(ReadError::Absent) => {}
        Err(_) => return None,
    }
    let slaves = match reading.list(&format!("{directory}/slaves")) {
        Ok(slaves) => slaves,
        // A partition has none of its own; a directory that is not there is no device.
        Err(ReadError::Absent) => {
            return reading.stat(&format!("{directory}/dev")).ok().map(|_| Encryption::None);
        }
        Err(_) => return None,
    };
    if slaves.is_empty() {
        return reading.stat(&format!("{directory}/dev")).ok().map(|_| Encryption::None);
    }
    least(reading, slaves, depth)
}

/// Whether it, or one of the devices under it, hangs on the USB or is a card: the path in /sys says
/// so. `removable` does not: disks in a USB case say 0. None where it cannot be looked at.
pub(super) fn is_removable(reading: &mut Reading<'_>, device: &Device) -> Option<bool> {
    let directory = device.directory(reading)?;
    hangs(reading, &directory, MAX_DEPTH)
}

fn hangs(reading: &mut Reading<'_>, directory: &str, depth: u8) -> Option<bool> {
    let depth = depth.checked_sub(1)?;
    let target = reading.link(directory).ok()?;
    if target.contains("/usb") || target.contains("/mmc_host/") {
        return Some(true);
    }
    let slaves = match reading.list(&format!("{directory}/slaves")) {
        Ok(slaves) => slaves,
        Err(ReadError::Absent) => return Some(false),
        Err(_) => return None,
    };
    for slave in slaves {
        if hangs(reading, &format!("{CLASS}/{slave}"), depth)? {
            return Some(true);
        }
    }
    Some(false)
}
