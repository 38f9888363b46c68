//! What a walk through all local files finds.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Programs that run with the rights of others, files that everybody may write to, files of nobody:
/// on every local file system. Not entered are network file systems, those of the kernel, FUSE,
/// images, layers of containers, and the directories of `left_out`. Lists are sorted by path and
/// hold at most a thousand entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileWalk {
    /// The walk ended at a bound, of files or of time: its lists are then unread.
    pub truncated: bool,
    /// Directories of containers and machines that are there and were not entered.
    pub left_out: Vec<String>,
    /// Files that change the user, the group or the capabilities of who runs them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_id: Option<Vec<SetId>>,
    /// Regular files that everybody may write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world_writable_files: Option<Vec<String>>,
    /// Directories in which everybody may write and remove what others wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world_writable_dirs_no_sticky: Option<Vec<String>>,
    /// Whose user or group no account file knows. What lies in such a directory and has the same
    /// user and group is not listed again. Numbers of subuid(5) and of services with a dynamic user
    /// belong to somebody. Absent where accounts come from a directory too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unowned: Option<Vec<String>>,
    /// Names of lists that hold more than a thousand entries, of which the first are shown.
    pub cut: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetId {
    pub path: String,
    pub uid: i64,
    pub gid: i64,
    pub setuid: bool,
    pub setgid: bool,
    /// Capabilities of the file, permitted or inheritable, such as `cap_net_raw`, sorted. Only
    /// files that somebody may execute are asked.
    pub capabilities: Vec<String>,
    /// Whether a package holds a file at this path. That it came with these bits is not said: dpkg
    /// keeps no list of modes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packaged: Option<bool>,
    /// The package; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

impl Kind for FileWalk {
    const NAME: &'static str = "file_walk";
    const V: i64 = 1;
    const TITLE: &'static str = "Walk through local files";
    const ABOUT: About = About {
        purpose: "Programs that run with rights of others, files that everybody may change, files that belong to nobody.",
        reads: &[
            "/proc/1/mountinfo",
            "/etc/passwd",
            "/etc/group",
            "/etc/nsswitch.conf",
            "/etc/subuid",
            "/etc/subgid",
        ],
        also_reads: "every directory of every local file system; the package database, as `packages` reads it",
        stays: &["names of all other files", "contents: no file is opened"],
        needs: &[
            (Privilege::DacReadSearch, "directories that are closed to others"),
            (Privilege::SysPtrace, "the file systems as the first process sees them"),
        ],
        cost: Cost::Heavy,
        people: "",
    };
}
