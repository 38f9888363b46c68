//! The life of a host: enrolling → active → maintenance → ended or retired. Every step is an act
//! in the log, and its evidence stays.

use super::acts::{self, Act};
use super::certificates::end_certificates;
use super::db::{Tx, execute, fetch, read};
use super::host_spans::{Said, say_of_host};
use super::hosts::host_id;
use super::log::{Appender, LogState, signed};
use super::model::HostState;
use super::{Store, StoreError, alerts};
use evidence::HostId;
use serde_json::{Value, json};

/// A step in the life of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeChange {
    pub host: HostId,
    pub to: HostState,
    /// Who: a person's id, `operator`, `collector`.
    pub actor: String,
    pub reason: String,
    /// Since when it is so; a host that ended by silence ended when it was last heard.
    pub from_us: i64,
    pub now_us: i64,
    /// When maintenance ends by itself.
    pub until_us: Option<i64>,
    /// The step counts only if the host was not heard since then.
    pub unheard_since_us: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifeRefusal {
    #[error("no host has the id {0}; `hosts list` names them all")]
    UnknownHost(HostId),
    /// The end of a life is the end: what comes back enrols as another host.
    #[error("the host is {0} already, which is final; a machine that comes back enrols anew")]
    Final(&'static str),
    #[error("the host is {0}, not in maintenance; there is nothing to end")]
    NotInMaintenance(&'static str),
    #[error("the host was heard meanwhile")]
    Heard,
    #[error("a host becomes {0} by enrolling or checking in, not by an act")]
    NotByAct(&'static str),
}

impl Store {
    /// Takes one step, or refuses. A host that ends or retires loses its certificates and its open
    /// drifts in the same commit.
    pub async fn change_life(
        &self,
        change: &LifeChange,
    ) -> Result<Result<LogState, LifeRefusal>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        if let Err(refusal) = take(&mut tx, &mut log, change, None).await? {
            return Ok(Err(refusal));
        }
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(Ok(state))
    }

    /// Hosts of ephemeral groups that were silent for longer than their group allows: when each
    /// was last heard, and the group's patience in seconds.
    pub async fn expired_hosts(&self, now_us: i64) -> Result<Vec<(HostId, i64, i64)>, StoreError> {
        let sql = "SELECT h.id, COALESCE(h.last_received_us, h.enrolled_us), g.ttl_s
                   FROM host h JOIN host_group g ON g.name = h.host_group
                   WHERE g.ttl_s IS NOT NULL AND h.state IN ('enrolling', 'active', 'maintenance')
                     AND COALESCE(h.last_received_us + 2000000 * h.next_due_s, h.enrolled_us) < $1
                     AND COALESCE(h.last_received_us, h.enrolled_us) + 1000000 * g.ttl_s < $1
                   ORDER BY h.id";
        let rows = read!(&self.db, all, (String, i64, i64), sql, now_us)?;
        rows.into_iter().map(|(id, heard, ttl)| Ok((host_id(&id)?, heard, ttl))).collect()
    }

    /// Hosts whose maintenance is over, with the moment it was to end.
    pub async fn maintained_hosts(&self, now_us: i64) -> Result<Vec<(HostId, i64)>, StoreError> {
        let sql = "SELECT id, maintenance_until_us FROM host
                   WHERE state = 'maintenance' AND maintenance_until_us <= $1 ORDER BY id";
        let rows = read!(&self.db, all, (String, i64), sql, now_us)?;
        rows.into_iter().map(|(id, until)| Ok((host_id(&id)?, until))).collect()
    }
}

/// Takes one step within a transaction that holds the log; `statement` is what the host said.
pub(super) async fn take(
    tx: &mut Tx,
    log: &mut Appender,
    change: &LifeChange,
    statement: Option<&Value>,
) -> Result<Result<(), LifeRefusal>, StoreError> {
    let host = change.host.to_string();
    let sql = "SELECT state, COALESCE(last_received_us, enrolled_us) FROM host WHERE id = $1";
    let row = fetch!(tx, optional, (String, i64), sql, host.clone())?;
    let Some((before, heard_us)) = row else {
        return Ok(Err(LifeRefusal::UnknownHost(change.host)));
    };
    if change.unheard_since_us.is_some_and(|since| heard_us > since) {
        return Ok(Err(LifeRefusal::Heard));
    }
    if let Some(refusal) = refuse(&before, change.to) {
        return Ok(Err(refusal));
    }
    let mut detail = json!({
        "host": change.host, "from": before, "to": change.to, "reason": change.reason,
        "from_us": change.from_us, "until_us": change.until_us,
    });
    if !change.to.is_in_service() {
        // Its evidence is sealed: this was the last, and none is taken any more.
        let sql = "SELECT h.last_index, c.chain, c.next_seq, c.last_id FROM host h
                   JOIN check_in i ON i.log_index = h.last_index
                   JOIN chain c ON c.first_index = i.first_index WHERE h.id = $1";
        type Last = (i64, String, i64, Vec<u8>);
        if let Some((index, chain, next, id)) = fetch!(tx, optional, Last, sql, host.clone())? {
            detail["last_check_in"] = json!({
                "log_index": index, "chain": chain, "seq": next - 1,
                "id": evidence::Digest::from_slice(&id),
            });
        }
    }
    if let Some(statement) = statement {
        detail["statement"] = statement.clone();
    }
    let (at_us, actor) = (change.now_us, change.actor.clone());
    let act = Act { at_us, actor, act: act_of(&before, change.to).to_owned(), detail };
    let known = signed(acts::append(tx, log, &act).await?);
    let word = change.to.as_str();
    let said = Said { property: "state", value: word, cause: None, from_us: change.from_us };
    say_of_host(tx, &host, said, known).await?;
    let sql = "UPDATE host SET state = $2, maintenance_until_us = $3 WHERE id = $1";
    execute!(tx, sql, host.clone(), word.to_owned(), change.until_us)?;
    if !change.to.is_in_service() {
        end_certificates(tx, change.host, change.now_us).await?;
        close_drifts(tx, &host, change.from_us).await?;
        alerts::settle(tx, &host, None, change.now_us).await?;
    }
    Ok(Ok(()))
}

/// Resolves the open drifts of a host that is out of service: nothing of it can regress or be late
/// any more. What it did stays for a person to take on, so that a copied identity does not clear
/// itself by leaving.
pub(super) async fn close_drifts(tx: &mut Tx, host: &str, at_us: i64) -> Result<(), StoreError> {
    let sql = "UPDATE drift SET resolved_us = CASE WHEN opened_us > $2 THEN opened_us ELSE $2 END
               WHERE host = $1 AND resolved_us IS NULL AND drift <> 'integrity_anomaly'
                 AND EXISTS (SELECT 1 FROM host WHERE id = $1 AND state IN ('ended', 'retired'))";
    execute!(tx, sql, host.to_owned(), at_us)?;
    Ok(())
}

fn refuse(before: &str, to: HostState) -> Option<LifeRefusal> {
    let before = match before {
        "ended" => return Some(LifeRefusal::Final("ended")),
        "retired" => return Some(LifeRefusal::Final("retired")),
        "enrolling" => "enrolling",
        "maintenance" => "maintenance",
        _ => "active",
    };
    match to {
        HostState::Active if before != "maintenance" => Some(LifeRefusal::NotInMaintenance(before)),
        HostState::Enrolling => Some(LifeRefusal::NotByAct("enrolling")),
        _ => None,
    }
}

fn act_of(before: &str, to: HostState) -> &'static str {
    match to {
        HostState::Ended => "host_ended",
        HostState::Retired => "host_retired",
        HostState::Active if before == "maintenance" => "host_maintenance_ended",
        _ => "host_maintenance_began",
    }
}
