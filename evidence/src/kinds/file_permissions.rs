//! Who may read and write the files that decide about a system.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Owner, group and permissions of files that decide who gets in and what root does, one list for
/// each use. What is not there is not listed; a list is absent where a part of it could not be
/// seen. Attributes only: nothing is read of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilePermissions {
    /// Lists of accounts and groups, and their backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passwd: Option<Vec<SensitiveFile>>,
    /// Password hashes, and their backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Vec<SensitiveFile>>,
    /// Configuration of the boot loader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_loader: Option<Vec<SensitiveFile>>,
    /// What is started by time: cron and at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Vec<SensitiveFile>>,
    /// Who becomes somebody else: sudo, PAM, polkit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privilege: Option<Vec<SensitiveFile>>,
    /// Configuration of the SSH server; its keys are facts of the kind `ssh_server`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_server: Option<Vec<SensitiveFile>>,
    /// What runs in every shell, program or start of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Vec<SensitiveFile>>,
    /// Directories of programs and libraries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<Vec<SensitiveFile>>,
    /// Where packages come from, and whose signatures they need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_sources: Option<Vec<SensitiveFile>>,
}

/// A file or directory; of a link, what it leads to, and beside it the directories on the way there in
/// which others than root may put something in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SensitiveFile {
    pub path: String,
    pub directory: bool,
    pub uid: i64,
    pub gid: i64,
    /// Name of the group, or its number where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// As chmod(1) takes it: `0640`. With an ACL the second digit from the right is its mask.
    pub mode: String,
    /// Of the owning group, the mask of an ACL applied.
    pub group_read: bool,
    pub group_write: bool,
    pub other_read: bool,
    pub other_write: bool,
    pub sticky: bool,
    /// Whether an access control list (acl(5)) names users or groups beside the owning ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_acl: Option<bool>,
    /// Whether one of those may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acl_read: Option<bool>,
    /// Whether one of those may write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acl_write: Option<bool>,
}

impl Kind for FilePermissions {
    const NAME: &'static str = "file_permissions";
    const V: i64 = 1;
    const TITLE: &'static str = "File permissions";
    const ABOUT: About = About {
        purpose: "Whether the files that decide about a system are closed to those who should not read or write them.",
        reads: &["/etc/group"],
        also_reads: "stat(2) and access control lists of files that a fixed list names, and the names in its directories",
        stays: &["contents of these files: none is opened"],
        needs: &[(Privilege::DacReadSearch, "files in directories that are closed to others")],
        cost: Cost::Light,
        people: "",
    };
}
