//! Whether a receipt is to be believed. Pure.

use evidence::checkpoint::{Checkpoint, CheckpointError, LogKey, TreeHead};
use evidence::healing::HealingError;
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
    #[error(
        "the log does not continue the one of {carried} leaves that this host knows: {why}. The \
         collector was put back to an earlier state, or this host is shown another log. Check-ins \
         are kept here; if it was restored, its operator has to say so there, with \
         `evidenced-collector log heal`"
    )]
    Consistency { carried: u64, why: String },
    #[error("the operator's statement that the log was put back: {0}")]
    Healing(#[from] HealingError),
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
    let head = included(receipt, signed, facts, keys)?;
    if let Some(carried) = signed.check_in.checkpoint {
        continues(&carried, &head, receipt.consistency.as_deref())?;
    }
    Ok(head)
}

/// [`verify`] without the line from the log that the check-in knew: that log may be gone, if the
/// collector was restored from an older copy.
pub(super) fn included(
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

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::check_in::{CheckIn, Clock};
    use evidence::key::SigningKey;
    use evidence::{ChainId, HostId, Want, merkle};
    use std::collections::BTreeMap;

    const ORIGIN: &str = "log.example.org/evidence";

    /// A check-in, the receipt for it as the second leaf of two, and the log's key.
    fn receipt() -> (SignedCheckIn, Receipt, SigningKey) {
        let (key, _) = SigningKey::generate().expect("key");
        let first = merkle::leaf_hash(b"first");
        let check_in = CheckIn {
            agent: "0.1.0".into(),
            at_ms: 1,
            chain: ChainId::from_parts(1, 1),
            checkpoint: Some(TreeHead { root: first, size: 1 }),
            clock: Clock { synchronised: None },
            collected: BTreeMap::new(),
            healed: None,
            host: HostId::from_parts(2, 2),
            manifest: Digest::of(b"manifest"),
            next_due_s: 1,
            prev: None,
            resumes: None,
            seq: 0,
        };
        let signed = SignedCheckIn::sign(check_in, &key).expect("signed");
        let leaf = leaf::hash(&leaf::check_in_leaf(&signed));
        let head = TreeHead { root: merkle::node_hash(&first, &leaf), size: 2 };
        let receipt = Receipt {
            check_in: signed.id(),
            index: 1,
            checkpoint: Checkpoint::sign(ORIGIN, head, &key).note,
            inclusion: vec![first],
            consistency: Some(vec![leaf]),
            healing: None,
            want: Want { manifest: None, facts: vec![Digest::of(b"facts")] },
        };
        (signed, receipt, key)
    }

    fn check(change: impl FnOnce(&mut Receipt)) -> Result<TreeHead, ReceiptError> {
        let (signed, mut receipt, key) = receipt();
        change(&mut receipt);
        let keys = [LogKey { origin: ORIGIN.into(), key: key.public() }];
        verify(&receipt, &signed, Some(&[Digest::of(b"facts")]), &keys)
    }

    #[test]
    fn a_receipt_is_believed_only_whole() {
        use ReceiptError as E;
        assert_eq!(check(|_| ()).map(|head| head.size).ok(), Some(2));
        let other = Digest::of(b"other");
        let (_, foreign, _) = receipt();
        let outcome = check(|receipt| receipt.check_in = other);
        assert!(matches!(outcome, Err(E::OtherCheckIn)), "{outcome:?}");
        let outcome = check(|receipt| receipt.checkpoint = foreign.checkpoint);
        assert!(matches!(outcome, Err(E::Checkpoint(_))), "{outcome:?}");
        for change in [
            |receipt: &mut Receipt| receipt.index = 0,
            |receipt: &mut Receipt| receipt.index = 2,
            |receipt: &mut Receipt| receipt.inclusion = vec![],
            |receipt: &mut Receipt| receipt.inclusion[0].0[0] ^= 1,
        ] {
            let outcome = check(change);
            assert!(matches!(outcome, Err(E::Inclusion(_))), "{outcome:?}");
        }
        for proof in [None, Some(vec![]), Some(vec![other])] {
            let outcome = check(|receipt| receipt.consistency = proof);
            assert!(matches!(outcome, Err(E::Consistency { carried: 1, .. })), "{outcome:?}");
        }
    }

    #[test]
    fn nothing_is_sent_that_the_check_in_does_not_name() {
        let other = Digest::of(b"other");
        let outcome = check(|receipt| receipt.want.facts.push(other));
        assert!(matches!(outcome, Err(ReceiptError::Unasked)), "{outcome:?}");
        let outcome = check(|receipt| receipt.want.manifest = Some(other));
        assert!(matches!(outcome, Err(ReceiptError::Unasked)), "{outcome:?}");
        let own = check(|receipt| receipt.want.manifest = Some(Digest::of(b"manifest")));
        assert!(own.is_ok(), "{own:?}");
    }

    #[test]
    fn a_log_that_is_shorter_than_the_one_known_is_refused_whatever_it_proves() {
        let head = |size| TreeHead { root: Digest::of(b"root"), size };
        for proof in [None, Some([].as_slice()), Some([Digest::of(b"x")].as_slice())] {
            let outcome = continues(&head(5), &head(3), proof);
            let error = outcome.expect_err("shorter").to_string();
            assert!(error.contains("does not continue the one of 5 leaves"), "{error}");
        }
        assert!(continues(&head(5), &head(5), Some(&[])).is_ok());
    }

    #[test]
    fn two_roots_for_one_size_are_a_fork() {
        let head = |root: &[u8], size| TreeHead { root: Digest::of(root), size };
        assert!(no_fork(None, head(b"a", 5)).is_ok());
        assert!(no_fork(Some(head(b"a", 5)), head(b"a", 5)).is_ok());
        assert!(no_fork(Some(head(b"a", 5)), head(b"b", 6)).is_ok());
        assert!(no_fork(Some(head(b"a", 5)), head(b"b", 5)).is_err());
    }
}
