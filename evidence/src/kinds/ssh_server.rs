//! What the OpenSSH server would apply to a connection.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Effective configuration of sshd(8): the first value wins, drop-ins and `Match` blocks included.
///
/// Of several servers (units of an administrator beside that of the package) it is said of all:
/// `worst`, `matches`, `host_keys` and `effective_algorithms` are of every one, `global` is absent
/// where they differ in more than where they listen, `origins` are those of the first.
///
/// Without a server only `installed` is present; its rules are then not applicable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshServer {
    /// An OpenSSH server is installed, by the package database or its binary.
    pub installed: bool,
    /// OpenSSH release, such as `9.2p1`, by the package database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether an sshd runs and one of its ports is listened on; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// Settings of a connection that meets no `Match` but `Match all`, as `sshd -T` prints them.
    /// Absent where a build that differs from OpenSSH (SUSE) leaves the value to a default that is
    /// not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global: Option<Settings>,
    /// `Match` blocks in the order they are read, once for each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<MatchBlock>>,
    /// The least strict value that any connection could meet: global settings and every `Match`,
    /// save what a `Match all` before it hides from everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<Worst>,
    /// Algorithms offered, in order; absent when the release's defaults are not known, unless all
    /// lists are written out, as a crypto policy does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_algorithms: Option<Algorithms>,
    /// Host keys the configuration names and that exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_keys: Option<Vec<HostKey>>,
    /// Keyword → `path:line` of the directive that decided it; a keyword at its default is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origins: Option<BTreeMap<String, String>>,
    /// What kept the configuration from being known, as `path:line keyword`: unknown keywords,
    /// unreadable includes, values that sshd refuses, start options not understood (`path:line
    /// option`, or `path reason`). When there is one, no setting is reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<Vec<String>>,
    /// `ssh.socket` is enabled: systemd listens, on its own addresses, and starts sshd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_activated: Option<bool>,
}

/// Settings by sshd_config(5) keyword in lower case, in the spelling of `sshd -T`, except that
/// `without-password` is written `prohibit-password` and `SILENT` is written `QUIET`; times are
/// seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub permitrootlogin: String,
    pub passwordauthentication: String,
    pub kbdinteractiveauthentication: String,
    pub pubkeyauthentication: String,
    pub permitemptypasswords: String,
    pub hostbasedauthentication: String,
    pub ignorerhosts: String,
    pub permituserenvironment: String,
    pub usepam: String,
    pub x11forwarding: String,
    pub allowtcpforwarding: String,
    pub allowagentforwarding: String,
    pub permittunnel: String,
    pub gatewayports: String,
    pub strictmodes: String,
    pub loglevel: String,
    pub syslogfacility: String,
    pub banner: String,
    pub authorizedkeysfile: Vec<String>,
    /// Path without arguments, or `none`.
    pub authorizedkeyscommand: String,
    /// `any`, or lists of methods separated by commas.
    pub authenticationmethods: Vec<String>,
    pub maxauthtries: i64,
    pub maxsessions: i64,
    /// `BEGIN:RATE:FULL`; the rate is in percent.
    pub maxstartups: String,
    pub logingracetime_s: i64,
    pub clientaliveinterval_s: i64,
    pub clientalivecountmax: i64,
    pub ports: Vec<i64>,
    /// `HOST:PORT` or `[IPV6]:PORT`; names are not resolved.
    pub listenaddresses: Vec<String>,
    pub allowusers: Vec<String>,
    pub allowgroups: Vec<String>,
    pub denyusers: Vec<String>,
    pub denygroups: Vec<String>,
}

/// The least strict value of each setting over the global section and all `Match` blocks, as if
/// each block could match somebody. `local` and `remote` forwarding, or both sorts of tunnel, in
/// different places give `yes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Worst {
    pub permitrootlogin: String,
    pub passwordauthentication: String,
    pub kbdinteractiveauthentication: String,
    pub permitemptypasswords: String,
    pub hostbasedauthentication: String,
    pub x11forwarding: String,
    pub allowtcpforwarding: String,
    pub allowagentforwarding: String,
    pub permittunnel: String,
    pub gatewayports: String,
    pub maxauthtries: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchBlock {
    /// The criteria as written, white space folded. In a file included from another block, that
    /// block's criteria stand before, separated by `; `.
    pub criteria: String,
    /// `path:line` of the `Match` line.
    pub location: String,
    /// Keyword in lower case, aliases resolved → value as written; first value wins, lists of users
    /// and groups add up. Of commands the path alone, of `SetEnv` the names alone.
    pub settings: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Algorithms {
    /// Names in order of preference.
    pub ciphers: Vec<String>,
    pub macs: Vec<String>,
    pub kex: Vec<String>,
    pub hostkey: Vec<String>,
    /// Signature algorithms accepted from users: the global list, then what `Match` blocks add.
    pub pubkey: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostKey {
    /// Path of the private key.
    pub path: String,
    /// `rsa`, `ecdsa`, `ed25519`, `dsa`, from the public key beside it; absent when that cannot be read.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<i64>,
    /// `SHA256:…` as ssh-keygen(1) prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Owner of the private key.
    pub uid: i64,
    /// Name of the owning group of the private key; its number when it has no name.
    pub group: String,
    pub group_read: bool,
    pub other_read: bool,
}

impl Kind for SshServer {
    const NAME: &'static str = "ssh_server";
    const V: i64 = 1;
    const TITLE: &'static str = "OpenSSH server configuration";
    const ABOUT: About = About {
        purpose: "How sshd is really configured, for the weakest value anybody could meet.",
        reads: &[
            "/etc/ssh/*",
            "/etc/conf.d/sshd",
            "/etc/default/ssh",
            "/etc/os-release",
            "/etc/sysconfig/ssh*",
            "/usr/etc/ssh/*",
            "/usr/lib/os-release",
            "/etc/group",
            "*/systemd/system/ssh*",
            "/proc/",
            "/proc/net/tcp",
            "/proc/net/tcp6",
        ],
        also_reads: "files that `Include` names; the public halves of host keys; the package database, as `packages` reads it",
        stays: &[
            "private host keys: never opened",
            "banners and forced commands: only that there is one",
        ],
        needs: &[(Privilege::DacReadSearch, "sshd_config where others may not read it")],
        cost: Cost::Light,
        people: "",
    };
}
