//! Questions over the system's message bus that anybody may ask: of systemd which units there are
//! (`ListUnits`), of systemd-timesyncd what its server answered last (`NTPMessage`). The client is no
//! larger than these: D-Bus specification, little-endian messages, authentication as the user that
//! the kernel says.
//!
//! In a fixture the answer of systemd is the bytes of the socket's path, that of systemd-timesyncd
//! those of `/bus/timesync1`, a path that no machine has.

use super::{ReadError, io_error};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(crate) const SOCKET: &str = "/run/dbus/system_bus_socket";

/// The bus answers at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(3);
const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// Other messages that may come before the answer, such as the name that the bus gives.
const MAX_OTHERS: usize = 16;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
const NO_AUTO_START: u8 = 2;
const HELLO_SERIAL: u32 = 1;
const SERIAL: u32 = 2;

/// Name of what systemd-timesyncd is asked.
pub(super) const TIMESYNC: &str = "/bus/timesync1";

/// Whom to call, and with which texts.
struct Call {
    path: &'static str,
    interface: &'static str,
    member: &'static str,
    destination: &'static str,
    texts: &'static [&'static str],
}

const HELLO: Call = Call {
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "Hello",
    destination: "org.freedesktop.DBus",
    texts: &[],
};
const LIST_UNITS: Call = Call {
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "ListUnits",
    destination: "org.freedesktop.systemd1",
    texts: &[],
};
const NTP_MESSAGE: Call = Call {
    path: "/org/freedesktop/timesync1",
    interface: "org.freedesktop.DBus.Properties",
    member: "Get",
    destination: "org.freedesktop.timesync1",
    texts: &["org.freedesktop.timesync1.Manager", "NTPMessage"],
};

/// The body of systemd's answer to `ListUnits`.
pub(super) fn units(socket: &str) -> Result<Vec<u8>, ReadError> {
    ask(socket, &LIST_UNITS)
}

/// The property `NTPMessage` of systemd-timesyncd, a variant.
pub(super) fn ntp_message(socket: &str) -> Result<Vec<u8>, ReadError> {
    ask(socket, &NTP_MESSAGE)
}

/// The body of the answer.
fn ask(socket: &str, call: &Call) -> Result<Vec<u8>, ReadError> {
    let mut stream = UnixStream::connect(socket).map_err(io_error)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(io_error)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(io_error)?;
    authenticate(&mut stream).map_err(io_error)?;
    let mut calls = HELLO.message(HELLO_SERIAL);
    calls.extend(call.message(SERIAL));
    stream.write_all(&calls).map_err(io_error)?;
    for _ in 0..MAX_OTHERS {
        let message = message(&mut stream)?;
        if message.answers == Some(SERIAL) {
            return match message.kind {
                RETURN => Ok(message.body),
                // Nobody has the name, or may not be asked.
                ERROR => Err(ReadError::Denied),
                _ => Err(ReadError::Io(0)),
            };
        }
    }
    Err(ReadError::Io(0))
}

fn authenticate(stream: &mut UnixStream) -> std::io::Result<()> {
    let uid = hex::encode(rustix::process::geteuid().as_raw().to_string());
    stream.write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.extend(byte);
        if line.len() > 512 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
    if !line.starts_with(b"OK ") {
        return Err(std::io::Error::from_raw_os_error(rustix::io::Errno::ACCESS.raw_os_error()));
    }
    stream.write_all(b"BEGIN\r\n")
}

impl Call {
    /// Header fields: path 1, interface 2, member 3, destination 6, signature of the body 8.
    fn message(&self, serial: u32) -> Vec<u8> {
        let mut fields = Vec::new();
        let named = [
            (1, b'o', self.path),
            (2, b's', self.interface),
            (3, b's', self.member),
            (6, b's', self.destination),
        ];
        for (code, kind, value) in named {
            pad(&mut fields, 8);
            fields.extend([code, 1, kind, 0]);
            text(&mut fields, value);
        }
        let mut body = Vec::new();
        for value in self.texts {
            text(&mut body, value);
        }
        if !self.texts.is_empty() {
            pad(&mut fields, 8);
            fields.extend([8, 1, b'g', 0, self.texts.len() as u8]);
            fields.extend(self.texts.iter().map(|_| b's'));
            fields.push(0);
        }
        let mut bytes = vec![b'l', CALL, NO_AUTO_START, 1];
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(serial.to_le_bytes());
        bytes.extend((fields.len() as u32).to_le_bytes());
        bytes.extend(fields);
        pad(&mut bytes, 8);
        bytes.extend(body);
        bytes
    }
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn text(bytes: &mut Vec<u8>, value: &str) {
    pad(bytes, 4);
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend(value.as_bytes());
    bytes.push(0);
}

struct Message {
    kind: u8,
    answers: Option<u32>,
    body: Vec<u8>,
}

fn message(stream: &mut UnixStream) -> Result<Message, ReadError> {
    let mut head = [0; 16];
    stream.read_exact(&mut head).map_err(io_error)?;
    let word = |at: usize| {
        let bytes = head.get(at..).and_then(|rest| rest.first_chunk()).copied();
        u32::from_le_bytes(bytes.unwrap_or_default()) as usize
    };
    let (body, fields) = (word(4), word(12));
    // A bus of this machine has its order of bytes; others are not read.
    if head[0] != b'l' || body.saturating_add(fields) > MAX_MESSAGE_BYTES {
        return Err(ReadError::TooLarge(MAX_MESSAGE_BYTES as u64));
    }
    let mut header = vec![0; fields.next_multiple_of(8)];
    stream.read_exact(&mut header).map_err(io_error)?;
    let mut rest = vec![0; body];
    stream.read_exact(&mut rest).map_err(io_error)?;
    header.truncate(fields);
    Ok(Message { kind: head[1], answers: reply_serial(&header), body: rest })
}

/// The field 5, a number.
fn reply_serial(fields: &[u8]) -> Option<u32> {
    let mut at: usize = 0;
    loop {
        at = at.next_multiple_of(8);
        let (code, kind) = (*fields.get(at)?, *fields.get(at + 2)?);
        let value = u32::from_le_bytes(*fields.get(at + 4..)?.first_chunk()?);
        match (code, kind) {
            (5, b'u') => return Some(value),
            (_, b'u') => at += 8,
            (_, b's' | b'o') => at = (at + 9).checked_add(value as usize)?,
            // A signature has a length of one byte.
            (_, b'g') => at += 6 + usize::from(*fields.get(at + 4)?),
            _ => return None,
        }
    }
}
