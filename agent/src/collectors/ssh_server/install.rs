//! Whether an OpenSSH server is installed, and which release.

use super::build::Build;
use crate::collectors::packages::Database;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::packages::Manager;

/// Places of the program; Alpine builds one with PAM beside the other.
const BINARIES: [&str; 3] = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/sbin/sshd.pam"];
const TCP: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Installed {
    /// By positive proof.
    No,
    /// With what the package database says of it, if that could be read.
    Yes(Option<Package>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    /// Of the package, as its manager prints it.
    pub(super) version: String,
    pub(super) build: Build,
}

/// Not installed needs the package database to say so, no binary and, on the running system, no
/// one on port 22: that would be another SSH server, which this kind does not know.
pub(super) fn installed(reading: &mut Reading<'_>) -> Result<Installed, Failure> {
    let binary = binary(reading);
    let package = package(reading);
    match (package, binary) {
        (Ok(Some(package)), _) => Ok(Installed::Yes(Some(package))),
        (Ok(None), Ok(false)) => match other_server(reading)? {
            true => Err(Failure(Status::Unsupported)),
            false => Ok(Installed::No),
        },
        (Ok(None), Err(error)) => Err(error.into()),
        // Without a database nothing is known of the release.
        (Err(Failure(Status::Absent | Status::Unsupported)), Ok(true)) => {
            Err(Failure(Status::Unsupported))
        }
        (_, Ok(true)) => Ok(Installed::Yes(None)),
        (Err(failure), _) => Err(failure),
    }
}

fn binary(reading: &Reading<'_>) -> Result<bool, ReadError> {
    for path in BINARIES {
        match reading.stat(path) {
            Ok(_) => return Ok(true),
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// The package with the server: of its own in most families, in others the one of all of OpenSSH.
/// Unpacked, half-configured and the like leave the program on the disk.
fn package(reading: &mut Reading<'_>) -> Result<Option<Package>, Failure> {
    let database = Database::find(reading)?;
    let is_it = |name: &str| match database.manager() {
        Manager::Dpkg | Manager::Rpm => name == "openssh-server",
        Manager::Apk => matches!(name, "openssh-server" | "openssh-server-pam"),
        Manager::Pacman => name == "openssh",
    };
    let records = database.records(reading, &is_it)?;
    let Some(record) = records.into_iter().next() else { return Ok(None) };
    if record.version.is_empty() {
        reading.malformed(database.path(), format!("{}: no version", record.name));
        return Err(Failure(Status::ParseError));
    }
    let build = Build::of(reading, database.manager());
    Ok(Some(Package { version: record.version, build }))
}

/// `1:9.2p1-2+deb12u3` → `9.2p1`, and so `9.7_p1-r4` of Alpine.
pub(super) fn upstream(package: &str) -> String {
    let version = package.split_once(':').map_or(package, |(_, version)| version);
    version.rsplit_once('-').map_or(version, |(version, _)| version).replace("_p", "p")
}

fn other_server(reading: &mut Reading<'_>) -> Result<bool, Failure> {
    if !reading.is_live() {
        return Ok(false);
    }
    let listens = listens(reading, &[22])?;
    if listens {
        let note = "something listens on port 22, and it is not OpenSSH";
        TCP.iter().for_each(|path| reading.note(path, note));
    }
    Ok(listens)
}

/// Whether a TCP socket listens on one of the ports.
fn listens(reading: &mut Reading<'_>, ports: &[i64]) -> Result<bool, Failure> {
    let mut found = false;
    for path in TCP {
        let text = match reading.text(path) {
            // The kernel may be without IPv6.
            Err(ReadError::Absent) if path == TCP[1] => continue,
            other => other?,
        };
        for line in text.lines().skip(1) {
            let Some((port, state)) = socket(line) else {
                reading.malformed(path, "a line that is not understood");
                return Err(Failure(Status::ParseError));
            };
            found |= state == LISTEN && ports.contains(&port);
        }
    }
    Ok(found)
}

/// The state LISTEN (include/net/tcp_states.h).
const LISTEN: i64 = 0x0A;

/// Local port and state of a line of /proc/net/tcp (proc_net_tcp(5)).
fn socket(line: &str) -> Option<(i64, i64)> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (_, port) = columns.next()?.rsplit_once(':')?;
    let state = columns.nth(1)?;
    let number = |hex| i64::from_str_radix(hex, 16).ok();
    Some((number(port)?, number(state)?))
}

/// Whether an sshd runs and somebody listens on one of its ports. The sessions of a stopped server
/// run on, and behind a socket unit systemd listens alone.
pub(super) fn running(
    reading: &mut Reading<'_>,
    ports: &[i64],
    socket_activated: bool,
) -> Result<bool, Failure> {
    if !listens(reading, ports)? {
        return Ok(false);
    }
    if socket_activated {
        return Ok(true);
    }
    let mut denied = None;
    for process in reading.list("/proc")? {
        if !process.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        match reading.link(&format!("/proc/{process}/exe")) {
            Ok(path) if BINARIES.contains(&path.trim_end_matches(" (deleted)")) => {
                return Ok(true);
            }
            Err(error @ ReadError::Denied) => denied = Some(error),
            // Kernel threads have none, and processes end meanwhile.
            _ => {}
        }
    }
    denied.map_or(Ok(false), |error| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_the_version_without_epoch_and_revision() {
        assert_eq!(upstream("1:9.2p1-2+deb12u3"), "9.2p1");
        assert_eq!(upstream("1:10.0p1-7~bpo12+1"), "10.0p1");
        assert_eq!(upstream("9.6p1"), "9.6p1");
        assert_eq!(upstream("9.9p1-7.el10_0"), "9.9p1");
        assert_eq!(upstream("9.7_p1-r4"), "9.7p1");
    }
}
