//! Ports on which programs of the host wait for others.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sockets of the agent's network namespace that take what others send first: TCP in the state
/// LISTEN, UDP without a peer. Containers with a network of their own, raw, SCTP and Unix sockets
/// are not covered. Addresses are given as classes, for they name the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListeningPorts {
    /// By port, `ip` and `scope`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Vec<Socket>>,
    /// By port, `ip` and `scope`, without those of `udp_not_listed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp: Option<Vec<Socket>>,
    /// UDP ports from 32768 on that the kernel gives to programs which ask for any: those of
    /// clients, new with every question. Sockets on them are not listed, but for ports that the
    /// kernel is told to keep and those of WireGuard and Tailscale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp_not_listed: Option<Vec<PortRange>>,
}

/// The sockets of one port, `ip` and `scope`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// Protocol and port, such as `tcp/22`.
    pub key: String,
    pub port: i64,
    pub ip: Ip,
    pub scope: Scope,
    /// The users who opened the sockets.
    pub uids: Vec<i64>,
    /// Executables of the processes that hold the sockets: of each socket, that of the process with
    /// the lowest number, which is systemd's for a unit of the type socket. Empty when no process
    /// that can be seen holds one, as with sockets of the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<Vec<String>>,
    /// Services of systemd that these processes belong to, a template without its instance. Empty
    /// for processes of sessions and of containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Vec<String>>,
}

/// Which version of IP.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Ip {
    V4,
    V6,
    /// Bound to `::`. Whether it takes IPv4 too is not shown; most programs do.
    V6OrBoth,
}

/// Who can reach the address that a socket is bound to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// 127.0.0.0/8 or ::1: programs of this host.
    Loopback,
    /// 169.254.0.0/16 or fe80::/10: hosts on the same link.
    LinkLocal,
    /// An address of a multicast group, or 255.255.255.255.
    Multicast,
    /// One address of the host that is none of these.
    Specific,
    /// 0.0.0.0 or `::`: every address the host has.
    Any,
}

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    pub first: i64,
    pub last: i64,
}

impl Kind for ListeningPorts {
    const NAME: &'static str = "listening_ports";
    const V: i64 = 1;
    const TITLE: &'static str = "Listening ports";
    const ABOUT: About = About {
        purpose: "Which programs accept connections, on which ports and addresses.",
        reads: &["/proc/", "/proc/net/*", "/proc/sys/net/ipv4/*"],
        also_reads: "/proc/PID/fd, exe and cgroup of processes that hold a listening socket",
        stays: &[
            "arguments and environments of processes",
            "established connections and the addresses of peers",
        ],
        needs: &[(Privilege::SysPtrace, "which program and unit listens on a port")],
        cost: Cost::Light,
        people: "",
    };
}
