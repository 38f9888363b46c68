//! The database of dpkg: /var/lib/dpkg, with the journal of a run that is under way.

use super::{Inventory, MAX_DATABASE_BYTES, Record, present};
use crate::formats::dpkg::{self, Entry, Form, State, Want};
use crate::host::{Failure, Reading};
use evidence::Status;
use evidence::kinds::packages::{Manager, Package};
use std::collections::{BTreeSet, HashMap};

pub(super) const STATUS: &str = "/var/lib/dpkg/status";
const CONTROLS: &str = "/var/lib/dpkg/status.d";
const JOURNAL: &str = "/var/lib/dpkg/updates";
const FILE_LISTS: &str = "/var/lib/dpkg/info";

/// A package of which at least files are there.
pub(in crate::collectors) struct OnDisk {
    pub(in crate::collectors) name: String,
    pub(in crate::collectors) version: String,
    pub(in crate::collectors) arch: String,
    /// Source package.
    pub(in crate::collectors) source: String,
    pub(in crate::collectors) is_held: bool,
}

/// The database as text: path, form, contents.
pub(in crate::collectors) struct Texts(Vec<(String, Form, String)>);

impl Texts {
    /// Reads what there is of the database; any part that exists and cannot be read is a failure.
    pub(super) fn read(reading: &mut Reading<'_>) -> Result<Self, Failure> {
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
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, form, _)| *form == Form::Journal)
    }

    /// Whether this is the database of the system: dpkg may be a mere tool on one of another family.
    /// Every Debian system, and every image made of Debian packages, has `base-files`.
    pub(super) fn are_own(&self, reading: &mut Reading<'_>) -> Result<bool, Failure> {
        let entries = self.entries(reading)?;
        Ok(entries.iter().any(|e| e.name == "base-files" && e.state.is_configured()))
    }

    pub(super) fn inventory(
        &self,
        listed: &BTreeSet<String>,
        reading: &mut Reading<'_>,
    ) -> Result<Inventory, Failure> {
        let entries = self.entries(reading)?;
        refuse_shorter_than(listed, &entries, reading)?;
        let labels = Labels::of(&entries);
        Ok(Inventory {
            manager: Manager::Dpkg,
            items: entries.iter().filter(|entry| entry.state.is_configured()).map(item).collect(),
            held: Some(held(&entries, &labels)),
            broken: broken(&entries, &labels),
        })
    }

    /// Packages of which at least files may be there. One that is half-installed may have no version.
    pub(super) fn records(
        &self,
        listed: &BTreeSet<String>,
        wanted: &dyn Fn(&str) -> bool,
        reading: &mut Reading<'_>,
    ) -> Result<Vec<Record>, Failure> {
        let entries = self.entries(reading)?;
        refuse_shorter_than(listed, &entries, reading)?;
        let there = |entry: &&Entry<'_>| entry.state > State::ConfigFiles && wanted(&entry.name);
        let record = |entry: &Entry<'_>| Record {
            name: entry.name.clone().into_owned(),
            version: entry.version.unwrap_or_default().to_owned(),
            arch: entry.arch.unwrap_or_default().to_owned(),
            configured: entry.state.is_configured(),
            installed_s: None,
        };
        Ok(entries.iter().filter(there).map(record).collect())
    }

    /// What apt takes for installed: half configured packages too.
    pub(super) fn on_disk(
        &self,
        listed: &BTreeSet<String>,
        reading: &mut Reading<'_>,
    ) -> Result<Vec<OnDisk>, Failure> {
        let entries = self.entries(reading)?;
        refuse_shorter_than(listed, &entries, reading)?;
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
        Ok(entries.iter().filter_map(package).collect())
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

/// Packages of which dpkg keeps a list of files: `NAME.list` or `NAME:ARCH.list`. To be read before
/// the status file: a package that is installed meanwhile is then only in the latter.
pub(super) fn file_lists(reading: &mut Reading<'_>) -> Result<BTreeSet<String>, Failure> {
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
        vendor: None,
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
