//! Whether a receipt is to be believed. Pure.

use evidence::checkpoint::{Checkpoint, CheckpointError, LogKey, TreeHead};
use evidence::proof::{self, ProofError};
use evidence::{Digest, Receipt, SignedCheckIn, leaf};

/// Why a receipt is not believed. The check-in stays in the spool; a person must look.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] serde_json::Error),
    #[error("it names another check-in")]
    OtherCheckIn,
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the log does not hold the check-in: {0}")]
    Inclusion(#[source] ProofError),
    /// The log was cut or rewritten since this host last saw it, or it hides that.
    #[error("the log does not continue the one of {carried} leaves that this host knows: {why}")]
    Consistency { carried: u64, why: String },
    #[error("it wants an object that the check-in does not name")]
    Unasked,
}

/// Checks everything a receipt promises for `signed`, and returns the proven head of the log.
/// `facts` are those the check-in's manifest names, where the manifest is still here.
pub fn verify(
    receipt: &Receipt,
    signed: &SignedCheckIn,
    facts: Option<&[Digest]>,
    keys: &[LogKey],
) -> Result<TreeHead, ReceiptError> {
    if receipt.check_in != signed.id() {
        return Err(ReceiptError::OtherCheckIn);
    }
    let head = Checkpoint::verify(&receipt.checkpoint, keys)?.head;
    let leaf = leaf::hash(&leaf::check_in_leaf(signed));
    proof::verify_inclusion(&leaf, receipt.index, head.size, &receipt.inclusion, &head.root)
        .map_err(ReceiptError::Inclusion)?;
    if let Some(carried) = signed.check_in.checkpoint {
        continues(&carried, &head, receipt.consistency.as_deref())?;
    }
    let named = |id: &Digest| facts.is_none_or(|facts| facts.contains(id));
    let manifest = receipt.want.manifest;
    if manifest.is_some_and(|id| id != signed.check_in.manifest)
        || !receipt.want.facts.iter().all(named)
    {
        return Err(ReceiptError::Unasked);
    }
    Ok(head)
}

fn continues(old: &TreeHead, new: &TreeHead, proof: Option<&[Digest]>) -> Result<(), ReceiptError> {
    let refuse = |why: String| ReceiptError::Consistency { carried: old.size, why };
    let proof = proof.ok_or_else(|| refuse("the receipt brings no proof".to_owned()))?;
    proof::verify_consistency(old.size, &old.root, new.size, &new.root, proof)
        .map_err(|error| refuse(error.to_string()))
}

/// Two heads of one size must have one root, whatever each was proven from.
pub(super) fn no_fork(known: Option<TreeHead>, new: TreeHead) -> Result<(), ReceiptError> {
    match known {
        Some(known) if known.size == new.size && known.root != new.root => {
            let why = "two roots for one size".to_owned();
            Err(ReceiptError::Consistency { carried: known.size, why })
        }
        _ => Ok(()),
    }
}
