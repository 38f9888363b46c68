//! Whether sudo is installed, which release, and whether sudoers(5) is its policy.

use crate::collectors::packages::Database;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::packages::Manager;

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

/// The sudo that is installed.
pub(super) struct Sudo {
    pub(super) release: Release,
    pub(super) manager: Manager,
}

/// Not installed needs the package database to say so, and no binary. A sudo that the package
/// database does not know, and sudo-rs with a language of its own, are not read.
pub(super) fn installed(reading: &mut Reading<'_>) -> Result<Sudo, Failure> {
    let database = match Database::find(reading) {
        Err(Failure(Status::Absent)) if has_binary(reading)? => {
            return Err(Failure(Status::Unsupported));
        }
        other => other?,
    };
    let manager = database.manager();
    match version(reading, &database)? {
        None if has_binary(reading)? => Err(Failure(Status::Unsupported)),
        None => Err(Failure(Status::NotApplicable)),
        Some(version) => match Release::parse(&version) {
            // Before 1.9.1 paths of includes are read in another way, before 1.9.3 whole files
            // are refused.
            Some(release) if release >= Release([1, 9, 3]) => Ok(Sudo { release, manager }),
            _ => {
                reading.note(database.path(), format!("sudo {version} is not understood"));
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

/// The version of `sudo` or `sudo-ldap`. A package that is half-installed may have none yet.
fn version(reading: &mut Reading<'_>, database: &Database) -> Result<Option<String>, Failure> {
    let is_sudo = |name: &str| matches!(name, "sudo" | "sudo-ldap" | "sudo-rs");
    let found = database.records(reading, &is_sudo)?;
    if found.iter().any(|record| record.name == "sudo-rs") {
        return Err(Failure(Status::Unsupported));
    }
    Ok(found.into_iter().next_back().map(|record| record.version))
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
            ("1.9.5p2-10.el9_3", false),
            ("1.9.15_p5-r0", true),
        ] {
            assert_eq!(Release::parse(version).map(Release::uses_pty), Some(on), "{version}");
        }
        assert_eq!(Release::parse("1.9"), None);
        assert_eq!(Release::parse(""), None);
    }
}
