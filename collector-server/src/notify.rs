//! Alerts are told: steps in their lives become messages, and messages are delivered until they
//! arrive or are given up. A job: it can be killed at any moment, and what it was about is done
//! again under the same id.

pub(crate) mod backoff;
mod message;
mod secret;
mod webhook;

pub use message::{body, event_type};
pub use secret::{Secret, SecretError};
pub use webhook::{Channel, ChannelError, Outcome};

use crate::clock::Clock;
use crate::store::{Attempt, Due, Store, StoreError, Untold};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Time between two looks when nothing is told.
const EVERY: Duration = Duration::from_secs(5);
/// A message that was taken is left alone by others for this long: longer than any attempt.
const TAKEN: Duration = Duration::from_secs(30);
/// How long a message is tried before it is given up.
const GIVE_UP: Duration = Duration::from_secs(3 * 86_400);

/// Delivers alerts.
pub struct Notifier {
    store: Store,
    clock: Clock,
    channels: Vec<Channel>,
    /// What messages name as their source: the log's origin.
    source: String,
    wait_us: i64,
}

impl Notifier {
    pub fn new(
        store: Store,
        clock: Clock,
        channels: Vec<Channel>,
        origin: &str,
        wait: Duration,
    ) -> Self {
        let source = format!("urn:evidenced:{origin}");
        Self { store, clock, channels, source, wait_us: micros(wait) }
    }

    /// Delivers until `stop`; `wake` says that there may be something.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        if let Err(error) = self.store.release_taken(self.clock.now_us()).await {
            tracing::warn!(%error, "deliveries that were cut off come back later");
        }
        loop {
            let work = async {
                match self.round().await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "alerts could not be delivered now"),
                }
                tokio::select! {
                    () = self.clock.sleep(EVERY) => {}
                    () = wake.notified() => {}
                }
            };
            // Told to stop, it leaves an attempt where it is; what was taken is tried again.
            tokio::select! {
                () = work => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Makes messages of what waits, and delivers what is due. True if there may be more at once.
    async fn round(&self) -> Result<bool, StoreError> {
        let now_us = self.clock.now_us();
        for untold in self.store.untold().await? {
            if untold.lane == "page" || untold.at_us + self.wait_us <= now_us {
                self.write(&untold, now_us).await?;
            }
        }
        let due = self.store.take_due(now_us, now_us + micros(TAKEN)).await?;
        let some = !due.is_empty();
        // Each channel by itself, so that one that hangs holds up no other; and in order.
        let mut tasks = tokio::task::JoinSet::new();
        for channel in &self.channels {
            let mine: Vec<_> =
                due.iter().filter(|due| due.channel == channel.name()).cloned().collect();
            if !mine.is_empty() {
                let (channel, store, clock) =
                    (channel.clone(), self.store.clone(), self.clock.clone());
                tasks.spawn(async move { deliver(&channel, &store, &clock, mine).await });
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| StoreError::Corrupt(error.to_string()))??;
        }
        for due in &due {
            if !self.channels.iter().any(|channel| channel.name() == due.channel) {
                self.store.attempted(due, &gone(self.clock.now_us())).await?;
            }
        }
        Ok(some)
    }

    async fn write(&self, untold: &Untold, now_us: i64) -> Result<(), StoreError> {
        let alert = self.store.alert(&untold.alert).await?;
        let mut messages = vec![];
        if let Some(alert) = alert {
            let body = body(&self.source, untold, &alert);
            let wanted = self.channels.iter().filter(|c| c.wants(&untold.lane, &untold.what));
            messages.extend(wanted.map(|channel| (channel.name().to_owned(), body.clone())));
        }
        self.store.tell(untold, &messages, now_us).await?;
        Ok(())
    }
}

async fn deliver(
    channel: &Channel,
    store: &Store,
    clock: &Clock,
    due: Vec<Due>,
) -> Result<(), StoreError> {
    let started = std::time::Instant::now();
    for due in due {
        // What is not begun in time is given back rather than risked to be sent twice.
        if started.elapsed() + webhook::TIMEOUT > TAKEN {
            return Ok(());
        }
        let sent_s = clock.now_us().div_euclid(1_000_000);
        let outcome = channel.send(&due.event, sent_s, &due.body).await;
        let attempt = judge(&due, outcome, clock.now_us());
        if attempt.state == "given_up" {
            tracing::error!(
                channel = channel.name(),
                event = due.event,
                error = attempt.error,
                "an alert was not delivered and is given up; see /api/v1/deliveries"
            );
        }
        store.attempted(&due, &attempt).await?;
    }
    Ok(())
}

/// What an attempt amounts to.
fn judge(due: &Due, outcome: Outcome, now_us: i64) -> Attempt {
    let next_us = now_us + micros(backoff::delay(due.attempts, backoff::chance()));
    let too_old = now_us - due.created_us >= micros(GIVE_UP);
    let state = match &outcome.error {
        None => "delivered",
        Some(_) if outcome.is_final() || too_old => "given_up",
        Some(_) => "waiting",
    };
    Attempt { at_us: now_us, status: outcome.status, error: outcome.error, state, next_us }
}

/// The channel is not configured any more.
fn gone(now_us: i64) -> Attempt {
    let error = Some("no such channel is configured any more".to_owned());
    Attempt { at_us: now_us, status: None, error, state: "given_up", next_us: now_us }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(attempts: i64) -> Due {
        let (event, channel) = ("e".to_owned(), "c".to_owned());
        Due { event, channel, body: String::new(), created_us: 0, attempts }
    }

    fn failed(status: Option<u16>) -> Outcome {
        Outcome { status, error: Some("no".to_owned()) }
    }

    #[test]
    fn what_fails_is_tried_for_days_and_then_given_up_and_what_is_gone_at_once() {
        let day = 86_400_000_000;
        assert_eq!(judge(&due(0), failed(None), 1).state, "waiting");
        assert_eq!(judge(&due(9), failed(Some(500)), 3 * day - 1).state, "waiting");
        assert_eq!(judge(&due(9), failed(Some(500)), 3 * day).state, "given_up");
        assert_eq!(judge(&due(0), failed(Some(410)), 1).state, "given_up");
        let arrived = Outcome { status: Some(204), error: None };
        assert_eq!(judge(&due(0), arrived, 9 * day).state, "delivered");
    }
}
