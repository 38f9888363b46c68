//! What scopes, limits and periods are computed from: results and facts of all hosts over time.

use super::db::read;
use super::hosts::host_id;
use super::{Store, StoreError};
use evidence::{Digest, HostId, KindEntry, Status};
use std::collections::BTreeMap;

/// The facts of one kind of one host over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindFacts {
    pub host: HostId,
    pub status: Status,
    pub facts: Option<Digest>,
    /// Dotted paths that were not read.
    pub unread: Vec<String>,
    pub from_us: i64,
    /// None while it holds.
    pub to_us: Option<i64>,
}

/// A result over an interval, as it is known now.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HeldResult {
    pub host: String,
    pub rule: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub observed_from_us: i64,
    /// None while it holds.
    pub observed_to_us: Option<i64>,
}

/// When a host did not report, as drifts say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    pub host: HostId,
    pub from_us: i64,
    /// None while it lasts.
    pub to_us: Option<i64>,
}

impl Store {
    /// Since when each failure that holds has been one, by host and rule: since the last result
    /// that it passed or did not apply. That it was unknown meanwhile repaired nothing.
    pub async fn failing_since(&self) -> Result<BTreeMap<(HostId, String), i64>, StoreError> {
        let sql = "SELECT f.host, f.rule, MIN(f.observed_from_us)
                   FROM result_span o
                   JOIN result_span f ON f.host = o.host AND f.rule = o.rule
                   WHERE o.outcome = 'fail' AND o.observed_to_us IS NULL
                     AND o.superseded_known IS NULL
                     AND f.outcome = 'fail' AND f.superseded_known IS NULL
                     AND NOT EXISTS (
                       SELECT 1 FROM result_span n WHERE n.host = f.host AND n.rule = f.rule
                       AND n.superseded_known IS NULL AND n.outcome IN ('pass', 'not_applicable')
                       AND n.observed_from_us > f.observed_from_us)
                   GROUP BY f.host, f.rule";
        let rows = read!(&self.db, all, (String, String, i64), sql)?;
        rows.into_iter().map(|(host, rule, us)| Ok(((host_id(&host)?, rule), us))).collect()
    }

    /// What holds of one kind, of every host that has it.
    pub async fn kind_facts(&self, kind: &str) -> Result<Vec<KindFacts>, StoreError> {
        let sql = "SELECT host, entry, observed_from_us, observed_to_us FROM kind_span
                   WHERE kind = $1 AND observed_to_us IS NULL AND superseded_known IS NULL
                   ORDER BY host";
        type Row = (String, String, i64, Option<i64>);
        let rows = read!(&self.db, all, Row, sql, kind.to_owned())?;
        rows.into_iter().map(kind_facts).collect()
    }

    /// What held of one kind at some time since, of every host, by host and time.
    pub async fn kind_facts_since(
        &self,
        kind: &str,
        since_us: i64,
    ) -> Result<Vec<KindFacts>, StoreError> {
        let sql = "SELECT host, entry, observed_from_us, observed_to_us FROM kind_span
                   WHERE kind = $1 AND superseded_known IS NULL
                     AND (observed_to_us IS NULL OR observed_to_us > $2)
                   ORDER BY host, observed_from_us";
        type Row = (String, String, i64, Option<i64>);
        let rows = read!(&self.db, all, Row, sql, kind.to_owned(), since_us)?;
        rows.into_iter().map(kind_facts).collect()
    }

    /// Results of one rule over time that began before `to_us`, by host and time. Those that ended
    /// before a period are needed too: they say since when a failure in it was open. As is known by the
    /// leaf `known`.
    pub async fn rule_history(
        &self,
        rule: &str,
        to_us: i64,
        known: i64,
    ) -> Result<Vec<HeldResult>, StoreError> {
        let sql = "SELECT host, rule, outcome, reason, observed_from_us,
                     CASE WHEN ended_known <= $3 THEN observed_to_us END AS observed_to_us
                   FROM result_span
                   WHERE rule = $1 AND known_from <= $3 AND observed_from_us < $2
                     AND (superseded_known IS NULL OR superseded_known > $3)
                   ORDER BY host, observed_from_us";
        Ok(read!(&self.db, all, HeldResult, sql, rule.to_owned(), to_us, known)?)
    }

    /// When hosts did not report, of all that ended after `from_us`.
    pub async fn silences(&self, from_us: i64) -> Result<Vec<Silence>, StoreError> {
        let sql = "SELECT host, opened_us, resolved_us FROM drift
                   WHERE drift = 'not_reporting' AND (resolved_us IS NULL OR resolved_us > $1)
                   ORDER BY host, opened_us";
        let rows = read!(&self.db, all, (String, i64, Option<i64>), sql, from_us)?;
        let silence = |(host, from_us, to_us): (String, i64, Option<i64>)| {
            Ok(Silence { host: host_id(&host)?, from_us, to_us })
        };
        rows.into_iter().map(silence).collect()
    }
}

fn kind_facts(
    (host, entry, from_us, to_us): (String, String, i64, Option<i64>),
) -> Result<KindFacts, StoreError> {
    let entry: KindEntry =
        serde_json::from_str(&entry).map_err(|e| StoreError::corrupt(format!("an entry: {e}")))?;
    let (status, facts, unread) = (entry.status, entry.facts, entry.unread);
    Ok(KindFacts { host: host_id(&host)?, status, facts, unread, from_us, to_us })
}
