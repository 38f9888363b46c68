//! Erasing bodies of facts, and legal holds. The one place where evidence is deleted: never what holds,
//! never what is held, and always with an act that names it.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read, read_rows};
use super::hosts::host_id;
use super::log::{Appender, signed};
use super::{Store, StoreError};
use crate::scope::Scope;
use evidence::{Digest, HostId, KindEntry};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

/// What one chunk erased, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    pub bodies: u64,
    /// As they are kept.
    pub bytes: u64,
    /// Old enough, and in force somewhere.
    pub in_force: u64,
    /// Old enough, and under a legal hold.
    pub held: u64,
    /// Where to go on; none after the last.
    pub next: Option<(i64, String)>,
}

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct HoldRow {
    pub id: String,
    /// `organisation`, `isms:ID`, `group:NAME`, `host:ID`.
    pub scope: String,
    pub reason: String,
    pub set_by: String,
    pub set_us: i64,
    pub released_by: Option<String>,
    pub released_us: Option<i64>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldRefusal {
    #[error("say why, in 1 to 1000 characters")]
    Reason,
    #[error("there is no such legal hold, or it was released")]
    Unknown,
}

impl Store {
    /// When the body of these facts was erased, if it was.
    pub async fn erased(&self, facts: Option<Digest>) -> Result<Option<i64>, StoreError> {
        let Some(id) = facts else { return Ok(None) };
        let sql = "SELECT erased_us FROM erased_object WHERE id = $1";
        let row = read!(&self.db, optional, (i64,), sql, id.0.to_vec())?;
        Ok(row.map(|(us,)| us))
    }

    /// How many bodies of facts were erased and did not come again.
    pub async fn erased_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM erased_object";
        Ok(read!(&self.db, one, (i64,), sql)?.0.unsigned_abs())
    }

    /// When the check-in at a log index came.
    pub async fn received_us(&self, index: u64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT received_us FROM check_in WHERE log_index = $1";
        Ok(read!(&self.db, optional, (i64,), sql, signed(index))?.map(|(us,)| us))
    }

    /// Kinds that have states which are over.
    pub async fn kinds_seen(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT kind FROM kind_span WHERE observed_to_us IS NOT NULL
                   ORDER BY kind";
        let rows = read!(&self.db, all, (String,), sql)?;
        Ok(rows.into_iter().map(|(kind,)| kind).collect())
    }

    /// Looks at some states of a kind that were over before `cutoff_us`, and erases their bodies if
    /// `erase`: where no host has them in force, had them since, or is under a legal hold.
    pub async fn erase_chunk(
        &self,
        kind: &str,
        cutoff_us: i64,
        after: Option<(i64, String)>,
        limit: i64,
        erase: bool,
        now_us: i64,
    ) -> Result<Erased, StoreError> {
        let (from, host) = after.unwrap_or((i64::MIN, String::new()));
        let sql = "SELECT observed_to_us, host, entry FROM kind_span
                   WHERE kind = $1 AND observed_to_us IS NOT NULL AND observed_to_us < $2
                     AND (observed_to_us > $3 OR (observed_to_us = $3 AND host > $4))
                   ORDER BY observed_to_us, host LIMIT $5";
        type Row = (i64, String, String);
        let kind = kind.to_owned();
        let rows =
            read!(&self.db, all, Row, sql, kind.clone(), cutoff_us, from, host.clone(), limit)?;
        let next = rows.last().filter(|_| rows.len() as i64 == limit);
        let next = next.map(|(us, host, _)| (*us, host.clone()));
        let mut found = BTreeSet::new();
        for (_, _, entry) in &rows {
            found.extend(facts_of(entry)?);
        }
        let mut erased = Erased { next, ..Erased::default() };
        // Most went long ago: nobody's lock is asked for these.
        let found = self.bodies_here(found).await?;
        if found.is_empty() {
            return Ok(erased);
        }
        let mut tx = self.db.begin().await?;
        // No check-in comes between the look and the deed.
        let mut log = Appender::lock(&mut tx).await?;
        let holds = held_scopes(&mut tx).await?;
        let mut gone = vec![];
        for id in found {
            match standing(&mut tx, &kind, id, cutoff_us, &holds).await? {
                Standing::Gone => {}
                Standing::InForce => erased.in_force += 1,
                Standing::Held => erased.held += 1,
                Standing::Old(bytes) => {
                    erased.bodies += 1;
                    erased.bytes += bytes;
                    gone.push(id);
                }
            }
        }
        if !erase || gone.is_empty() {
            return Ok(erased);
        }
        let act = Act {
            at_us: now_us,
            actor: "collector".to_owned(),
            act: "facts_erased".to_owned(),
            detail: json!({"kind": kind, "cutoff_us": cutoff_us, "facts": gone}),
        };
        let index = signed(acts::append(&mut tx, &mut log, &act).await?);
        for id in gone {
            erase_body(&mut tx, &kind, id, index, now_us).await?;
        }
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(erased)
    }

    async fn bodies_here(&self, wanted: BTreeSet<Digest>) -> Result<BTreeSet<Digest>, StoreError> {
        let mut rows: Vec<(Vec<u8>,)> = vec![];
        read_rows!(
            &self.db,
            (Vec<u8>,),
            "SELECT id FROM object WHERE id IN (VALUES ",
            1,
            ")",
            wanted.into_iter().collect::<Vec<_>>(),
            rows,
            |id| id.0.to_vec()
        );
        Ok(rows.iter().filter_map(|(id,)| Digest::from_slice(id)).collect())
    }

    /// Puts a part of the organisation under a legal hold, and logs it. Gives its id.
    pub async fn set_hold(
        &self,
        scope: &Scope,
        reason: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<String, HoldRefusal>, StoreError> {
        let reason = reason.trim();
        if !(1..=1000).contains(&reason.chars().count()) {
            return Ok(Err(HoldRefusal::Reason));
        }
        let id = ulid::Ulid::generate().to_string();
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "INSERT INTO legal_hold (id, scope, reason, set_by, set_us)
                   VALUES ($1, $2, $3, $4, $5)";
        let (scope, by) = (scope.to_string(), actor.to_owned());
        execute!(&mut tx, sql, id.clone(), scope.clone(), reason.to_owned(), by.clone(), now_us)?;
        let act = Act {
            at_us: now_us,
            actor: by,
            act: "legal_hold_set".to_owned(),
            detail: json!({"hold": id, "scope": scope, "reason": reason}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(id))
    }

    /// Releases a legal hold, and logs why.
    pub async fn release_hold(
        &self,
        id: &str,
        note: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), HoldRefusal>, StoreError> {
        let note = note.trim();
        if !(1..=1000).contains(&note.chars().count()) {
            return Ok(Err(HoldRefusal::Reason));
        }
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "UPDATE legal_hold SET released_by = $2, released_us = $3, note = $4
                   WHERE id = $1 AND released_us IS NULL";
        let (id, by) = (id.to_owned(), actor.to_owned());
        let done = execute!(&mut tx, sql, id.clone(), by.clone(), now_us, note.to_owned())?;
        if done == 0 {
            return Ok(Err(HoldRefusal::Unknown));
        }
        let act = Act {
            at_us: now_us,
            actor: by,
            act: "legal_hold_released".to_owned(),
            detail: json!({"hold": id, "note": note}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Every legal hold, those that hold first, the latest first.
    pub async fn holds(&self) -> Result<Vec<HoldRow>, StoreError> {
        let sql = "SELECT id, scope, reason, set_by, set_us, released_by, released_us, note
                   FROM legal_hold
                   ORDER BY CASE WHEN released_us IS NULL THEN 0 ELSE 1 END, set_us DESC, id";
        Ok(read!(&self.db, all, HoldRow, sql)?)
    }
}

fn facts_of(entry: &str) -> Result<Option<Digest>, StoreError> {
    let entry: KindEntry =
        serde_json::from_str(entry).map_err(|e| StoreError::corrupt(format!("an entry: {e}")))?;
    Ok(entry.facts)
}

async fn held_scopes(tx: &mut Tx) -> Result<Vec<Scope>, StoreError> {
    let sql = "SELECT scope FROM legal_hold WHERE released_us IS NULL";
    let rows = fetch!(tx, all, (String,), sql)?;
    let scope = |(text,): (String,)| {
        text.parse().map_err(|e| StoreError::corrupt(format!("scope of a legal hold: {e}")))
    };
    rows.into_iter().map(scope).collect()
}

enum Standing {
    /// The body is not here.
    Gone,
    /// It holds of a host, did since the cutoff, or what a host said last was not judged yet.
    InForce,
    Held,
    /// It may go; so many bytes.
    Old(u64),
}

async fn standing(
    tx: &mut Tx,
    kind: &str,
    id: Digest,
    cutoff_us: i64,
    holds: &[Scope],
) -> Result<Standing, StoreError> {
    let sql = "SELECT zstd FROM object WHERE id = $1";
    let body = fetch!(tx, optional, (Vec<u8>,), sql, id.0.to_vec())?;
    let Some((body,)) = body else { return Ok(Standing::Gone) };
    let sql = "SELECT host FROM host_object WHERE object = $1 ORDER BY host";
    let hosts = fetch!(tx, all, (String,), sql, id.0.to_vec())?;
    let mut held = false;
    for (host,) in hosts {
        if is_in_force(tx, &host, kind, id, cutoff_us).await? {
            return Ok(Standing::InForce);
        }
        held = held || is_held(tx, host_id(&host)?, holds).await?;
    }
    Ok(if held { Standing::Held } else { Standing::Old(body.len() as u64) })
}

async fn is_in_force(
    tx: &mut Tx,
    host: &str,
    kind: &str,
    id: Digest,
    cutoff_us: i64,
) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM host WHERE id = $1 AND last_index > judged_index";
    let (waits,) = fetch!(tx, one, (i64,), sql, host.to_owned())?;
    if waits > 0 {
        return Ok(true);
    }
    let sql = "SELECT entry FROM kind_span WHERE host = $1 AND kind = $2
               AND (observed_to_us IS NULL OR observed_to_us >= $3)";
    let (host, kind) = (host.to_owned(), kind.to_owned());
    for (entry,) in fetch!(tx, all, (String,), sql, host.clone(), kind.clone(), cutoff_us)? {
        if facts_of(&entry)? == Some(id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a host is, or ever was, in a scope that is held.
async fn is_held(tx: &mut Tx, host: HostId, holds: &[Scope]) -> Result<bool, StoreError> {
    for scope in holds {
        let sql = match scope {
            Scope::Organisation => return Ok(true),
            Scope::Host(held) if *held == host => return Ok(true),
            Scope::Host(_) => continue,
            Scope::Group(_) => {
                "SELECT COUNT(*) FROM host_span
                 WHERE host = $1 AND property = 'group' AND value = $2"
            }
            Scope::Isms(_) => {
                "SELECT COUNT(*) FROM host_span s JOIN isms_group_span g ON g.host_group = s.value
                 WHERE s.host = $1 AND s.property = 'group' AND g.isms = $2 AND g.value = 'in'"
            }
        };
        let (Scope::Group(name) | Scope::Isms(name)) = scope else { continue };
        let (n,) = fetch!(tx, one, (i64,), sql, host.to_string(), name.clone())?;
        if n > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn erase_body(
    tx: &mut Tx,
    kind: &str,
    id: Digest,
    index: i64,
    now_us: i64,
) -> Result<(), StoreError> {
    let id = id.0.to_vec();
    execute!(tx, "DELETE FROM host_object WHERE object = $1", id.clone())?;
    execute!(tx, "DELETE FROM object WHERE id = $1", id.clone())?;
    let sql = "INSERT INTO erased_object (id, kind, erased_us, log_index) VALUES ($1, $2, $3, $4)
               ON CONFLICT (id) DO UPDATE
               SET erased_us = excluded.erased_us, log_index = excluded.log_index";
    execute!(tx, sql, id.clone(), kind.to_owned(), now_us, index)?;
    Ok(())
}
