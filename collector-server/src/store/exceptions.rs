//! Exceptions: asked for, decided, withdrawn; each step is an act in the log. What they cover is in
//! `covers.rs`.

use super::acts::is_same_eyes;
use super::db::{Tx, execute, fetch, read};
use super::log::Appender;
use super::people::append;
use super::{Store, StoreError};
use crate::exception::{Scope, State, Wanted};
use crate::seat::{Right, may};
use serde_json::json;
use std::collections::BTreeMap;

/// An exception as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionRow {
    pub id: String,
    pub scope: Scope,
    /// Rules with the severities they had when it was asked for.
    pub rules: BTreeMap<String, String>,
    pub reason: String,
    pub measure: String,
    pub ticket: String,
    pub risk: String,
    pub requested_by: String,
    pub requested_us: i64,
    pub until_us: i64,
    /// The one it continues.
    pub renews: Option<String>,
    pub renewals: i64,
    pub decision: Option<String>,
    pub decided_by: Option<String>,
    pub decided_us: Option<i64>,
    pub note: Option<String>,
    pub ended_us: Option<i64>,
    pub ended_by: Option<String>,
    pub end_note: Option<String>,
    /// Failures it covers now, and when it last covered one.
    pub covers: i64,
    pub needed_us: Option<i64>,
}

impl ExceptionRow {
    pub fn state(&self, now_us: i64) -> State {
        State::of(self.decision.as_deref(), self.ended_us, self.until_us, now_us)
    }

    /// Whether nothing has needed it for so long; only while it is active.
    pub fn is_unneeded(&self, after_us: i64, now_us: i64) -> bool {
        let (covers, needed) = (self.covers, self.needed_us);
        let since = self.decided_us.unwrap_or(self.requested_us);
        self.state(now_us) == State::Active
            && crate::exception::is_unneeded(since, covers, needed, after_us, now_us)
    }
}

/// Why an exception is not what somebody wanted to make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionRefusal {
    #[error("there is no such exception")]
    Unknown,
    #[error("it does not wait for a decision")]
    NotWaiting,
    #[error("it is not active")]
    NotActive,
    #[error("who asked for it may not decide on it")]
    OwnRequest,
    #[error("only a person with the seat risk_owner decides on it")]
    NotRiskOwner,
    #[error("only a compliance lead or a risk owner decides on it")]
    NotApprover,
}

/// What lies over results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Exception,
    Inherited,
}

impl Sort {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Exception => "exception",
            Self::Inherited => "inherited",
        }
    }

    /// Who decides on it.
    fn right(self) -> Right {
        match self {
            Self::Exception => Right::DecideException,
            Self::Inherited => Right::DecideInherited,
        }
    }

    fn refusal(self) -> ExceptionRefusal {
        match self {
            Self::Exception => ExceptionRefusal::NotRiskOwner,
            Self::Inherited => ExceptionRefusal::NotApprover,
        }
    }
}

/// Who decides.
#[derive(Debug, Clone, Copy)]
pub struct Decider<'a> {
    /// Whose seat and whose four eyes count.
    pub person: &'a str,
    /// As the act names them.
    pub actor: &'a str,
}

impl<'a> Decider<'a> {
    /// Somebody who is signed in.
    pub fn in_person(person: &'a str) -> Self {
        Self { person, actor: person }
    }
}

#[derive(sqlx::FromRow)]
struct Columns {
    id: String,
    scope: String,
    scope_name: String,
    reason: String,
    measure: String,
    ticket: String,
    risk: String,
    requested_by: String,
    requested_us: i64,
    until_us: i64,
    renews: Option<String>,
    renewals: i64,
    decision: Option<String>,
    decided_by: Option<String>,
    decided_us: Option<i64>,
    note: Option<String>,
    ended_us: Option<i64>,
    ended_by: Option<String>,
    end_note: Option<String>,
    covers: i64,
    needed_us: Option<i64>,
}

impl Store {
    /// Keeps a request, and gives its id. `renews` names the exception it continues.
    pub async fn request_exception(
        &self,
        wanted: &Wanted,
        renews: Option<&str>,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<String, ExceptionRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let mut renewals = 0;
        if let Some(renews) = renews {
            let sql = "SELECT renewals, decision, ended_us FROM exception
                       WHERE id = $1 AND sort = 'exception'";
            type Row = (i64, Option<String>, Option<i64>);
            let row = fetch!(&mut tx, optional, Row, sql, renews.to_owned())?;
            let Some((before, decision, ended)) = row else {
                return Ok(Err(ExceptionRefusal::Unknown));
            };
            if decision.as_deref() != Some("approved") || ended.is_some() {
                return Ok(Err(ExceptionRefusal::NotActive));
            }
            renewals = before + 1;
        }
        let id = ulid::Ulid::generate().to_string();
        insert(&mut tx, &id, wanted, (renews, renewals), (actor, now_us)).await?;
        let detail = json!({
            "exception": id, "rules": wanted.rules.keys().collect::<Vec<_>>(),
            "scope": wanted.scope.sort(), "scope_name": wanted.scope.name(),
            "reason": wanted.reason, "measure": wanted.measure, "ticket": wanted.ticket,
            "risk": wanted.risk, "until_us": wanted.until_us, "renews": renews,
        });
        append(&mut tx, &mut log, actor, "exception_requested", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// Approves or refuses a request. `person` must hold the seat `risk_owner`, and be another than
    /// who asked.
    pub async fn decide_exception(
        &self,
        id: &str,
        person: &str,
        approve: bool,
        text: &str,
        now_us: i64,
    ) -> Result<Result<(), ExceptionRefusal>, StoreError> {
        let by = Decider::in_person(person);
        self.decide(Sort::Exception, id, by, (approve, text), now_us).await
    }

    pub(super) async fn decide(
        &self,
        sort: Sort,
        id: &str,
        Decider { person, actor }: Decider<'_>,
        (approve, text): (bool, &str),
        now_us: i64,
    ) -> Result<Result<(), ExceptionRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT seat FROM person WHERE id = $1 AND disabled_us IS NULL";
        let seat = fetch!(&mut tx, optional, (String,), sql, person.to_owned())?;
        if seat.is_none_or(|(seat,)| !may(&seat, sort.right())) {
            return Ok(Err(sort.refusal()));
        }
        let sql = "SELECT requested_by, decision, ended_us, until_us FROM exception
                   WHERE id = $1 AND sort = $2";
        type Row = (String, Option<String>, Option<i64>, i64);
        let row = fetch!(&mut tx, optional, Row, sql, id.to_owned(), sort.as_str())?;
        let Some((requested_by, decision, ended_us, until_us)) = row else {
            return Ok(Err(ExceptionRefusal::Unknown));
        };
        if State::of(decision.as_deref(), ended_us, until_us, now_us) != State::Requested {
            return Ok(Err(ExceptionRefusal::NotWaiting));
        }
        if requested_by == person || is_same_eyes(&requested_by, actor) {
            return Ok(Err(ExceptionRefusal::OwnRequest));
        }
        let decision = if approve { "approved" } else { "refused" };
        let sql = "UPDATE exception SET decision = $2, decided_by = $3, decided_us = $4, note = $5
                   WHERE id = $1";
        execute!(
            &mut tx,
            sql,
            id.to_owned(),
            decision.to_owned(),
            actor.to_owned(),
            now_us,
            text.to_owned()
        )?;
        let detail = json!({sort.as_str(): id, "note": text});
        let act = format!("{}_{decision}", sort.as_str());
        append(&mut tx, &mut log, actor, &act, detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        // Not while the log is held: there may be many. The job does it if this dies here.
        self.watch_exceptions(now_us).await?;
        Ok(Ok(()))
    }

    /// Ends an exception, or takes a request back. What still fails is uncovered at once.
    pub async fn withdraw_exception(
        &self,
        id: &str,
        actor: &str,
        text: &str,
        now_us: i64,
    ) -> Result<Result<(), ExceptionRefusal>, StoreError> {
        self.withdraw(Sort::Exception, id, (actor, text), now_us).await
    }

    pub(super) async fn withdraw(
        &self,
        sort: Sort,
        id: &str,
        (actor, text): (&str, &str),
        now_us: i64,
    ) -> Result<Result<(), ExceptionRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT decision, ended_us, until_us FROM exception WHERE id = $1 AND sort = $2";
        type Row = (Option<String>, Option<i64>, i64);
        let row = fetch!(&mut tx, optional, Row, sql, id.to_owned(), sort.as_str())?;
        let Some((decision, ended_us, until_us)) = row else {
            return Ok(Err(ExceptionRefusal::Unknown));
        };
        let state = State::of(decision.as_deref(), ended_us, until_us, now_us);
        if !matches!(state, State::Active | State::Requested | State::Lapsed) {
            return Ok(Err(ExceptionRefusal::NotActive));
        }
        let sql = "UPDATE exception SET ended_us = $2, ended_by = $3, end_note = $4 WHERE id = $1";
        execute!(&mut tx, sql, id.to_owned(), now_us, actor.to_owned(), text.to_owned())?;
        let detail = json!({sort.as_str(): id, "note": text});
        let act = format!("{}_withdrawn", sort.as_str());
        append(&mut tx, &mut log, actor, &act, detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        self.watch_exceptions(now_us).await?;
        self.watch_undecided(now_us).await?;
        Ok(Ok(()))
    }

    /// All exceptions, the latest request first.
    pub async fn exceptions(&self) -> Result<Vec<ExceptionRow>, StoreError> {
        self.exception_rows("").await
    }

    pub async fn exception(&self, id: &str) -> Result<Option<ExceptionRow>, StoreError> {
        if id.is_empty() {
            return Ok(None);
        }
        Ok(self.exception_rows(id).await?.pop())
    }

    async fn exception_rows(&self, id: &str) -> Result<Vec<ExceptionRow>, StoreError> {
        let sql = "SELECT e.id, e.scope, e.scope_name, e.reason, e.measure, e.ticket, e.risk,
                     e.requested_by, e.requested_us, e.until_us, e.renews, e.renewals, e.decision,
                     e.decided_by, e.decided_us, e.note, e.ended_us, e.ended_by, e.end_note,
                     (SELECT COUNT(*) FROM exception_cover c
                      WHERE c.exception = e.id AND c.to_us IS NULL) AS covers,
                     (SELECT MAX(c.to_us) FROM exception_cover c
                      WHERE c.exception = e.id) AS needed_us
                   FROM exception e WHERE e.sort = 'exception' AND ($1 = '' OR e.id = $1)
                   ORDER BY e.requested_us DESC, e.id DESC";
        let rows = read!(&self.db, all, Columns, sql, id.to_owned())?;
        let sql = "SELECT exception, rule, severity FROM exception_rule
                   WHERE $1 = '' OR exception = $1";
        let mut rules: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (exception, rule, severity) in
            read!(&self.db, all, (String, String, String), sql, id.to_owned())?
        {
            rules.entry(exception).or_default().insert(rule, severity);
        }
        rows.into_iter().map(|row| exception_row(row, &mut rules)).collect()
    }
}

fn exception_row(
    row: Columns,
    rules: &mut BTreeMap<String, BTreeMap<String, String>>,
) -> Result<ExceptionRow, StoreError> {
    let scope = Scope::read(&row.scope, &row.scope_name);
    Ok(ExceptionRow {
        rules: rules.remove(&row.id).unwrap_or_default(),
        scope: scope.ok_or_else(|| StoreError::corrupt(format!("scope of {}", row.id)))?,
        id: row.id,
        reason: row.reason,
        measure: row.measure,
        ticket: row.ticket,
        risk: row.risk,
        requested_by: row.requested_by,
        requested_us: row.requested_us,
        until_us: row.until_us,
        renews: row.renews,
        renewals: row.renewals,
        decision: row.decision,
        decided_by: row.decided_by,
        decided_us: row.decided_us,
        note: row.note,
        ended_us: row.ended_us,
        ended_by: row.ended_by,
        end_note: row.end_note,
        covers: row.covers,
        needed_us: row.needed_us,
    })
}

async fn insert(
    tx: &mut Tx,
    id: &str,
    wanted: &Wanted,
    (renews, renewals): (Option<&str>, i64),
    (actor, now_us): (&str, i64),
) -> Result<(), StoreError> {
    let sql = "INSERT INTO exception (id, scope, scope_name, reason, measure, ticket, risk,
               requested_by, requested_us, until_us, renews, renewals)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    execute!(
        tx,
        sql,
        id.to_owned(),
        wanted.scope.sort(),
        wanted.scope.name(),
        wanted.reason.trim().to_owned(),
        wanted.measure.trim().to_owned(),
        wanted.ticket.trim().to_owned(),
        wanted.risk.trim().to_owned(),
        actor.to_owned(),
        now_us,
        wanted.until_us,
        renews.map(str::to_owned),
        renewals
    )?;
    for (rule, severity) in &wanted.rules {
        let sql = "INSERT INTO exception_rule (exception, rule, severity) VALUES ($1, $2, $3)";
        execute!(tx, sql, id.to_owned(), rule.clone(), severity.clone())?;
    }
    Ok(())
}
