//! The collector verifies its own log while it runs, and pages say when it last did.
//!
//! What was read once is not read again to look at what is new: a reading that has arrived goes on
//! with the leaves that come in. What lies there can be damaged later, so another reading begins at
//! the first leaf again and again; however large the log, it takes a bounded share of the machine.

use crate::clock::Clock;
use crate::store::model::LogHead;
use crate::store::{Store, StoreError};
use crate::verify::{Verified, Verifier, VerifyError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Leaves read before anything else has its turn: some milliseconds of work.
const PAGE: i64 = 100;
/// A reading rests so many times as long as it worked: it takes a tenth of a core at most.
const REST: u32 = 9;
/// Between two readings from the first leaf so many times the work of one: a hundredth of a core.
const REST_BETWEEN: u32 = 99;
/// Least time between two readings from the first leaf.
const EVERY: Duration = Duration::from_secs(15 * 60);
/// How often what is new is looked at.
const NEWS: Duration = Duration::from_secs(60);
/// The first look after the start, once the log has something in it.
const FIRST: Duration = Duration::from_secs(2);

/// Outcome of the last check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogCheck {
    /// The first reading since the start is under way, with so many leaves of so many read.
    NotYet { read: u64, of: u64 },
    /// Every leaf, signature and chain fits the root.
    Held {
        size: u64,
        at_us: i64,
        /// When the last reading that began at the first leaf arrived.
        whole_us: i64,
    },
    /// Something does not.
    Broken { at_us: i64, why: String },
}

/// Checks again and again until `stop`, and tells `outcome`.
pub async fn run(
    store: Store,
    clock: Clock,
    outcome: watch::Sender<LogCheck>,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        () = Watch { store, clock, outcome, held: None }.run() => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

struct Watch {
    store: Store,
    clock: Clock,
    outcome: watch::Sender<LogCheck>,
    /// The reading that arrived last, and when.
    held: Option<(Verifier, i64)>,
}

impl Watch {
    async fn run(mut self) {
        self.clock.sleep(FIRST).await;
        loop {
            let mut left = match self.whole().await {
                Ok(worked) => EVERY.max(worked * REST_BETWEEN),
                Err(error) => self.fails(error),
            };
            while let Some(rest) = left.checked_sub(NEWS) {
                self.clock.sleep(NEWS).await;
                self.news_or_why_not().await;
                left = rest;
            }
        }
    }

    /// Reads the log from its first leaf. Returns how long that took, without the rests.
    async fn whole(&mut self) -> Result<Duration, VerifyError> {
        let (mut verifier, mut worked) = (Verifier::new(&self.store).await?, Duration::ZERO);
        let mut looked_us = self.clock.now_us();
        loop {
            let head = self.head().await?;
            let begun = Instant::now();
            let arrived = step(&mut verifier, &self.store, &head).await?;
            worked += begun.elapsed();
            self.progress(verifier.size(), head.size);
            if let Some(verified) = arrived {
                let now_us = self.clock.now_us();
                self.held = Some((verifier, now_us));
                self.tell(&verified, now_us);
                return Ok(worked);
            }
            self.clock.sleep(begun.elapsed() * REST).await;
            // A long reading does not keep what is new waiting.
            if self.clock.now_us() - looked_us >= NEWS.as_micros() as i64 {
                looked_us = self.clock.now_us();
                self.news_or_why_not().await;
            }
        }
    }

    /// The log's head, once there is more than the leaf of its own beginning.
    async fn head(&self) -> Result<LogHead, StoreError> {
        loop {
            let head = self.store.log().await?;
            if head.size > 1 {
                return Ok(head);
            }
            self.clock.sleep(FIRST).await;
        }
    }

    async fn news_or_why_not(&mut self) {
        if let Err(error) = self.news().await {
            self.fails(error);
        }
    }

    /// Goes on where the last reading that arrived ended.
    async fn news(&mut self) -> Result<(), VerifyError> {
        let Some((mut verifier, whole_us)) = self.held.take() else { return Ok(()) };
        let found = self.go_on(&mut verifier).await;
        // A store that cannot be read now takes nothing from what was read.
        if found.is_ok() || found.as_ref().is_err_and(is_of_the_store) {
            self.held = Some((verifier, whole_us));
        }
        self.tell(&found?, whole_us);
        Ok(())
    }

    async fn go_on(&self, verifier: &mut Verifier) -> Result<Verified, VerifyError> {
        let head = self.store.log().await?;
        loop {
            let begun = Instant::now();
            match step(verifier, &self.store, &head).await? {
                Some(verified) => return Ok(verified),
                None => self.clock.sleep(begun.elapsed() * REST).await,
            }
        }
    }

    /// Says how far the first reading is; later ones have an outcome before them that stands.
    fn progress(&self, read: u64, of: u64) {
        self.outcome.send_if_modified(|outcome| match outcome {
            LogCheck::NotYet { .. } => {
                *outcome = LogCheck::NotYet { read, of };
                true
            }
            LogCheck::Held { .. } | LogCheck::Broken { .. } => false,
        });
    }

    fn tell(&self, verified: &Verified, whole_us: i64) {
        let at_us = self.clock.now_us();
        self.outcome.send_replace(LogCheck::Held { size: verified.size, at_us, whole_us });
    }

    /// Says what does not hold. A store that cannot be read says nothing of the log. Returns how
    /// long to wait before the next reading.
    fn fails(&self, error: VerifyError) -> Duration {
        if is_of_the_store(&error) {
            tracing::warn!(%error, "the log could not be checked now");
            return NEWS;
        }
        tracing::error!(%error, "the log does not hold: stop, keep everything, and run `log verify`");
        let (at_us, why) = (self.clock.now_us(), error.to_string());
        self.outcome.send_replace(LogCheck::Broken { at_us, why });
        EVERY
    }
}

fn is_of_the_store(error: &VerifyError) -> bool {
    matches!(error, VerifyError::Store(StoreError::Database(_)))
}

/// Reads a page, or says that all up to `head` was read and holds.
async fn step(
    verifier: &mut Verifier,
    store: &Store,
    head: &LogHead,
) -> Result<Option<Verified>, VerifyError> {
    if verifier.size() < head.size {
        verifier.read(store, head, PAGE).await?;
        return Ok(None);
    }
    verifier.arrive(store, head).await.map(Some)
}
