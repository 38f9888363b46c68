//! UDP sockets of programs that only ask: a resolver, a browser, mDNS.
//!
//! UDP has no state that tells a server from a client which did not name its peer. What tells them
//! apart is the port: a client takes the one that the kernel gives it, another one every time, and
//! would make new facts every time. Below 32768 even a port that the kernel might have given is
//! listed: some hosts let it give nearly all, and servers would be among them.

use crate::host::{ReadError, Reading};
use evidence::kinds::listening_ports::PortRange;
use std::ops::RangeInclusive;

/// Ports that the kernel gives (ip-sysctl of the kernel's documentation).
const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Ports that it keeps for those who ask for them by number.
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
const FIRST: u16 = 32_768;
/// Servers that by custom have a port among them: Tailscale, WireGuard.
const SERVERS: [u16; 2] = [41_641, 51_820];

pub(super) struct UdpClients {
    range: RangeInclusive<u16>,
    reserved: Vec<RangeInclusive<u16>>,
}

impl UdpClients {
    pub(super) fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let text = reading.text(RANGE).ok()?;
        let Some((first, last)) = two_ports(&text) else {
            reading.malformed(RANGE, "not two ports");
            return None;
        };
        let reserved = match reading.text(RESERVED) {
            Ok(text) => reserved(text.trim()).or_else(|| {
                reading.malformed(RESERVED, "not a list of ports");
                None
            })?,
            Err(ReadError::Absent) => Vec::new(),
            Err(_) => return None,
        };
        Some(Self { range: first.max(FIRST)..=last, reserved })
    }

    /// Whether a socket on this port may be that of a client.
    pub(super) fn may_use(&self, port: u16) -> bool {
        let is_kept = SERVERS.contains(&port) || self.reserved.iter().any(|r| r.contains(&port));
        self.range.contains(&port) && !is_kept
    }

    pub(super) fn ranges(&self) -> Vec<PortRange> {
        let (first, last) = (i64::from(*self.range.start()), i64::from(*self.range.end()));
        if self.range.is_empty() { Vec::new() } else { vec![PortRange { first, last }] }
    }
}

fn two_ports(text: &str) -> Option<(u16, u16)> {
    let mut ports = text.split_ascii_whitespace().map(|word| word.parse().ok());
    let both = (ports.next()??, ports.next()??);
    ports.next().is_none().then_some(both)
}

/// `8080,9148-9152`
fn reserved(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.split(',').filter(|part| !part.is_empty()).map(range).collect()
}
