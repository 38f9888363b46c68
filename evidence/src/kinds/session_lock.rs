//! Sessions that nobody uses, and what is shown before one begins.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a session that nobody uses is locked or ended, by what holds for somebody who changed
/// nothing.
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
    /// What becomes of a medium that is put in; absent without GNOME.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// `TMOUT` of login shells of bash: after how long without input they end; 0 is never. Absent where
    /// the files that set it are written in a way that is not understood, and without bash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmout_s: Option<i64>,
    /// Whether the shell lets nobody set it otherwise (`readonly`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmout_readonly: Option<bool>,
    /// After how long systemd-logind ends an idle session, whatever it is; 0 is never, and without
    /// systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_idle_session_s: Option<i64>,
    /// What systemd-logind does when all sessions are idle: `IdleAction`; absent without systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_action: Option<String>,
    /// After how long it does so; absent without systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_action_s: Option<i64>,
    /// /etc/issue, shown before a login at the console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue: Option<Notice>,
    /// /etc/issue.net, which sshd shows where its `Banner` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_net: Option<Notice>,
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// Whether it is mounted by itself.
    pub automount: bool,
    /// Whether a program on it may be started, after a question.
    pub autorun: bool,
    /// Whether users may set either otherwise for themselves.
    pub user_overridable: bool,
}

/// A text that is shown to whoever wants to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Whether it has words of its own: more than the system's name, and what the terminal is.
    pub has_words: bool,
    /// Whether it tells the system, its release or its kernel to whoever comes by.
    pub names_system: bool,
}

impl Kind for SessionLock {
    const NAME: &'static str = "session_lock";
    const V: i64 = 1;
    const TITLE: &'static str = "Session lock";
    const ABOUT: About = About {
        purpose: "Whether a session that nobody uses is locked or ended, whether somebody is logged in without a password, and what is shown before.",
        reads: &[
            "/etc/dconf/db/*",
            "/etc/dconf/profile/user",
            "/etc/gdm*/*.conf",
            "*/systemd/logind.conf",
            "*/systemd/logind.conf.d/*",
            "/etc/greetd/config.toml",
            "/etc/issue",
            "/etc/issue.d/*",
            "/etc/issue.net",
            "/etc/lightdm/*",
            "/etc/lxdm/lxdm.conf",
            "/etc/os-release",
            "/etc/plasmalogin.conf",
            "/etc/profile",
            "/etc/profile.d/*",
            "/etc/sddm.conf*",
            "/etc/xdg/kscreenlockerrc",
            "/etc/xdg/lightdm/*",
            "/run/gdm*/*.conf",
            "/usr/lib/sddm/*",
            "/usr/lib/systemd/systemd-logind",
            "/usr/local/share/dconf/profile/user",
            "/usr/local/share/lightdm/*",
            "/usr/share/dconf/profile/user",
            "/usr/share/glib-2.0/schemas/*",
            "/usr/share/lightdm/*",
        ],
        also_reads: "files that /etc/profile runs, such as /etc/bash.bashrc; whether the programs of desktops are there",
        stays: &[
            "settings of users, other settings of the same files, what else profiles run, and the texts that are shown",
        ],
        needs: &[],
        cost: Cost::Light,
        people: "",
    };
}
