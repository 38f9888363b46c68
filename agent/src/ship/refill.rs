//! Gives a collector again what it acknowledged and, restored from an older copy, forgot.

use super::receipt::{ReceiptError, included};
use super::{MAX_ROUNDS, ShipError, Shipper};
use crate::spool::Spool;
use evidence::{Receipt, SignedCheckIn};

impl Shipper {
    /// Sends the kept check-ins in order, with what the collector wants of them. Returns how many
    /// it holds now; it takes no harm from those it had.
    ///
    /// That the log holds each is proven as always. That it continues the log of before is not
    /// asked: that log is what was lost. The checkpoint this host knows stays as it is.
    pub async fn refill(&self, spool: &mut Spool, now_ms: i64) -> Result<usize, ShipError> {
        let mut held = 0;
        for place in spool.kept() {
            if let Some(signed) = spool.kept_check_in(place) {
                held += usize::from(self.give_again(spool, &signed, now_ms).await?);
            }
        }
        Ok(held)
    }

    async fn give_again(
        &self,
        spool: &mut Spool,
        signed: &SignedCheckIn,
        now_ms: i64,
    ) -> Result<bool, ShipError> {
        for _ in 0..MAX_ROUNDS {
            let answer = self.post(signed, now_ms).await?;
            if !answer.status.is_success() {
                let reason = answer.reason();
                self.refusal(answer)?;
                let check_in = signed.id();
                tracing::warn!(%check_in, reason, "the collector did not take a kept check-in");
                return Ok(false);
            }
            let receipt = answer.json::<Receipt>().map_err(ReceiptError::Unreadable)?;
            let named = spool.facts_of(signed);
            included(&receipt, signed, named.as_deref(), &self.log_keys)?;
            if receipt.want.is_empty() {
                return Ok(true);
            }
            if self.send(spool, &receipt.want, now_ms).await?.0 == 0 {
                return Ok(true);
            }
        }
        Err(ShipError::StillWanting)
    }
}
