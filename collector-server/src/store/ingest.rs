//! Check-ins become durable: chain, log and host row in one transaction.

use super::db::{Tx, execute, fetch, read};
use super::host_spans::{Said, say_of_host};
use super::log::{Appender, LogState, signed};
use super::packed::{pack, plain, unpack};
use super::{Store, StoreError};
use crate::clock::day_of;
use evidence::{CheckIn, Digest, SignedCheckIn, Want, leaf};

/// Most objects a receipt asks for at once; the rest is asked for next time.
const MAX_WANTED: usize = 256;

/// A check-in whose signature was verified.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub signed: SignedCheckIn,
    pub received_us: i64,
}

/// It is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub index: u64,
    pub want: Want,
    /// It was there before: a repetition.
    pub duplicate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such host, or it is out of service. The agent must not go on.
    #[error("this host is not enrolled here")]
    UnknownHost,
    /// The number does not follow what was accepted before. The agent opens a new chain.
    #[error("check-in {seq} of chain {chain} does not follow: {reason}")]
    Conflict { chain: String, seq: i64, reason: &'static str },
}

impl Store {
    /// Makes a batch durable in one commit. The answers are in the order of the batch; a refused
    /// check-in does not hold up the others.
    pub async fn accept(
        &self,
        batch: &[Incoming],
    ) -> Result<(Vec<Result<Accepted, Refusal>>, LogState), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let mut answers = Vec::with_capacity(batch.len());
        for incoming in batch {
            answers.push(accept_one(&mut tx, &mut log, incoming).await?);
        }
        let state = log.finish(&mut tx).await?;
        tx.commit().await?;
        Ok((answers, state))
    }

    /// The newest check-in among the first `size` leaves.
    pub async fn newest_check_in(
        &self,
        size: u64,
    ) -> Result<Option<(u64, SignedCheckIn)>, StoreError> {
        let sql = "SELECT log_index, packed FROM check_in WHERE log_index < $1
                   ORDER BY log_index DESC LIMIT 1";
        let row = read!(&self.db, optional, (i64, Vec<u8>), sql, signed(size))?;
        row.map(|(index, row)| Ok((index.unsigned_abs(), unpack(&row)?))).transpose()
    }

    /// The stored check-in at a log index, with its wire bytes.
    pub async fn check_in(&self, index: u64) -> Result<Option<SignedCheckIn>, StoreError> {
        let sql = "SELECT packed FROM check_in WHERE log_index = $1";
        let row = read!(&self.db, optional, (Vec<u8>,), sql, signed(index))?;
        row.map(|(row,)| unpack(&row)).transpose()
    }
}

/// What the rows of the host and of the chain say before this check-in.
#[derive(sqlx::FromRow)]
struct HostBefore {
    state: String,
    enrolled_us: i64,
    last_observed_us: Option<i64>,
    last_index: Option<i64>,
    manifest: Option<Vec<u8>>,
    manifest_complete: bool,
    judged_index: i64,
    judged_day: i64,
    /// Log index of the chain's first check-in: its name in the rows of check-ins. None, as the two
    /// below, for a chain that begins.
    first_index: Option<i64>,
    next_seq: Option<i64>,
    last_id: Option<Vec<u8>>,
}

async fn accept_one(
    tx: &mut Tx,
    log: &mut Appender,
    incoming: &Incoming,
) -> Result<Result<Accepted, Refusal>, StoreError> {
    let check_in = &incoming.signed.check_in;
    let host = check_in.host.to_string();
    let sql = "SELECT h.state, h.enrolled_us, h.last_observed_us, h.last_index, h.manifest,
                      h.manifest_complete, h.judged_index, h.judged_day, c.first_index, c.next_seq, c.last_id
               FROM host h LEFT JOIN chain c ON c.host = h.id AND c.chain = $2 WHERE h.id = $1";
    let chain = check_in.chain.to_string();
    let Some(before) = fetch!(tx, optional, HostBefore, sql, host.clone(), chain.clone())? else {
        return Ok(Err(Refusal::UnknownHost));
    };
    if before.state == "retired" || before.state == "ended" {
        return Ok(Err(Refusal::UnknownHost));
    }
    let place = match follow(tx, &incoming.signed, &before).await? {
        Ok(place) => place,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // What was complete stays complete.
    let unchanged = before.manifest_complete
        && before.manifest.as_deref() == Some(check_in.manifest.as_bytes());
    let want = if unchanged { Want::default() } else { want(tx, check_in).await? };
    let complete = want.is_empty();
    if let Place::Known(index) = place {
        if complete && before.last_index == Some(signed(index)) && !before.manifest_complete {
            let sql = "UPDATE host SET manifest_complete = $1 WHERE id = $2";
            execute!(tx, sql, true, host.clone())?;
        }
        if complete && signed(index) > before.judged_index {
            enqueue(tx, &host, incoming.received_us).await?;
        }
        return Ok(Ok(Accepted { index, want, duplicate: true }));
    }
    let index = log.append(tx, &leaf::check_in_leaf(&incoming.signed)).await?;
    write(tx, incoming, index, &before, complete).await?;
    if let Place::NewChain { resumed: true } = place {
        anomaly(tx, incoming, index).await?;
    }
    Ok(Ok(Accepted { index, want, duplicate: false }))
}

/// Where a check-in belongs.
enum Place {
    /// Next in its chain.
    Next,
    /// The first of a chain; `resumed` when the host had another one before.
    NewChain { resumed: bool },
    /// It is in the log already.
    Known(u64),
}

async fn follow(
    tx: &mut Tx,
    signed: &SignedCheckIn,
    before: &HostBefore,
) -> Result<Result<Place, Refusal>, StoreError> {
    let check_in = &signed.check_in;
    let (host, chain) = (check_in.host.to_string(), check_in.chain.to_string());
    let refuse =
        |reason| Err(Refusal::Conflict { chain: chain.clone(), seq: check_in.seq, reason });
    let HostBefore { first_index: Some(first), next_seq: Some(next), last_id: Some(last), .. } =
        before
    else {
        if check_in.seq != 0 {
            return Ok(refuse("this chain does not begin here"));
        }
        let sql = "SELECT COUNT(*) FROM chain WHERE host = $1";
        let (chains,) = fetch!(tx, one, (i64,), sql, host.clone())?;
        return Ok(Ok(Place::NewChain { resumed: chains > 0 }));
    };
    if check_in.seq < *next {
        let sql = "SELECT log_index, packed FROM check_in WHERE first_index = $1 AND seq = $2";
        let row = fetch!(tx, optional, (i64, Vec<u8>), sql, *first, check_in.seq)?;
        return Ok(match row {
            Some((index, row)) if unpack(&row)?.id() == signed.id() => {
                Ok(Place::Known(index.unsigned_abs()))
            }
            _ => refuse("another check-in has this number"),
        });
    }
    if check_in.seq > *next {
        return Ok(refuse("check-ins before it are missing"));
    }
    if check_in.prev.is_none_or(|prev| prev.0.as_slice() != last.as_slice()) {
        return Ok(refuse("it does not name the one before it"));
    }
    Ok(Ok(Place::Next))
}

async fn write(
    tx: &mut Tx,
    incoming: &Incoming,
    index: u64,
    before: &HostBefore,
    complete: bool,
) -> Result<(), StoreError> {
    let check_in = &incoming.signed.check_in;
    let (host, chain) = (check_in.host.to_string(), check_in.chain.to_string());
    let observed = observed_us(check_in, incoming.received_us, before);
    let at = signed(index);
    let first = before.first_index.unwrap_or(at);
    let sql = "INSERT INTO check_in (log_index, first_index, seq, observed_us, received_us, packed)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let row = pack(&incoming.signed);
    let received = incoming.received_us;
    execute!(tx, sql, at, first, check_in.seq, observed, received, row.clone())?;
    let sql = "INSERT INTO chain (host, chain, first_index, next_seq, last_id)
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (host, chain) DO UPDATE
               SET next_seq = excluded.next_seq, last_id = excluded.last_id";
    let id = incoming.signed.id().0.to_vec();
    execute!(tx, sql, host.clone(), chain.clone(), first, check_in.seq + 1, id.clone())?;

    let manifest = check_in.manifest.0.to_vec();
    let same = before.manifest.as_ref() == Some(&manifest) && before.manifest_complete;
    let same_day = before.judged_day == day_of(observed);
    let caught_up = before.last_index.is_none_or(|last| before.judged_index >= last);
    // Nothing to judge: the same state, and it was judged for this day.
    let skip = same && same_day && caught_up && before.last_index.is_some();
    let judged = if skip { at } else { before.judged_index };
    if before.state == "enrolling" {
        let change = Said { property: "state", value: "active", cause: None, from_us: observed };
        say_of_host(tx, &host, change, at).await?;
    }
    let sql = "UPDATE host SET state = CASE state WHEN 'maintenance' THEN state ELSE 'active' END,
               agent = $2, last_received_us = $3,
               last_observed_us = $4, last_index = $5, next_due_s = $6, manifest = $7,
               manifest_complete = $8, judged_index = $9 WHERE id = $1";
    execute!(
        tx,
        sql,
        host.clone(),
        check_in.agent.clone(),
        incoming.received_us,
        observed,
        at,
        check_in.next_due_s,
        manifest.clone(),
        complete,
        judged,
    )?;
    // A check-in before this one that waits is judged now, even if its objects never came: else
    // the last state that was whole would stand for as long as none is whole again.
    if (complete && !skip) || !caught_up {
        enqueue(tx, &host, incoming.received_us).await?;
    }
    Ok(())
}

/// When the host saw it: its own clock, but never in the collector's future, never before it was
/// enrolled, and never before what it said earlier. Order within a host is `seq`, not its clock.
fn observed_us(check_in: &CheckIn, received_us: i64, before: &HostBefore) -> i64 {
    let earliest = before.last_observed_us.map_or(before.enrolled_us, |last| last + 1);
    check_in.at_ms.saturating_mul(1000).min(received_us).max(earliest)
}

/// Asks for judgement. A job that is there grows a generation, so that whoever works on it now
/// does not take it away.
async fn enqueue(tx: &mut Tx, host: &str, now_us: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO judge_job (host, queued_us, generation) VALUES ($1, $2, 0)
               ON CONFLICT (host) DO UPDATE SET generation = judge_job.generation + 1";
    execute!(tx, sql, host.to_owned(), now_us)?;
    Ok(())
}

/// What this host must still send. Only its own uploads count: what another host sent says
/// nothing to this one.
async fn want(tx: &mut Tx, check_in: &CheckIn) -> Result<Want, StoreError> {
    let (host, manifest) = (check_in.host.to_string(), check_in.manifest.0.to_vec());
    let sql = "SELECT COUNT(*) FROM host_object WHERE host = $1 AND object = $2";
    let (has,) = fetch!(tx, one, (i64,), sql, host.clone(), manifest.clone())?;
    if has == 0 {
        let sql = "INSERT INTO wanted (host, object, manifest) VALUES ($1, $2, $2)
                   ON CONFLICT DO NOTHING";
        execute!(tx, sql, host.clone(), manifest.clone())?;
        return Ok(Want { manifest: Some(check_in.manifest), facts: vec![] });
    }
    let sql = "SELECT object FROM wanted WHERE host = $1 AND manifest = $2 ORDER BY object";
    let rows = fetch!(tx, all, (Vec<u8>,), sql, host.clone(), manifest.clone())?;
    let facts = rows.iter().filter_map(|(id,)| Digest::from_slice(id));
    Ok(Want { manifest: None, facts: facts.take(MAX_WANTED).collect() })
}

/// A host that had a chain begins another: often a restored machine, sometimes a copy.
async fn anomaly(tx: &mut Tx, incoming: &Incoming, index: u64) -> Result<(), StoreError> {
    let check_in = &incoming.signed.check_in;
    let to = match check_in.resumes {
        Some(last) => format!("new chain, after check-in {last}"),
        None => "new chain that names no earlier check-in".to_owned(),
    };
    let sql = "INSERT INTO drift (id, drift, host, subject, cause, severity, from_state, to_state,
               offenders, opened_us, opened_index)
               VALUES ($1, 'integrity_anomaly', $2, $3, 'host_changed', 'high', 'one chain', $4,
               '[]', $5, $6) ON CONFLICT DO NOTHING";
    let id = ulid::Ulid::generate().to_string();
    let (host, chain) = (check_in.host.to_string(), check_in.chain.to_string());
    execute!(
        tx,
        sql,
        id.clone(),
        host.clone(),
        chain.clone(),
        to.clone(),
        incoming.received_us,
        signed(index)
    )?;
    Ok(())
}

impl Store {
    /// Damages the store, so that a test can see whether the damage is found.
    #[doc(hidden)]
    pub async fn overwrite_check_in_for_testing(
        &self,
        index: u64,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE check_in SET packed = $2 WHERE log_index = $1";
        execute!(&mut tx, sql, signed(index), plain(bytes))?;
        tx.commit().await
    }

    /// Allows an embedded database no more pages than it has and `more`, as a full disk does; none
    /// for no limit. False if the database is not embedded.
    #[doc(hidden)]
    pub async fn limit_pages_for_testing(&self, more: Option<i64>) -> Result<bool, StoreError> {
        let super::db::Db::Sqlite { write, .. } = &self.db else { return Ok(false) };
        let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(write).await?;
        let most = more.map_or(i64::from(u32::MAX) - 1, |more| pages + more);
        let set = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {most}"));
        sqlx::query(set).execute(write).await?;
        Ok(true)
    }
}
