//! `log verify`: re-reads everything, from the rows to the root. It trusts nothing that the log
//! says of itself: leaves are made anew from what is stored, the tree is grown again, signatures
//! and chains are checked.

use crate::store::{Store, StoreError, StoredLeaf};
use evidence::key::PublicKey;
use evidence::merkle::{self, Frontier};
use evidence::{ChainId, Digest, HostId, SignedCheckIn, leaf};
use std::collections::HashMap;

/// Leaves read at once.
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
    let state = store.log().await?;
    let keys: HashMap<_, _> = store.evidence_keys().await?.into_iter().collect();
    let mut verifier = Verifier { keys, ..Verifier::default() };
    while verifier.frontier.size() < state.size {
        let leaves = store.leaves(verifier.frontier.size(), PAGE).await?;
        if leaves.is_empty() {
            let found = verifier.frontier.size();
            return Err(VerifyError::Size { stored: state.size, found });
        }
        for (index, stored) in leaves {
            if index >= state.size {
                break; // Appended while we read.
            }
            verifier.leaf(index, &stored)?;
        }
        progress(verifier.frontier.size(), state.size);
    }
    let found = verifier.frontier.root();
    if found != state.root {
        return Err(VerifyError::Root { stored: state.root, found });
    }
    let tiles = store.root_at(state.size).await?;
    if tiles != found {
        return Err(VerifyError::Root { stored: tiles, found });
    }
    Ok(Verified { size: state.size, root: Some(found), ..verifier.verified })
}

#[derive(Default)]
struct Verifier {
    keys: HashMap<HostId, PublicKey>,
    chains: HashMap<(HostId, ChainId), (i64, Digest)>,
    frontier: Frontier,
    verified: Verified,
}

impl Verifier {
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
