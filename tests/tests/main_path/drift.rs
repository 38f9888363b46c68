//! Drift: what a changed host sets off, all of it and nothing more, and what ends it.

use crate::view::{Drift, drifts, open, outcomes, results, text};
use evidenced_tests::{Agent, Collector, NEED_A_RUNNING_MACHINE, Root, Store, holds, until};
use std::collections::BTreeSet;

/// What a second superuser and a drop-in that lets root in by password set off. Worked out from
/// config/rules: every active rule that reads a fact these two changes touch.
fn expected() -> BTreeSet<Drift> {
    [
        // `toor` has UID 0 and is not `root`.
        ("acc-uid0-only-root", vec!["toor"]),
        // Two names share UID 0.
        ("acc-unique-uid", vec!["0 root toor"]),
        // UID 0 is below UID_MIN, so `toor` is a system account, and its shell is a login shell.
        ("acc-system-nologin", vec!["toor"]),
        // sshd_config includes the drop-in first, and the first value of a keyword counts: the
        // `PermitRootLogin no` further down does not. A rule of the form `passes` has no offenders.
        ("ssh-no-root-password-login", vec![]),
        // Not: acc-weak-hash (yescrypt), acc-no-empty-password (a hash is set), acc-shadowed (it
        // is in shadow), acc-unique-name, acc-home-private (no person), acc-dormant (unknown before
        // and after), ssh-no-password and ssh-no-root-login-any (other profiles, not active).
    ]
    .into_iter()
    .map(|(rule, offenders)| {
        let offenders = offenders.into_iter().map(str::to_owned).collect();
        (rule.to_owned(), "host_changed".to_owned(), offenders)
    })
    .collect()
}

async fn the_drift_story(store: Store) {
    let collector = Collector::start(store).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    let (api, host) = (collector.api(), agent.host());
    agent.reports().await;
    results(&api, &host).await;
    assert!(open(&api, &host).await.is_empty(), "a new host has a state, not a drift");

    let (passwd, shadow) = (root.read("etc/passwd"), root.read("etc/shadow"));
    root.append("etc/passwd", "toor:x:0:0:Toor:/root:/bin/bash\n");
    root.append("etc/shadow", "toor:$y$j9T$invented$invented:20100:0:99999:7:::\n");
    root.write("etc/ssh/sshd_config.d/10-x.conf", "PermitRootLogin yes\n");
    agent.reports().await;
    holds("a drift", async || !open(&api, &host).await.is_empty()).await;
    assert_eq!(drifts(&api, &host, "open", "regression").await, expected());
    assert_eq!(open(&api, &host).await.len(), expected().len(), "and no drift of another sort");
    collector.verified_log().await;

    // Seen again it is the same drift.
    agent.reports().await;
    assert_eq!(open(&api, &host).await.len(), expected().len());

    root.write("etc/passwd", &passwd);
    root.write("etc/shadow", &shadow);
    root.remove("etc/ssh/sshd_config.d/10-x.conf");
    agent.reports().await;
    holds("the end of every drift", async || open(&api, &host).await.is_empty()).await;
    assert_eq!(drifts(&api, &host, "resolved", "regression").await, expected());
    collector.verified_log().await;
}

#[tokio::test]
async fn a_changed_host_opens_exactly_the_drifts_of_its_changes_on_sqlite() {
    the_drift_story(Store::Sqlite).await;
}

#[tokio::test]
async fn a_changed_host_opens_exactly_the_drifts_of_its_changes_on_postgresql() {
    the_drift_story(Store::Postgres).await;
}

/// Rules that need shadow, legacy-plus for the lines of shadow that begin with +; the others judge
/// what passwd and group say.
const NEED_SHADOW: [&str; 3] = ["acc-legacy-plus", "acc-no-empty-password", "acc-weak-hash"];

#[tokio::test]
async fn without_shadow_rules_about_passwords_are_unknown_and_one_drift_says_so() {
    let collector = Collector::start(Store::Sqlite).await;
    let root = Root::debian();
    let agent = Agent::enrolled(&collector).await.root(&root);
    let (api, host) = (collector.api(), agent.host());
    agent.reports().await;
    let before = outcomes(&api, &host).await;

    let shadow = root.read("etc/shadow");
    root.remove("etc/shadow");
    agent.reports().await;
    let lost = until("lost evidence", async || {
        let lost = open(&api, &host).await;
        (!lost.is_empty()).then_some(lost)
    })
    .await;
    let seen: BTreeSet<_> = lost.iter().map(|it| (text(&it["drift"]), text(&it["kind"]))).collect();
    // Where passwords are kept is part of their policy.
    let expected = ["accounts", "password_policy"];
    let expected = expected.map(|kind| ("evidence_lost".to_owned(), kind.to_owned()));
    assert_eq!(seen, expected.into(), "one for the kind, not one per rule: {lost:#?}");
    assert_eq!(lost.len(), 2);
    let unknown: BTreeSet<_> = api
        .items(&format!("/api/v1/results?host={host}&outcome=unknown"))
        .await
        .iter()
        .map(|result| result["rule"].as_str().expect("rule").to_owned())
        .collect();
    let expected = NEED_SHADOW.iter().chain(&NEED_A_RUNNING_MACHINE);
    assert_eq!(unknown, expected.map(|rule| (*rule).to_owned()).collect());

    root.write("etc/shadow", &shadow);
    root.mode("etc/shadow", 0o640);
    agent.reports().await;
    holds("the evidence again", async || open(&api, &host).await.is_empty()).await;
    assert_eq!(outcomes(&api, &host).await, before);
}
