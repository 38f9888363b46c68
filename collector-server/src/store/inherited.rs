//! Inherited evidence is kept beside exceptions: asked for, decided by another, ended; each step is
//! an act in the log. Failures that it covers alert nobody until its end (`covers.rs`).

use super::db::{execute, read};
use super::exceptions::{Decider, Sort};
use super::log::Appender;
use super::people::append;
use super::{ExceptionRefusal, Store, StoreError};
use crate::exception::State;
use crate::inherited::Wanted;
use crate::moment::Moment;
use crate::scope::Interval;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What covers a result that a host does not show as passing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inherited {
    /// The statement's id.
    pub statement: String,
    pub provider: String,
    pub until_us: i64,
    /// What the host itself shows: `fail`, `unknown`.
    pub outcome: String,
}

/// When a rule was covered for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedTime {
    pub rule: String,
    pub group: String,
    pub lasted: Interval,
}

/// A statement as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct InheritedRow {
    pub id: String,
    pub host_group: String,
    pub provider: String,
    pub source: String,
    pub source_hash: String,
    pub reason: String,
    pub requested_by: String,
    pub requested_us: i64,
    pub until_us: i64,
    pub decision: Option<String>,
    pub decided_by: Option<String>,
    pub decided_us: Option<i64>,
    pub note: Option<String>,
    pub ended_us: Option<i64>,
    pub ended_by: Option<String>,
    pub end_note: Option<String>,
    #[sqlx(skip)]
    pub rules: BTreeSet<String>,
}

impl InheritedRow {
    pub fn state(&self, now_us: i64) -> State {
        State::of(self.decision.as_deref(), self.ended_us, self.until_us, now_us)
    }
}

impl Store {
    /// Keeps a request, and gives its id.
    pub async fn request_inherited(
        &self,
        wanted: &Wanted,
        actor: &str,
        now_us: i64,
    ) -> Result<String, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let id = ulid::Ulid::generate().to_string();
        let sql = "INSERT INTO exception (id, sort, scope, scope_name, provider, source,
                     source_hash, reason, measure, ticket, risk, requested_by, requested_us,
                     until_us, renewals)
                   VALUES ($1, 'inherited', 'group', $2, $3, $4, $5, $6, '', '', '', $7, $8, $9, 0)";
        execute!(
            &mut tx,
            sql,
            id.clone(),
            wanted.group.trim().to_owned(),
            wanted.provider.trim().to_owned(),
            wanted.source.clone(),
            wanted.source_hash.to_lowercase(),
            wanted.reason.trim().to_owned(),
            actor.to_owned(),
            now_us,
            wanted.until_us
        )?;
        for (rule, severity) in &wanted.rules {
            let sql = "INSERT INTO exception_rule (exception, rule, severity) VALUES ($1, $2, $3)";
            execute!(&mut tx, sql, id.clone(), rule.clone(), severity.clone())?;
        }
        let detail = json!({
            "inherited": id, "rules": wanted.rules.keys().collect::<Vec<_>>(),
            "group": wanted.group, "provider": wanted.provider, "source": wanted.source,
            "source_hash": wanted.source_hash, "reason": wanted.reason,
            "until_us": wanted.until_us,
        });
        append(&mut tx, &mut log, actor, "inherited_requested", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Approves or refuses a request of somebody else.
    pub async fn decide_inherited(
        &self,
        id: &str,
        by: Decider<'_>,
        approve: bool,
        text: &str,
        now_us: i64,
    ) -> Result<Result<(), ExceptionRefusal>, StoreError> {
        self.decide(Sort::Inherited, id, by, (approve, text), now_us).await
    }

    /// Ends a statement, or takes a request back. What still fails is alerted at once.
    pub async fn end_inherited(
        &self,
        id: &str,
        actor: &str,
        text: &str,
        now_us: i64,
    ) -> Result<Result<(), ExceptionRefusal>, StoreError> {
        self.withdraw(Sort::Inherited, id, (actor, text), now_us).await
    }

    /// All statements, the latest request first.
    pub async fn inherited(&self) -> Result<Vec<InheritedRow>, StoreError> {
        let sql = "SELECT id, scope_name AS host_group, provider, source, source_hash, reason,
                     requested_by, requested_us, until_us, decision, decided_by, decided_us, note,
                     ended_us, ended_by, end_note
                   FROM exception WHERE sort = 'inherited' ORDER BY requested_us DESC, id DESC";
        let mut rows = read!(&self.db, all, InheritedRow, sql)?;
        let sql = "SELECT x.exception, x.rule FROM exception_rule x
                   JOIN exception e ON e.id = x.exception WHERE e.sort = 'inherited'";
        let mut rules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (id, rule) in read!(&self.db, all, (String, String), sql)? {
            rules.entry(id).or_default().insert(rule);
        }
        for row in &mut rows {
            row.rules = rules.remove(&row.id).unwrap_or_default();
        }
        Ok(rows)
    }

    /// What holds now, by group and rule; of several statements the one that lasts longest.
    pub async fn inherited_rules(
        &self,
        now_us: i64,
    ) -> Result<BTreeMap<(String, String), Inherited>, StoreError> {
        let sql = "SELECT e.scope_name, x.rule, e.id, e.provider, e.until_us
                   FROM exception e JOIN exception_rule x ON x.exception = e.id
                   WHERE e.sort = 'inherited' AND e.decision = 'approved'
                     AND e.ended_us IS NULL AND e.until_us > $1 ORDER BY e.until_us, e.id";
        type Row = (String, String, String, String, i64);
        let mut found = BTreeMap::new();
        for (group, rule, statement, provider, until_us) in read!(&self.db, all, Row, sql, now_us)?
        {
            let by = Inherited { statement, provider, until_us, outcome: String::new() };
            found.insert((group, rule), by);
        }
        Ok(found)
    }

    /// [`Store::inherited_rules`] as they stood at a moment, as was known then.
    pub async fn inherited_rules_at(
        &self,
        moment: &Moment,
    ) -> Result<BTreeMap<(String, String), Inherited>, StoreError> {
        let sql = "SELECT e.scope_name, x.rule, e.id, e.provider, e.until_us
                   FROM exception e JOIN exception_rule x ON x.exception = e.id
                   WHERE e.sort = 'inherited' AND e.decision = 'approved'
                     AND e.decided_us <= $1 AND e.decided_us <= $2 AND e.until_us > $1
                     AND (e.ended_us IS NULL OR e.ended_us > $1 OR e.ended_us > $2)
                   ORDER BY e.until_us, e.id";
        type Row = (String, String, String, String, i64);
        let (at_us, known_us) = (moment.at_us, moment.known_us);
        let rows = read!(&self.db, all, Row, sql, at_us, known_us)?;
        let by = |(group, rule, statement, provider, until_us): Row| {
            let by = Inherited { statement, provider, until_us, outcome: String::new() };
            ((group, rule), by)
        };
        Ok(rows.into_iter().map(by).collect())
    }

    /// When rules were covered, by every statement there ever was.
    pub async fn inherited_times(&self) -> Result<Vec<InheritedTime>, StoreError> {
        let sql = "SELECT e.scope_name, x.rule, e.decided_us, e.until_us, e.ended_us
                   FROM exception e JOIN exception_rule x ON x.exception = e.id
                   WHERE e.sort = 'inherited' AND e.decision = 'approved'
                     AND e.decided_us IS NOT NULL";
        type Row = (String, String, i64, i64, Option<i64>);
        let time = |(group, rule, from_us, until_us, ended_us): Row| InheritedTime {
            rule,
            group,
            lasted: (from_us, ended_us.map_or(until_us, |us| us.min(until_us))),
        };
        Ok(read!(&self.db, all, Row, sql)?.into_iter().map(time).collect())
    }

    /// When failures lay under exceptions, by host and rule.
    pub async fn excepted_times(
        &self,
        rule: &str,
    ) -> Result<BTreeMap<String, Vec<Interval>>, StoreError> {
        let sql = "SELECT c.host, c.from_us, c.to_us FROM exception_cover c
                   JOIN exception e ON e.id = c.exception
                   WHERE c.rule = $1 AND e.sort = 'exception'";
        let mut found: BTreeMap<String, Vec<Interval>> = BTreeMap::new();
        type Row = (String, i64, Option<i64>);
        for (host, from_us, to_us) in read!(&self.db, all, Row, sql, rule.to_owned())? {
            found.entry(host).or_default().push((from_us, to_us.unwrap_or(i64::MAX)));
        }
        Ok(found)
    }
}
