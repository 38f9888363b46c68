//! The agent at work: gather what is due, sign it, keep it, ship it.
//!
//! One task does everything in turn, so there is one writer of the state directory and no lock in
//! memory. Only gathering runs on another thread, because it blocks. Every write is finished before
//! the task gives way, so stopping between two turns, or within one, leaves nothing half done.

mod plan;
mod statement;

pub use plan::Plan;

use crate::clock::Clock;
use crate::collectors::Collected;
use crate::renew::{RenewError, Renewal};
use crate::ship::{Backoff, Drained, ShipError, Shipper};
use crate::spool::{Current, Spool, SpoolError};
use crate::watch::Watch;
use evidence::check_in::CheckInError;
use evidence::key::SigningKey;
use evidence::{HostId, Status};
use statement::{Gathered, Statement};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Gathers one kind. Blocks.
pub type Gather = Arc<dyn Fn(&str) -> Collected + Send + Sync>;

/// How long one kind may take. After it the kind is `timeout`, and the others go on.
const KIND_DEADLINE: Duration = Duration::from_secs(300);
/// Longest sleep: a clock that was set, or a machine that slept, is noticed within it.
const MAX_SLEEP: Duration = Duration::from_secs(60);
/// How often `--once` tries to ship before it gives up.
const MAX_ATTEMPTS: u32 = 4;

/// Why a run ended, or a check-in could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("cannot sign the check-in: {0}")]
    CheckIn(#[from] CheckInError),
    #[error("cannot write the manifest: {0}")]
    Manifest(#[from] evidence::canonical::CanonicalError),
    #[error("{error}; {waiting} check-ins wait in the spool")]
    Ship { error: ShipError, waiting: usize },
    #[error("{error}; {waiting} check-ins wait in the spool")]
    Renew { error: RenewError, waiting: usize },
    #[error("the collector refused {0} check-ins; their reasons are in spool/refused")]
    Refused(usize),
    #[error(
        "the collector continues neither this host's chain nor a new one; the reasons are in spool/refused"
    )]
    Conflict,
}

/// Everything an agent works with.
pub struct Agent {
    pub host: HostId,
    pub key: SigningKey,
    pub spool: Spool,
    pub shipper: Shipper,
    pub backoff: Backoff,
    pub plan: Plan,
    pub gather: Gather,
    pub clock: Clock,
    /// Keeps certificate and trust fresh; none where a test does without.
    pub renewal: Option<Renewal>,
    watch: Watch,
    pace: Pace,
    /// Kinds whose gathering passed its deadline and still goes on.
    stuck: BTreeMap<String, JoinHandle<Collected>>,
}

/// What holds the loop back.
#[derive(Debug, Default)]
struct Pace {
    /// No shipping before.
    ship: Option<Instant>,
    /// No check-in before: the last one could not be kept.
    check_in: Option<Instant>,
    /// When the last check-in said that the next one comes: kept even if the wall clock is set.
    promised: Option<Instant>,
    /// The last chain was refused too, and nothing was accepted since.
    conflict: bool,
}

/// The parts of an [`Agent`].
pub struct Parts {
    pub host: HostId,
    pub key: SigningKey,
    pub spool: Spool,
    pub shipper: Shipper,
    pub backoff: Backoff,
    pub plan: Plan,
    pub gather: Gather,
    pub clock: Clock,
}

impl Agent {
    pub fn new(parts: Parts) -> Self {
        let Parts { host, key, spool, shipper, backoff, mut plan, gather, clock } = parts;
        if let Some(current) = spool.current() {
            plan.resume(current, clock.now_ms());
        }
        let (pace, stuck) = (Pace::default(), BTreeMap::new());
        let (renewal, watch) = (None, Watch::nothing(clock.clone()));
        Self {
            host,
            key,
            spool,
            shipper,
            backoff,
            plan,
            gather,
            clock,
            renewal,
            watch,
            pace,
            stuck,
        }
    }

    /// Lets changes of files make kinds due before their time.
    pub fn heed_changes(&mut self, watch: Watch) {
        self.watch = watch;
    }

    /// Gathers every kind now and ships until the spool is empty.
    pub async fn once(&mut self) -> Result<(), RunError> {
        self.check_in(self.plan.kinds()).await?;
        let mut restated = false;
        loop {
            let now_ms = self.now_ms();
            self.tend_once(now_ms).await?;
            match self.shipper.drain(&mut self.spool, now_ms).await {
                Ok(Drained { refused, .. }) if refused > 0 => {
                    return Err(RunError::Refused(refused));
                }
                Ok(Drained { new_chain: true, .. }) if restated => return Err(RunError::Conflict),
                Ok(Drained { new_chain: true, .. }) => {
                    restated = true;
                    self.restate()?;
                }
                Ok(_) => {
                    self.spool.end_trouble()?;
                    // What the receipts said of the collector's keys: trust, then certificate.
                    self.tend_once(now_ms).await?;
                    return self.tend_once(now_ms).await;
                }
                Err(error) => self.wait_or_give_up(error).await?,
            }
        }
    }

    /// Looks after certificate and trust. What fails is told, and tried again later.
    async fn tend(&mut self, now_ms: i64) -> Result<(), RenewError> {
        let Some(renewal) = &mut self.renewal else { return Ok(()) };
        if let Some(shipper) = renewal.tend(self.shipper.seen(), now_ms).await? {
            self.shipper = shipper;
            self.pace.ship = None;
        }
        Ok(())
    }

    /// [`Agent::tend`] for a run that ends: without a valid certificate there is nothing to try.
    async fn tend_once(&mut self, now_ms: i64) -> Result<(), RunError> {
        let expired = self.renewal.as_ref().is_some_and(|renewal| renewal.has_expired(now_ms));
        match self.tend(now_ms).await {
            Err(error) if expired && error.needs_a_person() => {
                Err(RunError::Renew { error, waiting: self.spool.len() })
            }
            Err(error) => {
                tracing::warn!(%error, "certificate or trust not renewed; trying again");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn wait_or_give_up(&mut self, error: ShipError) -> Result<(), RunError> {
        self.note_trouble(&error);
        let wait = self.backoff.next(error.retry_after(), false);
        if error.needs_a_person() || self.backoff.attempts() >= MAX_ATTEMPTS {
            return Err(RunError::Ship { error, waiting: self.spool.len() });
        }
        tracing::warn!(%error, wait_s = wait.as_secs(), "not shipped; trying again");
        self.clock.sleep(wait).await;
        Ok(())
    }

    /// Works until `stop`.
    pub async fn serve(&mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = self.turn() => {}
            }
        }
    }

    /// One step: a check-in that is due, or a try to ship, or a sleep until either.
    async fn turn(&mut self) {
        let now_ms = self.now_ms();
        self.plan.heed(now_ms);
        let due_at = self.clock.after(until(self.plan.wake_ms(now_ms), now_ms));
        let due_at = self.pace.promised.map_or(due_at, |promised| due_at.min(promised));
        let due_at = self.watch.due_at().map_or(due_at, |changed| due_at.min(changed));
        let due_at = later(due_at, self.pace.check_in);
        if due_at <= Instant::now() {
            return self.check_in_now(now_ms).await;
        }
        // A slow collector must not hold back what is due.
        let tended = tokio::select! {
            tended = self.tend(now_ms) => tended,
            () = sleep_until(due_at) => return,
        };
        if let Err(error) = tended {
            tracing::warn!(%error, "certificate or trust not renewed; trying again");
        }
        let ship_at = later(Instant::now(), self.pace.ship);
        if !self.spool.is_empty() && ship_at <= Instant::now() {
            // A slow collector must not hold back what is due: shipping is cut off and repeated.
            let shipped = tokio::select! {
                shipped = self.shipper.drain(&mut self.spool, now_ms) => shipped,
                () = sleep_until(due_at) => return,
                () = told(&mut self.watch, self.pace.check_in) => return,
            };
            return self.shipped(shipped);
        }
        let wake = if self.spool.is_empty() { due_at } else { due_at.min(ship_at) };
        let tend_at = self.renewal.as_ref().map(|renewal| renewal.wake(now_ms));
        let wake = tend_at.map_or(wake, |tend_at| wake.min(tend_at));
        let wake = wake.min(self.clock.after(MAX_SLEEP));
        let _resting = self.clock.rest(wake);
        tokio::select! {
            () = sleep_until(wake) => {}
            () = self.watch.noted() => {}
        }
    }

    async fn check_in_now(&mut self, now_ms: i64) {
        self.pace.check_in = None;
        let mut kinds = self.plan.due(now_ms);
        let changed = self.watch.take();
        kinds.extend(changed.iter().map(|kind| (*kind).to_owned()));
        kinds.retain(|kind| self.plan.has(kind));
        kinds.sort();
        kinds.dedup();
        // Homes and directories come and go.
        self.watch.arm();
        if let Err(error) = self.check_in(kinds).await {
            self.watch.put_back(changed);
            let wait = self.backoff.next(None, true);
            self.pace.check_in = Some(self.clock.after(wait));
            tracing::error!(%error, wait_s = wait.as_secs(), "the check-in could not be kept");
        }
    }

    fn shipped(&mut self, shipped: Result<Drained, ShipError>) {
        self.pace.ship = None;
        match shipped {
            Ok(drained) => {
                if let Err(error) = self.spool.end_trouble() {
                    tracing::warn!(%error, "the end of the trouble could not be noted");
                }
                if drained.accepted > 0 {
                    self.backoff.reset();
                    self.pace.conflict = false;
                    tracing::debug!(check_ins = drained.accepted, "shipped");
                }
                if drained.new_chain {
                    self.begin_again();
                }
            }
            Err(error) => {
                self.note_trouble(&error);
                let slow = error.needs_a_person();
                let wait = self.backoff.next(error.retry_after(), slow);
                self.pace.ship = Some(self.clock.after(wait));
                let (wait_s, waiting) = (wait.as_secs(), self.spool.len());
                if slow {
                    tracing::error!(%error, wait_s, waiting, "not shipped; the spool keeps it");
                } else {
                    tracing::warn!(%error, wait_s, waiting, "not shipped; trying again");
                }
            }
        }
    }

    /// For `status`. A disk that cannot take it has worse to say.
    fn note_trouble(&mut self, error: &ShipError) {
        let now_ms = self.now_ms();
        let noted = self.spool.note_trouble(&error.to_string(), error.needs_a_person(), now_ms);
        if let Err(error) = noted {
            tracing::warn!(%error, "the trouble could not be noted for `status`");
        }
    }

    /// After a refused chain. A second refusal in a row is not answered at once.
    fn begin_again(&mut self) {
        if self.pace.conflict {
            self.pace.ship = Some(self.clock.after(self.backoff.next(None, true)));
        }
        self.pace.conflict = true;
        if let Err(error) = self.restate() {
            tracing::error!(%error, "the state could not be checked in again");
        }
    }

    /// Gathers `kinds` and checks in.
    async fn check_in(&mut self, kinds: Vec<String>) -> Result<(), RunError> {
        let mut gathered = Vec::new();
        for kind in kinds {
            let collected = self.collect(&kind).await;
            gathered.push((Instant::now(), kind, collected));
        }
        // Dated from the end: a clock that is set meanwhile makes nothing old that is new.
        let now_ms = self.now_ms();
        let dated = |(at, kind, collected)| {
            let ago_ms = i64::try_from(self.clock.since(at).as_millis()).unwrap_or(0);
            Gathered { kind, at_ms: now_ms - ago_ms, collected }
        };
        let gathered = gathered.into_iter().map(dated).collect();
        self.keep(gathered, now_ms, false)
    }

    /// Checks the current state in again, at the start of a chain.
    fn restate(&mut self) -> Result<(), RunError> {
        self.keep(Vec::new(), self.now_ms(), true)
    }

    fn keep(
        &mut self,
        gathered: Vec<Gathered>,
        now_ms: i64,
        restate: bool,
    ) -> Result<(), RunError> {
        let mut plan = self.plan.clone();
        plan.heed(now_ms);
        plan.note(gathered.iter().map(|one| one.kind.as_str()), now_ms);
        let wait_s = plan.wait_s(now_ms);
        let next_due_s = plan.next_due_s();
        let manifest = self.spool.current_manifest();
        let before = self.spool.current().cloned().zip(manifest);
        let statement = Statement::new(before, gathered, |kind| plan.has(kind))?;
        let collected_ms =
            if restate { &statement.collected_ms } else { &statement.newly_collected_ms };
        let check_in = statement::check_in(
            self.host,
            self.spool.chain(),
            statement.manifest,
            statement::ages_s(collected_ms, now_ms),
            now_ms,
            next_due_s,
        );
        let promised = self.clock.after(Duration::from_secs(wait_s));
        let signed = evidence::SignedCheckIn::sign(check_in, &self.key)?;
        let objects: Vec<_> = statement.objects.iter().map(Vec::as_slice).collect();
        let current = Current {
            manifest: statement.manifest,
            agent: statement::AGENT.to_owned(),
            at_ms: now_ms,
            collected_ms: statement.collected_ms.clone(),
        };
        self.spool.put(&signed, &objects, current)?;
        self.plan = plan;
        self.pace.promised = Some(promised);
        Ok(())
    }

    /// One kind, on another thread, within its deadline.
    async fn collect(&mut self, kind: &str) -> Collected {
        if self.stuck.get(kind).is_some_and(|stuck| !stuck.is_finished()) {
            return failed(Status::Timeout);
        }
        self.stuck.remove(kind);
        let (gather, name) = (self.gather.clone(), kind.to_owned());
        let mut task = tokio::task::spawn_blocking(move || gather(&name));
        // However fast this agent's clock runs, the machine takes its time.
        match tokio::time::timeout(KIND_DEADLINE, &mut task).await {
            Ok(Ok(collected)) => collected,
            Ok(Err(error)) => {
                tracing::error!(kind, %error, "gathering failed; this is a fault of the agent");
                failed(Status::IoError)
            }
            Err(_) => {
                tracing::warn!(
                    kind,
                    deadline_s = KIND_DEADLINE.as_secs(),
                    "gathering takes too long"
                );
                self.stuck.insert(kind.to_owned(), task);
                failed(Status::Timeout)
            }
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

/// Waits until a change is to be told, and not before the next check-in may be made.
async fn told(watch: &mut Watch, not_before: Option<Instant>) {
    loop {
        match watch.due_at() {
            Some(due_at) => tokio::select! {
                () = sleep_until(later(due_at, not_before)) => return,
                () = watch.noted() => {}
            },
            None => watch.noted().await,
        }
    }
}

fn failed(status: Status) -> Collected {
    Collected { status, facts: None, sources: vec![], unread: vec![] }
}

fn until(at_ms: i64, now_ms: i64) -> Duration {
    let wait_ms = u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0);
    // Far beyond any schedule, and near enough for an Instant.
    Duration::from_millis(wait_ms.min(366 * 86_400_000))
}

fn later(at: Instant, not_before: Option<Instant>) -> Instant {
    not_before.map_or(at, |not_before| at.max(not_before))
}

#[cfg(test)]
mod tests;
