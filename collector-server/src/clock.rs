//! The wall clock, read only here and in `main`: everywhere else time is an argument.

use std::time::{SystemTime, UNIX_EPOCH};

pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Microseconds since the epoch.
pub fn us(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds since the epoch, now.
pub fn now_us() -> i64 {
    us(now())
}
