//! Pages of the past: they say so, their links stay there, and nothing on them acts.

use crate::Scene;
use crate::browser::{NARROW, WIDE};
use evidenced_collector::moment::written;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_the_past_says_so_keeps_its_moment_and_offers_no_act() {
    let scene = Scene::with_a_drifted_host().await;
    let host = scene.agent.host();
    let api = scene.collector.api();
    let drifts = api.items("/api/v1/drifts?state=open").await;
    let opened_us = drifts.iter().filter_map(|drift| drift["opened_us"].as_i64()).max();
    let drift = drifts[0]["id"].as_str().expect("a drift");
    let at = written(opened_us.expect("a drift") + 1_000_000);
    let browser = scene.browser().await;
    for path in [
        "/".to_owned(),
        "/controls".to_owned(),
        "/controls/A.8.2".to_owned(),
        "/hosts".to_owned(),
        format!("/hosts/{host}"),
        format!("/hosts/{host}/kinds/accounts"),
        format!("/hosts/{host}/results/acc-uid0-only-root"),
        "/rules".to_owned(),
        "/rules/acc-uid0-only-root".to_owned(),
        "/drift".to_owned(),
        format!("/drift/{drift}"),
    ] {
        browser.goto(&format!("{path}?at={at}")).await;
        let says = browser.text(".asof").await;
        assert!(says.starts_with("You are looking at the past"), "{path}: {says}");
        for link in browser.addresses().await {
            // The way back to now, and the person's own account, lead out.
            let out = link == path || link == "/account";
            assert!(out || link.contains("at="), "{path} leads out of the past: {link}");
        }
        for size in [WIDE, NARROW] {
            browser.resize(size).await;
            assert_eq!(browser.overflow().await, None, "{path} {size:?}");
        }
        assert_eq!(browser.axe().await, Vec::<String>::new(), "{path}");
        browser.resize(WIDE).await;
    }
    browser.goto(&format!("/hosts/{host}?at={at}")).await;
    browser.screenshot(&format!("/hosts/{host}"), "past").await;
    // What knows only the present says that, and shows nothing.
    browser.goto(&format!("/enrolment?at={at}")).await;
    assert_eq!(browser.heading().await, "Not known like this");
    browser.goto("/hosts?at=yesterday").await;
    assert!(browser.text("main").await.contains("2026-03-31T18:00"));
    // And now is now again.
    browser.goto("/hosts").await;
    assert!(browser.text(".context").await.starts_with("As of now"));
}
