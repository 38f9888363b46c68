//! The packet filter of the host.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the host's own packet filter does with traffic that no rule of it names. Firewalls around the
/// host are not seen.
///
/// A default is what becomes of a new connection from anywhere, over an interface that leads outside,
/// to a port that no rule names: the policy of the chains, a last rule that refuses everything, and
/// rules that let everybody in, taken together. Of several chains on a hook one that refuses decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// Where the answer comes from: the kernel, or files alone. Files say what would be loaded, and
    /// nothing about what holds now.
    pub source: FirewallSource,
    /// Whether the kernel refuses anything that comes in, by a policy or a rule. Chains that container
    /// engines, hypervisors and fail2ban make for themselves do not count. Absent from files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// What becomes of IPv4 to this host. Absent from files, and where rules of the old x_tables may
    /// decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_default: Option<Fate>,
    /// The same for IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_input_default: Option<Fate>,
    /// What becomes of IPv4 through this host to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_default: Option<Fate>,
    /// The same for IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_forward_default: Option<Fate>,
    /// Whether an interface other than lo has an address of IPv6; absent offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_enabled: Option<bool>,
    /// Whether tables of the old x_tables are in use (iptables-legacy): their rules are not read.
    /// Absent where only files were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_tables: Option<bool>,
    /// Firewalls that are set up in files, by manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured: Option<Vec<Configured>>,
    /// Whether one of them refuses by default and is loaded at boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirewallSource {
    /// The kernel's own tables.
    Netlink,
    Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Accept,
    /// Without a word.
    Drop,
    /// With an answer.
    Reject,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    Firewalld,
    Iptables,
    Nftables,
    Ufw,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configured {
    pub manager: Manager,
    /// Whether it is loaded at boot: its unit is enabled, and its own switch is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What its files would do with IPv4 to this host; absent where they were not read or are written
    /// in a way that is not understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_default: Option<Fate>,
    /// The same for IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_input_default: Option<Fate>,
}

impl Kind for Firewall {
    const NAME: &'static str = "firewall";
    const V: i64 = 1;
    const TITLE: &'static str = "Firewall";
    const ABOUT: About = About {
        purpose: "Whether the host refuses connections that nobody allowed, now and after a restart.",
        reads: &[
            "/etc/NetworkManager/system-connections/*",
            "/etc/default/ufw",
            "/etc/firewalld/*",
            "/etc/iptables/*",
            "/etc/nftables.*",
            "/etc/sysconfig/*tables*",
            "/etc/sysconfig/network-scripts/*",
            "/etc/ufw/*",
            "/proc/net/if_inet6",
            "/proc/net/ip6_tables_names",
            "/proc/net/ip_tables_names",
            "/proc/net/ipv6_route",
            "/proc/net/route",
            "/run/NetworkManager/system-connections/*",
            "/usr/lib/NetworkManager/system-connections/*",
            "/usr/lib/firewalld/zones/*",
        ],
        also_reads: "nf_tables over netlink: tables, chains, rules, and what is in sets within rules; links of units",
        stays: &[
            "the rules themselves, with addresses, interfaces and ports",
            "connections of NetworkManager, of which only the zone is looked at, with their secrets",
        ],
        needs: &[(
            Privilege::NetAdmin,
            "what holds now: all but what is in files; not given by the unit, see firewall.conf beside it",
        )],
        cost: Cost::Light,
        people: "",
    };
}
