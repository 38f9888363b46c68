//! AIDE, Samhain and Tripwire: installed, with a database, started by itself.

use crate::collectors::systemd;
use crate::host::{ReadError, Reading};
use evidence::kinds::file_integrity::Tool;

/// One tool, as data.
struct Known {
    name: &'static str,
    programs: &'static [&'static str],
    databases: &'static [&'static str],
    /// Directories in which any file of this ending is a database.
    database_in: Option<(&'static str, &'static str)>,
    units: &'static [&'static str],
    cron: &'static [&'static str],
    /// Its name as a command in a crontab.
    command: &'static str,
}

const KNOWN: [Known; 3] = [
    Known {
        name: "aide",
        programs: &["/usr/bin/aide", "/usr/sbin/aide"],
        databases: &["/var/lib/aide/aide.db", "/var/lib/aide/aide.db.gz"],
        database_in: None,
        units: &["dailyaidecheck.timer", "aidecheck.timer", "aide-check.timer", "aide.timer"],
        cron: &["/etc/cron.daily/aide", "/etc/cron.daily/dailyaidecheck", "/etc/cron.weekly/aide"],
        command: "aide",
    },
    Known {
        name: "samhain",
        programs: &["/usr/sbin/samhain", "/usr/local/sbin/samhain"],
        databases: &["/var/lib/samhain/samhain_file", "/var/state/samhain/samhain_file"],
        database_in: None,
        units: &["samhain.service"],
        cron: &["/etc/cron.daily/samhain"],
        command: "samhain",
    },
    Known {
        name: "tripwire",
        programs: &["/usr/sbin/tripwire"],
        databases: &[],
        database_in: Some(("/var/lib/tripwire", ".twd")),
        units: &["tripwire.timer"],
        cron: &["/etc/cron.daily/tripwire"],
        command: "tripwire",
    },
];

const CRONTABS: [&str; 2] = ["/etc/crontab", "/var/spool/cron/crontabs/root"];
const CRON_D: &str = "/etc/cron.d";
const DAY_S: i64 = 86_400;

/// `None` where it cannot be told which are installed.
pub(super) fn read(reading: &mut Reading<'_>) -> Option<Vec<Tool>> {
    let mut tools = Vec::new();
    for known in &KNOWN {
        if !reading.any_is_there(known.programs)? {
            continue;
        }
        let written_s = database(reading, known);
        tools.push(Tool {
            name: known.name.to_owned(),
            database: written_s.map(|written| written.is_some()),
            database_day: written_s.flatten().map(|seconds| seconds.div_euclid(DAY_S)),
            scheduled: is_scheduled(reading, known),
        });
    }
    Some(tools)
}

/// When the database was written: `None` unseen, `Some(None)` there is none. An empty one is none.
fn database(reading: &mut Reading<'_>, known: &Known) -> Option<Option<i64>> {
    let mut paths: Vec<String> = known.databases.iter().map(|path| (*path).to_owned()).collect();
    if let Some((directory, ending)) = known.database_in {
        match reading.list(directory) {
            Ok(names) => {
                let names = names.into_iter().filter(|name| name.ends_with(ending));
                paths.extend(names.map(|name| format!("{directory}/{name}")));
            }
            Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
    }
    let mut newest = None;
    for path in paths {
        match reading.stat(&path) {
            Ok(meta) if meta.size_bytes > 0 => newest = newest.max(Some(meta.modified_s)),
            Ok(_) | Err(ReadError::Absent) => {}
            Err(error) => {
                reading.failed(&path, error);
                return None;
            }
        }
    }
    Some(newest)
}

/// The first that starts it settles the question; `None` where something could not be seen.
fn is_scheduled(reading: &mut Reading<'_>, known: &Known) -> Option<bool> {
    for unit in known.units {
        if systemd::enabled(reading, unit).ok()? {
            return Some(true);
        }
    }
    for path in known.cron {
        match reading.stat(path) {
            // run-parts(8) passes over what is not executable.
            Ok(meta) if meta.has(0o100) => return Some(true),
            Ok(_) | Err(ReadError::Absent) => {}
            Err(error) => {
                reading.failed(path, error);
                return None;
            }
        }
    }
    let mut tables: Vec<String> = CRONTABS.iter().map(|path| (*path).to_owned()).collect();
    match reading.list(CRON_D) {
        Ok(names) => {
            // cron(8) reads no other names.
            let is_read = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            let names = names.into_iter().filter(|name| name.bytes().all(is_read));
            tables.extend(names.map(|name| format!("{CRON_D}/{name}")));
        }
        Err(ReadError::Absent) => {}
        Err(_) => return None,
    }
    for path in tables {
        match reading.secret(&path, crate::host::MAX_FILE_BYTES) {
            Ok(table) if starts(table.expose(), known.command)? => return Some(true),
            Ok(_) | Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
    }
    Some(false)
}

/// Whether a line of a crontab runs a program of this name; `None` for what is no text.
fn starts(table: &[u8], command: &str) -> Option<bool> {
    let text = std::str::from_utf8(table).ok().filter(|text| !text.contains('\0'))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    // A setting such as PATH=… names no program, and five fields or one stand before a command.
    let is_job = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit() || "*@".contains(c));
    let runs = |line: &str| {
        let words = line.split(|c: char| c.is_whitespace() || ";&|()".contains(c)).skip(1);
        words.filter_map(|word| word.rsplit('/').next()).any(|name| name == command)
    };
    Some(lines.filter(is_job).any(runs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_names_the_program_and_a_comment_or_another_word_does_not() {
        let is = |line: &str| starts(line.as_bytes(), "aide");
        assert_eq!(is("0 5 * * * root /usr/bin/aide --check\n"), Some(true));
        assert_eq!(is("@daily root nice aide.wrapper; aide --check\n"), Some(true));
        assert_eq!(is("#0 5 * * * root /usr/bin/aide --check\n"), Some(false));
        assert_eq!(is("0 5 * * * root rm /var/log/aide.log\n"), Some(false));
        assert_eq!(is("MAILTO=aide\n"), Some(false));
        assert_eq!(starts(b"\xff", "aide"), None);
    }
}
