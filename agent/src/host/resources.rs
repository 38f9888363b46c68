//! What the machine has left, by the crate sysinfo: /proc/meminfo, /proc/loadavg, /proc/stat, and
//! statvfs(3) on local file systems with a device. Network file systems are left out, for one that
//! does not answer would hold the agent; images are always full and left out too.

use serde::Deserialize;
use sysinfo::{CpuRefreshKind, DiskRefreshKind, Disks, System};

/// File systems that are made once and always full.
const IMAGES: [&str; 5] = ["cramfs", "erofs", "iso9660", "squashfs", "udf"];

/// As the kernel says it now; a zero where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    pub cpus: u64,
    pub memory_bytes: u64,
    pub memory_available_bytes: u64,
    pub swap_bytes: u64,
    pub swap_free_bytes: u64,
    /// Load average of fifteen minutes, in hundredths.
    pub load_hundredths: u64,
    pub filesystems: Vec<Mounted>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mounted {
    pub mount: String,
    pub size_bytes: u64,
    /// For ordinary programs.
    pub available_bytes: u64,
}

pub(super) fn of_this_machine() -> Resources {
    let system = System::new().map(|mut system| {
        system.refresh_memory();
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system
    });
    let of = |part: fn(&System) -> u64| system.as_ref().map_or(0, part);
    let load = System::load_average().map_or(0.0, |load| load.fifteen);
    Resources {
        cpus: of(|system| system.cpus().len() as u64),
        memory_bytes: of(System::total_memory),
        memory_available_bytes: of(System::available_memory),
        swap_bytes: of(System::total_swap),
        swap_free_bytes: of(System::free_swap),
        load_hundredths: (load * 100.0).round().max(0.0) as u64,
        filesystems: filesystems(),
    }
}

fn filesystems() -> Vec<Mounted> {
    let storage = DiskRefreshKind::nothing().with_storage();
    let Ok(disks) = Disks::new_with_refreshed_list_specifics(storage) else { return Vec::new() };
    let is_image = |disk: &sysinfo::Disk| IMAGES.iter().any(|image| disk.file_system() == *image);
    let mounted = |disk: &sysinfo::Disk| Mounted {
        mount: disk.mount_point().to_string_lossy().into_owned(),
        size_bytes: disk.total_space(),
        available_bytes: disk.available_space(),
    };
    disks.iter().filter(|disk| !is_image(disk)).map(mounted).collect()
}
