//! Time that passes as fast as the machine can live it: at most so many times as fast as outside,
//! and not at all while the collector has no answer for a simple question. A slow machine makes a
//! long day, not a silent fleet.

use crate::ms;
use evidenced_agent::clock::Clock as AgentClock;
use evidenced_collector::clock::Clock as CollectorClock;
use evidenced_tests::Api;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Longest step that is believed to have been lived through.
const STEP: Duration = Duration::from_millis(40);

pub(crate) struct Time {
    now_ms: Arc<AtomicI64>,
    speed: u32,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Time {
    /// Stands at `start` until it is let go.
    pub(crate) fn at(start: SystemTime, speed: u32) -> Self {
        Self { now_ms: Arc::new(AtomicI64::new(ms(start))), speed, task: None }
    }

    /// Lets it pass while the collector answers.
    pub(crate) fn pass(&mut self, api: Api) {
        let (now_ms, speed) = (Arc::clone(&self.now_ms), i64::from(self.speed));
        self.task = Some(tokio::spawn(async move {
            loop {
                let asked = Instant::now();
                tokio::time::sleep(STEP / 2).await;
                api.get("/healthz").await;
                api.log_size().await;
                let lived = i64::try_from(asked.elapsed().min(STEP).as_millis()).unwrap_or(0);
                now_ms.fetch_add(lived * speed, Ordering::SeqCst);
            }
        }));
    }

    /// Stands still from now on.
    pub(crate) fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    pub(crate) fn for_agents(&self) -> AgentClock {
        AgentClock::driven(Arc::clone(&self.now_ms), self.speed)
    }

    pub(crate) fn for_collector(&self) -> CollectorClock {
        let now_ms = Arc::clone(&self.now_ms);
        let now = move || {
            let ms = u64::try_from(now_ms.load(Ordering::SeqCst)).unwrap_or(0);
            UNIX_EPOCH + Duration::from_millis(ms)
        };
        CollectorClock::driven(now, self.speed)
    }

    /// Waits until it is `at_ms`.
    pub(crate) async fn until(&self, at_ms: i64) {
        while self.now_ms.load(Ordering::SeqCst) < at_ms {
            tokio::time::sleep(STEP / 4).await;
        }
    }
}

impl Drop for Time {
    fn drop(&mut self) {
        self.stop();
    }
}
