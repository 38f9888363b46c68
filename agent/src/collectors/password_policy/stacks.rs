//! The files of services, and the stacks they make.

use super::modules::Modules;
use crate::formats::pam::stack::{self, Handler, StackError};
use crate::formats::pam::{self, Facility, Line};
use crate::host::{Failure, FileKind, ReadError, Reading};
use evidence::Status;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// In the order in which the library looks for a file; the last one is SUSE's.
const DIRECTORIES: [&str; 3] = ["/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"];
/// Read only where there is none of these.
const SINGLE_FILE: &str = "/etc/pam.conf";
const OTHER: &str = "other";
/// More services than this nobody has.
const MAX_SERVICES: usize = 300;
/// What tools of distributions leave beside a file, and nobody's program is named.
const LEFT_BEHIND: [&str; 7] =
    [".dpkg-", ".rpmnew", ".rpmsave", ".rpmorig", ".pacnew", ".pacsave", ".ucf-"];

/// Every stack of this host, read once.
pub(super) struct Stacks {
    pub(super) modules: Modules,
    pub(super) services: Vec<ServiceStacks>,
}

pub(super) struct ServiceStacks {
    pub(super) name: String,
    pub(super) auth: Vec<Handler>,
    pub(super) password: Vec<Handler>,
    pub(super) session: Vec<Handler>,
}

impl Stacks {
    pub(super) fn read(reading: &mut Reading<'_>) -> Result<Self, Failure> {
        let mut names = BTreeSet::new();
        let mut directories = Vec::new();
        for directory in DIRECTORIES {
            match reading.list(directory) {
                Ok(found) => {
                    names.extend(found.into_iter().filter(|name| is_service(name)));
                    directories.push(directory);
                }
                Err(ReadError::Absent) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let single = match directories.is_empty() {
            true => Some(single_file(reading)?),
            false => None,
        };
        if let Some(lines) = &single {
            names.extend(
                lines
                    .iter()
                    .filter_map(|line| line.service.as_ref())
                    .map(|name| name.to_lowercase()),
            );
        }
        if names.len() > MAX_SERVICES {
            return Err(Failure(Status::Truncated));
        }
        let mut modules = Modules::read(reading)?;
        let files = Files {
            reading: RefCell::new(&mut *reading),
            directories,
            single,
            read: RefCell::default(),
        };
        let mut services = Vec::new();
        for name in names {
            services.extend(files.service(name)?);
        }
        for stacks in &services {
            for stack in [&stacks.auth, &stacks.password, &stacks.session] {
                modules.look_for(reading, stack)?;
            }
        }
        Ok(Self { modules, services })
    }
}

fn is_service(name: &str) -> bool {
    let is_left = LEFT_BEHIND.iter().any(|left| name.contains(left));
    !(name.starts_with('.') || name.ends_with('~') || is_left)
}

fn single_file(reading: &mut Reading<'_>) -> Result<Vec<Line>, Failure> {
    let text = reading.config(SINGLE_FILE)?;
    parsed(reading, SINGLE_FILE, &text, true)
}

fn parsed(
    reading: &mut Reading<'_>,
    path: &str,
    text: &str,
    names_services: bool,
) -> Result<Vec<Line>, Failure> {
    pam::parse(text, names_services).map_err(|line| {
        reading.malformed(path, format!("line {line}: not understood"));
        Failure(Status::ParseError)
    })
}

struct Files<'r, 'h> {
    reading: RefCell<&'r mut Reading<'h>>,
    directories: Vec<&'static str>,
    single: Option<Vec<Line>>,
    read: RefCell<BTreeMap<String, Option<Vec<Line>>>>,
}

impl Files<'_, '_> {
    /// `None` for a directory among the files.
    fn service(&self, name: String) -> Result<Option<ServiceStacks>, Failure> {
        let Some(lines) = self.top(&name)? else { return Ok(None) };
        let other = self.top(OTHER)?.unwrap_or_default();
        let stack = |facility| {
            let own = self.stack(&name, &lines, facility)?;
            match own.is_empty() {
                true => self.stack(OTHER, &other, facility),
                false => Ok(own),
            }
        };
        Ok(Some(ServiceStacks {
            auth: stack(Facility::Auth)?,
            password: stack(Facility::Password)?,
            session: stack(Facility::Session)?,
            name,
        }))
    }

    /// The lines of a service's own.
    fn top(&self, name: &str) -> Result<Option<Vec<Line>>, Failure> {
        let Some(single) = &self.single else { return self.open(name) };
        let of_it = |line: &&Line| {
            line.service.as_deref().is_some_and(|service| service.eq_ignore_ascii_case(name))
        };
        Ok(Some(single.iter().filter(of_it).cloned().collect()))
    }

    fn stack(
        &self,
        name: &str,
        lines: &[Line],
        facility: Facility,
    ) -> Result<Vec<Handler>, Failure> {
        stack::stack(lines, facility, &mut |name| self.open(name)).map_err(|error| {
            let what = match error {
                StackError::Open(failure) => return failure,
                StackError::TooLong => "includes without end",
                StackError::Missing => "includes what is not there",
            };
            let path = format!("{}/{name}", self.directories.first().unwrap_or(&"/etc"));
            self.reading.borrow_mut().malformed(&path, what);
            Failure(Status::ParseError)
        })
    }

    /// The file of a name or a path.
    fn open(&self, name: &str) -> Result<Option<Vec<Line>>, Failure> {
        if let Some(known) = self.read.borrow().get(name) {
            return Ok(known.clone());
        }
        let paths = match name.starts_with('/') {
            true => vec![name.to_owned()],
            false => {
                self.directories.iter().map(|directory| format!("{directory}/{name}")).collect()
            }
        };
        let mut found = None;
        for path in paths {
            found = self.file(&path)?;
            if found.is_some() {
                break;
            }
        }
        self.read.borrow_mut().insert(name.to_owned(), found.clone());
        Ok(found)
    }

    fn file(&self, path: &str) -> Result<Option<Vec<Line>>, Failure> {
        let mut reading = self.reading.borrow_mut();
        match reading.stat(path) {
            Ok(meta) if meta.kind == FileKind::Directory => return Ok(None),
            Err(ReadError::Absent) => return Ok(None),
            _ => {}
        }
        let text = match reading.config(path) {
            Err(ReadError::Absent) => return Ok(None),
            other => other?,
        };
        parsed(&mut reading, path, &text, false).map(Some)
    }
}
