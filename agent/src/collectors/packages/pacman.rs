//! The database of pacman (Arch): a directory for each package. One that is missing leaves no trace.

use super::{Inventory, Record, malformed};
use crate::formats::glob;
use crate::formats::pacman_desc::{Desc, DescError};
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;
use evidence::kinds::packages::{Manager, Package};

pub(super) const LOCAL: &str = "/var/lib/pacman/local";
const VERSION: &str = "ALPM_DB_VERSION";
const CONFIGURATION: &str = "/etc/pacman.conf";

struct Installed {
    package: Package,
    installed_s: Option<i64>,
}

pub(super) fn inventory(reading: &mut Reading<'_>) -> Result<Inventory, Failure> {
    let items: Vec<_> = installed(reading)?.into_iter().map(|one| one.package).collect();
    Ok(Inventory {
        manager: Manager::Pacman,
        held: held(reading, &items),
        items,
        broken: Vec::new(),
    })
}

pub(super) fn records(
    reading: &mut Reading<'_>,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Record>, Failure> {
    let mut found = installed(reading)?;
    found.retain(|one| wanted(&one.package.name));
    let record = |Installed { package, installed_s }: Installed| Record {
        name: package.name,
        version: package.version,
        arch: package.arch,
        configured: true,
        installed_s,
    };
    Ok(found.into_iter().map(record).collect())
}

fn installed(reading: &mut Reading<'_>) -> Result<Vec<Installed>, Failure> {
    let mut found = Vec::new();
    for directory in reading.list(LOCAL)? {
        // pacman passes over what is no directory, and over hidden ones.
        if directory == VERSION || directory.starts_with('.') {
            continue;
        }
        let path = format!("{LOCAL}/{directory}/desc");
        let text = match reading.text(&path) {
            Err(ReadError::Absent) => return Err(malformed(reading, &path, "it is missing")),
            other => other?,
        };
        match package(&text, &directory) {
            Ok(Some(one)) => found.push(one),
            Ok(None) => return Err(malformed(reading, &path, "not the package of its directory")),
            Err(error) => return Err(malformed(reading, &path, error)),
        }
    }
    if found.is_empty() {
        reading.note(&format!("{LOCAL}/"), "there is no package in it");
        return Err(Failure(Status::ParseError));
    }
    Ok(found)
}

/// `None` where the directory's name is not that of the package.
fn package(text: &str, directory: &str) -> Result<Option<Installed>, DescError> {
    let desc = Desc::parse(text)?;
    let (name, version) = (desc.needed("NAME")?, desc.needed("VERSION")?);
    if directory != format!("{name}-{version}") {
        return Ok(None);
    }
    let package = Package {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: desc.needed("ARCH")?.to_owned(),
        source: desc.word("BASE").filter(|base| *base != name).map(str::to_owned),
        source_version: None,
        vendor: None,
    };
    let installed_s = desc.word("INSTALLDATE").and_then(|date| date.parse().ok());
    Ok(Some(Installed { package, installed_s }))
}

/// `IgnorePkg` of pacman.conf(5); groups, and options in other files, are not followed.
fn held(reading: &mut Reading<'_>, items: &[Package]) -> Option<Vec<String>> {
    let text = reading.config(CONFIGURATION).ok()?;
    let mut patterns = Vec::new();
    let mut in_options = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            in_options = line == "[options]";
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        match key.trim() {
            "IgnorePkg" if in_options => patterns.extend(value.split_ascii_whitespace()),
            "IgnoreGroup" | "Include" if in_options => {
                reading
                    .note(CONFIGURATION, "IgnoreGroup, or Include among the options: not followed");
                return None;
            }
            _ => {}
        }
    }
    let is_held = |name: &str| patterns.iter().any(|pattern| glob::matches(pattern, name));
    let mut held: Vec<_> = items.iter().map(|item| item.name.clone()).collect();
    held.retain(|name| is_held(name));
    held.sort_unstable();
    Some(held)
}
