//! chronyd: its command line and chrony.conf(5) with all the files that this names.

use super::clients::Installed;
use super::systemd;
use crate::formats::chrony_conf::{self, Directive, Source};
use crate::formats::glob;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::time_sync::{ClientName, Form, TimeSource};
use std::collections::BTreeMap;

/// Which of them a build reads is compiled in: that of Debian, that of the others.
const FILES: [&str; 2] = ["/etc/chrony/chrony.conf", "/etc/chrony.conf"];
/// Files that give the unit its options, and the variable: Debian, RHEL and SUSE.
const OPTIONS: [(&str, &str); 2] =
    [("/etc/default/chrony", "DAEMON_OPTS="), ("/etc/sysconfig/chronyd", "OPTIONS=")];
/// Options that change neither the file that is read nor whether the clock is set.
const HARMLESS: [&str; 5] = ["-4", "-6", "-r", "-s", "-m"];
/// Others of the kind, that take a value.
const HARMLESS_WITH_VALUE: [&str; 5] = ["-F", "-L", "-P", "-l", "-u"];
/// As deep as chronyd follows includes.
const MAX_DEPTH: usize = 10;

const UNCLEAR: Failure = Failure(Status::Unsupported);

#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) sources: Vec<TimeSource>,
    /// A file that is written at most hourly, and then only when the clock was set by a source.
    pub(super) drift_file: Option<String>,
}

/// What has been read so far.
#[derive(Default)]
struct Load {
    sources: Vec<Source>,
    source_directories: Vec<Vec<String>>,
    drift_file: Option<(String, bool)>,
    manual: bool,
}

impl Configuration {
    pub(super) fn read(reading: &mut Reading<'_>, client: &Installed) -> Result<Self, Failure> {
        refuse_other_commands(reading, client)?;
        let mut present = Vec::new();
        for path in FILES {
            match reading.lstat(path) {
                Err(ReadError::Absent) => {}
                other => present.push(other.map(|_| path)?),
            }
        }
        let [path] = present.as_slice() else { return Err(UNCLEAR) };
        let mut load = Load::default();
        load.file(reading, path, 0)?;
        for directories in std::mem::take(&mut load.source_directories) {
            for path in directory_files(reading, &directories, ".sources")? {
                load.source_file(reading, &path)?;
            }
        }
        let drift_file = load.drift_file.filter(|(_, hourly)| *hourly && !load.manual);
        Ok(Self {
            sources: load.sources.into_iter().map(fact).collect(),
            drift_file: drift_file.map(|(path, _)| path),
        })
    }
}

impl Load {
    fn file(&mut self, reading: &mut Reading<'_>, path: &str, depth: usize) -> Result<(), Failure> {
        if depth > MAX_DEPTH {
            return Err(malformed(reading, path, "included too deeply".to_owned()));
        }
        for directive in directives(reading, path)? {
            match directive {
                Directive::Source(source) => self.sources.push(source),
                Directive::SourceDir(directories) => self.source_directories.push(directories),
                Directive::DriftFile { path, hourly } => self.drift_file = Some((path, hourly)),
                Directive::Manual => self.manual = true,
                Directive::Include(pattern) => {
                    for path in included(reading, &pattern)? {
                        self.file(reading, &path, depth + 1)?;
                    }
                }
                Directive::ConfDir(directories) => {
                    for path in directory_files(reading, &directories, ".conf")? {
                        self.file(reading, &path, depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn source_file(&mut self, reading: &mut Reading<'_>, path: &str) -> Result<(), Failure> {
        for directive in directives(reading, path)? {
            match directive {
                Directive::Source(source) if source.form != chrony_conf::Form::Refclock => {
                    self.sources.push(source);
                }
                _ => return Err(malformed(reading, path, "not only sources".to_owned())),
            }
        }
        Ok(())
    }
}

fn directives(reading: &mut Reading<'_>, path: &str) -> Result<Vec<Directive>, Failure> {
    let text = reading.config(path)?;
    chrony_conf::directives(&text)
        .map_err(|line| malformed(reading, path, format!("line {line}: a parameter is missing")))
}

fn malformed(reading: &mut Reading<'_>, path: &str, note: String) -> Failure {
    reading.malformed(path, note);
    Failure(Status::ParseError)
}

/// Files with a suffix in directories, by name; of one name that of the first directory.
fn directory_files(
    reading: &mut Reading<'_>,
    directories: &[String],
    suffix: &str,
) -> Result<Vec<String>, Failure> {
    let mut paths = BTreeMap::new();
    for directory in directories {
        if glob::is_pattern(directory) {
            return Err(UNCLEAR);
        }
        let names = match reading.list(directory) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        for name in names.into_iter().filter(|n| n.ends_with(suffix) && !n.starts_with('.')) {
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            paths.entry(name).or_insert(path);
        }
    }
    Ok(paths.into_values().collect())
}

/// The files of `include`: one, or those of a directory that fit a pattern. The manual asks for one
/// file at least; chronyd is content with none.
fn included(reading: &mut Reading<'_>, pattern: &str) -> Result<Vec<String>, Failure> {
    if !glob::is_pattern(pattern) {
        return Ok(vec![pattern.to_owned()]);
    }
    let (directory, pattern) = pattern.rsplit_once('/').ok_or(UNCLEAR)?;
    if glob::is_pattern(directory) || directory.contains('\\') || pattern.contains('\\') {
        return Err(UNCLEAR);
    }
    let names = match reading.list(directory) {
        Err(ReadError::Absent) => Vec::new(),
        other => other?,
    };
    let fits = |name: &String| {
        glob::matches(pattern, name) && (!name.starts_with('.') || pattern.starts_with('.'))
    };
    Ok(names.into_iter().filter(fits).map(|name| format!("{directory}/{name}")).collect())
}

/// A unit under /etc, a drop-in or an option may name another file, sources, or have chronyd not
/// set the clock.
fn refuse_other_commands(reading: &mut Reading<'_>, client: &Installed) -> Result<(), Failure> {
    for unit in &client.units {
        if systemd::has_other_command(reading, unit)? {
            return Err(UNCLEAR);
        }
    }
    for (path, variable) in OPTIONS {
        let text = match reading.config(path) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        let values = text.lines().filter_map(|line| line.trim().strip_prefix(variable));
        for value in values {
            if !is_harmless(value.trim_matches(['"', '\''])) {
                reading.note(path, "options that are not understood");
                return Err(UNCLEAR);
            }
        }
    }
    Ok(())
}

fn is_harmless(options: &str) -> bool {
    let mut words = options.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let has_value = HARMLESS_WITH_VALUE.contains(&word);
        if !has_value && !HARMLESS.contains(&word) {
            return false;
        }
        if has_value && words.next().is_none() {
            return false;
        }
    }
    true
}

fn fact(source: Source) -> TimeSource {
    TimeSource {
        client: ClientName::Chrony,
        form: match source.form {
            chrony_conf::Form::Server => Form::Server,
            chrony_conf::Form::Pool => Form::Pool,
            chrony_conf::Form::Peer => Form::Peer,
            chrony_conf::Form::Refclock => Form::Refclock,
        },
        address: source.address,
        nts: source.nts,
        noselect: source.noselect,
    }
}
