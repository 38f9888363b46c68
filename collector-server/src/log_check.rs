//! The collector verifies its own log while it runs, and pages say when it last did.

use crate::clock::Clock;
use crate::store::Store;
use crate::verify::{VerifyError, verify};
use std::time::Duration;
use tokio::sync::watch;

/// Time between two checks.
const EVERY: Duration = Duration::from_secs(15 * 60);
/// The first look after the start, once the log has something in it.
const FIRST: Duration = Duration::from_secs(2);

/// Outcome of the last check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogCheck {
    NotYet,
    /// Every leaf, signature and chain fits the root.
    Held {
        size: u64,
        at_us: i64,
    },
    /// Something does not.
    Broken {
        at_us: i64,
        why: String,
    },
}

/// Checks again and again until `stop`, and tells `outcome`.
pub async fn run(
    store: Store,
    clock: Clock,
    outcome: watch::Sender<LogCheck>,
    mut stop: watch::Receiver<bool>,
) {
    let mut wait = FIRST;
    loop {
        tokio::select! {
            () = clock.sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        wait = EVERY;
        match check(&store, clock.now_us()).await {
            Some(LogCheck::Held { size: ..=1, .. }) => wait = FIRST,
            Some(found) => {
                outcome.send_replace(found);
            }
            None => {}
        }
    }
}

/// None if the store could not be read: that says nothing of the log.
async fn check(store: &Store, at_us: i64) -> Option<LogCheck> {
    match verify(store, |_, _| {}).await {
        Ok(verified) => Some(LogCheck::Held { size: verified.size, at_us }),
        Err(VerifyError::Store(error @ crate::store::StoreError::Database(_))) => {
            tracing::warn!(%error, "the log could not be checked now");
            None
        }
        Err(error) => {
            tracing::error!(%error, "the log does not hold: stop, keep everything, and run `log verify`");
            Some(LogCheck::Broken { at_us, why: error.to_string() })
        }
    }
}
