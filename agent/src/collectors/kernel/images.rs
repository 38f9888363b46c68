//! Packages that hold a kernel image, in each family, and whether a newer one waits.

use super::DAY_S;
use crate::collectors::packages::Record;
use crate::formats::{dpkg_version, rpm_version};
use crate::host::Reading;
use evidence::kinds::kernel::Installed;
use evidence::kinds::packages::Manager;
use std::cmp::Ordering;

/// Flavours of Alpine and Arch. Most packages that begin with `linux-` are no kernels.
const LINUX: [&str; 16] = [
    "asahi",
    "edge",
    "gru",
    "hardened",
    "lts",
    "mainline",
    "rpi",
    "rpi2",
    "rpi4",
    "rt",
    "rt-lts",
    "stable",
    "vanilla",
    "virt",
    "virtgrsec",
    "zen",
];
/// Flavours of SUSE, whose packages have no part `core`.
const SUSE: [&str; 8] =
    ["64kb", "azure", "debug", "default", "default-base", "kvmsmall", "longterm", "rt"];

/// Whether a package may hold an image.
pub(super) fn is_wanted(name: &str) -> bool {
    name == "linux"
        || name == "kernel"
        || name.starts_with("linux-image-")
        || name.strip_prefix("linux-").is_some_and(|flavour| LINUX.contains(&flavour))
        || name
            .strip_prefix("kernel-")
            .is_some_and(|rest| SUSE.contains(&rest) || rest == "core" || rest.ends_with("-core"))
}

/// One package with an image.
pub(super) struct Image {
    manager: Manager,
    /// What packages of which one replaces another have in common.
    flavour: String,
    release: String,
    version: String,
    installed_s: Option<i64>,
}

/// All of them.
pub(super) struct Images {
    manager: Manager,
    images: Vec<Image>,
}

impl Images {
    pub(super) fn of(manager: Manager, records: &[Record]) -> Self {
        let configured = records.iter().filter(|record| record.configured);
        let named = configured.filter_map(|record| {
            let (flavour, release) = match manager {
                Manager::Dpkg => debian(&record.name)?,
                Manager::Rpm => rpm(record, records)?,
                Manager::Apk => alpine(record)?,
                Manager::Pacman => arch(record)?,
            };
            let (version, installed_s) = (record.version.clone(), record.installed_s);
            Some(Image { manager, flavour, release, version, installed_s })
        });
        Self { manager, images: named.collect() }
    }

    pub(super) fn facts(&self) -> Vec<Installed> {
        let installed = self.images.iter().map(|image| Installed {
            release: image.release.clone(),
            version: image.version.clone(),
        });
        let mut installed: Vec<_> = installed.collect();
        installed.sort();
        installed.dedup();
        installed
    }

    /// Whether several versions share a release, as on Debian: only the kernel knows its own then.
    pub(super) fn keep_releases(&self) -> bool {
        self.manager == Manager::Dpkg
    }

    /// The version of the package that holds the release, where no two builds share one.
    pub(super) fn version_of(&self, release: &str) -> Option<String> {
        let same = self.holding(release).filter(|_| !self.keep_releases());
        same.map(|image| image.version.clone())
    }

    /// SUSE may rebuild a package, from the same sources and under the same release.
    fn holding(&self, release: &str) -> Option<&Image> {
        let same = self.images.iter().filter(|image| image.release == release);
        same.max_by(|a, b| self.compare(&a.version, &b.version))
    }

    /// Whether the release alone tells one build from the next. Elsewhere the package of the running
    /// kernel may itself be one that waits, where the version that runs is not known.
    pub(super) fn goes_by_release(&self) -> bool {
        matches!(self.manager, Manager::Apk | Manager::Pacman)
    }

    /// The images that wait for a restart; `None` where nobody can tell.
    pub(super) fn waiting(&self, running: &str, version: Option<&str>) -> Option<Vec<&Image>> {
        let same = self.holding(running);
        let flavour = match same {
            Some(same) => same.flavour.as_str(),
            None => self.flavour_of(running)?,
        };
        let known = version.or(same.map(|same| same.version.as_str()));
        let mut waiting = Vec::new();
        for image in self.images.iter().filter(|image| image.flavour == flavour) {
            let order = match self.manager {
                Manager::Apk | Manager::Pacman => rpm_version::compare(&image.release, running),
                _ => self.compare(&image.version, known?),
            };
            if order == Ordering::Greater {
                waiting.push(image);
            }
        }
        // The same package may have been replaced under the running kernel, and its own may be gone:
        // without the version that runs, or its package, nobody can tell.
        let is_known = same.is_some() && version.is_some();
        (is_known || !waiting.is_empty()).then_some(waiting)
    }

    /// Of a kernel that no package holds any more.
    fn flavour_of<'r>(&'r self, running: &'r str) -> Option<&'r str> {
        match self.manager {
            Manager::Dpkg => Some(debian_flavour(running)),
            // The package of the running kernel stays: nothing else tells one flavour from another.
            Manager::Rpm => None,
            Manager::Apk | Manager::Pacman => {
                let ends = |image: &&Image| running.ends_with(&format!("-{}", image.flavour));
                let plain = |image: &&Image| image.flavour.is_empty() && running.contains("-arch");
                let found = self.images.iter().find(ends);
                found.or_else(|| self.images.iter().find(plain)).map(|image| image.flavour.as_str())
            }
        }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        match self.manager {
            Manager::Dpkg => dpkg_version::compare(a, b),
            // pacman's order is that of rpm; of kernels, which are numbers, apk's too.
            _ => rpm_version::compare(a, b),
        }
    }
}

impl Image {
    /// The UTC day it was installed.
    pub(super) fn came_day(&self, reading: &Reading<'_>) -> Option<i64> {
        let came_s = match self.manager {
            Manager::Dpkg => {
                let list = format!("/var/lib/dpkg/info/linux-image-{}.list", self.release);
                Some(reading.stat(&list).ok()?.modified_s)
            }
            _ => self.installed_s,
        };
        came_s.map(|came_s| came_s.div_euclid(DAY_S))
    }
}

/// Packages that hold an image, not those that only ask for the newest one.
fn debian(name: &str) -> Option<(String, String)> {
    let name = name.strip_prefix("linux-image-")?;
    let release = name.strip_prefix("unsigned-").unwrap_or(name);
    let begins = release.starts_with(|c: char| c.is_ascii_digit());
    (begins && !release.ends_with("-dbg") && !release.ends_with("-dbgsym"))
        .then(|| (debian_flavour(release).to_owned(), release.to_owned()))
}

/// `6.1.0-37-cloud-amd64` → `cloud-amd64`: what comes after the last number.
fn debian_flavour(release: &str) -> &str {
    let mut flavour = release;
    while let Some((before, after)) = flavour.split_once('-') {
        if !before.starts_with(|c: char| c.is_ascii_digit()) {
            break;
        }
        flavour = after;
    }
    flavour
}

/// - RHEL, Fedora: `kernel-core` is VERSION-RELEASE.ARCH, `kernel-FLAVOUR-core` the same with
///   `+FLAVOUR`, but for flavours that are told in the release (`rt` until RHEL 8, `uek`). Where there
///   is a part `core`, `kernel` only asks for it.
/// - SUSE: `kernel-default` is VERSION-RELEASE without the count of rebuilds, and `-default`.
fn rpm(record: &Record, all: &[Record]) -> Option<(String, String)> {
    let version = record.version.split_once(':').map_or(record.version.as_str(), |(_, v)| v);
    let whole = format!("{version}.{}", record.arch);
    let flavour = record.name.strip_prefix("kernel").map(|rest| rest.trim_start_matches('-'))?;
    if SUSE.contains(&flavour) {
        let (sources, _rebuilds) = version.rsplit_once('.')?;
        let shown = flavour.trim_end_matches("-base");
        return Some((flavour.to_owned(), format!("{sources}-{shown}")));
    }
    let has_core = || all.iter().any(|other| other.name == "kernel-core");
    let flavour = match flavour {
        "" if has_core() => return None,
        "" | "core" => "",
        flavour => flavour.strip_suffix("-core")?,
    };
    let is_told =
        flavour.is_empty() || version.contains(&format!(".{flavour}")) || flavour == "uek";
    let release = if is_told { whole } else { format!("{whole}+{flavour}") };
    Some((flavour.to_owned(), release))
}

/// `linux-lts` 6.6.58-r0 is 6.6.58-0-lts.
fn alpine(record: &Record) -> Option<(String, String)> {
    let flavour = record.name.strip_prefix("linux-")?;
    let (version, revision) = record.version.rsplit_once("-r")?;
    Some((flavour.to_owned(), format!("{version}-{revision}-{flavour}")))
}

/// `linux` 6.11.5.arch1-1 is 6.11.5-arch1-1, `linux-lts` 6.6.58-1 is 6.6.58-1-lts, `linux-zen`
/// 6.11.5.zen1-1 is 6.11.5-zen1-1-zen.
fn arch(record: &Record) -> Option<(String, String)> {
    let flavour = record.name.strip_prefix("linux")?.trim_start_matches('-');
    let patches = record.version.rfind(|c: char| c.is_ascii_alphabetic()).and_then(|letter| {
        record.version[..letter].rfind('.').filter(|dot| {
            record.version[dot + 1..=letter].bytes().all(|byte| byte.is_ascii_alphabetic())
        })
    });
    let mut release = record.version.clone();
    if let Some(dot) = patches {
        release.replace_range(dot..=dot, "-");
    }
    if !flavour.is_empty() {
        release = format!("{release}-{flavour}");
    }
    Some((flavour.to_owned(), release))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(manager: Manager, packages: &[(&str, &str)]) -> Images {
        let record = |(name, version): &(&str, &str)| Record {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            arch: "x86_64".to_owned(),
            configured: true,
            installed_s: Some(0),
        };
        Images::of(manager, &packages.iter().map(record).collect::<Vec<_>>())
    }

    fn release(manager: Manager, name: &str, version: &str) -> Option<String> {
        images(manager, &[(name, version)]).facts().pop().map(|installed| installed.release)
    }

    #[test]
    fn a_package_holds_the_release_that_uname_prints() {
        for (manager, name, version, uname) in [
            (Manager::Dpkg, "linux-image-6.1.0-37-amd64", "6.1.140-1", "6.1.0-37-amd64"),
            (Manager::Rpm, "kernel-core", "5.14.0-503.el9_5", "5.14.0-503.el9_5.x86_64"),
            (Manager::Rpm, "kernel", "3.10.0-1160.el7", "3.10.0-1160.el7.x86_64"),
            (Manager::Rpm, "kernel-rt-core", "5.14.0-503.el9_5", "5.14.0-503.el9_5.x86_64+rt"),
            (Manager::Rpm, "kernel-rt-core", "4.18.0-553.rt7.el8", "4.18.0-553.rt7.el8.x86_64"),
            (Manager::Rpm, "kernel-default", "6.4.0-150600.23.25.1", "6.4.0-150600.23.25-default"),
            (Manager::Apk, "linux-lts", "6.6.58-r0", "6.6.58-0-lts"),
            (Manager::Pacman, "linux", "6.11.5.arch1-1", "6.11.5-arch1-1"),
            (Manager::Pacman, "linux-lts", "6.6.58-1", "6.6.58-1-lts"),
            (Manager::Pacman, "linux-zen", "6.11.5.zen1-1", "6.11.5-zen1-1-zen"),
        ] {
            assert!(is_wanted(name), "{name}");
            assert_eq!(release(manager, name, version).as_deref(), Some(uname), "{name} {version}");
        }
        for name in
            ["linux-headers", "linux-firmware", "linux-pam", "kernel-headers", "kernel-modules"]
        {
            assert!(!is_wanted(name), "{name}");
        }
    }

    #[test]
    fn a_kernel_waits_if_it_is_newer_and_of_the_flavour_that_runs() {
        let due = |images: &Images, running: &str| -> Option<Vec<String>> {
            let version = images.version_of(running);
            let waiting = images.waiting(running, version.as_deref());
            waiting.map(|waiting| waiting.into_iter().map(|image| image.version.clone()).collect())
        };
        let two = [("kernel-core", "5.14.0-503.9.el9"), ("kernel-core", "5.14.0-503.10.el9")];
        let rhel =
            images(Manager::Rpm, &[&two[..], &[("kernel-rt-core", "5.14.0-600.el9")]].concat());
        assert_eq!(
            due(&rhel, "5.14.0-503.9.el9.x86_64"),
            Some(vec!["5.14.0-503.10.el9".to_owned()])
        );
        assert_eq!(due(&rhel, "5.14.0-503.10.el9.x86_64"), Some(vec![]));
        assert_eq!(due(&rhel, "5.14.0-503.8.el9.x86_64"), None);
        let alpine =
            images(Manager::Apk, &[("linux-lts", "6.6.58-r0"), ("linux-virt", "6.6.60-r0")]);
        assert_eq!(due(&alpine, "6.6.58-0-lts"), Some(vec![]));
        assert_eq!(due(&alpine, "6.6.57-0-lts"), Some(vec!["6.6.58-r0".to_owned()]));
        assert_eq!(due(&alpine, "6.6.59-0-lts"), None);
        assert_eq!(due(&alpine, "6.6.57-0-rpi"), None);
        let arch =
            images(Manager::Pacman, &[("linux", "6.11.5.arch1-1"), ("linux-lts", "6.6.58-1")]);
        assert_eq!(due(&arch, "6.11.5-arch1-1"), Some(vec![]));
        assert_eq!(due(&arch, "6.11.4-arch2-1"), Some(vec!["6.11.5.arch1-1".to_owned()]));
        assert_eq!(due(&arch, "6.6.57-1-lts"), Some(vec!["6.6.58-1".to_owned()]));
        assert_eq!(due(&arch, "6.12.0-own"), None);
    }
}
