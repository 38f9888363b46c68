//! What was signed and not yet acknowledged, on disk.
//!
//! ```text
//! DIR/chain.json                              next seq, prev, last accepted check-in and checkpoint
//! DIR/spool/<chain>-<seq, 12 digits>.checkin  wire bytes of a check-in without a final receipt
//! DIR/spool/objects/<digest>                  zstd of a manifest or of facts
//! DIR/spool/current.json                      which manifest holds now; its objects are kept
//! DIR/spool/dropped.json                      what the bounds took
//! DIR/spool/kept/                             check-ins with their final receipt, for a while
//! DIR/spool/trouble.json                      why shipping fails, while it does
//! DIR/spool/refused/                          what the collector refused, each with its reason
//! DIR/spool/damaged/                          what could not be read back
//! ```
//!
//! **Order of writes.** [`Spool::put`] makes durable, one after the other: the objects, the
//! check-in that names them, `current.json`, `chain.json`. A crash after the objects leaves
//! garbage, which is collected. A crash after the check-in leaves a check-in that `chain.json`
//! does not know: opening the spool takes the higher of the two, so its number is not used again.
//! A check-in leaves the spool only after `chain.json` is past it ([`Spool::accept`] and
//! [`Spool::set_aside`] see to that first), so no number is ever signed twice with different
//! contents, whatever the moment of the crash. `current.json` comes after the check-in: if it is
//! old, its kinds are gathered again, and none is taken for reported that was not.
//!
//! **Bounds.** Facts go first, those needed by the oldest check-ins before the others; check-ins,
//! manifests and what the current manifest names never go. What went is counted and logged.

mod bounds;
mod kept;
mod objects;
mod trouble;

pub use bounds::{Dropped, Limits};
pub use kept::{Keep, Place};
pub use trouble::Trouble;

use crate::durable::{self, Disk};
use crate::identity::{Chain, HealedLog, StateError};
use evidence::checkpoint::TreeHead;
use evidence::key::PublicKey;
use evidence::{ChainId, Digest, Manifest, SignedCheckIn};
use objects::Objects;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Spool {
    disk: Arc<dyn Disk>,
    state: PathBuf,
    directory: PathBuf,
    limits: Limits,
    queue: BTreeMap<Key, Entry>,
    kept: BTreeMap<Key, Entry>,
    keep: Keep,
    objects: Objects,
    /// Facts that a known manifest names.
    manifests: BTreeMap<Digest, Vec<Digest>>,
    current: Option<Current>,
    chain: Chain,
    /// Whether `chain.json` lags behind `chain`.
    chain_unsaved: bool,
    dropped: Dropped,
    trouble: Option<Trouble>,
}

/// A check-in's place: oldest chain first, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    chain: ChainId,
    seq: i64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    manifest: Digest,
    at_ms: i64,
    length: u64,
}

/// The state that was last checked in. The file `current.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    pub manifest: Digest,
    /// Version of the agent that gathered it.
    pub agent: String,
    /// When it was checked in, milliseconds since the epoch.
    pub at_ms: i64,
    /// When each kind was gathered, milliseconds since the epoch.
    pub collected_ms: BTreeMap<String, i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk failed or is full. Nothing that was durable is lost; try again later.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The check-in was not made for the place [`Spool::chain`] gave. A fault of the agent.
    #[error("the check-in does not continue the chain")]
    Misplaced,
}

impl Spool {
    /// Opens the spool of `state`. What cannot be read back is set aside, with a warning.
    /// `fresh` names the chain that is begun if the stored one cannot be continued.
    pub fn open(
        state: &Path,
        disk: Arc<dyn Disk>,
        key: &PublicKey,
        limits: Limits,
        fresh: ChainId,
    ) -> Result<Self, SpoolError> {
        let directory = state.join("spool");
        durable::make_directory(&directory).map_err(at(&directory))?;
        for name in ["kept", "refused", "damaged"] {
            let path = directory.join(name);
            durable::make_directory(&path).map_err(at(&path))?;
        }
        durable::sweep(&directory).map_err(at(&directory))?;
        let chain = read_chain(state, &*disk, &directory, fresh)?;
        let mut spool = Self {
            objects: Objects::open(directory.join("objects"), disk.clone())?,
            dropped: Dropped::read(&directory),
            trouble: Trouble::read(&directory),
            disk,
            state: state.to_owned(),
            directory,
            limits,
            queue: BTreeMap::new(),
            kept: BTreeMap::new(),
            keep: Keep::default(),
            manifests: BTreeMap::new(),
            current: None,
            chain,
            chain_unsaved: false,
        };
        spool.load(key, fresh)?;
        spool.load_kept()?;
        spool.load_current();
        spool.save_chain()?;
        Ok(spool)
    }

    /// The place of the next check-in.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// The current manifest, if it can be read back.
    pub fn current_manifest(&mut self) -> Option<Manifest> {
        let id = self.current.as_ref()?.manifest;
        Manifest::from_bytes(&self.objects.read(&id)?).ok()
    }

    /// How many check-ins wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Keeps a check-in and what it names. When this returns, all of it is durable.
    pub fn put(
        &mut self,
        signed: &SignedCheckIn,
        objects: &[&[u8]],
        current: Current,
    ) -> Result<(), SpoolError> {
        let statement = &signed.check_in;
        let place = (statement.chain, statement.seq, statement.prev);
        if place != (self.chain.chain, self.chain.next_seq, self.chain.prev) {
            return Err(SpoolError::Misplaced);
        }
        for object in objects {
            self.objects.put(object)?;
        }
        let bytes = signed.to_bytes();
        let key = Key { chain: statement.chain, seq: statement.seq };
        self.write(&self.path(key), &bytes)?;
        self.queue.insert(key, Entry::of(signed, bytes.len()));
        self.chain.next_seq = statement.seq + 1;
        self.chain.prev = Some(signed.id());
        self.chain_unsaved = true;
        self.write_current(current)?;
        self.save_chain()?;
        self.bound(statement.at_ms)
    }

    /// The oldest check-in. One that cannot be read back any more is set aside.
    pub fn oldest(&mut self) -> Result<Option<SignedCheckIn>, SpoolError> {
        while let Some((&key, _)) = self.queue.first_key_value() {
            let path = self.path(key);
            match std::fs::read(&path) {
                Ok(bytes) => match SignedCheckIn::from_bytes(&bytes) {
                    Ok(signed) => return Ok(Some(signed)),
                    Err(error) => self.damaged(&path, &error.to_string())?,
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tracing::error!(file = %path.display(), "a check-in is gone from the spool");
                }
                Err(error) => return Err(at(&path)(error)),
            }
            self.save_chain()?;
            self.queue.remove(&key);
        }
        Ok(None)
    }

    /// The zstd bytes of a manifest or facts, if they are here and whole.
    pub fn object(&mut self, id: &Digest) -> Option<Vec<u8>> {
        self.objects.compressed(id)
    }

    /// Facts that the check-in's manifest names; none if that manifest is not here.
    pub fn facts_of(&mut self, signed: &SignedCheckIn) -> Option<Vec<Digest>> {
        self.facts(&signed.check_in.manifest)
    }

    /// Notes that the log holds `signed`. The checkpoint moves on only along a proven line: `head`
    /// was proven to continue the checkpoint that the check-in carried, so it replaces no other.
    pub fn accept(&mut self, signed: &SignedCheckIn, head: TreeHead) -> Result<(), SpoolError> {
        let mut chain = self.chain.clone();
        chain.accepted = Some(signed.id());
        if chain.next_seq == 0 {
            chain.resumes = chain.accepted;
        }
        if chain.checkpoint == signed.check_in.checkpoint {
            chain.checkpoint = Some(head);
        }
        // Only now is it told: one that waits may never arrive.
        let told = chain.healed.iter_mut().filter(|one| Some(one.healed) == signed.check_in.healed);
        told.for_each(|one| one.told = true);
        self.chain_unsaved |= chain != self.chain;
        self.chain = chain;
        self.save_chain()
    }

    /// Notes that the operator stated a break of the log: the head that this host knew gives way to
    /// `head`, for good, and the next check-in says so.
    pub fn heal(&mut self, healed: HealedLog, head: TreeHead) -> Result<(), SpoolError> {
        self.chain.healed.push(healed);
        self.chain.checkpoint = Some(head);
        self.chain_unsaved = true;
        self.save_chain()
    }

    /// Takes an accepted check-in out of the queue: its receipt wants nothing more. It is kept a
    /// while ([`Spool::kept`]).
    pub fn remove(&mut self, signed: &SignedCheckIn) -> Result<(), SpoolError> {
        self.save_chain()?;
        self.keep_check_in(Key::of(signed))
    }

    /// Moves a check-in that the collector refused to `refused/`, with the reason beside it.
    pub fn set_aside(&mut self, signed: &SignedCheckIn, reason: &str) -> Result<(), SpoolError> {
        self.refuse(Key::of(signed), reason)
    }

    /// Ends a chain that the collector does not continue: `fresh` begins if it is the current one,
    /// and what waits of the old one goes to `refused/`.
    pub fn abandon(
        &mut self,
        chain: ChainId,
        reason: &str,
        fresh: ChainId,
    ) -> Result<(), SpoolError> {
        if chain == self.chain.chain {
            self.chain = Chain::start(fresh, Some(&self.chain));
            self.chain_unsaved = true;
        }
        let keys: Vec<_> = self.queue.keys().copied().filter(|key| key.chain == chain).collect();
        keys.into_iter().try_for_each(|key| self.refuse(key, reason))
    }

    /// Counts an object that was wanted and is not here any more.
    pub fn note_lost(&mut self, lost: usize, now_ms: i64) -> Result<(), SpoolError> {
        self.dropped.lost += lost as u64;
        self.dropped.last_ms = now_ms;
        self.write_dropped()
    }

    /// Removes objects that neither a check-in, waiting or kept, nor the current manifest names.
    pub fn collect_garbage(&mut self) -> Result<(), SpoolError> {
        let mut manifests: BTreeSet<_> = self.queue.values().map(|entry| entry.manifest).collect();
        manifests.extend(self.current.as_ref().map(|current| current.manifest));
        let mut needed = self.needed_by(&manifests);
        needed.extend(self.needed_by_kept(&needed)?);
        self.manifests.retain(|manifest, _| needed.contains(manifest));
        self.objects.retain(&needed)
    }

    /// The manifests, and the facts they name as far as they can be read.
    fn needed_by(&mut self, manifests: &BTreeSet<Digest>) -> BTreeSet<Digest> {
        let mut needed = manifests.clone();
        for manifest in manifests {
            needed.extend(self.facts(manifest).unwrap_or_default());
        }
        needed
    }

    fn refuse(&mut self, key: Key, reason: &str) -> Result<(), SpoolError> {
        self.save_chain()?;
        let path = self.path(key);
        let to = self.directory.join("refused").join(key.file_name());
        self.write(&to.with_extension("reason"), reason.as_bytes())?;
        self.disk.rename(&path, &to).map_err(at(&path))?;
        self.queue.remove(&key);
        tracing::error!(check_in = key.file_name(), reason, "check-in set aside in spool/refused");
        Ok(())
    }

    fn load(&mut self, key: &PublicKey, fresh: ChainId) -> Result<(), SpoolError> {
        for path in files(&self.directory, "checkin")? {
            let bytes = std::fs::read(&path).map_err(at(&path))?;
            let place = Key::parse(&path);
            match whole(&bytes, place, key) {
                Ok(signed) => self.admit(&signed, bytes.len()),
                Err(reason) => {
                    let newest = place.is_some_and(|place| {
                        place.chain == self.chain.chain && place.seq >= self.chain.next_seq
                    });
                    if newest {
                        // Its number may be known to the collector and its id is lost.
                        self.chain = Chain::start(fresh, Some(&self.chain));
                        self.chain_unsaved = true;
                        self.save_chain()?;
                    }
                    self.damaged(&path, &reason)?;
                }
            }
        }
        Ok(())
    }

    fn admit(&mut self, signed: &SignedCheckIn, length: usize) {
        let key = Key::of(signed);
        self.queue.insert(key, Entry::of(signed, length));
        if key.chain == self.chain.chain && key.seq >= self.chain.next_seq {
            self.chain.next_seq = key.seq + 1;
            self.chain.prev = Some(signed.id());
            self.chain_unsaved = true;
        }
    }

    /// A `current.json` that cannot be read, or whose manifest is gone, only means that everything
    /// is gathered again.
    fn load_current(&mut self) {
        let bytes = std::fs::read(self.directory.join("current.json")).ok();
        self.current = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if self.current_manifest().is_none() {
            self.current = None;
        }
    }

    fn write_current(&mut self, current: Current) -> Result<(), SpoolError> {
        let path = self.directory.join("current.json");
        let bytes = serde_json::to_vec(&current).map_err(io::Error::other).map_err(at(&path))?;
        self.write(&path, &bytes)?;
        self.current = Some(current);
        Ok(())
    }

    fn save_chain(&mut self) -> Result<(), SpoolError> {
        if self.chain_unsaved {
            let path = self.state.join(Chain::FILE);
            self.write(&path, &self.chain.to_bytes().map_err(at(&path))?)?;
            self.chain_unsaved = false;
        }
        Ok(())
    }

    fn facts(&mut self, manifest: &Digest) -> Option<Vec<Digest>> {
        if let Some(facts) = self.manifests.get(manifest) {
            return Some(facts.clone());
        }
        let bytes = self.objects.read(manifest)?;
        let facts: Vec<_> = Manifest::from_bytes(&bytes).ok()?.facts().collect();
        self.manifests.insert(*manifest, facts.clone());
        Some(facts)
    }

    fn damaged(&self, path: &Path, reason: &str) -> Result<(), SpoolError> {
        move_to_damaged(&*self.disk, &self.directory, path, reason)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
        self.disk.write(path, bytes).map_err(at(path))
    }

    fn path(&self, key: Key) -> PathBuf {
        self.directory.join(key.file_name())
    }
}

impl Key {
    fn of(signed: &SignedCheckIn) -> Self {
        Self { chain: signed.check_in.chain, seq: signed.check_in.seq }
    }

    fn parse(path: &Path) -> Option<Self> {
        let (chain, seq) = path.file_stem()?.to_str()?.split_once('-')?;
        Some(Self { chain: chain.parse().ok()?, seq: seq.parse().ok()? })
    }

    fn file_name(self) -> String {
        format!("{}-{:012}.checkin", self.chain, self.seq)
    }
}

impl Entry {
    fn of(signed: &SignedCheckIn, length: usize) -> Self {
        let (manifest, at_ms) = (signed.check_in.manifest, signed.check_in.at_ms);
        Self { manifest, at_ms, length: length as u64 }
    }
}

/// The check-in in `bytes`, if it is the one its name promises and this host signed it.
fn whole(bytes: &[u8], place: Option<Key>, key: &PublicKey) -> Result<SignedCheckIn, String> {
    let signed = SignedCheckIn::from_bytes(bytes).map_err(|error| error.to_string())?;
    signed.verify(key).map_err(|error| error.to_string())?;
    if place != Some(Key::of(&signed)) {
        return Err("its name is not that of its contents".to_owned());
    }
    Ok(signed)
}

/// The stored chain. Without a readable one, `fresh` begins: a number might be used twice else.
fn read_chain(
    state: &Path,
    disk: &dyn Disk,
    spool: &Path,
    fresh: ChainId,
) -> Result<Chain, SpoolError> {
    let path = state.join(Chain::FILE);
    let chain = match Chain::read(state) {
        Ok(Some(chain)) => return Ok(chain),
        Ok(None) => Chain::start(fresh, None),
        Err(StateError::Damaged { reason, .. }) => {
            move_to_damaged(disk, spool, &path, &reason)?;
            Chain::start(fresh, None)
        }
        Err(error) => return Err(error.into()),
    };
    tracing::warn!(chain = %fresh, "no chain.json: a new chain begins, which the collector will report");
    disk.write(&path, &chain.to_bytes().map_err(at(&path))?).map_err(at(&path))?;
    Ok(chain)
}

fn move_to_damaged(
    disk: &dyn Disk,
    spool: &Path,
    path: &Path,
    reason: &str,
) -> Result<(), SpoolError> {
    let to = spool.join("damaged").join(path.file_name().unwrap_or_default());
    disk.rename(path, &to).map_err(at(path))?;
    tracing::error!(file = %path.display(), reason, "unreadable file set aside in spool/damaged");
    Ok(())
}

/// Files with an extension, by name.
fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, SpoolError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(at(directory))? {
        let path = entry.map_err(at(directory))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError + '_ {
    |source| SpoolError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
