//! Jobs of cron, anacron and at.

use super::paths;
use crate::formats::crontab::{self, Form};
use crate::host::{Failure, ReadError, Reading};
use evidence::kinds::services::{Job, JobForm};
use evidence::{Digest, Status};
use std::collections::{BTreeSet, HashMap};

/// Tables of people: Alpine, Debian, SUSE, RHEL. The last holds those before it.
const SPOOLS: [&str; 4] =
    ["/etc/crontabs", "/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron"];
const SPOOLED: [&str; 5] = ["atjobs", "atspool", "crontabs", "lastrun", "tabs"];
/// Jobs of at(1): Debian, RHEL.
const AT: [&str; 2] = ["/var/spool/cron/atjobs", "/var/spool/at"];
const PERIODS: [&str; 5] = ["hourly", "daily", "weekly", "monthly", "yearly"];
/// Directories of scripts, before the period: Alpine's are started by root's own table.
const SCRIPTS: [&str; 2] = ["/etc/cron.", "/etc/periodic/"];
const DPKG: &str = "/var/lib/dpkg/status";
const MAX_DPKG_BYTES: u64 = 256 << 20;

/// What is known of names and packages.
pub(super) struct Known {
    /// Numbers of names; `None` where they could not be told.
    users: Option<HashMap<String, u32>>,
    /// Configuration files of packages, of those that set up jobs.
    packaged: Option<BTreeSet<String>>,
}

impl Known {
    pub(super) fn read(reading: &mut Reading<'_>) -> Self {
        Self { users: users(reading), packaged: packaged(reading) }
    }

    fn uid(&self, name: &str) -> Option<u32> {
        match name {
            "root" => Some(0),
            name => self.users.as_ref()?.get(name).copied(),
        }
    }

    /// A name that no file has may be that of a directory: then it is not known.
    fn is_root(&self, name: &str) -> Option<bool> {
        self.uid(name).map(|uid| uid == 0)
    }
}

/// A job before it is told.
pub(super) struct Found<'f> {
    pub(super) source: &'f str,
    pub(super) form: JobForm,
    pub(super) schedule: String,
    pub(super) user: String,
    pub(super) command: &'f str,
    /// As far as it is not told by the list of configuration files.
    pub(super) packaged: Option<bool>,
}

pub(super) fn job(reading: &Reading<'_>, known: &Known, found: Found<'_>) -> Job {
    let (first, all) = crontab::paths(found.command);
    let uid = known.uid(&found.user);
    let open = || {
        if paths::is_open(reading, found.source, uid)? {
            return Ok(true);
        }
        for path in &all {
            if paths::runs(reading, path, found.command)? && paths::is_open(reading, path, uid)? {
                return Ok(true);
            }
        }
        Ok::<_, ReadError>(false)
    };
    let open = open().ok();
    let packaged = found
        .packaged
        .or_else(|| known.packaged.as_ref().map(|packaged| packaged.contains(found.source)));
    let text = format!("{}\n{}\n{first}", found.source, found.schedule);
    let id = Digest::of(text.as_bytes()).to_string().chars().take(16).collect();
    Job {
        id,
        source: found.source.to_owned(),
        form: found.form,
        schedule: found.schedule,
        runs_as_root: known.is_root(&found.user),
        runs_as: found.user,
        command_path: first,
        target_writable_by_others: open,
        packaged,
    }
}

pub(super) fn of_cron(reading: &mut Reading<'_>) -> Result<Vec<Job>, Failure> {
    let known = Known::read(reading);
    let mut jobs = table(reading, &known, "/etc/crontab", Form::System, None)?;
    for name in names(reading, "/etc/cron.d")? {
        jobs.extend(table(reading, &known, &format!("/etc/cron.d/{name}"), Form::System, None)?);
    }
    jobs.extend(table(reading, &known, "/etc/anacrontab", Form::Anacron, None)?);
    let periods = SCRIPTS.iter().flat_map(|begin| PERIODS.map(|period| (begin, period)));
    for (begin, period) in periods {
        let directory = format!("{begin}{period}");
        for name in names(reading, &directory)? {
            let source = format!("{directory}/{name}");
            let form = JobForm::Cron;
            let (schedule, user) = (format!("@{period}"), "root".to_owned());
            let command = source.as_str();
            // What may not be run is passed over.
            if reading.stat(&source).is_ok_and(|meta| meta.mode & 0o111 == 0) {
                continue;
            }
            let found = Found { source: &source, form, schedule, user, command, packaged: None };
            jobs.push(job(reading, &known, found));
        }
    }
    for spool in SPOOLS {
        for name in listed(reading, spool)? {
            if spool != SPOOLS[3] || !SPOOLED.contains(&name.as_str()) {
                let path = format!("{spool}/{name}");
                jobs.extend(table(reading, &known, &path, Form::Personal, Some(&name))?);
            }
        }
    }
    jobs.extend(of_at(reading, &known)?);
    Ok(jobs)
}

fn listed(reading: &mut Reading<'_>, path: &str) -> Result<Vec<String>, ReadError> {
    match reading.list(path) {
        Err(ReadError::Absent) => Ok(Vec::new()),
        other => Ok(other?.into_iter().filter(|name| !name.starts_with('.')).collect()),
    }
}

/// Names that cron and run-parts take: on Debian letters, digits, `_` and `-`; elsewhere all but
/// what editors and packages leave.
fn names(reading: &mut Reading<'_>, directory: &str) -> Result<Vec<String>, ReadError> {
    let is_debian = match reading.stat("/etc/debian_version") {
        Ok(_) => true,
        Err(ReadError::Absent) => false,
        Err(error) => return Err(error),
    };
    let plain = |name: &String| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    let left = [".rpmnew", ".rpmorig", ".rpmsave", ".swp", ",v", "~"];
    let is_left = |name: &String| left.iter().any(|end| name.ends_with(end));
    let names = listed(reading, directory)?.into_iter();
    Ok(names.filter(|name| if is_debian { plain(name) } else { !is_left(name) }).collect())
}

fn table(
    reading: &mut Reading<'_>,
    known: &Known,
    path: &str,
    form: Form,
    owner: Option<&str>,
) -> Result<Vec<Job>, Failure> {
    let text = match reading.config(path) {
        Err(ReadError::Absent) => return Ok(Vec::new()),
        other => other?,
    };
    let entries = crontab::parse(&text, form).map_err(|line| {
        reading.malformed(path, format!("line {line}: neither a job nor a setting"));
        Failure(Status::ParseError)
    })?;
    let how = if form == Form::Anacron { JobForm::Anacron } else { JobForm::Cron };
    let jobs = entries.iter().map(|entry| {
        let user = entry.user.as_deref().or(owner).unwrap_or("root").to_owned();
        let (schedule, command) = (entry.schedule.clone(), entry.command.as_str());
        // Packages bring no tables of people.
        let packaged = owner.map(|_| false);
        let found = Found { source: path, form: how, schedule, user, command, packaged };
        job(reading, known, found)
    });
    Ok(jobs.collect())
}

/// Whose job it is says the owner of its file; what it does is a script in it.
fn of_at(reading: &mut Reading<'_>, known: &Known) -> Result<Vec<Job>, Failure> {
    let mut jobs = Vec::new();
    for directory in AT {
        for name in listed(reading, directory)?.iter().filter(|name| name.starts_with('a')) {
            let source = format!("{directory}/{name}");
            let uid = match reading.stat(&source) {
                Err(ReadError::Absent) => continue,
                other => other?.uid,
            };
            let users = known.users.as_ref();
            let user = users.and_then(|users| users.iter().find(|(_, id)| **id == uid));
            let user = user.map_or_else(|| uid.to_string(), |(name, _)| name.clone());
            let user = if uid == 0 { "root".to_owned() } else { user };
            let (schedule, packaged) = (String::new(), Some(false));
            let form = JobForm::At;
            let found = Found { source: &source, form, schedule, user, command: "", packaged };
            jobs.push(job(reading, known, found));
        }
    }
    Ok(jobs)
}

fn users(reading: &mut Reading<'_>) -> Option<HashMap<String, u32>> {
    let text = reading.config("/etc/passwd").ok()?;
    let user = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '+', '-']));
    // A table that is not whole says nothing about who is not in it.
    let users: Option<HashMap<_, _>> = lines.map(user).collect();
    users.filter(|_| text.ends_with('\n'))
}

/// `Conffiles:` of all packages, as far as they set up jobs.
fn packaged(reading: &mut Reading<'_>) -> Option<BTreeSet<String>> {
    let text = reading.text_up_to(DPKG, MAX_DPKG_BYTES).ok()?;
    let lines = text.lines().filter_map(|line| line.strip_prefix(' '));
    let paths = lines.filter_map(|line| line.split(' ').next());
    let is_job = |path: &&str| path.starts_with("/etc/cron") || *path == "/etc/anacrontab";
    text.ends_with("\n\n").then(|| paths.filter(is_job).map(str::to_owned).collect())
}
