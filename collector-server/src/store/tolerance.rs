//! How many hosts may fail a control: what its owner said. A new word ends the one before, which
//! stays on record.

use super::db::{execute, fetch, read};
use super::isms::act;
use super::log::{Appender, LogState, signed};
use super::{Store, StoreError};
use crate::status::Tolerance;
use serde_json::json;
use std::collections::BTreeMap;

/// What an owner says of a control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tolerated {
    /// None: for the organisation, and every ISMS without a word of its own.
    pub isms: Option<String>,
    pub control: String,
    /// None takes it back.
    pub tolerance: Option<Tolerance>,
    /// Who tolerates it.
    pub owner: String,
    pub reason: String,
}

/// A tolerance that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToleranceRow {
    pub said: Tolerated,
    pub from_us: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ToleranceRefusal {
    #[error("there is no such ISMS")]
    UnknownIsms,
    #[error("a tolerance is a number of hosts, or 0 to 100 of a hundred, or both")]
    Nothing,
    #[error("say who tolerates it and why, in 1 to 1000 characters each")]
    Words,
}

pub(super) type Columns = (String, String, Option<i64>, Option<i64>, String, String, i64);

impl Store {
    /// Writes what an owner tolerates, and logs it. The caller has looked whether there is such a
    /// control.
    pub async fn tolerate(
        &self,
        said: &Tolerated,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<LogState, ToleranceRefusal>, StoreError> {
        if let Err(refusal) = checked(said) {
            return Ok(Err(refusal));
        }
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let isms = said.isms.clone().unwrap_or_default();
        let sql = "SELECT id FROM isms WHERE id = $1";
        if !isms.is_empty() && fetch!(&mut tx, optional, (String,), sql, isms.clone())?.is_none() {
            return Ok(Err(ToleranceRefusal::UnknownIsms));
        }
        let known = signed(log.size());
        let sql = "UPDATE tolerance SET to_us = $3, ended_known = $4
                   WHERE isms = $1 AND control = $2 AND to_us IS NULL";
        execute!(&mut tx, sql, isms.clone(), said.control.clone(), now_us, known)?;
        if let Some(tolerance) = said.tolerance {
            let sql = "INSERT INTO tolerance (isms, control, max_hosts, max_percent, owner, reason,
                       from_us, known_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            execute!(
                &mut tx,
                sql,
                isms.clone(),
                said.control.clone(),
                tolerance.max_hosts.map(signed),
                tolerance.max_percent.map(signed),
                said.owner.trim().to_owned(),
                said.reason.trim().to_owned(),
                now_us,
                known
            )?;
        }
        let detail = json!({
            "isms": said.isms, "control": said.control, "tolerance": said.tolerance,
            "owner": said.owner.trim(), "reason": said.reason.trim(),
        });
        act(&mut tx, &mut log, ("tolerance_set", actor, now_us), detail).await?;
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(state))
    }

    /// Tolerances that hold, by ISMS and control.
    pub async fn tolerance_rows(&self) -> Result<Vec<ToleranceRow>, StoreError> {
        let sql = "SELECT isms, control, max_hosts, max_percent, owner, reason, from_us
                   FROM tolerance WHERE to_us IS NULL ORDER BY isms, control";
        let rows = read!(&self.db, all, Columns, sql)?;
        Ok(rows.into_iter().map(row).collect())
    }

    /// Tolerances that hold, by ISMS (empty: the organisation) and control.
    pub async fn tolerances(&self) -> Result<BTreeMap<(String, String), Tolerance>, StoreError> {
        let rows = self.tolerance_rows().await?.into_iter();
        let held = rows.filter_map(|row| {
            let said = row.said;
            Some(((said.isms.unwrap_or_default(), said.control), said.tolerance?))
        });
        Ok(held.collect())
    }
}

pub(super) fn row(
    (isms, control, hosts, percent, owner, reason, from_us): Columns,
) -> ToleranceRow {
    let tolerance = Tolerance {
        max_hosts: hosts.map(i64::unsigned_abs),
        max_percent: percent.map(i64::unsigned_abs),
    };
    let isms = Some(isms).filter(|isms| !isms.is_empty());
    let said = Tolerated { isms, control, tolerance: Some(tolerance), owner, reason };
    ToleranceRow { said, from_us }
}

fn checked(said: &Tolerated) -> Result<(), ToleranceRefusal> {
    let words = |text: &str| (1..=1000).contains(&text.trim().chars().count());
    if !words(&said.owner) || !words(&said.reason) {
        return Err(ToleranceRefusal::Words);
    }
    let Some(tolerance) = said.tolerance else { return Ok(()) };
    let large = tolerance.max_hosts.is_some_and(|n| n > u64::from(u32::MAX))
        || tolerance.max_percent.is_some_and(|n| n > 100);
    let none = tolerance.max_hosts.is_none() && tolerance.max_percent.is_none();
    if large || none { Err(ToleranceRefusal::Nothing) } else { Ok(()) }
}
