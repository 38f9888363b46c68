//! One question to chronyd at this machine: how well it follows its reference (`tracking`), which
//! anybody may ask. Packets of chrony's `candm.h`, version 6, over UDP at the loopback interface:
//! its socket of the file system wants one of the asker's beside it, and nothing is written here.
//!
//! In a fixture the answer is the bytes of `/chronyd/tracking`, a path that no machine has.

use super::{ReadError, io_error};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Name of the source.
pub(super) const SOURCE: &str = "/chronyd/tracking";

/// `cmdport` as it is built in. A chronyd with another, or none (0), does not answer here.
const PORT: u16 = 323;
/// It answers at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(1);

const VERSION: u8 = 6;
const REQUEST: u8 = 1;
const ANSWER: u8 = 2;
const TRACKING: u16 = 33;
/// A question is as long as its answer, so that nobody makes much of little.
pub(super) const LENGTH: usize = 104;
/// Where the header of an answer has its command, its status and what the question was numbered.
const COMMAND: usize = 4;
const STATUS: usize = 8;
const SEQUENCE: usize = 16;

/// The answer, whole. Its order of bytes is that of the network.
pub(super) fn tracking() -> Result<Vec<u8>, ReadError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io_error)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(io_error)?;
    // From nobody else: connected to a port that only the privileged may have.
    socket.connect((Ipv4Addr::LOCALHOST, PORT)).map_err(io_error)?;
    let sequence = std::process::id().to_be_bytes();
    socket.send(&question(sequence)).map_err(unheard)?;
    let mut answer = vec![0; LENGTH + 1];
    let length = socket.recv(&mut answer).map_err(unheard)?;
    answer.truncate(length);
    match is_answer(&answer, sequence) {
        true => Ok(answer),
        false => Err(ReadError::NotText),
    }
}

fn question(sequence: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![VERSION, REQUEST, 0, 0];
    bytes.extend(TRACKING.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(sequence);
    bytes.resize(LENGTH, 0);
    bytes
}

fn is_answer(bytes: &[u8], sequence: [u8; 4]) -> bool {
    bytes.len() == LENGTH
        && bytes.starts_with(&[VERSION, ANSWER])
        && bytes[COMMAND..].starts_with(&TRACKING.to_be_bytes())
        && bytes[STATUS..].starts_with(&[0, 0])
        && bytes[SEQUENCE..].starts_with(&sequence)
}

/// Nobody has the port.
fn unheard(error: std::io::Error) -> ReadError {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => ReadError::Absent,
        _ => io_error(error),
    }
}
