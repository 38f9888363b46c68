//! What PAM and login.defs demand of passwords.

use super::Kind;
use super::about::{About, Cost, Privilege};
use super::accounts::HashScheme;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What PAM demands of local passwords and of those who log in with one: what every way through the
/// stacks demands, for somebody of this host who is not root. A module that can be passed over
/// demands nothing. Facts at the top are the weakest of all services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordPolicy {
    /// Whether an account of this host has a password that lets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_passwords: Option<bool>,
    /// Every service that PAM knows and that takes or sets a local password, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<Service>>,
    /// What judges new passwords; of several the one of the shortest passwords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_module: Option<QualityModule>,
    /// Fewest characters of a new password by that module, credits for classes of characters
    /// taken off; 0 without a module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minlen: Option<i64>,
    /// Fewest classes of characters (digits, upper case, lower case, others); 0 without a module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minclass: Option<i64>,
    /// Whether words of a dictionary are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dictcheck: Option<bool>,
    /// Whether root is held to it as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforce_for_root: Option<bool>,
    /// How many old passwords cannot be used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<i64>,
    /// Whether somebody whose password is empty may log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nullok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockout: Option<Lockout>,
    /// How PAM hashes new passwords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_scheme_default: Option<HashScheme>,
    /// Whether others may read new files of a session: by pam_umask and login.defs, and 022 where
    /// no session is made to take another. A profile of a shell may change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask_other_read: Option<bool>,
    /// Whether the group may write them, but for a group of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask_group_write: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub su_installed: Option<bool>,
    /// Whether su lets only members of a group try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub su_restricted: Option<bool>,
    /// Modules of a second factor that nobody gets past on the way through sshd's stack, sorted. One
    /// that lets in who has not enrolled is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_modules: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_defs: Option<LoginDefs>,
    /// Absent where authselect(8) does not manage the stacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authselect: Option<Authselect>,
}

/// What one service demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Name of its file.
    pub name: String,
    /// Where it lets in by a local password; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Where it sets local passwords; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    pub nullok: bool,
    /// Absent where its settings were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockout: Option<Lockout>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Absent where its settings were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_scheme: Option<HashScheme>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QualityModule {
    Pwquality,
    Passwdqc,
    Cracklib,
    None,
}

/// The demands of a module on a new password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    pub module: QualityModule,
    pub minlen: i64,
    pub minclass: i64,
    pub dictcheck: bool,
    pub enforce_for_root: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockoutModule {
    Faillock,
    Tally2,
    None,
}

/// What happens after wrong passwords. Without a module that both counts every one of them and
/// keeps out who is locked, nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lockout {
    pub module: LockoutModule,
    /// After how many failures an account is locked; 0 is never.
    pub deny: i64,
    /// For how long; 0 is until a person opens it. Without a module it says nothing.
    pub unlock_time_s: i64,
    /// Within which time they count; absent for a module that does not ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_interval_s: Option<i64>,
    /// Whether root can be locked too.
    pub even_deny_root: bool,
}

/// Lines of login.defs(5); each is absent where no line sets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginDefs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_max_days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_min_days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_warn_age: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypt_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<String>,
}

/// What authselect(8) was told to make of the stacks. They are read themselves: what was changed
/// behind its back is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authselect {
    pub profile: String,
    /// Sorted.
    pub features: Vec<String>,
}

impl Kind for PasswordPolicy {
    const NAME: &'static str = "password_policy";
    const V: i64 = 1;
    const TITLE: &'static str = "Password policy";
    const ABOUT: About = About {
        purpose: "What PAM demands of passwords, and of those who log in with one.",
        reads: &[
            "/etc/authselect/authselect.conf",
            "/etc/default/login",
            "/etc/duo/pam_duo.conf",
            "/etc/login.defs",
            "/etc/pam.conf",
            "/etc/pam.d/*",
            "/etc/passwd",
            "/etc/security/faillock.conf",
            "/etc/security/pwhistory.conf",
            "/etc/security/pwquality.conf",
            "/etc/security/pwquality.conf.d/*",
            "/etc/shadow",
            "/lib*/security/*",
            "/usr/etc/pam.d/*",
            "/usr/lib*/security/*",
            "/usr/lib/pam.d/*",
        ],
        also_reads: "files that a stack or an argument names by their path; whether su is there",
        stays: &[
            "password hashes: only whether any account has a password",
            "arguments of modules but for those named here",
        ],
        needs: &[(Privilege::DacReadSearch, "whether any account has a password (`/etc/shadow`)")],
        cost: Cost::Light,
        people: "",
    };
}
