//! The databases of rpm: SQLite (RHEL 9, Fedora), ndb (SUSE), Berkeley DB (RHEL 8 and before).
//!
//! Files are read without a lock, for a lock would be a write. What is read counts only if the files
//! are the same afterwards. Of a database in SQLite the write-ahead log belongs to it: the last
//! installations may be nowhere else.

use super::{Inventory, Record, malformed, present, rpm_locks};
use crate::formats::berkeley_hash::{self, BerkeleyError};
use crate::formats::random_access::RandomAccess;
use crate::formats::rpm_header::{Header, HeaderError};
use crate::formats::rpm_ndb::{self, NdbError};
use crate::formats::sqlite::{self, SqliteError, Value};
use crate::formats::sqlite_wal::{Wal, WalError};
use crate::host::{Failure, FileKind, Opened, ReadError, Reading, Stamp};
use evidence::Status;
use evidence::kinds::packages::{Manager, Package};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Where rpm keeps its database; on newer systems the latter is a link to the former.
const DIRECTORIES: [&str; 2] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"];
const FILES: [(&str, Form); 3] =
    [("rpmdb.sqlite", Form::Sqlite), ("Packages.db", Form::Ndb), ("Packages", Form::Berkeley)];
/// How often files that change under the reader are read before they are given up.
const ATTEMPTS: u32 = 3;
/// What rpm keeps the keys as that it trusts: no software.
const KEY: &str = "gpg-pubkey";
/// Kernels of old, which provide nothing that says that they stay beside each other.
const INSTALL_ONLY: [&str; 2] = ["kernel", "kernel-PAE"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Sqlite,
    Ndb,
    Berkeley,
}

/// A database and its form.
pub(in crate::collectors) struct Store {
    path: String,
    form: Form,
}

impl Store {
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// Why there is no list of packages.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
    #[error("its log: {0}")]
    Wal(#[from] WalError),
    #[error(transparent)]
    Ndb(#[from] NdbError),
    #[error(transparent)]
    Berkeley(#[from] BerkeleyError),
    #[error("package {0}: {1}")]
    Header(usize, HeaderError),
    #[error("there is no table of packages in it")]
    Table,
    #[error("packages and the index of their names do not agree")]
    Names,
    #[error("there is no package in it")]
    Empty,
}

/// Every database of rpm there is.
pub(super) fn stores(reading: &Reading<'_>) -> Result<Vec<Store>, ReadError> {
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        let meta = present(reading.lstat(directory))?;
        // Its files were found under the other name.
        if meta.is_some_and(|meta| meta.kind == FileKind::Link) && !found.is_empty() {
            continue;
        }
        for (name, form) in FILES {
            let path = format!("{directory}/{name}");
            if present(reading.stat(&path))?.is_some() {
                found.push(Store { path, form });
            }
        }
    }
    Ok(found)
}

pub(super) fn inventory(reading: &mut Reading<'_>, store: &Store) -> Result<Inventory, Failure> {
    let headers = headers(reading, store)?;
    let software: Vec<_> = headers.iter().filter(|header| header.name != KEY).collect();
    Ok(Inventory {
        manager: Manager::Rpm,
        items: software.iter().map(|header| item(header)).collect(),
        held: rpm_locks::held(reading),
        broken: broken(&software),
    })
}

/// The headers of all packages that are software.
pub(super) fn software(reading: &mut Reading<'_>, store: &Store) -> Result<Vec<Header>, Failure> {
    let mut headers = headers(reading, store)?;
    headers.retain(|header| header.name != KEY);
    Ok(headers)
}

pub(super) fn records(
    reading: &mut Reading<'_>,
    store: &Store,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Record>, Failure> {
    let mut headers = headers(reading, store)?;
    headers.retain(|header| header.name != KEY && wanted(&header.name));
    let record = |header: Header| Record {
        version: header.evr(),
        arch: header.arch.unwrap_or_default(),
        configured: true,
        installed_s: header.installed_s.map(i64::from),
        name: header.name,
    };
    Ok(headers.into_iter().map(record).collect())
}

fn item(header: &Header) -> Package {
    let version = header.evr();
    let source = header.source();
    // The name of the source's file says no epoch.
    let same = format!("{}-{}", header.version, header.release);
    Package {
        source: source.map(|(name, _)| name).filter(|name| *name != header.name).map(str::to_owned),
        source_version: source
            .map(|(_, version)| version)
            .filter(|version| *version != same)
            .map(str::to_owned),
        vendor: header.vendor.clone(),
        name: header.name.clone(),
        version,
        arch: header.arch.clone().unwrap_or_default(),
    }
}

/// An upgrade that was interrupted leaves the old version beside the new one; some packages stand
/// beside each other for good.
fn broken(headers: &[&Header]) -> Vec<String> {
    let mut versions: BTreeMap<(&str, Option<&str>), BTreeSet<String>> = BTreeMap::new();
    let single =
        |header: &&&Header| !header.install_only && !INSTALL_ONLY.contains(&header.name.as_str());
    for header in headers.iter().filter(single) {
        let of = versions.entry((&header.name, header.arch.as_deref())).or_default();
        of.insert(header.evr());
    }
    let doubled = versions.iter().filter(|(_, versions)| versions.len() > 1);
    let lines: BTreeSet<_> = doubled.map(|((name, _), _)| format!("{name} duplicate")).collect();
    lines.into_iter().collect()
}

/// The headers of all packages.
fn headers(reading: &mut Reading<'_>, store: &Store) -> Result<Vec<Header>, Failure> {
    for _ in 0..ATTEMPTS {
        let files = Files::open(reading, store)?;
        let before = files.stamps()?;
        let read = files.headers(store.form);
        // A file that changed meanwhile may have been damaged by nothing else.
        if Files::open(reading, store)?.stamps()? != before {
            continue;
        }
        if let Some(error) = files.fault() {
            reading.failed(&store.path, error);
            return Err(error.into());
        }
        return read.map_err(|error| malformed(reading, &store.path, error));
    }
    Err(malformed(reading, &store.path, "it changed whenever it was read"))
}

/// A database and its log, open.
struct Files {
    main: Watched,
    log: Option<Watched>,
}

impl Files {
    fn open(reading: &mut Reading<'_>, store: &Store) -> Result<Self, Failure> {
        let main = Watched::new(reading.open(&store.path)?);
        let mut log = None;
        if store.form == Form::Sqlite {
            refuse_journal(reading, &format!("{}-journal", store.path))?;
            log = present(reading.open(&format!("{}-wal", store.path)))?.map(Watched::new);
        }
        Ok(Self { main, log })
    }

    fn stamps(&self) -> Result<(Stamp, Option<Stamp>), ReadError> {
        let log = self.log.as_ref().map(|log| log.opened.stamp()).transpose()?;
        Ok((self.main.opened.stamp()?, log))
    }

    fn fault(&self) -> Option<ReadError> {
        self.main.fault.get().or(self.log.as_ref().and_then(|log| log.fault.get()))
    }

    fn headers(&self, form: Form) -> Result<Vec<Header>, StoreError> {
        let mut list = List::default();
        match form {
            Form::Sqlite => self.sqlite(&mut list)?,
            Form::Ndb => rpm_ndb::headers(&self.main, &mut |blob| list.add(blob))?,
            // The key 0 holds the last number that was given to a package.
            Form::Berkeley => berkeley_hash::pairs(&self.main, &mut |key, value| {
                if key != [0; 4] {
                    list.add(value);
                }
            })?,
        }
        list.finish()
    }

    fn sqlite(&self, list: &mut List) -> Result<(), StoreError> {
        let wal = self.log.as_ref().map(|log| Wal::open(log)).transpose()?;
        let database = sqlite::Database::with_log(&self.main, wal.as_ref())?;
        let table = database.table("Packages")?.ok_or(StoreError::Table)?;
        let blob = table.column("blob").ok_or(StoreError::Table)?;
        database.rows(&table, &mut |row| match row.get(blob) {
            Some(Value::Blob(blob)) => list.add(blob),
            _ => list.add(&[]),
        })?;
        // A page of packages that was lost is one of a tree that looks whole; the index knows.
        let table = database.table("Name")?.ok_or(StoreError::Table)?;
        let key = table.column("key").ok_or(StoreError::Table)?;
        let mut indexed = Vec::new();
        database.rows(&table, &mut |row| {
            if let Some(Value::Text(name) | Value::Blob(name)) = row.get(key) {
                indexed.push(name.to_vec());
            }
        })?;
        indexed.sort_unstable();
        let mut names: Vec<_> = list.headers.iter().map(|h| h.name.as_bytes().to_vec()).collect();
        names.sort_unstable();
        if list.fault.is_none() && names != indexed {
            return Err(StoreError::Names);
        }
        Ok(())
    }
}

/// Headers that were read, and what was wrong with the first that could not be.
#[derive(Default)]
struct List {
    headers: Vec<Header>,
    fault: Option<StoreError>,
}

impl List {
    fn add(&mut self, blob: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        match Header::parse(blob) {
            Ok(header) => self.headers.push(header),
            Err(error) => self.fault = Some(StoreError::Header(self.headers.len() + 1, error)),
        }
    }

    fn finish(self) -> Result<Vec<Header>, StoreError> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.headers.is_empty() => Err(StoreError::Empty),
            None => Ok(self.headers),
        }
    }
}

/// A journal that is not empty belongs to a transaction that was not finished: the file is half of
/// the one and half of the other.
fn refuse_journal(reading: &mut Reading<'_>, path: &str) -> Result<(), Failure> {
    if present(reading.stat(path))?.is_some_and(|meta| meta.size_bytes > 0) {
        reading.failed(path, ReadError::WrongType);
        reading.note(path, "a transaction that was not finished: the database cannot be read");
        return Err(Failure(Status::IoError));
    }
    Ok(())
}

/// An open file that remembers the error of the system.
struct Watched {
    opened: Opened,
    fault: Cell<Option<ReadError>>,
}

impl Watched {
    fn new(opened: Opened) -> Self {
        Self { opened, fault: Cell::new(None) }
    }
}

impl RandomAccess for Watched {
    fn size_bytes(&self) -> u64 {
        self.opened.size_bytes()
    }

    fn fill(&self, offset: u64, buffer: &mut [u8]) -> bool {
        match self.opened.read_at(offset, buffer) {
            Ok(count) => count == buffer.len(),
            Err(error) => {
                self.fault.set(Some(error));
                false
            }
        }
    }
}
