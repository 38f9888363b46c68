//! Mandatory access control.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SELinux or AppArmor, and whether it enforces. In a container it is that of the machine around
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mac {
    /// Security modules of the running kernel, in their order; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules: Option<Vec<String>>,
    /// The one that rules programs; absent offline, and where it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framework: Option<Framework>,
    /// Whether it keeps programs from anything: SELinux in enforcing mode, or AppArmor with a
    /// profile in enforce mode. False without either; absent offline, and where it was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing: Option<bool>,
    /// By /etc/selinux/config; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux_configured: Option<SelinuxMode>,
    /// Profiles of AppArmor by mode; absent offline, without AppArmor, and for whom the kernel does
    /// not list them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<Profiles>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Framework {
    Selinux,
    Apparmor,
    /// Neither of them; perhaps another, as `modules` says.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelinuxMode {
    Enforcing,
    Permissive,
    Disabled,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// How many profiles are in enforce (or kill) mode.
    pub enforced: i64,
    /// Names of those that only complain, sorted.
    pub complaining: Vec<String>,
    /// How many are in another mode (`unconfined`, `prompt` …): they keep nobody from anything.
    pub others: i64,
}

impl Kind for Mac {
    const NAME: &'static str = "mac";
    const V: i64 = 1;
    const TITLE: &'static str = "Mandatory access control";
    const ABOUT: About = About {
        purpose: "Whether mandatory access control (SELinux, AppArmor) is on and enforces.",
        reads: &[
            "/etc/selinux/config",
            "/sys/fs/selinux/enforce",
            "/sys/kernel/security/lsm",
            "/sys/kernel/security/apparmor/profiles",
            "/sys/module/apparmor/parameters/enabled",
        ],
        also_reads: "",
        stays: &["names of profiles that enforce: only how many there are"],
        needs: &[(Privilege::MacAdmin, "AppArmor's list of profiles; not given by the unit")],
        cost: Cost::Light,
        people: "",
    };
}
