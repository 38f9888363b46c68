//! What starts programs by the clock: timers that are started at boot, and cron files. Of their
//! text only the words are looked at, and only the name of the file leaves.

use super::systemd;
use crate::host::{Failure, ReadError, Reading};

/// cron(8) of Debian and RHEL: files in the form of crontab(5), then directories of scripts.
const CRON_DIRECTORIES: [&str; 7] = [
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/var/spool/cron/crontabs",
    "/var/spool/cron",
];
const CRONTAB: &str = "/etc/crontab";
/// Where `systemctl enable` puts timers.
const TIMERS: &str = "/etc/systemd/system/timers.target.wants";
/// Bound of files that are looked at.
const MAX_FILES: usize = 2000;
/// A cron file of more bytes is a program.
const MAX_BYTES: u64 = 256 << 10;

/// A timer or a cron file.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) name: String,
    text: String,
}

impl Schedule {
    /// Whether one of the words stands in it as a word: `borg` is none of `borgmatic`.
    pub(super) fn names(&self, words: &[&str]) -> bool {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        self.text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .any(|line| line.split(|c| !is_part(c)).any(|word| words.contains(&word)))
    }
}

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Vec<Schedule>, Failure> {
    let mut found = Vec::new();
    for name in present(reading.list(TIMERS))?.unwrap_or_default() {
        let Some(stem) = name.strip_suffix(".timer") else { continue };
        // The unit it starts, by name, and its command; an instance has the file of its template.
        let template = stem.split_once('@').map(|(template, _)| format!("{template}@.service"));
        let service = template.unwrap_or_else(|| format!("{stem}.service"));
        let settings = systemd::unit_settings(reading, &service, "Service")?.unwrap_or_default();
        let mut text = vec![stem];
        text.extend(systemd::listed(&settings, "ExecStart"));
        let text = text.join("\n");
        found.push(Schedule { name, text });
    }
    found.extend(cron_file(reading, CRONTAB, "crontab")?);
    for directory in CRON_DIRECTORIES {
        let short = directory.rsplit('/').next().unwrap_or_default();
        for name in present(reading.list(directory))?.unwrap_or_default() {
            if name.starts_with('.') || found.len() >= MAX_FILES {
                continue;
            }
            let path = format!("{directory}/{name}");
            found.extend(cron_file(reading, &path, &format!("{short}/{name}"))?);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Texts of cron may hold passwords: they are read as secrets.
fn cron_file(
    reading: &mut Reading<'_>,
    path: &str,
    name: &str,
) -> Result<Option<Schedule>, Failure> {
    match reading.secret(path, MAX_BYTES) {
        Ok(secret) => {
            let text = String::from_utf8_lossy(secret.expose()).into_owned();
            Ok(Some(Schedule { name: name.to_owned(), text }))
        }
        Err(ReadError::Absent | ReadError::WrongType | ReadError::TooLarge(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn present<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Absent) => Ok(None),
        other => other.map(Some),
    }
}
