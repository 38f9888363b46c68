//! How far the clock may be off, in steps, so that what moves by itself makes no new facts.

use evidence::kinds::time_sync::{ClientName, Offset};

const STEPS_MS: [u64; 9] = [100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000];
const HOUR_MS: u64 = 3_600_000;
/// Some 35,000 years: no error, but a number that says nothing.
const ABSURD_MS: u64 = 1 << 50;

/// The step at or above an error.
pub(super) fn of(by: ClientName, error_us: u64) -> Option<Offset> {
    let error = error_us.div_ceil(1000);
    let step = STEPS_MS.into_iter().find(|step| error <= *step);
    let within = step.unwrap_or_else(|| error.div_ceil(HOUR_MS) * HOUR_MS);
    let within_ms = i64::try_from(within).ok().filter(|_| error < ABSURD_MS)?;
    Some(Offset { by, within_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_never_below_the_error() {
        let within = |error_us| of(ClientName::Chrony, error_us).map(|offset| offset.within_ms);
        assert_eq!(within(0), Some(100));
        assert_eq!(within(100_000), Some(100));
        assert_eq!(within(100_001), Some(250));
        assert_eq!(within(1_000_000), Some(1000));
        assert_eq!(within(60_000_001), Some(3_600_000));
        assert_eq!(within(u64::MAX), None);
    }
}
