//! What keeps packages of rpm back: locks of dnf, yum and zypper, and packages that repositories
//! exclude. They are patterns over name, version and architecture of what is and what could be
//! installed; whether one of them keeps something back is not told, only that there is none.

use crate::host::{ReadError, Reading};

/// Lists of which every line but comments is a lock.
const LISTS: [&str; 4] = [
    "/etc/dnf/plugins/versionlock.list",
    "/etc/dnf/versionlock.toml",
    "/etc/yum/pluginconf.d/versionlock.list",
    "/etc/zypp/locks",
];
const CONFIGURATIONS: [&str; 2] = ["/etc/dnf/dnf.conf", "/etc/yum.conf"];
/// Directories, and the ending of their files.
const DIRECTORIES: [(&str, &str); 2] =
    [("/etc/dnf/libdnf5.conf.d", ".conf"), ("/etc/yum.repos.d", ".repo")];
const EXCLUDES: [&str; 3] = ["exclude", "excludepkgs", "excludes"];

/// An empty list where nothing is kept back; `None` where something may be.
pub(super) fn held(reading: &mut Reading<'_>) -> Option<Vec<String>> {
    for path in LISTS {
        refuse(reading, path, |line| !line.starts_with("version"))?;
    }
    for path in CONFIGURATIONS {
        refuse(reading, path, is_exclude)?;
    }
    for (directory, ending) in DIRECTORIES {
        let names = match reading.list(directory) {
            Ok(names) => names,
            Err(ReadError::Absent) => continue,
            Err(_) => return None,
        };
        for name in names.iter().filter(|name| name.ends_with(ending)) {
            refuse(reading, &format!("{directory}/{name}"), is_exclude)?;
        }
    }
    Some(Vec::new())
}

/// `None` if the file has such a line, or cannot be read.
fn refuse(reading: &mut Reading<'_>, path: &str, is_lock: fn(&str) -> bool) -> Option<()> {
    let text = match reading.config(path) {
        Ok(text) => text,
        Err(ReadError::Absent) => return Some(()),
        Err(_) => return None,
    };
    let mut lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
    let lock =
        lines.find(|(line, _)| !line.is_empty() && !line.starts_with(['#', ';']) && is_lock(line));
    let Some((_, number)) = lock else { return Some(()) };
    reading.note(path, format!("line {number}: keeps packages back; which ones is not told"));
    None
}

fn is_exclude(line: &str) -> bool {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    EXCLUDES.contains(&key.trim()) && !value.trim().is_empty()
}
