//! The kind `packages`: what the package manager says is installed.
//!
//! Reads the databases of dpkg, rpm, apk and pacman, and counts snaps and flatpaks. Needs no
//! privilege. A list that may be shorter than the truth is never given: an empty or cut database is
//! `parse_error`.

mod apk;
mod database;
mod dpkg;
mod pacman;
mod rpm;
mod rpm_locks;

use super::{Collector, facts};
use crate::formats::rpm_header::Header;
use crate::host::{Failure, FileKind, ReadError, Reading};
pub(super) use database::Database;
pub(super) use dpkg::OnDisk;
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::packages::{Manager, Package, Packages};

pub(super) const COLLECTOR: Collector = Collector {
    kind: Packages::NAME,
    schedule: "0 3 * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

/// Largest part of a database that is text, in bytes. A desktop has some 6 MB.
const MAX_DATABASE_BYTES: u64 = 256 << 20;

/// What a package manager says.
struct Inventory {
    manager: Manager,
    items: Vec<Package>,
    /// Absent where it could not be told.
    held: Option<Vec<String>>,
    broken: Vec<String>,
}

/// One package of a database, for kinds that ask for a few by name.
pub(super) struct Record {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) arch: String,
    /// Unpacked and configured; a package that is not may have its files on disk as well.
    pub(super) configured: bool,
    /// Seconds since the epoch, where the database knows.
    pub(super) installed_s: Option<i64>,
}

pub(super) fn collect(reading: &mut Reading<'_>) -> Result<Packages, Failure> {
    let Inventory { manager, mut items, held, broken } =
        Database::find(reading)?.inventory(reading)?;
    items.sort_by(|a, b| (&a.name, &a.arch, &a.version).cmp(&(&b.name, &b.arch, &b.version)));
    items.dedup();
    if held.is_none() {
        reading.unread("held");
    }
    Ok(Packages {
        manager,
        count: i64::try_from(items.len()).map_err(|_| Failure(Status::Truncated))?,
        items,
        held,
        broken,
        snaps: counted(snaps(reading), "snaps", reading),
        flatpaks: counted(flatpaks(reading), "flatpaks", reading),
    })
}

/// What a package manager that updates itself takes for installed.
pub(super) enum Installed {
    Dpkg(Vec<OnDisk>),
    Rpm(Vec<Header>),
}

/// `unsupported` where the system is none of these.
pub(super) fn installed(reading: &mut Reading<'_>) -> Result<Installed, Failure> {
    match Database::find(reading)? {
        Database::Dpkg { texts, listed } => texts.on_disk(&listed, reading).map(Installed::Dpkg),
        Database::Rpm(store) => rpm::software(reading, &store).map(Installed::Rpm),
        _ => Err(Failure(Status::Unsupported)),
    }
}

fn present<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Absent) => Ok(None),
        other => other.map(Some),
    }
}

fn malformed(reading: &mut Reading<'_>, path: &str, note: impl ToString) -> Failure {
    reading.malformed(path, note.to_string());
    Failure(Status::ParseError)
}

/// A count that could not be taken is unread.
fn counted(count: Result<usize, ReadError>, field: &str, reading: &mut Reading<'_>) -> Option<i64> {
    let count = count.ok().and_then(|count| i64::try_from(count).ok());
    if count.is_none() {
        reading.unread(field);
    }
    count
}

/// Snaps: directories of /snap with a link `current` to the active revision.
fn snaps(reading: &mut Reading<'_>) -> Result<usize, ReadError> {
    let mut count = 0;
    for name in present(reading.list("/snap"))?.unwrap_or_default() {
        let current = present(reading.lstat(&format!("/snap/{name}/current")))?;
        count += usize::from(current.is_some_and(|meta| meta.kind == FileKind::Link));
    }
    Ok(count)
}

/// Applications of the system-wide flatpak installation: a directory each.
fn flatpaks(reading: &mut Reading<'_>) -> Result<usize, ReadError> {
    let mut count = 0;
    for name in present(reading.list("/var/lib/flatpak/app"))?.unwrap_or_default() {
        let meta = reading.lstat(&format!("/var/lib/flatpak/app/{name}"))?;
        count += usize::from(meta.kind == FileKind::Directory);
    }
    Ok(count)
}
