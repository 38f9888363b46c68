//! What a running agent remembers of files that stay as they are, so that what did not change costs
//! a look and no reading.
//!
//! A file is the same while its [`Stamp`] is: device, number, size, and the times of its contents
//! and of its attributes. A program may set the time of the contents back, but that of the
//! attributes (ctime) the kernel sets with every change. This holds on file systems of the kernel
//! itself only ([`Keeps`]), and not within a tick of its clock, nor for pages of a file that
//! somebody maps and writes until the kernel writes them back: what changed in the minute before a
//! collection is never remembered. Who sets the machine's clock back to the nanosecond, or writes to
//! the disk below the file system, can still keep a stamp; so nothing is remembered for a whole day.
//!
//! Nothing is kept of what could not be read, and nothing of one machine or root serves another: a
//! memory belongs to one [`super::Host`], and ends with the process.

use super::{Host, ReadError, Stamp};
use crate::clock::Moment;
use evidence::Digest;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long before a collection the last change must lie. The kernel writes mapped pages back after
/// 30 seconds, looking every 5, unless it is told otherwise; its clock ticks every 10 ms at most.
const SETTLED_S: i64 = 60;
/// What is remembered ends after a time between these, so that not all of it ends at once.
const SHORTEST_S: u64 = 12 * 3600;
const LONGEST_S: u64 = 23 * 3600;
/// Most bytes of a memory, by its own count.
const MAX_BYTES: usize = 2 << 20;
/// What an entry takes beside its own bytes, and a path beside its letters.
const ENTRY_BYTES: usize = 96;
const PATH_BYTES: usize = 96;

/// How a running agent tells the time to its memory.
pub type Now = Box<dyn Fn() -> Moment + Send + Sync>;

/// Of one host.
pub(super) struct Memory {
    now: Now,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    entries: HashMap<Key, Entry>,
    bytes: usize,
}

/// What was computed, and of which file or for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

struct Entry {
    /// By the clock that nobody sets.
    until_s: u64,
    value: Box<[u8]>,
    /// What it rests on; empty where the key says it.
    rests_on: Box<[Looked]>,
}

/// What a path led to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looked {
    path: Box<str>,
    follow: bool,
    /// Half of a SHA-256 of the stamp; `None` for nothing.
    stamp: Option<[u8; 16]>,
}

/// What a file system keeps truthfully.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Keeps {
    /// Every change of contents and attributes sets a time.
    All,
    /// Attributes do; a mapped page may be written without.
    Attributes,
    Nothing,
}

impl Keeps {
    /// By the magic number of statfs(2). What is not known keeps nothing: network file systems show
    /// times of another machine, and FUSE any that its program likes.
    pub(super) fn of(magic: u64) -> Self {
        match magic & 0xffff_ffff {
            // ext2 to ext4, XFS, btrfs, F2FS, bcachefs, ZFS.
            0xef53 | 0x5846_5342 | 0x9123_683e | 0xf2f5_2010 | 0xca45_1a4e | 0x2fc1_2fc1 => {
                Self::All
            }
            // Layers over others, and images: squashfs, EROFS.
            0x794c_7630 | 0x7371_7368 | 0xe0f5_e1e2 => Self::All,
            // tmpfs.
            0x0102_1994 => Self::Attributes,
            _ => Self::Nothing,
        }
    }
}

/// What a part of a collection looked at.
#[derive(Debug, Default)]
pub(super) struct Trace {
    looked: BTreeMap<(String, bool), Option<Stamp>>,
    /// It rests on something that no stamp tells of.
    is_open: bool,
}

impl Trace {
    /// Whatever was asked cannot be asked again by looking.
    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    /// Notes what a path led to.
    pub(super) fn add(&mut self, path: &str, follow: bool, stamp: Option<Stamp>) {
        let before = self.looked.insert((path.to_owned(), follow), stamp);
        // It changed meanwhile.
        self.is_open |= before.is_some_and(|before| before != stamp);
    }

    fn rests_on(self, begun: Moment) -> Option<Box<[Looked]>> {
        let is_settled = |stamp: &Option<Stamp>| stamp.is_none_or(|stamp| settled(stamp, begun));
        if self.is_open || self.looked.is_empty() || !self.looked.values().all(is_settled) {
            return None;
        }
        let looked = self.looked.into_iter();
        Some(
            looked
                .map(|((path, follow), stamp)| {
                    let stamp = stamp.map(half_of);
                    Looked { path: path.into(), follow, stamp }
                })
                .collect(),
        )
    }
}

/// Whether a file has been left alone for long enough before a collection began.
fn settled(stamp: Stamp, begun: Moment) -> bool {
    stamp.changed_s().saturating_add(SETTLED_S) <= begun.wall_s
}

/// Half of a SHA-256: enough that no two are equal by chance, and there are thousands of them.
fn half(text: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&Digest::of(text).0[..16]);
    half
}

fn half_of(stamp: Stamp) -> [u8; 16] {
    half(&stamp.bytes().collect::<Vec<_>>())
}

impl Key {
    pub(super) fn of_answer(what: &str) -> Self {
        Self(half(format!("answer {what}").as_bytes()))
    }

    pub(super) fn of_file(what: &str, stamp: Stamp) -> Self {
        let mut text = format!("file {what} ").into_bytes();
        text.extend(stamp.bytes());
        Self(half(&text))
    }

    /// How long a value may be given again.
    fn lasts_s(self) -> u64 {
        let number = u64::from(u16::from_be_bytes([self.0[0], self.0[1]]));
        SHORTEST_S + number * (LONGEST_S - SHORTEST_S) / u64::from(u16::MAX)
    }
}

impl Memory {
    pub(super) fn new(now: Now) -> Self {
        Self { now, shelf: Mutex::default() }
    }

    pub(super) fn now(&self) -> Moment {
        (self.now)()
    }

    /// What was computed of a file with this stamp.
    pub(super) fn of_file(&self, key: Key, begun: Moment) -> Option<Vec<u8>> {
        let shelf = self.shelf();
        let entry = shelf.entries.get(&key).filter(|entry| begun.up_s < entry.until_s)?;
        Some(entry.value.to_vec())
    }

    pub(super) fn keep_of_file(&self, key: Key, stamp: Stamp, value: &[u8], begun: Moment) {
        if settled(stamp, begun) {
            self.keep(key, value, Box::default(), begun);
        }
    }

    /// An answer, if everything that it rests on is still what it was on this host.
    pub(super) fn answer(&self, key: Key, host: &Host, begun: Moment) -> Option<Vec<u8>> {
        let mut shelf = self.shelf();
        let entry = shelf.entries.get(&key)?;
        let mut devices = Devices::default();
        let is_same = begun.up_s < entry.until_s
            && entry.rests_on.iter().all(|looked| looked.is_same(host, &mut devices));
        if !is_same {
            shelf.forget(key);
            return None;
        }
        Some(entry.value.to_vec())
    }

    pub(super) fn keep_answer(&self, key: Key, trace: Trace, value: &[u8], begun: Moment) {
        if let Some(rests_on) = trace.rests_on(begun) {
            self.keep(key, value, rests_on, begun);
        }
    }

    fn keep(&self, key: Key, value: &[u8], rests_on: Box<[Looked]>, begun: Moment) {
        let until_s = begun.up_s.saturating_add(key.lasts_s());
        let entry = Entry { until_s, value: value.into(), rests_on };
        let mut shelf = self.shelf();
        shelf.forget(key);
        if shelf.bytes + entry.bytes() > MAX_BYTES {
            shelf.forget_ended(begun.up_s);
        }
        if shelf.bytes + entry.bytes() <= MAX_BYTES {
            shelf.bytes += entry.bytes();
            shelf.entries.insert(key, entry);
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn forget(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.bytes -= entry.bytes();
        }
    }

    fn forget_ended(&mut self, now_s: u64) {
        self.entries.retain(|_, entry| now_s < entry.until_s);
        self.bytes = self.entries.values().map(Entry::bytes).sum();
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let paths = self.rests_on.iter().map(|looked| looked.path.len() + PATH_BYTES);
        ENTRY_BYTES + self.value.len() + paths.sum::<usize>()
    }
}

impl Looked {
    fn is_same(&self, host: &Host, devices: &mut Devices) -> bool {
        let now = if self.follow { host.stat(&self.path) } else { host.lstat(&self.path) };
        match (now, self.stamp) {
            (Err(ReadError::Absent), None) => true,
            // A file system of another sort may have taken the place, with the same numbers.
            (Ok(meta), Some(stamp)) => {
                half_of(meta.stamp) == stamp
                    && devices.keep(host, &self.path, self.follow, meta.stamp) != Keeps::Nothing
            }
            _ => false,
        }
    }
}

/// What the file systems keep that a collection came by. Not for longer: numbers are given anew.
#[derive(Debug, Default)]
pub(super) struct Devices(BTreeMap<u64, Keeps>);

impl Devices {
    pub(super) fn keep(&mut self, host: &Host, path: &str, follow: bool, stamp: Stamp) -> Keeps {
        let device = stamp.device();
        if let Some(keeps) = self.0.get(&device) {
            return *keeps;
        }
        match host.file_system(path, follow) {
            Some((found, magic)) if found == device => {
                *self.0.entry(device).or_insert(Keeps::of(magic))
            }
            _ => Keeps::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(up_s: u64) -> Moment {
        Moment { wall_s: 1_000_000, up_s }
    }

    fn number(key: u64) -> Key {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&key.to_be_bytes());
        Key(bytes)
    }

    #[test]
    fn every_key_ends_within_a_day_and_not_all_at_once() {
        let lasts: Vec<_> = (0..256_u64).map(|n| number(n << 56).lasts_s()).collect();
        assert!(lasts.iter().all(|s| (SHORTEST_S..=LONGEST_S).contains(s)), "{lasts:?}");
        let hours: std::collections::BTreeSet<_> = lasts.iter().map(|s| s / 3600).collect();
        assert!(hours.len() >= 11, "{hours:?}");
    }

    #[test]
    fn a_memory_stays_within_its_bytes_and_makes_room_of_what_has_ended() {
        let memory = Memory::new(Box::new(|| moment(0)));
        let value = vec![0; 10_000];
        for key in 0..1000 {
            memory.keep(number(key), &value, Box::default(), moment(0));
        }
        let count = |shelf: &Shelf| (shelf.entries.len(), shelf.bytes);
        let (kept, bytes) = count(&memory.shelf());
        assert!(bytes <= MAX_BYTES && kept > 100, "{kept} entries, {bytes} bytes");
        assert_eq!(memory.of_file(number(999), moment(1)), None);
        memory.keep(number(999), &value, Box::default(), moment(LONGEST_S));
        assert_eq!(memory.of_file(number(999), moment(LONGEST_S + 1)).as_ref(), Some(&value));
        let shelf = memory.shelf();
        assert_eq!(shelf.bytes, shelf.entries.values().map(Entry::bytes).sum::<usize>());
    }

    #[test]
    fn only_file_systems_of_the_kernel_itself_are_believed() {
        assert_eq!(Keeps::of(0xef53), Keeps::All);
        assert_eq!(Keeps::of(0x0102_1994), Keeps::Attributes);
        // NFS, FUSE, proc, sysfs, 9p.
        for magic in [0x6969, 0x6573_5546, 0x9fa0, 0x6265_6572, 0x0102_1997] {
            assert_eq!(Keeps::of(magic), Keeps::Nothing, "{magic:x}");
        }
    }
}
