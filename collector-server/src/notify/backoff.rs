//! How long to wait after an attempt that failed.

use aws_lc_rs::rand;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// After `attempts` earlier ones; `chance` in 0..=255 spreads it by a quarter either way, so that
/// what failed together does not come back together.
pub(crate) fn delay(attempts: i64, chance: u8) -> Duration {
    let doublings = u32::try_from(attempts.clamp(0, 20)).unwrap_or_default();
    let plain = LONGEST.min(FIRST * 2u32.pow(doublings));
    plain * 3 / 4 + plain * u32::from(chance) / 510
}

/// A random byte; without randomness, the middle.
pub(crate) fn chance() -> u8 {
    let mut byte = [128];
    let _ = rand::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_limit_within_a_quarter_either_way() {
        assert_eq!(delay(0, 0), Duration::from_millis(3750));
        assert_eq!(delay(0, 255), Duration::from_millis(6250));
        assert_eq!(delay(3, 0), Duration::from_secs(30));
        assert_eq!(delay(1000, 255), LONGEST * 5 / 4);
    }

    #[test]
    fn within_three_days_a_message_is_tried_more_than_twenty_times() {
        let mut waited = Duration::ZERO;
        let tried = (0..).take_while(|n| {
            waited += delay(*n, 255);
            waited < Duration::from_secs(3 * 86_400)
        });
        assert!(tried.count() > 20);
    }
}
