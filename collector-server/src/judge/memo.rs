//! Remembers results, so that what is equal across a fleet is judged once.
//!
//! Two generations bound the memory: when the young one is full it becomes the old one, and what
//! is asked for again moves back.

use super::evaluate::Judged;
use evidence::{Digest, Status};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Results per generation; one is about 200 bytes and its offenders.
const GENERATION: usize = 65_536;

/// All that a result depends on, within one rule set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Place of the rule's form in the set.
    pub(super) rule: u32,
    /// For each kind of the rule's evidence; `None` where the manifest does not name it.
    pub(super) kinds: Box<[Option<KindKey>]>,
    /// Only for a rule that reads it.
    pub(super) today: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KindKey {
    pub(super) status: Status,
    pub(super) facts: Option<Digest>,
    /// Digest of the unread paths, if there are any.
    pub(super) unread: Option<Digest>,
}

#[derive(Default)]
pub(super) struct Memo(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Key, Arc<Judged>>,
    old: HashMap<Key, Arc<Judged>>,
}

impl Memo {
    /// What is remembered for each key.
    pub(super) fn look_up(&self, keys: &[Key]) -> Vec<Option<Arc<Judged>>> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| generations.look_up(key)).collect()
    }

    pub(super) fn keep(&self, results: impl Iterator<Item = (Key, Arc<Judged>)>) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        results.for_each(|(key, judged)| generations.keep(key, judged));
    }
}

impl Generations {
    fn look_up(&mut self, key: &Key) -> Option<Arc<Judged>> {
        if let Some(judged) = self.young.get(key) {
            return Some(judged.clone());
        }
        let judged = self.old.remove(key)?;
        self.keep(key.clone(), judged.clone());
        Some(judged)
    }

    fn keep(&mut self, key: Key, judged: Arc<Judged>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, judged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Outcome;

    fn key(rule: u32) -> Key {
        Key { rule, kinds: Box::default(), today: None }
    }

    #[test]
    fn what_is_asked_for_survives_and_memory_stays_bounded() {
        let memo = Memo::default();
        let judged = Judged { outcome: Outcome::Pass, offenders: vec![], reason: None };
        let judged = Arc::new(judged);
        for rule in 0..3 * GENERATION as u32 {
            memo.keep(std::iter::once((key(rule), judged.clone())));
            assert!(memo.look_up(&[key(0)])[0].is_some(), "{rule}");
        }
        assert!(memo.look_up(&[key(1)])[0].is_none());
        let generations = memo.0.lock().expect("lock");
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
