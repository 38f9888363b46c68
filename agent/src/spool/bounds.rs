//! The spool's bounds: what goes when it is full or old, and the account of it.

use super::kept::ages;
use super::{Key, Spool, SpoolError, at};
use evidence::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How much the spool may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Check-ins and objects together, in bytes.
    pub max_size: u64,
    /// Facts that only older check-ins need are dropped. Age counts from the newest check-in.
    pub max_age: Duration,
}

/// What never reached the collector. The file `dropped.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Facts that the bounds took.
    pub facts: u64,
    /// Their size on disk.
    pub bytes: u64,
    /// Objects that the collector wanted and the spool did not have.
    pub lost: u64,
    /// When something was last dropped, milliseconds since the epoch; 0 if never.
    pub last_ms: i64,
}

impl Dropped {
    pub(crate) const FILE: &str = "dropped.json";

    /// The account in a spool directory. One that cannot be read begins anew.
    pub fn read(spool: &Path) -> Self {
        let bytes = std::fs::read(spool.join(Self::FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

impl Spool {
    /// Drops facts until the spool is within its bounds, or nothing more may go.
    pub(super) fn bound(&mut self, now_ms: i64) -> Result<(), SpoolError> {
        let most = i64::try_from(self.limits.max_age.as_millis()).unwrap_or(i64::MAX);
        let too_old: BTreeSet<_> =
            ages(&self.queue).filter(|(_, age_ms)| *age_ms > most).map(|(key, _)| key).collect();
        if self.size() <= self.limits.max_size && too_old.is_empty() {
            return Ok(());
        }
        self.collect_garbage()?;
        // What the collector has already goes first: nothing is lost with it.
        while self.size() > self.limits.max_size && !self.kept.is_empty() {
            self.forget(self.kept.len().div_ceil(4))?;
            self.collect_garbage()?;
        }
        let before = self.dropped.clone();
        for (id, newest) in self.droppable() {
            if !too_old.contains(&newest) && self.size() <= self.limits.max_size {
                break;
            }
            self.dropped.facts += 1;
            self.dropped.bytes += self.objects.size(&id).unwrap_or(0);
            self.objects.remove(&id)?;
        }
        if self.dropped != before {
            self.dropped.last_ms = now_ms;
            self.write_dropped()?;
            let facts = self.dropped.facts - before.facts;
            let bytes = self.dropped.bytes - before.bytes;
            tracing::warn!(
                facts,
                bytes,
                "the spool is past its bounds: facts of old check-ins dropped; the collector is told with them"
            );
        }
        if self.size() > self.limits.max_size {
            let (bytes, max_bytes) = (self.size(), self.limits.max_size);
            tracing::warn!(
                bytes,
                max_bytes,
                "the spool holds more than its bound: check-ins are kept"
            );
        }
        Ok(())
    }

    pub(super) fn write_dropped(&self) -> Result<(), SpoolError> {
        let path = self.directory.join(Dropped::FILE);
        let bytes = serde_json::to_vec(&self.dropped).map_err(io::Error::other);
        self.write(&path, &bytes.map_err(at(&path))?)
    }

    fn size(&self) -> u64 {
        let check_ins = self.queue.values().chain(self.kept.values());
        self.objects.total() + check_ins.map(|entry| entry.length).sum::<u64>()
    }

    /// Facts that may go, each with the newest check-in that needs it; oldest first.
    fn droppable(&mut self) -> Vec<(Digest, Key)> {
        let current = self.current.as_ref().map(|current| current.manifest);
        let kept: BTreeSet<_> =
            current.and_then(|id| self.facts(&id)).unwrap_or_default().into_iter().collect();
        let entries: Vec<_> =
            self.queue.iter().map(|(key, entry)| (*key, entry.manifest)).collect();
        let mut newest = BTreeMap::new();
        for (key, manifest) in entries {
            for id in self.facts(&manifest).unwrap_or_default() {
                newest.insert(id, key);
            }
        }
        newest.retain(|id, _| !kept.contains(id) && self.objects.size(id).is_some());
        let mut found: Vec<_> = newest.into_iter().collect();
        found.sort_by_key(|(id, key)| (*key, *id));
        found
    }
}
