//! What waits to be judged, and what judgement says: spans and drifts, written in one commit that
//! only counts if nobody else judged the same host meanwhile.

use super::db::{Tx, execute, execute_rows, fetch, read};
use super::hosts::host_id;
use super::members::{Members, tell, write_members};
use super::model::{DriftRow, ResultRow};
use super::packed::unpack;
use super::watched::{Watch, write_watched};
use super::windows::window_for;
use super::{Store, StoreError, alerts, life};
use crate::alert;
use crate::span::{Change, Span, assert_over};
use evidence::{Digest, HostId, KindEntry};
use std::collections::{BTreeMap, BTreeSet};

/// Check-ins of one host that were not judged yet, oldest first.
#[derive(Debug, Clone)]
pub struct Pending {
    pub host: HostId,
    /// Up to which log index the host was judged; [`Judgement::after`] must repeat it.
    pub judged_index: i64,
    /// The day (since the epoch, UTC) its results were judged for; 0 before the first.
    pub judged_day: i64,
    /// The group it is in now: its rules judge.
    pub group: String,
    pub statements: Vec<Statement>,
}

/// One check-in as judgement needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    pub index: u64,
    pub observed_us: i64,
    pub manifest: Digest,
    /// Every object it names has arrived, or the host said that it never will.
    pub complete: bool,
}

/// What is written for one check-in.
#[derive(Debug, Clone)]
pub struct Judgement {
    pub host: HostId,
    /// The `judged_index` this was computed from.
    pub after: i64,
    pub statement: Statement,
    /// The log index since which this is known: that of the check-in, or a later one when the same
    /// check-in is judged again under other rules.
    pub known: i64,
    /// Since when the results hold: when the check-in was observed, or the begin of a later `day`.
    pub at_us: i64,
    /// The day they were judged for.
    pub day: i64,
    /// The rule set that judged.
    pub rules: Digest,
    pub kinds: BTreeMap<String, KindEntry>,
    pub results: Vec<ResultRow>,
    /// What held before `at_us`, when the check-in tells of an earlier day than was judged already.
    pub past: Option<Past>,
    pub opened: Vec<DriftRow>,
    /// Drifts that this evidence ends: `(drift, subject)`.
    pub resolved: Vec<(String, String)>,
    pub notice: Notice,
}

/// What alerts need to know of a judgement.
#[derive(Debug, Clone, Default)]
pub struct Notice {
    pub now_us: i64,
    /// Nothing newer of the host waits or is likely on its way: what is open now is alerted.
    pub settled: bool,
    /// The kind that changed, by rule.
    pub kinds: BTreeMap<String, String>,
    /// Rules whose failure a later check-in must confirm.
    pub confirm: BTreeSet<String>,
    /// What one alert for all hosts tells.
    pub summaries: Vec<Summary>,
    /// Members of populations, where evidence or list changed.
    pub populations: Vec<Members>,
    /// Watched values, where evidence changed.
    pub watched: Vec<Watch>,
    /// The group of the host, and the version of its lists that judged.
    pub group: String,
    pub lists: i64,
}

/// Rules that fail on this host for a cause that is not of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub cause: String,
    /// What it was that changed: the rule set, the agent's version.
    pub what: String,
    pub rules: BTreeSet<String>,
    /// Of the worst.
    pub severity: String,
}

/// Results of a day that is over; they hold until then and open no drift.
#[derive(Debug, Clone)]
pub struct Past {
    pub results: Vec<ResultRow>,
    pub to_us: i64,
}

type ResultValue = (String, Option<String>, String);

#[derive(sqlx::FromRow)]
pub(super) struct ResultColumns {
    host: String,
    rule: String,
    outcome: String,
    reason: Option<String>,
    offenders: String,
    cause: Option<String>,
    observed_from_us: i64,
    known_from: i64,
}

impl Store {
    /// Hosts that wait for judgement, longest waiting first, each with its job's generation.
    pub async fn hosts_to_judge(&self, limit: i64) -> Result<Vec<(HostId, i64)>, StoreError> {
        let sql = "SELECT host, generation FROM judge_job ORDER BY queued_us, host LIMIT $1";
        let rows = read!(&self.db, all, (String, i64), sql, limit)?;
        rows.iter().map(|(host, generation)| Ok((host_id(host)?, *generation))).collect()
    }

    /// Puts every reporting host in the queue: the rules or the day changed.
    pub async fn queue_all(&self, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO judge_job (host, queued_us, generation)
                   SELECT id, $1, 0 FROM host WHERE last_index IS NOT NULL
                   ON CONFLICT (host) DO UPDATE SET generation = judge_job.generation + 1";
        execute!(&mut tx, sql, now_us)?;
        tx.commit().await
    }

    /// At most `limit` check-ins of a host that were not judged; none for an unknown host.
    pub async fn pending(&self, host: HostId, limit: i64) -> Result<Option<Pending>, StoreError> {
        let sql = "SELECT judged_index, judged_day, host_group FROM host WHERE id = $1";
        let row = read!(&self.db, optional, (i64, i64, String), sql, host.to_string())?;
        let Some((judged_index, judged_day, group)) = row else { return Ok(None) };
        let sql = "SELECT c.log_index, c.observed_us, c.packed
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   WHERE chain.host = $1 AND c.log_index > $2 ORDER BY c.log_index LIMIT $3";
        let rows =
            read!(&self.db, all, (i64, i64, Vec<u8>), sql, host.to_string(), judged_index, limit)?;
        let mut statements = Vec::with_capacity(rows.len());
        for (index, observed_us, bytes) in rows {
            let manifest = unpack(&bytes)?.check_in.manifest;
            let complete = self.is_complete(host, manifest).await?;
            let index = index.unsigned_abs();
            statements.push(Statement { index, observed_us, manifest, complete });
        }
        Ok(Some(Pending { host, judged_index, judged_day, group, statements }))
    }

    async fn is_complete(&self, host: HostId, manifest: Digest) -> Result<bool, StoreError> {
        let sql = "SELECT (SELECT COUNT(*) FROM host_object WHERE host = $1 AND object = $2),
                   (SELECT COUNT(*) FROM wanted WHERE host = $1 AND manifest = $2)";
        let (lost, manifest) = (manifest, manifest.0.to_vec());
        let (has, missing) = read!(&self.db, one, (i64, i64), sql, host.to_string(), manifest)?;
        Ok((has > 0 && missing == 0) || self.lost.has(host, lost))
    }

    /// The last check-in that was judged, for a judgement that is repeated.
    pub async fn last_judged(&self, host: HostId) -> Result<Option<Statement>, StoreError> {
        let sql = "SELECT c.log_index, c.observed_us, c.packed
                   FROM check_in c JOIN chain ON chain.first_index = c.first_index
                   JOIN host h ON h.id = chain.host WHERE h.id = $1 AND c.log_index <= h.judged_index
                   ORDER BY c.log_index DESC LIMIT 1";
        let row = read!(&self.db, optional, (i64, i64, Vec<u8>), sql, host.to_string())?;
        let Some((index, observed_us, bytes)) = row else { return Ok(None) };
        let manifest = unpack(&bytes)?.check_in.manifest;
        let complete = self.is_complete(host, manifest).await?;
        Ok(Some(Statement { index: index.unsigned_abs(), observed_us, manifest, complete }))
    }

    /// Writes a judgement and moves the host's `judged_index` on. False if it was moved by someone
    /// else meanwhile: nothing was written then, and the judgement is computed again.
    pub async fn record(&self, judgement: &Judgement) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let host = judgement.host.to_string();
        let index = judgement.statement.index as i64;
        let sql = "UPDATE host SET judged_index = $3, judged_rules = $4, judged_day = $5,
                     judged_group = $6, judged_lists = $7
                   WHERE id = $1 AND judged_index = $2";
        let (rules, day) = (judgement.rules.0.to_vec(), judgement.day);
        let (group, lists) = (judgement.notice.group.clone(), judgement.notice.lists);
        let after = judgement.after;
        let moved = execute!(
            &mut tx,
            sql,
            host.clone(),
            after,
            index,
            rules.clone(),
            day,
            group.clone(),
            lists
        );
        if moved? == 0 {
            return Ok(false);
        }
        write_kinds(&mut tx, judgement).await?;
        write_results(&mut tx, judgement).await?;
        write_drifts(&mut tx, judgement).await?;
        let untold = write_members(&mut tx, judgement).await?;
        write_watched(&mut tx, judgement).await?;
        if !(judgement.opened.is_empty() && judgement.notice.populations.is_empty()) {
            // Its last words may be judged after its end.
            life::close_drifts(&mut tx, &host, judgement.at_us).await?;
        }
        let notice = &judgement.notice;
        tell(&mut tx, untold, &host, notice.now_us).await?;
        if notice.settled {
            alerts::settle(&mut tx, &host, Some(index), notice.now_us).await?;
        }
        for summary in &notice.summaries {
            alerts::announce(&mut tx, judgement.host, summary, notice.now_us).await?;
        }
        tx.commit().await?;
        self.lost.judged(judgement.host, judgement.statement.manifest);
        Ok(true)
    }

    /// Takes hosts from the queue, but those with a new reason to judge since their generation.
    pub async fn judged(&self, jobs: Vec<(HostId, i64)>) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        execute_rows!(
            &mut tx,
            "DELETE FROM judge_job WHERE (host, generation) IN (VALUES ",
            2,
            ")",
            jobs,
            |job| job.0.to_string(),
            job.1
        );
        tx.commit().await
    }

    /// The rule set that judged a host last.
    pub async fn judged_rules(&self, host: HostId) -> Result<Option<Digest>, StoreError> {
        let sql = "SELECT judged_rules FROM host WHERE id = $1";
        let row = read!(&self.db, optional, (Option<Vec<u8>>,), sql, host.to_string())?;
        Ok(row.and_then(|(rules,)| Digest::from_slice(&rules?)))
    }

    /// Results that hold now, of one host or all, of some rules or all. Two statements: one that
    /// serves both would read the results of the whole fleet for each host.
    pub async fn open_results(
        &self,
        host: Option<HostId>,
        rules: Option<&[String]>,
    ) -> Result<Vec<ResultRow>, StoreError> {
        macro_rules! open {
            ($of:literal) => {
                concat!(
                    "SELECT host, rule, outcome, reason, offenders, cause, observed_from_us,
                            known_from
                     FROM result_span WHERE ",
                    $of,
                    " AND observed_to_us IS NULL AND superseded_known IS NULL ORDER BY host, rule"
                )
            };
        }
        let sql = if host.is_some() { open!("host = $1") } else { open!("$1 = ''") };
        let host = host.map(|host| host.to_string()).unwrap_or_default();
        let mut rows = read!(&self.db, all, ResultColumns, sql, host.clone())?;
        rows.retain(|row| rules.is_none_or(|rules| rules.contains(&row.rule)));
        rows.into_iter().map(result_row).collect()
    }

    /// Results that held at `at_us`, as was known once the log had the leaf `known`.
    pub async fn results_at(
        &self,
        host: Option<HostId>,
        at_us: i64,
        known: i64,
    ) -> Result<Vec<ResultRow>, StoreError> {
        macro_rules! at {
            ($of:literal) => {
                concat!(
                    "SELECT host, rule, outcome, reason, offenders, cause, observed_from_us,
                            known_from
                     FROM result_span WHERE ",
                    $of,
                    " AND known_from <= $3 AND (superseded_known IS NULL OR superseded_known > $3)
                      AND observed_from_us <= $2
                      AND (observed_to_us IS NULL OR ended_known > $3 OR observed_to_us > $2)
                     ORDER BY host, rule"
                )
            };
        }
        let sql = if host.is_some() { at!("host = $1") } else { at!("$1 = ''") };
        let host = host.map(|host| host.to_string()).unwrap_or_default();
        let rows = read!(&self.db, all, ResultColumns, sql, host.clone(), at_us, known)?;
        rows.into_iter().map(result_row).collect()
    }

    /// States one result over an interval, as a late check-in or a new judgement of the past does.
    pub async fn assert_result(
        &self,
        row: &ResultRow,
        to_us: Option<i64>,
        rules: Digest,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        assert_result(&mut tx, row, to_us, rules).await?;
        tx.commit().await
    }
}

pub(super) fn result_row(columns: ResultColumns) -> Result<ResultRow, StoreError> {
    let offenders = serde_json::from_str(&columns.offenders);
    Ok(ResultRow {
        host: host_id(&columns.host)?,
        rule: columns.rule,
        outcome: columns.outcome,
        reason: columns.reason,
        offenders: offenders.map_err(|e| StoreError::corrupt(format!("offenders: {e}")))?,
        since_us: columns.observed_from_us,
        known: columns.known_from,
        cause: columns.cause,
    })
}

async fn write_kinds(tx: &mut Tx, judgement: &Judgement) -> Result<(), StoreError> {
    let host = judgement.host.to_string();
    let sql = "SELECT kind, entry, observed_from_us, known_from FROM kind_span
               WHERE host = $1 AND observed_to_us IS NULL AND superseded_known IS NULL";
    let rows = fetch!(tx, all, (String, String, i64, i64), sql, host.clone())?;
    let mut open: BTreeMap<_, _> = rows.into_iter().map(|r| (r.0, (r.1, r.2, r.3))).collect();
    let (at, known) = (judgement.statement.observed_us, judgement.known);
    for (kind, entry) in &judgement.kinds {
        let entry = serde_json::to_string(entry).map_err(|e| StoreError::corrupt(e.to_string()))?;
        let before = open.remove(kind);
        if before.as_ref().is_some_and(|(held, ..)| *held == entry) {
            continue;
        }
        if let Some((_, from, since)) = before {
            end_kind(tx, &host, kind, (from, since), at, known).await?;
        }
        let sql = "INSERT INTO kind_span (host, kind, entry, observed_from_us, known_from)
                   VALUES ($1, $2, $3, $4, $5)";
        execute!(tx, sql, host.clone(), kind.clone(), entry.clone(), at, known)?;
    }
    // A kind the manifest no longer names ended.
    for (kind, (_, from, since)) in open {
        end_kind(tx, &host, &kind, (from, since), at, known).await?;
    }
    Ok(())
}

async fn end_kind(
    tx: &mut Tx,
    host: &str,
    kind: &str,
    (from, since): (i64, i64),
    at: i64,
    known: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE kind_span SET observed_to_us = $5, ended_known = $6
               WHERE host = $1 AND kind = $2 AND observed_from_us = $3 AND known_from = $4";
    execute!(tx, sql, host.to_owned(), kind.to_owned(), from, since, at, known)?;
    Ok(())
}

/// Writes the results that changed, and ends those of rules that judge no more.
async fn write_results(tx: &mut Tx, judgement: &Judgement) -> Result<(), StoreError> {
    type Row = (String, String, Option<String>, String);
    let host = judgement.host.to_string();
    if let Some(past) = &judgement.past {
        for row in &past.results {
            assert_result(tx, row, Some(past.to_us), judgement.rules).await?;
        }
    }
    let sql = "SELECT rule, outcome, reason, offenders FROM result_span
               WHERE host = $1 AND observed_to_us IS NULL AND superseded_known IS NULL";
    let rows = fetch!(tx, all, Row, sql, host.clone())?;
    let mut open: BTreeMap<_, ResultValue> =
        rows.into_iter().map(|(rule, a, b, c)| (rule, (a, b, c))).collect();
    for row in &judgement.results {
        if open.remove(&row.rule) != Some(value(row)?) {
            assert_result(tx, row, None, judgement.rules).await?;
        }
    }
    let (at, known) = (judgement.at_us, judgement.known);
    for rule in open.into_keys() {
        let sql = "UPDATE result_span SET observed_to_us = $3, ended_known = $4
                   WHERE host = $1 AND rule = $2
                     AND observed_to_us IS NULL AND superseded_known IS NULL";
        execute!(tx, sql, host.clone(), rule.clone(), at, known)?;
    }
    Ok(())
}

fn value(row: &ResultRow) -> Result<ResultValue, StoreError> {
    let offenders = serde_json::to_string(&row.offenders);
    let offenders = offenders.map_err(|e| StoreError::corrupt(e.to_string()))?;
    Ok((row.outcome.clone(), row.reason.clone(), offenders))
}

async fn assert_result(
    tx: &mut Tx,
    row: &ResultRow,
    to_us: Option<i64>,
    rules: Digest,
) -> Result<(), StoreError> {
    let (host, rule) = (row.host.to_string(), row.rule.clone());
    let value = value(row)?;
    let spans = result_spans(tx, &host, &rule, row.since_us).await?;
    for change in assert_over(&spans, row.since_us, to_us, value) {
        apply(tx, (&host, &rule), row, rules, change).await?;
    }
    Ok(())
}

/// Spans of one rule on one host that count and end after `from_us`, or touch it.
async fn result_spans(
    tx: &mut Tx,
    host: &str,
    rule: &str,
    from_us: i64,
) -> Result<Vec<Span<ResultValue>>, StoreError> {
    type Row = (String, Option<String>, String, i64, Option<i64>, i64, Option<i64>);
    let sql = "SELECT outcome, reason, offenders, observed_from_us, observed_to_us, known_from,
               ended_known FROM result_span
               WHERE host = $1 AND rule = $2 AND superseded_known IS NULL
                 AND (observed_to_us IS NULL OR observed_to_us >= $3)
               ORDER BY observed_from_us";
    let rows = fetch!(tx, all, Row, sql, host.to_owned(), rule.to_owned(), from_us)?;
    let span = |(outcome, reason, offenders, from_us, to_us, known, ended_known): Row| Span {
        value: (outcome, reason, offenders),
        from_us,
        to_us,
        known,
        ended_known,
        superseded_known: None,
    };
    Ok(rows.into_iter().map(span).collect())
}

async fn apply(
    tx: &mut Tx,
    (host, rule): (&str, &str),
    row: &ResultRow,
    rules: Digest,
    change: Change<ResultValue>,
) -> Result<(), StoreError> {
    let (host, rule) = (host.to_owned(), rule.to_owned());
    match change {
        Change::End { from_us, known, to_us } => {
            let sql = "UPDATE result_span SET observed_to_us = $5, ended_known = $6
                       WHERE host = $1 AND rule = $2 AND observed_from_us = $3 AND known_from = $4";
            execute!(tx, sql, host.clone(), rule.clone(), from_us, known, to_us, row.known)?;
        }
        Change::Supersede { from_us, known } => {
            let sql = "UPDATE result_span SET superseded_known = $5
                       WHERE host = $1 AND rule = $2 AND observed_from_us = $3 AND known_from = $4";
            execute!(tx, sql, host.clone(), rule.clone(), from_us, known, row.known)?;
        }
        Change::Insert { value: (outcome, reason, offenders), from_us, to_us } => {
            let sql =
                "INSERT INTO result_span (host, rule, outcome, reason, offenders, cause, rules,
                       observed_from_us, observed_to_us, known_from, ended_known)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                 ON CONFLICT (host, rule, observed_from_us, known_from) DO UPDATE
                 SET outcome = excluded.outcome, reason = excluded.reason,
                     offenders = excluded.offenders, cause = excluded.cause,
                     rules = excluded.rules, observed_to_us = excluded.observed_to_us,
                     ended_known = excluded.ended_known, superseded_known = NULL
                 WHERE result_span.superseded_known = result_span.known_from";
            // A row that one commit wrote and superseded never counted: it may be written again.
            let written = execute!(
                tx,
                sql,
                host.clone(),
                rule.clone(),
                outcome.clone(),
                reason.clone(),
                offenders.clone(),
                row.cause.clone(),
                rules.0.to_vec(),
                from_us,
                to_us,
                row.known,
                to_us.map(|_| row.known),
            )?;
            if written == 0 {
                return Err(StoreError::corrupt(format!("two results of {rule} at one moment")));
            }
        }
    }
    Ok(())
}

async fn write_drifts(tx: &mut Tx, judgement: &Judgement) -> Result<(), StoreError> {
    let host = judgement.host.to_string();
    let at = judgement.at_us;
    for (drift, subject) in &judgement.resolved {
        let sql = "UPDATE drift SET resolved_us = $4
                   WHERE host = $1 AND drift = $2 AND subject = $3 AND resolved_us IS NULL";
        execute!(tx, sql, host.clone(), drift.clone(), subject.clone(), at)?;
    }
    let notice = &judgement.notice;
    for drift in &judgement.opened {
        let rule = drift.rule.as_deref().unwrap_or_default();
        let confirm = notice.confirm.contains(rule);
        let wait = if confirm { alert::CONFIRM_US } else { alert::HOLD_US };
        let grouping = notice.kinds.get(rule).cloned().or(drift.kind.clone());
        let about = About {
            subject: drift.rule.clone().or(drift.kind.clone()).unwrap_or_default(),
            grouping: grouping.unwrap_or_default(),
            known_us: notice.now_us,
            confirm,
            alert_after_us: notice.now_us + wait,
        };
        open_drift(tx, drift, &about, judgement.known).await?;
    }
    Ok(())
}

/// What a drift's row holds beside the drift.
pub(super) struct About {
    pub subject: String,
    pub grouping: String,
    pub known_us: i64,
    pub confirm: bool,
    pub alert_after_us: i64,
}

/// Opens a drift unless the same one is open already. True if it did.
pub(super) async fn open_drift(
    tx: &mut Tx,
    drift: &DriftRow,
    about: &About,
    index: i64,
) -> Result<bool, StoreError> {
    let offenders =
        serde_json::to_string(&drift.offenders).map_err(|e| StoreError::corrupt(e.to_string()))?;
    let (host, of) = (drift.host.to_string(), (&*drift.drift, &*about.subject, &*about.grouping));
    let window = window_for(tx, of, &host, drift.opened_us).await?;
    let sql = "INSERT INTO drift (id, drift, host, subject, cause, severity, from_state, to_state,
               offenders, opened_us, opened_index, grouping, known_us, confirm, alert_after_us,
               window_id)
               SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
               WHERE NOT EXISTS
               (SELECT 1 FROM drift WHERE drift = $2 AND host = $3 AND subject = $4
                AND resolved_us IS NULL) ON CONFLICT DO NOTHING";
    let rows = execute!(
        tx,
        sql,
        drift.id.clone(),
        drift.drift.clone(),
        drift.host.to_string(),
        about.subject.clone(),
        drift.cause.clone(),
        drift.severity.clone(),
        drift.from.clone(),
        drift.to.clone(),
        offenders.clone(),
        drift.opened_us,
        index,
        about.grouping.clone(),
        about.known_us,
        about.confirm,
        about.alert_after_us,
        window.clone(),
    )?;
    Ok(rows > 0)
}
