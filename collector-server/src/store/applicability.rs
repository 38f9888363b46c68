//! Versions of Statements of Applicability. A draft is written by people, submitted, and approved by
//! one who wrote nothing of it; what was approved never changes.

use super::acts::is_same_eyes;
use super::db::{Tx, execute, execute_rows, fetch, read};
use super::isms::act;
use super::log::Appender;
use super::{Store, StoreError};
use crate::applicability::Entry;
use crate::moment::Moment;
use evidence::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    Draft,
    Submitted,
    Approved,
}

impl VersionState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Approved => "approved",
        }
    }
}

/// A version without its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    pub isms: String,
    pub version: i64,
    pub state: VersionState,
    /// Who wrote in it: ids of people, or `operator`.
    pub authors: Vec<String>,
    pub begun_us: i64,
    pub submitted_us: Option<i64>,
    pub submitted_by: Option<String>,
    pub approved_us: Option<i64>,
    pub approved_by: Option<String>,
    /// The log index of its approval.
    pub known: Option<i64>,
}

impl Version {
    /// Whether it had been approved, as was known then.
    pub fn is_approved_at(&self, moment: &Moment) -> bool {
        self.state == VersionState::Approved
            && self.approved_us.is_some_and(|us| us <= moment.at_us)
            && self.known.is_none_or(|known| known <= moment.known)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplicabilityRefusal {
    #[error("there is no such ISMS")]
    UnknownIsms,
    #[error("there is no draft; write something first")]
    NoDraft,
    #[error("nothing was submitted")]
    NotSubmitted,
    #[error("it was changed since; read it again")]
    Changed,
    #[error("who wrote in a version does not approve it: that is for somebody else")]
    Author,
    #[error("it is not finished: {0}")]
    Unfinished(String),
    #[error("it contradicts itself: {0}")]
    Entry(String),
}

type Refused<T> = Result<Result<T, ApplicabilityRefusal>, StoreError>;

#[derive(sqlx::FromRow)]
struct Columns {
    isms: String,
    version: i64,
    state: String,
    authors: String,
    begun_us: i64,
    submitted_us: Option<i64>,
    submitted_by: Option<String>,
    approved_us: Option<i64>,
    approved_by: Option<String>,
    known: Option<i64>,
}

/// The columns of `Columns`, in a statement.
macro_rules! versions_where {
    ($rest:literal) => {
        concat!(
            "SELECT isms, version, state, authors, begun_us, submitted_us, submitted_by,
             approved_us, approved_by, known FROM applicability ",
            $rest
        )
    };
}

impl Store {
    /// Versions of an ISMS's statement, the newest first.
    pub async fn applicability_versions(&self, isms: &str) -> Result<Vec<Version>, StoreError> {
        let sql = versions_where!("WHERE isms = $1 ORDER BY version DESC");
        let rows = read!(&self.db, all, Columns, sql, isms.to_owned())?;
        rows.into_iter().map(version).collect()
    }

    /// The approved version of every ISMS, the newest of each.
    pub async fn approved_applicability(&self) -> Result<Vec<Version>, StoreError> {
        let sql = versions_where!("WHERE state = 'approved' ORDER BY isms, version");
        let rows = read!(&self.db, all, Columns, sql)?;
        let mut newest: BTreeMap<String, Version> = BTreeMap::new();
        for row in rows {
            let version = version(row)?;
            newest.insert(version.isms.clone(), version);
        }
        Ok(newest.into_values().collect())
    }

    /// Entries of a version, by control as a text.
    pub async fn applicability_entries(
        &self,
        isms: &str,
        version: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT control, entry FROM applicability_entry WHERE isms = $1 AND version = $2
                   ORDER BY control";
        let rows = read!(&self.db, all, (String, String), sql, isms.to_owned(), version)?;
        rows.into_iter().map(entry).collect()
    }

    /// What is said of one control, by ISMS: in the newest version of each, approved or not.
    pub async fn applicability_of(
        &self,
        control: &str,
    ) -> Result<Vec<(Version, Entry)>, StoreError> {
        let mut out = vec![];
        for isms in self.all_isms().await? {
            let versions = self.applicability_versions(&isms.id).await?;
            let approved = versions.iter().find(|v| v.state == VersionState::Approved);
            let Some(version) = approved.or(versions.first()) else { continue };
            let sql = "SELECT control, entry FROM applicability_entry
                       WHERE isms = $1 AND version = $2 AND control = $3";
            let (id, number) = (isms.id.clone(), version.version);
            let row = read!(
                &self.db,
                optional,
                (String, String),
                sql,
                id.clone(),
                number,
                control.to_owned()
            )?;
            if let Some(row) = row {
                out.push((version.clone(), entry(row)?));
            }
        }
        Ok(out)
    }

    /// The version of an ISMS that was approved, as it was known then.
    pub async fn approved_at(
        &self,
        isms: &str,
        moment: &Moment,
    ) -> Result<Option<Version>, StoreError> {
        let versions = self.applicability_versions(isms).await?;
        let approved = versions.into_iter().filter(|version| version.is_approved_at(moment));
        Ok(approved.max_by_key(|version| version.version))
    }

    /// Controls that an ISMS says not to be applicable, in what is approved now or was then; without
    /// an ISMS, those that each of them says not to be. One without an approved statement says nothing.
    pub async fn excluded(
        &self,
        isms: Option<&str>,
        moment: Option<&Moment>,
    ) -> Result<BTreeSet<String>, StoreError> {
        let mut excluded: Option<BTreeSet<String>> = None;
        let all = self.all_isms().await?.into_iter().map(|one| one.id);
        for id in all.filter(|id| isms.is_none_or(|isms| isms == id)) {
            let approved = match moment {
                Some(moment) => self.approved_at(&id, moment).await?,
                None => {
                    let versions = self.applicability_versions(&id).await?.into_iter();
                    let approved = versions.filter(|one| one.state == VersionState::Approved);
                    approved.max_by_key(|one| one.version)
                }
            };
            let Some(approved) = approved else { return Ok(BTreeSet::new()) };
            let entries = self.applicability_entries(&id, approved.version).await?.into_iter();
            let here = entries.filter(|entry| entry.applicable == Some(false));
            let here = here.map(|entry| entry.control);
            excluded = Some(match excluded {
                Some(before) => here.filter(|control| before.contains(control)).collect(),
                None => here.collect(),
            });
        }
        Ok(excluded.unwrap_or_default())
    }

    /// What was said of one control, by ISMS, in the version that was approved then.
    pub async fn applicability_of_at(
        &self,
        control: &str,
        moment: &Moment,
    ) -> Result<Vec<(Version, Entry)>, StoreError> {
        let mut out = vec![];
        for isms in self.all_isms().await? {
            let Some(version) = self.approved_at(&isms.id, moment).await? else { continue };
            let entries = self.applicability_entries(&isms.id, version.version).await?;
            let entry = entries.into_iter().find(|entry| entry.control == control);
            out.extend(entry.map(|entry| (version, entry)));
        }
        Ok(out)
    }

    /// Writes entries into the draft of an ISMS, and logs what each was and is. Without a draft one
    /// begins as a copy of the newest version; one that was submitted is a draft again. Nothing is
    /// written, not even a draft, if nothing changes. Gives how many entries changed.
    pub async fn write_applicability(
        &self,
        isms: &str,
        entries: &[Entry],
        file: Option<Digest>,
        actor: &str,
        now_us: i64,
    ) -> Refused<usize> {
        for entry in entries {
            if let Err(error) = entry.check() {
                let text = format!("{}: {error}", entry.control);
                return Ok(Err(ApplicabilityRefusal::Entry(text)));
            }
        }
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "SELECT id FROM isms WHERE id = $1";
        if fetch!(&mut tx, optional, (String,), sql, isms.to_owned())?.is_none() {
            return Ok(Err(ApplicabilityRefusal::UnknownIsms));
        }
        let newest = newest(&mut tx, isms).await?;
        let held = match &newest {
            Some(newest) => entries_of(&mut tx, isms, newest.version).await?,
            None => BTreeMap::new(),
        };
        let mut changes: Vec<(&Entry, Option<&Entry>)> = vec![];
        for entry in entries {
            let before = held.get(&entry.control);
            let empty = before.is_none() && *entry == Entry::empty(&entry.control);
            if before != Some(entry) && !empty {
                changes.push((entry, before));
            }
        }
        if changes.is_empty() {
            return Ok(Ok(0));
        }
        let number = draft(&mut tx, isms, newest.as_ref(), &held, (actor, now_us)).await?;
        for (entry, _) in &changes {
            put(&mut tx, (isms, number), entry).await?;
        }
        let change =
            |(after, before): &(&Entry, Option<&Entry>)| json!({"before": before, "after": after});
        let detail = json!({
            "isms": isms, "version": number, "file": file,
            "entries": changes.iter().map(change).collect::<Vec<Value>>(),
        });
        act(&mut tx, &mut log, ("applicability_written", actor, now_us), detail).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(changes.len()))
    }

    /// Submits the draft for approval, and logs it; gives its number. Every one of `controls` must
    /// be decided.
    pub async fn submit_applicability(
        &self,
        isms: &str,
        controls: &[&str],
        actor: &str,
        now_us: i64,
    ) -> Refused<i64> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let newest = newest(&mut tx, isms).await?;
        let Some(draft) = newest.filter(|newest| newest.state == VersionState::Draft) else {
            return Ok(Err(ApplicabilityRefusal::NoDraft));
        };
        let held = entries_of(&mut tx, isms, draft.version).await?;
        if let Some(text) = unfinished(&held, controls) {
            return Ok(Err(ApplicabilityRefusal::Unfinished(text)));
        }
        let sql = "UPDATE applicability SET state = 'submitted', submitted_us = $3,
                   submitted_by = $4 WHERE isms = $1 AND version = $2";
        execute!(&mut tx, sql, isms.to_owned(), draft.version, now_us, actor.to_owned())?;
        let detail = json!({"isms": isms, "version": draft.version, "entries": digest(&held)?});
        act(&mut tx, &mut log, ("applicability_submitted", actor, now_us), detail).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(draft.version))
    }

    /// Approves what was submitted at `submitted_us`, and logs it with a digest of its entries.
    /// Whoever wrote in it or submitted it is refused.
    pub async fn approve_applicability(
        &self,
        isms: &str,
        (number, submitted_us): (i64, i64),
        actor: &str,
        now_us: i64,
    ) -> Refused<()> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let newest = newest(&mut tx, isms).await?;
        let Some(version) = newest.filter(|newest| newest.state == VersionState::Submitted) else {
            return Ok(Err(ApplicabilityRefusal::NotSubmitted));
        };
        if version.version != number || version.submitted_us != Some(submitted_us) {
            return Ok(Err(ApplicabilityRefusal::Changed));
        }
        let own =
            version.authors.iter().chain(&version.submitted_by).any(|who| is_same_eyes(who, actor));
        if own {
            return Ok(Err(ApplicabilityRefusal::Author));
        }
        let held = entries_of(&mut tx, isms, number).await?;
        let detail = json!({
            "isms": isms, "version": number, "entries": digest(&held)?,
            "authors": version.authors, "submitted_by": version.submitted_by,
        });
        let known =
            act(&mut tx, &mut log, ("applicability_approved", actor, now_us), detail).await?;
        let sql = "UPDATE applicability SET state = 'approved', approved_us = $3,
                   approved_by = $4, known = $5 WHERE isms = $1 AND version = $2";
        execute!(&mut tx, sql, isms.to_owned(), number, now_us, actor.to_owned(), known)?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Gives what was submitted back to its authors, with a reason, and logs it.
    pub async fn return_applicability(
        &self,
        isms: &str,
        number: i64,
        reason: &str,
        actor: &str,
        now_us: i64,
    ) -> Refused<()> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let newest = newest(&mut tx, isms).await?;
        let version = newest.filter(|v| v.state == VersionState::Submitted && v.version == number);
        if version.is_none() {
            return Ok(Err(ApplicabilityRefusal::NotSubmitted));
        }
        reopen(&mut tx, isms, number).await?;
        let detail = json!({"isms": isms, "version": number, "reason": reason});
        act(&mut tx, &mut log, ("applicability_returned", actor, now_us), detail).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }
}

async fn newest(tx: &mut Tx, isms: &str) -> Result<Option<Version>, StoreError> {
    let sql = versions_where!("WHERE isms = $1 ORDER BY version DESC LIMIT 1");
    fetch!(tx, optional, Columns, sql, isms.to_owned())?.map(version).transpose()
}

async fn entries_of(
    tx: &mut Tx,
    isms: &str,
    version: i64,
) -> Result<BTreeMap<String, Entry>, StoreError> {
    let sql = "SELECT control, entry FROM applicability_entry WHERE isms = $1 AND version = $2";
    let rows = fetch!(tx, all, (String, String), sql, isms.to_owned(), version)?;
    rows.into_iter().map(|row| Ok((row.0.clone(), entry(row)?))).collect()
}

/// The number of the version that may be written: the newest, if it was not approved.
async fn draft(
    tx: &mut Tx,
    isms: &str,
    newest: Option<&Version>,
    held: &BTreeMap<String, Entry>,
    (actor, now_us): (&str, i64),
) -> Result<i64, StoreError> {
    let open = newest.filter(|newest| newest.state != VersionState::Approved);
    if let Some(open) = open {
        let mut authors = open.authors.clone();
        if !authors.iter().any(|author| author == actor) {
            authors.push(actor.to_owned());
        }
        reopen(tx, isms, open.version).await?;
        let sql = "UPDATE applicability SET authors = $3 WHERE isms = $1 AND version = $2";
        execute!(tx, sql, isms.to_owned(), open.version, json!(authors).to_string())?;
        return Ok(open.version);
    }
    let number = newest.map_or(1, |newest| newest.version + 1);
    let sql = "INSERT INTO applicability (isms, version, state, authors, begun_us)
               VALUES ($1, $2, 'draft', $3, $4)";
    execute!(tx, sql, isms.to_owned(), number, json!([actor]).to_string(), now_us)?;
    let rows: Vec<(String, String)> = held
        .values()
        .map(|held| Ok((held.control.clone(), text(held)?)))
        .collect::<Result<_, StoreError>>()?;
    execute_rows!(
        tx,
        "INSERT INTO applicability_entry (isms, version, control, entry) VALUES ",
        4,
        "",
        rows,
        |row| isms.to_owned(),
        number,
        row.0,
        row.1
    );
    Ok(number)
}

async fn reopen(tx: &mut Tx, isms: &str, version: i64) -> Result<(), StoreError> {
    let sql = "UPDATE applicability SET state = 'draft', submitted_us = NULL, submitted_by = NULL
               WHERE isms = $1 AND version = $2";
    execute!(tx, sql, isms.to_owned(), version)?;
    Ok(())
}

async fn put(tx: &mut Tx, (isms, version): (&str, i64), entry: &Entry) -> Result<(), StoreError> {
    let sql = "INSERT INTO applicability_entry (isms, version, control, entry)
               VALUES ($1, $2, $3, $4)
               ON CONFLICT (isms, version, control) DO UPDATE SET entry = excluded.entry";
    let text = text(entry)?;
    execute!(tx, sql, isms.to_owned(), version, entry.control.clone(), text.clone())?;
    Ok(())
}

/// The first controls that keep a version from being submitted, and how many more.
fn unfinished(held: &BTreeMap<String, Entry>, controls: &[&str]) -> Option<String> {
    const NAMED: usize = 5;
    let missing = |control: &&str| match held.get(*control) {
        None => Some(format!("{control}: nobody has decided whether it applies")),
        Some(entry) => entry.missing().map(|what| format!("{control}: {what}")),
    };
    let missing: Vec<String> = controls.iter().filter_map(missing).collect();
    let more = missing.len().saturating_sub(NAMED);
    let mut text = missing.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    (!missing.is_empty()).then_some(text)
}

/// Names the entries of a version, so that the log says what was approved.
fn digest(entries: &BTreeMap<String, Entry>) -> Result<Digest, StoreError> {
    let bytes = serde_json::to_vec(entries).map_err(|e| StoreError::corrupt(e.to_string()))?;
    Ok(Digest::of(&bytes))
}

fn text(entry: &Entry) -> Result<String, StoreError> {
    serde_json::to_string(entry).map_err(|e| StoreError::corrupt(e.to_string()))
}

fn entry((control, text): (String, String)) -> Result<Entry, StoreError> {
    serde_json::from_str(&text)
        .map_err(|e| StoreError::corrupt(format!("applicability of {control}: {e}")))
}

fn version(row: Columns) -> Result<Version, StoreError> {
    let corrupt = |what: &str| StoreError::corrupt(format!("{what} of an applicability version"));
    let state = serde_json::from_value(Value::String(row.state)).map_err(|_| corrupt("state"))?;
    Ok(Version {
        isms: row.isms,
        version: row.version,
        state,
        authors: serde_json::from_str(&row.authors).map_err(|_| corrupt("authors"))?,
        begun_us: row.begun_us,
        submitted_us: row.submitted_us,
        submitted_by: row.submitted_by,
        approved_us: row.approved_us,
        approved_by: row.approved_by,
        known: row.known,
    })
}
