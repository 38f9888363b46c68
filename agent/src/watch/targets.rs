//! The files where minutes matter, and the kinds they belong to.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Most homes whose keys are watched: every one costs the kernel a watch or two.
const MAX_HOMES: usize = 200;
/// sshd(8), FILES: where keys are looked for unless sshd_config says otherwise.
const KEY_FILES: &[&str] = &["authorized_keys", "authorized_keys2"];

/// Files of one directory that one kind is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kind: &'static str,
    root: PathBuf,
    /// Below the root.
    directory: PathBuf,
    /// Names of the files; empty for every file.
    pub(super) names: &'static [&'static str],
}

/// passwd(5), group(5), shadow(5), gshadow(5), sudoers(5), sshd_config(5).
const FIXED: [(&str, &str, &[&str]); 5] = [
    ("accounts", "etc", &["passwd", "group", "shadow", "gshadow"]),
    ("sudo", "etc", &["sudoers"]),
    ("sudo", "etc/sudoers.d", &[]),
    ("ssh_server", "etc/ssh", &["sshd_config"]),
    ("ssh_server", "etc/ssh/sshd_config.d", &[]),
];

/// Everything to watch for `kinds`.
pub(super) fn of(root: &Path, kinds: &BTreeSet<String>) -> Vec<Target> {
    let target = |kind, directory: &Path, names| {
        let (root, directory) = (root.to_owned(), directory.to_owned());
        Target { kind, root, directory, names }
    };
    let fixed =
        FIXED.iter().map(|(kind, directory, names)| target(*kind, Path::new(directory), *names));
    let mut targets: Vec<_> = fixed.filter(|target| kinds.contains(target.kind)).collect();
    if kinds.contains("authorized_keys") {
        let homes = homes(root).into_iter().map(|home| home.join(".ssh"));
        targets.extend(homes.map(|ssh| target("authorized_keys", &ssh, KEY_FILES)));
    }
    targets
}

/// Homes that exist, of root and of everybody in passwd(5), below the root.
fn homes(root: &Path) -> BTreeSet<PathBuf> {
    let passwd = std::fs::read(root.join("etc/passwd")).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd).into_owned();
    let named = passwd.lines().filter_map(|line| line.split(':').nth(5));
    let below = named.filter_map(|home| home.strip_prefix('/')).filter(|home| !home.is_empty());
    let plain =
        |home: &&str| Path::new(home).components().all(|c| matches!(c, Component::Normal(_)));
    // Services without a home of their own name the root directory or one of the system's.
    let own = below.filter(plain).map(PathBuf::from);
    let own = own.filter(|home| home.components().count() > 1 || home == Path::new("root"));
    let all = std::iter::once(PathBuf::from("root")).chain(own);
    all.filter(|home| root.join(home).is_dir()).take(MAX_HOMES).collect()
}

impl Target {
    /// The directory itself, and with the name of the next one each directory above it in which it
    /// could be replaced, from the nearest on. `/etc` and `/home` are taken to stay.
    pub(super) fn places(&self) -> Vec<(PathBuf, Option<OsString>)> {
        let mut places = vec![(self.root.join(&self.directory), None)];
        let mut below = self.directory.as_path();
        while let (Some(parent), Some(name)) = (below.parent(), below.file_name()) {
            if parent.as_os_str().is_empty() {
                break;
            }
            places.push((self.root.join(parent), Some(name.to_owned())));
            below = parent;
        }
        places
    }
}
