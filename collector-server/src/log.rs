//! The log's voice: checkpoints, signed after a commit and never before.

use crate::store::LogState;
use evidence::checkpoint::{Checkpoint, LogKey};
use evidence::key::SigningKey;

pub struct LogSigner {
    origin: String,
    key: SigningKey,
}

impl LogSigner {
    pub fn new(origin: String, key: SigningKey) -> Self {
        Self { origin, key }
    }

    /// A checkpoint of a state that is durable.
    pub fn checkpoint(&self, state: LogState) -> Checkpoint {
        Checkpoint::sign(&self.origin, state.head(), &self.key)
    }

    pub fn public(&self) -> LogKey {
        LogKey { origin: self.origin.clone(), key: self.key.public() }
    }
}
