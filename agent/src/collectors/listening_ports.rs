//! The kind `listening_ports`: /proc/net/{tcp,tcp6,udp,udp6}, and who holds these sockets by
//! /proc/PID/fd. The tables need no privilege; to look into the processes of others takes
//! CAP_SYS_PTRACE.

mod holders;
mod udp_clients;

use super::{Collector, facts};
use crate::formats::proc_net::{self, Listener, Protocol};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::listening_ports::{Ip, Scope, Socket};
use evidence::kinds::{Kind, ListeningPorts};
use holders::{Holder, Holders};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use udp_clients::UdpClients;

pub(super) const COLLECTOR: Collector = Collector {
    kind: ListeningPorts::NAME,
    schedule: "0 * * * *",
    live_only: true,
    collect: |reading| collect(reading).and_then(facts),
};

/// Largest table, in bytes: that of some 200,000 connections.
const MAX_TABLE_BYTES: u64 = 32 << 20;

fn collect(reading: &mut Reading<'_>) -> Result<ListeningPorts, Failure> {
    let tcp = table(reading, Protocol::Tcp);
    let udp = table(reading, Protocol::Udp);
    if let (Err(failure), Err(_)) = (&tcp, &udp) {
        return Err(*failure);
    }
    let clients = UdpClients::read(reading);
    let udp = udp.ok().zip(clients.as_ref()).map(|(mut sockets, clients)| {
        sockets.retain(|socket| !clients.may_use(socket.port));
        sockets
    });
    let tcp = tcp.ok();
    let inodes = tcp.iter().chain(&udp).flatten().map(|socket| socket.inode).collect();
    let holders = Holders::find(reading, inodes);
    let facts = ListeningPorts {
        tcp: tcp.map(|sockets| grouped(&sockets, "tcp", &holders)),
        udp: udp.map(|sockets| grouped(&sockets, "udp", &holders)),
        udp_not_listed: clients.map(|clients| clients.ranges()),
    };
    name_gaps(reading, &facts);
    Ok(facts)
}

/// The listeners of a protocol in both versions of IP.
fn table(reading: &mut Reading<'_>, protocol: Protocol) -> Result<Vec<Listener>, Failure> {
    let (v4, v6) = match protocol {
        Protocol::Tcp => ("/proc/net/tcp", "/proc/net/tcp6"),
        Protocol::Udp => ("/proc/net/udp", "/proc/net/udp6"),
    };
    let mut found = Vec::new();
    for path in [v4, v6] {
        let text = match reading.text_up_to(path, MAX_TABLE_BYTES) {
            // A kernel without IPv6, or told to do without, has no such table.
            Err(ReadError::Absent) if path == v6 => continue,
            other => other?,
        };
        match proc_net::listeners(&text, protocol) {
            Ok(listeners) => found.extend(listeners),
            Err(line) => {
                reading.malformed(path, format!("line {line} is none of a table of sockets"));
                return Err(Failure(Status::ParseError));
            }
        }
    }
    Ok(found)
}

/// What is said of the sockets of one port, version of IP and scope.
#[derive(Default)]
struct Group {
    uids: BTreeSet<i64>,
    holders: Vec<Option<Holder>>,
}

fn grouped(sockets: &[Listener], protocol: &str, holders: &Holders) -> Vec<Socket> {
    let mut groups: BTreeMap<(u16, Ip, Scope), Group> = BTreeMap::new();
    for socket in sockets {
        let key = (socket.port, ip(socket.address), scope(socket.address));
        let group = groups.entry(key).or_default();
        group.uids.insert(i64::from(socket.uid));
        group.holders.push(holders.of(socket.inode));
    }
    let socket = |((port, ip, scope), group): ((u16, Ip, Scope), Group)| Socket {
        key: format!("{protocol}/{port}"),
        port: i64::from(port),
        ip,
        scope,
        uids: group.uids.iter().copied().collect(),
        programs: group.all(|holder| holder.program.as_deref()),
        units: group.all(|holder| holder.unit.as_deref()),
    };
    groups.into_iter().map(socket).collect()
}

impl Group {
    /// A property of all holders, sorted; "" is none. Not known when it is not known of one.
    fn all(&self, of: impl Fn(&Holder) -> Option<&str>) -> Option<Vec<String>> {
        let mut found = BTreeSet::new();
        for holder in &self.holders {
            found.insert(of(holder.as_ref()?)?);
        }
        Some(found.into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect())
    }
}

fn ip(address: IpAddr) -> Ip {
    match address {
        IpAddr::V4(_) => Ip::V4,
        IpAddr::V6(address) if address.is_unspecified() => Ip::V6OrBoth,
        IpAddr::V6(_) => Ip::V6,
    }
}

fn scope(address: IpAddr) -> Scope {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    match address {
        _ if address.is_unspecified() => Scope::Any,
        _ if address.is_loopback() => Scope::Loopback,
        _ if link_local => Scope::LinkLocal,
        _ if address.is_multicast() || address == Ipv4Addr::BROADCAST => Scope::Multicast,
        _ => Scope::Specific,
    }
}

/// Every fact that is not there was not read.
fn name_gaps(reading: &mut Reading<'_>, facts: &ListeningPorts) {
    if facts.udp_not_listed.is_none() {
        reading.unread("udp_not_listed");
    }
    for (field, sockets) in [("tcp", &facts.tcp), ("udp", &facts.udp)] {
        let Some(sockets) = sockets else {
            reading.unread(field);
            continue;
        };
        if sockets.iter().any(|socket| socket.programs.is_none()) {
            reading.unread(&format!("{field}.programs"));
        }
        if sockets.iter().any(|socket| socket.units.is_none()) {
            reading.unread(&format!("{field}.units"));
        }
    }
}
