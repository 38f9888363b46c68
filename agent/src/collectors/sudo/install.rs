//! Whether sudo is installed, which release, and whether sudoers(5) is its policy.

use crate::formats::dpkg::{self, Form, State};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;

const STATUS_FILE: &str = "/var/lib/dpkg/status";
const MAX_STATUS_BYTES: u64 = 256 << 20;
const BINARIES: [&str; 3] = ["/usr/bin/sudo", "/usr/local/bin/sudo", "/bin/sudo"];
const CONF: &str = "/etc/sudo.conf";

/// A release of sudo, such as 1.9.13; patch levels (`p3`) change no configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release([u16; 3]);

impl Release {
    /// `1.9.13p3-1+deb12u1` → 1.9.13.
    fn parse(version: &str) -> Option<Self> {
        let version = version.split_once(':').map_or(version, |(_, version)| version);
        let mut numbers = version.splitn(3, '.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        });
        Some(Self([numbers.next()??, numbers.next()??, numbers.next()??]))
    }

    pub(super) fn uses_pty(self) -> bool {
        self >= Self([1, 9, 14])
    }
}

/// Not installed needs the package database to say so, and no binary. A sudo that dpkg does not
/// know, and sudo-rs with a language of its own, are not read.
pub(super) fn release(reading: &mut Reading<'_>) -> Result<Release, Failure> {
    let version = match installed_version(reading) {
        Err(Failure(Status::Absent)) if has_binary(reading)? => {
            return Err(Failure(Status::Unsupported));
        }
        other => other?,
    };
    match version {
        None if has_binary(reading)? => Err(Failure(Status::Unsupported)),
        None => Err(Failure(Status::NotApplicable)),
        Some(version) => match Release::parse(&version) {
            // Before 1.9.1 paths of includes are read in another way, before 1.9.3 whole files
            // are refused.
            Some(release) if release >= Release([1, 9, 3]) => Ok(release),
            _ => {
                reading.note(STATUS_FILE, format!("sudo {version} is not understood"));
                Err(Failure(Status::Unsupported))
            }
        },
    }
}

fn has_binary(reading: &Reading<'_>) -> Result<bool, Failure> {
    for path in BINARIES {
        match reading.lstat(path) {
            Ok(_) => return Ok(true),
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// The version of `sudo` or `sudo-ldap` in the database of dpkg(1).
fn installed_version(reading: &mut Reading<'_>) -> Result<Option<String>, Failure> {
    let text = reading.text_up_to(STATUS_FILE, MAX_STATUS_BYTES)?;
    let entries = dpkg::entries(&text, Form::Status).map_err(|error| {
        reading.malformed(STATUS_FILE, error.to_string());
        Failure(Status::ParseError)
    })?;
    let there = |entry: &&dpkg::Entry<'_>| entry.state > State::ConfigFiles;
    let mut version = None;
    for entry in entries.iter().filter(there) {
        match entry.name.as_ref() {
            "sudo-rs" => return Err(Failure(Status::Unsupported)),
            // A package that is half-installed may have no version yet.
            "sudo" | "sudo-ldap" => version = Some(entry.version.unwrap_or_default().to_owned()),
            _ => {}
        }
    }
    Ok(version)
}

/// sudo.conf(5) can put another policy, or another file, in the place of /etc/sudoers.
pub(super) fn refuse_other_policy(reading: &mut Reading<'_>) -> Result<(), Failure> {
    let text = match reading.config(CONF) {
        Ok(text) => text,
        Err(ReadError::Absent) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let text = text.replace("\\\n", " ");
    let other = text.lines().any(|line| {
        let mut words = line.split_whitespace();
        let is_plugin = words.next().is_some_and(|word| word.eq_ignore_ascii_case("plugin"));
        let (symbol, path) = (words.next(), words.next());
        let own = path.is_some_and(|path| path.rsplit('/').next() == Some("sudoers.so"));
        is_plugin && (!own || symbol.is_none() || words.next().is_some())
    });
    if other {
        reading.note(CONF, "another policy, or options of it: not understood");
        return Err(Failure(Status::Unsupported));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_pty_is_on_by_default_from_1_9_14() {
        for (version, on) in [
            ("1.9.13p3-1+deb12u1", false),
            ("1.9.5p2-3", false),
            ("1.9.14-1", true),
            ("1.9.16p2-3", true),
            ("1:2.0.0", true),
        ] {
            assert_eq!(Release::parse(version).map(Release::uses_pty), Some(on), "{version}");
        }
        assert_eq!(Release::parse("1.9"), None);
        assert_eq!(Release::parse(""), None);
    }
}
