//! Local accounts: users, groups, the state of their passwords, who is privileged.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Local users and groups, read from files. Directory accounts are not in files: `nss_passwd`
/// names the directories that were not enumerated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// In the order of the file.
    pub users: Vec<User>,
    /// In the order of the file; absent when group(5) was not read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Group>>,
    /// Members of more than one line, sorted.
    pub duplicates: Duplicates,
    /// Names with uid 0, and everyone in the groups that are as good as root (`sudo`, `wheel`,
    /// `admin`, `docker`, `lxd`, `libvirt`, `disk`, `shadow`, and groups that share a gid with
    /// one): by primary gid, by group(5), by gshadow(5), or as administrator of the group. Sorted;
    /// absent when group(5) or gshadow(5) was not read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged_users: Option<Vec<String>>,
    /// Users whose password hash stands in passwd(5) itself, a locked one too, sorted.
    pub hashes_in_passwd: Vec<String>,
    /// Lines of passwd, shadow or group that begin with `+` or `-` (NIS compatibility); absent
    /// when one of the three was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_plus_entries: Option<i64>,
    /// Services of `passwd:` in nsswitch.conf(5), in order, without actions; absent when it has no
    /// such line, or two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nss_passwd: Option<Vec<String>>,
    /// Names in shadow(5) without a line in passwd(5), sorted; absent when shadow(5) was not read
    /// whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_only: Option<Vec<String>>,
    /// Names on more than one line of shadow(5), sorted; the first line counts. Absent when
    /// shadow(5) was not read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_duplicates: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Bytes that are not UTF-8 are shown as `\xNN`, here and in every other name.
    pub name: String,
    pub uid: i64,
    pub gid: i64,
    pub home: String,
    /// Whether the home is a directory; absent where its parent could not be searched. What follows
    /// of the home is absent without a directory.
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
    /// The home belongs to somebody other than this user and root: whoever owns it opens it as he
    /// likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_foreign_owner: Option<bool>,
    pub shell: String,
    /// The shell can open a session: anything but `nologin`, `false`, `true` of the system's own
    /// directories, and /dev/null. An empty field means /bin/sh (passwd(5)).
    pub login_shell: bool,
    /// uid below UID_MIN of login.defs(5), or above UID_MAX; root is a system account. Absent when
    /// login.defs(5) was not read; without the file, or the line, 1000 and 60000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<bool>,
    /// uid within UID_MIN … UID_MAX of login.defs(5), and not 65534 (nobody). Absent as `system`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human: Option<bool>,
    /// The account can be used to log in by some means: it has a login shell, and was not closed
    /// for good by an expiry day of 0 or 1 (`usermod --expiredate 1`). The state of the password
    /// does not count, for no lock of a password closes key logins. A later expiry day does not
    /// count either: only rules know today; they compare `password.expire_day`. Absent when the
    /// user's line in shadow(5) was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Names of its groups, the primary one included, sorted; absent when group(5) was not read
    /// whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// From shadow(5), and from the field of passwd(5) when that is not `x`: programs differ in
    /// which of the two they believe, so the weaker state counts. Absent when the user's line in
    /// shadow(5) was not read, or the file is missing.
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
    /// expired: shadow(5) calls it ambiguous, pam_unix(8) refuses such an account.
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
    /// `*`, `!`, `!!` or another text that no password matches; a hash behind a `*` too.
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
    /// `$id$…` of another scheme; the C library may well accept it.
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
    /// Supplementary members as group(5) lists them, sorted.
    pub members: Vec<String>,
    /// Members that only gshadow(5) lists, sorted: newgrp(1) lets them in without a password.
    /// Absent, as the two below, when gshadow(5) was not read whole; without the file there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gshadow_members: Option<Vec<String>>,
    /// Who may add and remove members (gshadow(5), gpasswd(1)), sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administrators: Option<Vec<String>>,
    /// A password is set: newgrp(1) lets in whoever knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_set: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// `uid name name …` for every uid with more than one user name.
    pub uids: Vec<String>,
    /// `gid name name …` for every gid with more than one group name; absent when group(5) was not
    /// read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gids: Option<Vec<String>>,
    /// `user NAME` or `group NAME` for every name on more than one line; absent when group(5) was
    /// not read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
}

impl Kind for Accounts {
    const NAME: &'static str = "accounts";
    const V: i64 = 1;
    const TITLE: &'static str = "Local accounts and groups";
    const PERSONAL: bool = true;
    const ABOUT: About = About {
        purpose: "Who may use this host: local users and groups, the state of their passwords, who is as good as root.",
        reads: &[
            "/etc/passwd",
            "/etc/shadow",
            "/etc/group",
            "/etc/gshadow",
            "/etc/login.defs",
            "/etc/nsswitch.conf",
            "/usr/etc/login.defs",
            "/usr/etc/nsswitch.conf",
        ],
        also_reads: "the permissions of home directories, not what is in them",
        stays: &[
            "password hashes: only their scheme and whether they are set leave",
            "real names, rooms and telephone numbers (the comment field of passwd)",
        ],
        needs: &[(
            Privilege::DacReadSearch,
            "shadow and gshadow: states, ages and schemes of passwords",
        )],
        cost: Cost::Light,
        people: "Names of accounts, their groups, the state and age of their passwords, so that access can be reviewed and leavers found.",
    };
}
