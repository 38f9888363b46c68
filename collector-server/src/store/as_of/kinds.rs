//! States of kinds at a moment, and before it.

use super::super::db::read;
use super::super::history::{KindSpan, Receipt};
use super::super::hosts::host_id;
use super::super::judging::{ResultColumns, result_row};
use super::super::model::{DriftRow, KindRow, ResultRow};
use super::super::packed::unpack;
use super::super::reading::{DriftColumns, drift_row, kind_row};
use super::super::{DriftFilter, Store, StoreError};
use super::held;
use crate::moment::Moment;
use evidence::{Digest, HostId, Status};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Check-ins that are looked through for when a kind was last collected.
const CHECK_INS_BACK: i64 = 120;
/// Spans and check-ins of a host that a page can take.
const MAX_ROWS: i64 = 2_000;

/// A result and its end; none while it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultSpan {
    pub row: ResultRow,
    pub to_us: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct ResultSpanColumns {
    #[sqlx(flatten)]
    row: ResultColumns,
    observed_to_us: Option<i64>,
}

/// When a kind was last collected, and when that was received.
pub(super) type Collected = BTreeMap<String, (i64, i64)>;

impl Store {
    /// What held for each kind of a host, by kind.
    pub async fn kind_rows_at(
        &self,
        host: HostId,
        moment: &Moment,
    ) -> Result<Vec<KindRow>, StoreError> {
        let sql = concat!(
            "SELECT kind, entry, observed_from_us FROM kind_span WHERE host = $3 AND ",
            held!(""),
            " ORDER BY kind"
        );
        type Row = (String, String, i64);
        let (at, known) = (moment.at_us, moment.known);
        let rows = read!(&self.db, all, Row, sql, at, known, host.to_string())?;
        let collected = self.collected_at(host, Some(moment)).await?;
        let collected = collected.into_iter().map(|(kind, (us, _))| (kind, us)).collect();
        rows.into_iter()
            .map(|(kind, entry, since)| kind_row(host, kind, &entry, since, &collected))
            .collect()
    }

    /// When each kind was last collected and when that came in, as the last check-ins before a
    /// moment say, or those before now.
    pub async fn collected_at(
        &self,
        host: HostId,
        moment: Option<&Moment>,
    ) -> Result<Collected, StoreError> {
        let last = match moment {
            None => i64::MAX,
            Some(moment) => {
                let heads = self.heads_at(&[host], moment).await?;
                heads.get(&host).map_or(-1, |head| head.index)
            }
        };
        let sql = "SELECT c.observed_us, c.received_us, c.packed
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   WHERE chain.host = $1 AND c.log_index <= $3
                   ORDER BY c.log_index DESC LIMIT $2";
        type Row = (i64, i64, Vec<u8>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), CHECK_INS_BACK, last)?;
        let mut collected = Collected::new();
        for (observed_us, received_us, bytes) in rows {
            for (kind, age_s) in unpack(&bytes)?.check_in.collected {
                let collected_us = observed_us - age_s.saturating_mul(1_000_000);
                collected.entry(kind).or_insert((collected_us, received_us));
            }
        }
        Ok(collected)
    }

    /// States of one kind that had begun by then, the latest first. The one that held has no end.
    pub async fn kind_history_at(
        &self,
        host: HostId,
        kind: &str,
        limit: i64,
        moment: &Moment,
    ) -> Result<Vec<KindSpan>, StoreError> {
        let sql = "SELECT kind, entry, observed_from_us, observed_to_us, ended_known FROM kind_span
                   WHERE host = $3 AND kind = $4 AND known_from <= $2 AND observed_from_us <= $1
                     AND (superseded_known IS NULL OR superseded_known > $2)
                   ORDER BY observed_from_us DESC LIMIT $5";
        type Row = (String, String, i64, Option<i64>, Option<i64>);
        let (at, known, of) = (moment.at_us, moment.known, host.to_string());
        let rows = read!(&self.db, all, Row, sql, at, known, of.clone(), kind.to_owned(), limit)?;
        rows.into_iter().map(|row| kind_span(host, row, moment)).collect()
    }

    /// States of all kinds that held at some time since, by kind and time.
    pub async fn kind_spans_at(
        &self,
        host: HostId,
        since_us: i64,
        moment: &Moment,
    ) -> Result<Vec<KindSpan>, StoreError> {
        self.kind_spans_of(host, since_us, moment, MAX_ROWS).await
    }

    /// [`Store::kind_spans_at`], so many at most.
    pub async fn kind_spans_of(
        &self,
        host: HostId,
        since_us: i64,
        moment: &Moment,
        limit: i64,
    ) -> Result<Vec<KindSpan>, StoreError> {
        let sql = "SELECT kind, entry, observed_from_us, observed_to_us, ended_known FROM kind_span
                   WHERE host = $3 AND known_from <= $2 AND observed_from_us <= $1
                     AND (superseded_known IS NULL OR superseded_known > $2)
                     AND (observed_to_us IS NULL OR ended_known > $2 OR observed_to_us > $4)
                   ORDER BY kind, observed_from_us LIMIT $5";
        type Row = (String, String, i64, Option<i64>, Option<i64>);
        let (at, known, of) = (moment.at_us, moment.known, host.to_string());
        let rows = read!(&self.db, all, Row, sql, at, known, of.clone(), since_us, limit)?;
        rows.into_iter().map(|row| kind_span(host, row, moment)).collect()
    }

    /// Results of a host that held at some time since, as it is known by then: by rule and time.
    pub async fn result_spans_of(
        &self,
        host: HostId,
        since_us: i64,
        moment: &Moment,
    ) -> Result<Vec<ResultSpan>, StoreError> {
        let sql =
            "SELECT host, rule, outcome, reason, offenders, cause, observed_from_us, known_from,
                     CASE WHEN ended_known <= $2 AND observed_to_us <= $1 THEN observed_to_us END
                     AS observed_to_us
                   FROM result_span
                   WHERE host = $3 AND known_from <= $2 AND observed_from_us <= $1
                     AND (superseded_known IS NULL OR superseded_known > $2)
                     AND (observed_to_us IS NULL OR ended_known > $2 OR observed_to_us > $4)
                   ORDER BY rule, observed_from_us";
        let (at, known) = (moment.at_us, moment.known);
        let rows =
            read!(&self.db, all, ResultSpanColumns, sql, at, known, host.to_string(), since_us)?;
        let span = |row: ResultSpanColumns| {
            Ok(ResultSpan { to_us: row.observed_to_us, row: result_row(row.row)? })
        };
        rows.into_iter().map(span).collect()
    }

    /// Check-ins of a host since, and the last one before: those a moment knows, in the order of
    /// the log. A late one counts when it was seen.
    pub async fn receipts_at(
        &self,
        host: HostId,
        since_us: i64,
        moment: &Moment,
    ) -> Result<Vec<Receipt>, StoreError> {
        let heads = self.heads_at(&[host], moment).await?;
        let Some(last) = heads.get(&host).map(|head| head.index) else { return Ok(vec![]) };
        let sql = "SELECT c.observed_us, c.received_us, c.packed
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   WHERE chain.host = $1 AND c.log_index <= $2
                   ORDER BY c.log_index DESC LIMIT $3";
        type Row = (i64, i64, Vec<u8>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), last, MAX_ROWS)?;
        let mut receipts = vec![];
        for (observed_us, received_us, bytes) in rows {
            let heard = if received_us <= moment.at_us { received_us } else { observed_us };
            let next_due_s = unpack(&bytes)?.check_in.next_due_s;
            receipts.push(Receipt { received_us: heard, next_due_s });
            if heard < since_us {
                break;
            }
        }
        receipts.reverse();
        Ok(receipts)
    }

    /// How each kind of hosts was read, by what they said last.
    pub async fn statuses_at(
        &self,
        manifests: &BTreeMap<HostId, Digest>,
    ) -> Result<Vec<(HostId, String, Status, Option<Digest>)>, StoreError> {
        let mut known: BTreeMap<Digest, Vec<(String, Status, Option<Digest>)>> = BTreeMap::new();
        let mut found = vec![];
        for (host, id) in manifests {
            let of_host = match known.entry(*id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let manifest = self.manifest(*id).await?.unwrap_or_default();
                    let kinds = manifest.kinds.into_iter();
                    let kinds = kinds.map(|(kind, entry)| (kind, entry.status, entry.facts));
                    place.insert(kinds.collect())
                }
            };
            let of_host = of_host.iter();
            found.extend(
                of_host.map(|(kind, status, facts)| (*host, kind.clone(), *status, *facts)),
            );
        }
        Ok(found)
    }

    /// The drift of each host that was called silent.
    pub async fn silent_hosts_at(
        &self,
        moment: &Moment,
    ) -> Result<BTreeMap<HostId, String>, StoreError> {
        let sql = "SELECT host, id FROM drift WHERE drift = 'not_reporting'
                   AND known_us <= $1 AND opened_index <= $2
                   AND (resolved_us IS NULL OR resolved_us > $1)";
        let rows = read!(&self.db, all, (String, String), sql, moment.at_us, moment.known)?;
        rows.into_iter().map(|(host, drift)| Ok((host_id(&host)?, drift))).collect()
    }

    /// Drifts that had opened by then, newest first; one that ended later is open. Their ends are
    /// those that are known now. After one of them: see [`Store::drifts_after`].
    pub async fn drifts_at(
        &self,
        filter: DriftFilter,
        after: Option<(i64, i64, String)>,
        moment: &Moment,
    ) -> Result<Vec<DriftRow>, StoreError> {
        macro_rules! drifts {
            ($of:literal) => {
                concat!(
                    "SELECT id, drift, host, subject, cause, severity, from_state, to_state,
                       offenders, opened_us,
                       CASE WHEN resolved_us <= $1 THEN resolved_us END AS resolved_us FROM drift
                     WHERE ",
                    $of,
                    " AND opened_us <= $1 AND opened_index <= $2
                       AND ($4 = 0 OR ($4 = 1 AND (resolved_us IS NULL OR resolved_us > $1))
                            OR ($4 = 2 AND resolved_us <= $1))
                       AND (opened_us < $6 OR (opened_us = $6
                          AND (CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1
                               WHEN 'medium' THEN 2 ELSE 3 END > $7
                               OR (CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1
                                   WHEN 'medium' THEN 2 ELSE 3 END = $7 AND id < $8))))
                     ORDER BY opened_us DESC, CASE severity WHEN 'critical' THEN 0
                       WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, id DESC LIMIT $5"
                )
            };
        }
        let sql = if filter.host.is_some() { drifts!("host = $3") } else { drifts!("$3 = ''") };
        let host = filter.host.map(|host| host.to_string()).unwrap_or_default();
        let state: i64 = filter.open.map_or(0, |open| if open { 1 } else { 2 });
        let (at, known, limit) = (moment.at_us, moment.known, filter.limit);
        let (before, rank, id) = after.unwrap_or((i64::MAX, 0, String::new()));
        let rows = read!(
            &self.db,
            all,
            DriftColumns,
            sql,
            at,
            known,
            host.clone(),
            state,
            limit,
            before,
            rank,
            id.clone()
        )?;
        rows.into_iter().map(drift_row).collect()
    }
}

fn kind_span(
    host: HostId,
    (kind, entry, from, to, ended): (String, String, i64, Option<i64>, Option<i64>),
    moment: &Moment,
) -> Result<KindSpan, StoreError> {
    let known = ended.is_none_or(|ended| ended <= moment.known);
    let to_us = to.filter(|to| known && *to <= moment.at_us);
    Ok(KindSpan { row: kind_row(host, kind, &entry, from, &BTreeMap::new())?, to_us })
}
