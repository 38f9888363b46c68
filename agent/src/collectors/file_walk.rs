//! The kind `file_walk`: every directory of every local file system. Of the running system it needs
//! CAP_SYS_PTRACE, to see the files as the first process does, and CAP_DAC_READ_SEARCH, for a single
//! directory that is closed leaves every list unread. A bound of files and one of time keep it from
//! holding a large machine; what was not reached is not said to be clean.

mod owners;
pub(super) mod packages;

use super::storage::mounts::{self, Mount};
use super::{Collector, facts, storage};
use crate::formats::{capability, passwd};
use crate::host::{Bounds, Failure, FileKind, Found, Meta, ReadError, Reading};
use evidence::Status;
use evidence::kinds::Kind;
use evidence::kinds::file_walk::{FileWalk, SetId};
use owners::Owners;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) const COLLECTOR: Collector = Collector {
    kind: FileWalk::NAME,
    schedule: "0 2 * * *",
    live_only: false,
    collect: |reading| collect(reading).and_then(facts),
};

const MOUNTS: &str = "/proc/1/mountinfo";
const MAX_INODES: u64 = 2_000_000;
/// Below the deadline of a kind.
const MAX_TIME: Duration = Duration::from_secs(240);
/// Most entries of a list.
const MAX_ENTRIES: usize = 1000;
/// Where other systems lie: their programs and accounts are not those of this one.
const OTHER_SYSTEMS: [&str; 9] = [
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/lib/lxc",
    "/var/lib/lxd",
    "/var/lib/machines",
    "/var/lib/rancher",
    "/var/snap/lxd",
];

fn collect(reading: &mut Reading<'_>) -> Result<FileWalk, Failure> {
    let (bounds, left_out) = bounds(reading)?;
    let owners = Owners::read(reading);
    let mut census = Census::default();
    let walked = reading.walk(&bounds, &mut |found| census.add(found, owners.as_ref()))?;
    let is_whole = !walked.truncated && !walked.incomplete;
    let mut set_id = census.set_id.into_values().collect::<Vec<_>>();
    let is_known = packages::name(reading, &mut set_id);
    let cut = [
        ("set_id", census.set_id_cut),
        ("unowned", census.unowned.cut),
        ("world_writable_dirs_no_sticky", census.directories.cut),
        ("world_writable_files", census.files.cut),
    ];
    reading.gaps([
        ("set_id", !is_whole || census.unclear),
        ("set_id.packaged", !is_known),
        ("world_writable_files", !is_whole),
        ("world_writable_dirs_no_sticky", !is_whole),
        ("unowned", !is_whole || owners.is_none()),
    ]);
    // A part of a list is no list.
    Ok(FileWalk {
        truncated: walked.truncated,
        left_out,
        set_id: (is_whole && !census.unclear).then_some(set_id),
        world_writable_files: is_whole.then(|| census.files.into_list()),
        world_writable_dirs_no_sticky: is_whole.then(|| census.directories.into_list()),
        unowned: (is_whole && owners.is_some()).then(|| census.unowned.into_list()),
        cut: cut.iter().filter(|(_, cut)| *cut).map(|(name, _)| (*name).to_owned()).collect(),
    })
}

/// Where the walk goes: a mount that is not local is not even touched, for a server that is gone
/// would hold whoever asks. With `--root` the walk itself sees what a directory lies on.
fn bounds(reading: &mut Reading<'_>) -> Result<(Bounds, Vec<String>), Failure> {
    let mut bounds = Bounds {
        max_inodes: MAX_INODES,
        max_time: MAX_TIME,
        starts: Vec::new(),
        closed: BTreeSet::new(),
    };
    if reading.is_live() {
        let text = reading.text(MOUNTS)?;
        let mounts = mounts::parse(&text).map_err(|line| {
            reading.malformed(MOUNTS, format!("line {line}: not a mount"));
            Failure(Status::ParseError)
        })?;
        // The last one at a place hides the others.
        let places: BTreeMap<&str, &Mount> =
            mounts.iter().map(|mount| (mount.target.as_str(), mount)).collect();
        if places.get("/").is_some_and(|root| storage::is_network(root)) {
            return Err(Failure(Status::Unsupported));
        }
        let foreign =
            |mount: &Mount| mount.target != "/" && !storage::is_local(mount) && !is_layer(mount);
        let closed = places.values().filter(|mount| foreign(mount));
        bounds.closed = closed.map(|mount| mount.target.clone()).collect();
        let hidden = places.values().filter(|mount| is_layer(mount) || is_hidden(mount, &places));
        bounds.starts = hidden.map(|mount| mount.target.clone()).collect();
    }
    let mut left_out = Vec::new();
    for path in OTHER_SYSTEMS {
        match reading.lstat(path) {
            Ok(_) => left_out.push(path.to_owned()),
            Err(ReadError::Absent) => {}
            Err(error) => reading.failed(path, error),
        }
        bounds.closed.insert(path.to_owned());
    }
    bounds.starts.retain(|start| {
        let is_within = |path: &str| start.strip_prefix(path).is_some_and(is_below);
        !OTHER_SYSTEMS.iter().any(|path| is_within(path))
    });
    Ok((bounds, left_out))
}

/// Whether a mount lays something over directories of this system, as over /usr or /etc. Those of
/// containers lie below /run or where other systems do.
fn is_layer(mount: &Mount) -> bool {
    let places = OTHER_SYSTEMS.into_iter().chain(["/run"]);
    let is_elsewhere =
        |place: &str| mount.target.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'));
    mount.target != "/" && storage::is_overlay(mount) && !places.into_iter().any(is_elsewhere)
}

fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// Whether a local mount lies below one that the walk does not enter, and is no part of the
/// kernel's own trees.
fn is_hidden(mount: &Mount, places: &BTreeMap<&str, &Mount>) -> bool {
    let within =
        |above: &str| mount.target.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
    let above = places
        .values()
        .any(|other| other.target != "/" && within(&other.target) && !storage::is_local(other));
    storage::is_local(mount) && above && !within("/proc") && !within("/sys") && !within("/dev")
}

/// What the walk is for.
#[derive(Default)]
struct Census {
    set_id: BTreeMap<Vec<u8>, SetId>,
    set_id_cut: bool,
    /// A capability that is of no known form.
    unclear: bool,
    files: Paths,
    directories: Paths,
    unowned: Paths,
}

impl Census {
    fn add(&mut self, found: &Found<'_>, owners: Option<&Owners>) {
        let meta = &found.meta;
        if meta.kind == FileKind::File {
            self.program(found);
        }
        if meta.has(0o002) {
            match meta.kind {
                FileKind::File => self.files.add(found.path),
                FileKind::Directory if !meta.has(0o1000) => self.directories.add(found.path),
                // Links have no mode of their own; devices and sockets are not files.
                _ => {}
            }
        }
        let of_same = |above: &&Meta| (above.uid, above.gid) == (meta.uid, meta.gid);
        if let Some(owners) = owners
            && !owners.know(found.path, meta)
            && found.parent.filter(of_same).is_none()
        {
            self.unowned.add(found.path);
        }
    }

    fn program(&mut self, found: &Found<'_>) {
        let (setuid, setgid) = (found.meta.has(0o4000), found.meta.has(0o2000));
        let capabilities = match found.capability.as_deref().map(capability::names) {
            None => Vec::new(),
            Some(Some(names)) => names,
            Some(None) => {
                self.unclear = true;
                Vec::new()
            }
        };
        if !setuid && !setgid && capabilities.is_empty() {
            return;
        }
        let program = SetId {
            path: passwd::shown(found.path),
            uid: i64::from(found.meta.uid),
            gid: i64::from(found.meta.gid),
            setuid,
            setgid,
            capabilities,
            packaged: None,
            package: None,
        };
        self.set_id.insert(found.path.to_vec(), program);
        if self.set_id.len() > MAX_ENTRIES {
            self.set_id.pop_last();
            self.set_id_cut = true;
        }
    }
}

/// The first paths, in the order of bytes.
#[derive(Default)]
struct Paths {
    paths: BTreeSet<Vec<u8>>,
    cut: bool,
}

impl Paths {
    fn add(&mut self, path: &[u8]) {
        self.paths.insert(path.to_vec());
        if self.paths.len() > MAX_ENTRIES {
            self.paths.pop_last();
            self.cut = true;
        }
    }

    fn into_list(self) -> Vec<String> {
        self.paths.iter().map(|path| passwd::shown(path)).collect()
    }
}
