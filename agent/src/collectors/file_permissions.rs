//! The kind `file_permissions`: stat(2) and acl(5) of the files of [`table`]. Needs CAP_DAC_READ_SEARCH
//! for those in closed directories; a list with one that cannot be seen is unread.

mod table;

use super::{Collector, facts};
use crate::formats::{glob, passwd, posix_acl};
use crate::host::{Failure, FileKind, Meta, ReadError, Reading};
use evidence::kinds::Kind;
use evidence::kinds::file_permissions::{FilePermissions, SensitiveFile};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use table::{TABLE, Use};

pub(super) const COLLECTOR: Collector = Collector {
    kind: FilePermissions::NAME,
    schedule: "0 * * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const GROUP: &str = "/etc/group";
const ACL: &str = "system.posix_acl_access";
/// As the kernel bounds them.
const MAX_LINKS: usize = 40;
/// Most files of one pattern.
const MAX_MATCHES: usize = 1000;

fn collect(reading: &mut Reading<'_>) -> Result<FilePermissions, Failure> {
    let groups = groups(reading);
    let mut found = FilePermissions {
        passwd: None,
        shadow: None,
        boot_loader: None,
        scheduled: None,
        privilege: None,
        ssh_server: None,
        startup: None,
        programs: None,
        package_sources: None,
    };
    for one in TABLE {
        match files(reading, one, groups.as_ref()) {
            Ok(files) => {
                let has_gap = |gap: fn(&SensitiveFile) -> bool| files.iter().any(gap);
                let name = one.name;
                reading.gaps([
                    (format!("{name}.group").as_str(), has_gap(|f| f.group.is_none())),
                    (format!("{name}.has_acl").as_str(), has_gap(|f| f.has_acl.is_none())),
                    (format!("{name}.acl_read").as_str(), has_gap(|f| f.acl_read.is_none())),
                    (format!("{name}.acl_write").as_str(), has_gap(|f| f.acl_write.is_none())),
                ]);
                *(one.list)(&mut found) = Some(files);
            }
            Err((path, error)) => {
                reading.failed(&path, error);
                reading.unread(one.name);
            }
        }
    }
    Ok(found)
}

/// Names by number; the first of a number counts, as getgrgid(3) has it.
fn groups(reading: &mut Reading<'_>) -> Option<HashMap<u32, String>> {
    let bytes = reading.config_bytes(GROUP, crate::host::MAX_FILE_BYTES).ok()?;
    let records = passwd::group(&bytes);
    if let Some(faults) = records.faults {
        reading.malformed(GROUP, faults.to_string());
        return None;
    }
    let mut names = HashMap::new();
    for line in records.lines {
        names.entry(line.gid).or_insert_with(|| passwd::shown(&line.name));
    }
    Some(names)
}

/// What there is of one use, by path; the first that cannot be seen is an error.
fn files(
    reading: &mut Reading<'_>,
    one: &Use,
    groups: Option<&HashMap<u32, String>>,
) -> Result<Vec<SensitiveFile>, (String, ReadError)> {
    let mut paths = BTreeSet::new();
    for path in one.paths {
        match path.rsplit_once('/') {
            Some((directory, pattern)) if glob::is_pattern(pattern) => {
                paths.extend(matching(reading, directory, pattern)?);
            }
            _ => {
                paths.insert((*path).to_owned());
            }
        }
    }
    let mut files = BTreeMap::new();
    for path in paths {
        match reading.stat(&path) {
            Ok(meta) => {
                for (directory, meta) in open_on_the_way(reading, &path)? {
                    files.entry(directory).or_insert(meta);
                }
                files.insert(path, meta);
            }
            // A link that leads nowhere is no file of any use.
            Err(ReadError::Absent) => {}
            Err(error) => return Err((path, error)),
        }
    }
    let files = files.into_iter();
    Ok(files.map(|(path, meta)| file(reading, path, &meta, groups)).collect())
}

/// Directories above what a link leads to in which others than root may put something in its place.
/// In one with the sticky bit they may not.
fn open_on_the_way(
    reading: &Reading<'_>,
    link: &str,
) -> Result<Vec<(String, Meta)>, (String, ReadError)> {
    let mut open = Vec::new();
    let mut path = link.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = reading.link(&path) else { return Ok(open) };
        path = led_to(&path, &target);
        for (at, _) in path.match_indices('/').skip(1) {
            let directory = path.get(..at).unwrap_or("/");
            let meta = match reading.stat(directory) {
                Ok(meta) => meta,
                Err(ReadError::Absent) => return Ok(open),
                Err(error) => return Err((directory.to_owned(), error)),
            };
            let is_open = (meta.has(0o020) || meta.has(0o002)) && !meta.has(0o1000);
            if meta.uid != 0 || is_open {
                open.push((directory.to_owned(), meta));
            }
        }
    }
    Ok(open)
}

/// Where a link leads, by its text.
fn led_to(link: &str, target: &str) -> String {
    let own = link.rsplit_once('/').map_or("", |(directory, _)| directory);
    let start = if target.starts_with('/') { "" } else { own };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn matching(
    reading: &mut Reading<'_>,
    directory: &str,
    pattern: &str,
) -> Result<Vec<String>, (String, ReadError)> {
    let names = match reading.list(directory) {
        Ok(names) => names,
        Err(ReadError::Absent) => return Ok(Vec::new()),
        Err(error) => return Err((format!("{directory}/"), error)),
    };
    let names: Vec<_> = names.into_iter().filter(|name| glob::matches(pattern, name)).collect();
    if names.len() > MAX_MATCHES {
        return Err((format!("{directory}/"), ReadError::TooLarge(MAX_MATCHES as u64)));
    }
    Ok(names.into_iter().map(|name| format!("{directory}/{name}")).collect())
}

fn file(
    reading: &Reading<'_>,
    path: String,
    meta: &Meta,
    groups: Option<&HashMap<u32, String>>,
) -> SensitiveFile {
    // `None`: not read. `Some(None)`: there is none.
    let acl = match reading.attribute(&path, ACL) {
        Ok(None) => Some(None),
        Ok(Some(bytes)) => posix_acl::parse(&bytes).map(Some),
        Err(_) => None,
    };
    let list = acl.flatten();
    let of_names = |may: fn(&posix_acl::Acl) -> bool| acl.map(|acl| acl.as_ref().is_some_and(may));
    let name = |names: &HashMap<u32, String>| match names.get(&meta.gid) {
        Some(name) => name.clone(),
        None => meta.gid.to_string(),
    };
    SensitiveFile {
        directory: meta.kind == FileKind::Directory,
        uid: i64::from(meta.uid),
        gid: i64::from(meta.gid),
        group: groups.map(name),
        mode: format!("{:04o}", meta.mode),
        // Without its list the mode says at least as much as the group may.
        group_read: list.map_or(meta.has(0o040), |acl| acl.group_read),
        group_write: list.map_or(meta.has(0o020), |acl| acl.group_write),
        other_read: meta.has(0o004),
        other_write: meta.has(0o002),
        sticky: meta.has(0o1000),
        has_acl: of_names(|acl| acl.named),
        acl_read: of_names(|acl| acl.named_read),
        acl_write: of_names(|acl| acl.named_write),
        path,
    }
}
