//! The database of apk (Alpine).

use super::{Inventory, MAX_DATABASE_BYTES, Record, malformed, present};
use crate::formats::apk_installed::{self, Entry};
use crate::host::{Failure, FileKind, ReadError, Reading};
use evidence::kinds::packages::{Manager, Package};
use std::collections::HashSet;

/// Of apk 3 on a system with a merged /usr, and of all others.
const DATABASES: [&str; 2] = ["/usr/lib/apk/db/installed", "/lib/apk/db/installed"];
/// What the administrator asked for.
const WORLD: &str = "/etc/apk/world";

/// Every database there is. Where a directory above the second is a link, it is the first.
pub(super) fn databases(reading: &Reading<'_>) -> Result<Vec<&'static str>, ReadError> {
    let mut found = Vec::new();
    for path in DATABASES {
        if present(reading.stat(path))?.is_some() {
            found.push(path);
        }
    }
    for directory in ["/lib", "/lib/apk", "/lib/apk/db"] {
        let meta = present(reading.lstat(directory))?;
        if found.len() == 2 && meta.is_some_and(|meta| meta.kind == FileKind::Link) {
            found.pop();
        }
    }
    Ok(found)
}

pub(super) fn inventory(reading: &mut Reading<'_>, path: &str) -> Result<Inventory, Failure> {
    let text = reading.text_up_to(path, MAX_DATABASE_BYTES)?;
    let (entries, held) = entries(reading, path, &text)?;
    let broken = entries.iter().filter(|entry| entry.broken);
    let mut broken: Vec<_> = broken.map(|entry| format!("{} broken", entry.name)).collect();
    broken.sort_unstable();
    Ok(Inventory { manager: Manager::Apk, items: entries.iter().map(item).collect(), held, broken })
}

pub(super) fn records(
    reading: &mut Reading<'_>,
    path: &str,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Record>, Failure> {
    let text = reading.text_up_to(path, MAX_DATABASE_BYTES)?;
    let (entries, _) = entries(reading, path, &text)?;
    let record = |entry: &Entry<'_>| Record {
        name: entry.name.to_owned(),
        version: entry.version.to_owned(),
        arch: entry.arch.to_owned(),
        configured: !entry.broken,
        installed_s: None,
    };
    Ok(entries.iter().filter(|entry| wanted(entry.name)).map(record).collect())
}

/// The packages, and which of them are pinned to a version.
fn entries<'t>(
    reading: &mut Reading<'_>,
    path: &str,
    text: &'t str,
) -> Result<(Vec<Entry<'t>>, Option<Vec<String>>), Failure> {
    let entries = match apk_installed::entries(text) {
        Ok(entries) => entries,
        Err(error) => return Err(malformed(reading, path, error)),
    };
    let world = match reading.config(WORLD) {
        Ok(world) => world,
        Err(ReadError::Absent) => return Ok((entries, None)),
        Err(error) => return Err(error.into()),
    };
    // A database that was cut between two packages looks whole. What the administrator asked for is
    // always there, by its name or by one that a package provides.
    let names: HashSet<_> = entries
        .iter()
        .flat_map(|entry| entry.provides.iter().copied().chain([entry.name]))
        .collect();
    let asked = world.split_ascii_whitespace().filter(|word| !word.starts_with('!'));
    if let Some(missing) = asked.clone().find(|word| !names.contains(apk_installed::bare(word))) {
        let note =
            format!("{WORLD} asks for `{missing}`, and this has no such package: it was cut");
        return Err(malformed(reading, path, note));
    }
    let pinned = asked.filter(|word| apk_installed::is_pinned(word));
    let mut held: Vec<_> = pinned.map(|word| apk_installed::bare(word).to_owned()).collect();
    held.sort_unstable();
    held.dedup();
    Ok((entries, Some(held)))
}

fn item(entry: &Entry<'_>) -> Package {
    Package {
        name: entry.name.to_owned(),
        version: entry.version.to_owned(),
        arch: entry.arch.to_owned(),
        source: entry.origin.filter(|origin| *origin != entry.name).map(str::to_owned),
        source_version: None,
        vendor: None,
    }
}
