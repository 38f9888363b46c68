//! The log's voice: checkpoints, signed after a commit and never before.

pub mod tiles;

use crate::store::StoredLeaf;
use crate::store::{LogState, Store, StoreError};
use evidence::checkpoint::{Checkpoint, LogKey};
use evidence::key::SigningKey;
use evidence::tlog_proof::TlogProof;

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

/// The proof of one leaf under a checkpoint of the log as it is now; none if there is no such leaf,
/// or its bytes are not kept any more.
pub async fn prove(
    store: &Store,
    signer: &LogSigner,
    index: u64,
) -> Result<Option<TlogProof>, StoreError> {
    let state = store.log().await?;
    if index >= state.size {
        return Ok(None);
    }
    let Some((at, leaf)) = store.leaves(index, 1).await?.into_iter().next() else {
        return Ok(None);
    };
    if at != index || matches!(leaf, StoredLeaf::Unreadable { .. }) {
        return Ok(None);
    }
    let inclusion = store.inclusion(index, state.size).await?;
    let checkpoint = signer.checkpoint(state).note;
    Ok(Some(TlogProof { leaf: leaf.bytes(), index, inclusion, checkpoint }))
}
