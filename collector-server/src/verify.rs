//! Re-reads everything, from the rows to the root. It trusts nothing that the log
//! says of itself: leaves are made anew from what is stored, the tree is grown again, signatures
//! and chains are checked.

use crate::store::model::LogHead;
use crate::store::{Store, StoreError, StoredLeaf};
use evidence::key::PublicKey;
use evidence::merkle::{self, Frontier};
use evidence::{ChainId, Digest, HostId, SignedCheckIn, leaf};
use std::collections::HashMap;

/// Leaves read at once when nothing else is to be done.
const PAGE: i64 = 1000;

/// What was read, if all of it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    pub size: u64,
    pub check_ins: u64,
    pub acts: u64,
    /// Bodies of acts that were erased; their leaves still hold.
    pub erased: u64,
    pub root: Option<Digest>,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first damaged thing.
    #[error("leaf {index}: {what}")]
    Leaf { index: u64, what: String },
    #[error("the stored tree has {stored} leaves, but {found} are there")]
    Size { stored: u64, found: u64 },
    #[error("the leaves lead to root {found}, but the log says {stored}")]
    Root { stored: Digest, found: Digest },
}

/// Verifies the whole log. `progress` is told how many leaves were read of how many.
pub async fn verify(
    store: &Store,
    mut progress: impl FnMut(u64, u64),
) -> Result<Verified, VerifyError> {
    let head = store.log().await?;
    let mut verifier = Verifier::new(store).await?;
    while verifier.size() < head.size {
        verifier.read(store, &head, PAGE).await?;
        progress(verifier.size(), head.size);
    }
    verifier.arrive(store, &head).await
}

/// A reading of the log from its first leaf on. It can be interrupted, and go on when the log has
/// grown.
#[derive(Default)]
pub struct Verifier {
    keys: HashMap<HostId, PublicKey>,
    chains: HashMap<(HostId, ChainId), (i64, Digest)>,
    frontier: Frontier,
    verified: Verified,
}

impl Verifier {
    /// One that has read nothing.
    pub async fn new(store: &Store) -> Result<Self, StoreError> {
        let keys = store.evidence_keys().await?.into_iter().collect();
        Ok(Self { keys, ..Self::default() })
    }

    /// Leaves that were read and fit.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Reads at most `leaves` more, none after `head`.
    pub async fn read(
        &mut self,
        store: &Store,
        head: &LogHead,
        leaves: i64,
    ) -> Result<(), VerifyError> {
        let leaves = store.leaves(self.size(), leaves).await?;
        if leaves.is_empty() {
            return Err(VerifyError::Size { stored: head.size, found: self.size() });
        }
        if leaves.iter().any(|(_, leaf)| self.is_of_a_new_host(leaf)) {
            self.keys = store.evidence_keys().await?.into_iter().collect();
        }
        // Those after the head were appended while we read.
        for (index, stored) in leaves.iter().filter(|(index, _)| *index < head.size) {
            self.leaf(*index, stored)?;
        }
        Ok(())
    }

    /// Compares the root of what was read, all of `head`, with what the log says of itself.
    pub async fn arrive(&self, store: &Store, head: &LogHead) -> Result<Verified, VerifyError> {
        let found = self.frontier.root();
        if found != head.root {
            return Err(VerifyError::Root { stored: head.root, found });
        }
        let tiles = store.root_at(head.size).await?;
        if tiles != found {
            return Err(VerifyError::Root { stored: tiles, found });
        }
        Ok(Verified { size: head.size, root: Some(found), ..self.verified })
    }

    fn is_of_a_new_host(&self, leaf: &StoredLeaf) -> bool {
        match leaf {
            StoredLeaf::CheckIn(signed) => !self.keys.contains_key(&signed.check_in.host),
            StoredLeaf::Act { .. } => false,
        }
    }

    fn leaf(&mut self, index: u64, stored: &StoredLeaf) -> Result<(), VerifyError> {
        let fail = |what: String| VerifyError::Leaf { index, what };
        if index != self.frontier.size() {
            return Err(fail(format!("leaf {} is missing", self.frontier.size())));
        }
        let bytes = match stored {
            StoredLeaf::CheckIn(signed) => {
                self.check_in(signed).map_err(fail)?;
                self.verified.check_ins += 1;
                leaf::check_in_leaf(signed)
            }
            StoredLeaf::Act { leaf, salt, body } => {
                if let Some(body) = body {
                    let made = <[u8; 16]>::try_from(salt.as_slice())
                        .map(|salt| leaf::act_leaf(&salt, body));
                    if made.ok().as_ref() != Some(leaf) {
                        return Err(fail(
                            "the act's body is not the one that was logged".to_owned(),
                        ));
                    }
                } else {
                    self.verified.erased += 1;
                }
                self.verified.acts += 1;
                leaf.clone()
            }
        };
        self.frontier.append(merkle::leaf_hash(&bytes));
        Ok(())
    }

    /// Signature, and place in its chain.
    fn check_in(&mut self, signed: &SignedCheckIn) -> Result<(), String> {
        let check_in = &signed.check_in;
        let host = check_in.host;
        let key = self.keys.get(&host).ok_or(format!("host {host} has no evidence key"))?;
        let of = |what: &str| format!("check-in {} of host {host}: {what}", check_in.seq);
        signed.verify(key).map_err(|_| of("its signature does not fit"))?;
        let place = (host, check_in.chain);
        let before = self.chains.insert(place, (check_in.seq, signed.id()));
        let follows = match before {
            None => check_in.seq == 0,
            Some((seq, id)) => check_in.seq == seq + 1 && check_in.prev == Some(id),
        };
        if follows { Ok(()) } else { Err(of("it does not follow the one before it")) }
    }
}
