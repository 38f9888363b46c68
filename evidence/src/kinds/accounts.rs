//! Local accounts: users, groups, the state of their passwords, who is privileged.

use super::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Local users and groups, read from files. Directory accounts are not in files: `nss_passwd`
/// names the directories that were not enumerated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// In the order of the file.
    pub users: Vec<User>,
    /// In the order of the file.
    pub groups: Vec<Group>,
    /// Members of more than one line, sorted.
    pub duplicates: Duplicates,
    /// Names with uid 0, and members of the groups that are as good as root (`sudo`, `wheel`,
    /// `admin`, `docker`, `lxd`, `libvirt`, `disk`, `shadow`), sorted.
    pub privileged_users: Vec<String>,
    /// Users whose password hash stands in passwd(5) itself, sorted.
    pub hashes_in_passwd: Vec<String>,
    /// Lines of passwd, shadow or group that begin with `+` or `-` (NIS compatibility).
    pub legacy_plus_entries: i64,
    /// Services of `passwd:` in nsswitch.conf(5), in order, without actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nss_passwd: Option<Vec<String>>,
    /// Names in shadow(5) without a line in passwd(5), sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_only: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub name: String,
    pub uid: i64,
    pub gid: i64,
    pub home: String,
    /// Whether the home is a directory; absent where its parent could not be searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_exists: Option<bool>,
    /// Others may list the home (mode o+r).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_other_read: Option<bool>,
    /// Others may create files in the home (mode o+w).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_other_write: Option<bool>,
    /// Others may pass through the home to names they know (mode o+x).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_other_search: Option<bool>,
    /// The home's group may create files in it (mode g+w).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_group_write: Option<bool>,
    pub shell: String,
    /// The shell can open a session: anything but `nologin`, `false` and the like. An empty field
    /// means /bin/sh (passwd(5)).
    pub login_shell: bool,
    /// uid below UID_MIN of login.defs(5), or above UID_MAX; root is a system account.
    pub system: bool,
    /// uid within UID_MIN … UID_MAX of login.defs(5), and not `nobody`.
    pub human: bool,
    /// The account can be used to log in by some means: a login shell, not expired, and a password
    /// that is set or empty, or a lock that leaves key logins open. Absent without shadow(5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Names of its groups, the primary one included, sorted.
    pub groups: Vec<String>,
    /// From shadow(5); absent when that was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// The state of a password. The hash never leaves the host: only its scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Password {
    pub state: PasswordState,
    /// Scheme of the hash, also of a locked one; absent without a hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_scheme: Option<HashScheme>,
    /// Day of the last change, UTC days since the epoch; 0 = must be changed at next login; absent
    /// = ageing off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change_day: Option<i64>,
    /// Days before it may be changed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_days: Option<i64>,
    /// Days after which it must be changed; absent = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn_days: Option<i64>,
    /// Days after expiry of the password until the account is disabled; absent = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_days: Option<i64>,
    /// Whether the account has an expiry date.
    pub expires: bool,
    /// Day on which the account expires, UTC days since the epoch; absent = never. 0 counts as
    /// expired (shadow(5) calls it ambiguous).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_day: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasswordState {
    /// A hash that logs in.
    Set,
    /// `!` before a hash: the password is refused, keys are not.
    Locked,
    /// An empty field: anyone logs in.
    Empty,
    /// `*`, `!`, `!!` or another text that no password matches.
    Disabled,
    /// passwd(5) says `x`, and shadow(5) has no line.
    None,
    /// A text of no known form.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HashScheme {
    #[serde(rename = "yescrypt")]
    Yescrypt,
    #[serde(rename = "gost-yescrypt")]
    GostYescrypt,
    #[serde(rename = "scrypt")]
    Scrypt,
    #[serde(rename = "bcrypt")]
    Bcrypt,
    #[serde(rename = "sha512")]
    Sha512,
    #[serde(rename = "sha256")]
    Sha256,
    #[serde(rename = "md5")]
    Md5,
    #[serde(rename = "des")]
    Des,
    #[serde(rename = "bsdi")]
    Bsdi,
    #[serde(rename = "unknown")]
    Unknown,
}

impl HashScheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yescrypt => "yescrypt",
            Self::GostYescrypt => "gost-yescrypt",
            Self::Scrypt => "scrypt",
            Self::Bcrypt => "bcrypt",
            Self::Sha512 => "sha512",
            Self::Sha256 => "sha256",
            Self::Md5 => "md5",
            Self::Des => "des",
            Self::Bsdi => "bsdi",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    pub gid: i64,
    /// Supplementary members as the file lists them, sorted.
    pub members: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// `uid name name …` for every uid with more than one user name.
    pub uids: Vec<String>,
    /// `gid name name …` for every gid with more than one group name.
    pub gids: Vec<String>,
    /// `user NAME` or `group NAME` for every name on more than one line.
    pub names: Vec<String>,
}

impl Kind for Accounts {
    const NAME: &'static str = "accounts";
    const V: i64 = 1;
    const TITLE: &'static str = "Local accounts and groups";
    const PERSONAL: bool = true;
}
