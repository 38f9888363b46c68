//! Check-ins become durable: chain, log and host row in one transaction.

use super::anomaly::{self, Anomaly};
use super::db::{Tx, execute, fetch, read};
use super::group::{ChainRow, CheckInRow, Group, HostBefore, HostChange};
use super::healing;
use super::host_spans::{Said, say_of_host};
use super::log::{Appender, FreshTiles, LogState, signed};
use super::packed::{pack, plain, unpack};
use super::{Store, StoreError};
use crate::clock::day_of;
use evidence::{CheckIn, Digest, SignedCheckIn, Want, leaf};
use std::net::IpAddr;

/// Most objects a receipt asks for at once; the rest is asked for next time.
const MAX_WANTED: usize = 256;

/// Why a check-in is refused whose predecessors are not here.
const MISSING: &str = "check-ins before it are missing";

/// A check-in whose signature was verified.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub signed: SignedCheckIn,
    pub received_us: i64,
    /// Address it came from.
    pub peer: Option<IpAddr>,
    /// Serial number of the certificate that was shown; it must still count.
    pub certificate: Option<String>,
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
    /// No such host, it is out of service, or its identity was revoked. The agent must not go on.
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
        self.accept_with_tiles(batch).await.map(|(answers, state, _)| (answers, state))
    }

    /// [`Store::accept`], with the log's tiles that the commit wrote, for proofs.
    pub(crate) async fn accept_with_tiles(
        &self,
        batch: &[Incoming],
    ) -> Result<(Vec<Result<Accepted, Refusal>>, LogState, FreshTiles), StoreError> {
        let mut tx = self.db.begin().await?;
        let mut log = Appender::lock(&mut tx).await?;
        let mut group = Group::read(&mut tx, batch).await?;
        let mut answers = Vec::with_capacity(batch.len());
        for incoming in batch {
            answers.push(accept_one(&mut tx, &mut log, &mut group, incoming).await?);
        }
        group.write(&mut tx).await?;
        let now_us = batch.iter().map(|incoming| incoming.received_us).max().unwrap_or_default();
        anomaly::settle(&mut tx, now_us).await?;
        let (state, tiles) = log.finish_with_tiles(&mut tx).await?;
        tx.commit().await?;
        Ok((answers, state, tiles))
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

async fn accept_one(
    tx: &mut Tx,
    log: &mut Appender,
    group: &mut Group,
    incoming: &Incoming,
) -> Result<Result<Accepted, Refusal>, StoreError> {
    let check_in = &incoming.signed.check_in;
    let host = check_in.host.to_string();
    let Some(before) = group.before(tx, incoming).await? else {
        return Ok(Err(Refusal::UnknownHost));
    };
    let revoked = before.revoked_us.or(before.certificate_revoked_us).is_some();
    if revoked || before.state == "retired" || before.state == "ended" {
        return Ok(Err(Refusal::UnknownHost));
    }
    let place = match follow(tx, &incoming.signed, &before).await? {
        Ok(place) => place,
        Err(refusal) => {
            does_not_follow(tx, log, incoming, &refusal).await?;
            return Ok(Err(refusal));
        }
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
    write(tx, group, incoming, index, &before, complete).await?;
    if let Some(healed) = check_in.healed {
        healing::accepted(tx, check_in.host, healed, index).await?;
    }
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
    if let Some(jump) = clock_jump(incoming, &before) {
        let host = check_in.host;
        let at_us = incoming.received_us;
        let from = "a clock in step";
        let jumped = Anomaly { host, subject: anomaly::CLOCK, from, to: &jump, at_us, index };
        anomaly::open(tx, jumped).await?;
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
        return Ok(refuse(MISSING));
    }
    if check_in.prev.is_none_or(|prev| prev.0.as_slice() != last.as_slice()) {
        return Ok(refuse("it does not name the one before it"));
    }
    Ok(Ok(Place::Next))
}

async fn write(
    tx: &mut Tx,
    group: &mut Group,
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
    let received_us = incoming.received_us;
    group.add(
        CheckInRow {
            log_index: at,
            first_index: first,
            seq: check_in.seq,
            observed_us: observed,
            received_us,
            packed: pack(&incoming.signed),
        },
        ChainRow {
            host: host.clone(),
            chain,
            first_index: first,
            next_seq: check_in.seq + 1,
            last_id: incoming.signed.id().0.to_vec(),
            peer: incoming.peer.map(|peer| peer.to_canonical().to_string()),
            received_us,
        },
        HostChange {
            host: host.clone(),
            agent: check_in.agent.clone(),
            received_us,
            observed_us: observed,
            last_index: at,
            next_due_s: check_in.next_due_s,
            manifest,
            manifest_complete: complete,
            judged_index: judged,
        },
    );
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
pub(super) async fn enqueue(tx: &mut Tx, host: &str, now_us: i64) -> Result<(), StoreError> {
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
    want_erased(tx, &host, check_in.manifest).await?;
    let sql = "SELECT object FROM wanted WHERE host = $1 AND manifest = $2 ORDER BY object";
    let rows = fetch!(tx, all, (Vec<u8>,), sql, host.clone(), manifest.clone())?;
    let facts = rows.iter().filter_map(|(id,)| Digest::from_slice(id));
    Ok(Want { manifest: None, facts: facts.take(MAX_WANTED).collect() })
}

/// A state that was over long ago is there again, and bodies that it names were erased meanwhile:
/// they are asked for anew.
async fn want_erased(tx: &mut Tx, host: &str, manifest: Digest) -> Result<(), StoreError> {
    let sql = "SELECT id FROM erased_object LIMIT 1";
    if fetch!(tx, optional, (Vec<u8>,), sql)?.is_none() {
        return Ok(());
    }
    let named = super::objects::facts_named(tx, manifest).await?;
    for facts in named {
        let sql = "INSERT INTO wanted (host, object, manifest)
                   SELECT $1, id, $3 FROM erased_object WHERE id = $2
                     AND NOT EXISTS (SELECT 1 FROM host_object WHERE host = $1 AND object = $2)
                   ON CONFLICT DO NOTHING";
        execute!(tx, sql, host.to_owned(), facts.0.to_vec(), manifest.0.to_vec())?;
    }
    Ok(())
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

/// A check-in that cannot be taken: the host went back to an earlier state, or sent something that
/// never arrived.
async fn does_not_follow(
    tx: &mut Tx,
    log: &Appender,
    incoming: &Incoming,
    refusal: &Refusal,
) -> Result<(), StoreError> {
    let Refusal::Conflict { chain, reason, .. } = refusal else { return Ok(()) };
    let host = incoming.signed.check_in.host;
    let known = incoming.signed.check_in.checkpoint;
    if let Some(known) = known.filter(|_| *reason == MISSING) {
        // What is missing is missing here: this collector was put back.
        if healing::excuses(tx, host, known).await? {
            return Ok(());
        }
        if known.size > log.size() {
            let (at_us, index) = (incoming.received_us, log.size());
            let from = anomaly::LOG_SEEN;
            let forgot =
                Anomaly { host, subject: anomaly::LOG, from, to: anomaly::LONGER, at_us, index };
            return anomaly::open(tx, forgot).await;
        }
    }
    let to = format!("{refusal}; often a restored machine");
    let anomaly = Anomaly {
        host,
        subject: chain,
        from: anomaly::REFUSED,
        to: &to,
        at_us: incoming.received_us,
        index: log.size(),
    };
    anomaly::open(tx, anomaly).await
}

/// How far a host's clock is from what it can be, if that is more than a day: it says a time that
/// has not come yet, or one long before its last check-in. A check-in that only comes late is
/// neither.
fn clock_jump(incoming: &Incoming, before: &HostBefore) -> Option<String> {
    let at_us = incoming.signed.check_in.at_ms.saturating_mul(1000);
    let ahead = day_of(at_us.saturating_sub(incoming.received_us));
    let back = before.last_observed_us.map_or(0, |last| day_of(last.saturating_sub(at_us)));
    let says = |days, where_to| format!("the host's clock is {days} days {where_to}");
    match (ahead, back) {
        (1.., _) => Some(says(ahead, "ahead")),
        (_, 1..) => Some(says(back, "behind its last check-in")),
        _ => None,
    }
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

    /// Bytes of the pages that an embedded database has in use; none of another one.
    #[doc(hidden)]
    pub async fn pages_for_testing(&self) -> Option<i64> {
        let super::db::Db::Sqlite { write, .. } = &self.db else { return None };
        let one = |sql: &'static str| sqlx::query_as::<_, (i64,)>(sql).fetch_one(write);
        let (pages,) = one("PRAGMA page_count").await.ok()?;
        let (free,) = one("PRAGMA freelist_count").await.ok()?;
        let (size,) = one("PRAGMA page_size").await.ok()?;
        Some((pages - free) * size)
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
