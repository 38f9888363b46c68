//! The kernel's audit.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the kernel records what matters, and a daemon keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Whether the kernel was asked, or files alone.
    pub source: AuditSource,
    /// Whether auditd is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<bool>,
    /// Whether auditd is started at boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemon_enabled: Option<bool>,
    /// Whether a daemon takes the kernel's records: by the kernel, or by the processes of auditd's
    /// unit. Absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemon_active: Option<bool>,
    /// What the kernel says: 0 off, 1 on, 2 on and locked until the next restart. Absent from files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<i64>,
    /// Whether the kernel lost records since its start. Absent from files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_lost: Option<bool>,
    /// How many rules the kernel holds. Absent from files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules_loaded: Option<i64>,
    /// What the rules that the kernel holds record while it is on. An exception of whatever kind before
    /// a rule counts against it. Absent from files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What the rules in files record, which auditd loads at its start. They say nothing about what
    /// the kernel holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured: Option<Coverage>,
    /// Whether the kernel records all that the rules in files would. Absent from files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded: Option<bool>,
    /// What auditd does when room runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<AuditdConfig>,
    /// Whether records are sent to another host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditSource {
    /// The kernel's own state and rules.
    Netlink,
    Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Changes of passwd, shadow, group, gshadow and opasswd, by whomever.
    pub identity: bool,
    /// Changes of sudoers and sudoers.d.
    pub sudoers: bool,
    /// Setting the clock or the time zone, by programs of both word sizes.
    pub time_change: bool,
    /// Changes of the records of logins.
    pub logins: bool,
    /// Loading and unloading modules of the kernel.
    pub modules: bool,
    /// Starting programs with another's rights: all of them, or sudo, su and the like by name.
    pub privileged: bool,
    /// Changes of modes, owners and attributes.
    pub perm_mod: bool,
    /// Deleting and renaming files.
    pub delete: bool,
    /// Changes of the policy of SELinux or AppArmor.
    pub mac: bool,
}

/// auditd.conf(5); an action in lower case, without what it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditdConfig {
    pub space_left_action: String,
    pub disk_full_action: String,
    pub disk_error_action: String,
    /// Size of a log file in MiB.
    pub max_log_file: i64,
    pub num_logs: i64,
    pub max_log_file_action: String,
}

impl Kind for Audit {
    const NAME: &'static str = "audit";
    const V: i64 = 1;
    const TITLE: &'static str = "Auditing";
    const ABOUT: About = About {
        purpose: "Whether the kernel records who changed accounts, rights, time and logs.",
        reads: &[
            "/etc/audit/audit.rules",
            "/etc/audit/auditd.conf",
            "/etc/audit/plugins.d/au-remote.conf",
            "/etc/audit/rules.d/*",
            "/sys/fs/cgroup/*",
        ],
        also_reads: "the state of audit and its rules over netlink; links of units; the package database, as `packages` reads it, and the system, as `host_os` does",
        stays: &["the rules themselves", "what auditd starts when room runs out"],
        needs: &[(
            Privilege::AuditControl,
            "whether auditing is on and locked, and whether records were lost; not given by the unit, see audit.conf beside it",
        )],
        cost: Cost::Light,
        people: "",
    };
}
