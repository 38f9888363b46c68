//! Time, as it is handed in: the wall clock and waiting, at one speed. The machine's clock is read
//! only here.
//!
//! Waits and deadlines run on the monotonic clock: whatever the wall clock is set to, a wait ends
//! after its time. A test lives a day in a minute, and sets a clock while an agent waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::Instant;

/// The clock of one host. Clones are the same clock.
#[derive(Clone)]
pub struct Clock {
    wall: Wall,
    /// How many of its seconds pass in a second.
    speed: u32,
    /// What it was set forward or back by, in ms.
    set_by_ms: Arc<AtomicI64>,
    /// Told until when its holder rests, and None as soon as it does not.
    rest: Option<watch::Sender<Option<Instant>>>,
}

#[derive(Clone)]
enum Wall {
    System,
    From { start: SystemTime, begun: Instant },
}

/// Now, by the two clocks of the machine that times of files and ages are counted by. However fast
/// an agent lives in a test, the files it reads are of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since the epoch: the clock that the kernel dates files by.
    pub wall_s: i64,
    /// Seconds since the machine was started, asleep or not: nobody sets them.
    pub up_s: u64,
}

impl Moment {
    pub fn now() -> Self {
        let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Self {
            wall_s: ms(SystemTime::now()).div_euclid(1000),
            up_s: u64::try_from(up.tv_sec).unwrap_or(0),
        }
    }
}

/// While this lives, the holder of a clock has nothing to do but wait.
pub struct Rest<'a>(&'a Clock);

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self { wall: Wall::System, speed: 1, set_by_ms: Arc::default(), rest: None }
    }

    /// One that starts at `start` and runs `speed` times as fast: a day in a minute is 1440.
    pub fn fast(start: SystemTime, speed: u32) -> Self {
        let wall = Wall::From { start, begun: Instant::now() };
        Self { wall, speed: speed.max(1), set_by_ms: Arc::default(), rest: None }
    }

    /// The same, and it tells until when its holder rests: whoever makes the time pass waits for
    /// that, and lets no time pass over work.
    #[must_use]
    pub fn telling(self, rest: watch::Sender<Option<Instant>>) -> Self {
        Self { rest: Some(rest), ..self }
    }

    /// Says that there is nothing to do before `until`, unless something comes from outside.
    pub fn rest(&self, until: Instant) -> Rest<'_> {
        if let Some(rest) = &self.rest {
            rest.send_replace(Some(until));
        }
        Rest(self)
    }

    /// Sets the wall clock, and that of every clone, forward (or back) by so many ms, as a person
    /// or a time server does. Waits go on as if nothing had happened.
    pub fn jump_ms(&self, by_ms: i64) {
        self.set_by_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// Milliseconds since the epoch, now.
    pub fn now_ms(&self) -> i64 {
        let now = match &self.wall {
            Wall::System => ms(SystemTime::now()),
            Wall::From { start, begun } => {
                ms(*start).saturating_add(millis(begun.elapsed().saturating_mul(self.speed)))
            }
        };
        now.saturating_add(self.set_by_ms.load(Ordering::SeqCst))
    }

    /// How long this much of its time takes.
    pub fn real(&self, time: Duration) -> Duration {
        time / self.speed
    }

    /// The moment when `time` will have passed.
    pub fn after(&self, time: Duration) -> Instant {
        Instant::now() + self.real(time)
    }

    /// How much of its time has passed since a moment, whatever the wall clock was set to.
    pub fn since(&self, moment: Instant) -> Duration {
        moment.elapsed().saturating_mul(self.speed)
    }

    /// Waits until this much of its time has passed.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(self.real(time)).await;
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        if let Some(rest) = &self.0.rest {
            rest.send_replace(None);
        }
    }
}

/// Milliseconds since the epoch; below zero before it.
fn ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: i64 = 365 * 86_400_000;

    #[tokio::test(start_paused = true)]
    async fn a_fast_clock_waits_as_fast_as_it_runs_and_a_jump_moves_no_wait() {
        let start = UNIX_EPOCH + Duration::from_secs(1_795_348_800);
        let clock = Clock::fast(start, 1440);
        let begun = Instant::now();
        clock.sleep(Duration::from_secs(86_400)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(60));
        assert_eq!(clock.now_ms(), ms(start) + 86_400_000);
        let later = clock.after(Duration::from_secs(1440));
        let other = clock.clone();
        other.jump_ms(-YEAR_MS);
        assert_eq!(later - Instant::now(), Duration::from_secs(1));
        assert_eq!(clock.now_ms(), ms(start) + 86_400_000 - YEAR_MS);
        other.jump_ms(2 * YEAR_MS);
        assert_eq!(clock.since(begun), Duration::from_secs(86_400));
        assert_eq!(clock.now_ms(), ms(start) + 86_400_000 + YEAR_MS);
        clock.sleep(Duration::from_secs(1440)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(61));
    }

    #[test]
    fn the_machines_clock_is_now_and_years_before_the_epoch_are_below_zero() {
        let clock = Clock::system();
        let between = ms(SystemTime::now())..=ms(SystemTime::now()) + 60_000;
        assert!(between.contains(&clock.now_ms()));
        assert_eq!(ms(UNIX_EPOCH - Duration::from_secs(1)), -1000);
    }
}
