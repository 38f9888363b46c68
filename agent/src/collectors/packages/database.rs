//! Which package database is that of the system.

use super::rpm::{self, Store};
use super::{Inventory, Record, apk, dpkg, pacman, present};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
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
        let others = others(reading);
        if !texts.is_empty()
            && (others.as_ref().is_ok_and(Vec::is_empty) || texts.are_own(reading)?)
        {
            return Ok(Self::Dpkg { texts, listed });
        }
        let mut others = others?;
        match (others.pop(), others.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(last), false) => {
                others.push(last);
                for other in &others {
                    reading.note(other.path(), "one of several package databases: not read");
                }
                Err(Failure(Status::Unsupported))
            }
            (None, _) => Err(Failure(Status::Absent)),
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

/// Every database of another manager than dpkg.
fn others(reading: &Reading<'_>) -> Result<Vec<Database>, ReadError> {
    let mut found: Vec<_> = rpm::stores(reading)?.into_iter().map(Database::Rpm).collect();
    found.extend(apk::databases(reading)?.into_iter().map(Database::Apk));
    if present(reading.stat(pacman::LOCAL))?.is_some() {
        found.push(Database::Pacman);
    }
    Ok(found)
}
