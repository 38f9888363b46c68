//! Breaks of the log that the operator stated, and what hosts gave up for them.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::hosts::host_id;
use super::log::{Appender, LogState, signed};
use super::packed::unpack;
use super::{Store, StoreError};
use evidence::checkpoint::TreeHead;
use evidence::healing::{ACT, Detail, Healed, Healing};
use evidence::{Digest, HostId};

/// A stated break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealingRow {
    /// Of the act.
    pub index: u64,
    /// Leaf hash of the act.
    pub leaf: Digest,
    /// What was kept of the former log.
    pub kept: TreeHead,
    pub at_us: i64,
    pub actor: String,
    pub reason: String,
}

/// A host that accepted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealedHost {
    pub host: HostId,
    pub healed: Healed,
    /// The check-in that says so.
    pub index: u64,
}

/// A head of the log that a check-in carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    pub index: u64,
    pub host: HostId,
    pub at_ms: i64,
    pub received_us: i64,
    pub head: Option<TreeHead>,
    /// It begins a chain after an accepted one of another.
    pub resumes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealRefusal {
    #[error("the log has {log} leaves; {kept} cannot have been kept")]
    Kept { log: u64, kept: u64 },
}

/// Newest check-ins of a host that are looked at.
const NEWEST: i64 = 50;

impl Store {
    /// States that of a former log the first `kept` leaves were kept. Gives the act's index.
    pub async fn heal(
        &self,
        kept: u64,
        reason: &str,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<u64, HealRefusal>, StoreError> {
        let size = self.log().await?.size;
        if kept > size {
            return Ok(Err(HealRefusal::Kept { log: size, kept }));
        }
        // Leaves that are there do not change: the root of the first ones is that of any time.
        let kept = TreeHead { size: kept, root: self.root_at(kept).await? };
        let detail = serde_json::to_value(Detail { kept, reason: reason.to_owned() });
        let detail = detail.map_err(|error| StoreError::corrupt(error.to_string()))?;
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let act = Act { at_us: now_us, actor: actor.to_owned(), act: ACT.to_owned(), detail };
        let index = acts::append(&mut tx, &mut log, &act).await?;
        let sql = "SELECT leaf FROM act WHERE log_index = $1";
        let (leaf,) = fetch!(&mut tx, one, (Vec<u8>,), sql, signed(index))?;
        let leaf = evidence::merkle::leaf_hash(&leaf).0.to_vec();
        let sql = "INSERT INTO healing (log_index, leaf, kept_size, kept_root)
                   VALUES ($1, $2, $3, $4)";
        execute!(&mut tx, sql, signed(index), leaf, signed(kept.size), kept.root.0.to_vec())?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(index))
    }

    /// Every stated break, in the order of the log.
    pub async fn healings(&self) -> Result<Vec<HealingRow>, StoreError> {
        let sql = "SELECT h.log_index, h.leaf, h.kept_size, h.kept_root, a.body
                   FROM healing h JOIN act a ON a.log_index = h.log_index ORDER BY h.log_index";
        type Row = (i64, Vec<u8>, i64, Vec<u8>, Option<Vec<u8>>);
        let rows = read!(&self.db, all, Row, sql)?;
        rows.into_iter()
            .map(|(index, leaf, size, root, body)| {
                let act: Option<Act> = body.and_then(|body| serde_json::from_slice(&body).ok());
                let act = act.ok_or_else(|| StoreError::corrupt(format!("act {index}")))?;
                let reason = act.detail["reason"].as_str().unwrap_or_default().to_owned();
                Ok(HealingRow {
                    index: index.unsigned_abs(),
                    leaf: digest(&leaf)?,
                    kept: TreeHead { size: size.unsigned_abs(), root: digest(&root)? },
                    at_us: act.at_us,
                    actor: act.actor,
                    reason,
                })
            })
            .collect()
    }

    /// Hosts that accepted a break, by the index of the check-in that says so.
    pub async fn healed_hosts(&self) -> Result<Vec<HealedHost>, StoreError> {
        let sql = "SELECT host, leaf, size, root, log_index FROM healed_host ORDER BY log_index";
        let rows = read!(&self.db, all, (String, Vec<u8>, i64, Vec<u8>, i64), sql)?;
        rows.into_iter()
            .map(|(host, leaf, size, root, index)| {
                let gave_up = TreeHead { size: size.unsigned_abs(), root: digest(&root)? };
                let healed = Healed { gave_up, leaf: digest(&leaf)? };
                Ok(HealedHost { host: host_id(&host)?, healed, index: index.unsigned_abs() })
            })
            .collect()
    }

    /// The newest stated break that a host may take for the head it knows: the host was enrolled
    /// before it, has not taken it yet, and was not on this log since. With its proof in the log of
    /// `state`.
    pub async fn healing_for(
        &self,
        host: HostId,
        known: TreeHead,
        state: LogState,
    ) -> Result<Option<Healing>, StoreError> {
        let sql = "SELECT h.log_index, a.salt, a.body FROM healing h
                   JOIN act a ON a.log_index = h.log_index
                   WHERE h.log_index < $1 AND h.kept_size < $2
                     AND NOT EXISTS (SELECT 1 FROM healed_host d
                                     WHERE d.host = $3 AND d.leaf = h.leaf)
                     AND EXISTS (SELECT 1 FROM host x
                                 WHERE x.id = $3 AND x.enrolled_us < a.at_us)
                   ORDER BY h.log_index DESC LIMIT 1";
        let (size, host) = (signed(state.size), host.to_string());
        type Row = (i64, Vec<u8>, Option<Vec<u8>>);
        let row = read!(&self.db, optional, Row, sql, size, signed(known.size), host.clone())?;
        let Some((index, salt, Some(body))) = row else { return Ok(None) };
        let index = index.unsigned_abs();
        if self.is_settled(host.as_str(), index).await? {
            return Ok(None);
        }
        let inclusion = self.inclusion(index, state.size).await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Some(Healing { index, salt: hex::encode(salt), body, inclusion }))
    }

    /// Whether one of the newest check-ins of a host carries a head of this log that holds the leaf
    /// of a break: a host that is on this log carries one in each.
    async fn is_settled(&self, host: &str, index: u64) -> Result<bool, StoreError> {
        let sql = "SELECT c.packed FROM chain n JOIN check_in c ON c.first_index = n.first_index
                   WHERE n.host = $1 AND c.log_index > $2
                   ORDER BY c.log_index DESC LIMIT $3";
        let host = host.to_owned();
        let rows = read!(&self.db, all, (Vec<u8>,), sql, host.clone(), signed(index), NEWEST)?;
        for (packed,) in rows {
            let known = unpack(&packed)?.check_in.checkpoint;
            if let Some(known) = known.filter(|known| known.size > index)
                && known.size <= self.log().await?.size
                && self.root_at(known.size).await? == known.root
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Heads that check-ins carry, from leaf `from` on, at most `limit` leaves; in their order.
    pub async fn witnessed(&self, from: u64, limit: i64) -> Result<Vec<Witnessed>, StoreError> {
        let (from, until) = (signed(from), signed(from).saturating_add(limit));
        let sql = "SELECT log_index, received_us, packed FROM check_in
                   WHERE log_index >= $1 AND log_index < $2 ORDER BY log_index";
        let rows = read!(&self.db, all, (i64, i64, Vec<u8>), sql, from, until)?;
        rows.into_iter()
            .map(|(index, received_us, packed)| {
                let check_in = unpack(&packed)?.check_in;
                Ok(Witnessed {
                    index: index.unsigned_abs(),
                    host: check_in.host,
                    at_ms: check_in.at_ms,
                    received_us,
                    head: check_in.checkpoint,
                    resumes: check_in.seq == 0 && check_in.resumes.is_some(),
                })
            })
            .collect()
    }
}

/// Whether a stated break covers a head that a host knows: the host was enrolled before it, and
/// nothing of it came since.
pub(super) async fn excuses(
    tx: &mut Tx,
    host: HostId,
    known: TreeHead,
) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM healing h WHERE h.kept_size < $1
                 AND NOT EXISTS (SELECT 1 FROM healed_host d
                                 WHERE d.host = $2 AND d.leaf = h.leaf)
                 AND EXISTS (SELECT 1 FROM host x JOIN act a ON a.log_index = h.log_index
                             WHERE x.id = $2 AND x.enrolled_us < a.at_us)
                 AND NOT EXISTS (SELECT 1 FROM chain n JOIN check_in c
                                     ON c.first_index = n.first_index
                                 WHERE n.host = $2 AND c.log_index > h.log_index)";
    let (count,) = fetch!(tx, one, (i64,), sql, signed(known.size), host.to_string())?;
    Ok(count > 0)
}

/// Keeps what a check-in says that its host accepted.
pub(super) async fn accepted(
    tx: &mut Tx,
    host: HostId,
    healed: Healed,
    index: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO healed_host (host, leaf, size, root, log_index)
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (host, leaf) DO NOTHING";
    let (size, root) = (signed(healed.gave_up.size), healed.gave_up.root.0.to_vec());
    execute!(tx, sql, host.to_string(), healed.leaf.0.to_vec(), size, root, signed(index))?;
    Ok(())
}

fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    Digest::from_slice(bytes).ok_or_else(|| StoreError::corrupt("a hash of the wrong length"))
}
