//! What is said of a host (group, state, tags), as spans on two axes.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::log::{Appender, LogState, signed};
use super::{Store, StoreError};
use crate::drift::Cause;
use crate::span::{Change, Span, assert_over};
use evidence::HostId;
use serde_json::json;

/// A value of a property of a host, from a moment on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    /// `group`, `state`, `tag:KEY`.
    pub(super) property: &'a str,
    /// Empty: a tag that was taken away.
    pub(super) value: &'a str,
    pub(super) cause: Option<&'a str>,
    pub(super) from_us: i64,
}

/// What a person says of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    pub host: HostId,
    /// `group` or `tag:KEY`.
    pub property: String,
    /// None takes a tag away.
    pub value: Option<String>,
    /// It has been so since then; what was said of later moments gives way.
    pub from_us: i64,
    pub actor: String,
    pub reason: Option<String>,
    pub now_us: i64,
}

/// A span of a property, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpan {
    pub host: HostId,
    pub property: String,
    pub span: Span<String>,
    pub cause: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Columns {
    host: String,
    property: String,
    value: String,
    cause: Option<String>,
    observed_from_us: i64,
    observed_to_us: Option<i64>,
    known_from: i64,
    ended_known: Option<i64>,
    superseded_known: Option<i64>,
}

impl Store {
    /// Writes what a person says of a host's group or tags, and logs it. No drift of the host opens
    /// by this; if other rules judge the new group, it is judged by them. None for an unknown host.
    pub async fn say(&self, saying: &Saying) -> Result<Option<LogState>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let host = saying.host.to_string();
        let sql = "SELECT host_group FROM host WHERE id = $1";
        let Some((before,)) = fetch!(&mut tx, optional, (String,), sql, host.clone())? else {
            return Ok(None);
        };
        let is_group = saying.property == "group";
        let act = if is_group { "host_assigned" } else { "host_tagged" };
        let mut detail = json!({
            "host": saying.host, "property": saying.property, "value": saying.value,
            "from_us": saying.from_us, "reason": saying.reason,
        });
        if is_group {
            detail["before"] = before.into();
        }
        let (at_us, actor) = (saying.now_us, saying.actor.clone());
        let act = Act { at_us, actor, act: act.to_owned(), detail };
        let known = signed(acts::append(&mut tx, &mut log, &act).await?);
        let value = saying.value.as_deref().unwrap_or_default();
        let cause = is_group.then_some(Cause::ScopeChanged.as_str());
        let said = Said { property: &saying.property, value, cause, from_us: saying.from_us };
        say_of_host(&mut tx, &host, said, known).await?;
        if is_group {
            let sql = "UPDATE host SET host_group = $2 WHERE id = $1";
            execute!(&mut tx, sql, host.clone(), value.to_owned())?;
            let sql = "INSERT INTO judge_job (host, queued_us, generation)
                       SELECT id, $2, 0 FROM host WHERE id = $1 AND last_index IS NOT NULL
                       ON CONFLICT (host) DO UPDATE SET generation = judge_job.generation + 1";
            execute!(&mut tx, sql, host.clone(), saying.now_us)?;
        }
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(state))
    }

    /// Everything ever said of one host, or of all when none: by host, property and begin.
    pub async fn host_spans(&self, host: Option<HostId>) -> Result<Vec<HostSpan>, StoreError> {
        macro_rules! said {
            ($of:literal) => {
                concat!(
                    "SELECT host, property, value, cause, observed_from_us, observed_to_us,
                            known_from, ended_known, superseded_known FROM host_span WHERE ",
                    $of,
                    " ORDER BY host, property, observed_from_us, known_from"
                )
            };
        }
        let sql = if host.is_some() { said!("host = $1") } else { said!("$1 = ''") };
        let host = host.map(|host| host.to_string()).unwrap_or_default();
        let rows = read!(&self.db, all, Columns, sql, host.clone())?;
        rows.into_iter().map(host_span).collect()
    }
}

fn host_span(row: Columns) -> Result<HostSpan, StoreError> {
    Ok(HostSpan {
        host: super::hosts::host_id(&row.host)?,
        property: row.property,
        cause: row.cause,
        span: Span {
            value: row.value,
            from_us: row.observed_from_us,
            to_us: row.observed_to_us,
            known: row.known_from,
            ended_known: row.ended_known,
            superseded_known: row.superseded_known,
        },
    })
}

/// States a value from a moment on, within a transaction that holds the log.
pub(super) async fn say_of_host(
    tx: &mut Tx,
    host: &str,
    said: Said<'_>,
    now: i64,
) -> Result<(), StoreError> {
    let property = said.property;
    let sql = "SELECT value, observed_from_us, observed_to_us, known_from, ended_known
               FROM host_span WHERE host = $1 AND property = $2 AND superseded_known IS NULL
               ORDER BY observed_from_us";
    type Row = (String, i64, Option<i64>, i64, Option<i64>);
    let rows = fetch!(tx, all, Row, sql, host.to_owned(), property.to_owned())?;
    let span = |(value, from_us, to_us, known, ended_known): Row| Span {
        value,
        from_us,
        to_us,
        known,
        ended_known,
        superseded_known: None,
    };
    let spans: Vec<_> = rows.into_iter().map(span).collect();
    for change in assert_over(&spans, said.from_us, None, said.value.to_owned()) {
        apply(tx, host, said, change, now).await?;
    }
    Ok(())
}

async fn apply(
    tx: &mut Tx,
    host: &str,
    said: Said<'_>,
    change: Change<String>,
    now: i64,
) -> Result<(), StoreError> {
    let (host, property) = (host.to_owned(), said.property.to_owned());
    match change {
        Change::End { from_us, known, to_us } => {
            let sql = "UPDATE host_span SET observed_to_us = $5, ended_known = $6 WHERE host = $1
                       AND property = $2 AND observed_from_us = $3 AND known_from = $4";
            execute!(tx, sql, host.clone(), property.clone(), from_us, known, to_us, now)?;
        }
        Change::Supersede { from_us, known } => {
            let sql = "UPDATE host_span SET superseded_known = $5 WHERE host = $1
                       AND property = $2 AND observed_from_us = $3 AND known_from = $4";
            execute!(tx, sql, host.clone(), property.clone(), from_us, known, now)?;
        }
        Change::Insert { value, from_us, to_us } => {
            let sql = "INSERT INTO host_span (host, property, value, cause, observed_from_us,
                       observed_to_us, known_from, ended_known)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let (cause, ended) = (said.cause.map(str::to_owned), to_us.map(|_| now));
            execute!(
                tx,
                sql,
                host.clone(),
                property.clone(),
                value.clone(),
                cause.clone(),
                from_us,
                to_us,
                now,
                ended
            )?;
        }
    }
    Ok(())
}
