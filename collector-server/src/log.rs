//! The log's voice: checkpoints, signed after a commit and never before.

use crate::store::LogState;
use evidence::checkpoint::{Checkpoint, LogKey};
use evidence::key::SigningKey;

pub struct LogSigner {
    origin: String,
    /// The active key, then the former one while keys rotate.
    keys: Vec<SigningKey>,
}

impl LogSigner {
    pub fn new(origin: String, keys: Vec<SigningKey>) -> Self {
        Self { origin, keys }
    }

    /// A checkpoint of a state that is durable, with a signature by every key.
    pub fn checkpoint(&self, state: LogState) -> Checkpoint {
        let mut keys = self.keys.iter();
        match keys.next() {
            Some(first) => {
                let checkpoint = Checkpoint::sign(&self.origin, state.head(), first);
                keys.fold(checkpoint, Checkpoint::cosign)
            }
            // There is no log without a key; a note without signature is believed by nobody.
            None => {
                Checkpoint { origin: self.origin.clone(), head: state.head(), note: String::new() }
            }
        }
    }

    /// The keys that sign, the active one first.
    pub fn public(&self) -> Vec<LogKey> {
        let public = |key: &SigningKey| LogKey { origin: self.origin.clone(), key: key.public() };
        self.keys.iter().map(public).collect()
    }
}
