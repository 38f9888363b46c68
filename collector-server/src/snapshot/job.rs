//! The job that makes snapshots which were asked for on the page. It can be killed at any moment: what
//! was read lies in the directory of work, and the next run goes on with it.

use super::SnapshotError;
use super::make::{Made, Workshop};
use super::rules::Shelf;
use crate::anchor::tsa::Tsa;
use crate::clock::Clock;
use crate::data::DataDir;
use crate::keyring::{KeyringError, Keys};
use crate::status::RepairLimits;
use crate::store::{SnapshotRow, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long a snapshot is this collector's: when it dies, another one takes it after that.
const LEASE_US: i64 = 60_000_000;
/// How often the progress is told.
const TELL: Duration = Duration::from_secs(2);
/// How often it is looked for what another collector left.
const LOOK: Duration = Duration::from_secs(10);

pub struct Job {
    pub store: Store,
    pub data: DataDir,
    pub keys: Keys,
    pub limits: RepairLimits,
    pub clock: Clock,
    /// Told when something was asked for.
    pub wake: Arc<Notify>,
    pub shelf: Arc<Shelf>,
    pub tsa: Option<Tsa>,
}

impl Job {
    /// Makes what is asked for, until `stop`.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let worked = tokio::select! {
                worked = self.next() => worked,
                // What was begun is gone on with after the next start.
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match worked {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "snapshots are not made now"),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Makes one; false if none waits.
    async fn next(&self) -> Result<bool, SnapshotError> {
        let now_us = self.clock.now_us();
        let row = self.store.claim_snapshot(now_us, now_us + LEASE_US).await?;
        let Some(row) = row else { return Ok(false) };
        let made = self.make(&row).await;
        let now_us = self.clock.now_us();
        match made {
            Ok((file, made)) => {
                let size = i64::try_from(made.packed.size_bytes).unwrap_or(i64::MAX);
                let archive = (file.as_str(), size, made.packed.digest);
                self.store.snapshot_made(&row.id, archive, now_us).await?;
                tracing::info!(
                    snapshot.id = row.id,
                    snapshot.disagreeing = made.disagreeing,
                    "snapshot made"
                );
            }
            // The store is away for a moment: the lease brings it back.
            Err(SnapshotError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::error!(snapshot.id = row.id, %error, "no snapshot could be made");
                self.store.snapshot_failed(&row.id, &error.to_string(), now_us).await?;
            }
        }
        Ok(true)
    }

    async fn make(&self, row: &SnapshotRow) -> Result<(String, Made), SnapshotError> {
        let folder = self.data.snapshots().map_err(KeyringError::Data)?;
        let file = format!("snapshot-{}.tar", row.id);
        let (work, output) = (folder.join(format!("{file}.work")), folder.join(&file));
        let keyring = self.keys.now();
        let workshop = Workshop {
            store: &self.store,
            keyring: &keyring,
            data: &self.data,
            limits: self.limits,
            shelf: Arc::clone(&self.shelf),
            tsa: self.tsa.as_ref(),
        };
        let (done, of) = (AtomicI64::new(0), AtomicI64::new(0));
        let progress = |n: u64, all: u64| {
            done.store(n as i64, Ordering::Relaxed);
            of.store(all as i64, Ordering::Relaxed);
        };
        let now_us = self.clock.now_us();
        let making = workshop.make(&row.asked, now_us, (&work, &output), progress);
        tokio::pin!(making);
        loop {
            tokio::select! {
                made = &mut making => return Ok((file, made?)),
                () = tokio::time::sleep(TELL) => {
                    let so_far = (done.load(Ordering::Relaxed), of.load(Ordering::Relaxed));
                    let lease_us = self.clock.now_us() + LEASE_US;
                    self.store.snapshot_progress(&row.id, so_far, lease_us).await?;
                }
            }
        }
    }
}
