//! Sudden ends: 300 times, agent, collector or PostgreSQL is killed (SIGKILL) at a random moment,
//! while agents report a state that changes. Afterwards every check-in that an agent holds a
//! receipt for is in the log, none is there twice, every chain is whole or named by its successor,
//! the log holds from its first leaf on, and nothing drifted twice.
//!
//! The moments come from a seed, which is printed; `EVIDENCED_SEED=N` takes it again. What the
//! machine does in between cannot be repeated.

mod evidence_kept;
mod storm;

use evidenced_tests::{Collector, Store};
use storm::{Kills, Storm};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_160_sudden_ends_on_sqlite() {
    survives(Store::Sqlite, Kills { agent: 90, collector: 70, database: 0 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_140_sudden_ends_on_postgresql() {
    survives(Store::Postgres, Kills { agent: 60, collector: 30, database: 50 }).await;
}

async fn survives(store: Store, kills: Kills) {
    let mut storm = Storm::new(Collector::start(store).await, kills).await;
    storm.rages().await;
    let (mut collector, hosts) = storm.calms().await;
    collector.verified_log().await;
    assert!(collector.stop().await.success());
    evidence_kept::check(&collector.store_url(), &hosts).await;
}
