//! Which package database is that of the system.

use super::rpm::{self, Store};
use super::{Inventory, Record, apk, dpkg, pacman, present};
use crate::collectors::host_os;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::host_os::Family;
use evidence::kinds::packages::Manager;
use std::collections::BTreeSet;

/// The one database that is the system's own.
pub(in crate::collectors) enum Database {
    Dpkg { texts: dpkg::Texts, listed: BTreeSet<String> },
    Rpm(Store),
    Apk(&'static str),
    Pacman,
}

impl Database {
    /// `absent` where there is none that this agent knows, `unsupported` where nobody can say which
    /// of several it is: one that belongs to a tool says nothing about the system.
    pub(in crate::collectors) fn find(reading: &mut Reading<'_>) -> Result<Self, Failure> {
        let listed = dpkg::file_lists(reading)?;
        let texts = dpkg::Texts::read(reading)?;
        let is_own = !texts.is_empty() && texts.are_own(reading)?;
        let others = if is_own { Vec::new() } else { others(reading)? };
        match (others.len(), texts.is_empty()) {
            (0, true) => Err(Failure(Status::Absent)),
            (0, false) if !is_own && is_a_tool(reading) => {
                reading.note(dpkg::STATUS, "dpkg is a tool here: not the packages of this system");
                Err(Failure(Status::Unsupported))
            }
            (0, false) => Ok(Self::Dpkg { texts, listed }),
            (1, _) => others.into_iter().next().ok_or(Failure(Status::Absent)),
            _ => {
                for other in &others {
                    reading.note(other.path(), "one of several package databases: not read");
                }
                Err(Failure(Status::Unsupported))
            }
        }
    }

    pub(in crate::collectors) fn manager(&self) -> Manager {
        match self {
            Self::Dpkg { .. } => Manager::Dpkg,
            Self::Rpm(_) => Manager::Rpm,
            Self::Apk(_) => Manager::Apk,
            Self::Pacman => Manager::Pacman,
        }
    }

    /// The file that says what is installed, for notes.
    pub(in crate::collectors) fn path(&self) -> &str {
        match self {
            Self::Dpkg { .. } => dpkg::STATUS,
            Self::Rpm(store) => store.path(),
            Self::Apk(path) => path,
            Self::Pacman => pacman::LOCAL,
        }
    }

    pub(super) fn inventory(&self, reading: &mut Reading<'_>) -> Result<Inventory, Failure> {
        match self {
            Self::Dpkg { texts, listed } => texts.inventory(listed, reading),
            Self::Rpm(store) => rpm::inventory(reading, store),
            Self::Apk(path) => apk::inventory(reading, path),
            Self::Pacman => pacman::inventory(reading),
        }
    }

    /// The packages whose names are wanted, of the whole database: one that was read in part proves
    /// nothing about what is not in it.
    pub(in crate::collectors) fn records(
        &self,
        reading: &mut Reading<'_>,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Record>, Failure> {
        match self {
            Self::Dpkg { texts, listed } => texts.records(listed, wanted, reading),
            Self::Rpm(store) => rpm::records(reading, store, wanted),
            Self::Apk(path) => apk::records(reading, path, wanted),
            Self::Pacman => pacman::records(reading, wanted),
        }
    }
}

/// A database of dpkg without `base-files`, where no other was found, is that of the system only if
/// the system says that it is of Debian's family, or says nothing at all.
fn is_a_tool(reading: &mut Reading<'_>) -> bool {
    match host_os::family_of(reading) {
        Ok(family) => family != Family::Debian,
        Err(Failure(status)) => status != Status::Absent,
    }
}

/// Every database of another manager than dpkg.
fn others(reading: &Reading<'_>) -> Result<Vec<Database>, ReadError> {
    let mut found: Vec<_> = rpm::stores(reading)?.into_iter().map(Database::Rpm).collect();
    found.extend(apk::databases(reading)?.into_iter().map(Database::Apk));
    if present(reading.stat(pacman::LOCAL))?.is_some() {
        found.push(Database::Pacman);
    }
    Ok(found)
}
