//! The kind `package_updates`: where apt, dnf or zypper gets packages from, and which updates wait.
//!
//! Reads what apt reads, the way apt reads it: its configuration, sources, preferences, and the
//! lists that its last update left on the host; of RPM see [`rpm`]. Without CAP_SYS_PTRACE it says nothing of what
//! runs. What is pending is said only
//! if the lists of every enabled source are there and whole: an old or missing list never reads
//! as "nothing waits". Other package managers are `unsupported`. An agent that goes on running reads
//! all of it again when any file of it is another, and within a day when none is.

mod automatic;
mod configuration;
mod lists;
mod pending;
mod phasing;
mod policy;
mod repositories;
mod rpm;
mod stale;

use super::packages::{self, Installed, OnDisk};
use super::{Collector, facts};
use crate::formats::apt_conf::AptConf;
use crate::formats::apt_release::Release;
use crate::formats::apt_sources::AptSource;
use crate::host::{Failure, Reading};
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::package_updates::{PackageUpdates, UpdateManager};

pub(super) const COLLECTOR: Collector = Collector {
    kind: PackageUpdates::NAME,
    schedule: "30 */12 * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

/// A source with what its lists say of it.
struct Place {
    source: AptSource,
    /// Absent where there are no lists of it, or none that could be read.
    release: Option<Release>,
    /// Whether the metadata at hand, if any, carries a signature; absent where the lists could not
    /// be looked at.
    is_signed: Option<bool>,
}

/// The host as apt sees it.
struct Apt {
    conf: AptConf,
    installed: Vec<OnDisk>,
    native: String,
    /// All architectures of the host, its own first.
    architectures: Vec<String>,
}

fn collect(reading: &mut Reading<'_>) -> Result<PackageUpdates, Failure> {
    let mut updates = reading.remembered(PackageUpdates::NAME, on_disk)?;
    updates.stale_processes = stale::processes(reading);
    reading.gaps([("stale_processes", updates.stale_processes.is_none())]);
    Ok(updates)
}

/// What files alone say: the same while they are the same.
fn on_disk(reading: &mut Reading<'_>) -> Result<PackageUpdates, Failure> {
    let updates = match reading.apart(packages::installed)? {
        Installed::Dpkg(installed) => of_apt(installed, reading)?,
        Installed::Rpm(installed) => rpm::updates(&installed, reading)?,
    };
    reading.gaps([
        ("repositories", updates.repositories.is_none()),
        ("security_repository", updates.security_repository.is_none()),
        ("metadata_day", updates.metadata_day.is_none()),
        ("pending", updates.pending.is_none()),
        ("automatic", updates.automatic.is_none()),
    ]);
    Ok(updates)
}

fn of_apt(installed: Vec<OnDisk>, reading: &mut Reading<'_>) -> Result<PackageUpdates, Failure> {
    // Images of packages without apt get no updates by it.
    let apt = installed.iter().find(|package| package.name == "apt");
    let native = apt.ok_or(Failure(Status::Unsupported))?.arch.clone();
    let mut updates = nothing(UpdateManager::Apt);
    if let Some(conf) = configuration::read(reading) {
        let apt = Apt::new(conf, installed, native, reading);
        if let Some(places) = apt.as_ref().and_then(|apt| repositories::places(apt, reading)) {
            describe(&mut updates, apt.as_ref(), &places, reading);
        }
    }
    Ok(updates)
}

fn nothing(manager: UpdateManager) -> PackageUpdates {
    PackageUpdates {
        manager,
        repositories: None,
        security_repository: None,
        metadata_day: None,
        pending: None,
        automatic: None,
        stale_processes: None,
    }
}

fn describe(
    updates: &mut PackageUpdates,
    apt: Option<&Apt>,
    places: &[Place],
    reading: &mut Reading<'_>,
) {
    let Some(apt) = apt else { return };
    let codename = repositories::codename(reading);
    let own = codename.as_ref().ok().and_then(|codename| codename.as_deref());
    let facts = repositories::facts(apt, places);
    let is_open = facts.iter().any(|repository| repository.signature_required.is_none());
    reading.gaps([("repositories.signature_required", is_open)]);
    updates.repositories = Some(facts);
    updates.security_repository =
        codename.is_ok().then(|| repositories::has_security(places, own)).flatten();
    updates.metadata_day = repositories::metadata_day(places, reading);
    updates.pending = pending::updates(apt, places, own, reading);
    updates.automatic = automatic::facts(apt, places, own, reading);
}

impl Apt {
    /// `None` where the architectures of the host were not read.
    fn new(
        conf: AptConf,
        installed: Vec<OnDisk>,
        native: String,
        reading: &mut Reading<'_>,
    ) -> Option<Self> {
        let native = conf.value("APT::Architecture").map_or(native, str::to_owned);
        let mut architectures = vec![native.clone()];
        let named = conf.list("APT::Architectures");
        if named.is_empty() {
            let foreign = configuration::optional(reading.config("/var/lib/dpkg/arch")).ok()?;
            let foreign = foreign.unwrap_or_default();
            architectures.extend(foreign.split_ascii_whitespace().map(str::to_owned));
        } else {
            architectures.extend(named.into_iter().map(str::to_owned));
        }
        let mut seen = std::collections::HashSet::new();
        architectures.retain(|arch| seen.insert(arch.clone()));
        Some(Self { conf, installed, native, architectures })
    }
}
