//! How long bodies of facts are kept, and the job that erases what is older. Hashes, manifests, what
//! was judged and the log stay: what was erased can be named, and what it led to is on record.

use crate::clock::{Clock, day_of};
use crate::config::Retention;
use crate::store::{Erased, Store, StoreError};
use evidence::kinds;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked whether a day began.
const LOOK: Duration = Duration::from_secs(600);
/// States of a kind that are looked at before anything else has its turn.
pub const CHUNK: i64 = 200;
/// Between two chunks: ingest goes first.
const REST: Duration = Duration::from_millis(20);

impl Retention {
    /// Months that bodies of a kind are kept; none: for ever.
    pub fn months_of(&self, kind: &str) -> Option<u32> {
        let personal = kinds::find(kind).is_some_and(|kind| kind.personal);
        let all = if personal { self.personal_months } else { self.months };
        let months = self.kinds.get(kind).copied().unwrap_or(all);
        (months > 0).then_some(months)
    }

    /// What ceased to hold before this moment goes; none: nothing does.
    pub fn cutoff_us(&self, kind: &str, now_us: i64) -> Option<i64> {
        let months = i64::from(self.months_of(kind)?);
        let now = Timestamp::from_microsecond(now_us).ok()?.to_zoned(TimeZone::UTC);
        let cutoff = now.checked_sub(months.months()).ok()?;
        Some(cutoff.timestamp().as_microsecond())
    }
}

/// What would be erased of one kind, or was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Planned {
    pub kind: String,
    pub months: u32,
    /// What ceased to hold before goes.
    pub cutoff_us: i64,
    /// Bodies, and their bytes as they are kept.
    pub bodies: u64,
    pub bytes: u64,
    /// Old enough, and kept: they hold somewhere, or are under a legal hold.
    pub in_force: u64,
    pub held: u64,
}

/// Lets others have their turn, and says when to stop.
pub struct Rest<'a> {
    pub clock: &'a Clock,
    pub stop: &'a watch::Receiver<bool>,
}

/// Looks through every kind; erases what is old enough if `erase`. Between chunks it rests, and is
/// stopped, if there is anyone else.
pub async fn sweep(
    store: &Store,
    retention: &Retention,
    erase: bool,
    now_us: i64,
    rest: Option<Rest<'_>>,
) -> Result<Vec<Planned>, StoreError> {
    let mut planned = vec![];
    for kind in store.kinds_seen().await? {
        let (Some(months), Some(cutoff_us)) =
            (retention.months_of(&kind), retention.cutoff_us(&kind, now_us))
        else {
            continue;
        };
        let mut of_kind =
            Planned { kind, months, cutoff_us, bodies: 0, bytes: 0, in_force: 0, held: 0 };
        let mut after = None;
        loop {
            let chunk =
                store.erase_chunk(&of_kind.kind, cutoff_us, after, CHUNK, erase, now_us).await?;
            let Erased { bodies, bytes, in_force, held, next } = chunk;
            of_kind.bodies += bodies;
            of_kind.bytes += bytes;
            of_kind.in_force += in_force;
            of_kind.held += held;
            after = next;
            if after.is_none() {
                break;
            }
            if let Some(Rest { clock, stop }) = &rest {
                clock.sleep(REST).await;
                if *stop.borrow() {
                    return Ok(planned);
                }
            }
        }
        planned.push(of_kind);
    }
    Ok(planned)
}

/// Erases what is old enough, once a day, until `stop`.
pub async fn run(store: Store, clock: Clock, retention: Retention, stop: watch::Receiver<bool>) {
    let mut done = None;
    let mut ended = stop.clone();
    loop {
        let now_us = clock.now_us();
        let today = day_of(now_us);
        if done != Some(today) {
            let rest = Some(Rest { clock: &clock, stop: &stop });
            match sweep(&store, &retention, true, now_us, rest).await {
                Ok(planned) => {
                    done = Some(today);
                    let bodies: u64 = planned.iter().map(|kind| kind.bodies).sum();
                    if bodies > 0 {
                        tracing::info!(bodies, "bodies of old facts were erased");
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "retention stopped half-way; it goes on shortly");
                }
            }
        }
        tokio::select! {
            () = clock.sleep(LOOK) => {}
            _ = ended.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention() -> Retention {
        Retention { months: 39, personal_months: 13, kinds: [("packages".to_owned(), 0)].into() }
    }

    #[test]
    fn kinds_about_people_go_earlier_and_one_that_is_named_as_it_says() {
        let kept = retention();
        assert_eq!(kept.months_of("mounts"), Some(39));
        for kind in ["accounts", "logins", "sudo", "authorized_keys"] {
            assert_eq!(kept.months_of(kind), Some(13), "{kind}");
        }
        assert_eq!(kept.months_of("packages"), None, "for ever");
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let at = |text: &str| text.parse::<Timestamp>().expect("timestamp").as_microsecond();
        let cutoff = retention().cutoff_us("logins", at("2026-03-31T12:00:00Z"));
        assert_eq!(cutoff, Some(at("2025-02-28T12:00:00Z")));
        assert_eq!(retention().cutoff_us("packages", at("2026-03-31T12:00:00Z")), None);
    }
}
