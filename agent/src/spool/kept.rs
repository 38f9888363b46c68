//! What the collector acknowledged, kept a while: a collector that was restored from an older copy
//! can be given again what it forgot.
//!
//! Kept check-ins lie in `spool/kept/`; the manifests and facts that they name stay in
//! `spool/objects/`, beside those of check-ins that wait, and go when no check-in names them.
//! Whatever waits comes first: when the spool is full, kept check-ins go before any facts do.

use super::{Entry, Key, Spool, SpoolError, at, files, move_to_damaged};
use evidence::{Digest, SignedCheckIn};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest step between two check-ins that counts towards an age. A clock that jumps by a year and
/// back makes nothing a year older; a host that slept for a year keeps a little longer.
const LONGEST_STEP_MS: i64 = 86_400_000;
/// What a small file takes on disk, in bytes.
const BLOCK_BYTES: u64 = 4096;

/// How much of what was acknowledged is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    pub age: Duration,
    /// Bytes on disk: check-ins, and the objects that no waiting check-in names.
    pub size: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { age: Duration::from_secs(14 * 86_400), size: 64 << 20 }
    }
}

/// The place of a kept check-in: oldest chain first, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Key);

impl Spool {
    /// Sets how much is kept.
    pub fn keep(&mut self, keep: Keep) -> Result<(), SpoolError> {
        self.keep = keep;
        self.forget_old()
    }

    /// Acknowledged check-ins that are still here, in the order they were made.
    pub fn kept(&self) -> Vec<Place> {
        self.kept.keys().copied().map(Place).collect()
    }

    /// A kept check-in; none if it cannot be read back.
    pub fn kept_check_in(&self, place: Place) -> Option<SignedCheckIn> {
        let bytes = std::fs::read(self.kept_path(place.0)).ok()?;
        SignedCheckIn::from_bytes(&bytes).ok()
    }

    /// Moves a check-in that left the queue among the kept ones.
    pub(super) fn keep_check_in(&mut self, key: Key) -> Result<(), SpoolError> {
        let (from, to) = (self.path(key), self.kept_path(key));
        match self.disk.rename(&from, &to) {
            Ok(()) => {
                if let Some(entry) = self.queue.get(&key) {
                    self.kept.insert(key, *entry);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::warn!(check_in = key.file_name(), "gone before it could be kept");
            }
            Err(error) => return Err(at(&from)(error)),
        }
        self.queue.remove(&key);
        self.forget_old()
    }

    pub(super) fn load_kept(&mut self) -> Result<(), SpoolError> {
        let directory = self.directory.join("kept");
        for path in files(&directory, "checkin")? {
            let bytes = std::fs::read(&path).map_err(at(&path))?;
            match SignedCheckIn::from_bytes(&bytes) {
                Ok(signed) if Key::parse(&path) == Some(Key::of(&signed)) => {
                    self.kept.insert(Key::of(&signed), Entry::of(&signed, bytes.len()));
                }
                Ok(_) => self.damaged_kept(&path, "its name is not that of its contents")?,
                Err(error) => self.damaged_kept(&path, &error.to_string())?,
            }
        }
        Ok(())
    }

    fn damaged_kept(&self, path: &std::path::Path, reason: &str) -> Result<(), SpoolError> {
        move_to_damaged(&*self.disk, &self.directory, path, reason)
    }

    /// Forgets what is older than is kept, counted from the newest kept check-in.
    fn forget_old(&mut self) -> Result<(), SpoolError> {
        let most = i64::try_from(self.keep.age.as_millis()).unwrap_or(i64::MAX);
        if self.keep.age.is_zero() {
            return self.forget(self.kept.len());
        }
        let old = self.kept.len() - ages(&self.kept).take_while(|(_, age)| *age <= most).count();
        self.forget(old)
    }

    /// Forgets the `n` oldest. Their objects go with the next garbage.
    pub(super) fn forget(&mut self, n: usize) -> Result<(), SpoolError> {
        let oldest: Vec<_> = self.kept.keys().copied().take(n).collect();
        for key in oldest {
            let path = self.kept_path(key);
            self.disk.remove(&path).map_err(at(&path))?;
            self.kept.remove(&key);
        }
        Ok(())
    }

    /// Objects that kept check-ins need beside `waiting`, within the bound of what is kept: the
    /// oldest check-ins go until it is met.
    pub(super) fn needed_by_kept(
        &mut self,
        waiting: &BTreeSet<Digest>,
    ) -> Result<BTreeSet<Digest>, SpoolError> {
        loop {
            let manifests = self.kept.values().map(|entry| entry.manifest).collect();
            let needed = self.needed_by(&manifests);
            let own = needed.difference(waiting).filter_map(|id| self.objects.size(id));
            let bytes = own.sum::<u64>() + self.kept.len() as u64 * BLOCK_BYTES;
            if bytes <= self.keep.size || self.kept.is_empty() {
                return Ok(needed);
            }
            self.forget(self.kept.len().div_ceil(8))?;
        }
    }

    fn kept_path(&self, key: Key) -> std::path::PathBuf {
        self.directory.join("kept").join(key.file_name())
    }
}

/// Check-ins from the newest to the oldest, each with its age in ms against the newest: the sum of
/// the steps between, none below zero and none above a day.
pub(super) fn ages(entries: &BTreeMap<Key, Entry>) -> impl Iterator<Item = (Key, i64)> + '_ {
    let mut later_ms = None;
    let mut age_ms = 0_i64;
    entries.iter().rev().map(move |(key, entry)| {
        let step = later_ms.map_or(0, |later: i64| later.saturating_sub(entry.at_ms));
        age_ms = age_ms.saturating_add(step.clamp(0, LONGEST_STEP_MS));
        later_ms = Some(entry.at_ms);
        (*key, age_ms)
    })
}
