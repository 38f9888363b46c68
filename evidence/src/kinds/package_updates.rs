//! Where updates come from, which of them wait, and whether they come by themselves.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The updates of the package manager, as its own lists on the host know them: nothing is asked
/// for over the network. What the lists do not know they cannot say, so read their day first.
/// A running agent reads them again when one of the files, or a directory of them, is another one by
/// its inode, size or times, and within a day when none is; processes are looked into each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageUpdates {
    pub manager: UpdateManager,
    /// Every source of binary packages that is configured, in the order of its address. Absent
    /// where one of the files that configure them was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repositories: Option<Vec<Repository>>,
    /// Whether an enabled source holds the security updates of this release, by what its signed
    /// metadata says of itself. Rolling releases have none apart: there it is true. Of RPM, whether
    /// one has security advisories over installed packages of the distribution's own vendor; absent
    /// where its packages come without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_repository: Option<bool>,
    /// Day up to which what is pending is known: that of the last refresh which reached every
    /// source, or that of the oldest security metadata, whichever is later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_day: Option<i64>,
    /// Updates that are known and not installed, by name. Absent unless the lists of every enabled
    /// source are there and whole: an empty list says that nothing was known on `metadata_day`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Vec<Update>>,
    /// Whether updates come by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic: Option<Automatic>,
    /// Programs that run files which were replaced on disk, by service. Only the running system
    /// has any, and all of its processes must have been looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_processes: Option<Vec<StaleProcess>>,
}

/// What installs updates without a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Automatic {
    pub mechanism: Mechanism,
    /// All of the following four: security updates come by themselves.
    pub enabled: bool,
    /// Lists are refreshed.
    pub refreshes: bool,
    /// Updates are installed.
    pub upgrades: bool,
    /// Both are started, by a timer or by cron.
    pub scheduled: bool,
    /// Updates of the enabled security source are among those installed.
    pub security_allowed: bool,
    /// Number of patterns of packages that are never updated so.
    pub excluded: i64,
    /// It ran to its end at least once. Absent where nothing tells, as with dnf-automatic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<bool>,
    /// Day of the last run that ended well; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_day: Option<i64>,
    /// How the last run ended, by its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result: Option<LastResult>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    UnattendedUpgrades,
    DnfAutomatic,
    /// Nothing that is known here.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LastResult {
    Success,
    Failed,
    /// There is no log, or no run in it.
    Unknown,
}

/// A program of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaleProcess {
    /// The service; `user.slice` for all that people run.
    pub unit: String,
    /// Its path, without arguments.
    pub program: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateManager {
    Apt,
    Dnf,
    Zypper,
}

/// One address with one suite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Without user, password and what follows a question mark.
    pub uri: String,
    /// Of RPM, the id of the repository.
    pub suite: String,
    pub components: Vec<String>,
    pub enabled: bool,
    /// Packages are installed only if a key of the host signed the metadata: nothing in the
    /// source, and no switch for all of them, waives it, and the lists at hand are signed. Absent
    /// where nobody could look whether they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_required: Option<bool>,
    /// Its keys are named, and vouch for no other source. Keys of RPM vouch for all of them.
    pub own_keys: bool,
    /// Metadata past its end is refused. That of RPM has no end.
    pub expiry_checked: bool,
    /// It holds security updates, by what its metadata says. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<bool>,
    /// Day of its metadata. Many change with a release only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_day: Option<i64>,
    /// Day on which its metadata ends; absent if it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until_day: Option<i64>,
}

/// One package that is behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// `name`, or `name:arch` where it is not of the host's own architecture.
    pub name: String,
    pub installed: String,
    /// The version that is due: the one that the package manager would install, or a later one
    /// from this release's security updates that pins keep away.
    pub candidate: String,
    /// A version after the installed one, up to the candidate, stands among security updates.
    pub security: bool,
    /// As the gravest of its advisories rates it; the lists of apt rate nothing.
    pub severity: Severity,
    pub kept_back: KeptBack,
    /// Security advisories it answers, by name. Absent where the lists name none, as those of apt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advisories: Option<Vec<String>>,
    /// Day on which the first of these was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advised_day: Option<i64>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Critical,
    Important,
    Moderate,
    Low,
    Unknown,
}

/// What keeps an update away.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum KeptBack {
    /// Nothing does.
    No,
    /// The package is on hold, or its version is locked.
    Hold,
    /// Pins, apt_preferences(5), prefer another version; or the configuration of dnf excludes it, or
    /// a repository of more priority lacks it.
    Pin,
    /// It reaches hosts by and by, and this one's turn has not come.
    Phasing,
}

impl Kind for PackageUpdates {
    const NAME: &'static str = "package_updates";
    const V: i64 = 1;
    const TITLE: &'static str = "Updates of software";
    const ABOUT: About = About {
        purpose: "Where software comes from, which updates wait, and whether they come by themselves.",
        reads: &[
            "/etc/apt/*",
            "/etc/machine-id",
            "/var/lib/dbus/machine-id",
            "/etc/os-release",
            "/var/lib/apt/lists/*",
            "/var/lib/apt/periodic/*",
            "/var/lib/dpkg/*",
            "/var/log/unattended-upgrades/unattended-upgrades.log",
            "/usr/lib/sysimage/rpm/*",
            "/var/lib/rpm/*",
            "/etc/dnf/*",
            "/etc/yum*",
            "/etc/distro.repos.d/*",
            "/usr/share/dnf5/*",
            "/var/cache/dnf/*",
            "/var/cache/libdnf5/*",
            "/etc/zypp/*",
            "/var/cache/zypp/raw/*",
            "/proc/",
        ],
        also_reads: "the mapped files and the control group of every process; links of timers; whether cron has apt's daily job; the system, as `host_os` reads it. A running agent reads all but processes once a day, and at once when inode, size or a time of any of it differs",
        stays: &[
            "user names, passwords and tokens in the addresses of sources",
            "the host's machine id, which decides when a phased update is its turn",
            "keys that stand in a source",
            "lines of logs",
            "process ids, arguments, and whose processes they are",
        ],
        needs: &[
            (Privilege::DacReadSearch, "how the last automatic update ended"),
            (Privilege::SysPtrace, "processes that run replaced files"),
        ],
        cost: Cost::Heavy,
        people: "",
    };
}
