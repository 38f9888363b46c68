//! History as a backtest reads it: all of a host over a time, as it is known now.

use super::db::read;
use super::history::{KindSpan, spans};
use super::{Store, StoreError};
use crate::backtest::{History, Interval, Verdict};
use evidence::HostId;
use std::collections::BTreeMap;

impl Store {
    /// What is known of a host between two moments, with what some rules said then.
    pub async fn history(
        &self,
        host: HostId,
        rules: &[String],
        (from_us, to_us): (i64, i64),
    ) -> Result<History, StoreError> {
        let sql = "SELECT kind, entry, observed_from_us, observed_to_us FROM kind_span
                   WHERE host = $1 AND superseded_known IS NULL AND observed_from_us < $3
                     AND (observed_to_us IS NULL OR observed_to_us > $2)
                   ORDER BY kind, observed_from_us";
        type Row = (String, String, i64, Option<i64>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), from_us, to_us)?;
        let kinds: Vec<KindSpan> = spans(host, rows)?;
        let mut history = History { kinds, ..History::default() };
        for row in self.host_spans(Some(host)).await? {
            let span = row.span;
            if span.superseded_known.is_some() {
                continue;
            }
            let interval = Interval { from_us: span.from_us, to_us: span.to_us };
            match (row.property.as_str(), span.value.as_str()) {
                ("group", _) => history.groups.push((interval, span.value)),
                ("state", "ended" | "retired") => history.over.push(interval),
                _ => {}
            }
        }
        history.silent = self.silences_of(host).await?;
        history.recorded = self.recorded(host, rules, (from_us, to_us)).await?;
        Ok(history)
    }

    /// When a host did not report, as it was found then.
    async fn silences_of(&self, host: HostId) -> Result<Vec<Interval>, StoreError> {
        let sql = "SELECT opened_us, resolved_us FROM drift
                   WHERE host = $1 AND drift = 'not_reporting' ORDER BY opened_us";
        let rows = read!(&self.db, all, (i64, Option<i64>), sql, host.to_string())?;
        Ok(rows.into_iter().map(|(from_us, to_us)| Interval { from_us, to_us }).collect())
    }

    async fn recorded(
        &self,
        host: HostId,
        rules: &[String],
        (from_us, to_us): (i64, i64),
    ) -> Result<BTreeMap<String, Vec<(Interval, Verdict)>>, StoreError> {
        let sql = "SELECT rule, outcome, reason, offenders, observed_from_us, observed_to_us
                   FROM result_span
                   WHERE host = $1 AND superseded_known IS NULL AND observed_from_us < $3
                     AND (observed_to_us IS NULL OR observed_to_us > $2)
                   ORDER BY rule, observed_from_us";
        type Row = (String, String, Option<String>, String, i64, Option<i64>);
        let rows = read!(&self.db, all, Row, sql, host.to_string(), from_us, to_us)?;
        let mut recorded: BTreeMap<String, Vec<(Interval, Verdict)>> = BTreeMap::new();
        for (rule, outcome, reason, offenders, from_us, to_us) in rows {
            if !rules.contains(&rule) {
                continue;
            }
            let offenders = serde_json::from_str(&offenders);
            let offenders =
                offenders.map_err(|e| StoreError::corrupt(format!("offenders: {e}")))?;
            let verdict = Verdict { outcome, reason, offenders };
            recorded.entry(rule).or_default().push((Interval { from_us, to_us }, verdict));
        }
        Ok(recorded)
    }
}
