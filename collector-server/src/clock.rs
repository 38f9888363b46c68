//! Time, as it is handed in: everything that needs the time of day holds a [`Clock`] or is given a
//! moment. The wall clock is read only here.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that can be another than the machine's; cheap to clone.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    sleep: Arc<dyn Fn(Duration) -> Sleep + Send + Sync>,
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::driven(now, |time| Box::pin(tokio::time::sleep(time)))
    }

    /// One that starts at `start` and runs `speed` times as fast: a day in a minute is 1440.
    pub fn fast(start: SystemTime, speed: u32) -> Self {
        let (begun, speed) = (Instant::now(), speed.max(1));
        let now = move || start + begun.elapsed() * speed;
        Self::driven(now, move |time| Box::pin(tokio::time::sleep(time / speed)))
    }

    /// One of somebody else's: the time, and a wait until so much of it has passed.
    pub fn driven(
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
        sleep: impl Fn(Duration) -> Sleep + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), sleep: Arc::new(sleep) }
    }

    pub fn now(&self) -> SystemTime {
        (self.now)()
    }

    /// Microseconds since the epoch, now.
    pub fn now_us(&self) -> i64 {
        us(self.now())
    }

    /// Waits until this much of its time has passed.
    pub async fn sleep(&self, time: Duration) {
        (self.sleep)(time).await;
    }
}

pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Microseconds since the epoch.
pub fn us(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds of a day.
pub const DAY_US: i64 = 86_400_000_000;

/// The day a moment (microseconds since the epoch) lies in: days since the epoch, UTC.
pub fn day_of(us: i64) -> i64 {
    us.div_euclid(DAY_US)
}

/// Microseconds since the epoch, now.
pub fn now_us() -> i64 {
    us(now())
}
