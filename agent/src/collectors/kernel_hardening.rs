//! The kind `kernel_hardening`: /proc/sys, sysctl.d(5), /proc/modules, modprobe.d(5) and the list of
//! drivers in the kernel. Root reads all of it; some of /proc/sys is closed to others. With
//! `--root` only what is configured can be read, and the kind is `partial`.

mod drop_ins;
mod modules;
mod sysctls;

use super::{Collector, facts};
use crate::host::{Failure, Reading};
use evidence::kinds::{KernelHardening, Kind};
use modules::Modules;
use sysctls::{Configured, Running};

pub(super) const COLLECTOR: Collector = Collector {
    kind: KernelHardening::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

fn collect(reading: &mut Reading<'_>) -> Result<KernelHardening, Failure> {
    let running = Running::read(reading);
    let configured = Configured::read(reading);
    let mismatches = sysctls::mismatches(&running, &configured);
    let modules = Modules::read(reading);
    let modules_disabled = running.values.get("kernel.modules_disabled").map(|value| *value != 0);
    let facts = KernelHardening {
        mismatches,
        modules_unsigned: modules.unsigned(),
        modules_out_of_tree: modules.out_of_tree(),
        modules_blocked: modules.blocked(),
        usb_storage: modules.usb_storage(),
        modules_disabled,
        sysctl: running.is_known.then_some(running.values),
        sysctl_configured: configured.is_known.then_some(configured.values),
    };
    name_gaps(reading, &facts);
    Ok(facts)
}

/// Every fact that is not there was not read.
fn name_gaps(reading: &mut Reading<'_>, facts: &KernelHardening) {
    reading.gaps([
        ("sysctl", facts.sysctl.is_none()),
        ("sysctl_configured", facts.sysctl_configured.is_none()),
        ("mismatches", facts.mismatches.is_none()),
        ("modules_unsigned", facts.modules_unsigned.is_none()),
        ("modules_out_of_tree", facts.modules_out_of_tree.is_none()),
        ("modules_blocked", facts.modules_blocked.is_none()),
        ("usb_storage.blocked", facts.usb_storage.blocked.is_none()),
        ("usb_storage.loaded", facts.usb_storage.loaded.is_none()),
        ("usb_storage.builtin", facts.usb_storage.builtin.is_none()),
        ("modules_disabled", facts.modules_disabled.is_none()),
    ]);
}
