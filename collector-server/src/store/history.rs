//! What was: states of kinds, check-ins received, chains.

use super::db::read;
use super::model::KindRow;
use super::packed::unpack;
use super::reading::kind_row;
use super::{Store, StoreError};
use evidence::{ChainId, HostId};
use std::collections::BTreeMap;

/// A state of a kind, and until when it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindSpan {
    pub row: KindRow,
    /// None while it holds.
    pub to_us: Option<i64>,
}

/// A check-in, as far as the timeline shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub received_us: i64,
    /// It promised the next within this many seconds.
    pub next_due_s: i64,
}

/// A chain of a host's check-ins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRow {
    pub chain: ChainId,
    /// When its first check-in was received.
    pub begun_us: i64,
    /// Check-ins it has.
    pub check_ins: i64,
}

/// Spans of a host that a page can take.
const MAX_SPANS: i64 = 2_000;

impl Store {
    /// States of one kind, the latest first, the one that holds included.
    pub async fn kind_history(
        &self,
        host: HostId,
        kind: &str,
        limit: i64,
    ) -> Result<Vec<KindSpan>, StoreError> {
        let sql = "SELECT kind, entry, observed_from_us, observed_to_us FROM kind_span
                   WHERE host = $1 AND kind = $2 AND superseded_known IS NULL
                   ORDER BY observed_from_us DESC LIMIT $3";
        type Row = (String, String, i64, Option<i64>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), kind.to_owned(), limit)?;
        spans(host, rows)
    }

    /// States of all kinds that held at some time since, by kind and time.
    pub async fn kind_spans(
        &self,
        host: HostId,
        since_us: i64,
    ) -> Result<Vec<KindSpan>, StoreError> {
        let sql = "SELECT kind, entry, observed_from_us, observed_to_us FROM kind_span
                   WHERE host = $1 AND superseded_known IS NULL
                     AND (observed_to_us IS NULL OR observed_to_us > $2)
                   ORDER BY kind, observed_from_us LIMIT $3";
        type Row = (String, String, i64, Option<i64>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), since_us, MAX_SPANS)?;
        spans(host, rows)
    }

    /// Check-ins received since, and the last one before: in the order of the log.
    pub async fn receipts(&self, host: HostId, since_us: i64) -> Result<Vec<Receipt>, StoreError> {
        let sql = "SELECT c.received_us, c.packed
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   WHERE chain.host = $1 AND c.log_index >= (
                     SELECT COALESCE(MAX(b.log_index), 0)
                     FROM check_in b JOIN chain e ON e.first_index = b.first_index
                     WHERE e.host = $1 AND b.received_us < $2)
                   ORDER BY c.log_index DESC LIMIT $3";
        type Row = (i64, Vec<u8>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), since_us, MAX_SPANS)?;
        rows.into_iter()
            .rev()
            .map(|(received_us, bytes)| {
                Ok(Receipt { received_us, next_due_s: unpack(&bytes)?.check_in.next_due_s })
            })
            .collect()
    }

    /// Chains of a host, the first one first.
    pub async fn chains(&self, host: HostId) -> Result<Vec<ChainRow>, StoreError> {
        let sql = "SELECT chain.chain, c.received_us, chain.next_seq
                   FROM chain JOIN check_in c ON c.log_index = chain.first_index
                   WHERE chain.host = $1 ORDER BY chain.first_index";
        let rows = read!(&self.db, all, (String, i64, i64), sql, host.to_string())?;
        rows.into_iter()
            .map(|(chain, begun_us, check_ins)| {
                let id = chain.parse();
                let chain = id.map_err(|_| StoreError::corrupt(format!("chain `{chain}`")))?;
                Ok(ChainRow { chain, begun_us, check_ins })
            })
            .collect()
    }
}

pub(super) fn spans(
    host: HostId,
    rows: Vec<(String, String, i64, Option<i64>)>,
) -> Result<Vec<KindSpan>, StoreError> {
    rows.into_iter()
        .map(|(kind, entry, since_us, to_us)| {
            let row = kind_row(host, kind, &entry, since_us, &BTreeMap::new())?;
            Ok(KindSpan { row, to_us })
        })
        .collect()
}
