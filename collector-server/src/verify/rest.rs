//! What lies beside the log and belongs to it: where chains stand, objects by their hashes, keys by
//! their ids, checkpoints that went out, breaks that were stated.

use super::{Verifier, VerifyError};
use crate::anchor::tsa;
use crate::keyring::log_key;
use crate::settings;
use crate::store::{AnchorSort, Sort, Store};
use evidence::checkpoint::{Checkpoint, LogKey};
use evidence::{Digest, HostId};

/// Objects read at once.
const PAGE: i64 = 50;
/// More checkpoints than are ever listed.
const ALL: i64 = i64::MAX;

fn beside(what: String, host: Option<HostId>) -> VerifyError {
    VerifyError::Beside { what, host }
}

/// Compares what is kept of each chain with its check-ins.
pub(super) async fn chains(store: &Store, read: &Verifier) -> Result<(), VerifyError> {
    let rows = store.chain_ends().await?;
    let size = store.log().await?.size;
    for row in &rows {
        let wrong = |what: &str| {
            let what =
                format!("chain {}, which began at leaf {}: {what}", row.chain, row.first_index);
            Err(beside(what, Some(row.host)))
        };
        let Some(found) = read.chains.get(&(row.host, row.chain)) else {
            // Begun since.
            if row.first_index.unsigned_abs() < read.size() {
                return wrong("no check-in of it is there");
            }
            continue;
        };
        let end = (found.seq + 1, found.id);
        let is_newer = row.next_seq > end.0 && size > read.size();
        if row.first_index != found.first_index || ((row.next_seq, row.last_id) != end && !is_newer)
        {
            return wrong("what is kept of it is not where its check-ins end");
        }
    }
    if rows.len() < read.chains.len() {
        return Err(beside(
            "chains of hosts are missing from the table of chains".to_owned(),
            None,
        ));
    }
    Ok(())
}

/// Every manifest and all facts that are kept hash to their id. Gives how many.
pub(super) async fn objects(
    store: &Store,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, VerifyError> {
    let of = store.count_objects().await?;
    let (mut read, mut after) = (0, vec![]);
    loop {
        let page = store.stored_objects(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(read) };
        after = last.id.clone();
        for object in &page {
            let bytes = object.bytes();
            let fits = bytes.as_ref().is_some_and(|bytes| {
                Digest::of(bytes).0.as_slice() == object.id
                    && bytes.len() as i64 == object.size_bytes
            });
            if !fits {
                let host = store.sender_of(&object.id).await?;
                let id = hex::encode(&object.id);
                let what = format!("object {id} (facts or a manifest) is not what its id says");
                return Err(beside(what, host));
            }
        }
        read += page.len() as u64;
        progress(read, of);
    }
}

/// Every key of the log has the id that its public half has.
pub(super) async fn keys(store: &Store) -> Result<(), VerifyError> {
    for key in store.trust_keys().await? {
        let id = match key.sort {
            Sort::Log | Sort::Snapshot => {
                key.public.parse::<evidence::key::PublicKey>().ok().map(|k| Digest::of(&k.0))
            }
            Sort::Authority => {
                let certificate = crate::authority::certificate(&key.public).ok();
                certificate.map(|certificate| Digest::of(&certificate))
            }
        };
        if id != Some(key.id) {
            let sort = key.sort.as_str();
            let what = format!("the public half of {sort} key {} is not the one of its id", key.id);
            return Err(beside(what, None));
        }
    }
    Ok(())
}

/// Every checkpoint that went out is signed, is one of this log, and has the time stamp it says.
pub(super) async fn anchors(store: &Store) -> Result<(), VerifyError> {
    let origin = store.setting(settings::LOG_ORIGIN).await?.unwrap_or_default();
    let keys = store.trust_keys().await?;
    let keys = keys.iter().filter(|key| key.sort == Sort::Log);
    let keys: Vec<LogKey> = keys.filter_map(|key| log_key(&origin, key).ok()).collect();
    for row in store.anchors(ALL).await? {
        let size = row.due.size;
        let wrong = |what: &str| {
            let sort = row.due.sort.as_str();
            Err(beside(format!("the checkpoint of {size} leaves for {sort}: {what}"), None))
        };
        let Ok(checkpoint) = Checkpoint::verify(&row.due.note, &keys) else {
            return wrong("no key of this log signed it");
        };
        if checkpoint.head.size != size {
            return wrong("it says another size");
        }
        if size > store.log().await?.size || store.root_at(size).await? != checkpoint.head.root {
            // What was lost with a former log was a checkpoint of that one.
            let healings = store.healings().await?;
            let before = |at_us: i64| row.due.created_us < at_us;
            if !healings.iter().any(|one| one.kept.size < size && before(one.at_us)) {
                return wrong("it is not one of this log");
            }
        }
        if row.due.sort == AnchorSort::Tsa && row.done_us.is_some() {
            let token = row.token.as_deref().unwrap_or_default();
            let stamped = tsa::check(token, &Digest::of(row.due.note.as_bytes()), None);
            if stamped.ok() != row.stamped_us || row.stamped_us.is_none() {
                return wrong("its time stamp is not one of it");
            }
        }
    }
    Ok(())
}

/// Every stated break is an act of the log, and what it says was kept is there; every host that is
/// said to have accepted one says so itself.
pub(super) async fn healings(store: &Store) -> Result<(), VerifyError> {
    for healing in store.healings().await? {
        let what = format!("the stated break at leaf {}", healing.index);
        let leaf = store.leaves(healing.index, 1).await?.into_iter().next();
        let leaf = leaf.map(|(_, leaf)| evidence::leaf::hash(&leaf.bytes()));
        if leaf != Some(healing.leaf)
            || store.root_at(healing.kept.size).await? != healing.kept.root
        {
            return Err(beside(format!("{what} is not the act that was logged"), None));
        }
    }
    for healed in store.healed_hosts().await? {
        let signed = store.check_in(healed.index).await?;
        let says = signed.and_then(|signed| signed.check_in.healed);
        if says != Some(healed.healed) {
            let what = "what it is said to have given up for a break is not what it signed";
            return Err(beside(what.to_owned(), Some(healed.host)));
        }
    }
    Ok(())
}
