//! Changes that should not wait for the schedule: accounts, sudo, ssh and keys are gathered soon
//! after one of their files changes (inotify(7)).
//!
//! Directories are watched, not files: an editor, `useradd` and a package manager put a new file
//! in the place of the old one, and a watch on the file would stay with the old one. A directory
//! that is replaced itself is seen by the watch on its parent, and watched anew.
//!
//! A change only ever makes a kind due earlier. Where nothing can be watched, the schedule alone
//! does the work.

mod targets;

use crate::clock::Clock;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use targets::Target;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

/// How long events are left to gather in the kernel: a file that changes all the time wakes the
/// agent this often and no more.
const REST: Duration = Duration::from_secs(1);
/// A file that never comes to rest is gathered after this many times `settle`.
const MOST_SETTLES: u32 = 5;
/// Room for some dozens of events.
const BUFFER_BYTES: usize = 4096;

/// How soon a change is told.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Quiet after the last change before a kind is gathered.
    pub settle: Duration,
    /// Shortest time between two check-ins that changes caused.
    pub at_most_every: Duration,
}

/// What is watched, and what changed.
pub struct Watch {
    root: PathBuf,
    kinds: BTreeSet<String>,
    pace: Pace,
    clock: Clock,
    /// None where nothing can be watched.
    inotify: Option<AsyncFd<OwnedFd>>,
    directories: BTreeMap<i32, Directory>,
    /// What could not be watched and was said.
    said: BTreeSet<PathBuf>,
    changed: Changed,
}

/// A watched directory.
#[derive(Debug, Default, PartialEq, Eq)]
struct Directory {
    /// The kinds that each name in it is for; the empty name stands for every name.
    names: BTreeMap<Vec<u8>, BTreeSet<&'static str>>,
    /// Names of directories in it that are watched, or would be if they were there.
    children: BTreeMap<Vec<u8>, BTreeSet<&'static str>>,
}

#[derive(Debug, Default)]
struct Changed {
    kinds: BTreeSet<&'static str>,
    first: Option<Instant>,
    last: Option<Instant>,
    /// When changes caused a check-in.
    told: Option<Instant>,
    rest_until: Option<Instant>,
}

impl Watch {
    /// Watches the files of `kinds` below `root`. Needs a runtime.
    pub fn start(root: &Path, kinds: &[String], pace: Pace, clock: Clock) -> Self {
        let mut watch = Self {
            root: root.to_owned(),
            kinds: kinds.iter().cloned().collect(),
            pace,
            clock,
            inotify: open(),
            directories: BTreeMap::new(),
            said: BTreeSet::new(),
            changed: Changed::default(),
        };
        watch.arm();
        watch
    }

    /// Watches nothing.
    pub fn nothing(clock: Clock) -> Self {
        Self {
            root: PathBuf::new(),
            kinds: BTreeSet::new(),
            pace: Pace { settle: Duration::ZERO, at_most_every: Duration::ZERO },
            clock,
            inotify: None,
            directories: BTreeMap::new(),
            said: BTreeSet::new(),
            changed: Changed::default(),
        }
    }

    /// When a check-in is due because something changed.
    pub fn due_at(&self) -> Option<Instant> {
        let (first, last) = (self.changed.first?, self.changed.last?);
        let of = |time: Duration| self.clock.real(time);
        let settled = last + of(self.pace.settle);
        let patient = first + of(self.pace.settle.saturating_mul(MOST_SETTLES));
        let spaced = self.changed.told.map(|told| told + of(self.pace.at_most_every));
        Some(settled.min(patient).max(spaced.unwrap_or(settled.min(patient))))
    }

    /// The kinds whose files changed, if it is time to tell: they are due, once.
    pub fn take(&mut self) -> BTreeSet<&'static str> {
        let now = Instant::now();
        if self.due_at().is_none_or(|due_at| due_at > now) {
            return BTreeSet::new();
        }
        (self.changed.first, self.changed.last) = (None, None);
        self.changed.told = Some(now);
        std::mem::take(&mut self.changed.kinds)
    }

    /// Notes kinds that were taken and could not be checked in.
    pub fn put_back(&mut self, kinds: BTreeSet<&'static str>) {
        if !kinds.is_empty() {
            let now = Instant::now();
            self.changed.kinds.extend(kinds);
            (self.changed.first, self.changed.last) = (Some(now), Some(now));
        }
    }

    /// Waits for changes and notes them. Nothing is lost if the future is dropped.
    pub async fn noted(&mut self) {
        if let Some(until) = self.changed.rest_until {
            sleep_until(until).await;
        }
        let Some(inotify) = &self.inotify else { return std::future::pending().await };
        let events = match inotify.readable().await {
            Ok(mut ready) => {
                let events = read(inotify.get_ref());
                ready.clear_ready();
                events
            }
            Err(error) => Err(error),
        };
        self.changed.rest_until = Some(self.clock.after(REST));
        match events {
            Ok(events) => self.note(events),
            Err(error) => {
                tracing::warn!(%error, "files are no longer watched: the schedule alone is kept");
                self.inotify = None;
            }
        }
    }

    /// Watches what is there now: directories come and go, and so do people. What is watched
    /// already stays so.
    pub fn arm(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let mut directories: BTreeMap<i32, Directory> = BTreeMap::new();
        let mut unwatched = Vec::new();
        for target in targets::of(&self.root, &self.kinds) {
            watch_target(inotify.get_ref(), &target, &mut directories, &mut unwatched);
        }
        for gone in self.directories.keys().filter(|wd| !directories.contains_key(wd)) {
            // Gone by itself, if the directory is: then this fails.
            let _ = inotify::remove_watch(inotify.get_ref(), *gone);
        }
        self.directories = directories;
        unwatched.retain(|(path, _)| self.said.insert(path.clone()));
        if let Some((path, error)) = unwatched.first() {
            let (path, directories) = (path.display(), unwatched.len());
            tracing::warn!(
                directories, first = %path, %error,
                "some directories cannot be watched: their changes wait for the schedule"
            );
        }
    }

    fn note(&mut self, events: Vec<Seen>) {
        let (mut kinds, mut arm) = (BTreeSet::new(), false);
        for Seen { wd, flags, name } in events {
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                kinds.extend(self.directories.values().flat_map(Directory::kinds));
                arm = true;
                continue;
            }
            let Some(directory) = self.directories.get(&wd) else { continue };
            let ends = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED;
            if flags.intersects(ends | ReadFlags::UNMOUNT) {
                kinds.extend(directory.kinds());
                arm = true;
                continue;
            }
            if let Some(found) = directory.children.get(&name) {
                kinds.extend(found);
                arm = true;
            }
            let named = [directory.names.get(&name), directory.names.get(b"".as_slice())];
            kinds.extend(named.into_iter().flatten().flatten());
        }
        if arm {
            self.arm();
        }
        if !kinds.is_empty() {
            // A new account has a home, and keys.
            if kinds.contains("accounts") && self.kinds.contains("authorized_keys") && !arm {
                self.arm();
            }
            tracing::debug!(?kinds, "files changed");
            let now = Instant::now();
            self.changed.kinds.extend(kinds);
            self.changed.first.get_or_insert(now);
            self.changed.last = Some(now);
        }
    }
}

impl Directory {
    fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.names.values().chain(self.children.values()).flatten().copied()
    }
}

/// One event, out of the buffer.
struct Seen {
    wd: i32,
    flags: ReadFlags,
    name: Vec<u8>,
}

// The constructor that takes its place is unsafe for what it cannot know: that nobody else closes
// the descriptor. This one is owned, and closed with the AsyncFd.
#[allow(deprecated)]
fn open() -> Option<AsyncFd<OwnedFd>> {
    let opened = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
    match opened.map_err(std::io::Error::from).and_then(AsyncFd::new) {
        Ok(inotify) => Some(inotify),
        Err(error) => {
            tracing::warn!(%error, "files cannot be watched: the schedule alone is kept");
            None
        }
    }
}

/// Watches the target's directory, and above it every one in which it could be replaced.
fn watch_target(
    inotify: &OwnedFd,
    target: &Target,
    directories: &mut BTreeMap<i32, Directory>,
    unwatched: &mut Vec<(PathBuf, Errno)>,
) {
    for (path, child) in target.places() {
        let wd = match inotify::add_watch(inotify, &path, mask(child.is_none())) {
            Ok(wd) => wd,
            // It may come: its parent is watched.
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(error) => {
                unwatched.push((path, error));
                continue;
            }
        };
        let directory = directories.entry(wd).or_default();
        match child {
            Some(child) => {
                directory.children.entry(bytes(&child)).or_default().insert(target.kind);
            }
            None if target.names.is_empty() => {
                directory.names.entry(vec![]).or_default().insert(target.kind);
            }
            None => {
                for name in target.names {
                    let kinds = directory.names.entry(name.as_bytes().to_vec()).or_default();
                    kinds.insert(target.kind);
                }
            }
        }
    }
}

/// What is asked of a directory: of one with watched files everything that changes them, of one
/// above it only that names come and go. One that is both gets both (`MASK_ADD`).
fn mask(files: bool) -> WatchFlags {
    let names = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM;
    let ends = WatchFlags::DELETE | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
    let how = WatchFlags::ONLYDIR | WatchFlags::MASK_ADD;
    let contents = WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB;
    if files { names | ends | how | contents } else { names | ends | how }
}

/// Everything that waits.
fn read(inotify: &OwnedFd) -> std::io::Result<Vec<Seen>> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut seen = Vec::new();
    loop {
        match reader.next() {
            Ok(event) => seen.push(Seen {
                wd: event.wd(),
                flags: event.events(),
                name: event.file_name().map(|name| name.to_bytes().to_vec()).unwrap_or_default(),
            }),
            Err(Errno::AGAIN) => return Ok(seen),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn bytes(name: &OsStr) -> Vec<u8> {
    name.as_bytes().to_vec()
}

#[cfg(test)]
mod tests;
