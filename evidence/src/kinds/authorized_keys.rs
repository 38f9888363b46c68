//! Keys that open accounts over SSH.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The keys in the files that the SSH server reads, for every user of /etc/passwd. Users of a
/// directory (LDAP, SSSD) are not enumerated. Comments never leave the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizedKeys {
    /// By user, then path, then order in the file. Absent when a key may be missing from it: the
    /// server's configuration, a home or a file was not read, a line is no key, or the server also
    /// takes keys from a program or from whoever an authority has signed (`TrustedUserCAKeys`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<Entry>>,
    /// The files that there are, by path. Absent when a home or a file could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<KeyFile>>,
    /// Whether the server also asks a program for keys (`AuthorizedKeysCommand`), for anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_configured: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub user: String,
    pub uid: i64,
    pub path: String,
    /// `rsa`, `dsa`, `ecdsa`, `ed25519`, `ecdsa-sk`, `ed25519-sk`.
    #[serde(rename = "type")]
    pub key_type: String,
    pub bits: i64,
    /// As `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Names of the options, lower case, in their order; their values stay on the host.
    pub options: Vec<String>,
    /// `from` limits where it may be used from.
    pub has_from: bool,
    /// It runs one command only, or was restricted as a whole (`command`, `restrict`).
    pub restricted: bool,
    /// It opens the account to every key that it has signed.
    pub cert_authority: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    pub path: String,
    pub user: String,
    /// Whether root or the user owns it, as the server demands (`StrictModes`).
    pub owner_ok: bool,
    pub group_write: bool,
    pub other_write: bool,
}

impl Kind for AuthorizedKeys {
    const NAME: &'static str = "authorized_keys";
    const V: i64 = 1;
    const TITLE: &'static str = "Authorized SSH keys";
    const PERSONAL: bool = true;
    const ABOUT: About = About {
        purpose: "Which SSH keys open which account, and what they may do.",
        reads: &["/etc/passwd", "/etc/ssh/*", "*/systemd/system/ssh*", "*/.ssh/*"],
        also_reads: "what `ssh_server` and `packages` read of it; files that `AuthorizedKeysFile` names",
        stays: &[
            "comments of keys, which often are addresses of people",
            "values of options such as commands and addresses: only their names leave",
            "the keys themselves: a fingerprint leaves",
        ],
        needs: &[(Privilege::DacReadSearch, "the key files of other people's homes")],
        cost: Cost::Light,
        people: "Which account each key opens, by fingerprint, so that keys of leavers are found.",
    };
}
