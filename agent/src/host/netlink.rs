//! What the kernel tells about itself over netlink sockets: messages as they came, one after the
//! other. Only questions are sent. The kernel may load its own module for a question, as it does for
//! nft(8).
//!
//! In a fixture they are the bytes of `/netlink/NAME`, a path that no machine has; without them the
//! kernel answers nobody.

use super::ReadError;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{netlink, sockopt};
use std::time::Duration;

/// Most bytes of one answer.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// A datagram of the kernel has at most 32 KiB.
const ROOM: usize = 64 << 10;
/// The kernel answers at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(3);
/// Rules that change while they are told are asked for again.
const ATTEMPTS: usize = 5;

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
/// The list changed while it was told.
const INTERRUPTED: u16 = 0x10;

/// Whom to ask, and what.
#[derive(Debug, Clone)]
pub struct Question {
    /// Name of the source, `/netlink/…`.
    pub name: &'static str,
    pub to: Whom,
    pub asks: Vec<Ask>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Netfilter,
    Audit,
}

/// One message: its type, its body, and how the answer ends.
#[derive(Debug, Clone)]
pub struct Ask {
    pub kind: u16,
    pub body: Vec<u8>,
    pub ends: Ends,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// A list, which ends with a message of its own.
    Dump,
    /// A list that is asked for without the flags of one.
    List,
    /// One message of this type.
    With(u16),
}

/// Every answer in turn, whole.
pub(super) fn ask(question: &Question) -> Result<Vec<u8>, ReadError> {
    let socket = open(question.to)?;
    let mut answers = Vec::new();
    for (number, ask) in (1..).zip(&question.asks) {
        answers.extend(answer(&socket, ask, number, MAX_ANSWER_BYTES - answers.len())?);
    }
    Ok(answers)
}

fn open(whom: Whom) -> Result<OwnedFd, ReadError> {
    let protocol: Protocol = match whom {
        Whom::Netfilter => netlink::NETFILTER,
        Whom::Audit => netlink::AUDIT,
    };
    let flags = SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(protocol));
    let socket = socket.map_err(|errno| match errno {
        // The kernel was built without it.
        Errno::PROTONOSUPPORT => ReadError::Absent,
        // systemd's RestrictAddressFamilies= says no in this way.
        Errno::AFNOSUPPORT => ReadError::Denied,
        other => other.into(),
    })?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    Ok(socket)
}

fn answer(socket: &OwnedFd, ask: &Ask, number: u32, most: usize) -> Result<Vec<u8>, ReadError> {
    for attempt in 0..ATTEMPTS {
        let sequence = number << 8 | attempt as u32;
        net::send(socket, &message(ask, sequence), SendFlags::empty()).map_err(refusal)?;
        if let Some(whole) = whole(socket, ask, sequence, most)? {
            return Ok(whole);
        }
    }
    Err(Errno::AGAIN.into())
}

fn message(ask: &Ask, sequence: u32) -> Vec<u8> {
    let flags = if ask.ends == Ends::Dump { REQUEST | DUMP } else { REQUEST };
    let mut bytes = Vec::with_capacity(HEADER + ask.body.len());
    bytes.extend(((HEADER + ask.body.len()) as u32).to_ne_bytes());
    bytes.extend(ask.kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(&ask.body);
    bytes
}

/// The answer to one message; `None` where it changed meanwhile.
fn whole(
    socket: &OwnedFd,
    ask: &Ask,
    sequence: u32,
    most: usize,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut answer = Vec::new();
    let mut changed = false;
    let mut room = vec![0; ROOM];
    loop {
        let (length, _) = net::recv(socket, &mut room[..], RecvFlags::TRUNC)?;
        let datagram = room.get(..length).ok_or(ReadError::TooLarge(ROOM as u64))?;
        for one in messages(datagram) {
            let one = one.ok_or(ReadError::Io(0))?;
            // Of an earlier attempt.
            if one.sequence != sequence {
                continue;
            }
            changed |= one.flags & INTERRUPTED != 0;
            if one.kind == ERROR {
                let code = one.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                match code {
                    0 => continue,
                    code => return Err(refusal(Errno::from_raw_os_error(-code))),
                }
            }
            if answer.len() + one.bytes.len() > most {
                return Err(ReadError::TooLarge(MAX_ANSWER_BYTES as u64));
            }
            answer.extend(one.bytes);
            answer.resize(answer.len().next_multiple_of(4), 0);
            if one.kind == DONE || ask.ends == Ends::With(one.kind) {
                return Ok((!changed).then_some(answer));
            }
        }
    }
}

/// nfnetlink answers EINVAL for a part that the kernel does not have, audit ECONNREFUSED within a
/// user namespace.
fn refusal(errno: Errno) -> ReadError {
    match errno {
        Errno::INVAL | Errno::OPNOTSUPP => ReadError::Absent,
        Errno::CONNREFUSED => ReadError::Denied,
        other => other.into(),
    }
}

/// One message of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub kind: u16,
    flags: u16,
    sequence: u32,
    pub body: &'a [u8],
    bytes: &'a [u8],
}

impl Message<'_> {
    /// Whether a list ends with it.
    pub fn is_end(&self) -> bool {
        self.kind == DONE
    }
}

/// The messages in some bytes; the last is `None` where one is cut or has no length.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Option<Message<'_>>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let one = message_of(rest);
        rest = match &one {
            Some(one) => rest.get(one.bytes.len().next_multiple_of(4)..).unwrap_or_default(),
            None => &[],
        };
        Some(one)
    })
}

fn message_of(bytes: &[u8]) -> Option<Message<'_>> {
    let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let half = |at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let length = word(0)? as usize;
    let own = bytes.get(..length)?;
    let body = own.get(HEADER..)?;
    Some(Message { kind: half(4)?, flags: half(6)?, sequence: word(8)?, body, bytes: own })
}
