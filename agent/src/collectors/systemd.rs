//! What several kinds ask of systemd: merged configuration files, whether a unit is started at
//! boot, whether it runs now.

use crate::formats::systemd_config;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use std::collections::{BTreeMap, BTreeSet};

/// Where systemd looks for configuration, first wins (systemd.syntax(7), `CONF_PATHS`).
const DIRECTORIES: [&str; 5] = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];
/// Where systemd looks for units, first wins (systemd.unit(5)).
const UNIT_DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Targets that every boot reaches.
const BOOT_TARGETS: [&str; 5] =
    ["default.target", "multi-user.target", "basic.target", "sysinit.target", "timers.target"];
/// The control groups of services: unified, then the named hierarchy of version 1.
const SLICES: [&str; 3] = [
    "/sys/fs/cgroup/system.slice",
    "/sys/fs/cgroup/unified/system.slice",
    "/sys/fs/cgroup/systemd/system.slice",
];

/// The settings of one section of `systemd/NAME` and its drop-ins; the last of a key wins. The
/// error says that some file could not be read or does not follow the syntax.
pub(super) fn merged(
    reading: &mut Reading<'_>,
    name: &str,
    section: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    Ok(assignments(reading, name, section)?.into_iter().collect())
}

/// All assignments of one section, in the order in which they are applied: for keys that are lists.
pub(super) fn assignments(
    reading: &mut Reading<'_>,
    name: &str,
    section: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let mut assignments = Vec::new();
    let mut texts = vec![main_file(reading, name, section)?];
    for path in drop_ins(reading, &format!("systemd/{name}.d"))? {
        let text = reading.config(&path)?;
        texts.push((path, text));
    }
    for (path, text) in texts {
        assignments.extend(parsed(reading, &path, &text, section)?);
    }
    Ok(assignments)
}

fn parsed(
    reading: &mut Reading<'_>,
    path: &str,
    text: &str,
    section: &str,
) -> Result<Vec<(String, String)>, Failure> {
    systemd_config::settings(text, section).map_err(|line| {
        reading.malformed(path, format!("line {line}: neither a section nor a setting"));
        Failure(Status::ParseError)
    })
}

/// The main file: that of /etc. Where there is none, releases before 254 read no other, and later
/// ones do: the vendor's file must then set nothing of the section.
fn main_file(
    reading: &mut Reading<'_>,
    name: &str,
    section: &str,
) -> Result<(String, String), Failure> {
    for directory in DIRECTORIES {
        let path = format!("{directory}/systemd/{name}");
        let text = match reading.config(&path) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        if directory != "/etc" && !parsed(reading, &path, &text, section)?.is_empty() {
            reading.note(&path, "not every release reads it here: copy it to /etc/systemd");
            return Err(Failure(Status::Unsupported));
        }
        return Ok((path, text));
    }
    Ok((name.to_owned(), String::new()))
}

/// Drop-ins in the order they are applied: by name, and of one name that of the first directory.
fn drop_ins(reading: &mut Reading<'_>, below: &str) -> Result<Vec<String>, ReadError> {
    let mut paths = BTreeMap::new();
    for directory in DIRECTORIES {
        let directory = format!("{directory}/{below}");
        let names = match reading.list(&directory) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        for name in names.into_iter().filter(|n| n.ends_with(".conf") && !n.starts_with('.')) {
            let path = format!("{directory}/{name}");
            paths.entry(name).or_insert(path);
        }
    }
    // A link to /dev/null hides the files of its name in the other directories.
    let masks = |path: &String| reading.link(path).as_deref() == Ok("/dev/null");
    Ok(paths.into_values().filter(|path| !masks(path)).collect())
}

/// Whether systemd is there at all: without it, links of units say nothing.
pub(super) fn is_installed(reading: &Reading<'_>) -> Result<bool, ReadError> {
    for path in ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"] {
        match reading.stat(path) {
            Err(ReadError::Absent) => {}
            other => return other.map(|_| true),
        }
    }
    Ok(false)
}

/// The file of a unit: absent, masked by a link to /dev/null, or there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Absent,
    Masked,
    /// There; `local` when it lies under /etc or /run, not where packages put it.
    There {
        local: bool,
    },
}

pub(super) fn unit(reading: &Reading<'_>, name: &str) -> Result<Unit, ReadError> {
    for (index, directory) in UNIT_DIRECTORIES.iter().enumerate() {
        let path = format!("{directory}/{name}");
        match reading.link(&path) {
            Ok(target) if target == "/dev/null" => return Ok(Unit::Masked),
            Ok(_) | Err(ReadError::WrongType) => {}
            Err(ReadError::Absent) => continue,
            Err(error) => return Err(error),
        }
        match reading.stat(&path) {
            // An empty file masks too.
            Ok(meta) if meta.size_bytes == 0 => return Ok(Unit::Masked),
            Ok(_) => return Ok(Unit::There { local: index < 2 }),
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Unit::Absent)
}

/// Whether a unit is started at every boot: it exists, is not masked, and a boot target wants it.
pub(super) fn enabled(reading: &Reading<'_>, name: &str) -> Result<bool, ReadError> {
    if !matches!(unit(reading, name)?, Unit::There { .. }) {
        return Ok(false);
    }
    for directory in UNIT_DIRECTORIES {
        for target in BOOT_TARGETS {
            for how in ["wants", "requires"] {
                match reading.lstat(&format!("{directory}/{target}.{how}/{name}")) {
                    Err(ReadError::Absent) => {}
                    other => return other.map(|_| true),
                }
            }
        }
    }
    Ok(false)
}

/// The names of all units that end so, wherever they lie.
pub(super) fn names(reading: &mut Reading<'_>, end: &str) -> Result<BTreeSet<String>, ReadError> {
    let mut found = BTreeSet::new();
    for directory in UNIT_DIRECTORIES {
        match reading.list(directory) {
            Err(ReadError::Absent) => {}
            names => found.extend(names?.into_iter().filter(|name| name.ends_with(end))),
        }
    }
    Ok(found)
}

/// The settings of one section of a unit and its drop-ins, in the order in which they are applied;
/// None where there is no such unit, or it is masked.
pub(super) fn unit_settings(
    reading: &mut Reading<'_>,
    name: &str,
    section: &str,
) -> Result<Option<Vec<(String, String)>>, Failure> {
    if !matches!(unit(reading, name)?, Unit::There { .. }) {
        return Ok(None);
    }
    let mut settings = Vec::new();
    for directory in UNIT_DIRECTORIES {
        let path = format!("{directory}/{name}");
        let text = match reading.config(&path) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        settings.extend(parsed(reading, &path, &text, section)?);
        break;
    }
    for path in drop_ins(reading, &format!("systemd/system/{name}.d"))? {
        let text = reading.config(&path)?;
        settings.extend(parsed(reading, &path, &text, section)?);
    }
    Ok(Some(settings))
}

/// The values of a key that is a list: each adds to it, and an empty one empties it.
pub(super) fn listed<'s>(settings: &'s [(String, String)], key: &str) -> Vec<&'s str> {
    let mut values = Vec::new();
    for (_, value) in settings.iter().filter(|(name, _)| name == key) {
        match value.is_empty() {
            true => values.clear(),
            false => values.push(value.as_str()),
        }
    }
    values
}

/// Whether the unit that packages installed is started with another command: a unit of its name
/// under /etc or /run, or a drop-in there that sets one.
pub(super) fn has_other_command(reading: &mut Reading<'_>, name: &str) -> Result<bool, ReadError> {
    let mut others = unit(reading, name)? == Unit::There { local: true };
    for directory in ["/etc/systemd/system", "/run/systemd/system"] {
        let directory = format!("{directory}/{name}.d");
        let names = match reading.list(&directory) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        for name in names.iter().filter(|name| name.ends_with(".conf")) {
            let text = reading.config(&format!("{directory}/{name}"))?;
            others |= text.lines().any(|line| line.trim().starts_with("ExecStart"));
        }
    }
    Ok(others)
}

/// Whether a service has processes, by its control group. `None` where services have none to see,
/// as in a container.
pub(super) fn active(reading: &mut Reading<'_>, service: &str) -> Result<Option<bool>, ReadError> {
    Ok(processes(reading, service)?.map(|processes| !processes.is_empty()))
}

/// The processes in the control group of a service. `None` as with [`active`].
pub(super) fn processes(
    reading: &mut Reading<'_>,
    service: &str,
) -> Result<Option<Vec<u32>>, ReadError> {
    for slice in SLICES {
        match reading.stat(slice) {
            Err(ReadError::Absent) => continue,
            other => other?,
        };
        return match reading.text(&format!("{slice}/{service}/cgroup.procs")) {
            // A process of another namespace is shown as 0.
            Ok(text) => Ok(Some(text.lines().map(|line| line.parse().unwrap_or(0)).collect())),
            Err(ReadError::Absent) => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        };
    }
    Ok(None)
}
