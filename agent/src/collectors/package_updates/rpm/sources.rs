//! The repositories that are configured: dnf.conf(5), and the files of zypper, which are alike.

use super::super::configuration::{optional, text};
use super::Place;
use crate::formats::apt_sources::public_uri;
use crate::formats::dnf_conf::{self, Section};
use crate::host::Reading;
use evidence::kinds::package_updates::{Repository, UpdateManager};

const MAIN: &str = "main";
const DNF_MAIN: [&str; 1] = ["/etc/dnf/dnf.conf"];
const DNF5_MAIN: [&str; 2] = ["/usr/share/dnf5/libdnf.conf.d", "/etc/dnf/libdnf5.conf.d"];
const DNF_REPOSITORIES: [&str; 4] =
    ["/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d", "/usr/share/dnf5/repos.d"];
/// Where dnf5 lets settings of repositories be changed afterwards.
const OVERRIDES: [&str; 2] = ["/etc/dnf/repos.override.d", "/usr/share/dnf5/repos.override.d"];
const ZYPP_MAIN: [&str; 1] = ["/etc/zypp/zypp.conf"];
const ZYPP_REPOSITORIES: [&str; 1] = ["/etc/zypp/repos.d"];
/// Settings that send the manager elsewhere.
const ELSEWHERE: [&str; 5] =
    ["cachedir", "system_cachedir", "metadatadir", "reposdir", "installroot"];
const DEFAULT_PRIORITY: i64 = 99;

/// What is configured.
pub(super) struct Configuration {
    pub(super) main: Vec<Section>,
    pub(super) sources: Vec<Source>,
}

pub(super) struct Source {
    pub(super) id: String,
    pub(super) enabled: bool,
    pub(super) priority: i64,
    /// Patterns of packages that are not taken from it.
    pub(super) excludes: Vec<String>,
    /// The only ones that are, if there are any.
    pub(super) includes: Vec<String>,
    uri: String,
    signature_required: bool,
}

/// `None`, and its source says why, where not all of it was read.
pub(super) fn read(manager: UpdateManager, reading: &mut Reading<'_>) -> Option<Configuration> {
    let is_zypper = manager == UpdateManager::Zypper;
    let (files, parts, directories): (&[&str], &[&str], &[&str]) = match is_zypper {
        true => (&ZYPP_MAIN, &[], &ZYPP_REPOSITORIES),
        false => (&DNF_MAIN, &DNF5_MAIN, &DNF_REPOSITORIES),
    };
    let mut all = Vec::new();
    for directory in parts {
        for path in listed(directory, ".conf", reading)? {
            all.extend(sections(&path, reading)?);
        }
    }
    for path in files {
        all.extend(sections(path, reading)?);
    }
    let (main, mut repositories): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|section| section.name == MAIN);
    if let Some(key) = ELSEWHERE.iter().find(|key| main.iter().any(|s| s.value(key).is_some())) {
        let note = format!("it is configured to look elsewhere: {key}; that is not read");
        reading.note(files[0], note);
        return None;
    }
    for directory in directories {
        for path in listed(directory, ".repo", reading)? {
            repositories.extend(sections(&path, reading)?);
        }
    }
    for directory in OVERRIDES.iter().filter(|_| !is_zypper) {
        if let Some(path) = listed(directory, ".repo", reading)?.first() {
            reading.note(path, "it changes settings of repositories; that is not read");
            return None;
        }
    }
    repositories.retain(|section| section.name != MAIN);
    let waived = signature_required(&main, is_zypper)?;
    let sources = repositories.iter().map(|section| Source::new(section, waived, is_zypper));
    Some(Configuration { main, sources: sources.collect::<Option<_>>()? })
}

/// Files of a directory that may be missing.
pub(super) fn listed(
    directory: &str,
    ending: &str,
    reading: &mut Reading<'_>,
) -> Option<Vec<String>> {
    let names = optional(reading.list(directory)).ok()?.unwrap_or_default();
    let names = names.iter().filter(|name| name.ends_with(ending) && !name.starts_with('.'));
    Some(names.map(|name| format!("{directory}/{name}")).collect())
}

/// Sections of a file that may be missing.
pub(super) fn sections(path: &str, reading: &mut Reading<'_>) -> Option<Vec<Section>> {
    let Some(text) = text(reading, path).ok()? else { return Some(Vec::new()) };
    match dnf_conf::sections(&text) {
        Ok(sections) => Some(sections),
        Err(line) => {
            reading.malformed(path, format!("line {line}: neither a section nor a setting"));
            None
        }
    }
}

/// The last one that says it; `None` for what is neither yes nor no.
fn switch(sections: &[&Section], keys: &[&str]) -> Option<Option<bool>> {
    let said = keys.iter().find_map(|key| sections.iter().rev().find_map(|s| s.switch(key)));
    match said {
        Some(None) => None,
        said => Some(said.flatten()),
    }
}

/// What holds where a repository says nothing: dnf takes packages without a signature, zypper
/// none.
fn signature_required(main: &[Section], is_zypper: bool) -> Option<bool> {
    let main: Vec<_> = main.iter().collect();
    Some(switch(&main, &["pkg_gpgcheck", "gpgcheck"])?.unwrap_or(is_zypper))
}

impl Source {
    fn new(section: &Section, required: bool, is_zypper: bool) -> Option<Self> {
        let own = [section];
        let enabled = switch(&own, &["enabled"])?.unwrap_or(true);
        let said = match is_zypper {
            // Either check is enough, and both are on unless they are waived one by one.
            true => {
                let of = |key| switch(&own, &[key]);
                let both_waived =
                    of("repo_gpgcheck")? == Some(false) && of("pkg_gpgcheck")? == Some(false);
                of("gpgcheck")?.map(|said| said && !both_waived)
            }
            false => switch(&own, &["pkg_gpgcheck", "gpgcheck"])?,
        };
        let address = ["baseurl", "metalink", "mirrorlist", "mediaurl"]
            .iter()
            .find_map(|key| section.words(key).first().cloned());
        let priority = section.value("priority").map(str::parse).transpose().ok()?;
        Some(Self {
            id: section.name.clone(),
            enabled,
            priority: priority.unwrap_or(DEFAULT_PRIORITY),
            excludes: [section.words("exclude"), section.words("excludepkgs")].concat(),
            includes: section.words("includepkgs"),
            uri: address.unwrap_or_default(),
            signature_required: said.unwrap_or(required),
        })
    }
}

/// The facts of a repository; whether it has security advisories is known where they were read.
pub(super) fn fact((place, security): (&Place, &Option<bool>)) -> Repository {
    let source = &place.source;
    Repository {
        uri: public_uri(&source.uri),
        suite: source.id.clone(),
        components: Vec::new(),
        enabled: source.enabled,
        signature_required: Some(source.signature_required),
        own_keys: false,
        expiry_checked: false,
        security: *security,
        released_day: place.metadata.as_ref().and_then(|metadata| metadata.made_day),
        valid_until_day: None,
    }
}
