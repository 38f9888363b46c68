//! Who may become whom by sudo(8): what sudoers(5) grants, its settings, its files.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sudoers policy, read from files. Where a value depends on the host name or on who runs what,
/// the facts say more rather than less than sudo would grant: entries for other hosts are listed
/// too, and a later entry that forbids takes nothing away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sudo {
    /// In the order in which sudo reads them; one for each run of commands with equal user, host,
    /// target and tags. Absent, as `defaults` and `resolved_principals`, when a file was not read,
    /// or when a directory (`ldap_source`) adds to the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<Entry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// Everyone whom an entry lets run something, aliases and groups resolved by /etc/passwd and
    /// /etc/group, sorted. What those files cannot resolve stands as written: `ALL` (with every
    /// local user), `+netgroup`, `%group`, `%:group`, `#uid`. Absent also when one of the two files
    /// was not read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_principals: Option<Vec<String>>,
    /// The files sudo reads, and the directories it includes, sorted by path. Absent when a
    /// file, or the attributes of one, could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<File>>,
    /// Paths of included files and directories that could not be read, sorted. Directories that do
    /// not exist are not among them: sudo passes over those.
    pub unresolved: Vec<String>,
    /// nsswitch.conf(5) names another source than files for sudoers (`ldap`, `sss`); absent when
    /// that file could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ldap_source: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Path of the file.
    pub source: String,
    /// Line on which the entry begins, from 1.
    pub line: i64,
    /// Aliases expanded, each with a `!` before it where it is excluded: `ALL`, `name`, `#uid`,
    /// `%group`, `%#gid`, `%:group`, `+netgroup`. The last one that fits a user decides.
    pub principals: Vec<String>,
    /// Aliases expanded: `ALL`, names, addresses, networks, `+netgroup`.
    pub hosts: Vec<String>,
    /// Users as whom the commands run, written as `principals`; empty where the entry names none,
    /// or where only the groups of the caller change.
    pub runas: Vec<String>,
    /// The commands can run with uid 0: no target is named (then `runas_default`, taken for root),
    /// or one that fits a name of uid 0. Absent when /etc/passwd or /etc/group was not read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runas_root: Option<bool>,
    /// In the order of the file, aliases expanded.
    pub commands: Vec<Command>,
    /// `ALL` is among the commands.
    pub all_commands: bool,
    /// No password is asked: by the tag, or by `Defaults !authenticate` without the tag `PASSWD`.
    pub nopasswd: bool,
    /// The caller may set the environment: by the tag, by `Defaults setenv`, or implied by `ALL`.
    pub setenv: bool,
    /// Commands cannot start other programs, as far as sudo can prevent it.
    pub noexec: bool,
    /// A command is excluded with `!`.
    pub negated_command: bool,
}

/// One command. Its arguments never leave the host: they may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// `ALL`, `sudoedit`, `list`, a path with wildcards as written, a directory with a `/` at its
    /// end, or a regular expression (`^…$`).
    pub path: String,
    /// Last component of `path`; empty for a directory.
    pub name: String,
    pub arguments: Arguments,
    /// Excluded with `!`.
    pub negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// The caller chooses them.
    Any,
    /// None may be given (`""`).
    None,
    /// Exactly those written in the file.
    Pinned,
    /// What fits a wildcard or a regular expression; a `*` fits spaces too.
    Pattern,
}

/// Settings. Each is the weakest that a line gives anyone: a line for one user, host, target or
/// command counts as much as one for all, unless a later line for all replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Commands run in a terminal of their own; on by default from sudo 1.9.14.
    pub use_pty: bool,
    /// What is allowed is logged by syslog(3): with a facility and a priority.
    pub syslog: bool,
    /// File that is logged to; empty: none.
    pub logfile: String,
    /// Commands that are allowed are logged; on by default.
    pub log_allowed: bool,
    /// Whether a password that was given is asked for again after some time.
    pub timestamp_expires: bool,
    /// Seconds after which it is asked for again; absent when it never is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_timeout_s: Option<i64>,
    /// The caller must authenticate.
    pub authenticate: bool,
    /// Members of this group need no password; empty: no such group.
    pub exempt_group: String,
    /// Commands get a minimal environment.
    pub env_reset: bool,
    /// Search path of commands; empty: that of the caller.
    pub secure_path: String,
    /// What commands print is recorded.
    pub log_output: bool,
    /// The password of the target or of root is asked for, not that of the caller (`targetpw`,
    /// `rootpw`, `runaspw`).
    pub targetpw: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub path: String,
    pub uid: i64,
    pub group_write: bool,
    pub other_write: bool,
}

impl Kind for Sudo {
    const NAME: &'static str = "sudo";
    const V: i64 = 1;
    const TITLE: &'static str = "Privilege delegation by sudo";
    const PERSONAL: bool = true;
    const ABOUT: About = About {
        purpose: "Who may become root or another user, by which rule, with or without a password.",
        reads: &[
            "/etc/sudoers*",
            "/etc/sudo.conf",
            "/etc/passwd",
            "/etc/group",
            "/etc/nsswitch.conf",
            "/usr/etc/nsswitch.conf",
            "/usr/etc/sudoers*",
            "/etc/hostname",
        ],
        also_reads: "files that `@include` names; the package database, as `packages` reads it",
        stays: &[
            "arguments of commands: the path of the program leaves",
            "values of environment variables in rules",
        ],
        needs: &[(Privilege::DacReadSearch, "sudoers, which only root reads")],
        cost: Cost::Light,
        people: "Which accounts hold which rights by sudo, so that privileged access can be reviewed.",
    };
}
