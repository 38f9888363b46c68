//! Which package of dpkg holds a file: the lists of files in /var/lib/dpkg/info, with diversions
//! (dpkg-divert(1)), and with the two names a file has where /bin is a link to /usr/bin.

use crate::host::{FileKind, ReadError, Reading};
use evidence::kinds::file_walk::SetId;
use std::collections::HashMap;

const INFO: &str = "/var/lib/dpkg/info";
const DIVERSIONS: &str = "/var/lib/dpkg/diversions";
const MAX_LIST_BYTES: u64 = 64 << 20;
/// Directories that became links into /usr.
const MERGED: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Says of each program whether a package holds it; false where the database does not tell.
pub(super) fn name(reading: &mut Reading<'_>, programs: &mut [SetId]) -> bool {
    let Some(owners) = owners(reading, programs) else { return false };
    for (program, owner) in programs.iter_mut().zip(owners) {
        program.packaged = Some(owner.is_some());
        program.package = owner;
    }
    true
}

fn owners(reading: &mut Reading<'_>, programs: &[SetId]) -> Option<Vec<Option<String>>> {
    let lists = reading.list(INFO).ok()?;
    let lists: Vec<_> = lists.iter().filter_map(|name| name.strip_suffix(".list")).collect();
    // Without a single list this is no database.
    lists.first()?;
    let diversions = diversions(reading)?;
    let merged = merged(reading)?;
    // What a package would call each program.
    let mut wanted: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, program) in programs.iter().enumerate() {
        for alias in aliases(&program.path, &merged) {
            let from = diversions.iter().filter(|one| one.to == alias);
            for name in from.map(|one| one.from.clone()).chain([alias.clone()]) {
                wanted.entry(name).or_default().push(index);
            }
        }
    }
    let mut owners = vec![None; programs.len()];
    for list in lists {
        let path = format!("{INFO}/{list}.list");
        let text = match reading.text_up_to(&path, MAX_LIST_BYTES) {
            Ok(text) => text,
            // A package that is being removed.
            Err(ReadError::Absent) => continue,
            Err(_) => return None,
        };
        let package = list.split(':').next().unwrap_or(list);
        for line in text.lines() {
            let Some(indexes) = wanted.get(line) else { continue };
            let lies_at = lies_at(line, package, &diversions);
            for index in indexes {
                if aliases(&programs[*index].path, &merged).iter().any(|alias| alias == lies_at) {
                    owners[*index].get_or_insert_with(|| package.to_owned());
                }
            }
        }
    }
    Some(owners)
}

pub(in crate::collectors) struct Diversion {
    from: String,
    to: String,
    /// Whose own file stays; `:` for the administrator's, of nobody.
    by: String,
}

/// Where the file of a package really is.
pub(in crate::collectors) fn lies_at<'a>(
    path: &'a str,
    package: &str,
    diversions: &'a [Diversion],
) -> &'a str {
    let moved = diversions.iter().find(|one| one.from == path && one.by != package);
    moved.map_or(path, |one| &one.to)
}

/// Three lines each: the name, the name it has instead, and whose name stays.
pub(in crate::collectors) fn diversions(reading: &mut Reading<'_>) -> Option<Vec<Diversion>> {
    let text = match reading.text(DIVERSIONS) {
        Err(ReadError::Absent) => return Some(Vec::new()),
        other => other.ok()?,
    };
    let lines: Vec<_> = text.lines().collect();
    let mut diversions = Vec::new();
    for lines in lines.chunks(3) {
        match lines {
            [from, to, by] if from.starts_with('/') && to.starts_with('/') && !by.is_empty() => {
                diversions.push(Diversion {
                    from: (*from).to_owned(),
                    to: (*to).to_owned(),
                    by: (*by).to_owned(),
                });
            }
            _ => {
                reading.malformed(DIVERSIONS, "not three lines for each diversion");
                return None;
            }
        }
    }
    Some(diversions)
}

/// Which of the directories are links into /usr here.
fn merged(reading: &Reading<'_>) -> Option<Vec<&'static str>> {
    let mut merged = Vec::new();
    for directory in MERGED {
        match reading.lstat(directory) {
            Ok(meta) if meta.kind == FileKind::Link => {
                let target = reading.link(directory).ok()?;
                if target.trim_start_matches('/') == format!("usr{directory}") {
                    merged.push(directory);
                }
            }
            Ok(_) | Err(ReadError::Absent) => {}
            Err(_) => return None,
        }
    }
    Some(merged)
}

/// The names of a file whose real one is `path`.
fn aliases(path: &str, merged: &[&str]) -> Vec<String> {
    let short = path.strip_prefix("/usr").filter(|short| {
        merged.iter().any(|at| short.strip_prefix(at).is_some_and(|rest| rest.starts_with('/')))
    });
    [Some(path), short].into_iter().flatten().map(str::to_owned).collect()
}
