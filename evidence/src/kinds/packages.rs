//! Installed software, as the package manager knows it.

use super::Kind;
use super::about::{About, Cost};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The inventory of the package manager. Install times are left out: equal software is equal state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    pub manager: Manager,
    /// Number of `items`.
    pub count: i64,
    /// Installed packages, sorted by name, then architecture: unpacked and configured, those that
    /// wait for triggers (`triggers-awaited`, `triggers-pending`) included. Files of a package in
    /// another state may be on disk too: a rule that forbids software reads `broken` as well. The
    /// keys that rpm keeps as `gpg-pubkey` are no software, and left out.
    pub items: Vec<Package>,
    /// Packages on hold of which at least files are there, sorted (`dpkg --set-selections`,
    /// apt-mark(8)): `name`, or `name:arch` where the database has several architectures of it.
    /// Pins of apt_preferences(5) are no holds. Of apk what /etc/apk/world pins to a version, of
    /// pacman what `IgnorePkg` names. Of rpm an empty list, or absent where dnf, yum or zypper have
    /// locks or excludes, for those are patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Vec<String>>,
    /// Packages that are neither installed nor removed (`half-configured`, `half-installed`,
    /// `unpacked`, `triggers-*`), as `name state`, and those that must be installed again, as
    /// `name state reinstreq`; sorted. Names as in `held`. Of rpm, where an interrupted upgrade
    /// leaves two versions, `name duplicate`; packages of which several versions are meant to be
    /// installed, such as kernels, are none. Of apk, where files or scripts failed, `name broken`.
    pub broken: Vec<String>,
    /// Snaps under /snap with an active revision; 0 when there is no such directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snaps: Option<i64>,
    /// System-wide flatpak applications; 0 when there is no /var/lib/flatpak/app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flatpaks: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    Dpkg,
    Rpm,
    Apk,
    Pacman,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub name: String,
    /// As the package manager prints it, with its epoch if it has one.
    pub version: String,
    pub arch: String,
    /// Source package; absent when it has the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Version of the source package; absent when it is the same. Of rpm without epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,
    /// Who built it, as it says itself; of rpm only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
}

impl Kind for Packages {
    const NAME: &'static str = "packages";
    const V: i64 = 1;
    const TITLE: &'static str = "Installed software";
    const ABOUT: About = About {
        purpose: "Which software is installed, in which version, and from what it was built.",
        reads: &[
            "/var/lib/dpkg/*",
            "/var/lib/rpm/*",
            "/usr/lib/sysimage/rpm/*",
            "/lib/apk/db/installed",
            "/usr/lib/apk/db/installed",
            "/var/lib/pacman/local/*",
            "/etc/dnf/*",
            "/etc/yum*",
            "/etc/zypp/locks",
            "/etc/apk/world",
            "/etc/pacman.conf",
            "/etc/os-release",
            "/usr/lib/os-release",
            "/snap/",
            "/var/lib/flatpak/app/",
        ],
        also_reads: "",
        stays: &[
            "maintainers, descriptions and the files of packages",
            "software that people installed into their homes",
        ],
        needs: &[],
        cost: Cost::Moderate,
        people: "",
    };
}
