//! Check-ins become durable: chain, log and host row in one transaction.

use super::anomaly::{self, Anomaly};
use super::db::{Tx, execute, fetch, read};
use super::log::{Appender, LogState, signed};
use super::packed::{pack, plain, unpack};
use super::{Store, StoreError};
use evidence::{CheckIn, Digest, SignedCheckIn, Want, leaf};
use std::net::IpAddr;

/// Most objects a receipt asks for at once; the rest is asked for next time.
const MAX_WANTED: usize = 256;

/// A check-in whose signature was verified.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub signed: SignedCheckIn,
    pub received_us: i64,
    /// Address it came from.
    pub peer: Option<IpAddr>,
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
    /// First index of the host's newest chain.
    newest_chain: Option<i64>,
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
                      h.manifest_complete, h.judged_index, h.newest_chain, c.first_index, c.next_seq, c.last_id
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
    if let Place::NewChain { resumed } = place {
        let sql = "UPDATE host SET newest_chain = $2 WHERE id = $1";
        execute!(tx, sql, host.clone(), signed(index))?;
        if resumed {
            new_chain(tx, incoming, index).await?;
        }
    } else if let (Some(first), Some(newest)) = (before.first_index, before.newest_chain)
        && first < newest
    {
        two_machines(tx, incoming, index, newest).await?;
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
    let sql =
        "INSERT INTO chain (host, chain, first_index, next_seq, last_id, peer, last_received_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (host, chain) DO UPDATE
               SET next_seq = excluded.next_seq, last_id = excluded.last_id, peer = excluded.peer,
                   last_received_us = excluded.last_received_us";
    let id = incoming.signed.id().0.to_vec();
    let (next, peer) =
        (check_in.seq + 1, incoming.peer.map(|peer| peer.to_canonical().to_string()));
    execute!(
        tx,
        sql,
        host.clone(),
        chain.clone(),
        first,
        next,
        id.clone(),
        peer.clone(),
        received
    )?;

    let manifest = check_in.manifest.0.to_vec();
    let same = before.manifest.as_ref() == Some(&manifest) && before.manifest_complete;
    let same_day = before.last_observed_us.map(day) == Some(day(observed));
    let caught_up = before.last_index.is_none_or(|last| before.judged_index >= last);
    // Nothing to judge: the same state on the same day.
    let skip = same && same_day && caught_up && before.last_index.is_some();
    let judged = if skip { at } else { before.judged_index };
    let sql = "UPDATE host SET state = 'active', agent = $2, last_received_us = $3,
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

fn day(us: i64) -> i64 {
    us.div_euclid(86_400_000_000)
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
async fn new_chain(tx: &mut Tx, incoming: &Incoming, index: u64) -> Result<(), StoreError> {
    let check_in = &incoming.signed.check_in;
    let to = match check_in.resumes {
        Some(last) => format!("new chain, after check-in {last}"),
        None => "new chain that names no earlier check-in".to_owned(),
    };
    let anomaly = Anomaly {
        host: check_in.host,
        subject: &check_in.chain.to_string(),
        from: "one chain",
        to: &to,
        at_us: incoming.received_us,
        index,
    };
    anomaly::open(tx, anomaly).await
}

/// A chain goes on although a newer one had begun. An agent ships its older chain first and never
/// returns to it, so two machines hold the same state directory. This explains the new chain, and
/// takes the place of the anomaly that it was.
async fn two_machines(
    tx: &mut Tx,
    incoming: &Incoming,
    index: u64,
    newest: i64,
) -> Result<(), StoreError> {
    let (host, older) = (incoming.signed.check_in.host, incoming.signed.check_in.chain);
    let sql = "SELECT chain, peer, last_received_us FROM chain WHERE first_index = $1";
    let row = fetch!(tx, optional, (String, Option<String>, Option<i64>), sql, newest)?;
    let Some((newer, peer, at_us)) = row else { return Ok(()) };
    let here = incoming.peer.map(|peer| peer.to_canonical().to_string());
    let seen = |chain: &str, peer: Option<String>, at_us: Option<i64>| {
        let at = at_us.and_then(|at_us| jiff::Timestamp::from_microsecond(at_us).ok());
        let at = at.map(|at| format!(" at {at:.0}")).unwrap_or_default();
        format!("chain {chain}, last seen from {}{at}", peer.as_deref().unwrap_or("somewhere"))
    };
    let to = format!(
        "two machines report as this host, because its state directory was copied: {}; and {}. \
         Enrol one of them anew",
        seen(&older.to_string(), here, Some(incoming.received_us)),
        seen(&newer, peer, at_us)
    );
    let subject = format!("{older} {newer}");
    let at_us = incoming.received_us;
    let anomaly = Anomaly { host, subject: &subject, from: "one machine", to: &to, at_us, index };
    anomaly::explain(tx, host, &newer, at_us).await?;
    anomaly::open(tx, anomaly).await
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
}
