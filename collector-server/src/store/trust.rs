//! Authorities and log keys as they come and go: prepared, active, former, retired.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::hosts::host_id;
use super::log::{Appender, signed};
use super::{Store, StoreError};
use evidence::{Digest, HostId};
use serde_json::json;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Signs certificates.
    Authority,
    /// Signs checkpoints.
    Log,
    /// Signs snapshots.
    Snapshot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// It signs.
    Active,
    /// Hosts learn it; it does not sign yet.
    Prepared,
    /// It is still believed.
    Former,
    /// It is believed no more.
    Retired,
}

/// The public half of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustKey {
    pub sort: Sort,
    /// SHA-256 of the certificate, or of the public key.
    pub id: Digest,
    /// Certificate (PEM), or public key (base64).
    pub public: String,
    pub state: KeyState,
    /// The log's size when it became active.
    pub from_size: Option<u64>,
    /// The log's size when it was retired.
    pub to_size: Option<u64>,
    /// When it began to sign; unknown of keys that did before that was written down.
    pub from_us: Option<i64>,
    /// When it ceased to sign.
    pub to_us: Option<i64>,
}

/// A step of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Prepare,
    Activate,
    Retire,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotationRefusal {
    #[error("a new key is prepared already; the next step is `activate`")]
    Prepared,
    #[error("the former key is not retired yet; do that first, with `retire`")]
    Former,
    #[error("no key is prepared; begin with `prepare`")]
    NothingPrepared,
    #[error("there is no former key to retire; the steps are `prepare`, `activate`, `retire`")]
    NothingFormer,
}

/// A host that a rotation would leave behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    pub host: HostId,
    pub name: String,
    /// It holds another trust bundle.
    pub trust: bool,
    /// Its certificate is by another authority.
    pub certificate: bool,
    /// It should have checked in twice since.
    pub silent: bool,
}

impl Sort {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Log => "log",
            Self::Snapshot => "snapshot",
        }
    }
}

impl TrustKey {
    /// One that has signed nothing yet.
    pub fn new(sort: Sort, id: Digest, public: String, state: KeyState) -> Self {
        let (from_size, to_size, from_us, to_us) = (None, None, None, None);
        Self { sort, id, public, state, from_size, to_size, from_us, to_us }
    }
}

impl KeyState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Prepared => "prepared",
            Self::Former => "former",
            Self::Retired => "retired",
        }
    }
}

type Columns =
    (String, Vec<u8>, String, String, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

const COLUMNS: &str = "SELECT sort, id, public, state, from_size, to_size, from_us, to_us
                       FROM trust_key ORDER BY sort, id";

impl Store {
    /// Every key there ever was; of each sort the active one first, then prepared, former, retired.
    pub async fn trust_keys(&self) -> Result<Vec<TrustKey>, StoreError> {
        sorted(read!(&self.db, all, Columns, COLUMNS)?)
    }

    /// Makes the first key of its sort known; does nothing if there is one.
    pub async fn adopt_key(&self, key: &TrustKey, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let log = Appender::lock(&mut tx).await?;
        let sql = "SELECT COUNT(*) FROM trust_key WHERE sort = $1";
        let (known,) = fetch!(&mut tx, one, (i64,), sql, key.sort.as_str().to_owned())?;
        if known == 0 {
            insert(&mut tx, key, now_us).await?;
        }
        log.finish(&mut tx).await?;
        tx.commit().await
    }

    /// Does one step of a rotation; the act is logged. `new` is the key to prepare.
    pub async fn rotate(
        &self,
        sort: Sort,
        step: Step,
        new: Option<&TrustKey>,
        forced: bool,
        now_us: i64,
    ) -> Result<Result<TrustKey, RotationRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let mut keys = sorted(fetch!(&mut tx, all, Columns, COLUMNS)?)?;
        keys.retain(|key| key.sort == sort);
        let of = |state| keys.iter().find(|key| key.state == state).cloned();
        let (prepared, former) = (of(KeyState::Prepared), of(KeyState::Former));
        let size = log.size();
        let key = match (step, new) {
            (Step::Prepare, _) if prepared.is_some() => return Ok(Err(RotationRefusal::Prepared)),
            (Step::Prepare | Step::Activate, _) if former.is_some() => {
                return Ok(Err(RotationRefusal::Former));
            }
            (Step::Prepare, Some(new)) => {
                insert(&mut tx, new, now_us).await?;
                new.clone()
            }
            (Step::Prepare, None) => return Ok(Err(RotationRefusal::NothingPrepared)),
            (Step::Activate, _) => {
                let Some(key) = prepared else { return Ok(Err(RotationRefusal::NothingPrepared)) };
                // A former log key or authority goes on beside the new one; a snapshot has one.
                let sql = match sort {
                    Sort::Snapshot => {
                        "UPDATE trust_key SET state = 'former', changed_us = $2, to_us = $2
                         WHERE sort = $1 AND state = 'active'"
                    }
                    Sort::Authority | Sort::Log => {
                        "UPDATE trust_key SET state = 'former', changed_us = $2
                         WHERE sort = $1 AND state = 'active'"
                    }
                };
                execute!(&mut tx, sql, sort.as_str().to_owned(), now_us)?;
                let sql = "UPDATE trust_key SET state = 'active', changed_us = $2, from_us = $2,
                             from_size = $3 WHERE id = $1";
                execute!(&mut tx, sql, key.id.0.to_vec(), now_us, signed(size))?;
                key
            }
            (Step::Retire, _) => {
                let Some(key) = former else { return Ok(Err(RotationRefusal::NothingFormer)) };
                let sql = "UPDATE trust_key SET state = 'retired', changed_us = $2, to_size = $3,
                             to_us = COALESCE(to_us, $2) WHERE id = $1";
                execute!(&mut tx, sql, key.id.0.to_vec(), now_us, signed(size))?;
                key
            }
        };
        let what = match step {
            Step::Prepare => "prepared",
            Step::Activate => "activated",
            Step::Retire => "retired",
        };
        let act = Act {
            at_us: now_us,
            actor: "operator".to_owned(),
            act: format!("{}_key_{what}", sort.as_str()),
            detail: json!({"key": key.id, "forced": forced, "size": size}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(key))
    }

    /// Hosts in service that do not hold the bundle `trust`, or whose newest certificate is not by
    /// `authority`.
    pub async fn behind(
        &self,
        trust: Digest,
        authority: Digest,
        now_us: i64,
    ) -> Result<Vec<Behind>, StoreError> {
        type Columns = (String, String, Option<Vec<u8>>, Option<Vec<u8>>, Option<i64>, Option<i64>);
        let sql = "SELECT h.id, h.name, h.trust,
                     (SELECT c.authority FROM certificate c WHERE c.host = h.id
                      ORDER BY c.generation DESC LIMIT 1),
                     h.last_received_us, h.next_due_s
                   FROM host h WHERE h.state IN ('enrolling', 'active', 'maintenance') AND h.revoked_us IS NULL
                   ORDER BY h.name, h.id";
        let mut behind = Vec::new();
        for (id, name, held, by, received, due) in read!(&self.db, all, Columns, sql)? {
            let other = |found: Option<Vec<u8>>, want: Digest| {
                found.as_deref().and_then(Digest::from_slice) != Some(want)
            };
            let silent = match (received, due) {
                (Some(received), Some(due)) => now_us - received > 2 * due * 1_000_000,
                _ => true,
            };
            let (trust, certificate) = (other(held, trust), other(by, authority));
            if trust || certificate {
                behind.push(Behind { host: host_id(&id)?, name, trust, certificate, silent });
            }
        }
        Ok(behind)
    }
}

async fn insert(tx: &mut Tx, key: &TrustKey, now_us: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO trust_key (sort, id, public, state, changed_us, from_size, from_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    execute!(
        tx,
        sql,
        key.sort.as_str().to_owned(),
        key.id.0.to_vec(),
        key.public.clone(),
        key.state.as_str().to_owned(),
        now_us,
        key.from_size.map(signed),
        // One that is adopted signs from here on.
        (key.state == KeyState::Active).then_some(now_us)
    )?;
    Ok(())
}

fn sorted(rows: Vec<Columns>) -> Result<Vec<TrustKey>, StoreError> {
    let mut keys: Vec<_> = rows.into_iter().map(row).collect::<Result<_, _>>()?;
    keys.sort_by_key(|key| key.state);
    Ok(keys)
}

fn row(
    (sort, id, public, state, from, to, from_us, to_us): Columns,
) -> Result<TrustKey, StoreError> {
    let sort = match sort.as_str() {
        "authority" => Sort::Authority,
        "log" => Sort::Log,
        "snapshot" => Sort::Snapshot,
        other => return Err(StoreError::corrupt(format!("a key for `{other}`"))),
    };
    let state = match state.as_str() {
        "prepared" => KeyState::Prepared,
        "active" => KeyState::Active,
        "former" => KeyState::Former,
        "retired" => KeyState::Retired,
        other => return Err(StoreError::corrupt(format!("a key's state `{other}`"))),
    };
    let id = Digest::from_slice(&id).ok_or_else(|| StoreError::corrupt("a key's id"))?;
    let size = |size: Option<i64>| size.map(i64::unsigned_abs);
    let (from_size, to_size) = (size(from), size(to));
    Ok(TrustKey { sort, id, public, state, from_size, to_size, from_us, to_us })
}
