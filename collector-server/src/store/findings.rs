//! Findings are kept with all their revisions; each is an act in the log. One that is past its last
//! day is a drift until it is closed.

use super::db::{Tx, execute, fetch, read};
use super::log::Appender;
use super::overdue::{Owed, settle};
use super::people::append;
use super::{Store, StoreError};
use crate::finding::{self, Finding, State, Wrong};
use serde_json::json;

/// A finding as it stands, or stood after a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingRow {
    pub id: String,
    pub raised_by: String,
    pub raised_us: i64,
    pub state: State,
    /// 1, 2, 3 …
    pub revision: i64,
    /// Who made the revision, and when.
    pub by: String,
    pub at_us: i64,
    pub finding: Finding,
}

impl FindingRow {
    /// Its last day is over, and it is not closed.
    pub fn is_overdue(&self, now_us: i64) -> bool {
        self.state != State::Closed && self.finding.due_us <= now_us
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindingRefusal {
    #[error("there is no such finding")]
    Unknown,
    #[error("somebody revised it meanwhile")]
    Meanwhile,
    #[error(transparent)]
    Wrong(#[from] Wrong),
}

/// The sort of overdue drifts that findings are.
const FINDING: &str = "finding";

type Columns = (String, String, i64, String, i64, String, i64, String);

/// SQL: findings `f` with revisions `r`, and how it goes on.
macro_rules! findings {
    ($rest:literal) => {
        concat!(
            "SELECT f.id, f.raised_by, f.raised_us, r.state, r.revision, r.by_whom, r.at_us, r.body
             FROM finding f JOIN finding_revision r ON r.finding = f.id ",
            $rest
        )
    };
}

impl Store {
    /// Keeps a finding that was checked, and gives its id.
    pub async fn raise_finding(
        &self,
        finding: &Finding,
        actor: &str,
        now_us: i64,
    ) -> Result<String, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let id = ulid::Ulid::generate().to_string();
        let sql = "INSERT INTO finding (id, raised_by, raised_us, state, source, source_name,
                     due_us, revision) VALUES ($1, $2, $3, 'open', $4, $5, $6, 1)";
        execute!(
            &mut tx,
            sql,
            id.clone(),
            actor.to_owned(),
            now_us,
            finding.source.as_str(),
            finding.source_name.clone(),
            finding.due_us
        )?;
        revise(&mut tx, &id, (1, State::Open), finding, (actor, now_us)).await?;
        let detail = json!({"finding": id, "revision": 1, "says": finding});
        append(&mut tx, &mut log, actor, "finding_raised", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Revises a finding that was checked, and may take it a step on. `revision` is the one that
    /// the reader saw.
    pub async fn revise_finding(
        &self,
        id: &str,
        revision: i64,
        (finding, to): (&Finding, State),
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), FindingRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT state, revision FROM finding WHERE id = $1";
        let row = fetch!(&mut tx, optional, (String, i64), sql, id.to_owned())?;
        let Some((state, held)) = row else { return Ok(Err(FindingRefusal::Unknown)) };
        let from = state_of(&state)?;
        if held != revision {
            return Ok(Err(FindingRefusal::Meanwhile));
        }
        if let Err(wrong) = finding::step(from, to) {
            return Ok(Err(wrong.into()));
        }
        let next = revision + 1;
        let sql = "UPDATE finding SET state = $2, source = $3, source_name = $4, due_us = $5,
                     revision = $6 WHERE id = $1";
        execute!(
            &mut tx,
            sql,
            id.to_owned(),
            to.as_str(),
            finding.source.as_str(),
            finding.source_name.clone(),
            finding.due_us,
            next
        )?;
        revise(&mut tx, id, (next, to), finding, (actor, now_us)).await?;
        let detail = json!({"finding": id, "revision": next, "state": to, "says": finding});
        append(&mut tx, &mut log, actor, finding::act(from, to), detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        // What it owed may be done; the job does it if this dies here.
        self.watch_findings(now_us).await?;
        Ok(Ok(()))
    }

    /// All findings as they stand: those that are not closed first, the first due before the others.
    pub async fn findings(&self) -> Result<Vec<FindingRow>, StoreError> {
        let sql = findings!(
            "AND r.revision = f.revision
             ORDER BY CASE WHEN f.state = 'closed' THEN 1 ELSE 0 END, f.due_us, f.id"
        );
        let rows = read!(&self.db, all, Columns, sql)?;
        rows.into_iter().map(finding_row).collect()
    }

    /// A finding with every revision, the latest first; empty if there is none of this id.
    pub async fn finding(&self, id: &str) -> Result<Vec<FindingRow>, StoreError> {
        let sql = findings!("WHERE f.id = $1 ORDER BY r.revision DESC");
        let rows = read!(&self.db, all, Columns, sql, id.to_owned())?;
        rows.into_iter().map(finding_row).collect()
    }

    /// Findings that were raised from this source: id and title.
    pub async fn findings_of(
        &self,
        source: finding::Source,
        name: &str,
    ) -> Result<Vec<FindingRow>, StoreError> {
        let sql = findings!(
            "AND r.revision = f.revision WHERE f.source = $1 AND f.source_name = $2
             ORDER BY f.id"
        );
        let rows = read!(&self.db, all, Columns, sql, source.as_str(), name.to_owned())?;
        rows.into_iter().map(finding_row).collect()
    }

    /// Says which findings are past their last day. True if anything changed.
    pub async fn watch_findings(&self, now_us: i64) -> Result<bool, StoreError> {
        let sql = findings!("AND r.revision = f.revision WHERE f.state <> 'closed'");
        let rows = read!(&self.db, all, Columns, sql)?;
        let rows = rows.into_iter().map(finding_row).collect::<Result<Vec<_>, _>>()?;
        let owed: Vec<_> = rows.iter().map(owed).collect();
        if !self.is_unsettled(FINDING, &owed, now_us).await? {
            return Ok(false);
        }
        let mut tx = self.db.begin().await?;
        execute!(&mut tx, "UPDATE heartbeat SET at_us = at_us WHERE id = 1")?;
        let changed = settle(&mut tx, FINDING, &owed, now_us).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

fn owed(row: &FindingRow) -> Owed {
    Owed {
        subject: format!("finding {}", row.id),
        says: format!("the finding “{}” of {} is overdue", row.finding.title, row.finding.owner),
        severity: row.finding.grade.severity().to_owned(),
        due_us: row.finding.due_us,
    }
}

async fn revise(
    tx: &mut Tx,
    id: &str,
    (revision, state): (i64, State),
    finding: &Finding,
    (actor, now_us): (&str, i64),
) -> Result<(), StoreError> {
    let body = serde_json::to_string(finding).map_err(|e| StoreError::corrupt(e.to_string()))?;
    let sql = "INSERT INTO finding_revision (finding, revision, state, body, by_whom, at_us)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let id = id.to_owned();
    execute!(
        tx,
        sql,
        id.clone(),
        revision,
        state.as_str(),
        body.clone(),
        actor.to_owned(),
        now_us
    )?;
    Ok(())
}

fn state_of(word: &str) -> Result<State, StoreError> {
    State::from_word(word).ok_or_else(|| StoreError::corrupt(format!("state {word}")))
}

fn finding_row(row: Columns) -> Result<FindingRow, StoreError> {
    let (id, raised_by, raised_us, state, revision, by, at_us, body) = row;
    let finding = serde_json::from_str(&body);
    Ok(FindingRow {
        state: state_of(&state)?,
        finding: finding.map_err(|e| StoreError::corrupt(format!("finding {id}: {e}")))?,
        id,
        raised_by,
        raised_us,
        revision,
        by,
        at_us,
    })
}
