//! Settings of /proc/sys: what runs, what is configured, and where the two differ.

use super::drop_ins;
use crate::formats::sysctl_conf::{self, Settings};
use crate::host::{ReadError, Reading};
use std::collections::{BTreeMap, BTreeSet};

const MAIN: &str = "/etc/sysctl.conf";

/// The settings that are read. Each is one integer that nothing but configuration changes.
pub(super) const NAMES: [&str; 45] = [
    "dev.tty.ldisc_autoload",
    "dev.tty.legacy_tiocsti",
    "fs.protected_fifos",
    "fs.protected_hardlinks",
    "fs.protected_regular",
    "fs.protected_symlinks",
    "fs.suid_dumpable",
    "kernel.dmesg_restrict",
    "kernel.io_uring_disabled",
    "kernel.kexec_load_disabled",
    "kernel.kptr_restrict",
    "kernel.modules_disabled",
    "kernel.perf_event_paranoid",
    "kernel.randomize_va_space",
    "kernel.sysrq",
    "kernel.unprivileged_bpf_disabled",
    "kernel.unprivileged_userns_clone",
    "kernel.yama.ptrace_scope",
    "net.core.bpf_jit_harden",
    "net.ipv4.conf.all.accept_redirects",
    "net.ipv4.conf.all.accept_source_route",
    "net.ipv4.conf.all.log_martians",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.all.secure_redirects",
    "net.ipv4.conf.all.send_redirects",
    "net.ipv4.conf.default.accept_redirects",
    "net.ipv4.conf.default.accept_source_route",
    "net.ipv4.conf.default.log_martians",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.conf.default.secure_redirects",
    "net.ipv4.conf.default.send_redirects",
    "net.ipv4.icmp_echo_ignore_broadcasts",
    "net.ipv4.icmp_ignore_bogus_error_responses",
    "net.ipv4.ip_forward",
    "net.ipv4.tcp_rfc1337",
    "net.ipv4.tcp_syncookies",
    "net.ipv6.conf.all.accept_ra",
    "net.ipv6.conf.all.accept_redirects",
    "net.ipv6.conf.all.accept_source_route",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.default.accept_ra",
    "net.ipv6.conf.default.accept_redirects",
    "net.ipv6.conf.default.accept_source_route",
    "vm.mmap_min_addr",
    "vm.unprivileged_userfaultfd",
];

/// The values of the running kernel.
pub(super) struct Running {
    pub(super) is_known: bool,
    pub(super) values: BTreeMap<String, i64>,
    /// Names that exist and were not read.
    unread: BTreeSet<&'static str>,
}

impl Running {
    pub(super) fn read(reading: &mut Reading<'_>) -> Self {
        let mut running =
            Self { is_known: false, values: BTreeMap::new(), unread: BTreeSet::new() };
        if !reading.is_live() {
            return running;
        }
        for name in NAMES {
            let path = format!("/proc/sys/{}", sysctl_conf::path(name));
            let value = match reading.text(&path) {
                Err(ReadError::Absent) => continue,
                Ok(text) => sysctl_conf::integer(&text).or_else(|| {
                    reading.malformed(&path, "not an integer");
                    None
                }),
                Err(_) => None,
            };
            match value {
                Some(value) => drop(running.values.insert(name.to_owned(), value)),
                None => {
                    reading.unread(&format!("sysctl.{name}"));
                    running.unread.insert(name);
                }
            }
        }
        // No setting at all is no /proc/sys, not a kernel without settings.
        running.is_known = !running.values.is_empty() || !running.unread.is_empty();
        running
    }
}

/// The values that the next boot sets.
pub(super) struct Configured {
    pub(super) is_known: bool,
    pub(super) values: BTreeMap<String, i64>,
    /// Names that are assigned something that is not known.
    unread: BTreeSet<&'static str>,
}

impl Configured {
    pub(super) fn read(reading: &mut Reading<'_>) -> Self {
        let mut configured =
            Self { is_known: false, values: BTreeMap::new(), unread: BTreeSet::new() };
        let Ok((at_boot, by_hand)) = settings(reading) else { return configured };
        configured.is_known = true;
        for name in NAMES {
            let path = sysctl_conf::path(name);
            let texts = (at_boot.value(&path), by_hand.value(&path));
            match texts {
                (None, None) => {}
                (Some(boot), Some(hand))
                    if boot == hand && sysctl_conf::integer(boot).is_some() =>
                {
                    let value = sysctl_conf::integer(boot);
                    configured.values.extend(value.map(|value| (name.to_owned(), value)));
                }
                _ => {
                    reading.unread(&format!("sysctl_configured.{name}"));
                    configured.unread.insert(name);
                }
            }
        }
        configured
    }
}

/// The settings as systemd-sysctl(8) applies them at boot, and as `sysctl --system` does.
fn settings(reading: &mut Reading<'_>) -> Result<(Settings, Settings), ReadError> {
    let mut at_boot = Settings::default();
    for (path, text) in drop_ins::read(reading, "sysctl.d")? {
        add(reading, &mut at_boot, &path, &text);
    }
    let mut by_hand = at_boot.clone();
    match reading.config(MAIN) {
        Ok(text) => add(reading, &mut by_hand, MAIN, &text),
        Err(ReadError::Absent) => {}
        Err(error) => return Err(error),
    }
    Ok((at_boot, by_hand))
}

/// A line that is no assignment is skipped by every reader of the format; the source says so.
fn add(reading: &mut Reading<'_>, settings: &mut Settings, path: &str, text: &str) {
    if let Err(line) = settings.add(text) {
        reading.note(path, format!("line {line} is no assignment of one setting"));
    }
}

/// Settings that run with another value than the configured one; `None` where one may be hidden.
pub(super) fn mismatches(running: &Running, configured: &Configured) -> Option<Vec<String>> {
    let is_whole = running.is_known && configured.is_known && configured.unread.is_empty();
    if !is_whole || configured.values.keys().any(|name| running.unread.contains(name.as_str())) {
        return None;
    }
    let lines = configured.values.iter().filter_map(|(name, wanted)| {
        let now = running.values.get(name).filter(|now| *now != wanted)?;
        Some(format!("{name}: configured {wanted}, running {now}"))
    });
    Some(lines.collect())
}
