//! Drifts of one cause: what changed in the same way, on however many hosts.

use super::db::read;
use super::model::{AlertRow, DriftRow};
use super::reading::{DriftColumns, drift_row};
use super::{Store, StoreError};
use crate::moment::Moment;
use evidence::HostId;

/// Which drifts; an empty word means any.
#[derive(Debug, Clone, Default)]
pub struct CauseFilter {
    /// Open or resolved ones only; both when none.
    pub open: Option<bool>,
    pub drift: String,
    pub severity: String,
    pub group: String,
    /// Part of a host's name, in any case.
    pub host: String,
    /// Causes behind this one in the list.
    pub after: Option<Place>,
    pub limit: i64,
    /// As they stood then; none for now.
    pub moment: Option<Moment>,
}

/// Where a cause stands in the list: open before resolved, the most severe first, then the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// 0 critical … 3 low, 9 resolved.
    pub rank: i64,
    pub last_us: i64,
    pub id: String,
}

/// Drifts with the same drift, subject, cause and change, all open or all resolved.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CauseRow {
    /// The first of its drifts: names the cause in addresses.
    pub id: String,
    pub drift: String,
    /// The rule, the kind, or nothing.
    pub subject: String,
    pub cause: String,
    pub severity: String,
    pub from_state: String,
    pub to_state: String,
    pub hosts: i64,
    /// The first host by name, and its group if all are of one.
    pub host_name: String,
    pub group_name: String,
    pub n_groups: i64,
    pub first_us: i64,
    pub last_us: i64,
    /// When the last of them was ended by evidence; none while they are open.
    pub resolved_us: Option<i64>,
    /// 0 critical … 3 low, 9 resolved.
    pub rank: i64,
}

impl CauseRow {
    pub fn place(&self) -> Place {
        Place { rank: self.rank, last_us: self.last_us, id: self.id.clone() }
    }
}

/// Causes among drifts and hosts, in the order of [`Place`].
macro_rules! causes {
    ($drift:literal, $host:literal) => {
        concat!(
            "SELECT * FROM (
              SELECT MIN(d.id) AS id, d.drift, d.subject, d.cause, d.severity, d.from_state,
                d.to_state, COUNT(DISTINCT h.id) AS hosts,
                COALESCE(MIN(h.name), '') AS host_name,
                COALESCE(MIN(h.host_group), '') AS group_name, COUNT(DISTINCT h.host_group) AS n_groups,
                MIN(d.opened_us) AS first_us, MAX(d.opened_us) AS last_us,
                MAX(d.resolved_us) AS resolved_us,
                CAST(CASE WHEN MAX(d.resolved_us) IS NOT NULL THEN 9
                  WHEN d.severity = 'critical' THEN 0 WHEN d.severity = 'high' THEN 1
                  WHEN d.severity = 'medium' THEN 2 ELSE 3 END AS BIGINT) AS rank
              FROM ",
            $drift,
            " d LEFT JOIN ",
            $host,
            " h ON h.id = d.host
              WHERE ($1 = 0 OR ($1 = 1 AND d.resolved_us IS NULL)
                  OR ($1 = 2 AND d.resolved_us IS NOT NULL))
                AND ($2 = '' OR d.drift = $2) AND ($3 = '' OR d.severity = $3)
                AND ($4 = '' OR h.host_group = $4)
                AND ($5 = '' OR lower(h.name) LIKE $5 ESCAPE '!')
              GROUP BY d.drift, d.subject, d.cause, d.severity, d.from_state, d.to_state,
                d.offenders, CASE WHEN d.resolved_us IS NULL THEN 0 ELSE 1 END) AS g
            WHERE g.rank > $6 OR (g.rank = $6 AND (g.last_us < $7
                OR (g.last_us = $7 AND g.id > $8)))
            ORDER BY g.rank, g.last_us DESC, g.id LIMIT $9"
        )
    };
}

impl Store {
    /// Causes in the order of [`Place`].
    pub async fn causes(&self, filter: &CauseFilter) -> Result<Vec<CauseRow>, StoreError> {
        let open: i64 = filter.open.map_or(0, |open| if open { 1 } else { 2 });
        let start = Place { rank: -1, last_us: 0, id: String::new() };
        let after = filter.after.as_ref().unwrap_or(&start);
        let (at, known) = filter.moment.map_or((0, 0), |moment| (moment.at_us, moment.known));
        macro_rules! rows {
            ($sql:expr $(, $moment:expr)*) => {
                read!(
                    &self.db,
                    all,
                    CauseRow,
                    $sql,
                    open,
                    filter.drift.clone(),
                    filter.severity.clone(),
                    filter.group.clone(),
                    pattern(&filter.host),
                    after.rank,
                    after.last_us,
                    after.id.clone(),
                    filter.limit
                    $(, $moment)*
                )?
            };
        }
        Ok(match filter.moment {
            None => rows!(causes!("drift", "host")),
            Some(_) => rows!(
                causes!(
                    "(SELECT id, drift, host, subject, cause, severity, from_state, to_state,
                        offenders, opened_us,
                        CASE WHEN resolved_us <= $10 THEN resolved_us END AS resolved_us
                      FROM drift WHERE opened_us <= $10 AND opened_index <= $11)",
                    "(SELECT x.id, x.name, COALESCE((
                        SELECT MAX(s.value) FROM host_span s
                        WHERE s.host = x.id AND s.property = 'group' AND s.known_from <= $11
                          AND (s.superseded_known IS NULL OR s.superseded_known > $11)
                          AND s.observed_from_us <= $10
                          AND (s.observed_to_us IS NULL OR s.ended_known > $11
                               OR s.observed_to_us > $10)), x.host_group) AS host_group
                      FROM host x)"
                ),
                at,
                known
            ),
        })
    }

    /// How many drifts were open, and on how many hosts, at a moment.
    pub async fn open_drifts_at(&self, moment: &Moment) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT COUNT(*), COUNT(DISTINCT host) FROM drift
                   WHERE opened_us <= $1 AND opened_index <= $2
                     AND (resolved_us IS NULL OR resolved_us > $1)";
        Ok(read!(&self.db, one, (i64, i64), sql, moment.at_us, moment.known)?)
    }

    /// [`Store::drift_and_its_like`], as they stood at a moment.
    pub async fn drift_and_its_like_at(
        &self,
        id: &str,
        limit: i64,
        moment: &Moment,
    ) -> Result<Vec<DriftRow>, StoreError> {
        let sql = "SELECT o.id, o.drift, o.host, o.subject, o.cause, o.severity, o.from_state,
                o.to_state, o.offenders, o.opened_us,
                CASE WHEN o.resolved_us <= $3 THEN o.resolved_us END AS resolved_us
            FROM drift d JOIN drift o ON o.drift = d.drift AND o.subject = d.subject
              AND o.cause = d.cause AND o.severity = d.severity AND o.from_state = d.from_state
              AND o.to_state = d.to_state AND o.offenders = d.offenders
              AND (o.resolved_us IS NOT NULL AND o.resolved_us <= $3)
                = (d.resolved_us IS NOT NULL AND d.resolved_us <= $3)
            WHERE d.id = $1 AND d.opened_us <= $3 AND d.opened_index <= $4
              AND o.opened_us <= $3 AND o.opened_index <= $4
            ORDER BY CASE WHEN o.id = d.id THEN 0 ELSE 1 END, o.opened_us DESC, o.id LIMIT $2";
        let (at, known) = (moment.at_us, moment.known);
        let rows = read!(&self.db, all, DriftColumns, sql, id.to_owned(), limit, at, known)?;
        rows.into_iter().map(drift_row).collect()
    }

    /// How many drifts are open, and on how many hosts.
    pub async fn open_drifts(&self) -> Result<(i64, i64), StoreError> {
        // What people owe is of no host.
        let sql = "SELECT COUNT(*), COUNT(DISTINCT CASE WHEN host <> $1 THEN host END)
                   FROM drift WHERE resolved_us IS NULL";
        Ok(read!(&self.db, one, (i64, i64), sql, HostId::nil().to_string())?)
    }

    /// The drift of this id, if there is one, and then all others of its cause, the latest first.
    pub async fn drift_and_its_like(
        &self,
        id: &str,
        limit: i64,
    ) -> Result<Vec<DriftRow>, StoreError> {
        let sql = "SELECT o.id, o.drift, o.host, o.subject, o.cause, o.severity, o.from_state,
                o.to_state, o.offenders, o.opened_us, o.resolved_us
            FROM drift d JOIN drift o ON o.drift = d.drift AND o.subject = d.subject
              AND o.cause = d.cause AND o.severity = d.severity AND o.from_state = d.from_state
              AND o.to_state = d.to_state AND o.offenders = d.offenders
              AND (o.resolved_us IS NULL) = (d.resolved_us IS NULL)
            WHERE d.id = $1
            ORDER BY CASE WHEN o.id = d.id THEN 0 ELSE 1 END, o.opened_us DESC, o.id LIMIT $2";
        let rows = read!(&self.db, all, DriftColumns, sql, id.to_owned(), limit)?;
        rows.into_iter().map(drift_row).collect()
    }

    /// The alert that holds this drift, if one was opened for it.
    pub async fn alert_of(&self, drift: &str) -> Result<Option<AlertRow>, StoreError> {
        let sql = "SELECT alert FROM alert_drift WHERE drift = $1";
        let row = read!(&self.db, optional, (String,), sql, drift.to_owned())?;
        let Some((alert,)) = row else { return Ok(None) };
        Ok(self.alert(&alert).await?.map(|whole| whole.alert))
    }

    /// The groups that hosts are in, by name.
    pub async fn host_groups(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT host_group FROM host ORDER BY host_group";
        let rows = read!(&self.db, all, (String,), sql)?;
        Ok(rows.into_iter().map(|(group,)| group).collect())
    }
}

/// A pattern of LIKE that finds the text anywhere; empty for none.
fn pattern(text: &str) -> String {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return text;
    }
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}
