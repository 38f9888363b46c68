//! Updates that the repositories know and the host lacks.

use super::locks::Locks;
use super::metadata::{MAX_BYTES, Metadata};
use super::{Place, own_vendor};
use crate::formats::rpm_header::Header;
use crate::formats::rpm_metadata::{Advised, Available, Rating, advisories, packages};
use crate::formats::rpm_version::compare;
use crate::host::Reading;
use evidence::kinds::package_updates::{KeptBack, Severity, Update, UpdateManager};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

const NO_ARCH: &str = "noarch";

/// What the repositories have of the packages that are installed.
pub(super) struct Found {
    /// Whether each has security advisories, where that was read.
    pub(super) security: Vec<Option<bool>>,
    /// Whether one of them has those of the distribution.
    pub(super) has_security: Option<bool>,
    /// The metadata of every enabled repository was read, and there is one.
    is_complete: bool,
    by_name: HashMap<String, Known>,
}

#[derive(Default)]
struct Known {
    /// Newer ones, with the repository of each.
    newer: Vec<(usize, Available)>,
    advised: Vec<Advised>,
    /// The least number of a repository that has it, in whatever version; the least comes first.
    priority: Option<i64>,
}

/// The newest version of a package that is installed.
struct Base<'a> {
    name: &'a str,
    arch: &'a str,
    evr: String,
    vendor: Option<&'a str>,
}

pub(super) fn find(installed: &[Header], places: &[Place], reading: &mut Reading<'_>) -> Found {
    let bases = bases(installed);
    let mut oldest: HashMap<&str, &str> = HashMap::new();
    for base in &bases {
        let evr = oldest.entry(base.name).or_insert(&base.evr);
        if compare(&base.evr, evr) == Ordering::Less {
            *evr = &base.evr;
        }
    }
    let vendor = own_vendor(installed);
    let own: HashSet<&str> =
        bases.iter().filter(|b| vendor.is_some() && b.vendor == vendor).map(|b| b.name).collect();
    let mut search = Search { oldest, own, found: HashMap::new(), carries: false, advises: false };
    let mut security = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let read = place
            .metadata
            .as_ref()
            .and_then(|metadata| search.place(index, place, metadata, reading));
        security.push(read);
    }
    let mut enabled =
        places.iter().zip(&security).filter(|(place, _)| place.source.enabled).peekable();
    let is_any = enabled.peek().is_some();
    let is_complete = enabled.all(|(_, read)| read.is_some());
    let has_security = match (search.advises, search.carries || vendor.is_none()) {
        (true, _) => Some(true),
        (false, _) if !is_any => Some(false),
        (false, carries) => (is_complete && !carries).then_some(false),
    };
    let by_name = search.found.into_iter().map(|(name, known)| (name.to_owned(), known)).collect();
    Found { security, has_security, is_complete: is_complete && is_any, by_name }
}

/// Several versions of one package are installed beside each other: the newest counts.
fn bases(installed: &[Header]) -> Vec<Base<'_>> {
    let mut bases: BTreeMap<(&str, &str), Base<'_>> = BTreeMap::new();
    for header in installed {
        let (name, arch) = (header.name.as_str(), header.arch.as_deref().unwrap_or(NO_ARCH));
        let base = Base { name, arch, evr: header.evr(), vendor: header.vendor.as_deref() };
        let is_newer = |known: &Base<'_>| compare(&base.evr, &known.evr) == Ordering::Greater;
        if bases.get(&(name, arch)).is_none_or(is_newer) {
            bases.insert((name, arch), base);
        }
    }
    bases.into_values().collect()
}

struct Search<'a> {
    oldest: HashMap<&'a str, &'a str>,
    /// Names of installed packages of the distribution's own vendor.
    own: HashSet<&'a str>,
    found: HashMap<&'a str, Known>,
    /// A repository has one of them.
    carries: bool,
    /// A security advisory is about one of them.
    advises: bool,
}

impl<'a> Search<'a> {
    /// Whether a repository has security advisories; `None` where it was not read whole.
    fn place(
        &mut self,
        index: usize,
        place: &Place,
        metadata: &Metadata,
        reading: &mut Reading<'_>,
    ) -> Option<bool> {
        let names: HashSet<&'a str> = self.oldest.keys().copied().collect();
        let wanted = |name: &str| names.contains(name);
        metadata.read("primary", reading, &mut |from| {
            packages(from, MAX_BYTES, wanted, |one| self.available(index, place, one))
        })?;
        if !metadata.has("updateinfo") {
            return Some(false);
        }
        let mut is_security = false;
        metadata.read("updateinfo", reading, &mut |from| {
            advisories(from, MAX_BYTES, wanted, |one| {
                is_security |= one.advice.security;
                self.advised(one);
            })
        })?;
        Some(is_security)
    }

    fn available(&mut self, index: usize, place: &Place, one: Available) {
        let Some((name, oldest)) = self.oldest.get_key_value(one.name.as_str()) else { return };
        self.carries |= self.own.contains(name);
        let known = self.found.entry(name).or_default();
        let priority = place.source.priority;
        known.priority = Some(known.priority.map_or(priority, |least| least.min(priority)));
        if compare(&one.evr, oldest) == Ordering::Greater {
            known.newer.push((index, one));
        }
    }

    fn advised(&mut self, one: Advised) {
        let Some((name, oldest)) = self.oldest.get_key_value(one.name.as_str()) else { return };
        self.advises |= one.advice.security && self.own.contains(name);
        if compare(&one.evr, oldest) == Ordering::Greater {
            self.found.entry(name).or_default().advised.push(one);
        }
    }
}

/// `None` where something is not known that decides.
pub(super) fn updates(
    installed: &[Header],
    places: &[Place],
    found: &Found,
    locks: &Locks,
    manager: UpdateManager,
    reading: &mut Reading<'_>,
) -> Option<Vec<Update>> {
    if !found.is_complete {
        return None;
    }
    let native = own_arch(installed);
    let judge = Judge { places, locks, manager, native, vendor: own_vendor(installed) };
    let mut updates = Vec::new();
    for base in bases(installed) {
        let Some(known) = found.by_name.get(base.name) else { continue };
        match judge.update(&base, known) {
            Ok(update) => updates.extend(update),
            Err(Unknown { place, reason }) => {
                let of = place.map(|index| format!(" of {}", places[index].source.id));
                let of = of.unwrap_or_default();
                let metadata = places.iter().find_map(|place| place.metadata.as_ref());
                let path = metadata.map_or("/var/cache/dnf/".to_owned(), Metadata::path);
                reading.note(&path, format!("{}{of}: {reason}", base.name));
                return None;
            }
        }
    }
    updates.sort();
    Some(updates)
}

/// The architecture of the host, as its packages have it.
fn own_arch(installed: &[Header]) -> &str {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for arch in installed.iter().filter_map(|header| header.arch.as_deref()) {
        *counts.entry(arch).or_default() += usize::from(arch != NO_ARCH);
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(NO_ARCH, |(arch, _)| arch)
}

struct Judge<'a> {
    places: &'a [Place],
    locks: &'a Locks,
    manager: UpdateManager,
    native: &'a str,
    vendor: Option<&'a str>,
}

/// Why it is not known what waits.
struct Unknown {
    place: Option<usize>,
    reason: &'static str,
}

impl Judge<'_> {
    fn update(&self, base: &Base<'_>, known: &Known) -> Result<Option<Update>, Unknown> {
        let is_later = |evr: &str, than: &str| compare(evr, than) == Ordering::Greater;
        let is_meant = |arch: &str, evr: &str| self.fits(base, arch) && is_later(evr, &base.evr);
        let newer: Vec<_> =
            known.newer.iter().filter(|(_, one)| is_meant(&one.arch, &one.evr)).collect();
        let advised: Vec<_> =
            known.advised.iter().filter(|one| is_meant(&one.arch, &one.evr)).collect();
        let is_any = !newer.is_empty() || advised.iter().any(|one| one.advice.security);
        let modular = (is_any && is_modular(&base.evr))
            || newer.iter().any(|(_, one)| is_modular(&one.evr))
            || advised.iter().any(|one| one.modular || is_modular(&one.evr));
        if modular {
            let reason = "newer versions of streams of modules, which are not resolved";
            return Err(Unknown { place: None, reason });
        }
        let allowed =
            newer.into_iter().filter(|(place, one)| self.allows(*place, one, base, known));
        let candidate = allowed.max_by(|(_, a), (_, b)| compare(&a.evr, &b.evr));
        let reached = candidate.map_or(base.evr.as_str(), |(_, one)| &one.evr);
        let fixes: Vec<_> = advised.iter().filter(|one| one.advice.security).collect();
        let newest = fixes.iter().map(|one| one.evr.as_str()).max_by(|a, b| compare(a, b));
        // A fix that is kept away is one that is missing.
        let kept_away = newest.filter(|evr| is_later(evr, reached));
        let Some(due) = kept_away.or(candidate.map(|(_, one)| one.evr.as_str())) else {
            return Ok(None);
        };
        if let Some((place, one)) = candidate
            && fixes.is_empty()
            && !self.is_rated(*place, one, &advised)
        {
            let reason = "updates of the distribution without advisories: nobody rates them";
            return Err(Unknown { place: Some(*place), reason });
        }
        let kept_back = match (self.locks.holds(base.name), kept_away) {
            (true, _) => KeptBack::Hold,
            (_, Some(_)) => KeptBack::Pin,
            _ => KeptBack::No,
        };
        let is_native = base.arch == self.native || base.arch == NO_ARCH;
        let name =
            if is_native { base.name.to_owned() } else { format!("{}:{}", base.name, base.arch) };
        let days = fixes.iter().map(|one| one.advice.issued_day).collect::<Option<Vec<_>>>();
        let ids: BTreeSet<_> = fixes.iter().map(|one| one.advice.id.clone()).collect();
        Ok(Some(Update {
            name,
            installed: base.evr.clone(),
            candidate: due.to_owned(),
            security: !fixes.is_empty(),
            severity: severity(fixes.iter().map(|one| one.advice.rating)),
            kept_back,
            advisories: Some(ids.into_iter().collect()),
            advised_day: days.and_then(|days| days.into_iter().min()),
        }))
    }

    /// A package may become one for all architectures, and back.
    fn fits(&self, base: &Base<'_>, arch: &str) -> bool {
        arch == base.arch || arch == NO_ARCH || (base.arch == NO_ARCH && arch == self.native)
    }

    /// Whether the manager would take a version by itself.
    fn allows(&self, place: usize, one: &Available, base: &Base<'_>, known: &Known) -> bool {
        let source = &self.places[place].source;
        known.priority == Some(source.priority)
            && !self.locks.excludes(source, &one.name, &one.evr, &one.arch)
            // zypper stays with a vendor.
            && (self.manager != UpdateManager::Zypper
                || vendor_class(one.vendor.as_deref()) == vendor_class(base.vendor))
    }

    /// Whether an advisory could have said what it fixes: packages of others come without.
    fn is_rated(&self, place: usize, one: &Available, advised: &[&Advised]) -> bool {
        let has_advisories =
            self.places[place].metadata.as_ref().is_some_and(|metadata| metadata.has("updateinfo"));
        let is_own = self.vendor.is_none() || one.vendor.as_deref() == self.vendor;
        has_advisories || !is_own || advised.iter().any(|advice| advice.evr == one.evr)
    }
}

/// zypper takes the builders of SUSE for one (vendors.d).
fn vendor_class(vendor: Option<&str>) -> String {
    let vendor = vendor.unwrap_or_default().to_lowercase();
    match vendor.starts_with("suse") || vendor.starts_with("opensuse") {
        true => "suse".to_owned(),
        false => vendor,
    }
}

fn is_modular(evr: &str) -> bool {
    evr.contains(".module")
}

/// The gravest; what one of them does not say may be graver than what the others do.
fn severity(ratings: impl Iterator<Item = Rating>) -> Severity {
    let ratings: BTreeSet<_> = ratings.collect();
    match ratings.last() {
        Some(Rating::Critical) => Severity::Critical,
        Some(Rating::Important) => Severity::Important,
        _ if ratings.contains(&Rating::None) => Severity::Unknown,
        Some(Rating::Moderate) => Severity::Moderate,
        Some(Rating::Low) => Severity::Low,
        _ => Severity::Unknown,
    }
}
