//! The configuration of apt: every file of it, in the order in which apt reads them.

use crate::formats::apt_conf::{AptConf, is_part};
use crate::host::{ReadError, Reading};

const PARTS: &str = "/etc/apt/apt.conf.d";
const MAIN: &str = "/etc/apt/apt.conf";
const MAX_LINE_BYTES: usize = 16 << 10;

/// Where apt looks for what is read here, and what may stand there and mean the same.
const PLACES: [(&str, &[&str]); 12] = [
    ("RootDir", &["/"]),
    ("Dir", &["/"]),
    ("Dir::Etc", &["etc/apt", "etc/apt/", "/etc/apt", "/etc/apt/"]),
    ("Dir::Etc::main", &["apt.conf"]),
    ("Dir::Etc::parts", &["apt.conf.d", "apt.conf.d/"]),
    ("Dir::Etc::sourcelist", &["sources.list"]),
    ("Dir::Etc::sourceparts", &["sources.list.d", "sources.list.d/"]),
    ("Dir::Etc::preferences", &["preferences"]),
    ("Dir::Etc::preferencesparts", &["preferences.d", "preferences.d/"]),
    ("Dir::State", &["var/lib/apt", "var/lib/apt/", "/var/lib/apt", "/var/lib/apt/"]),
    ("Dir::State::lists", &["lists", "lists/"]),
    ("Dir::State::status", &["/var/lib/dpkg/status"]),
];

/// The merged configuration; `None` where a file of it was not read, or where it sends apt to
/// places that are not looked at here.
pub(super) fn read(reading: &mut Reading<'_>) -> Option<AptConf> {
    let mut conf = AptConf::default();
    let mut paths = parts(reading, PARTS, &["", "conf"]).ok()?;
    paths.push(MAIN.to_owned());
    for path in paths {
        let Some(text) = text(reading, &path).ok()? else { continue };
        if let Err(error) = conf.read(&text) {
            reading.malformed(&path, error.to_string());
            return None;
        }
    }
    let moved = PLACES
        .iter()
        .find(|(item, usual)| conf.value(item).is_some_and(|value| !usual.contains(&value)));
    match moved {
        None => Some(conf),
        Some((item, _)) => {
            let note = format!("apt is configured to look elsewhere: {item}; that is not read");
            reading.note(&format!("{PARTS}/"), note);
            None
        }
    }
}

/// The files of a directory that apt reads, in its order; none where there is no directory.
pub(super) fn parts(
    reading: &mut Reading<'_>,
    directory: &str,
    extensions: &[&str],
) -> Result<Vec<String>, ReadError> {
    let names = optional(reading.list(directory))?.unwrap_or_default();
    let read = names.iter().filter(|name| is_part(name, extensions));
    Ok(read.map(|name| format!("{directory}/{name}")).collect())
}

/// A file that people write and that may be missing for good. Nobody writes a line as long as one
/// of noise.
pub(super) fn text(reading: &mut Reading<'_>, path: &str) -> Result<Option<String>, ReadError> {
    let Some(text) = optional(reading.config(path))? else { return Ok(None) };
    match text.lines().position(|line| line.len() > MAX_LINE_BYTES) {
        None => Ok(Some(text)),
        Some(line) => {
            reading.malformed(path, format!("line {}: longer than any that is written", line + 1));
            Err(ReadError::NotText)
        }
    }
}

/// What may be missing for good.
pub(super) fn optional<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Absent) => Ok(None),
        other => other.map(Some),
    }
}
