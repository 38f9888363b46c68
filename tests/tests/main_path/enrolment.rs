//! Who is let in, and what one who is not gets to read.

use evidenced_tests::{Agent, Collector, Ended, Store, holds};

pub(crate) fn refused(ended: &Ended, words: &[&str]) {
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "one line: {}", ended.stderr);
    for words in words {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_token_lets_one_host_in() {
    let collector = Collector::start(Store::Sqlite).await;
    let token = collector.token().await;
    let first = Agent::new();
    first.enroll(&collector.server(), &token).await.out();
    let second = Agent::new();
    let again = second.enroll(&collector.server(), &token).await;
    refused(&again, &["the collector refused", "used"]);
    assert!(!again.stderr.contains(&token), "secrets are not repeated");
    assert_eq!(collector.api().items("/api/v1/hosts").await.len(), 1);
    // The same directory, with a token that works.
    second.enroll(&collector.server(), &collector.token().await).await.out();
    assert_eq!(collector.api().items("/api/v1/hosts").await.len(), 2);
}

#[tokio::test]
async fn a_token_of_several_uses_lets_that_many_in() {
    let collector = Collector::start(Store::Sqlite).await;
    let token = collector.cli(&["token", "create", "--uses", "2"]).await.out();
    for _ in 0..2 {
        Agent::new().enroll(&collector.server(), &token).await.out();
    }
    refused(&Agent::new().enroll(&collector.server(), &token).await, &["used"]);
}

#[tokio::test]
async fn an_expired_token_and_a_garbled_one_are_refused_in_words() {
    let collector = Collector::start(Store::Sqlite).await;
    let agent = Agent::new();
    let dead = collector.cli(&["token", "create", "--ttl", "1s"]).await.out();
    holds("the end of the token", async || {
        let list = collector.cli(&["token", "list"]).await.out();
        list.contains("expired")
    })
    .await;
    let expired = agent.enroll(&collector.server(), &dead).await;
    refused(&expired, &["the collector refused", "expired"]);
    let token = collector.token().await;
    let garbled = agent.enroll(&collector.server(), &token[..token.len() - 9]).await;
    assert_eq!(garbled.code, Some(2), "usage");
    assert!(garbled.stderr.contains("not an enrolment token"), "{}", garbled.stderr);
    let mut other = token.clone();
    // Another secret of the right form.
    other.replace_range(5..9, if &token[5..9] == "AAAA" { "BBBB" } else { "AAAA" });
    refused(&agent.enroll(&collector.server(), &other).await, &["the collector refused"]);
}

/// The token names the authority: an agent tells its secret to no other collector.
#[tokio::test]
async fn a_collector_of_another_authority_is_not_told_the_secret() {
    let ours = Collector::start(Store::Sqlite).await;
    let theirs = Collector::start(Store::Sqlite).await;
    let token = ours.token().await;
    let agent = Agent::new();
    let ended = agent.enroll(&theirs.server(), &token).await;
    refused(&ended, &["cannot reach the collector", "not the one that the token names"]);
    // The secret was not spent.
    agent.enroll(&ours.server(), &token).await.out();
}

#[tokio::test]
async fn a_host_is_enrolled_once() {
    let collector = Collector::start(Store::Sqlite).await;
    let agent = Agent::enrolled(&collector).await;
    let token = collector.token().await;
    let host = agent.host();
    refused(&agent.enroll(&collector.server(), &token).await, &["already enrolled", &host]);
    assert_eq!(agent.host(), host);
    // The refusal was the agent's own: the token is as good as new.
    Agent::new().enroll(&collector.server(), &token).await.out();
}
