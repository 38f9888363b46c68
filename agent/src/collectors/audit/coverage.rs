//! What rules record, by what somebody would want to know afterwards.

use crate::formats::audit_rules::Rules;
use crate::host::{ReadError, Reading};
use evidence::kinds::audit::Coverage;

const IDENTITY: [&str; 5] =
    ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/security/opasswd"];
const CLOCK: [&str; 4] = ["adjtimex", "settimeofday", "clock_settime", "stime"];
const MODULES: [&str; 3] = ["init_module", "finit_module", "delete_module"];
const MODES: [&str; 13] = [
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
];
const DELETION: [&str; 4] = ["unlink", "unlinkat", "rename", "renameat"];
/// Records of logins: of each line one that the host has.
const LOGINS: [[&str; 2]; 2] = [
    ["/var/log/wtmp", "/var/lib/wtmpdb/wtmp.db"],
    ["/var/log/lastlog", "/var/lib/lastlog/lastlog2.db"],
];
/// Programs that give people another's rights.
const PRIVILEGED: [&str; 9] = [
    "/usr/bin/sudo",
    "/usr/bin/su",
    "/usr/bin/passwd",
    "/usr/bin/chsh",
    "/usr/bin/chfn",
    "/usr/bin/newgrp",
    "/usr/bin/gpasswd",
    "/usr/bin/pkexec",
    "/usr/bin/chage",
];
/// Policies, and what tells that the host has one.
const POLICIES: [(&str, &str); 2] =
    [("/etc/selinux", "/etc/selinux/config"), ("/etc/apparmor.d", "/etc/apparmor.d")];

/// `None` where it is not known which of the files the host has.
pub(super) fn of(reading: &Reading<'_>, rules: Rules<'_>) -> Option<Coverage> {
    let changes = |path: &&str| rules.watches(path, false, "wa");
    let programs: Vec<_> = there(reading, &PRIVILEGED)?;
    let by_name = !programs.is_empty() && programs.iter().all(|p| rules.watches(p, false, "x"));
    let policies: Vec<_> = {
        let marks = there(reading, &POLICIES.map(|(_, mark)| mark))?;
        POLICIES.iter().filter(|(_, mark)| marks.contains(mark)).collect()
    };
    let sudoers = rules.watches("/etc/sudoers", false, "wa");
    Some(Coverage {
        identity: IDENTITY.iter().all(changes),
        sudoers: sudoers && rules.watches("/etc/sudoers.d", true, "wa"),
        time_change: rules.records(&CLOCK) && changes(&"/etc/localtime"),
        logins: LOGINS.iter().all(|either| either.iter().any(changes)),
        modules: rules.records(&MODULES),
        privileged: by_name || rules.records(&["execve"]),
        perm_mod: rules.records(&MODES),
        delete: rules.records(&DELETION),
        mac: !policies.is_empty()
            && policies.iter().all(|(path, _)| rules.watches(path, true, "wa")),
    })
}

/// Whether the one records all that the other does.
pub(super) fn holds(now: &Coverage, files: &Coverage) -> bool {
    [
        (now.identity, files.identity),
        (now.sudoers, files.sudoers),
        (now.time_change, files.time_change),
        (now.logins, files.logins),
        (now.modules, files.modules),
        (now.privileged, files.privileged),
        (now.perm_mod, files.perm_mod),
        (now.delete, files.delete),
        (now.mac, files.mac),
    ]
    .iter()
    .all(|(now, files)| *now || !*files)
}

fn there<'p>(reading: &Reading<'_>, paths: &[&'p str]) -> Option<Vec<&'p str>> {
    let mut found = Vec::new();
    for path in paths {
        match reading.stat(path) {
            Ok(_) => found.push(*path),
            Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
    }
    Some(found)
}
