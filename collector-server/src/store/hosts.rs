//! Hosts: tokens, enrolment, certificates.

use super::acts::{self, Act};
use super::db::{Tx, execute, fetch, read};
use super::host_spans::{Said, say_of_host};
use super::log::{Appender, LogState, signed};
use super::model::{HostRow, HostState};
use super::{Store, StoreError};
use evidence::key::PublicKey;
use evidence::{Digest, HostId};
use serde_json::json;

/// A host that asks to be enrolled; its certificate was made, and counts once this is stored.
#[derive(Debug, Clone)]
pub struct Enrolment {
    pub host: HostId,
    pub name: String,
    pub machine: Option<Digest>,
    pub evidence_key: PublicKey,
    pub token: Digest,
    /// Serial number of its certificate, hexadecimal.
    pub serial: String,
    /// End of the certificate, seconds since the epoch.
    pub not_after_s: i64,
    pub at_us: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolRefusal {
    #[error("this token is not known here; create one with `evidenced-collector token create`")]
    UnknownToken,
    #[error("this token has expired; create a new one")]
    Expired,
    #[error("this token has been used as often as it may; create a new one")]
    UsedUp,
}

/// Whose certificate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub host: HostId,
    /// The key that must have signed its check-ins; none if the host is not in service.
    pub evidence_key: Option<PublicKey>,
}

#[derive(sqlx::FromRow)]
pub(super) struct HostColumns {
    id: String,
    name: String,
    host_group: String,
    state: String,
    enrolled_us: i64,
    last_received_us: Option<i64>,
    next_due_s: Option<i64>,
    agent: Option<String>,
    manifest: Option<Vec<u8>>,
}

impl Store {
    /// Makes a token known. Only its hash is kept; the act is logged.
    pub async fn create_token(
        &self,
        hash: Digest,
        group: &str,
        uses: i64,
        expires_us: i64,
        now_us: i64,
    ) -> Result<LogState, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let sql =
            "INSERT INTO token (hash, host_group, uses_left, expires_us) VALUES ($1, $2, $3, $4)";
        execute!(&mut tx, sql, hash.0.to_vec(), group.to_owned(), uses, expires_us)?;
        let act = Act {
            at_us: now_us,
            actor: "operator".to_owned(),
            act: "token_created".to_owned(),
            detail: json!({"group": group, "uses": uses, "expires_us": expires_us}),
        };
        acts::append(&mut tx, &mut log, &act).await?;
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Spends one use of the token and makes the host known, or does neither.
    pub async fn enrol(
        &self,
        enrolment: &Enrolment,
    ) -> Result<Result<LogState, EnrolRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let group = match spend(&mut tx, enrolment).await? {
            Ok(group) => group,
            Err(refusal) => return Ok(Err(refusal)),
        };
        insert(&mut tx, enrolment, &group).await?;
        let act = Act {
            at_us: enrolment.at_us,
            actor: "collector".to_owned(),
            act: "host_enrolled".to_owned(),
            detail: json!({
                "host": enrolment.host, "name": enrolment.name, "group": group,
                "evidence_key": enrolment.evidence_key, "certificate": enrolment.serial,
            }),
        };
        let index = acts::append(&mut tx, &mut log, &act).await?;
        let host = enrolment.host.to_string();
        for (property, value) in [("group", group.as_str()), ("state", "enrolling")] {
            let said = Said { property, value, cause: None, from_us: enrolment.at_us };
            say_of_host(&mut tx, &host, said, signed(index)).await?;
        }
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(state))
    }

    /// Every host's evidence key, also of hosts that are out of service.
    pub async fn evidence_keys(&self) -> Result<Vec<(HostId, PublicKey)>, StoreError> {
        let rows = read!(&self.db, all, (String, Vec<u8>), "SELECT id, evidence_key FROM host")?;
        rows.into_iter()
            .map(|(id, key)| {
                let key = PublicKey::from_slice(&key);
                Ok((host_id(&id)?, key.ok_or_else(|| StoreError::corrupt("an evidence key"))?))
            })
            .collect()
    }

    /// The host a certificate belongs to; none if it is unknown or revoked.
    pub async fn certificate_holder(&self, serial: &str) -> Result<Option<Holder>, StoreError> {
        let sql =
            "SELECT h.id, h.evidence_key, h.state FROM certificate c JOIN host h ON h.id = c.host
                   WHERE c.serial = $1 AND c.revoked_us IS NULL";
        let row = read!(&self.db, optional, (String, Vec<u8>, String), sql, serial.to_owned())?;
        let Some((host, key, state)) = row else { return Ok(None) };
        let key = PublicKey::from_slice(&key).ok_or_else(|| StoreError::corrupt("an evidence key"));
        let in_service = ["enrolling", "active", "maintenance"].contains(&state.as_str());
        let evidence_key = in_service.then_some(key?);
        Ok(Some(Holder { host: host_id(&host)?, evidence_key }))
    }

    /// All hosts, by name.
    pub async fn hosts(&self) -> Result<Vec<HostRow>, StoreError> {
        let sql = "SELECT id, name, host_group, state, enrolled_us, last_received_us, next_due_s,
                   agent, manifest FROM host ORDER BY name, id";
        let rows = read!(&self.db, all, HostColumns, sql)?;
        rows.into_iter().map(row).collect()
    }

    pub async fn host(&self, id: HostId) -> Result<Option<HostRow>, StoreError> {
        let sql = "SELECT id, name, host_group, state, enrolled_us, last_received_us, next_due_s,
                   agent, manifest FROM host WHERE id = $1";
        read!(&self.db, optional, HostColumns, sql, id.to_string())?.map(row).transpose()
    }
}

async fn spend(
    tx: &mut Tx,
    enrolment: &Enrolment,
) -> Result<Result<String, EnrolRefusal>, StoreError> {
    let hash = enrolment.token.0.to_vec();
    let sql = "SELECT host_group, uses_left, expires_us FROM token WHERE hash = $1";
    let row = fetch!(tx, optional, (String, i64, i64), sql, hash.clone())?;
    let Some((group, uses, expires_us)) = row else { return Ok(Err(EnrolRefusal::UnknownToken)) };
    if expires_us <= enrolment.at_us {
        return Ok(Err(EnrolRefusal::Expired));
    }
    if uses <= 0 {
        return Ok(Err(EnrolRefusal::UsedUp));
    }
    execute!(tx, "UPDATE token SET uses_left = uses_left - 1 WHERE hash = $1", hash.clone())?;
    Ok(Ok(group))
}

async fn insert(tx: &mut Tx, enrolment: &Enrolment, group: &str) -> Result<(), StoreError> {
    let host = enrolment.host.to_string();
    let sql = "INSERT INTO host (id, name, machine, host_group, state, evidence_key, enrolled_us,
               manifest_complete, judged_index) VALUES ($1, $2, $3, $4, 'enrolling', $5, $6, $7, -1)";
    execute!(
        tx,
        sql,
        host.clone(),
        enrolment.name.clone(),
        enrolment.machine.map(|m| m.0.to_vec()),
        group.to_owned(),
        enrolment.evidence_key.0.to_vec(),
        enrolment.at_us,
        false,
    )?;
    let sql = "INSERT INTO certificate (serial, host, not_after_s) VALUES ($1, $2, $3)";
    execute!(tx, sql, enrolment.serial.clone(), host.clone(), enrolment.not_after_s)?;
    Ok(())
}

pub(super) fn host_id(text: &str) -> Result<HostId, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt(format!("host id `{text}`")))
}

pub(super) fn row(columns: HostColumns) -> Result<HostRow, StoreError> {
    let state = match columns.state.as_str() {
        "enrolling" => HostState::Enrolling,
        "active" => HostState::Active,
        "maintenance" => HostState::Maintenance,
        "ended" => HostState::Ended,
        "retired" => HostState::Retired,
        other => return Err(StoreError::corrupt(format!("host state `{other}`"))),
    };
    Ok(HostRow {
        id: host_id(&columns.id)?,
        name: columns.name,
        group: columns.host_group,
        state,
        enrolled_us: columns.enrolled_us,
        last_received_us: columns.last_received_us,
        next_due_s: columns.next_due_s,
        agent: columns.agent,
        manifest: columns.manifest.as_deref().and_then(Digest::from_slice),
    })
}
