//! The rows of one commit: read together before the first check-in is looked at, written together
//! after the last. What a statement costs is mostly the way to the database and back, so many rows
//! go in each.
//!
//! A host that is in the group twice is read again the second time, after what is pending was
//! written: each check-in is judged by what the one before it left.

use super::db::{Tx, execute_rows, fetch_rows};
use super::{Incoming, StoreError};
use std::collections::{HashMap, HashSet};

/// What the rows of the host and of the chain say before a check-in.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct HostBefore {
    pub(super) state: String,
    /// When its identity, or the certificate that was shown, was revoked.
    pub(super) revoked_us: Option<i64>,
    pub(super) certificate_revoked_us: Option<i64>,
    pub(super) enrolled_us: i64,
    pub(super) last_observed_us: Option<i64>,
    pub(super) last_index: Option<i64>,
    pub(super) manifest: Option<Vec<u8>>,
    pub(super) manifest_complete: bool,
    pub(super) judged_index: i64,
    /// The day its results were judged for.
    pub(super) judged_day: i64,
    /// First index of the host's newest chain.
    pub(super) newest_chain: Option<i64>,
    /// Log index of the chain's first check-in: its name in the rows of check-ins. None, as the two
    /// below, for a chain that begins.
    pub(super) first_index: Option<i64>,
    pub(super) next_seq: Option<i64>,
    pub(super) last_id: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct Found {
    asked_host: String,
    asked_chain: String,
    asked_serial: String,
    #[sqlx(flatten)]
    before: HostBefore,
}

/// Host, chain, and serial number of a certificate; empty if none was shown.
type Key = (String, String, String);

/// A row of `check_in`.
pub(super) struct CheckInRow {
    pub(super) log_index: i64,
    pub(super) first_index: i64,
    pub(super) seq: i64,
    pub(super) observed_us: i64,
    pub(super) received_us: i64,
    pub(super) packed: Vec<u8>,
}

/// A row of `chain`, new or continued.
pub(super) struct ChainRow {
    pub(super) host: String,
    pub(super) chain: String,
    pub(super) first_index: i64,
    pub(super) next_seq: i64,
    pub(super) last_id: Vec<u8>,
    /// From where the check-in came.
    pub(super) peer: Option<String>,
    pub(super) received_us: i64,
}

/// What a check-in changes in the row of its host.
pub(super) struct HostChange {
    pub(super) host: String,
    pub(super) agent: String,
    pub(super) received_us: i64,
    pub(super) observed_us: i64,
    pub(super) last_index: i64,
    pub(super) next_due_s: i64,
    pub(super) manifest: Vec<u8>,
    pub(super) manifest_complete: bool,
    pub(super) judged_index: i64,
}

#[derive(Default)]
pub(super) struct Group {
    before: HashMap<Key, HostBefore>,
    /// Hosts whose rows are written here, or pending.
    written: HashSet<String>,
    check_ins: Vec<CheckInRow>,
    chains: Vec<ChainRow>,
    hosts: Vec<HostChange>,
}

impl Group {
    /// Reads what the batch needs.
    pub(super) async fn read(tx: &mut Tx, batch: &[Incoming]) -> Result<Self, StoreError> {
        let keys: HashSet<Key> = batch.iter().map(key).collect();
        let keys: Vec<_> = keys.into_iter().collect();
        Ok(Self { before: read(tx, &keys).await?, ..Self::default() })
    }

    /// What holds before this check-in; none for a host that is not known.
    pub(super) async fn before(
        &mut self,
        tx: &mut Tx,
        incoming: &Incoming,
    ) -> Result<Option<HostBefore>, StoreError> {
        let key = key(incoming);
        if self.written.contains(&key.0) {
            self.write(tx).await?;
            self.before.extend(read(tx, std::slice::from_ref(&key)).await?);
        }
        // What was read counts once: whoever comes after reads again.
        self.written.insert(key.0.clone());
        Ok(self.before.remove(&key))
    }

    pub(super) fn add(&mut self, check_in: CheckInRow, chain: ChainRow, host: HostChange) {
        self.check_ins.push(check_in);
        self.chains.push(chain);
        self.hosts.push(host);
    }

    /// Writes what is pending.
    pub(super) async fn write(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        execute_rows!(
            tx,
            "INSERT INTO check_in (log_index, first_index, seq, observed_us, received_us, packed)
             VALUES ",
            6,
            "",
            std::mem::take(&mut self.check_ins),
            |row| row.log_index,
            row.first_index,
            row.seq,
            row.observed_us,
            row.received_us,
            row.packed
        );
        execute_rows!(
            tx,
            "INSERT INTO chain (host, chain, first_index, next_seq, last_id, peer,
                                last_received_us) VALUES ",
            7,
            " ON CONFLICT (host, chain) DO UPDATE
             SET next_seq = excluded.next_seq, last_id = excluded.last_id, peer = excluded.peer,
                 last_received_us = excluded.last_received_us",
            std::mem::take(&mut self.chains),
            |row| row.host,
            row.chain,
            row.first_index,
            row.next_seq,
            row.last_id,
            row.peer,
            row.received_us
        );
        execute_rows!(
            tx,
            "WITH fresh (id, agent, received_us, observed_us, log_index, next_due_s, manifest,
                       complete, judged_index) AS (VALUES ",
            9,
            ") UPDATE host SET
             state = CASE host.state WHEN 'maintenance' THEN 'maintenance' ELSE 'active' END,
             agent = fresh.agent,
             last_received_us = fresh.received_us, last_observed_us = fresh.observed_us,
             last_index = fresh.log_index, next_due_s = fresh.next_due_s, manifest = fresh.manifest,
             manifest_complete = fresh.complete, judged_index = fresh.judged_index
             FROM fresh WHERE host.id = fresh.id",
            std::mem::take(&mut self.hosts),
            |row| row.host,
            row.agent,
            row.received_us,
            row.observed_us,
            row.last_index,
            row.next_due_s,
            row.manifest,
            row.manifest_complete,
            row.judged_index
        );
        Ok(())
    }
}

fn key(incoming: &Incoming) -> Key {
    let check_in = &incoming.signed.check_in;
    let serial = incoming.certificate.clone().unwrap_or_default();
    (check_in.host.to_string(), check_in.chain.to_string(), serial)
}

async fn read(tx: &mut Tx, keys: &[Key]) -> Result<HashMap<Key, HostBefore>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    fetch_rows!(
        tx,
        Found,
        "WITH asked (host, chain, serial) AS (VALUES ",
        3,
        ") SELECT a.host AS asked_host, a.chain AS asked_chain, a.serial AS asked_serial, h.state,
                  h.revoked_us, ce.revoked_us AS certificate_revoked_us, h.enrolled_us,
                  h.last_observed_us, h.last_index, h.manifest, h.manifest_complete,
                  h.judged_index, h.judged_day, h.newest_chain, c.first_index, c.next_seq, c.last_id
         FROM asked a JOIN host h ON h.id = a.host
         LEFT JOIN certificate ce ON ce.serial = a.serial
         LEFT JOIN chain c ON c.host = a.host AND c.chain = a.chain",
        keys,
        found,
        |key| key.0.clone(),
        key.1.clone(),
        key.2.clone()
    );
    let entry =
        |found: Found| ((found.asked_host, found.asked_chain, found.asked_serial), found.before);
    Ok(found.into_iter().map(entry).collect())
}
