//! The job that looks after what does not come: silent hosts, the collector's own gaps, drifts
//! that waited for one more check-in, anomalies that ended.

use crate::clock::Clock;
use crate::config::{DurationText, Reviews};
use crate::record::Registers;
use crate::store::{ReviewPeriods, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(30);

/// A collector that did not look for this long was away, in microseconds.
const AWAY_US: i64 = 120_000_000;
/// How often it is looked at what people owe by a day.
const OWED_US: i64 = 300_000_000;

/// Looks again and again until `stop`; tells `alerts` when there may be something to deliver.
pub async fn run(
    store: Store,
    clock: Clock,
    owed: (ReviewPeriods, Arc<Registers>),
    alerts: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) {
    let mut owed_us = i64::MIN;
    loop {
        let now_us = clock.now_us();
        let looks = (owed_us <= now_us).then_some((&owed.0, &*owed.1));
        if looks.is_some() {
            owed_us = now_us + OWED_US;
        }
        match look(&store, looks, AWAY_US, now_us).await {
            Ok(true) => continue,
            Ok(false) => alerts.notify_one(),
            // A look that fails is a gap like any other, if it stays so.
            Err(error) => tracing::warn!(%error, "silence could not be looked for now"),
        }
        tokio::select! {
            () = clock.sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// One look; with `owed`, also at what people owe. A collector that did not look for `away_us` was
/// away. True if there is more to do at once.
pub async fn look(
    store: &Store,
    owed: Option<(&ReviewPeriods, &Registers)>,
    away_us: i64,
    now_us: i64,
) -> Result<bool, StoreError> {
    store.watch_ends(now_us).await?;
    let more = store.watch(now_us, away_us).await?;
    // First what was covered: its end is a cause of its own.
    store.watch_exceptions(now_us).await?;
    store.watch_lists(now_us).await?;
    store.watch_removals(now_us).await?;
    if let Some((reviews, registers)) = owed {
        store.watch_reviews(reviews, now_us).await?;
        store.watch_findings(now_us).await?;
        store.watch_undecided(now_us).await?;
        store.watch_records(registers, now_us).await?;
    }
    store.settle_alerts(now_us).await?;
    Ok(more)
}

/// How often access is reviewed, as the configuration has it.
pub fn review_periods(config: &Reviews) -> ReviewPeriods {
    let micros = |text: &DurationText| i64::try_from(text.0.as_micros()).unwrap_or(i64::MAX);
    let by_isms = config.isms.iter().map(|(isms, every)| (isms.clone(), micros(every)));
    ReviewPeriods { every_us: micros(&config.every), by_isms: by_isms.collect() }
}
