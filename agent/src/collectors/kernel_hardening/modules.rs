//! Kernel modules: which are loaded and how they taint the kernel, which cannot be loaded.

use super::drop_ins;
use crate::formats::modprobe_conf::{Installs, underscored};
use crate::host::Reading;
use evidence::kinds::kernel_hardening::UsbStorage;
use std::collections::{BTreeMap, BTreeSet};

const LOADED: &str = "/proc/modules";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
const USB_STORAGE: &str = "usb_storage";

/// Modules that hardening guides block, to be found behind a pattern too.
const OFTEN_BLOCKED: [&str; 16] = [
    "atm",
    "can",
    "cramfs",
    "dccp",
    "firewire_core",
    "freevxfs",
    "hfs",
    "hfsplus",
    "jffs2",
    "rds",
    "sctp",
    "squashfs",
    "tipc",
    "uas",
    "udf",
    USB_STORAGE,
];

pub(super) struct Modules {
    /// Loaded modules with the letters of their taint.
    loaded: Option<BTreeMap<String, String>>,
    installs: Option<Installs>,
    usb_storage_builtin: Option<bool>,
}

impl Modules {
    pub(super) fn read(reading: &mut Reading<'_>) -> Self {
        let is_live = reading.is_live();
        Self {
            loaded: if is_live { loaded(reading) } else { None },
            installs: installs(reading),
            usb_storage_builtin: if is_live { builtin(reading) } else { None },
        }
    }

    pub(super) fn unsigned(&self) -> Option<Vec<String>> {
        self.tainted_with('E')
    }

    pub(super) fn out_of_tree(&self) -> Option<Vec<String>> {
        self.tainted_with('O')
    }

    fn tainted_with(&self, letter: char) -> Option<Vec<String>> {
        let loaded = self.loaded.as_ref()?.iter();
        Some(loaded.filter(|(_, t)| t.contains(letter)).map(|(name, _)| name.clone()).collect())
    }

    pub(super) fn blocked(&self) -> Option<Vec<String>> {
        let installs = self.installs.as_ref()?;
        let names: BTreeSet<&str> = installs.names().chain(OFTEN_BLOCKED).collect();
        Some(names.into_iter().filter(|n| installs.block(n)).map(str::to_owned).collect())
    }

    pub(super) fn usb_storage(&self) -> UsbStorage {
        UsbStorage {
            blocked: self.installs.as_ref().map(|installs| installs.block(USB_STORAGE)),
            loaded: self.loaded.as_ref().map(|loaded| loaded.contains_key(USB_STORAGE)),
            builtin: self.usb_storage_builtin,
        }
    }
}

/// proc(5): `name size users dependents state address`, and the taint in parentheses if there is
/// one. A kernel without modules has no such file.
fn loaded(reading: &mut Reading<'_>) -> Option<BTreeMap<String, String>> {
    let text = reading.text(LOADED).ok()?;
    let modules: Option<BTreeMap<_, _>> = text.lines().map(module).collect();
    if modules.is_none() {
        reading.malformed(LOADED, "a line has not the six or seven words of a module");
    }
    modules
}

fn module(line: &str) -> Option<(String, String)> {
    let words: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let taint = match words.as_slice() {
        [_, _, _, _, _, _] => "",
        [_, _, _, _, _, _, taint] => taint.strip_prefix('(')?.strip_suffix(')')?,
        _ => return None,
    };
    Some((words.first()?.to_string(), taint.to_owned()))
}

fn installs(reading: &mut Reading<'_>) -> Option<Installs> {
    let mut installs = Installs::default();
    for (_, text) in drop_ins::read(reading, "modprobe.d").ok()? {
        installs.add(&text);
    }
    Some(installs)
}

/// Whether the running kernel has the driver in itself: modules.builtin lists paths.
fn builtin(reading: &mut Reading<'_>) -> Option<bool> {
    let release = reading.text(RELEASE).ok()?;
    let list = format!("/lib/modules/{}/modules.builtin", release.trim());
    let text = reading.text(&list).ok().filter(|text| !text.is_empty())?;
    let mut names = text.lines().filter_map(|path| path.rsplit('/').next()?.strip_suffix(".ko"));
    Some(names.any(|name| underscored(name) == USB_STORAGE))
}
