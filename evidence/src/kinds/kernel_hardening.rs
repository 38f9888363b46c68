//! Settings that harden the kernel: sysctl values, kernel modules, USB storage.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A chosen list of integer settings below /proc/sys, as they run and as they are configured, and
/// what is known of kernel modules. In a container they are those of the machine around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelHardening {
    /// Running values by dotted name, as sysctl(8) prints them. A name that this kernel does not
    /// have is no key. Absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctl: Option<BTreeMap<String, i64>>,
    /// Values that the next boot sets: sysctl.d(5) and /etc/sysctl.conf, for the same names. A name
    /// on which systemd-sysctl(8) and `sysctl --system` would differ, for the latter reads
    /// /etc/sysctl.conf last and the former only through a link, is no key and unread. Absent when
    /// a file of them was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctl_configured: Option<BTreeMap<String, i64>>,
    /// `NAME: configured N, running N` for every name that runs with another value, sorted; absent
    /// unless both sides were read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatches: Option<Vec<String>>,
    /// Loaded modules without a valid signature (taint `E` of /proc/modules), sorted. A kernel
    /// that was built without signatures marks none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules_unsigned: Option<Vec<String>>,
    /// Loaded modules that were built outside the kernel's tree (taint `O`), sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules_out_of_tree: Option<Vec<String>>,
    /// Modules that modprobe(8) does not load, because modprobe.d(5) runs `/bin/false` or
    /// `/bin/true` in place of it (`install NAME /bin/false`), sorted, with `_` for `-`. A mere
    /// `blacklist` is not enough: it stops loading by alias, not by name. Absent when a file of
    /// modprobe.d was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules_blocked: Option<Vec<String>>,
    pub usb_storage: UsbStorage,
    /// No module can be loaded until the next boot (`kernel.modules_disabled`); absent offline and
    /// on kernels without modules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules_disabled: Option<bool>,
}

/// The driver of USB mass storage. `uas` needs it and is stopped with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsbStorage {
    /// `usb_storage` is in `modules_blocked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// The module is loaded now; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded: Option<bool>,
    /// The running kernel has the driver built in (modules.builtin), where no block reaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builtin: Option<bool>,
}

impl Kind for KernelHardening {
    const NAME: &'static str = "kernel_hardening";
    const V: i64 = 1;
    const TITLE: &'static str = "Kernel hardening";
    const ABOUT: About = About {
        purpose: "Settings of the kernel that make attacks harder, as they are and as they are configured; modules and USB storage.",
        reads: &[
            "/proc/sys/*",
            "/proc/modules",
            "/etc/sysctl.conf",
            "*/sysctl.d/*",
            "*/modprobe.d/*",
            "/lib/modules/*/modules.builtin",
        ],
        also_reads: "",
        stays: &[],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
