//! What fails on the way, and that nothing is lost by it.

use crate::view::results;
use evidenced_tests::{Agent, Collector, Root, Store, holds};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn what_is_gathered_while_the_collector_is_down_is_delivered_when_it_is_back() {
    let mut collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    agent.reports().await;
    let size = collector.api().log_size().await;
    assert!(collector.stop().await.success());

    for waiting in 1..=2 {
        root.append(
            "etc/passwd",
            &format!("u{waiting}:x:200{waiting}:1000::/:/usr/sbin/nologin\n"),
        );
        let report = agent.report().await;
        assert_eq!(report.code, Some(1));
        let last = report.stderr.trim_end().lines().last().unwrap_or_default();
        assert!(last.contains("cannot reach the collector"), "{}", report.stderr);
        assert_eq!(agent.waiting().len(), waiting, "the spool keeps it");
    }
    assert_eq!(agent.chain()["next_seq"], 3);

    collector.restart().await;
    agent.reports().await;
    assert_eq!(agent.waiting(), Vec::<String>::new());
    let chain = agent.chain();
    assert_eq!((&chain["next_seq"], &chain["accepted"]), (&4.into(), &chain["prev"]));
    assert_eq!(collector.api().log_size().await, size + 3);
    // `log verify` follows every chain: a gap in it would not hold.
    assert_eq!(collector.verified_log().await["check_ins"], 4);
    results(&collector.api(), &agent.host()).await;
}

/// A receipt is a promise: what an agent holds one for is in the log, whatever became of the
/// collector afterwards.
#[tokio::test]
async fn a_receipt_outlives_the_sudden_end_of_the_collector() {
    const AGENTS: usize = 6;
    let mut collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let mut agents = Vec::new();
    for _ in 0..AGENTS {
        agents.push(Agent::enrolled(&collector).await.root(&root));
    }
    let enrolled = collector.api().log_size().await;
    let stop = Arc::new(AtomicBool::new(false));
    let reporting: Vec<_> = agents
        .into_iter()
        .map(|agent| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                // The first one that fails is the one the kill interrupted.
                while !stop.load(Ordering::Relaxed) && agent.report().await.code == Some(0) {}
                agent
            })
        })
        .collect();
    let api = collector.api();
    holds("reports of all agents", async || api.log_size().await >= enrolled + 12).await;
    collector.kill();
    stop.store(true, Ordering::Relaxed);
    let mut agents = Vec::new();
    for task in reporting {
        agents.push(task.await.expect("agent"));
    }
    let held: Vec<_> = agents.iter().map(Agent::chain).collect();
    assert!(held.iter().any(|chain| chain["accepted"].is_string()));

    collector.restart().await;
    let newest = held.iter().filter_map(|chain| chain["checkpoint"]["size"].as_u64()).max();
    let size = collector.api().log_size().await;
    assert!(Some(size) >= newest, "a receipt told of {newest:?} leaves, the log has {size}");
    // An agent takes a receipt only with a proof that the log continues the one its last receipt
    // spoke of, and every receipt proved its check-in to be in that log.
    for agent in &agents {
        agent.reports().await;
        assert_eq!(agent.waiting(), Vec::<String>::new());
        let chain = agent.chain();
        assert_eq!(chain["accepted"], chain["prev"]);
        assert_eq!(chain.get("resumes"), None, "no chain had to begin anew");
    }
    let sent: i64 =
        agents.iter().map(|agent| agent.chain()["next_seq"].as_i64().expect("seq")).sum();
    assert_eq!(collector.verified_log().await["check_ins"], sent, "all that was signed is there");
}

#[tokio::test]
async fn a_collector_that_is_told_to_stop_finishes_what_it_has_and_exits_0() {
    let mut collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    let api = collector.api();
    let report = tokio::spawn(async move {
        let report = agent.report().await;
        (agent, report)
    });
    let enrolled = api.log_size().await;
    holds("a check-in", async || api.log_size().await > enrolled).await;
    assert_eq!(collector.stop().await.code(), Some(0));
    // Whether the report came through or not: the agent knows which.
    let (agent, report) = report.await.expect("agent");
    assert_eq!(report.code == Some(0), agent.waiting().is_empty(), "{}", report.stderr);
    collector.verified_log().await;
    collector.restart().await;
    agent.reports().await;
    results(&collector.api(), &agent.host()).await;
}
