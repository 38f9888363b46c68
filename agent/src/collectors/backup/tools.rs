//! Which backup programs are installed: by the package database where it is read, and by the
//! program on the disk everywhere.

use super::{packages, schedules};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::backup::{Tool, ToolName};
use std::collections::BTreeSet;

/// A program, its packages on any family, places of it that are its own, and the words by which
/// timers and cron files call it.
struct Known {
    name: ToolName,
    packages: &'static [&'static str],
    programs: &'static [&'static str],
    words: &'static [&'static str],
}

/// By name. Servers of the same products are none: they keep copies of others.
const KNOWN: [Known; 9] = [
    Known {
        name: ToolName::Bacula,
        packages: &["bacula-fd", "bacula-client"],
        programs: &["/usr/sbin/bacula-fd", "/opt/bacula/bin/bacula-fd"],
        words: &["bacula-fd"],
    },
    Known {
        name: ToolName::Bareos,
        packages: &["bareos-filedaemon"],
        programs: &["/usr/sbin/bareos-fd"],
        words: &["bareos-fd"],
    },
    Known {
        name: ToolName::Borg,
        packages: &["borgbackup", "borgbackup2"],
        programs: &["/usr/bin/borg", "/usr/local/bin/borg"],
        words: &["borg", "borgbackup"],
    },
    Known {
        name: ToolName::Borgmatic,
        packages: &["borgmatic"],
        programs: &["/usr/bin/borgmatic", "/usr/local/bin/borgmatic"],
        words: &["borgmatic"],
    },
    Known {
        name: ToolName::Duplicity,
        packages: &["duplicity"],
        programs: &["/usr/bin/duplicity", "/usr/local/bin/duplicity"],
        words: &["duplicity", "duply"],
    },
    Known {
        name: ToolName::ProxmoxBackup,
        packages: &["proxmox-backup-client", "proxmox-backup-client-static"],
        programs: &["/usr/bin/proxmox-backup-client"],
        words: &["proxmox-backup-client"],
    },
    Known {
        name: ToolName::Restic,
        packages: &["restic"],
        programs: &["/usr/bin/restic", "/usr/local/bin/restic"],
        words: &["restic"],
    },
    Known {
        name: ToolName::Rsnapshot,
        packages: &["rsnapshot"],
        programs: &["/usr/bin/rsnapshot", "/usr/local/bin/rsnapshot"],
        words: &["rsnapshot"],
    },
    Known {
        name: ToolName::Veeam,
        packages: &["veeam", "veeam-nosnap"],
        programs: &["/usr/sbin/veeamservice", "/opt/veeam/bin/veeamservice"],
        words: &["veeam", "veeamconfig"],
    },
];

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Vec<Tool>, Failure> {
    let packages: BTreeSet<String> = match reading.apart(packages::collect) {
        Ok(packages) => packages.items.into_iter().map(|package| package.name).collect(),
        // No database, or one that is not read: the programs on the disk remain.
        Err(Failure(Status::Unsupported | Status::Absent)) => BTreeSet::new(),
        Err(failure) => return Err(failure),
    };
    let mut found = Vec::new();
    for known in &KNOWN {
        let by_package = known.packages.iter().any(|package| packages.contains(*package));
        if by_package || any_exists(reading, known.programs)? {
            found.push(known);
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let schedules = schedules::read(reading)?;
    let tool = |known: &Known| Tool {
        name: known.name,
        schedules: schedules
            .iter()
            .filter(|one| one.names(known.words))
            .map(|s| s.name.clone())
            .collect(),
    };
    Ok(found.into_iter().map(tool).collect())
}

fn any_exists(reading: &Reading<'_>, paths: &[&str]) -> Result<bool, ReadError> {
    for path in paths {
        match reading.stat(path) {
            Err(ReadError::Absent) => {}
            other => return other.map(|_| true),
        }
    }
    Ok(false)
}
