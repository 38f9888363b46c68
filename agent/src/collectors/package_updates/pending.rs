//! Updates that the lists know and the host lacks.

use super::configuration::{parts, text};
use super::lists::{self, List};
use super::phasing::Phasing;
use super::policy::{Archive, Policy, Version};
use super::repositories::is_own_security;
use super::{Apt, Place};
use crate::collectors::packages::OnDisk;
use crate::formats::apt_packages::Listed;
use crate::formats::apt_preferences::{self, Pin, ReleasePin};
use crate::formats::dpkg_version::compare;
use crate::host::Reading;
use evidence::kinds::package_updates::{KeptBack, Severity, Update};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

const PREFERENCES: &str = "/etc/apt/preferences";
const PREFERENCES_PARTS: &str = "/etc/apt/preferences.d";
/// The archive that stands for what is installed.
const STATUS: usize = 0;

/// Versions by name and architecture.
type Found = HashMap<String, Vec<(String, Version)>>;

/// `None` unless the lists of every enabled source, and the preferences, were read.
pub(super) fn updates(
    apt: &Apt,
    places: &[Place],
    codename: Option<&str>,
    reading: &mut Reading<'_>,
) -> Option<Vec<Update>> {
    let pins = pins(reading)?;
    let default = match apt.conf.value("APT::Default-Release") {
        None => None,
        Some(release) => Some(ReleasePin::new(release).ok()?),
    };
    let (mut archives, mut found) = (vec![Archive::status()], Found::new());
    let enabled: Vec<_> = places.iter().filter(|place| place.source.enabled).collect();
    if enabled.is_empty() {
        return None;
    }
    let names: HashSet<&str> = apt.installed.iter().map(|package| package.name.as_str()).collect();
    for place in enabled {
        for list in lists::of(place, apt, reading)? {
            let archive = archive(place, &list, codename)?;
            let index = archives.len();
            archives.push(archive);
            let take = |listed: Listed| add(&mut found, listed, index, &apt.native);
            lists::read(&list, reading, |name| names.contains(name), take).ok()?;
        }
    }
    let policy = Policy::new(archives, default, pins, &apt.native);
    let phasing = Phasing::new(&apt.conf, reading);
    let mut updates = Vec::new();
    for package in &apt.installed {
        updates.extend(update(package, &found, &policy, &phasing, apt)?);
    }
    updates.sort();
    Some(updates)
}

fn pins(reading: &mut Reading<'_>) -> Option<Vec<Pin>> {
    let mut paths = vec![PREFERENCES.to_owned()];
    paths.extend(parts(reading, PREFERENCES_PARTS, &["", "pref"]).ok()?);
    let mut pins = Vec::new();
    for path in paths {
        let Some(text) = text(reading, &path).ok()? else { continue };
        match apt_preferences::pins(&text) {
            Ok(more) => pins.extend(more),
            Err(error) => {
                reading.malformed(&path, error.to_string());
                return None;
            }
        }
    }
    Some(pins)
}

fn archive(place: &Place, list: &List, codename: Option<&str>) -> Option<Archive> {
    let mut release = place.release.clone()?;
    release.files.clear();
    let is_security = is_own_security(&release, codename);
    let site = place.source.site();
    Some(Archive::new(release, list.component.clone(), list.arch.clone(), site, is_security))
}

/// Packages for all architectures are those of the host's own.
fn own_arch<'a>(arch: &'a str, native: &'a str) -> &'a str {
    if arch == "all" { native } else { arch }
}

fn add(found: &mut Found, listed: Listed, archive: usize, native: &str) {
    let arch = own_arch(&listed.arch, native).to_owned();
    let versions = found.entry(listed.name.clone()).or_default();
    let same = |(known, version): &&mut (String, Version)| {
        *known == arch && version.text == listed.version
    };
    if let Some((_, version)) = versions.iter_mut().find(same) {
        version.archives.push(archive);
        // It reaches all hosts if one of the archives says so.
        version.phased_percent = version.phased_percent.and(listed.phased_percent);
        return;
    }
    let version = Version {
        source: listed.source.unwrap_or(listed.name),
        source_version: listed.source_version.unwrap_or_else(|| listed.version.clone()),
        text: listed.version,
        phased_percent: listed.phased_percent,
        archives: vec![archive],
    };
    versions.push((arch, version));
}

/// What is due of one package: `Some(None)` for nothing, `None` where it cannot be told.
fn update(
    package: &OnDisk,
    found: &Found,
    policy: &Policy,
    phasing: &Phasing,
    apt: &Apt,
) -> Option<Option<Update>> {
    let arch = own_arch(&package.arch, &apt.native);
    let versions = versions(package, found, arch);
    let candidate = policy.candidate(&versions, &package.version, &package.name, arch);
    let later = |text: &str, than: &str| compare(text, than) == Ordering::Greater;
    let among = |version: &Version, of: fn(&Archive) -> bool| {
        version.archives.iter().any(|index| of(&policy.archives[*index]))
    };
    let candidate = candidate.filter(|version| later(&version.text, &package.version));
    let reached = candidate.map_or(package.version.as_str(), |version| &version.text);
    // A fix that pins keep away is one that is missing. Those of another release are none of this.
    let pinned = versions.iter().find(|version| {
        later(&version.text, reached) && among(version, |archive| archive.is_own_security)
    });
    let Some(due) = pinned.or(candidate) else { return Some(None) };
    let security = pinned.is_some()
        || versions.iter().any(|version| {
            later(&version.text, &package.version)
                && !later(&version.text, reached)
                && among(version, |archive| archive.release.is_security())
        });
    let kept_back = match (package.is_held, pinned.is_some()) {
        (true, _) => KeptBack::Hold,
        (_, true) => KeptBack::Pin,
        _ if !security && !phasing.is_turn(due)? => KeptBack::Phasing,
        _ => KeptBack::No,
    };
    let name = match arch == apt.native {
        true => package.name.clone(),
        false => format!("{}:{arch}", package.name),
    };
    Some(Some(Update {
        name,
        installed: package.version.clone(),
        candidate: due.text.clone(),
        security,
        severity: Severity::Unknown,
        kept_back,
        advisories: None,
        advised_day: None,
    }))
}

/// Every version of a package, the installed one too, in descending order.
fn versions(package: &OnDisk, found: &Found, arch: &str) -> Vec<Version> {
    let known = found.get(&package.name).map_or(&[][..], Vec::as_slice);
    let own = known.iter().filter(|(known, _)| known == arch);
    let mut versions: Vec<Version> = own.map(|(_, version)| version.clone()).collect();
    match versions.iter_mut().find(|version| version.text == package.version) {
        Some(version) => version.archives.push(STATUS),
        None => versions.push(Version {
            text: package.version.clone(),
            source: package.source.clone(),
            source_version: String::new(),
            phased_percent: None,
            archives: vec![STATUS],
        }),
    }
    versions.sort_by(|a, b| compare(&b.text, &a.text));
    versions
}
