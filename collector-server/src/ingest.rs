//! Check-ins come in, are verified, wait in a bounded queue, and become durable in groups. A
//! receipt is made only after the commit.

use crate::log::LogSigner;
use crate::store::{Accepted, Incoming, LogState, Refusal, Store, StoreError};
use evidence::{Receipt, SignedCheckIn, merkle};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

/// Most check-ins of one commit.
const MAX_GROUP: usize = 512;
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
        signer: Arc<LogSigner>,
        judge: Arc<Notify>,
        queue: usize,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(queue);
        let writer = Writer { store, signer, judge };
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
    signer: Arc<LogSigner>,
    judge: Arc<Notify>,
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<Waiting>) {
        while let Some(first) = queue.recv().await {
            let mut group = vec![first];
            let until = Instant::now() + GROUP_WAIT;
            while group.len() < MAX_GROUP {
                match tokio::time::timeout_at(until, queue.recv()).await {
                    Ok(Some(waiting)) => group.push(waiting),
                    Ok(None) | Err(_) => break,
                }
            }
            self.commit(group).await;
            self.judge.notify_one();
        }
    }

    async fn commit(&self, group: Vec<Waiting>) {
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
        &self,
        batch: &[Incoming],
    ) -> Result<Vec<Result<Receipt, IngestError>>, StoreError> {
        let (accepted, state) = self.store.accept(batch).await?;
        self.receipts(batch, accepted, state).await
    }

    /// Receipts for what was accepted, with their proofs against one checkpoint.
    async fn receipts(
        &self,
        batch: &[Incoming],
        accepted: Vec<Result<Accepted, Refusal>>,
        state: LogState,
    ) -> Result<Vec<Result<Receipt, IngestError>>, StoreError> {
        let mut plans = Vec::new();
        for (incoming, answer) in batch.iter().zip(&accepted) {
            let Ok(accepted) = answer else { continue };
            plans.push(merkle::inclusion_plan(accepted.index, state.size));
            if let Some(size) = carried(&incoming.signed, state) {
                plans.push(merkle::consistency_plan(size, state.size));
            }
        }
        let mut proofs = self.store.prove(&plans).await?.into_iter();
        let checkpoint = self.signer.checkpoint(state).note;
        let receipt = |(incoming, answer): (&Incoming, Result<Accepted, Refusal>)| {
            let accepted = answer?;
            Ok(Receipt {
                check_in: incoming.signed.id(),
                index: accepted.index,
                checkpoint: checkpoint.clone(),
                inclusion: proofs.next().unwrap_or_default(),
                consistency: carried(&incoming.signed, state)
                    .map(|_| proofs.next().unwrap_or_default()),
                want: accepted.want,
            })
        };
        Ok(batch.iter().zip(accepted).map(receipt).collect())
    }
}

/// The size of the checkpoint a check-in carries, if this log can have grown from it. A larger
/// one has no proof; the agent sees that and raises the alarm.
fn carried(signed: &SignedCheckIn, state: LogState) -> Option<u64> {
    signed.check_in.checkpoint.map(|head| head.size).filter(|size| (1..=state.size).contains(size))
}
