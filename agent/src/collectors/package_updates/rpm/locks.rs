//! What keeps updates of RPM packages away: excludes of dnf, locks of its plugin, and of zypper.

use super::super::configuration::text;
use super::sources::{Source, sections};
use crate::formats::dnf_conf::Section;
use crate::formats::glob;
use crate::host::Reading;
use evidence::kinds::package_updates::UpdateManager;

/// Lists of the plugin `versionlock`: patterns of what alone may be installed, `!` before what may
/// not.
const LISTS: [&str; 2] =
    ["/etc/dnf/plugins/versionlock.list", "/etc/yum/pluginconf.d/versionlock.list"];
/// The same of dnf5.
const TABLE: &str = "/etc/dnf/versionlock.toml";
const ZYPP: &str = "/etc/zypp/locks";
const EXCLUDES: [&str; 3] = ["exclude", "excludepkgs", "excludes"];

#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Patterns of names.
    locked: Vec<String>,
    /// Patterns of packages, of every repository.
    excluded: Vec<String>,
    /// The only ones that are taken of any repository, if there are any.
    included: Vec<String>,
}

/// `None`, and its source says why, where not all of it was read.
pub(super) fn read(
    main: &[Section],
    manager: UpdateManager,
    reading: &mut Reading<'_>,
) -> Option<Locks> {
    let mut locks = Locks::default();
    if manager == UpdateManager::Zypper {
        let text = text(reading, ZYPP).ok()?.unwrap_or_default();
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("solvable_name:"));
        locks.locked.extend(names.map(|name| name.trim().to_owned()));
        return Some(locks);
    }
    let is_off = sections("/etc/dnf/dnf.conf", reading)?
        .iter()
        .any(|section| section.name == "main" && section.switch("plugins") == Some(Some(false)));
    for path in LISTS.iter().filter(|_| !is_off) {
        let text = text(reading, path).ok()?.unwrap_or_default();
        let lines = text.lines().map(str::trim);
        let patterns = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
        locks.locked.extend(patterns.map(|pattern| name_of(pattern).to_owned()));
    }
    if let Some(text) = text(reading, TABLE).ok()? {
        let Ok(table) = text.parse::<toml::Table>() else {
            reading.malformed(TABLE, "not TOML");
            return None;
        };
        let packages = table.get("packages").and_then(toml::Value::as_array);
        let names = packages.into_iter().flatten().filter_map(|one| one.get("name")?.as_str());
        locks.locked.extend(names.map(str::to_owned));
    }
    for section in main {
        locks.excluded.extend(EXCLUDES.iter().flat_map(|key| section.words(key)));
        locks.included.extend(section.words("includepkgs"));
    }
    Some(locks)
}

/// The name in `NAME-[EPOCH:]VERSION-RELEASE[.ARCH]`, as the plugin writes it; a shorter pattern is
/// one of names.
fn name_of(pattern: &str) -> &str {
    let parts: Vec<_> = pattern.rmatch_indices('-').map(|(at, _)| at).collect();
    match parts.as_slice() {
        [_, version, ..] if pattern[version + 1..].starts_with(|c: char| c.is_ascii_digit()) => {
            &pattern[..*version]
        }
        _ => pattern,
    }
}

impl Locks {
    pub(super) fn holds(&self, name: &str) -> bool {
        self.locked.iter().any(|pattern| glob::matches(pattern, name))
    }

    /// Whether a repository may not give a version.
    pub(super) fn excludes(&self, source: &Source, name: &str, evr: &str, arch: &str) -> bool {
        let matches = |pattern: &String| matches(pattern, name, evr, arch);
        self.excluded.iter().chain(&source.excludes).any(matches)
            || [&self.included, &source.includes]
                .iter()
                .any(|only| !only.is_empty() && !only.iter().any(matches))
    }
}

/// The forms in which dnf lets packages be named.
fn matches(pattern: &str, name: &str, evr: &str, arch: &str) -> bool {
    let without_epoch = evr.split_once(':').map_or(evr, |(_, rest)| rest);
    let with_epoch = if evr.contains(':') { evr.to_owned() } else { format!("0:{evr}") };
    let version = without_epoch.rsplit_once('-').map_or(without_epoch, |(version, _)| version);
    let forms = [
        name.to_owned(),
        format!("{name}.{arch}"),
        format!("{name}-{version}"),
        format!("{name}-{without_epoch}"),
        format!("{name}-{without_epoch}.{arch}"),
        format!("{name}-{with_epoch}"),
        format!("{name}-{with_epoch}.{arch}"),
    ];
    forms.iter().any(|form| glob::matches(pattern, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_a_package_with_or_without_its_version() {
        assert_eq!(name_of("bash-0:5.1.8-9.el9.*"), "bash");
        assert_eq!(name_of("python3-dnf-4.14.0-9.el9.noarch"), "python3-dnf");
        assert_eq!(name_of("kernel-core"), "kernel-core");
        assert_eq!(name_of("kernel*"), "kernel*");
    }

    #[test]
    fn an_exclude_is_a_pattern_of_a_name_or_of_more() {
        let is = |pattern| matches(pattern, "bash", "1:5.2-3.el9", "x86_64");
        for yes in
            ["bash", "b*", "bash.x86_64", "bash-5.2", "bash-5.2-3.el9", "bash-1:5.2-3.el9.x86_64"]
        {
            assert!(is(yes), "{yes}");
        }
        for no in ["bas", "bash.i686", "bash-5.3", "bash-0:5.2-3.el9"] {
            assert!(!is(no), "{no}");
        }
    }
}
