//! What proves that this host is backed up.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Backup as seen from the host. Only a job's own word says that it succeeded: its marker. That a
/// program is installed, that a timer starts it, or that a repository was used proves no success.
/// What a hypervisor or a storage system copies is not seen from inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// Programs that copy to another place and are installed, by name. Programs that keep snapshots
    /// on the same disk, such as snapper and timeshift, are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Jobs that left a marker (docs/backup-markers.md), by name. Absent when one of the markers
    /// cannot be read or trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Vec<Job>>,
    /// Repositories that root's restic and borg have used from this host, by tool and id: what they
    /// remember under /root. Using one is no backup: listing, pruning and making it look the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repositories: Option<Vec<Repository>>,
}

/// An installed program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    pub name: ToolName,
    /// Names of timers that are started at boot and of cron files that name the program, sorted: a
    /// schedule, not a success. A script of another name that starts it is not followed.
    pub schedules: Vec<String>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ToolName {
    Bacula,
    Bareos,
    Borg,
    Borgmatic,
    Duplicity,
    ProxmoxBackup,
    Restic,
    Rsnapshot,
    Veeam,
}

/// What the marker of a job says of its last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Name of the marker's file, without `.json`.
    pub name: String,
    /// Whether the last run ended with 0.
    pub last_run_succeeded: bool,
    /// Whether any run is known to have succeeded.
    pub has_succeeded: bool,
    /// UTC day on which the last run that succeeded ended; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_day: Option<i64>,
    /// What it runs, as the marker says; absent when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Where the copy goes, as the marker says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// What keeps the copy from being read where it lies, as the marker says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// A repository that a program of this host remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    pub tool: ToolName,
    /// The first eight digits of the repository's random id.
    pub id: String,
    /// UTC day of the newest change of it that this host knows of: for restic the newest snapshot
    /// in its cache, which another host may have made; for borg the time of the manifest. Absent
    /// when restic knows of no snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change_day: Option<i64>,
    /// Where it lies; of borg only, for restic does not remember it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// Of borg only: a key file of restic may have been made without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// On a file system of this host.
    Local,
    /// On another machine, a network file system included.
    Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// The program encrypts before it writes.
    Tool,
    /// On the way only: whoever holds the copy can read it.
    Transport,
    None,
}

impl Kind for Backup {
    const NAME: &'static str = "backup";
    const V: i64 = 1;
    const TITLE: &'static str = "Backup";
    const ABOUT: About = About {
        purpose: "Whether something copies this host's data elsewhere, and whether it succeeded lately.",
        reads: &[
            "*/markers/backup.d*",
            "/var/lib/evidenced-agent",
            "/root/.cache/restic/*",
            "/root/.config/borg/*",
            "/etc/cron*",
            "/var/spool/cron/*",
            "*/systemd/system/*",
            "/proc/1/mountinfo",
            "/proc/stat",
            "/proc/uptime",
        ],
        also_reads: "the package database, as `packages` reads it; whether programs are there",
        stays: &[
            "configurations of backup programs: passwords stand there, so they are never opened",
            "names and addresses of repositories",
        ],
        needs: &[(Privilege::DacReadSearch, "what root's restic and borg remember")],
        cost: Cost::Light,
        people: "",
    };
}
