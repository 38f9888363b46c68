//! Certificates of hosts: whose, renewed, approved, revoked; and hosts that leave.

use super::acts::{self, Act};
use super::anomaly::{self, Anomaly};
use super::db::{Tx, execute, fetch, read};
use super::hosts::host_id;
use super::life::{self, LifeChange};
use super::log::Appender;
use super::model::HostState;
use super::{Store, StoreError};
use evidence::key::PublicKey;
use evidence::{Digest, HostId};
use serde_json::{Value, json};
use std::net::IpAddr;

/// Subject of the anomaly of a certificate that two machines use.
const COPIED: &str = "certificate";

/// Whose certificate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub host: HostId,
    /// The key that must have signed its check-ins; none if the host is not in service.
    pub evidence_key: Option<PublicKey>,
    /// It left, by its own word.
    pub ended: bool,
    /// Whether the certificate was seen on a connection before.
    pub used: bool,
    /// Digest of the trust bundle that the host said it holds.
    pub trust: Option<Digest>,
}

/// Why a certificate, or a host without one, is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRefusal {
    #[error(
        "this certificate is not known here; if the collector was made anew, enrol this host again"
    )]
    Unknown,
    #[error(
        "this host's identity was revoked; if it is to report again, stop its agent, move its \
         state directory away, and enrol it with a new token"
    )]
    Revoked,
    #[error("this host was retired; if it is to report again, enrol it with a new token")]
    Retired,
    #[error("this host has left; if it is to report again, enrol it with a new token")]
    Ended,
    #[error(
        "its certificate has expired, and this collector renews no expired one ([certificates] \
         after_expiry = \"refuse\"): enrol it again with a new token"
    )]
    Expired,
    #[error(
        "its certificate expired longer ago than [certificates] grace allows: enrol it again with \
         a new token"
    )]
    TooLate,
}

/// What happens to a host whose certificate has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterExpiry {
    Allow,
    Approve,
    Refuse,
}

/// A certificate that was made and counts once this is stored.
#[derive(Debug, Clone)]
pub struct Renewal {
    pub host: HostId,
    /// Serial number of the certificate the host holds now.
    pub old: String,
    /// Whether the connection showed that certificate; else only the evidence key spoke.
    pub shown: bool,
    pub serial: String,
    pub not_after_s: i64,
    /// The authority that signed the new one.
    pub authority: Digest,
    /// SHA-256 of the new public key.
    pub public_key: Digest,
    pub peer: IpAddr,
    pub at_us: i64,
    pub after_expiry: AfterExpiry,
    pub grace_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    Granted,
    /// A person must approve first.
    Pending,
}

/// A renewal that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRenewal {
    pub host: HostId,
    pub name: String,
    pub group: String,
    /// When it was asked for first, with this key.
    pub asked_us: i64,
    /// Address it was asked from.
    pub peer: String,
    /// End of the host's newest certificate, seconds since the epoch.
    pub expired_s: i64,
    pub approved_us: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostAct {
    #[error("host {0} waits for no approval")]
    NotPending(HostId),
    #[error("the identity of host {0} was revoked already")]
    Already(HostId),
}

#[derive(sqlx::FromRow)]
struct HolderColumns {
    id: String,
    evidence_key: Vec<u8>,
    state: String,
    host_revoked_us: Option<i64>,
    revoked_us: Option<i64>,
    used_us: Option<i64>,
    trust: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct Held {
    serial: String,
    generation: i64,
    not_after_s: i64,
    revoked_us: Option<i64>,
    used_us: Option<i64>,
}

impl Store {
    /// The host a certificate belongs to. Asked for on every request.
    pub async fn certificate_holder(
        &self,
        serial: &str,
    ) -> Result<Result<Holder, IdentityRefusal>, StoreError> {
        let sql = "SELECT h.id, h.evidence_key, h.state, h.revoked_us AS host_revoked_us,
                          c.revoked_us, c.used_us, h.trust
                   FROM certificate c JOIN host h ON h.id = c.host WHERE c.serial = $1";
        let Some(row) = read!(&self.db, optional, HolderColumns, sql, serial.to_owned())? else {
            return Ok(Err(IdentityRefusal::Unknown));
        };
        // The certificates of a host that is out of service are revoked too; why comes first.
        let ended = row.state == "ended";
        let refusal = match row.state.as_str() {
            _ if row.host_revoked_us.is_some() => Some(IdentityRefusal::Revoked),
            "retired" => Some(IdentityRefusal::Retired),
            _ => row.revoked_us.filter(|_| !ended).map(|_| IdentityRefusal::Revoked),
        };
        if let Some(refusal) = refusal {
            return Ok(Err(refusal));
        }
        let key = PublicKey::from_slice(&row.evidence_key);
        let key = key.ok_or_else(|| StoreError::corrupt("an evidence key"))?;
        Ok(Ok(Holder {
            host: host_id(&row.id)?,
            evidence_key: (!ended).then_some(key),
            ended,
            used: row.used_us.is_some(),
            trust: row.trust.as_deref().and_then(Digest::from_slice),
        }))
    }

    /// Notes that a certificate is in use, and which trust bundle its host holds. Called only when
    /// either changed.
    pub async fn note_holder(
        &self,
        host: HostId,
        serial: &str,
        trust: Option<Digest>,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE certificate SET used_us = $2 WHERE serial = $1 AND used_us IS NULL";
        execute!(&mut tx, sql, serial.to_owned(), now_us)?;
        if let Some(trust) = trust {
            let sql = "UPDATE host SET trust = $2 WHERE id = $1";
            execute!(&mut tx, sql, host.to_string(), trust.0.to_vec())?;
        }
        tx.commit().await
    }

    /// The evidence key of a host that may still be given certificates.
    pub async fn renewing_host(
        &self,
        host: HostId,
    ) -> Result<Result<PublicKey, IdentityRefusal>, StoreError> {
        let sql = "SELECT evidence_key, state, revoked_us FROM host WHERE id = $1";
        let row = read!(&self.db, optional, (Vec<u8>, String, Option<i64>), sql, host.to_string())?;
        let Some((key, state, revoked_us)) = row else { return Ok(Err(IdentityRefusal::Unknown)) };
        let key =
            PublicKey::from_slice(&key).ok_or_else(|| StoreError::corrupt("an evidence key"))?;
        Ok(in_service(&state, revoked_us).map(|()| key))
    }

    /// Gives a host its next certificate, or notes that it waits for approval, or does neither.
    pub async fn renew(
        &self,
        renewal: &Renewal,
    ) -> Result<Result<Renewed, IdentityRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let host = renewal.host.to_string();
        let sql = "SELECT state, revoked_us FROM host WHERE id = $1";
        let row = fetch!(&mut tx, optional, (String, Option<i64>), sql, host.clone())?;
        let Some((state, revoked_us)) = row else { return Ok(Err(IdentityRefusal::Unknown)) };
        if let Err(refusal) = in_service(&state, revoked_us) {
            return Ok(Err(refusal));
        }
        let sql = "SELECT serial, generation, not_after_s, revoked_us, used_us FROM certificate
                   WHERE host = $1 ORDER BY generation DESC";
        let held = fetch!(&mut tx, all, Held, sql, host.clone())?;
        let old = held.iter().find(|held| held.serial == renewal.old);
        let (Some(newest), Some(old)) = (held.first(), old) else {
            return Ok(Err(IdentityRefusal::Unknown));
        };
        if old.revoked_us.is_some() {
            return Ok(Err(IdentityRefusal::Revoked));
        }
        if !renewal.shown {
            match may_recover(&mut tx, &mut log, renewal, newest).await? {
                Ok(Renewed::Granted) => {}
                Ok(Renewed::Pending) => {
                    log.finish(&mut tx).await?;
                    tx.commit().await?;
                    return Ok(Ok(Renewed::Pending));
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let index = grant(&mut tx, &mut log, renewal, newest.generation + 1).await?;
        // A lost answer is no copy: only a successor that is in use is a second machine.
        let copied = held.iter().any(|it| it.generation > old.generation && it.used_us.is_some());
        if copied {
            let to = format!(
                "a certificate that was renewed away ({} of generation {}) asked for the next one \
                 from {}, while a later one is in use: its state directory was probably copied, or \
                 restored from a backup",
                old.serial,
                old.generation,
                renewal.peer.to_canonical()
            );
            let (from, at_us) = ("one line of certificates", renewal.at_us);
            let (host, to) = (renewal.host, to.as_str());
            anomaly::open(&mut tx, Anomaly { host, subject: COPIED, from, to, at_us, index })
                .await?;
        }
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(Renewed::Granted))
    }

    /// Renewals that wait for a person, the oldest first.
    pub async fn pending_renewals(&self) -> Result<Vec<PendingRenewal>, StoreError> {
        type Columns = (String, String, String, i64, String, i64, Option<i64>);
        let sql = "SELECT r.host, h.name, h.host_group, r.asked_us, r.peer,
                          (SELECT MAX(not_after_s) FROM certificate c WHERE c.host = r.host),
                          r.approved_us
                   FROM renewal_request r JOIN host h ON h.id = r.host ORDER BY r.asked_us, r.host";
        let rows = read!(&self.db, all, Columns, sql)?;
        let pending = |(host, name, group, asked_us, peer, expired_s, approved_us): Columns| {
            let host = host_id(&host)?;
            Ok(PendingRenewal { host, name, group, asked_us, peer, expired_s, approved_us })
        };
        rows.into_iter().map(pending).collect()
    }

    /// Lets a waiting renewal go on: the host's next request gets its certificate.
    pub async fn approve_renewal(
        &self,
        host: HostId,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<(), HostAct>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "UPDATE renewal_request SET approved_us = $2
                   WHERE host = $1 AND approved_us IS NULL";
        if execute!(&mut tx, sql, host.to_string(), now_us)? == 0 {
            return Ok(Err(HostAct::NotPending(host)));
        }
        let act = act("renewal_approved", actor, now_us, json!({"host": host}));
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Ends a host's identity: no certificate of it works from now on, also on open connections,
    /// and none is given again. Its evidence stays.
    pub async fn revoke_host(
        &self,
        host: HostId,
        actor: &str,
        now_us: i64,
    ) -> Result<Result<u64, HostAct>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql = "UPDATE host SET revoked_us = $2 WHERE id = $1 AND revoked_us IS NULL";
        if execute!(&mut tx, sql, host.to_string(), now_us)? == 0 {
            return Ok(Err(HostAct::Already(host)));
        }
        let certificates = end_certificates(&mut tx, host, now_us).await?;
        let detail = json!({"host": host, "certificates": certificates});
        let act = act("host_revoked", actor, now_us, detail);
        acts::append(&mut tx, &mut log, &act).await?;
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(certificates))
    }

    /// A host leaves by its own signed word. False if it had left before.
    pub async fn end_host(
        &self,
        host: HostId,
        statement: &Value,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let change = LifeChange {
            host,
            to: HostState::Ended,
            actor: "collector".to_owned(),
            reason: "the host left by its own signed word".to_owned(),
            from_us: now_us,
            now_us,
            until_us: None,
            unheard_since_us: None,
        };
        if life::take(&mut tx, &mut log, &change, Some(statement)).await?.is_err() {
            return Ok(false);
        }
        log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn act(what: &str, actor: &str, at_us: i64, detail: Value) -> Act {
    Act { at_us, actor: actor.to_owned(), act: what.to_owned(), detail }
}

fn in_service(state: &str, revoked_us: Option<i64>) -> Result<(), IdentityRefusal> {
    match state {
        _ if revoked_us.is_some() => Err(IdentityRefusal::Revoked),
        "retired" => Err(IdentityRefusal::Retired),
        "ended" => Err(IdentityRefusal::Ended),
        _ => Ok(()),
    }
}

/// Whether a host without a valid certificate gets one.
async fn may_recover(
    tx: &mut Tx,
    log: &mut Appender,
    renewal: &Renewal,
    newest: &Held,
) -> Result<Result<Renewed, IdentityRefusal>, StoreError> {
    if renewal.at_us / 1_000_000 > newest.not_after_s.saturating_add(renewal.grace_s) {
        return Ok(Err(IdentityRefusal::TooLate));
    }
    match renewal.after_expiry {
        AfterExpiry::Allow => return Ok(Ok(Renewed::Granted)),
        AfterExpiry::Refuse => return Ok(Err(IdentityRefusal::Expired)),
        AfterExpiry::Approve => {}
    }
    let (host, key) = (renewal.host.to_string(), renewal.public_key.0.to_vec());
    let sql = "SELECT public_key, approved_us FROM renewal_request WHERE host = $1";
    match fetch!(tx, optional, (Vec<u8>, Option<i64>), sql, host.clone())? {
        // The approval is for the key that asked, not for whoever asks next.
        Some((asked, Some(_))) if asked == key => return Ok(Ok(Renewed::Granted)),
        Some((asked, None)) if asked == key => return Ok(Ok(Renewed::Pending)),
        _ => {}
    }
    let sql = "INSERT INTO renewal_request (host, public_key, asked_us, peer)
               VALUES ($1, $2, $3, $4) ON CONFLICT (host) DO UPDATE
               SET public_key = excluded.public_key, asked_us = excluded.asked_us,
                   peer = excluded.peer, approved_us = NULL";
    let peer = renewal.peer.to_canonical().to_string();
    execute!(tx, sql, host.clone(), key.clone(), renewal.at_us, peer.clone())?;
    let detail = json!({"host": renewal.host, "from": peer, "key": renewal.public_key});
    acts::append(tx, log, &act("renewal_asked", "collector", renewal.at_us, detail)).await?;
    Ok(Ok(Renewed::Pending))
}

async fn grant(
    tx: &mut Tx,
    log: &mut Appender,
    renewal: &Renewal,
    generation: i64,
) -> Result<u64, StoreError> {
    let host = renewal.host.to_string();
    let sql = "UPDATE certificate SET superseded_us = $2 WHERE host = $1 AND superseded_us IS NULL";
    execute!(tx, sql, host.clone(), renewal.at_us)?;
    let sql =
        "INSERT INTO certificate (serial, host, not_after_s, generation, issued_us, authority)
               VALUES ($1, $2, $3, $4, $5, $6)";
    execute!(
        tx,
        sql,
        renewal.serial.clone(),
        host.clone(),
        renewal.not_after_s,
        generation,
        renewal.at_us,
        renewal.authority.0.to_vec()
    )?;
    execute!(tx, "DELETE FROM renewal_request WHERE host = $1", host.clone())?;
    let detail = json!({
        "host": renewal.host, "certificate": renewal.serial, "generation": generation,
        "before": renewal.old, "from": renewal.peer.to_canonical(),
        "by": if renewal.shown { "certificate" } else { "evidence_key" },
    });
    acts::append(tx, log, &act("certificate_renewed", "collector", renewal.at_us, detail)).await
}

/// Revokes every certificate of a host; how many.
pub(super) async fn end_certificates(
    tx: &mut Tx,
    host: HostId,
    now_us: i64,
) -> Result<u64, StoreError> {
    let sql = "UPDATE certificate SET revoked_us = $2 WHERE host = $1 AND revoked_us IS NULL";
    let ended = execute!(tx, sql, host.to_string(), now_us)?;
    execute!(tx, "DELETE FROM renewal_request WHERE host = $1", host.to_string())?;
    Ok(ended)
}
