//! What root's restic and borg remember of repositories they used, in their default places. Neither
//! proves a backup, as real runs show: `restic snapshots` fills the cache with the snapshots of other
//! hosts, and borg writes its manifest when it prunes, deletes, or is interrupted.

use super::{DAY_S, storage};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::backup::{Destination, Encryption, Repository, ToolName};

const RESTIC: &str = "/root/.cache/restic";
const BORG: &str = "/root/.config/borg/security";
const MAX_REPOSITORIES: usize = 256;
/// Of restic, in one cache.
const MAX_SNAPSHOTS: usize = 20_000;
/// A repository of either program has a random id of 32 bytes.
const ID_DIGITS: usize = 64;

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Vec<Repository>, Failure> {
    let mut found = Vec::new();
    for id in ids(reading, BORG)? {
        found.push(borg(reading, &id)?);
    }
    for id in ids(reading, RESTIC)? {
        found.push(restic(reading, &id)?);
    }
    if found.len() > MAX_REPOSITORIES {
        return Err(Failure(Status::Truncated));
    }
    Ok(found)
}

fn ids(reading: &mut Reading<'_>, directory: &str) -> Result<Vec<String>, Failure> {
    let names = match reading.list(directory) {
        Err(ReadError::Absent) => return Ok(Vec::new()),
        other => other?,
    };
    Ok(names.into_iter().filter(|name| is_id(name)).collect())
}

fn is_id(name: &str) -> bool {
    name.len() == ID_DIGITS && name.bytes().all(|b| b.is_ascii_hexdigit())
}

fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// The cache of restic(1): a file for each snapshot, below the first two digits of its id.
fn restic(reading: &mut Reading<'_>, id: &str) -> Result<Repository, Failure> {
    let top = format!("{RESTIC}/{id}/snapshots");
    let mut newest = None;
    let mut count = 0;
    for part in present(reading.list(&top))?.unwrap_or_default() {
        let directory = format!("{top}/{part}");
        let Some(names) = present(reading.list(&directory))? else { continue };
        for name in names.iter().filter(|name| is_id(name)) {
            count += 1;
            if count > MAX_SNAPSHOTS {
                return Err(Failure(Status::Truncated));
            }
            // restic removes what was forgotten meanwhile.
            if let Some(meta) = present(reading.lstat(&format!("{directory}/{name}")))? {
                newest = newest.max(Some(meta.modified_s.div_euclid(DAY_S)));
            }
        }
    }
    Ok(Repository {
        tool: ToolName::Restic,
        id: short(id),
        last_change_day: newest,
        destination: None,
        encryption: None,
    })
}

/// The security directory of borg(1).
fn borg(reading: &mut Reading<'_>, id: &str) -> Result<Repository, Failure> {
    let directory = format!("{BORG}/{id}");
    // The location may name a user and a machine: only what kind it is leaves.
    let location = reading.secret(&format!("{directory}/location"), 4096)?;
    let destination = match std::str::from_utf8(location.expose()) {
        Ok(location) => destination(reading, location.trim()),
        Err(_) => None,
    };
    let path = format!("{directory}/key-type");
    let encryption = encryption(reading.text(&path)?.trim());
    let path = format!("{directory}/manifest-timestamp");
    let last_change_day = day(&reading.text(&path)?);
    if last_change_day.is_none() {
        reading.malformed(&path, "not a time");
        return Err(Failure(Status::ParseError));
    }
    Ok(Repository { tool: ToolName::Borg, id: short(id), last_change_day, destination, encryption })
}

/// Key types of borg 1.x (constants.py): `authenticated` proves who wrote, and hides nothing.
fn encryption(number: &str) -> Option<Encryption> {
    match number.parse() {
        // Key file, passphrase (of old releases), key in the repository; the same with BLAKE2.
        Ok(0 | 1 | 3 | 4 | 5) => Some(Encryption::Tool),
        Ok(2 | 6 | 7) => Some(Encryption::None),
        _ => None,
    }
}

/// A path of this host, or another machine by ssh.
fn destination(reading: &mut Reading<'_>, location: &str) -> Option<Destination> {
    if location.starts_with("ssh://") {
        return Some(Destination::Remote);
    }
    let path = location.strip_prefix("file://").unwrap_or(location);
    if !path.starts_with('/') || !reading.is_live() {
        return None;
    }
    match storage::is_on_network(reading, path)? {
        true => Some(Destination::Remote),
        false => Some(Destination::Local),
    }
}

/// `2026-11-26T13:56:58.869440`, in UTC whatever the time zone; later releases add `+00:00`. Another
/// offset may move the day, and the parser would pass over it.
fn day(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_suffix("+00:00").unwrap_or(text);
    let is_plain = |b: u8| b.is_ascii_digit() || b == b'.';
    let time: jiff::civil::DateTime =
        text.get(19..)?.bytes().all(is_plain).then(|| text.parse().ok())??;
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = time.date().since((jiff::Unit::Day, epoch)).ok()?.get_days();
    (days > 0).then(|| i64::from(days))
}

fn present<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Absent) => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_day_of_a_manifest_is_that_of_utc() {
        assert_eq!(day("1970-01-02T00:00:00.000001"), Some(1));
        assert_eq!(day("2026-11-26T23:59:59.999999"), Some(20_783));
        assert_eq!(day("2026-11-26T23:59:59.999999+00:00\n"), Some(20_783));
        for bad in ["2026-11-26T23:59:59+02:00", "", "yesterday", "1969-12-31T00:00:00"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_text_has_an_answer(text in "(?s).{0,60}") {
            let _ = (day(&text), encryption(&text), is_id(&text));
        }
    }
}
