//! The tables of sockets in /proc/net: `tcp`, `tcp6`, `udp` and `udp6` (proc(5), and
//! Documentation/networking/proc_net_tcp.rst of the kernel).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A socket that takes what others send first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    /// Who opened it.
    pub uid: u32,
    /// Its number in `socket:[…]`, the target of descriptors that are open on it.
    pub inode: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// TCP sockets in the state LISTEN; UDP sockets that are bound and have no peer. The error names
/// the line, from 1, that is no line of such a table.
pub fn listeners(text: &str, protocol: Protocol) -> Result<Vec<Listener>, usize> {
    let mut lines = text.lines().enumerate();
    let is_header = |line: &str| line.split_ascii_whitespace().take(2).eq(["sl", "local_address"]);
    if !lines.next().is_some_and(|(_, line)| is_header(line)) {
        return Err(1);
    }
    if !text.ends_with('\n') {
        return Err(text.lines().count());
    }
    let mut found = Vec::new();
    for (index, line) in lines {
        found.extend(socket(line, protocol).ok_or(index + 1)?);
    }
    Ok(found)
}

/// The socket of a line, if it is one that listens; `None` for what is no line of the table.
fn socket(line: &str, protocol: Protocol) -> Option<Option<Listener>> {
    let mut columns = line.split_ascii_whitespace();
    columns.next()?.strip_suffix(':')?.parse::<u64>().ok()?;
    let (address, port) = endpoint(columns.next()?)?;
    let (peer, peer_port) = endpoint(columns.next()?)?;
    let state = columns.next()?;
    // Queues, timer, retransmits.
    let uid = columns.nth(3)?.parse().ok()?;
    let inode = columns.nth(1)?.parse().ok()?;
    let listens = match protocol {
        Protocol::Tcp => state == "0A",
        // An UDP socket that has a peer is ESTABLISHED, 01; any other is CLOSE, 07.
        Protocol::Udp => state == "07" && peer.is_unspecified() && peer_port == 0 && port != 0,
    };
    Some(listens.then_some(Listener { address, port, uid, inode }))
}

/// `0100007F:0016`: the words of the address as the processor has them, the port as a number. An
/// IPv4 address in a socket of IPv6 is given as what it is.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word =
        |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            let address = Ipv6Addr::from(bytes);
            address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn table(lines: &[&str]) -> String {
        format!("{HEAD}{}", lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    }

    fn line(local: &str, remote: &str, state: &str) -> String {
        format!(
            "   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0"
        )
    }

    fn one(local: &str, protocol: Protocol, state: &str) -> Option<Listener> {
        let remote =
            if local.len() > 13 { format!("{:032}:0000", 0) } else { "00000000:0000".to_owned() };
        listeners(&table(&[&line(local, &remote, state)]), protocol).expect("table").pop()
    }

    fn word(bytes: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(bytes))
    }

    #[test]
    fn addresses_are_words_in_the_order_of_the_processor() {
        let local = format!("{}:0016", word([127, 0, 0, 1]));
        let found = one(&local, Protocol::Tcp, "0A").expect("listens");
        assert_eq!(found.address.to_string(), "127.0.0.1");
        assert_eq!((found.port, found.uid, found.inode), (22, 1000, 4711));
        let words = [[0x20, 1, 0xd, 0xb8], [0; 4], [0; 4], [0, 0, 0, 7]].map(word).concat();
        let found = one(&format!("{words}:0050"), Protocol::Tcp, "0A").expect("listens");
        assert_eq!(found.address.to_string(), "2001:db8::7");
        let mapped = [[0; 4], [0; 4], [0, 0, 0xff, 0xff], [192, 0, 2, 1]].map(word).concat();
        let found = one(&format!("{mapped}:0050"), Protocol::Udp, "07").expect("listens");
        assert_eq!(found.address.to_string(), "192.0.2.1");
    }

    #[test]
    fn only_sockets_that_wait_for_others_count() {
        for (protocol, state, listens) in [
            (Protocol::Tcp, "0A", true),
            (Protocol::Tcp, "01", false),
            (Protocol::Tcp, "07", false),
            (Protocol::Udp, "07", true),
            (Protocol::Udp, "01", false),
        ] {
            let found = one("00000000:0035", protocol, state);
            assert_eq!(found.is_some(), listens, "{protocol:?} {state}");
        }
        let text = table(&[&line("00000000:0035", "0100007F:0035", "07")]);
        assert_eq!(listeners(&text, Protocol::Udp), Ok(vec![]));
    }

    #[test]
    fn a_table_that_is_cut_or_strange_is_none() {
        let good = line("00000000:0016", "00000000:0000", "0A");
        assert_eq!(listeners("", Protocol::Tcp), Err(1));
        assert_eq!(listeners(HEAD, Protocol::Tcp), Ok(vec![]));
        assert_eq!(listeners(HEAD.trim_end(), Protocol::Tcp), Err(1));
        assert_eq!(listeners(table(&[&good]).trim_end(), Protocol::Tcp), Err(2));
        for bad in [
            "   1: 00000000:0016 00000000:0000 0A",
            "   1: 0000:0016 0000:0000 0A 0:0 0:0 0 0 0 1",
            "",
        ] {
            assert_eq!(listeners(&table(&[&good, bad]), Protocol::Tcp), Err(3), "{bad}");
        }
    }
}
