//! What the host runs on. Every answer needs a positive sign; contradiction gives none.

use crate::host::{ReadError, Reading};
use evidence::kinds::host_os::{Chassis, Virtualisation};

const DMI: &str = "/sys/class/dmi/id";
/// Number of the first PID namespace (include/linux/proc_ns.h); containers have their own.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
/// Directories of control groups that container managers make.
const CONTAINER_GROUPS: &[&str] =
    &["/kubepods", "/docker/", "/docker-", "/lxc", "/libpod", "/machine.slice"];
/// Beginnings of `sys_vendor` or `product_name` in virtual machines.
const MACHINE_FIRMWARE: &[&str] = &[
    "QEMU",
    "KVM",
    "VMware",
    "VirtualBox",
    "innotek GmbH",
    "Xen",
    "Bochs",
    "Parallels",
    "BHYVE",
    "OpenStack",
    "Google Compute Engine",
    "Amazon EC2",
    "DigitalOcean",
    "vServer",
    "Alibaba Cloud ECS",
    "Virtual Machine",
    "Apple Virtualization",
];

#[derive(Default)]
pub(super) struct Platform {
    pub(super) in_container: Option<bool>,
    pub(super) virtualisation: Option<Virtualisation>,
    pub(super) chassis: Option<Chassis>,
}

pub(super) fn read(reading: &mut Reading<'_>) -> Platform {
    let mut platform = Platform::default();
    if reading.is_live() {
        platform.in_container = in_container(reading);
        platform.virtualisation = match platform.in_container {
            Some(true) => Some(Virtualisation::Container),
            Some(false) => virtualisation(reading),
            None => None,
        };
        platform.chassis = match platform.virtualisation {
            Some(Virtualisation::Container | Virtualisation::Machine) => Some(Chassis::Virtual),
            Some(Virtualisation::None) => chassis(reading),
            None => None,
        };
    }
    reading.gaps([
        ("in_container", platform.in_container.is_none()),
        ("virtualisation", platform.virtualisation.is_none()),
        ("chassis", platform.chassis.is_none()),
    ]);
    platform
}

/// The files under /run are written anew at every start. /.dockerenv is not: an image that became a
/// disk still has it, so it counts only where the namespace agrees.
fn in_container(reading: &mut Reading<'_>) -> Option<bool> {
    for path in ["/run/systemd/container", "/run/.containerenv"] {
        match reading.text(path) {
            Ok(_) => return Some(true),
            Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
    }
    let docker = match reading.text("/.dockerenv") {
        Ok(_) => true,
        Err(ReadError::Absent) => false,
        Err(_) => return None,
    };
    let first = reading.link("/proc/self/ns/pid").ok()? == FIRST_PID_NAMESPACE;
    if first {
        return (!docker).then_some(false);
    }
    // A unit with PrivatePIDs= has a namespace of its own too.
    let groups = reading.text("/proc/1/cgroup").unwrap_or_default();
    let named = CONTAINER_GROUPS.iter().any(|group| groups.contains(group));
    (docker || named).then_some(true)
}

/// The processor shows a hypervisor (x86), or the firmware names one. Bare metal needs both: a
/// processor that would show one and does not, and a maker that is none.
fn virtualisation(reading: &mut Reading<'_>) -> Option<Virtualisation> {
    let vendor = dmi(reading, "sys_vendor");
    let product = dmi(reading, "product_name");
    let cpuinfo = reading.text("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    let hypervisor = flags.map(|line| line.split_whitespace().any(|flag| flag == "hypervisor"));
    let names_machine = |name: &Option<String>| {
        let name = name.as_deref().unwrap_or_default();
        MACHINE_FIRMWARE.iter().any(|machine| name.starts_with(machine))
    };
    match (hypervisor, &vendor, &product) {
        (Some(true), _, _) => Some(Virtualisation::Machine),
        // Amazon's machines without a hypervisor are named `m5.metal`.
        (shown, Some(_), Some(name)) if name.contains(".metal") => {
            shown.is_some().then_some(Virtualisation::None)
        }
        // Without the name of the product such a vendor may stand for either.
        (_, _, None) if names_machine(&vendor) => None,
        _ if names_machine(&vendor) || names_machine(&product) => Some(Virtualisation::Machine),
        (Some(false), Some(_), Some(_)) => Some(Virtualisation::None),
        _ => None,
    }
}

/// SMBIOS 3.7, 7.4.1. Without a number the firmware does not say.
fn chassis(reading: &mut Reading<'_>) -> Option<Chassis> {
    let number: u8 = dmi(reading, "chassis_type")?.parse().ok()?;
    Some(match number {
        3 | 4 | 6 | 7 | 13 | 15 | 16 | 24 | 35 | 36 => Chassis::Desktop,
        8..=12 | 14 | 30..=32 => Chassis::Portable,
        17 | 23 | 25 | 28 | 29 => Chassis::Server,
        _ => Chassis::Unknown,
    })
}

fn dmi(reading: &mut Reading<'_>, name: &str) -> Option<String> {
    let text = reading.text(&format!("{DMI}/{name}")).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
