//! The sources that are configured, and what their metadata says of them.

use super::configuration::{optional, parts, text};
use super::{Apt, Place};
use crate::formats::apt_release::{Release, signed_text};
use crate::formats::apt_sources::{self, AptSource, public_uri};
use crate::formats::os_release;
use crate::host::{ReadError, Reading};
use evidence::kinds::package_updates::Repository;
use std::collections::BTreeSet;

pub(super) const LISTS: &str = "/var/lib/apt/lists";
const MAIN: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";
/// Touched by a refresh that reached every source.
const REFRESHED: &str = "/var/lib/apt/periodic/update-success-stamp";
const DAY_S: i64 = 86_400;

/// Switches that take packages nobody signed, whatever a source says.
const WAIVERS: [&str; 4] = [
    "APT::Get::AllowUnauthenticated",
    "Acquire::AllowInsecureRepositories",
    "Acquire::AllowWeakRepositories",
    "Acquire::AllowDowngradeToInsecureRepositories",
];

/// Every source with its metadata; `None` where a file that configures them was not read.
pub(super) fn places(apt: &Apt, reading: &mut Reading<'_>) -> Option<Vec<Place>> {
    let sources = sources(reading).ok()??;
    // A source whose metadata cannot be read is configured all the same.
    let names = optional(reading.list(LISTS)).ok().map(Option::unwrap_or_default);
    let names: Option<BTreeSet<String>> = names.map(|names| names.into_iter().collect());
    let place = |source: AptSource| {
        let release = names.as_ref().and_then(|names| metadata(&source, apt, names, reading));
        let is_signed = names.as_ref().map(|names| {
            let has = |file| names.contains(&source.list_name(&apt.native, file));
            !source.enabled || has("InRelease") || has("Release.gpg") || !has("Release")
        });
        Place { source, release, is_signed }
    };
    Some(sources.into_iter().map(place).collect())
}

type Parse = fn(&str) -> Result<Vec<AptSource>, apt_sources::AptSourcesError>;

fn sources(reading: &mut Reading<'_>) -> Result<Option<Vec<AptSource>>, ReadError> {
    let mut paths = vec![MAIN.to_owned()];
    paths.extend(parts(reading, PARTS, &["list", "sources"])?);
    let mut sources = Vec::new();
    for path in paths {
        let parse: Parse = match path.ends_with(".sources") {
            true => apt_sources::deb822,
            false => apt_sources::one_line,
        };
        let Some(text) = text(reading, &path)? else { continue };
        match parse(&text) {
            Ok(more) => sources.extend(more),
            Err(error) => {
                reading.malformed(&path, error.to_string());
                return Ok(None);
            }
        }
    }
    Ok(Some(sources))
}

/// What the lists say of a source.
fn metadata(
    source: &AptSource,
    apt: &Apt,
    names: &BTreeSet<String>,
    reading: &mut Reading<'_>,
) -> Option<Release> {
    let name = |file| source.list_name(&apt.native, file);
    let (clear, plain) = (name("InRelease"), name("Release"));
    let is_clear = names.contains(&clear);
    if !source.enabled || !(is_clear || names.contains(&plain)) {
        return None;
    }
    let path = format!("{LISTS}/{}", if is_clear { clear } else { plain });
    let text = reading.text(&path).ok()?;
    let wanted = |path: &str| is_package_list(path);
    let body = if is_clear { signed_text(&text) } else { Ok(text.as_str()) };
    match body.and_then(|body| Release::parse(body, wanted)) {
        Ok(release) => Some(release),
        Err(error) => {
            reading.malformed(&path, error.to_string());
            None
        }
    }
}

fn is_package_list(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "Packages" || name.starts_with("Packages.")
}

/// The facts of every source.
pub(super) fn facts(apt: &Apt, places: &[Place]) -> Vec<Repository> {
    let is_waived = WAIVERS.iter().any(|switch| apt.conf.switch(switch) == Some(true));
    let expiry = apt.conf.switch("Acquire::Check-Valid-Until") != Some(false);
    let fact = |place: &Place| {
        let source = &place.source;
        let waived = match source.trusted {
            Some(true) => true,
            Some(false) | None => source.waives.unwrap_or(is_waived) || is_waived,
        };
        Repository {
            uri: public_uri(&source.uri),
            suite: source.suite.clone(),
            components: source.components.clone(),
            enabled: source.enabled,
            signature_required: if waived { Some(false) } else { place.is_signed },
            own_keys: source.signed_by,
            expiry_checked: source.check_valid_until.unwrap_or(expiry),
            security: place.release.as_ref().map(Release::is_security),
            released_day: place.release.as_ref().map(|release| release.date_day),
            valid_until_day: place.release.as_ref().and_then(|release| release.valid_until_day),
        }
    };
    let mut facts: Vec<_> = places.iter().map(fact).collect();
    facts.sort();
    facts.dedup();
    facts
}

/// The codename of the release that runs, as its archives use it; `Ok(None)` where it has none.
pub(super) fn codename(reading: &mut Reading<'_>) -> Result<Option<String>, ReadError> {
    let mut read = reading.config("/etc/os-release");
    if read == Err(ReadError::Absent) {
        read = reading.config("/usr/lib/os-release");
    }
    let values = os_release::parse(&read?).map_err(|_| ReadError::NotText)?;
    // Systems derived from another name what their packages come from.
    let names = ["UBUNTU_CODENAME", "DEBIAN_CODENAME", "VERSION_CODENAME"];
    Ok(names.iter().find_map(|name| values.get(*name).filter(|v| !v.is_empty()).cloned()))
}

/// Whether metadata is that of the security updates of the release that runs.
pub(super) fn is_own_security(release: &Release, codename: Option<&str>) -> bool {
    release.is_security() && codename.is_none_or(|codename| release.is_of(codename))
}

/// `None` where a source whose metadata was not read may be the one.
pub(super) fn has_security(places: &[Place], codename: Option<&str>) -> Option<bool> {
    let enabled = || places.iter().filter(|place| place.source.enabled);
    let known = enabled().filter_map(|place| place.release.as_ref());
    let is_one = |release: &Release| is_own_security(release, codename) || release.is_rolling();
    match known.into_iter().any(is_one) {
        true => Some(true),
        false => enabled().all(|place| place.release.is_some()).then_some(false),
    }
}

/// The day up to which everything is known. A suite of a release may stay the same for months, so
/// its own date says nothing; security metadata is renewed every few days.
pub(super) fn metadata_day(places: &[Place], reading: &mut Reading<'_>) -> Option<i64> {
    let mut enabled = places.iter().filter(|place| place.source.enabled).peekable();
    enabled.peek()?;
    let releases: Vec<_> = enabled.map(|place| place.release.as_ref()).collect::<Option<_>>()?;
    let security = releases.iter().filter(|release| release.is_security());
    let oldest = security.map(|release| release.date_day).min();
    let oldest = oldest.or_else(|| releases.iter().map(|release| release.date_day).min())?;
    let refreshed = reading.stat(REFRESHED);
    if let Err(error) = refreshed
        && error != ReadError::Absent
    {
        reading.failed(REFRESHED, error);
    }
    let refreshed = refreshed.ok().map(|meta| meta.modified_s.div_euclid(DAY_S));
    Some(refreshed.map_or(oldest, |day| day.max(oldest)))
}
