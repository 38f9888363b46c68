//! Whose certificates were seen lately, so that a check-in needs no question of its own to the
//! database. Nothing rests on it alone: the commit of a check-in reads host and certificate again,
//! so that a revocation ends what open connections may do, whoever revoked and wherever.

use crate::store::Holder;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most certificates that are remembered: some ten megabytes.
const MAX_HELD: usize = 1 << 16;

#[derive(Debug, Default)]
pub struct Holders {
    by_serial: Mutex<HashMap<String, Holder>>,
}

impl Holders {
    pub fn get(&self, serial: &str) -> Option<Holder> {
        self.held().get(serial).copied()
    }

    pub fn keep(&self, serial: &str, holder: Holder) {
        let mut held = self.held();
        if held.len() >= MAX_HELD {
            held.clear();
        }
        held.insert(serial.to_owned(), holder);
    }

    pub fn forget(&self, serial: &str) {
        self.held().remove(serial);
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, Holder>> {
        self.by_serial.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
