//! Hosts: enrolment, and where they stand.

use super::acts::{self, Act};
use super::db::{Tx, execute, read};
use super::host_spans::{Said, say_of_host};
use super::log::{Appender, LogState, signed};
use super::model::{HostRow, HostState};
use super::tokens::{EnrolRefusal, spend};
use super::{Store, StoreError};
use evidence::key::PublicKey;
use evidence::{Digest, HostId};
use serde_json::json;
use std::net::IpAddr;

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
    /// The authority that signed it.
    pub authority: Digest,
    /// Digest of the trust bundle that goes with it.
    pub trust: Digest,
    /// Address the request came from.
    pub peer: IpAddr,
    pub at_us: i64,
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
    revoked_us: Option<i64>,
}

impl Store {
    /// Spends one use of the token and makes the host known, or does neither.
    pub async fn enrol(
        &self,
        enrolment: &Enrolment,
    ) -> Result<Result<LogState, EnrolRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let (token, peer) = (&enrolment.token, enrolment.peer);
        let (group, token) = match spend(&mut tx, token, peer, enrolment.at_us).await? {
            Ok(spent) => spent,
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
                "token": token, "from": enrolment.peer.to_canonical(),
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

    /// All hosts, by name.
    pub async fn hosts(&self) -> Result<Vec<HostRow>, StoreError> {
        let sql = "SELECT id, name, host_group, state, enrolled_us, last_received_us, next_due_s,
                   agent, manifest, revoked_us FROM host ORDER BY name, id";
        let rows = read!(&self.db, all, HostColumns, sql)?;
        rows.into_iter().map(row).collect()
    }

    pub async fn host(&self, id: HostId) -> Result<Option<HostRow>, StoreError> {
        let sql = "SELECT id, name, host_group, state, enrolled_us, last_received_us, next_due_s,
                   agent, manifest, revoked_us FROM host WHERE id = $1";
        read!(&self.db, optional, HostColumns, sql, id.to_string())?.map(row).transpose()
    }
}

async fn insert(tx: &mut Tx, enrolment: &Enrolment, group: &str) -> Result<(), StoreError> {
    let host = enrolment.host.to_string();
    let sql = "INSERT INTO host (id, name, machine, host_group, state, evidence_key, enrolled_us,
               manifest_complete, judged_index, trust)
               VALUES ($1, $2, $3, $4, 'enrolling', $5, $6, $7, -1, $8)";
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
        enrolment.trust.0.to_vec(),
    )?;
    let sql = "INSERT INTO certificate (serial, host, not_after_s, issued_us, authority)
               VALUES ($1, $2, $3, $4, $5)";
    execute!(
        tx,
        sql,
        enrolment.serial.clone(),
        host.clone(),
        enrolment.not_after_s,
        enrolment.at_us,
        enrolment.authority.0.to_vec()
    )?;
    Ok(())
}

pub(super) fn host_id(text: &str) -> Result<HostId, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt(format!("host id `{text}`")))
}

pub(super) fn state(word: &str) -> Result<HostState, StoreError> {
    Ok(match word {
        "enrolling" => HostState::Enrolling,
        "active" => HostState::Active,
        "maintenance" => HostState::Maintenance,
        "ended" => HostState::Ended,
        "retired" => HostState::Retired,
        other => return Err(StoreError::corrupt(format!("host state `{other}`"))),
    })
}

pub(super) fn row(columns: HostColumns) -> Result<HostRow, StoreError> {
    let state = state(&columns.state)?;
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
        revoked_us: columns.revoked_us,
    })
}
