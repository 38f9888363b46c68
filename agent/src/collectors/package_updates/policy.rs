//! Which version of a package apt takes for the one to install: pkgPolicy, apt_preferences(5).

use crate::formats::apt_preferences::{Expression, Pin, PinTo, Priority, ReleasePin};
use crate::formats::apt_release::Release;
use crate::formats::dpkg_version::compare;
use std::cmp::Ordering;

/// Lowest priority there is; it is never taken, whatever else is said.
const NEVER: i32 = i16::MIN as i32;
/// From here on a version may also be older than the one installed.
const DOWNGRADES: i32 = 1000;

/// Something that holds versions: a list, or what is installed.
pub(super) struct Archive {
    pub(super) release: Release,
    pub(super) component: String,
    pub(super) arch: String,
    pub(super) site: String,
    pub(super) is_own_security: bool,
    is_status: bool,
    priority: i32,
}

/// A version of a package and the archives that have it.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) text: String,
    pub(super) source: String,
    pub(super) source_version: String,
    pub(super) phased_percent: Option<u8>,
    pub(super) archives: Vec<usize>,
}

pub(super) struct Policy {
    pub(super) archives: Vec<Archive>,
    pins: Vec<Pin>,
    native: String,
}

impl Archive {
    pub(super) fn new(
        release: Release,
        component: String,
        arch: String,
        site: String,
        is_own_security: bool,
    ) -> Self {
        let priority = match (release.not_automatic, release.but_automatic_upgrades) {
            (true, true) => 100,
            (true, false) => 1,
            _ => 500,
        };
        Self { release, component, arch, site, is_own_security, is_status: false, priority }
    }

    /// What is installed.
    pub(super) fn status() -> Self {
        let release = Release { suite: "now".to_owned(), ..Release::default() };
        let new = Self::new(release, String::new(), String::new(), String::new(), false);
        Self { is_status: true, priority: 100, ..new }
    }

    fn is(&self, to: &PinTo) -> bool {
        match to {
            PinTo::Version(_) => false,
            PinTo::Release(pin) => self.is_release(pin),
            PinTo::Origin(site) if site.is_empty() => self.site.is_empty() && !self.is_status,
            PinTo::Origin(site) => !self.site.is_empty() && site.matches(&self.site),
        }
    }

    fn is_release(&self, pin: &ReleasePin) -> bool {
        if pin.is_all {
            return true;
        }
        let release = &self.release;
        let parts = [
            (&pin.version, &release.version),
            (&pin.origin, &release.origin),
            (&pin.archive, &release.suite),
            (&pin.codename, &release.codename),
            (&pin.label, &release.label),
            (&pin.component, &self.component),
            (&pin.architecture, &self.arch),
        ];
        let matches = |part: &Option<Expression>, text: &String| {
            part.as_ref().is_none_or(|part| !text.is_empty() && part.matches(text))
        };
        let either =
            |part: &Expression| part.matches(&release.suite) || part.matches(&release.codename);
        let is_any = parts.iter().any(|(part, _)| part.is_some());
        (is_any || pin.archive_or_codename.is_some())
            && parts.iter().all(|(part, text)| matches(part, text))
            && pin.archive_or_codename.as_ref().is_none_or(either)
    }
}

impl Policy {
    /// `default_release` comes before all records of the preferences.
    pub(super) fn new(
        mut archives: Vec<Archive>,
        default_release: Option<ReleasePin>,
        pins: Vec<Pin>,
        native: &str,
    ) -> Self {
        let default =
            default_release.map(|pin| (PinTo::Release(Box::new(pin)), Priority::Number(990)));
        let general: Vec<_> = pins.iter().filter(|pin| pin.package.is_none()).collect();
        for archive in &mut archives {
            let default = default.iter().map(|(to, priority)| (to, *priority));
            let all = default.chain(general.iter().map(|pin| (&pin.to, pin.priority)));
            let matching: Vec<_> = all.filter(|(to, _)| archive.is(to)).collect();
            // The first one holds, but for `never`, which always does.
            if matching.iter().any(|(_, priority)| *priority == Priority::Never) {
                archive.priority = NEVER;
            } else if let Some((_, first)) = matching.first() {
                archive.priority = number(*first);
            }
        }
        Self { archives, pins, native: native.to_owned() }
    }

    fn priority(&self, version: &Version, name: &str, arch: &str) -> i32 {
        let own = || version.archives.iter().map(|index| &self.archives[*index]);
        let is_meant = |pin: &&Pin| {
            let package = pin.package.as_ref();
            package.is_some_and(|p| p.matches(name, &version.source, arch, &self.native))
                && match &pin.to {
                    PinTo::Version(text) => text.matches(&version.text),
                    to => own().any(|archive| archive.is(to)),
                }
        };
        let highest = own().map(|archive| archive.priority).max().unwrap_or(NEVER);
        match self.pins.iter().find(is_meant) {
            Some(pin) if highest > NEVER => number(pin.priority),
            _ => highest,
        }
    }

    /// The version to install, if any, of all there are in descending order.
    pub(super) fn candidate<'v>(
        &self,
        versions: &'v [Version],
        installed: &str,
        name: &str,
        arch: &str,
    ) -> Option<&'v Version> {
        let (mut best, mut best_priority) = (None, -1);
        for version in versions {
            let priority = self.priority(version, name, arch);
            let is_older = compare(&version.text, installed) == Ordering::Less;
            if priority == 0 || priority <= best_priority || (is_older && priority < DOWNGRADES) {
                continue;
            }
            (best, best_priority) = (Some(version), priority);
        }
        best
    }
}

fn number(priority: Priority) -> i32 {
    match priority {
        // The lowest number is not `never`.
        Priority::Number(number) => i32::from(number).max(NEVER + 1),
        Priority::Never => NEVER,
    }
}
