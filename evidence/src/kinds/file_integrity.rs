//! Whether changed files would be noticed, and whether there are any.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tools that watch files, and files of packages compared with the sums that dpkg keeps of them.
/// The sums lie on the same disk and are not signed: a change by mistake is found, and one by
/// somebody who does not know of them.
///
/// A running agent reads a file again when it is another one by device, inode, size, or time of
/// contents or attributes (ctime, which only the kernel sets), and each within a day, spread over
/// it, when it is not; what changed in the minute before, or lies on a network or FUSE file system,
/// each time. Whoever sets the clock back or writes below the file system is so found within a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileIntegrity {
    /// Tools that are installed (AIDE, Samhain, Tripwire), by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Whether the kernel measures more than its own start (IMA). Of the running system only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ima_measures: Option<bool>,
    /// Programs of packages: all below /bin, /sbin, /usr/bin and /usr/sbin, modules of PAM, and
    /// set-id files wherever they are; a file of theirs that becomes set-id is one within a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<Verified>,
    /// Configuration files that packages brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conffiles: Option<Verified>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    pub name: String,
    /// Whether it has a database to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<bool>,
    /// Day on which the database was last written, counted from the epoch, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_day: Option<i64>,
    /// Whether something starts it by itself: a timer, cron, or a service that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// How many files were compared.
    pub checked: i64,
    /// Files that are not as the package brought them, by path.
    pub modified: Vec<Changed>,
    /// Files that are gone, by path.
    pub missing: Vec<Changed>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    pub path: String,
    pub package: String,
}

impl Kind for FileIntegrity {
    const NAME: &'static str = "file_integrity";
    const V: i64 = 1;
    const TITLE: &'static str = "File integrity";
    const ABOUT: About = About {
        purpose: "Whether changes of files would be noticed, and whether programs are as their packages brought them.",
        reads: &[
            "/var/lib/dpkg/*",
            "/etc/*",
            "/usr/*",
            "/var/spool/cron/crontabs/root",
            "/var/lib/aide*",
            "/var/lib/tripwire*",
            "/sys/kernel/security/*",
        ],
        also_reads: "programs and configuration files of packages, for their MD5 sums: by a running agent each once a day, and at once when device, inode, size or a time of it differs; the state of Samhain",
        stays: &["contents of files", "jobs of crontabs: whether one starts a tool leaves"],
        needs: &[(
            Privilege::DacReadSearch,
            "configuration files and databases that only root reads",
        )],
        cost: Cost::Heavy,
        people: "",
    };
}
