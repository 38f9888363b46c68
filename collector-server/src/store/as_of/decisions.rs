//! What people had decided by a moment: exceptions, tolerances, statements, rules.

use super::super::db::read;
use super::super::{Excepted, Store, StoreError, ToleranceRow, tolerance};
use crate::exception::Scope;
use crate::moment::Moment;
use crate::status::Tolerance;
use crate::store::model::{HostRow, ResultRow};
use evidence::HostId;
use std::collections::BTreeMap;

/// The rules that were activated last before a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesThen {
    /// The set's id, hexadecimal.
    pub name: String,
    pub sources: Vec<(String, String)>,
}

impl Store {
    /// Failures that an exception covered, by host and rule. Of two exceptions the one that lasts
    /// longest.
    pub async fn excepted_at(
        &self,
        hosts: &[HostRow],
        results: &[ResultRow],
        moment: &Moment,
    ) -> Result<BTreeMap<(HostId, String), Excepted>, StoreError> {
        type Row = (String, String, String, i64, String);
        let sql = "SELECT e.id, e.scope, e.scope_name, e.until_us, x.rule
                   FROM exception e JOIN exception_rule x ON x.exception = e.id
                   WHERE e.decision = 'approved' AND e.decided_us <= $1
                     AND (e.ended_us IS NULL OR e.ended_us > $1) AND e.until_us > $2
                   ORDER BY e.until_us, e.id";
        let decided_us = moment.decided_us();
        let rows = read!(&self.db, all, Row, sql, decided_us, moment.at_us)?;
        let group_of: BTreeMap<HostId, &str> =
            hosts.iter().map(|host| (host.id, host.group.as_str())).collect();
        let mut found = BTreeMap::new();
        for (exception, sort, name, until_us, rule) in rows {
            let scope = Scope::read(&sort, &name);
            let scope =
                scope.ok_or_else(|| StoreError::corrupt(format!("scope of {exception}")))?;
            let within = |host: HostId| match &scope {
                Scope::Organisation => true,
                Scope::Group(group) => group_of.get(&host).is_some_and(|held| held == group),
                Scope::Host(id) => *id == host,
            };
            let failing = results.iter().filter(|row| row.outcome == "fail" && row.rule == rule);
            for row in failing.filter(|row| within(row.host)) {
                let excepted = Excepted { exception: exception.clone(), until_us };
                found.insert((row.host, rule.clone()), excepted);
            }
        }
        Ok(found)
    }

    /// Tolerances that held.
    pub async fn tolerance_rows_at(
        &self,
        moment: &Moment,
    ) -> Result<Vec<ToleranceRow>, StoreError> {
        let sql = "SELECT isms, control, max_hosts, max_percent, owner, reason, from_us
                   FROM tolerance WHERE from_us <= $1 AND known_from <= $2
                     AND (to_us IS NULL OR to_us > $1 OR ended_known > $2)
                   ORDER BY isms, control, known_from";
        let (at, known) = (moment.at_us, moment.known);
        let rows = read!(&self.db, all, tolerance::Columns, sql, at, known)?;
        Ok(rows.into_iter().map(tolerance::row).collect())
    }

    /// [`Store::tolerance_rows_at`] by ISMS (empty: the organisation) and control.
    pub async fn tolerances_at(
        &self,
        moment: &Moment,
    ) -> Result<BTreeMap<(String, String), Tolerance>, StoreError> {
        let rows = self.tolerance_rows_at(moment).await?.into_iter();
        let held = rows.filter_map(|row| {
            let said = row.said;
            Some(((said.isms.unwrap_or_default(), said.control), said.tolerance?))
        });
        Ok(held.collect())
    }

    /// The rules that judged; none before the first were activated.
    pub async fn rules_at(&self, moment: &Moment) -> Result<Option<RulesThen>, StoreError> {
        let sql = "SELECT a.rules, r.sources FROM rule_activation a
                   JOIN rule_set r ON r.name = a.rules
                   WHERE a.log_index <= $2 AND a.at_us <= $1 ORDER BY a.log_index DESC LIMIT 1";
        let (at, known) = (moment.at_us, moment.known);
        let row = read!(&self.db, optional, (String, String), sql, at, known)?;
        let then = |(name, sources): (String, String)| {
            let sources = serde_json::from_str(&sources)
                .map_err(|e| StoreError::corrupt(format!("rule set {name}: {e}")))?;
            Ok(RulesThen { name, sources })
        };
        row.map(then).transpose()
    }
}
