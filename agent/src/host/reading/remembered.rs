//! What a collection need not work out again: a host that remembers is asked first.
//!
//! Whatever is read through the door while an answer is worked out is noted by itself, what is not
//! there too, so that no collector can forget to name what its answer rests on.

use super::super::memory::{Keeps, Key, Trace};
use super::super::{Opened, ReadError, Stamp};
use super::{Failure, Reading};
use evidence::Source;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;

/// As it is kept: the answer, its sources, what was not read.
type Kept<T> = (T, Vec<Source>, Vec<String>);

/// An answer is kept compressed: it names thousands of files, and an agent rests most of its life.
fn folded(kept: &impl Serialize) -> Option<Vec<u8>> {
    let bytes = serde_json::to_vec(kept).ok()?;
    // The length comes first, so that what is unfolded has its room.
    let length = u32::try_from(bytes.len()).ok()?;
    let packed = zstd::bulk::compress(&bytes, 1).ok()?;
    Some([length.to_le_bytes().as_slice(), &packed].concat())
}

fn unfolded<T: DeserializeOwned>(bytes: &[u8]) -> Option<Kept<T>> {
    let (length, packed) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    serde_json::from_slice(&zstd::bulk::decompress(packed, length).ok()?).ok()
}

impl Reading<'_> {
    /// What `work` answers; the answer before, with its sources, while every file, directory and
    /// gap that it rests on is the same. Facts that depend on the clock, or on what runs, do not
    /// belong into it: what asks the kernel or a service is worked out anew each time.
    pub fn remembered<T: Serialize + DeserializeOwned>(
        &mut self,
        what: &str,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (Some(memory), Some(begun)) = (&self.host.memory, self.begun) else {
            return work(self);
        };
        // Part of a larger answer that is remembered as a whole.
        if self.trace.get_mut().is_some() {
            return work(self);
        }
        let key = Key::of_answer(what);
        let before = memory.answer(key, self.host, begun);
        if let Some((answer, sources, unread)) = before.and_then(|bytes| unfolded::<T>(&bytes)) {
            self.sources.extend(sources.into_iter().map(|source| (source.path.clone(), source)));
            self.unread.extend(unread);
            return Ok(answer);
        }
        let mut other = Self { begun: Some(begun), ..Self::new(self.host) };
        other.trace = RefCell::new(Some(Trace::default()));
        let outcome = work(&mut other);
        if let (Ok(answer), Some(trace)) = (&outcome, other.trace.take()) {
            let sources: Vec<_> = other.sources.values().collect();
            if let Some(bytes) = folded(&(answer, sources, &other.unread)) {
                memory.keep_answer(key, trace, &bytes, begun);
            }
        }
        self.sources.extend(other.sources);
        self.unread.extend(other.unread);
        outcome
    }

    /// What `compute` makes of the contents of an open file; what it made of them before, if the
    /// file is the same. `what` names the computation.
    pub fn of_contents(
        &self,
        what: &str,
        path: &str,
        opened: &Opened,
        compute: impl FnOnce() -> Result<Vec<u8>, ReadError>,
    ) -> Result<Vec<u8>, ReadError> {
        let stamp = opened.stamp_before();
        let (Some(memory), Some(begun)) = (&self.host.memory, self.begun) else {
            return compute();
        };
        if self.keeps(path, true, stamp) != Keeps::All {
            return compute();
        }
        let key = Key::of_file(what, stamp);
        if let Some(value) = memory.of_file(key, begun) {
            return Ok(value);
        }
        let value = compute()?;
        if opened.stamp()? == stamp {
            memory.keep_of_file(key, stamp, &value, begun);
        }
        Ok(value)
    }

    /// What `look` finds out may change without the answer being worked out anew, until the answer
    /// ends by itself, within a day.
    pub fn aside<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> T {
        let trace = self.trace.take();
        let found = look(self);
        self.trace = RefCell::new(trace);
        found
    }

    /// Contents were read, or could not be.
    pub(super) fn looked_into(&self, path: &str, stamp: Result<Stamp, &ReadError>) {
        self.note_of(path, true, stamp, Keeps::All);
    }

    /// Attributes were.
    pub(super) fn looked_at(&self, path: &str, follow: bool, stamp: Result<Stamp, &ReadError>) {
        self.note_of(path, follow, stamp, Keeps::Attributes);
    }

    /// Names or attributes are about to be read: what changes from now on differs.
    pub(super) fn look(&self, path: &str, follow: bool) {
        if self.trace.borrow().is_some() {
            let found = if follow { self.host.stat(path) } else { self.host.lstat(path) };
            self.looked_at(path, follow, found.as_ref().map(|meta| meta.stamp));
        }
    }

    /// Something was asked that no file answers.
    pub(super) fn asked(&self) {
        if let Some(trace) = self.trace.borrow_mut().as_mut() {
            trace.open();
        }
    }

    fn note_of(&self, path: &str, follow: bool, found: Result<Stamp, &ReadError>, needs: Keeps) {
        if self.trace.borrow().is_none() {
            return;
        }
        let is_kept = match found {
            Ok(stamp) => self.keeps(path, follow, stamp) <= needs,
            Err(error) => *error == ReadError::Absent,
        };
        if let Some(trace) = self.trace.borrow_mut().as_mut() {
            trace.add(path, follow, found.ok());
            if !is_kept {
                trace.open();
            }
        }
    }

    fn keeps(&self, path: &str, follow: bool, stamp: Stamp) -> Keeps {
        self.devices.borrow_mut().keep(self.host, path, follow, stamp)
    }
}
