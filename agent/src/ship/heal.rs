//! A log that does not continue the one this host knows, and whose operator says why.
//!
//! Nothing is believed for that but what the receipt proves: that the log under a checkpoint of a
//! trusted key holds the operator's act ([`evidence::healing`]). It is taken once, is shown by
//! `status` from then on, and the next check-in says which head this host gave up for it.

use super::{ReceiptError, ShipError};
use crate::identity::{Chain, HealedLog};
use crate::spool::Spool;
use evidence::checkpoint::TreeHead;
use evidence::healing::{Healed, Healing, HealingError};
use evidence::{Receipt, SignedCheckIn};

/// Accepts the break that the receipt states, or finds that it was accepted before this check-in
/// was sent. None if nothing excuses that `head` does not continue what `signed` carried.
pub(super) fn heal(
    spool: &mut Spool,
    signed: &SignedCheckIn,
    receipt: &Receipt,
    head: TreeHead,
    now_ms: i64,
) -> Result<Option<()>, ShipError> {
    let (Some(carried), Some(healing)) = (signed.check_in.checkpoint, &receipt.healing) else {
        return Ok(None);
    };
    let taken: Vec<_> = spool.chain().healed.iter().map(|one| one.healed.leaf).collect();
    match healing.verify(&head, &carried, taken) {
        Ok(stated) => {
            let (size, kept) = (carried.size, stated.kept.size);
            let reason = printable(&stated.reason);
            tracing::warn!(
                reason,
                former = size,
                kept,
                "the collector's log was put back, as its operator says: accepted"
            );
            let (chain, next_seq) = (spool.chain().chain, spool.chain().next_seq);
            let healed = Healed { gave_up: carried, leaf: stated.leaf };
            let accepted =
                HealedLog { healed, reason, at_ms: now_ms, chain, next_seq, told: false };
            spool.heal(accepted, head)?;
            Ok(Some(()))
        }
        Err(HealingError::Again) if is_older(spool.chain(), signed, healing) => Ok(Some(())),
        Err(error) => {
            tracing::error!(%error, "the collector's statement that its log was put back is refused");
            Err(ReceiptError::Healing(error).into())
        }
    }
}

/// Whether a check-in was signed before this host accepted the act: it carries what was given up.
fn is_older(chain: &Chain, signed: &SignedCheckIn, healing: &Healing) -> bool {
    let Some(stated) = healing.read() else { return false };
    let accepted = chain.healed.iter().find(|one| one.healed.leaf == stated.leaf);
    let place = (signed.check_in.chain, signed.check_in.seq);
    accepted.is_some_and(|accepted| place < (accepted.chain, accepted.next_seq))
}

/// Words of somebody else, for a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}
