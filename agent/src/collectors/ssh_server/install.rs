//! Whether an OpenSSH server is installed, and which release.

use crate::host::{Failure, ReadError, Reading};
use evidence::Status;

const STATUS_FILE: &str = "/var/lib/dpkg/status";
const BINARY: &str = "/usr/sbin/sshd";
/// The database of a full desktop is about 10 MB.
const MAX_STATUS_BYTES: u64 = 256 << 20;
const TCP: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Installed {
    /// By positive proof.
    No,
    /// With the version of the Debian package, if that could be read.
    Yes(Option<String>),
}

/// Not installed needs the package database to say so, no binary and, on the running system, no
/// one on port 22: that would be another SSH server, which this kind does not know.
pub(super) fn installed(reading: &mut Reading<'_>) -> Result<Installed, Failure> {
    let binary = reading.stat(BINARY);
    let package = package(reading);
    match (package, binary) {
        (Ok(Some(version)), _) => Ok(Installed::Yes(Some(version))),
        (Ok(None), Err(ReadError::Absent)) => match other_server(reading)? {
            true => Err(Failure(Status::Unsupported)),
            false => Ok(Installed::No),
        },
        (Ok(None), Err(error)) => Err(error.into()),
        // Without dpkg the release would have to come from a database that is not read yet (RPM).
        (Err(Failure(Status::Absent)), Ok(_)) => Err(Failure(Status::Unsupported)),
        (_, Ok(_)) => Ok(Installed::Yes(None)),
        (Err(failure), Err(_)) => Err(failure),
    }
}

/// The version of `openssh-server` in the database of dpkg(1).
fn package(reading: &mut Reading<'_>) -> Result<Option<String>, Failure> {
    let text = reading.text_up_to(STATUS_FILE, MAX_STATUS_BYTES)?;
    match find_package(&text) {
        Ok(version) => Ok(version),
        Err(note) => {
            reading.malformed(STATUS_FILE, note);
            Err(Failure(Status::ParseError))
        }
    }
}

/// Looks through the whole database: one that ends in the middle proves nothing.
fn find_package(text: &str) -> Result<Option<String>, String> {
    let mut found = None;
    let mut packages = 0;
    for stanza in text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        let field = |name: &str| {
            stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let (Some(name), Some(status)) = (field("Package"), field("Status")) else {
            return Err(format!("record {}: no name or no status", packages + 1));
        };
        let odd = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
        if name.contains(odd) || status.contains(odd) {
            return Err(format!("record {}: name or status is no text", packages + 1));
        }
        packages += 1;
        let state = status.split(' ').nth(2).unwrap_or_default();
        // Unpacked, half-configured and the like leave the program on the disk.
        if name == "openssh-server" && !matches!(state, "not-installed" | "config-files") {
            let version = field("Version").ok_or("openssh-server: no version")?;
            found = Some(version.trim().to_owned());
        }
    }
    match packages {
        0 => Err("no package".to_owned()),
        _ if !text.ends_with("\n\n") => Err("the last record is cut off".to_owned()),
        _ => Ok(found),
    }
}

/// `1:9.2p1-2+deb12u3` → `9.2p1`.
pub(super) fn upstream(package: &str) -> &str {
    let version = package.split_once(':').map_or(package, |(_, version)| version);
    version.rsplit_once('-').map_or(version, |(version, _)| version)
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
            Ok(path) if path.trim_end_matches(" (deleted)") == BINARY => return Ok(true),
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
    fn a_removed_package_is_not_installed_and_an_unpacked_one_is() {
        let stanza = |state: &str| {
            format!("Package: openssh-server\nStatus: install ok {state}\nVersion: 1:9.2p1-2\n\n")
        };
        for state in ["installed", "half-configured", "unpacked", "triggers-pending"] {
            assert_eq!(find_package(&stanza(state)), Ok(Some("1:9.2p1-2".to_owned())), "{state}");
        }
        for state in ["config-files", "not-installed"] {
            assert_eq!(find_package(&stanza(state)), Ok(None), "{state}");
        }
    }

    #[test]
    fn a_database_that_is_empty_or_cut_off_proves_nothing() {
        for text in ["", "\n", "Package: a\nStatus: install ok inst", "Package: a\n\n"] {
            assert!(find_package(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_release_is_the_version_without_epoch_and_revision() {
        assert_eq!(upstream("1:9.2p1-2+deb12u3"), "9.2p1");
        assert_eq!(upstream("1:10.0p1-7~bpo12+1"), "10.0p1");
        assert_eq!(upstream("9.6p1"), "9.6p1");
    }
}
