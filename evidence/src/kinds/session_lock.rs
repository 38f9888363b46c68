//! Screens that lock.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a session that nobody uses is locked, by what holds for somebody who changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionLock {
    /// Desktops that are installed, sorted; by their programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desktops: Option<Vec<Desktop>>,
    /// The weakest of the desktops; absent without one, and for those whose settings are not read
    /// (all but GNOME and KDE).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<ScreenLock>,
    /// Whether a display manager (gdm, sddm, lightdm) logs somebody in by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autologin: Option<bool>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Desktop {
    Cinnamon,
    Gnome,
    Kde,
    Lxqt,
    Mate,
    Sway,
    Xfce,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreenLock {
    /// Whether an idle screen is locked at all.
    pub enabled: bool,
    /// After how long without a touch; 0 is never.
    pub timeout_s: i64,
    /// Whether users may set it otherwise for themselves.
    pub user_overridable: bool,
}

impl Kind for SessionLock {
    const NAME: &'static str = "session_lock";
    const V: i64 = 1;
    const TITLE: &'static str = "Screen lock";
    const ABOUT: About = About {
        purpose: "Whether the screen of a session that nobody uses is locked, and whether somebody is logged in without a password.",
        reads: &[
            "/etc/dconf/db/*",
            "/etc/dconf/profile/user",
            "/etc/gdm*/*.conf",
            "/run/gdm*/*.conf",
            "/etc/greetd/config.toml",
            "/etc/lightdm/*",
            "/etc/lxdm/lxdm.conf",
            "/etc/plasmalogin.conf",
            "/etc/sddm.conf*",
            "/etc/xdg/kscreenlockerrc",
            "/etc/xdg/lightdm/*",
            "/usr/lib/sddm/*",
            "/usr/local/share/dconf/profile/user",
            "/usr/local/share/lightdm/*",
            "/usr/share/dconf/profile/user",
            "/usr/share/glib-2.0/schemas/*",
            "/usr/share/lightdm/*",
        ],
        also_reads: "whether the programs of desktops are there",
        stays: &["settings of users, and other settings of the same files"],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
