//! Sources that have to be there, and whose records have to be whole, for a kind to say anything
//! about what they hold. Everything else may be missing for good: a drop-in, a vendor's file, a key
//! that was never made. Who deletes the drop-in that held the defect has repaired the host.

use crate::machine::Case;

struct Required {
    kind: &'static str,
    path: &'static str,
    /// A record that was cut can be told from a whole one.
    records: bool,
}

const fn whole(kind: &'static str, path: &'static str) -> Required {
    Required { kind, path, records: true }
}

const fn there(kind: &'static str, path: &'static str) -> Required {
    Required { kind, path, records: false }
}

/// - passwd(5), shadow(5), group(5), nsswitch.conf(5): every Debian has them from the first minute
///   on, and tools write them with a line's end after the last record. gshadow(5) and
///   login.defs(5) may be missing: then nobody administers a group, and the built-in values hold.
/// - os-release(5): without it nothing is known about support.
/// - The package database: without it nothing is known to be not installed. Its records end with
///   an empty line; a database of rpm has pages, and is whole or not at all.
/// - What apt keeps of a source: the signed metadata ends with its signature, and knows the size of
///   every list.
/// - sshd_config(5), sudoers(5): the program that is installed does not start without it. People
///   write these, and leave the last line's end away; what is before it is then whole as well, so
///   a cut cannot be told.
/// - The tables of TCP and UDP for IPv4 in /proc/net: no kernel with a network is without them, and
///   each line ends. Those for IPv6 are missing for good where the kernel does without.
/// - ip_local_port_range: without it nobody knows which UDP sockets are those of clients.
/// - What the kernel says over netlink ends with a message of its own. A host without IPv6 has nothing
///   of it below /proc.
/// - /sys/kernel/security/lsm and what a security module shows of itself: no kernel that has one is
///   without them. SetupMode: every firmware that has SecureBoot has it. The list of keys stands on
///   users, packages and the server's configuration.
/// - passwd(5) and group(5) again: files belong to those they name.
/// - The mounts of the first process, and the list of swap: no kernel is without them, and a list
///   without `/` is none.
/// - /proc/self/status: of the running agent there always is one. An account of losses is made with
///   the first loss, and the directory of the spool with the state.
/// - /proc/stat and /proc/uptime: every kernel has them, and no age is known without. Records of
///   logins, on the other hand, are made or not as a distribution likes, and so is every file of
///   time_sync: a client that is gone sets no clock.
const REQUIRED: &[Required] = &[
    whole("accounts", "/etc/passwd"),
    whole("accounts", "/etc/shadow"),
    whole("accounts", "/etc/group"),
    there("accounts", "/etc/nsswitch.conf"),
    whole("audit", "/netlink/audit"),
    there("audit", "/etc/audit/auditd.conf"),
    there("audit", "/var/lib/dpkg/status"),
    whole("authorized_keys", "/etc/passwd"),
    whole("authorized_keys", "/var/lib/dpkg/status"),
    there("authorized_keys", "/etc/ssh/sshd_config"),
    whole("file_integrity", "/var/lib/dpkg/status"),
    there("file_integrity", "/var/lib/dpkg/info/tool.list"),
    whole("firewall", "/netlink/nf_tables"),
    whole("firewall", "/netlink/nf_tables_sets"),
    there("firewall", "/proc/net/if_inet6"),
    whole("file_permissions", "/etc/group"),
    there("file_permissions", "/etc/shadow"),
    whole("file_walk", "/etc/passwd"),
    whole("file_walk", "/etc/group"),
    whole("file_walk", "/proc/1/mountinfo"),
    there("host_os", "/etc/os-release"),
    whole("kernel", "/lib/apk/db/installed"),
    whole("kernel", "/usr/lib/sysimage/rpm/Packages.db"),
    whole("kernel", "/var/lib/dpkg/status"),
    whole("kernel", "/var/lib/rpm/rpmdb.sqlite"),
    there("kernel", "/proc/sys/kernel/osrelease"),
    whole("listening_ports", "/proc/net/tcp"),
    whole("listening_ports", "/proc/net/udp"),
    there("listening_ports", "/proc/sys/net/ipv4/ip_local_port_range"),
    whole("logins", "/etc/passwd"),
    there("mac", "/sys/kernel/security/lsm"),
    there("mac", "/sys/fs/selinux/enforce"),
    there("mac", "/sys/module/apparmor/parameters/enabled"),
    whole("mac", "/sys/kernel/security/apparmor/profiles"),
    there("meta", "/proc/self/status"),
    there("package_updates", "/etc/os-release"),
    whole("package_updates", "/var/lib/apt/lists/mirror.example_debian_dists_bookworm_InRelease"),
    whole(
        "package_updates",
        "/var/lib/apt/lists/mirror.example_debian_dists_bookworm_main_binary-amd64_Packages",
    ),
    whole(
        "package_updates",
        "/var/lib/apt/lists/mirror.example_debian-security_dists_bookworm-security_InRelease",
    ),
    whole(
        "package_updates",
        "/var/lib/apt/lists/mirror.example_debian-security_dists_bookworm-security_main_binary-amd64_Packages",
    ),
    whole("package_updates", "/var/lib/dpkg/status"),
    whole("packages", "/lib/apk/db/installed"),
    whole("packages", "/usr/lib/apk/db/installed"),
    whole("packages", "/usr/lib/sysimage/rpm/Packages.db"),
    whole("packages", "/usr/lib/sysimage/rpm/rpmdb.sqlite"),
    whole("packages", "/var/lib/dpkg/status"),
    whole("packages", "/var/lib/rpm/Packages"),
    whole("packages", "/var/lib/rpm/rpmdb.sqlite"),
    whole("password_policy", "/etc/passwd"),
    whole("password_policy", "/etc/shadow"),
    there(
        "platform_trust",
        "/sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    ),
    whole("services", "/etc/passwd"),
    whole("services", "/run/dbus/system_bus_socket"),
    whole("services", "/var/lib/dpkg/status"),
    whole("ssh_server", "/lib/apk/db/installed"),
    whole("ssh_server", "/usr/lib/sysimage/rpm/Packages.db"),
    whole("ssh_server", "/var/lib/dpkg/status"),
    whole("ssh_server", "/var/lib/rpm/rpmdb.sqlite"),
    there("ssh_server", "/etc/ssh/sshd_config"),
    whole("storage", "/proc/1/mountinfo"),
    there("storage", "/proc/swaps"),
    whole("sudo", "/lib/apk/db/installed"),
    whole("sudo", "/usr/lib/sysimage/rpm/Packages.db"),
    whole("sudo", "/var/lib/dpkg/status"),
    whole("sudo", "/var/lib/rpm/rpmdb.sqlite"),
    whole("sudo", "/etc/group"),
    whole("sudo", "/etc/passwd"),
    there("sudo", "/etc/sudoers"),
    there("time_sync", "/proc/stat"),
    there("time_sync", "/proc/uptime"),
];

/// Cases that have another source in its place, so that it may be missing: the database of a tool
/// beside that of the system, an old one beside a new one, a vendor's file beside the
/// administrator's.
const REPLACED: [(&str, &str); 5] = [
    ("packages/dpkg_tool_on_an_rpm_host", "/var/lib/dpkg/status"),
    ("packages/rpm_two_databases", "/var/lib/rpm/Packages"),
    ("ssh_server/dpkg_tool_on_an_rpm_host", "/var/lib/dpkg/status"),
    ("ssh_server/suse_own_file", "/etc/ssh/sshd_config"),
    ("sudo/suse_own_file", "/etc/sudoers"),
];

/// Required paths that the case has.
pub(crate) fn of(case: &Case) -> impl Iterator<Item = String> {
    let required = REQUIRED.iter().filter(|required| required.kind == case.collector.kind);
    required
        .filter(|required| case.fixture.contents(required.path).is_some())
        .filter(|required| !REPLACED.contains(&(case.name.as_str(), required.path)))
        .map(|required| required.path.to_owned())
}

/// Each required file of records, cut at up to sixteen places within a record.
pub(crate) fn cut_within_records(case: &Case) -> Vec<(String, Vec<u8>)> {
    let kind = case.collector.kind;
    let mut cut = vec![];
    for required in REQUIRED.iter().filter(|required| required.kind == kind && required.records) {
        let Some(contents) = case.fixture.contents(required.path) else { continue };
        let within = |at: &usize| !ends_a_record(required.path, &contents[..*at]);
        let places: Vec<_> = (0..contents.len()).filter(within).collect();
        let step = places.len().div_ceil(16).max(1);
        for at in places.into_iter().step_by(step) {
            cut.push((required.path.to_owned(), contents[..at].to_vec()));
        }
    }
    cut
}

fn ends_a_record(path: &str, contents: &[u8]) -> bool {
    if path == "/var/lib/dpkg/status" || path.ends_with("/apk/db/installed") {
        return contents.ends_with(b"\n\n");
    }
    if path.contains("/rpm/") {
        return false;
    }
    contents.ends_with(b"\n")
}
