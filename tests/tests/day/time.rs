//! Time that passes as fast as the machine can live it. It goes on by a step when the collector's
//! jobs and every agent rest, and what falls due in a step is done before the next. However slow or
//! busy the machine, nobody is late.

use crate::host::Host;
use crate::ms;
use evidenced_collector::clock::Clock;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, watch};

/// What passes at once, in ms: as often as the collector looks for silence.
const STEP_MS: i64 = 30_000;

/// Longest wait for anybody's work, of the machine's time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The collector's jobs that wait for the clock: judgement, life, the log, silence, deliveries,
/// anchors, retention.
const JOBS: usize = 7;

pub(crate) struct Time {
    now_ms: watch::Sender<i64>,
    waits: Arc<Waits>,
}

/// The collector's jobs, as far as they wait for the clock.
#[derive(Default)]
struct Waits {
    /// Until when, in ms since the epoch.
    until_ms: Mutex<HashMap<u64, i64>>,
    more: Notify,
}

impl Time {
    /// Stands at `start` until somebody waits for a later moment.
    pub(crate) fn at(start: SystemTime) -> Self {
        Self { now_ms: watch::Sender::new(ms(start)), waits: Arc::default() }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        *self.now_ms.borrow()
    }

    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.now_ms()).expect("after 1970"))
    }

    pub(crate) fn for_collector(&self) -> Clock {
        let (now_ms, now_here) = (self.now_ms.clone(), self.now_ms.clone());
        let waits = Arc::clone(&self.waits);
        let now = move || {
            let ms = u64::try_from(*now_here.borrow()).expect("after 1970");
            UNIX_EPOCH + Duration::from_millis(ms)
        };
        Clock::driven(now, move |time| {
            let until_ms = *now_ms.borrow() + i64::try_from(time.as_millis()).expect("not long");
            let wait = Wait::begun(&waits, until_ms);
            let mut passing = now_ms.subscribe();
            Box::pin(async move {
                let _wait = wait;
                // The sender is in the same clock: it is not gone.
                let _ = passing.wait_for(|now_ms| *now_ms >= until_ms).await;
            })
        })
    }

    /// Lets time pass until `at_ms`, for the collector (if it serves) and these hosts.
    pub(crate) async fn pass(&self, at_ms: i64, served: bool, hosts: &mut BTreeMap<String, Host>) {
        self.rest(served, hosts).await;
        while self.now_ms() < at_ms {
            let now_ms = at_ms.min(self.now_ms() + STEP_MS);
            self.now_ms.send_replace(now_ms);
            self.rest(served, hosts).await;
        }
    }

    /// Waits until everybody has done what is due.
    async fn rest(&self, served: bool, hosts: &mut BTreeMap<String, Host>) {
        let now_ms = self.now_ms();
        if served {
            let rested = tokio::time::timeout(PATIENCE, self.waits.rest(now_ms)).await;
            rested.expect("the collector's jobs rest");
        }
        // All at once, as they would.
        let lives: Vec<_> = hosts.values_mut().filter_map(|host| host.live_until(now_ms)).collect();
        for life in lives {
            life.await;
        }
    }
}

impl Waits {
    /// Waits until every job waits for a moment after this one.
    async fn rest(&self, now_ms: i64) {
        let rests = || {
            let until_ms = self.until_ms.lock().expect("lock");
            until_ms.len() >= JOBS && until_ms.values().all(|until_ms| *until_ms > now_ms)
        };
        while !rests() {
            self.more.notified().await;
        }
    }
}

/// A wait of a job; over when it is dropped.
struct Wait {
    waits: Arc<Waits>,
    number: u64,
}

impl Wait {
    fn begun(waits: &Arc<Waits>, until_ms: i64) -> Self {
        let mut all = waits.until_ms.lock().expect("lock");
        let number = all.keys().max().map_or(0, |last| last + 1);
        all.insert(number, until_ms);
        waits.more.notify_one();
        Self { waits: Arc::clone(waits), number }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waits.until_ms.lock().expect("lock").remove(&self.number);
    }
}
