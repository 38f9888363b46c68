//! Log files: who may read them, how long they are kept, and whether they are still written to.

use super::{Failure, ReadError, Reading, kernel_clock, systemd};
use crate::formats::logrotate::{self, Item, Kept, Policy};
use crate::host::FileKind;
use evidence::kinds::logging::{Age, LogFile};

const LOGS: &str = "/var/log";
/// Files of syslog daemons and auditd, below /var/log.
const STEMS: [&str; 12] = [
    "audit/audit.log",
    "auth.log",
    "cron",
    "cron.log",
    "daemon.log",
    "kern.log",
    "mail.log",
    "maillog",
    "messages",
    "secure",
    "syslog",
    "user.log",
];
const LOGROTATE: &str = "/etc/logrotate.conf";
/// Endings that logrotate passes over in a directory (`tabooext`).
const TABOO: [&str; 16] = [
    "~",
    ",v",
    ".bak",
    ".cfsaved",
    ".disabled",
    ".dpkg-bak",
    ".dpkg-del",
    ".dpkg-dist",
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-tmp",
    ".rpmnew",
    ".rpmorig",
    ".rpmsave",
    ".swp",
    ".ucf-dist",
];

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Vec<LogFile>, Failure> {
    let mut files = Vec::new();
    let names = names(reading, LOGS)?;
    let audit = names.iter().any(|name| name == "audit");
    let audit = if audit { self::names(reading, &format!("{LOGS}/audit"))? } else { Vec::new() };
    let rotation = rotation(reading);
    for stem in STEMS {
        let (directory, file, names) = match stem.split_once('/') {
            Some((below, file)) => (format!("{LOGS}/{below}"), file, &audit),
            None => (LOGS.to_owned(), stem, &names),
        };
        if !names.iter().any(|name| name == file) {
            continue;
        }
        let mut bits = 0;
        for name in names.iter().filter(|name| is_of(name, file)) {
            match reading.stat(&format!("{directory}/{name}")) {
                Ok(meta) => bits |= meta.mode,
                // Rotated away meanwhile.
                Err(ReadError::Absent) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let path = format!("{LOGS}/{stem}");
        let rotated = rotation.as_ref().map(|rotation| rotation.of(&path));
        files.push(file_facts(reading, path, bits, rotated));
    }
    Ok(files)
}

fn file_facts(
    reading: &mut Reading<'_>,
    path: String,
    bits: u32,
    rotated: Option<Option<Kept>>,
) -> LogFile {
    if rotated.is_none() {
        for field in ["rotated", "at_least_days", "at_most_days"] {
            reading.unread(&format!("files.{field}"));
        }
    }
    let kept = rotated.flatten().unwrap_or_default();
    LogFile {
        path,
        other_read: bits & 0o004 != 0,
        other_write: bits & 0o002 != 0,
        rotated: rotated.map(|kept| kept.is_some()),
        at_least_days: kept.at_least_days,
        at_most_days: kept.at_most_days,
    }
}

fn names(reading: &mut Reading<'_>, directory: &str) -> Result<Vec<String>, ReadError> {
    match reading.list(directory) {
        Err(ReadError::Absent) => Ok(Vec::new()),
        other => other,
    }
}

/// Whether a name is the file or one of its rotated predecessors: `syslog.1`, `syslog-20260101.gz`.
fn is_of(name: &str, file: &str) -> bool {
    let rest = name.strip_prefix(file);
    rest.is_some_and(|rest| {
        let number = rest.strip_prefix(['.', '-']);
        rest.is_empty() || number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The sections of logrotate.conf and its includes.
struct Rotation(Vec<logrotate::Section>);

impl Rotation {
    /// How long a file is kept; `None` when no section rotates it. logrotate takes the first.
    fn of(&self, path: &str) -> Option<Kept> {
        let rotates = |section: &&logrotate::Section| {
            section.patterns.iter().any(|pattern| logrotate::matches(pattern, path))
        };
        self.0.iter().find(rotates).map(|section| section.kept)
    }
}

/// `None` when logrotate is not known to run daily, or its configuration is not understood.
fn rotation(reading: &mut Reading<'_>) -> Option<Rotation> {
    let mut runs = systemd::enabled(reading, "logrotate.timer").ok()?;
    for path in ["/etc/cron.daily/logrotate", "/etc/periodic/daily/logrotate"] {
        runs |= cron_rotates(reading, path)?;
    }
    if !runs {
        return None;
    }
    let mut policy = Policy::default();
    let mut sections = Vec::new();
    for item in items(reading, LOGROTATE, &mut policy)? {
        match item {
            Item::Section(section) => sections.push(section),
            Item::Include(path, policy) => sections.extend(included(reading, &path, policy)?),
        }
    }
    Some(Rotation(sections))
}

/// Whether cron's daily script runs logrotate: one without the right to run is passed over, and that
/// of Debian leaves the work to the timer where systemd runs. `None` when it cannot be read.
fn cron_rotates(reading: &mut Reading<'_>, path: &str) -> Option<bool> {
    let may_run = match reading.stat(path) {
        Ok(meta) => meta.mode & 0o111 != 0,
        Err(ReadError::Absent) => return Some(false),
        Err(_) => return None,
    };
    let leaves_it = reading.config(path).ok()?.contains("/run/systemd/system");
    Some(may_run && !(leaves_it && systemd::is_installed(reading).ok()?))
}

fn items(reading: &mut Reading<'_>, path: &str, policy: &mut Policy) -> Option<Vec<Item>> {
    let text = reading.config(path).ok()?;
    logrotate::parse(&text, policy)
        .map_err(|line| reading.malformed(path, format!("line {line}: not understood")))
        .ok()
}

/// The sections of an included file, or of every file of a directory by name. A file that changes
/// the settings of others is not followed, nor one that includes more.
fn included(
    reading: &mut Reading<'_>,
    path: &str,
    policy: Policy,
) -> Option<Vec<logrotate::Section>> {
    let is_directory = reading.stat(path).ok()?.kind == FileKind::Directory;
    let mut paths = vec![path.to_owned()];
    if is_directory {
        let names = reading.list(path).ok()?.into_iter();
        let names = names.filter(|n| !n.starts_with('.') && !TABOO.iter().any(|t| n.ends_with(t)));
        paths = names.map(|name| format!("{path}/{name}")).collect();
    }
    let mut sections = Vec::new();
    for path in paths {
        let mut own = policy;
        for item in items(reading, &path, &mut own)? {
            match item {
                Item::Section(section) => sections.push(section),
                Item::Include(..) => return None,
            }
        }
        if own != policy {
            reading.note(&path, "sets options outside of a section: not followed");
            return None;
        }
    }
    Some(sections)
}

/// By the modification times of the journals and of the log files that hold something.
pub(super) fn last_entry_age(reading: &mut Reading<'_>) -> Result<Option<Age>, Failure> {
    if !reading.is_live() {
        return Ok(None);
    }
    let now = kernel_clock::now(reading)?;
    let mut last = None;
    for path in journals(reading)?.into_iter().chain(STEMS.map(|stem| format!("{LOGS}/{stem}"))) {
        match reading.stat(&path) {
            Ok(meta) if meta.size_bytes > 0 => last = last.max(Some(meta.modified_s)),
            Ok(_) | Err(ReadError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // A time in the future proves nothing; clocks may differ by a little.
    let age = last.map(|last| now - last).filter(|age| *age >= -60);
    Ok(age.map(|seconds| match seconds {
        ..3600 => Age::UnderHour,
        3600..86_400 => Age::UnderDay,
        86_400..604_800 => Age::UnderWeek,
        _ => Age::Older,
    }))
}

/// The journals that are written to: one directory per machine id.
fn journals(reading: &mut Reading<'_>) -> Result<Vec<String>, ReadError> {
    let mut paths = Vec::new();
    for directory in ["/run/log/journal", "/var/log/journal"] {
        let machines = names(reading, directory)?;
        paths.extend(machines.iter().map(|name| format!("{directory}/{name}/system.journal")));
    }
    Ok(paths)
}
