//! Units and scheduled jobs.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is started at boot, what runs, what failed, and what runs by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// What starts services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// Units that somebody enabled: links under /etc/systemd, without masked units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<Vec<String>>,
    /// Services that are active, as systemd says; absent offline, and where systemd does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<Vec<String>>,
    /// Units that failed; absent where `active` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Vec<String>>,
    /// Jobs that run by the clock, by where they are set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Vec<Job>>,
    /// Whether only those whom /etc/cron.allow names may have jobs of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron_restricted: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    Systemd,
    Openrc,
    /// Neither, or none at all, as in most containers.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// A short hash of source, schedule and command path: the same on every host.
    pub id: String,
    /// The file that sets it up.
    pub source: String,
    pub form: JobForm,
    /// As written there; empty for a job of at(1).
    pub schedule: String,
    /// Whose rights it has.
    pub runs_as: String,
    /// Whether that is a name of uid 0; absent where names could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_as_root: Option<bool>,
    /// The first path in the command, or its first word; nothing else of it leaves the host.
    pub command_path: String,
    /// Whether somebody else than root and the one it runs as may change the job's file, a file that
    /// the command names by its path, or a directory above one of them. Absent where that was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_writable_by_others: Option<bool>,
    /// Whether its file came with a package, as its list of configuration files says. What is in the
    /// file may have been changed since. Absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packaged: Option<bool>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JobForm {
    Anacron,
    At,
    Cron,
    Timer,
}

impl Kind for Services {
    const NAME: &'static str = "services";
    const V: i64 = 1;
    const TITLE: &'static str = "Services and scheduled jobs";
    const ABOUT: About = About {
        purpose: "Which services are to run and do, and what runs by the clock with whose rights.",
        reads: &[
            "*/systemd/system/*",
            "/etc/anacrontab",
            "/etc/cron*",
            "/etc/passwd",
            "/etc/periodic/*",
            "/etc/runlevels/*",
            "/run/dbus/system_bus_socket",
            "/var/lib/dpkg/status",
            "/var/spool/at/*",
            "/var/spool/cron/*",
        ],
        also_reads: "units by D-Bus (ListUnits); owners and modes of what jobs start, and of the directories above",
        stays: &["commands but for their first path: arguments, environments"],
        needs: &[(Privilege::DacReadSearch, "jobs that people have of their own")],
        cost: Cost::Moderate,
        people: "",
    };
}
