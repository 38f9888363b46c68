//! What a host said over a time, and when no collector was there to hear it.

use super::super::db::read;
use super::super::packed::unpack;
use super::super::{Store, StoreError};
use crate::gap::Spoken;
use crate::scope::Interval;
use evidence::{Digest, HostId};

impl Store {
    /// Check-ins of a host in a period and the last one before it, with their manifests, in order
    /// of time, as is known by a log index.
    pub async fn spoken(
        &self,
        host: HostId,
        (from_us, to_us): Interval,
        known: i64,
    ) -> Result<Vec<(Spoken, Digest)>, StoreError> {
        let sql = "SELECT c.observed_us, c.packed
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   WHERE chain.host = $1 AND c.observed_us < $3 AND c.log_index <= $4
                     AND c.observed_us >= COALESCE((
                       SELECT MAX(b.observed_us)
                       FROM check_in b JOIN chain e ON e.first_index = b.first_index
                       WHERE e.host = $1 AND b.observed_us <= $2 AND b.log_index <= $4), $2)
                   ORDER BY c.observed_us, c.log_index";
        type Row = (i64, Vec<u8>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), from_us, to_us, known)?;
        let spoken = |(observed_us, bytes): Row| {
            let check_in = unpack(&bytes)?.check_in;
            let next_due_s = check_in.next_due_s;
            Ok((Spoken { observed_us, next_due_s, whole: true }, check_in.manifest))
        };
        rows.into_iter().map(spoken).collect()
    }

    /// When no collector was at work, within a period.
    pub async fn outages(&self, (from_us, to_us): Interval) -> Result<Vec<Interval>, StoreError> {
        let sql = "SELECT from_us, to_us FROM collector_outage
                   WHERE to_us > $1 AND from_us < $2 ORDER BY from_us";
        Ok(read!(&self.db, all, (i64, i64), sql, from_us, to_us)?)
    }
}
