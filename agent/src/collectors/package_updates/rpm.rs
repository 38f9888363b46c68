//! Updates of RPM packages: what dnf and zypper know of their repositories since they last asked.
//!
//! Reads configuration, and the metadata that a refresh left in the cache, of which every file must
//! have the checksum its index says. Without the metadata of every enabled repository nothing is
//! said of what waits. Whether an update fixes a weakness only an advisory says: packages of the
//! distribution's own vendor from a repository without advisories are not rated, and streams of
//! modules are recognised and not resolved. In both cases nothing is said either.

mod automatic;
mod locks;
mod metadata;
mod pending;
mod sources;

use crate::formats::rpm_header::Header;
use crate::host::{Failure, Reading};
use evidence::Status;
use evidence::kinds::package_updates::{PackageUpdates, UpdateManager};
use metadata::Metadata;
use sources::Source;

/// Packages whose vendor is that of the distribution.
const OF_VENDOR: [&str; 3] = ["glibc", "rpm", "filesystem"];
/// What updates whole images in place of packages.
const OF_IMAGES: [&str; 2] = ["rpm-ostree", "bootc"];

/// A repository with what is known of it.
struct Place {
    source: Source,
    /// Absent for one that is switched off, and where it was not read.
    metadata: Option<Metadata>,
}

pub(super) fn updates(
    installed: &[Header],
    reading: &mut Reading<'_>,
) -> Result<PackageUpdates, Failure> {
    let manager = manager(installed).ok_or(Failure(Status::Unsupported))?;
    let mut updates = super::nothing(manager);
    let Some(configuration) = sources::read(manager, reading) else {
        return Ok(updates);
    };
    let place = |source: Source| {
        let metadata = source.enabled.then(|| metadata::find(&source, manager, reading)).flatten();
        Place { source, metadata }
    };
    let places: Vec<_> = configuration.sources.into_iter().map(place).collect();
    let found = pending::find(installed, &places, reading);
    let mut facts: Vec<_> = places.iter().zip(&found.security).map(sources::fact).collect();
    facts.sort();
    reading.gaps([(
        "repositories.signature_required",
        facts.iter().any(|fact| fact.signature_required.is_none()),
    )]);
    updates.repositories = Some(facts);
    updates.metadata_day = metadata_day(&places);
    updates.security_repository = found.has_security;
    let locks = locks::read(&configuration.main, manager, reading);
    updates.pending = locks
        .and_then(|locks| pending::updates(installed, &places, &found, &locks, manager, reading));
    updates.automatic = automatic::facts(installed, &configuration.main, reading);
    Ok(updates)
}

fn manager(installed: &[Header]) -> Option<UpdateManager> {
    let has = |name: &str| installed.iter().any(|package| package.name == name);
    if OF_IMAGES.iter().any(|name| has(name)) {
        return None;
    }
    // Systems of SUSE may have dnf beside their own.
    match has("zypper") {
        true => Some(UpdateManager::Zypper),
        false => {
            ["dnf", "dnf5", "microdnf"].iter().any(|name| has(name)).then_some(UpdateManager::Dnf)
        }
    }
}

/// The day up to which everything is known: that of the repository that was asked longest ago.
fn metadata_day(places: &[Place]) -> Option<i64> {
    let enabled = places.iter().filter(|place| place.source.enabled);
    let days: Option<Vec<_>> = enabled
        .map(|place| place.metadata.as_ref().map(|metadata| metadata.refreshed_day))
        .collect();
    days?.into_iter().min()
}

/// The vendor of the distribution's own packages.
fn own_vendor(installed: &[Header]) -> Option<&str> {
    let mut named = OF_VENDOR.iter().filter_map(|name| installed.iter().find(|p| p.name == *name));
    named.find_map(|package| package.vendor.as_deref())
}
