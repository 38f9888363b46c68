//! Records are kept with all their revisions; each revision and each decision on one is an act in the
//! log, with the hash of the file or of what is linked. Nothing of a record is ever changed in place.

use super::acts::is_same_eyes;
use super::db::{Tx, execute, fetch, read};
use super::log::Appender;
use super::people::append;
use super::{Store, StoreError};
use crate::record::{Decision, Line, Record, Revision, Says};
use evidence::Digest;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordRefusal {
    #[error("there is no such ISMS")]
    UnknownIsms,
    #[error("there is no such record")]
    Unknown,
    #[error("somebody revised it meanwhile; look at it again")]
    Meanwhile,
    #[error("it was withdrawn; record it anew")]
    Withdrawn,
    #[error("no revision of it waits for approval")]
    NotWaiting,
    #[error("nobody approves what they wrote")]
    OwnWork,
    #[error("the file it names was not sent for this record; send it")]
    File,
}

type Done<T> = Result<Result<T, RecordRefusal>, StoreError>;

/// Which record of which register and ISMS: what a caller names is held to all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordKey<'a> {
    pub isms: &'a str,
    pub register: &'a str,
    pub id: &'a str,
}

/// A file beside what a revision says.
pub type NewFile<'a> = Option<&'a [u8]>;

impl Store {
    /// Keeps a record that was checked, and gives its id.
    pub async fn make_record(
        &self,
        (isms, register): (&str, &str),
        (says, file): (&Says, NewFile<'_>),
        needs_approval: bool,
        actor: &str,
        now_us: i64,
    ) -> Done<String> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        if !has_isms(&mut tx, isms).await? {
            return Ok(Err(RecordRefusal::UnknownIsms));
        }
        let by = (needs_approval, actor, now_us);
        let made = insert(&mut tx, &mut log, (isms, register), (says, file), by).await?;
        let id = match made {
            Ok(id) => id,
            Err(refusal) => return Ok(Err(refusal)),
        };
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// Adds a revision that was checked. `revision` is the one that the writer saw. A file that it
    /// names is sent with it, or is that of an earlier revision of the same record.
    pub async fn revise_record(
        &self,
        key: RecordKey<'_>,
        revision: i64,
        (says, file): (&Says, NewFile<'_>),
        needs_approval: bool,
        actor: &str,
        now_us: i64,
    ) -> Done<()> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let by = (needs_approval, actor, now_us);
        let done = follow(&mut tx, &mut log, (key, revision), (says, file), by).await?;
        if done.is_ok() {
            log.finish(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(done)
    }

    /// Takes over the lines of a file, all of them or none. Lines that say what holds already change
    /// nothing. Gives how many were new and how many revised.
    pub async fn import_records(
        &self,
        (isms, register): (&str, &str),
        lines: &[Line],
        needs_approval: bool,
        actor: &str,
        now_us: i64,
    ) -> Done<(usize, usize)> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        if !has_isms(&mut tx, isms).await? {
            return Ok(Err(RecordRefusal::UnknownIsms));
        }
        let (mut new, mut revised) = (0, 0);
        let by = (needs_approval, actor, now_us);
        for line in lines {
            let said = (&line.says, None);
            let Some(id) = &line.id else {
                let made = insert(&mut tx, &mut log, (isms, register), said, by).await?;
                if let Err(refusal) = made {
                    return Ok(Err(refusal));
                }
                new += 1;
                continue;
            };
            let held = last(&mut tx, id).await?;
            let Some((n, body)) = held else { return Ok(Err(RecordRefusal::Unknown)) };
            if body == line.says {
                continue;
            }
            let key = RecordKey { isms, register, id };
            let done = follow(&mut tx, &mut log, (key, n), said, by).await?;
            if let Err(refusal) = done {
                return Ok(Err(refusal));
            }
            revised += 1;
        }
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok((new, revised)))
    }

    /// Approves the revision that waits, or returns it. `authors` of it may not.
    pub async fn decide_record(
        &self,
        key: RecordKey<'_>,
        revision: i64,
        (approve, note): (bool, &str),
        (person, actor): (&str, &str),
        now_us: i64,
    ) -> Done<()> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let Some(record) = one(&mut tx, key).await? else {
            return Ok(Err(RecordRefusal::Unknown));
        };
        if let Err(refusal) = may_decide(&record, revision, person, actor) {
            return Ok(Err(refusal));
        }
        let sql = "UPDATE record_revision SET approved = $3, decided_by = $4, decided_us = $5,
                   note = $6 WHERE record = $1 AND revision = $2 AND approved IS NULL";
        let (id, note) = (key.id.to_owned(), note.to_owned());
        execute!(&mut tx, sql, id, revision, approve, actor.to_owned(), now_us, note.clone())?;
        let act = if approve { "record_approved" } else { "record_returned" };
        let detail = json!({
            "isms": key.isms, "register": key.register, "record": key.id, "revision": revision,
            "note": note,
        });
        append(&mut tx, &mut log, actor, act, detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Takes a record back: it stays to be read, and nothing rests on it any more.
    pub async fn withdraw_record(
        &self,
        key: RecordKey<'_>,
        note: &str,
        actor: &str,
        now_us: i64,
    ) -> Done<()> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        match one(&mut tx, key).await? {
            None => return Ok(Err(RecordRefusal::Unknown)),
            Some(record) if record.withdrawn.is_some() => {
                return Ok(Err(RecordRefusal::Withdrawn));
            }
            Some(_) => {}
        }
        let sql = "UPDATE record SET withdrawn_us = $2, withdrawn_by = $3, withdraw_note = $4
                   WHERE id = $1";
        execute!(&mut tx, sql, key.id.to_owned(), now_us, actor.to_owned(), note.to_owned())?;
        let detail = json!({
            "isms": key.isms, "register": key.register, "record": key.id, "note": note,
        });
        append(&mut tx, &mut log, actor, "record_withdrawn", detail, now_us).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Every record with every revision, in order of time; of one ISMS, or of all.
    pub async fn records(&self, isms: Option<&str>) -> Result<Vec<Record>, StoreError> {
        let sql = "SELECT r.id, r.isms, r.register, r.recorded_by, r.recorded_us, r.withdrawn_us,
                     r.withdrawn_by, r.withdraw_note, v.revision, v.body, v.by_whom, v.at_us,
                     v.needs_approval, v.approved, v.decided_by, v.decided_us, v.note
                   FROM record r JOIN record_revision v ON v.record = r.id
                   WHERE $1 = '' OR r.isms = $1 ORDER BY r.recorded_us, r.id, v.revision";
        let rows = read!(&self.db, all, Columns, sql, isms.unwrap_or_default().to_owned())?;
        gather(rows)
    }

    /// One record, if it is of this register and ISMS.
    pub async fn record_of(&self, key: RecordKey<'_>) -> Result<Option<Record>, StoreError> {
        let rows = read!(
            &self.db,
            all,
            Columns,
            ONE,
            key.id.to_owned(),
            key.isms.to_owned(),
            key.register.to_owned()
        )?;
        Ok(gather(rows)?.pop())
    }

    /// Bytes of a file that a record has; whoever asks has found the record first.
    pub async fn record_file(&self, sha256: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT body FROM record_file WHERE sha256 = $1";
        let row = read!(&self.db, optional, (Vec<u8>,), sql, sha256.to_string())?;
        let Some((body,)) = row else { return Ok(None) };
        if Digest::of(&body) != sha256 {
            return Err(StoreError::corrupt(format!("file {sha256} holds other bytes")));
        }
        Ok(Some(body))
    }
}

const ONE: &str = "SELECT r.id, r.isms, r.register, r.recorded_by, r.recorded_us, r.withdrawn_us,
      r.withdrawn_by, r.withdraw_note, v.revision, v.body, v.by_whom, v.at_us,
      v.needs_approval, v.approved, v.decided_by, v.decided_us, v.note
    FROM record r JOIN record_revision v ON v.record = r.id
    WHERE r.id = $1 AND r.isms = $2 AND r.register = $3 ORDER BY v.revision";

#[derive(sqlx::FromRow)]
struct Columns {
    id: String,
    isms: String,
    register: String,
    recorded_by: String,
    recorded_us: i64,
    withdrawn_us: Option<i64>,
    withdrawn_by: Option<String>,
    withdraw_note: Option<String>,
    revision: i64,
    body: String,
    by_whom: String,
    at_us: i64,
    needs_approval: bool,
    approved: Option<bool>,
    decided_by: Option<String>,
    decided_us: Option<i64>,
    note: Option<String>,
}

fn decision(by: Option<String>, at_us: Option<i64>, note: Option<String>) -> Option<Decision> {
    Some(Decision { by: by?, at_us: at_us?, note: note.unwrap_or_default() })
}

/// Rows of one record stand together.
fn gather(rows: Vec<Columns>) -> Result<Vec<Record>, StoreError> {
    let mut all: Vec<Record> = vec![];
    for row in rows {
        let revision = Revision {
            n: row.revision,
            says: said(&row.id, &row.body)?,
            by: row.by_whom,
            at_us: row.at_us,
            needs_approval: row.needs_approval,
            approved: row.approved,
            decided: decision(row.decided_by, row.decided_us, row.note),
        };
        match all.last_mut() {
            Some(record) if record.id == row.id => record.revisions.push(revision),
            _ => all.push(Record {
                id: row.id,
                isms: row.isms,
                register: row.register,
                recorded_by: row.recorded_by,
                recorded_us: row.recorded_us,
                revisions: vec![revision],
                withdrawn: decision(row.withdrawn_by, row.withdrawn_us, row.withdraw_note),
            }),
        }
    }
    Ok(all)
}

fn said(id: &str, body: &str) -> Result<Says, StoreError> {
    serde_json::from_str(body).map_err(|e| StoreError::corrupt(format!("record {id}: {e}")))
}

async fn one(tx: &mut Tx, key: RecordKey<'_>) -> Result<Option<Record>, StoreError> {
    let (id, isms) = (key.id.to_owned(), key.isms.to_owned());
    let rows = fetch!(tx, all, Columns, ONE, id.clone(), isms.clone(), key.register.to_owned())?;
    Ok(gather(rows)?.pop())
}

async fn last(tx: &mut Tx, id: &str) -> Result<Option<(i64, Says)>, StoreError> {
    let sql = "SELECT revision, body FROM record_revision WHERE record = $1
               ORDER BY revision DESC LIMIT 1";
    let row = fetch!(tx, optional, (i64, String), sql, id.to_owned())?;
    row.map(|(n, body)| Ok((n, said(id, &body)?))).transpose()
}

fn may_decide(
    record: &Record,
    revision: i64,
    person: &str,
    actor: &str,
) -> Result<(), RecordRefusal> {
    if record.withdrawn.is_some() {
        return Err(RecordRefusal::Withdrawn);
    }
    let waiting = record.waiting().ok_or(RecordRefusal::NotWaiting)?;
    if waiting.n != revision {
        return Err(RecordRefusal::Meanwhile);
    }
    let own = |author: &str| is_same_eyes(author, actor) || is_same_eyes(author, person);
    let own = record.authors().into_iter().any(own);
    if own { Err(RecordRefusal::OwnWork) } else { Ok(()) }
}

async fn has_isms(tx: &mut Tx, isms: &str) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM isms WHERE id = $1";
    Ok(fetch!(tx, optional, (String,), sql, isms.to_owned())?.is_some())
}

/// Whether approval is needed, who writes, and when.
type By<'a> = (bool, &'a str, i64);

async fn insert(
    tx: &mut Tx,
    log: &mut Appender,
    (isms, register): (&str, &str),
    (says, file): (&Says, NewFile<'_>),
    by: By<'_>,
) -> Done<String> {
    if !keeps(says, file, &BTreeMap::new()) {
        return Ok(Err(RecordRefusal::File));
    }
    let id = ulid::Ulid::generate().to_string();
    let sql = "INSERT INTO record (id, isms, register, recorded_by, recorded_us, revision)
               VALUES ($1, $2, $3, $4, $5, 1)";
    let of = (isms.to_owned(), register.to_owned());
    execute!(tx, sql, id.clone(), of.0.clone(), of.1.clone(), by.1.to_owned(), by.2)?;
    let key = RecordKey { isms, register, id: &id };
    write(tx, log, (key, 1), (says, file), by).await?;
    Ok(Ok(id))
}

async fn follow(
    tx: &mut Tx,
    log: &mut Appender,
    (key, revision): (RecordKey<'_>, i64),
    (says, file): (&Says, NewFile<'_>),
    by: By<'_>,
) -> Done<()> {
    let Some(record) = one(tx, key).await? else { return Ok(Err(RecordRefusal::Unknown)) };
    if record.withdrawn.is_some() {
        return Ok(Err(RecordRefusal::Withdrawn));
    }
    if record.last().is_none_or(|last| last.n != revision) {
        return Ok(Err(RecordRefusal::Meanwhile));
    }
    let files = record.revisions.iter().filter_map(|revision| revision.says.file.as_ref());
    let files = files.map(|file| (file.sha256.to_string(), file.bytes)).collect();
    if !keeps(says, file, &files) {
        return Ok(Err(RecordRefusal::File));
    }
    let next = revision + 1;
    let sql = "UPDATE record SET revision = $2 WHERE id = $1";
    execute!(tx, sql, key.id.to_owned(), next)?;
    write(tx, log, (key, next), (says, file), by).await?;
    Ok(Ok(()))
}

/// Whether the file that is named is the one sent with it, or one that the record has: nobody gets at
/// another record's file by its hash.
fn keeps(says: &Says, file: NewFile<'_>, held: &BTreeMap<String, u64>) -> bool {
    match (&says.file, file) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(named), Some(bytes)) => {
            named.sha256 == Digest::of(bytes) && named.bytes == bytes.len() as u64
        }
        (Some(named), None) => held.get(&named.sha256.to_string()) == Some(&named.bytes),
    }
}

async fn write(
    tx: &mut Tx,
    log: &mut Appender,
    (key, revision): (RecordKey<'_>, i64),
    (says, file): (&Says, NewFile<'_>),
    (needs_approval, actor, now_us): By<'_>,
) -> Result<(), StoreError> {
    if let (Some(named), Some(bytes)) = (&says.file, file) {
        let sql = "INSERT INTO record_file (sha256, body, added_us) VALUES ($1, $2, $3)
                   ON CONFLICT DO NOTHING";
        execute!(tx, sql, named.sha256.to_string(), bytes.to_vec(), now_us)?;
    }
    let body = serde_json::to_string(says).map_err(|e| StoreError::corrupt(e.to_string()))?;
    let sql = "INSERT INTO record_revision (record, revision, body, by_whom, at_us, needs_approval)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let id = key.id.to_owned();
    execute!(tx, sql, id, revision, body.clone(), actor.to_owned(), now_us, needs_approval)?;
    let act = if revision == 1 { "record_made" } else { "record_revised" };
    let detail = json!({
        "isms": key.isms, "register": key.register, "record": key.id, "revision": revision,
        "needs_approval": needs_approval, "says": says,
    });
    append(tx, log, actor, act, detail, now_us).await
}
