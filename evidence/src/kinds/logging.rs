//! Where the host's logs go, how long they are kept, and who can read them.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of logging and the state of the log files. Log contents are never read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journald: Option<Journald>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog: Option<Syslog>,
    /// Where the enabled rsyslog and systemd-journal-upload send to, in the order of their
    /// configuration. Empty when neither is enabled; absent when a part of the configuration is not
    /// understood, or when another syslog daemon is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_targets: Option<Vec<RemoteTarget>>,
    /// Log shippers with a unit of systemd, by name. What they send, and where, is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shippers: Option<Vec<Shipper>>,
    /// The log files of syslog daemons and auditd that exist, by path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<LogFile>>,
    /// Time since a journal or one of `files` was last written to; absent offline and when there is
    /// no such file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_entry_age: Option<Age>,
}

/// journald.conf(5) with its drop-ins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Journald {
    /// Whether systemd-journald is there; without it `persistent` is false and nothing else is said.
    pub installed: bool,
    /// `Storage=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Whether the journal survives a restart: `persistent`, or `auto` and /var/log/journal exists;
    /// with all messages but those for debugging (`MaxLevelStore=`), and journald is not masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// `SystemMaxUse=`; absent when it is not set, which is a share of the file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_max_use_bytes: Option<i64>,
    /// `MaxRetentionSec=`; 0 is no limit by time, the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retention_s: Option<i64>,
    /// `ForwardToSyslog=`, and false where `MaxLevelSyslog=` holds messages back; absent when it is
    /// not set, for the default differs by distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_to_syslog: Option<bool>,
    /// `Seal=`, by default true; it needs keys (journalctl --setup-keys) to have an effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    Volatile,
    Persistent,
    Auto,
    None,
}

/// The syslog daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    pub daemon: SyslogDaemon,
    /// Whether its unit is started at boot, by the links of systemctl(1); false for `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether its unit has processes, by its control group; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Files that are there and that the enabled rsyslog writes all messages to, sorted: but for those
    /// of facilities that usually have a file of their own (auth, authpriv, cron, ftp, lpr, mail, news,
    /// uucp, local0 to local7), those for debugging, and those that a filter for a few takes out.
    /// Empty where no syslog daemon is enabled; absent for other daemons and where the configuration
    /// is not understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_files: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyslogDaemon {
    Rsyslog,
    SyslogNg,
    /// No program of a syslog daemon is there.
    None,
    /// A syslogd that this agent does not know, or several daemons.
    Unknown,
}

/// A place off this program that log messages are sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteTarget {
    pub via: Via,
    /// Host name or address, without port and path.
    pub target: String,
    pub port: i64,
    pub protocol: Protocol,
    /// Whether the transport is encrypted. Says nothing about whether the peer is verified.
    pub tls: bool,
    /// The target is this host: 127.0.0.0/8, ::1 or localhost.
    pub loopback: bool,
    /// Not every message gets there: a filter, another rule set, a fallback, a rule that
    /// discards messages before it, or an input that this host's messages do not come through.
    pub conditional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    Rsyslog,
    JournalUpload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Udp,
    Tcp,
    Relp,
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shipper {
    /// Name of its unit without `.service`, such as `fluent-bit`.
    pub name: String,
    /// Whether its unit is started at boot.
    pub enabled: bool,
}

/// A log file together with its rotated predecessors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// Path of the file that is written to.
    pub path: String,
    /// Others than owner and group may read one of them.
    pub other_read: bool,
    /// Others than owner and group may write one of them.
    pub other_write: bool,
    /// Whether logrotate(8) rotates it. auditd rotates its own file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotated: Option<bool>,
    /// How long every entry is kept at least: `rotate` times the interval, or `maxage`. Absent when
    /// not rotated, and when the size of the file decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least_days: Option<i64>,
    /// How long an entry of a log that is written to is kept at most: one interval more. Absent
    /// when not rotated, and when the size of the file decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most_days: Option<i64>,
}

/// An age, rounded: what moves by itself makes no new facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Age {
    #[serde(rename = "under_1h")]
    UnderHour,
    #[serde(rename = "under_1d")]
    UnderDay,
    #[serde(rename = "under_7d")]
    UnderWeek,
    #[serde(rename = "older")]
    Older,
}

impl Kind for Logging {
    const NAME: &'static str = "logging";
    const V: i64 = 1;
    const TITLE: &'static str = "Logging";
    const ABOUT: About = About {
        purpose: "Where logs go, how long they are kept, and that they are still being written.",
        reads: &[
            "/etc/rsyslog*",
            "/etc/logrotate*",
            "*/systemd/journald.conf*",
            "*/systemd/journal-upload.conf*",
            "*/systemd/system/*.service.d/*",
            "/var/log/*",
            "/run/log/journal/*",
            "/proc/stat",
            "/proc/uptime",
            "/sys/fs/cgroup/*",
        ],
        also_reads: "files that rsyslog's configuration includes",
        stays: &[
            "contents of logs: only the times in the heads of journal files, and sizes, leave",
        ],
        needs: &[(
            Privilege::DacReadSearch,
            "directories and files of logs that others may not list",
        )],
        cost: Cost::Light,
        people: "",
    };
}
