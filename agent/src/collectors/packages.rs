//! The kind `packages`: what the package manager says is installed.
//!
//! Reads the database of dpkg, and counts snaps and flatpaks. Other package managers are named,
//! not read. Needs no privilege. A list that may be shorter than the truth is never given: an
//! empty or cut database is `parse_error`.

use super::{Collector, facts};
use crate::formats::dpkg::{self, Entry, Form, State, Want};
use crate::host::{Failure, FileKind, ReadError, Reading};
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::packages::{Manager, Package, Packages};
use std::collections::{BTreeSet, HashMap};

pub(super) const COLLECTOR: Collector = Collector {
    kind: Packages::NAME,
    schedule: "0 3 * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const STATUS: &str = "/var/lib/dpkg/status";
const CONTROLS: &str = "/var/lib/dpkg/status.d";
const JOURNAL: &str = "/var/lib/dpkg/updates";
const FILE_LISTS: &str = "/var/lib/dpkg/info";
/// Largest part of the database, in bytes. A desktop has some 6 MB.
const MAX_DATABASE_BYTES: u64 = 256 << 20;

/// Databases this agent knows but does not read: manager, a place that proves it.
const OTHERS: [(&str, &str); 9] = [
    ("RPM", "/var/lib/rpm/rpmdb.sqlite"),
    ("RPM", "/var/lib/rpm/Packages.db"),
    ("RPM", "/var/lib/rpm/Packages"),
    ("RPM", "/usr/lib/sysimage/rpm/rpmdb.sqlite"),
    ("RPM", "/usr/lib/sysimage/rpm/Packages.db"),
    ("RPM", "/usr/lib/sysimage/rpm/Packages"),
    ("apk", "/lib/apk/db/installed"),
    ("apk", "/usr/lib/apk/db/installed"),
    ("pacman", "/var/lib/pacman/local"),
];

pub(super) fn collect(reading: &mut Reading<'_>) -> Result<Packages, Failure> {
    database(reading, |entries, reading| {
        let snaps = counted(snaps(reading), "snaps", reading);
        let flatpaks = counted(flatpaks(reading), "flatpaks", reading);
        let items = items(entries);
        let labels = Labels::of(entries);
        Ok(Packages {
            manager: Manager::Dpkg,
            count: i64::try_from(items.len()).map_err(|_| Failure(Status::Truncated))?,
            items,
            held: held(entries, &labels),
            broken: broken(entries, &labels),
            snaps,
            flatpaks,
        })
    })
}

/// A package of which at least files are there.
pub(super) struct OnDisk {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) arch: String,
    /// Source package.
    pub(super) source: String,
    pub(super) is_held: bool,
}

/// What apt takes for installed: half configured packages too.
pub(super) fn on_disk(reading: &mut Reading<'_>) -> Result<Vec<OnDisk>, Failure> {
    let package = |entry: &Entry<'_>| {
        (entry.state > State::ConfigFiles).then_some(())?;
        Some(OnDisk {
            name: entry.name.clone().into_owned(),
            version: entry.version?.to_owned(),
            arch: entry.arch?.to_owned(),
            source: entry.source.unwrap_or(&entry.name).to_owned(),
            is_held: entry.want == Want::Hold,
        })
    };
    database(reading, |entries, _| Ok(entries.iter().filter_map(package).collect()))
}

/// Shows `read` the whole database of a system that is dpkg's own.
fn database<T>(
    reading: &mut Reading<'_>,
    read: impl FnOnce(&[Entry<'_>], &mut Reading<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // Before the status file: a package that is installed meanwhile is then only in the latter.
    let listed = file_lists(reading)?;
    let texts = Texts::read(reading)?;
    if texts.is_empty() {
        return Err(Failure(match other_database(reading)? {
            Some(_) => Status::Unsupported,
            None => Status::Absent,
        }));
    }
    let entries = texts.entries(reading)?;
    // dpkg may be a mere tool on a system of another family. Every Debian system, and every image
    // made of Debian packages, has `base-files`.
    let own = entries.iter().any(|e| e.name == "base-files" && e.state.is_configured());
    if !own && other_database(reading)?.is_some() {
        return Err(Failure(Status::Unsupported));
    }
    refuse_shorter_than(&listed, &entries, reading)?;
    read(&entries, reading)
}

/// The database as text: path, form, contents.
struct Texts(Vec<(String, Form, String)>);

impl Texts {
    /// Reads what there is of the database; any part that exists and cannot be read is a failure.
    fn read(reading: &mut Reading<'_>) -> Result<Self, Failure> {
        let mut texts = Vec::new();
        if let Some(text) = present(reading.text_up_to(STATUS, MAX_DATABASE_BYTES))? {
            texts.push((STATUS.to_owned(), Form::Status, text));
        }
        for (directory, form) in [(CONTROLS, Form::Control), (JOURNAL, Form::Journal)] {
            let names = present(reading.list(directory))?.unwrap_or_default();
            for name in names.iter().filter(|name| belongs(name, form)) {
                let path = format!("{directory}/{name}");
                // A run of dpkg that ends meanwhile takes its journal away.
                if let Some(text) = present(reading.text_up_to(&path, MAX_DATABASE_BYTES))? {
                    texts.push((path, form, text));
                }
            }
        }
        Ok(Self(texts))
    }

    /// Whether there is no database; a journal alone is none.
    fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, form, _)| *form == Form::Journal)
    }

    /// Every package, with the journal applied.
    fn entries(&self, reading: &mut Reading<'_>) -> Result<Vec<Entry<'_>>, Failure> {
        let mut entries = Vec::new();
        for (path, form, text) in &self.0 {
            let read = dpkg::entries(text, *form).and_then(|read| match form {
                Form::Journal => dpkg::apply(&mut entries, read),
                Form::Status | Form::Control => {
                    entries.extend(read);
                    Ok(())
                }
            });
            if let Err(error) = read {
                reading.malformed(path, error.to_string());
                return Err(Failure(Status::ParseError));
            }
        }
        if self.0.iter().any(|(_, form, _)| *form == Form::Journal) {
            let note = "a run of dpkg is under way or was interrupted; its journal is applied";
            reading.note(&format!("{JOURNAL}/"), note);
        }
        Ok(entries)
    }
}

/// Whether a file of a directory is part of the database: in the journal dpkg takes names of
/// digits only; images keep checksums beside their control files.
fn belongs(name: &str, form: Form) -> bool {
    match form {
        Form::Journal => name.bytes().all(|b| b.is_ascii_digit()),
        Form::Status | Form::Control => !name.ends_with(".md5sums"),
    }
}

fn present<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Err(ReadError::Absent) => Ok(None),
        other => other.map(Some),
    }
}

/// Packages of which dpkg keeps a list of files: `NAME.list` or `NAME:ARCH.list`.
fn file_lists(reading: &mut Reading<'_>) -> Result<BTreeSet<String>, Failure> {
    let names = present(reading.list(FILE_LISTS))?.unwrap_or_default();
    let stems = names.iter().filter_map(|name| name.strip_suffix(".list"));
    Ok(stems.map(|stem| stem.split(':').next().unwrap_or(stem).to_owned()).collect())
}

/// A status file that was cut between two packages looks whole; the lists of files know better.
fn refuse_shorter_than(
    listed: &BTreeSet<String>,
    entries: &[Entry<'_>],
    reading: &mut Reading<'_>,
) -> Result<(), Failure> {
    let known: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_ref()).collect();
    let missing: Vec<_> = listed.iter().filter(|name| !known.contains(name.as_str())).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let note = format!(
        "of {} packages {FILE_LISTS} has a list of files and this has nothing, such as `{first}`: \
         it was cut, or the list is a stray one to remove",
        missing.len()
    );
    reading.malformed(STATUS, note);
    Err(Failure(Status::ParseError))
}

/// The first database of another package manager, and a note that it is not read.
fn other_database(reading: &mut Reading<'_>) -> Result<Option<&'static str>, Failure> {
    for (manager, path) in OTHERS {
        if present(reading.stat(path))?.is_some() {
            reading.note(path, format!("a package database of {manager}: found, not read"));
            return Ok(Some(manager));
        }
    }
    Ok(None)
}

fn items(entries: &[Entry<'_>]) -> Vec<Package> {
    let mut items: Vec<_> =
        entries.iter().filter(|entry| entry.state.is_configured()).map(item).collect();
    items.sort_by(|a, b| (&a.name, &a.arch, &a.version).cmp(&(&b.name, &b.arch, &b.version)));
    items.dedup();
    items
}

fn item(entry: &Entry<'_>) -> Package {
    let own = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Package {
        name: entry.name.clone().into_owned(),
        version: own(entry.version),
        arch: own(entry.arch),
        source: entry.source.filter(|name| *name != entry.name).map(str::to_owned),
        source_version: entry
            .source_version
            .filter(|version| Some(*version) != entry.version)
            .map(str::to_owned),
    }
}

/// Held packages that are there; a hold on one that is not keeps nothing back.
fn held(entries: &[Entry<'_>], labels: &Labels<'_>) -> Vec<String> {
    let held = |entry: &&Entry<'_>| entry.want == Want::Hold && entry.state > State::ConfigFiles;
    let names: BTreeSet<_> = entries.iter().filter(held).map(|entry| labels.label(entry)).collect();
    names.into_iter().collect()
}

fn broken(entries: &[Entry<'_>], labels: &Labels<'_>) -> Vec<String> {
    let broken = |entry: &&Entry<'_>| {
        let settled = [State::NotInstalled, State::ConfigFiles, State::Installed];
        entry.reinstall || !settled.contains(&entry.state)
    };
    let lines: BTreeSet<_> = entries
        .iter()
        .filter(broken)
        .map(|entry| {
            let flag = if entry.reinstall { " reinstreq" } else { "" };
            format!("{} {}{flag}", labels.label(entry), entry.state.as_str())
        })
        .collect();
    lines.into_iter().collect()
}

/// How many entries each name has.
struct Labels<'e>(HashMap<&'e str, usize>);

impl<'e> Labels<'e> {
    fn of(entries: &'e [Entry<'_>]) -> Self {
        let mut counts = HashMap::with_capacity(entries.len());
        for entry in entries {
            *counts.entry(entry.name.as_ref()).or_default() += 1;
        }
        Self(counts)
    }

    /// `name`, or `name:arch` where the database has several of the name.
    fn label(&self, entry: &Entry<'_>) -> String {
        let several = self.0.get(entry.name.as_ref()).is_some_and(|count| *count > 1);
        match entry.arch {
            Some(arch) if several => format!("{}:{arch}", entry.name),
            _ => entry.name.clone().into_owned(),
        }
    }
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
