//! Alerts are told: steps in their lives become messages, and messages are delivered until they
//! arrive or are given up. A job: it can be killed at any moment, and what it was about is done
//! again under the same id.

pub(crate) mod backoff;
mod channel;
mod filter;
mod mail;
mod message;
mod post;
mod secret;
mod slack;
mod text;
mod ticket;
mod timing;
mod webhook;

pub use channel::{Channel, ChannelError};
pub use message::{Teller, body, event_type};
pub use post::Outcome;
pub use secret::SecretError;

use crate::active::Active;
use crate::clock::Clock;
use crate::store::{Attempt, Due, NewMessage, Store, StoreError, Untold};
use channel::refused_url;
use filter::About;
use std::collections::BTreeSet;
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
    /// The controls that an alert's rules are of.
    rules: Active,
    teller: Teller,
    wait_us: i64,
}

impl Notifier {
    pub fn new(
        (store, clock): (Store, Clock),
        channels: Vec<Channel>,
        rules: Active,
        teller: Teller,
        wait: Duration,
    ) -> Self {
        Self { store, clock, channels, rules, teller, wait_us: micros(wait) }
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
        let mut messages = vec![];
        if let Some(alert) = self.store.alert(&untold.alert).await? {
            let places = self.store.alert_places(&untold.alert).await?;
            let controls = self.controls(alert.drifts.iter().filter_map(|d| d.rule.as_deref()));
            let body = body(&self.teller, untold, &alert, &places, &controls);
            let about = About {
                lane: untold.lane.clone(),
                event: untold.what.clone(),
                severity: alert.alert.severity.clone(),
                of_hosts: !places.hosts.is_empty(),
                groups: places.groups,
                owners: places.owners,
                controls,
            };
            let is_end = about.event == "resolved";
            let wanted = self.channels.iter().filter(|channel| channel.wants(&about));
            messages.extend(wanted.map(|channel| NewMessage {
                channel: channel.name().to_owned(),
                body: body.clone(),
                not_before_us: channel.timing().not_before(&untold.lane, is_end, now_us),
            }));
        }
        if messages.is_empty() && !self.channels.is_empty() {
            tracing::info!(
                alert.id = untold.alert,
                alert.event = untold.what,
                "no channel is told of this: none of [notify] wants it"
            );
        }
        self.store.tell(untold, &messages, now_us).await?;
        Ok(())
    }

    fn controls<'a>(&self, rules: impl Iterator<Item = &'a str>) -> Vec<String> {
        let set = self.rules.rules();
        let controls = rules.filter_map(|rule| set.get(rule)).flat_map(|rule| &rule.controls);
        controls.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

async fn deliver(
    channel: &Channel,
    store: &Store,
    clock: &Clock,
    due: Vec<Due>,
) -> Result<(), StoreError> {
    let started = std::time::Instant::now();
    let mut wanted = vec![];
    for due in due {
        if is_needed(channel, store, &due).await? {
            wanted.push(due);
        } else {
            store.attempted(&due, &not_needed(clock.now_us())).await?;
        }
    }
    for mut parts in channel.messages(wanted) {
        // What is not begun in time is given back rather than risked to be sent twice.
        if started.elapsed() + post::TIMEOUT > TAKEN {
            return Ok(());
        }
        if channel.sort() == "ticket" {
            // Only now: the message before this one may have opened it.
            for due in &mut parts {
                due.reference = store.reference(&due.alert, channel.name()).await?;
            }
        }
        let sent_s = clock.now_us().div_euclid(1_000_000);
        let outcome = channel.send(&parts, sent_s).await;
        for due in &parts {
            let attempt = judge(due, outcome.clone(), clock.now_us());
            if attempt.state == "given_up" {
                tracing::error!(
                    channel = channel.name(),
                    event = due.event,
                    error = attempt.error,
                    "an alert was not delivered and is given up; see /api/v1/deliveries"
                );
            }
            store.attempted(due, &attempt).await?;
        }
    }
    Ok(())
}

/// A channel that escalates is told of what nobody acknowledged, and of the end of what it was told.
async fn is_needed(channel: &Channel, store: &Store, due: &Due) -> Result<bool, StoreError> {
    if !channel.timing().escalates() {
        return Ok(true);
    }
    let standing = store.standing(&due.alert, channel.name()).await?;
    let is_end = text::Told::of(&due.body).is_end();
    Ok(if is_end { standing.told } else { standing.state == "open" })
}

/// What an attempt amounts to.
fn judge(due: &Due, outcome: Outcome, now_us: i64) -> Attempt {
    let next_us = now_us + micros(backoff::delay(due.attempts, backoff::chance()));
    // A message of before there were times to wait for has none.
    let since_us = due.not_before_us.max(due.created_us);
    let too_old = now_us - since_us >= micros(GIVE_UP);
    let state = match &outcome.error {
        None => "delivered",
        Some(_) if outcome.is_final || too_old => "given_up",
        Some(_) => "waiting",
    };
    let Outcome { status, error, reference, .. } = outcome;
    Attempt { at_us: now_us, status, error, state, next_us, reference }
}

/// Somebody acted before it was to be told.
fn not_needed(now_us: i64) -> Attempt {
    Attempt {
        at_us: now_us,
        status: None,
        error: None,
        state: "not_needed",
        next_us: now_us,
        reference: None,
    }
}

/// The channel is not configured any more.
fn gone(now_us: i64) -> Attempt {
    let error = Some("no such channel is configured any more".to_owned());
    Attempt { error, state: "given_up", ..not_needed(now_us) }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(attempts: i64) -> Due {
        Due {
            event: "e".to_owned(),
            channel: "c".to_owned(),
            alert: "a".to_owned(),
            body: String::new(),
            created_us: 0,
            not_before_us: 0,
            attempts,
            reference: None,
        }
    }

    fn failed(status: Option<u16>) -> Outcome {
        Outcome { status, is_final: status == Some(410), ..Outcome::failed("no".to_owned()) }
    }

    #[test]
    fn what_fails_is_tried_for_days_and_then_given_up_and_what_is_gone_at_once() {
        let day = 86_400_000_000;
        assert_eq!(judge(&due(0), failed(None), 1).state, "waiting");
        assert_eq!(judge(&due(9), failed(Some(500)), 3 * day - 1).state, "waiting");
        assert_eq!(judge(&due(9), failed(Some(500)), 3 * day).state, "given_up");
        assert_eq!(judge(&due(0), failed(Some(410)), 1).state, "given_up");
        let new = Due { created_us: 9 * day, ..due(9) };
        assert_eq!(
            judge(&new, failed(None), 9 * day).state,
            "waiting",
            "it had no time to wait for"
        );
        let arrived = Outcome { status: Some(204), ..Outcome::default() };
        assert_eq!(judge(&due(0), arrived, 9 * day).state, "delivered");
    }
}
