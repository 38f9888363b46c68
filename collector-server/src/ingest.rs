//! Check-ins come in, are verified, wait in a bounded queue, and become durable in groups. A
//! receipt is made only after the commit.

use crate::keyring::Keys;
use crate::store::{Accepted, FreshTiles, Incoming, LONGER, LogState, Refusal, Store, StoreError};
use evidence::checkpoint::TreeHead;
use evidence::proof::verify_consistency;
use evidence::{Digest, HostId, Receipt, SignedCheckIn, merkle};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Most check-ins of one commit.
const MAX_GROUP: usize = 512;
/// Most roots that are kept to compare with.
const MAX_ROOTS: usize = 1 << 16;
/// How long a commit waits for more once one check-in is there.
const GROUP_WAIT: Duration = Duration::from_millis(4);

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The queue is full or the collector is stopping. The agent comes back later.
    #[error("the collector is busy")]
    Busy,
    /// The database refused. The agent comes back later.
    #[error("the collector cannot store this now")]
    Unavailable,
    #[error(transparent)]
    Refused(#[from] Refusal),
}

struct Waiting {
    incoming: Incoming,
    answer: oneshot::Sender<Result<Receipt, IngestError>>,
}

/// The queue's entrance; cheap to clone. When the last one is dropped, the writer drains and ends.
#[derive(Clone)]
pub struct Ingest {
    queue: mpsc::Sender<Waiting>,
}

impl Ingest {
    /// Starts the writer. `judge` is told after each commit.
    pub fn start(
        store: Store,
        keys: Keys,
        judge: Arc<Notify>,
        queue: usize,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(queue);
        let writer = Writer { store, keys, judge, roots: HashMap::new() };
        (Self { queue: sender }, tokio::spawn(writer.run(receiver)))
    }

    /// Waits for the commit. The signature must have been verified.
    pub async fn accept(&self, incoming: Incoming) -> Result<Receipt, IngestError> {
        let (answer, receipt) = oneshot::channel();
        let waiting = Waiting { incoming, answer };
        self.queue.try_send(waiting).map_err(|_| IngestError::Busy)?;
        receipt.await.unwrap_or(Err(IngestError::Unavailable))
    }
}

struct Writer {
    store: Store,
    keys: Keys,
    judge: Arc<Notify>,
    /// Roots this log had, by size: those it signed, and those it proved.
    roots: HashMap<u64, Digest>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        while let Some(first) = queue.recv().await {
            // Asleep it is woken once, and not by every one that comes.
            tokio::time::sleep(GROUP_WAIT).await;
            let mut group = vec![first];
            while group.len() < MAX_GROUP {
                let Ok(waiting) = queue.try_recv() else { break };
                group.push(waiting);
            }
            self.commit(group).await;
            self.judge.notify_one();
        }
    }

    async fn commit(&mut self, group: Vec<Waiting>) {
        let (batch, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|waiting| (waiting.incoming, waiting.answer)).unzip();
        let receipts = match self.store_all(&batch).await {
            // One of them meets a damaged row: the others need not wait until it is mended.
            Err(StoreError::Corrupt(why)) if batch.len() > 1 => {
                tracing::error!(%why, check_ins = batch.len(), "one check-in holds up others; each goes by itself");
                let mut receipts = Vec::with_capacity(batch.len());
                for incoming in &batch {
                    let one = self.store_all(std::slice::from_ref(incoming)).await;
                    let one = one.ok().and_then(|mut one| one.pop());
                    receipts.push(one.unwrap_or(Err(IngestError::Unavailable)));
                }
                receipts
            }
            Err(error) => {
                tracing::error!(%error, check_ins = batch.len(), "check-ins not stored; agents will repeat them");
                batch.iter().map(|_| Err(IngestError::Unavailable)).collect()
            }
            Ok(receipts) => receipts,
        };
        for (answer, receipt) in answers.into_iter().zip(receipts) {
            // An agent that went away asks again.
            let _ = answer.send(receipt);
        }
    }

    async fn store_all(
        &mut self,
        batch: &[Incoming],
    ) -> Result<Vec<Result<Receipt, IngestError>>, StoreError> {
        let (accepted, state, tiles) = self.store.accept_with_tiles(batch).await?;
        let (mut receipts, mut forks) = self.receipts(batch, accepted, state, tiles).await?;
        if !forks.is_empty() {
            self.excuse(&mut forks, &mut receipts, state).await?;
        }
        self.note(forks, batch).await;
        Ok(receipts)
    }

    /// Receipts for what was accepted, with their proofs against one checkpoint.
    async fn receipts(
        &mut self,
        batch: &[Incoming],
        accepted: Vec<Result<Accepted, Refusal>>,
        state: LogState,
        tiles: FreshTiles,
    ) -> Result<(Vec<Result<Receipt, IngestError>>, Vec<Fork>), StoreError> {
        let mut plans = Vec::new();
        for (incoming, answer) in batch.iter().zip(&accepted) {
            let Ok(accepted) = answer else { continue };
            plans.push(merkle::inclusion_plan(accepted.index, state.size));
            if let Some(size) = carried(&incoming.signed, state) {
                plans.push(merkle::consistency_plan(size, state.size));
            }
        }
        let mut proofs = self.store.prove_with(tiles, &plans).await?.into_iter();
        let checkpoint = self.keys.now().signer.checkpoint(state).note;
        if self.roots.len() >= MAX_ROOTS {
            self.roots.clear();
        }
        self.roots.insert(state.size, state.root);
        let mut forks = vec![];
        let receipt = |(incoming, answer): (&Incoming, Result<Accepted, Refusal>)| {
            let accepted = answer?;
            let receipt = Receipt {
                check_in: incoming.signed.id(),
                index: accepted.index,
                checkpoint: checkpoint.clone(),
                inclusion: proofs.next().unwrap_or_default(),
                consistency: carried(&incoming.signed, state)
                    .map(|_| proofs.next().unwrap_or_default()),
                healing: None,
                want: accepted.want,
            };
            forks.extend(fork(&mut self.roots, &incoming.signed, &receipt, state));
            Ok(receipt)
        };
        let receipts = batch.iter().zip(accepted).map(receipt).collect();
        Ok((receipts, forks))
    }

    /// Hosts that know what the operator said is lost are given that statement, and are no news.
    async fn excuse(
        &self,
        forks: &mut Vec<Fork>,
        receipts: &mut [Result<Receipt, IngestError>],
        state: LogState,
    ) -> Result<(), StoreError> {
        let mut unexcused = vec![];
        for fork in forks.drain(..) {
            let healing = self.store.healing_for(fork.host, fork.known, state).await?;
            let receipt = receipts.iter_mut().flatten().find(|one| one.check_in == fork.check_in);
            match (healing, receipt) {
                (Some(healing), Some(receipt)) => receipt.healing = Some(healing),
                _ => unexcused.push(fork),
            }
        }
        *forks = unexcused;
        Ok(())
    }

    /// Notes hosts that saw another log. If it fails, their next check-in says the same.
    async fn note(&self, forks: Vec<Fork>, batch: &[Incoming]) {
        let now_us = batch.iter().map(|incoming| incoming.received_us).max().unwrap_or_default();
        for Fork { host, says, .. } in forks {
            tracing::error!(host.id = %host, says, "a host saw another log");
            if let Err(error) = self.store.note_fork(host, &says, now_us).await {
                tracing::error!(%error, host.id = %host, "that a host saw another log was not kept");
            }
        }
    }
}

/// A host whose checkpoint this log did not grow from.
struct Fork {
    host: HostId,
    check_in: Digest,
    /// The head that it carries.
    known: TreeHead,
    says: String,
}

/// Compares the checkpoint a check-in carries with this log: with a root that is known, or else by
/// the proof that the receipt holds anyway.
fn fork(
    roots: &mut HashMap<u64, Digest>,
    signed: &SignedCheckIn,
    receipt: &Receipt,
    state: LogState,
) -> Option<Fork> {
    let head = signed.check_in.checkpoint.filter(|head| head.size > 0)?;
    let says = if head.size > state.size {
        LONGER
    } else if let Some(root) = roots.get(&head.size) {
        if *root == head.root {
            return None;
        }
        "the host was shown another log of the same length"
    } else {
        let proof = receipt.consistency.as_deref().unwrap_or_default();
        let grown =
            verify_consistency(head.size, &head.root, state.size, &state.root, proof).is_ok();
        if grown {
            roots.insert(head.size, head.root);
            return None;
        }
        "the host was shown another log of the same length"
    };
    let (host, check_in) = (signed.check_in.host, receipt.check_in);
    Some(Fork { host, check_in, known: head, says: says.to_owned() })
}

/// The size of the checkpoint a check-in carries, if this log can have grown from it. A larger
/// one has no proof; the agent sees that and raises the alarm.
fn carried(signed: &SignedCheckIn, state: LogState) -> Option<u64> {
    signed.check_in.checkpoint.map(|head| head.size).filter(|size| (1..=state.size).contains(size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::key::SigningKey;
    use evidence::{CheckIn, merkle::Frontier};
    use std::collections::BTreeMap;

    fn carrying(checkpoint: Option<TreeHead>) -> SignedCheckIn {
        let (key, _) = SigningKey::generate().expect("key");
        let check_in = CheckIn {
            agent: "0.1.0".into(),
            at_ms: 0,
            chain: HostId::generate(),
            checkpoint,
            clock: evidence::check_in::Clock { synchronised: None },
            collected: BTreeMap::new(),
            healed: None,
            host: HostId::generate(),
            manifest: Digest::of(b"m"),
            next_due_s: 3600,
            prev: None,
            resumes: None,
            seq: 0,
        };
        SignedCheckIn::sign(check_in, &key).expect("signed")
    }

    /// What is said of a host that carries this, by a log of two leaves that remembers `roots`.
    fn said(carried: Option<TreeHead>, roots: &[(u64, Digest)]) -> Option<String> {
        let mut log = Frontier::default();
        let leaves = [merkle::leaf_hash(b"one"), merkle::leaf_hash(b"two")];
        leaves.iter().for_each(|leaf| drop(log.append(*leaf)));
        let state = LogState { size: 2, root: log.root() };
        let signed = carrying(carried);
        let receipt = Receipt {
            check_in: signed.id(),
            index: 1,
            checkpoint: String::new(),
            inclusion: vec![],
            // From one leaf to two.
            consistency: Some(vec![leaves[1]]),
            healing: None,
            want: evidence::Want::default(),
        };
        let mut roots = roots.iter().copied().collect();
        fork(&mut roots, &signed, &receipt, state).map(|fork| fork.says)
    }

    #[test]
    fn a_checkpoint_that_this_log_did_not_grow_from_is_noticed() {
        let head = |size, root| Some(TreeHead { size, root });
        let (one, other) = (merkle::leaf_hash(b"one"), Digest::of(b"other"));
        assert_eq!(said(None, &[]), None);
        assert_eq!(said(head(1, one), &[]), None, "proved");
        assert_eq!(said(head(1, one), &[(1, one)]), None, "known");
        for known in [&[][..], &[(1, one)]] {
            let says = said(head(1, other), known).expect("noticed");
            assert!(says.contains("another log of the same length"), "{says}");
        }
        let says = said(head(3, one), &[]).expect("noticed");
        assert!(says.contains("a longer log"), "{says}");
    }
}
