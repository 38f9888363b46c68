//! Sudden ends: 300 times, agent, collector or PostgreSQL is killed (SIGKILL) at a random moment,
//! while agents report a state that changes. Afterwards every check-in that an agent holds a
//! receipt for is in the log, none is there twice, every chain is whole or named by its successor,
//! the log holds from its first leaf on, nothing drifted twice, and nothing was alerted twice.
//!
//! The moments come from a seed, which is printed; `EVIDENCED_SEED=N` takes it again. What the
//! machine does in between cannot be repeated.

mod alerts_told;
mod evidence_kept;
mod storm;

use evidenced_tests::{Collector, Receiver, Store};
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
    let receiver = Receiver::start();
    let collector = Collector::configured(store, &receiver.section("chat")).await;
    let mut storm = Storm::new(collector, kills).await;
    storm.rages().await;
    let (mut collector, hosts) = storm.calms().await;
    collector.verified_log().await;
    assert!(collector.stop().await.success());
    let store = evidenced_collector::store::Store::open(&collector.store_url()).await;
    let store = store.expect("the store");
    evidence_kept::check(&store, &hosts).await;
    alerts_told::check(&store, &hosts, &receiver).await;
    store.close().await;
}
