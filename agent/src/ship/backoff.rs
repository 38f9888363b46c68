//! How long to wait before the collector is asked again: exponential, with full jitter.
//! Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use std::time::Duration;

/// Waits between attempts, in a row without success.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), attempts: 0 }
    }

    /// How many attempts failed in a row.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// After a failure: the wait, somewhere between `min` and the bound that doubles each time.
    /// `at_least` is what the collector asked for; `slow` waits about the longest time.
    pub fn next(&mut self, at_least: Option<Duration>, slow: bool) -> Duration {
        self.wait(at_least, slow, random())
    }

    /// [`Backoff::next`] with `random` in 0..=1.
    fn wait(&mut self, at_least: Option<Duration>, slow: bool, random: f64) -> Duration {
        let doubled = self.min.saturating_mul(1 << self.attempts.min(16)).min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        let from = if slow { self.max / 2 } else { self.min };
        let to = if slow { self.max } else { doubled };
        let jittered = from + to.saturating_sub(from).mul_f64(random);
        // A whole fleet is told the same Retry-After; a tenth more of it spreads the return.
        at_least.map_or(jittered, |least| jittered.max(least + (least / 10).mul_f64(random)))
    }
}

/// A number in 0..=1. Without randomness all waits are the longest.
fn random() -> f64 {
    let mut bytes = [0xff; 4];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(60);

    #[test]
    fn the_bound_doubles_up_to_the_longest_wait_and_starts_over_after_a_success() {
        let mut backoff = Backoff::new(MIN, MAX);
        let waits: Vec<_> = (0..8).map(|_| backoff.wait(None, false, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.wait(None, false, 1.0), MIN);
        for _ in 0..100 {
            assert!((MIN..=MAX).contains(&backoff.next(None, false)));
        }
    }

    #[test]
    fn what_the_collector_asked_for_is_honoured_and_spread() {
        let mut backoff = Backoff::new(MIN, MAX);
        let asked = Duration::from_secs(30);
        assert_eq!(backoff.wait(Some(asked), false, 0.0), asked);
        assert_eq!(backoff.wait(Some(asked), false, 1.0), asked + Duration::from_secs(3));
        assert!(backoff.wait(None, true, 0.0) >= MAX / 2);
    }
}
