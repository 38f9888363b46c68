//! What the OpenSSH server would apply to a connection.

use super::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Effective configuration of sshd(8): the first value wins, drop-ins and `Match` blocks included.
///
/// Without a server only `installed` is present; its rules are then not applicable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshServer {
    /// An OpenSSH server is installed, by the package database or its binary.
    pub installed: bool,
    /// OpenSSH release, such as `9.2p1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether an sshd listens now; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// Settings outside every `Match` block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global: Option<Settings>,
    /// `Match` blocks in the order they are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<MatchBlock>>,
    /// The least strict value that any connection could meet: global settings and every `Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<Worst>,
    /// Algorithms offered, in order; absent when the release's defaults are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_algorithms: Option<Algorithms>,
    /// Host keys the configuration names and that exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_keys: Option<Vec<HostKey>>,
    /// Keyword → `path:line` of the directive that decided it; a keyword at its default is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origins: Option<BTreeMap<String, String>>,
    /// Directives that could not be resolved, as `path:line keyword`: unknown keywords, unreadable includes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<Vec<String>>,
    /// Started by a systemd socket instead of running all the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_activated: Option<bool>,
}

/// Settings by sshd_config(5) keyword in lower case. `without-password` is written
/// `prohibit-password`; times are seconds.
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
    pub authorizedkeyscommand: String,
    pub authenticationmethods: Vec<String>,
    pub maxauthtries: i64,
    pub maxsessions: i64,
    pub maxstartups: String,
    pub logingracetime_s: i64,
    pub clientaliveinterval_s: i64,
    pub clientalivecountmax: i64,
    pub ports: Vec<i64>,
    pub listenaddresses: Vec<String>,
    pub allowusers: Vec<String>,
    pub allowgroups: Vec<String>,
    pub denyusers: Vec<String>,
    pub denygroups: Vec<String>,
}

/// The least strict value of each setting over the global section and all `Match` blocks.
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
    /// The criteria as written, white space folded.
    pub criteria: String,
    /// `path:line` of the `Match` line.
    pub location: String,
    /// Keyword in lower case → value as written; first value wins.
    pub settings: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Algorithms {
    pub ciphers: Vec<String>,
    pub macs: Vec<String>,
    pub kex: Vec<String>,
    pub hostkey: Vec<String>,
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
    /// Name of the owning group of the private key; its number when it has no name.
    pub group: String,
    pub group_read: bool,
    pub other_read: bool,
}

impl Kind for SshServer {
    const NAME: &'static str = "ssh_server";
    const V: i64 = 1;
    const TITLE: &'static str = "OpenSSH server configuration";
}
