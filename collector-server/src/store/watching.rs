//! Hosts that report no more or again, clocks that are right again, logs that fit again.

use super::anomaly::{self, Anomaly, CLOCK, LOG, LOG_SEEN};
use super::db::{Tx, execute, fetch, read};
use super::hosts::host_id;
use super::judging::{About, open_drift};
use super::model::DriftRow;
use super::packed::unpack;
use super::{Store, StoreError, alerts};
use crate::alert::{Candidate, Lane};
use crate::silence::{ENROLLED_GRACE_US, Found, Late, View, late_us, look, reports_again};
use evidence::{CheckIn, HostId};
use std::collections::{BTreeMap, BTreeSet};

/// Hosts that are called silent in one transaction.
const AT_ONCE: usize = 200;
/// A day, in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Hosts of whom a check-in is expected. Those of ephemeral groups (`h.host_group`) end in silence;
/// that is their way and no drift. One whose identity a person revoked cannot report: pages say so,
/// and nobody has to be told what a person did.
macro_rules! lasting {
    () => {
        "h.revoked_us IS NULL AND NOT EXISTS
           (SELECT 1 FROM host_group g WHERE g.name = h.host_group AND g.ttl_s IS NOT NULL)"
    };
}

/// An alert of no host and no drift.
const TROUBLE: &str = "collector_silence";

impl Store {
    /// Notes that a collector is at work, and calls silent what is. It was away if it was not seen
    /// for longer than `away_us`. True if there is more to do
    /// at once.
    pub async fn watch(&self, now_us: i64, away_us: i64) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        // The lock that lets one collector look at a time.
        let sql = "UPDATE heartbeat SET id = id WHERE id = 1 RETURNING at_us, since_us";
        let (seen_us, since_us) = fetch!(&mut tx, one, (i64, i64), sql)?;
        let sql = "SELECT id FROM alert WHERE drift = $1 AND state <> 'resolved' LIMIT 1";
        let trouble = fetch!(&mut tx, optional, (String,), sql, TROUBLE)?.map(|(id,)| id);
        let (active, late) = fleet(&mut tx, now_us).await?;
        let in_trouble = trouble.is_some();
        let view = View { now_us, away_us, seen_us, since_us, active, late, in_trouble };
        let mut found = look(&view);
        let more = found.silent.len() > AT_ONCE;
        found.silent.truncate(AT_ONCE);
        let sql = "UPDATE heartbeat SET at_us = $1, since_us = $2 WHERE id = 1";
        execute!(&mut tx, sql, now_us.max(seen_us), found.since_us)?;
        if seen_us > 0 && now_us - seen_us > away_us {
            let sql = "INSERT INTO collector_outage (from_us, to_us) VALUES ($1, $2)
                       ON CONFLICT (from_us) DO NOTHING";
            execute!(&mut tx, sql, seen_us, now_us)?;
        }
        let never = never_reported(&mut tx, now_us, found.since_us).await?;
        call_silent(&mut tx, &found, &never, now_us).await?;
        tell_trouble(&mut tx, &found, trouble, now_us).await?;
        tx.commit().await?;
        Ok(more)
    }

    /// Ends what the last check-ins of a host ended. True if there was anything.
    pub async fn watch_ends(&self, now_us: i64) -> Result<bool, StoreError> {
        let mut ended = vec![];
        let sql = "SELECT d.id, d.host, d.drift, d.grouping, d.opened_index, h.state, h.revoked_us,
                   h.last_index, h.next_due_s, a.acknowledged_us
                   FROM drift d JOIN host h ON h.id = d.host
                   LEFT JOIN alert_drift l ON l.drift = d.id LEFT JOIN alert a ON a.id = l.alert
                   WHERE d.resolved_us IS NULL AND d.drift IN ('not_reporting', 'integrity_anomaly')
                     AND (h.state IN ('ended', 'retired') OR h.last_index >= d.opened_index
                          OR (d.drift = 'not_reporting'
                              AND (h.state = 'maintenance' OR h.revoked_us IS NOT NULL)))
                   ORDER BY d.id";
        for row in read!(&self.db, all, Open, sql)? {
            if self.has_ended(&row).await? {
                ended.push((row.id, row.host));
            }
        }
        for (drift, host) in &ended {
            let mut tx = self.db.begin().await?;
            let sql = "UPDATE drift SET resolved_us = $2 WHERE id = $1 AND resolved_us IS NULL";
            execute!(&mut tx, sql, drift.clone(), now_us)?;
            alerts::settle(&mut tx, host, None, now_us).await?;
            tx.commit().await?;
        }
        Ok(!ended.is_empty())
    }

    async fn has_ended(&self, row: &Open) -> Result<bool, StoreError> {
        let silent = row.drift == "not_reporting";
        match row.state.as_str() {
            // It reports no more; what it did is for a person to take on.
            "ended" | "retired" => return Ok(silent || row.acknowledged_us.is_some()),
            "maintenance" if silent => return Ok(true), // Nobody expects it to report.
            _ if silent && row.revoked_us.is_some() => return Ok(true),
            _ => {}
        }
        let Some(last) = row.last_index else { return Ok(false) };
        let sql = "SELECT packed, received_us FROM check_in WHERE log_index = $1";
        let found = read!(&self.db, optional, (Vec<u8>, i64), sql, last)?;
        let Some((bytes, received_us)) = found else { return Ok(false) };
        let check_in = unpack(&bytes)?.check_in;
        if silent {
            let sql = "SELECT MIN(c.received_us) FROM check_in c
                       JOIN chain ON chain.first_index = c.first_index
                       WHERE chain.host = $1 AND c.log_index >= $2";
            let first =
                read!(&self.db, one, (Option<i64>,), sql, row.host.clone(), row.opened_index)?;
            let due_us = row.next_due_s.unwrap_or_default() * 1_000_000;
            let first_us = first.0.unwrap_or(received_us);
            return Ok(reports_again(first_us, received_us, check_in.at_ms * 1000, due_us));
        }
        let taken_on = row.acknowledged_us.is_some_and(|at| received_us > at);
        match row.grouping.as_str() {
            CLOCK => Ok((check_in.at_ms * 1000 - received_us).abs() < DAY_US),
            LOG => Ok(taken_on && self.fits(&check_in).await?),
            // Whether a copy of the host is about is for a person to say; it then has to go on.
            _ => Ok(taken_on),
        }
    }

    /// Whether the log grew from what a check-in saw.
    async fn fits(&self, check_in: &CheckIn) -> Result<bool, StoreError> {
        let Some(head) = check_in.checkpoint else { return Ok(false) };
        if head.size > self.log().await?.size {
            return Ok(false);
        }
        Ok(self.root_at(head.size).await? == head.root)
    }

    /// The open drift of each host that is called silent.
    pub async fn silent_hosts(&self) -> Result<BTreeMap<HostId, String>, StoreError> {
        let sql =
            "SELECT host, id FROM drift WHERE drift = 'not_reporting' AND resolved_us IS NULL";
        let rows = read!(&self.db, all, (String, String), sql)?;
        rows.into_iter().map(|(host, drift)| Ok((host_id(&host)?, drift))).collect()
    }

    /// A host carries a checkpoint that this log did not grow from.
    pub async fn note_fork(&self, host: HostId, says: &str, now_us: i64) -> Result<(), StoreError> {
        let index = self.log().await?.size;
        let mut tx = self.db.begin().await?;
        let anomaly =
            Anomaly { host, subject: LOG, from: LOG_SEEN, to: says, at_us: now_us, index };
        anomaly::open(&mut tx, anomaly).await?;
        anomaly::settle(&mut tx, now_us).await?;
        tx.commit().await
    }
}

/// An open drift that a check-in may have ended.
#[derive(sqlx::FromRow)]
struct Open {
    id: String,
    host: String,
    drift: String,
    grouping: String,
    opened_index: i64,
    state: String,
    revoked_us: Option<i64>,
    last_index: Option<i64>,
    next_due_s: Option<i64>,
    acknowledged_us: Option<i64>,
}

/// How many hosts must report, and which of them are late; those that are called silent left out
/// of both.
async fn fleet(tx: &mut Tx, now_us: i64) -> Result<(usize, Vec<Late>), StoreError> {
    let sql = concat!("SELECT COUNT(*) FROM host h WHERE h.state = 'active' AND ", lasting!());
    let (active,) = fetch!(tx, one, (i64,), sql)?;
    let sql = concat!(
        "SELECT COUNT(DISTINCT d.host) FROM drift d JOIN host h ON h.id = d.host
         WHERE d.drift = 'not_reporting' AND d.resolved_us IS NULL AND h.state = 'active' AND ",
        lasting!()
    );
    let (told,) = fetch!(tx, one, (i64,), sql)?;
    let sql = concat!(
        "SELECT h.id, h.last_received_us, h.next_due_s,
           COALESCE((SELECT MAX(s.observed_from_us) FROM host_span s
                     WHERE s.host = h.id AND s.property = 'state' AND s.value = 'active'
                       AND s.observed_to_us IS NULL AND s.superseded_known IS NULL), 0)
         FROM host h
         WHERE h.state = 'active' AND h.last_received_us + h.next_due_s * 1100000 < $1
           AND ",
        lasting!(),
        " AND NOT EXISTS (SELECT 1 FROM drift d WHERE d.host = h.id
                          AND d.drift = 'not_reporting' AND d.resolved_us IS NULL)
         ORDER BY h.id"
    );
    let rows = fetch!(tx, all, (String, i64, i64, i64), sql, now_us)?;
    let mut late = Vec::with_capacity(rows.len());
    for (host, received_us, due_s, active_us) in rows {
        // After maintenance it has its time again.
        let (received_us, due_us) = (received_us.max(active_us), due_s * 1_000_000);
        if late_us(received_us, due_us) < now_us {
            late.push(Late { host: host_id(&host)?, received_us, due_us });
        }
    }
    Ok((usize::try_from(active - told).unwrap_or(0), late))
}

/// Hosts that were enrolled long ago and never reported.
async fn never_reported(
    tx: &mut Tx,
    now_us: i64,
    since_us: i64,
) -> Result<Vec<(HostId, i64)>, StoreError> {
    let before = now_us - ENROLLED_GRACE_US;
    if since_us > before {
        return Ok(vec![]); // The collector itself was not there for long enough.
    }
    let sql = concat!(
        "SELECT h.id, h.enrolled_us FROM host h
         WHERE h.state = 'enrolling' AND h.enrolled_us < $1 AND ",
        lasting!(),
        " AND NOT EXISTS (SELECT 1 FROM drift d WHERE d.host = h.id
                          AND d.drift = 'not_reporting' AND d.resolved_us IS NULL)
         ORDER BY h.id LIMIT 200"
    );
    let rows = fetch!(tx, all, (String, i64), sql, before)?;
    rows.iter().map(|(host, at)| Ok((host_id(host)?, at + ENROLLED_GRACE_US))).collect()
}

async fn call_silent(
    tx: &mut Tx,
    found: &Found,
    never: &[(HostId, i64)],
    now_us: i64,
) -> Result<(), StoreError> {
    let silent = found.silent.iter().map(|silent| (silent, "reporting", "silent"));
    let never = never.iter().map(|never| (never, "enrolled", "never reported"));
    let all: Vec<_> = silent.chain(never).collect();
    if all.is_empty() {
        return Ok(());
    }
    let (index,) = fetch!(tx, one, (i64,), "SELECT size FROM log_head WHERE id = 1")?;
    for ((host, began_us), from, to) in &all {
        let drift = DriftRow {
            id: ulid::Ulid::generate().to_string(),
            drift: "not_reporting".to_owned(),
            host: *host,
            rule: None,
            kind: None,
            cause: "evidence_lost".to_owned(),
            severity: "high".to_owned(),
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            offenders: vec![],
            opened_us: *began_us,
            resolved_us: None,
        };
        let about = About {
            subject: String::new(),
            grouping: String::new(),
            known_us: now_us,
            confirm: false,
            alert_after_us: now_us,
        };
        open_drift(tx, &drift, &about, index).await?;
    }
    for ((host, _), ..) in &all {
        alerts::settle(tx, &host.to_string(), None, now_us).await?;
    }
    Ok(())
}

async fn tell_trouble(
    tx: &mut Tx,
    found: &Found,
    open: Option<String>,
    now_us: i64,
) -> Result<(), StoreError> {
    if let (Some(says), None) = (&found.trouble, &open) {
        tracing::warn!(says, "the collector hears too little");
        let candidate = Candidate {
            host: HostId::nil(),
            sort: TROUBLE.to_owned(),
            cause: "evidence_lost".to_owned(),
            grouping: String::new(),
            signature: TROUBLE.to_owned(),
            subjects: BTreeSet::new(),
            severity: "high".to_owned(),
            lane: Lane::Queue,
            says: says.clone(),
            drifts: vec![],
        };
        alerts::lock(tx).await?;
        let id = alerts::open(tx, &candidate, now_us).await?;
        return alerts::event(tx, &id, "opened", Some(true), true, now_us).await;
    }
    if let (true, Some(id)) = (found.trouble_ends, open) {
        alerts::lock(tx).await?;
        alerts::close(tx, &id, true, now_us).await?;
    }
    Ok(())
}
