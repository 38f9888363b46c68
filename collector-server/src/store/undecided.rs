//! Requests that nobody decided until their time was over, for an exception or for inherited
//! evidence: whoever asked waits for an answer still. Such a request is overdue until it is
//! withdrawn, or the same is asked for again.

use super::db::{execute, read};
use super::overdue::{Owed, settle};
use super::{Store, StoreError};
use std::collections::BTreeMap;

/// The sort of overdue drifts that they are.
const UNDECIDED: &str = "undecided";
const SEVERITIES: [&str; 5] = ["info", "low", "medium", "high", "critical"];

/// Requests that wait or waited, with their rules; without those that a later one asks for anew: for
/// the same scope, and for every rule.
const WAITING: &str = "SELECT e.id, e.sort, e.scope,
      CASE WHEN e.scope = 'host' THEN COALESCE(h.name, e.scope_name) ELSE e.scope_name END AS name,
      e.until_us, r.rule, r.severity
    FROM exception e JOIN exception_rule r ON r.exception = e.id
    LEFT JOIN host h ON e.scope = 'host' AND h.id = e.scope_name
    WHERE e.decision IS NULL AND e.ended_us IS NULL AND NOT EXISTS (
      SELECT 1 FROM exception later
      WHERE later.sort = e.sort AND later.scope = e.scope AND later.scope_name = e.scope_name
        AND later.requested_us > e.requested_us AND NOT EXISTS (
          SELECT 1 FROM exception_rule o WHERE o.exception = e.id AND o.rule NOT IN (
            SELECT n.rule FROM exception_rule n WHERE n.exception = later.id)))
    ORDER BY e.id, r.rule";

#[derive(sqlx::FromRow)]
struct Waiting {
    id: String,
    sort: String,
    scope: String,
    name: String,
    until_us: i64,
    rule: String,
    severity: String,
}

impl Store {
    /// Says which requests ended without a decision. True if anything changed.
    pub async fn watch_undecided(&self, now_us: i64) -> Result<bool, StoreError> {
        let owed = self.undecided().await?;
        if !self.is_unsettled(UNDECIDED, &owed, now_us).await? {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, "UPDATE heartbeat SET at_us = at_us WHERE id = 1")?;
        let changed = settle(&mut tx, UNDECIDED, &owed, now_us).await?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn undecided(&self) -> Result<Vec<Owed>, StoreError> {
        let mut requests: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for row in read!(&self.db, all, Waiting, WAITING)? {
            requests.entry(row.id.clone()).or_default().push(row);
        }
        Ok(requests.values().filter_map(|rows| owed(rows)).collect())
    }
}

/// Of the rows of one request, one for each of its rules.
fn owed(rows: &[Waiting]) -> Option<Owed> {
    let first = rows.first()?;
    let what = match first.sort.as_str() {
        "inherited" => "inherited evidence of",
        _ => "an exception from",
    };
    let scope = match first.scope.as_str() {
        "organisation" => "the organisation".to_owned(),
        scope => format!("{scope} {}", first.name),
    };
    let rules: Vec<_> = rows.iter().map(|row| row.rule.as_str()).collect();
    let severities = rows.iter().map(|row| row.severity.as_str());
    let severity = severities.max_by_key(|word| SEVERITIES.iter().position(|one| one == word))?;
    Some(Owed {
        subject: format!("request {}", first.id),
        says: format!(
            "the request for {what} {} for {scope} ended without a decision",
            rules.join(", ")
        ),
        severity: severity.to_owned(),
        due_us: first.until_us,
    })
}
