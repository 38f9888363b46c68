//! The pages in a real browser: logging in, walking from the overview to the facts, fitting wide
//! and narrow screens, and being usable without eyes or mouse.
//!
//! The tests run on two threads each: a browser that goes out of scope is told so, which needs a
//! thread that is not busy waiting for it.

mod accounts;
mod browser;
mod decisions;
mod past;
mod records;
mod scope;
mod seats;
mod walk;

use browser::{Browser, NARROW, WIDE};
use evidenced_tests::{Agent, Collector, Root, Store, holds};
use thirtyfour::prelude::*;

/// A collector with one host, which drifted.
struct Scene {
    collector: Collector,
    agent: Agent,
}

impl Scene {
    async fn with_a_drifted_host() -> Self {
        let collector = Collector::start(Store::Sqlite).await;
        let root = Root::debian();
        let agent = Agent::enrolled(&collector).await.root(&root);
        agent.reports().await;
        root.append("etc/passwd", "toor:x:0:0:Toor:/root:/bin/bash\n");
        root.append("etc/shadow", "toor:$y$j9T$invented$invented:20100:0:99999:7:::\n");
        root.write("etc/ssh/sshd_config.d/10-x.conf", "PermitRootLogin yes\n");
        root.remove("etc/nsswitch.conf");
        agent.reports().await;
        let api = collector.api();
        let isms =
            ["isms", "create", "Hosting", "--legal-entity", "Example AG", "--statement", "All."];
        collector.cli(&isms).await.out();
        collector.cli(&["isms", "scope", "Hosting", "--add", "default"]).await.out();
        holds("drifts", async || !api.items("/api/v1/drifts?state=open").await.is_empty()).await;
        Self { collector, agent }
    }

    /// A browser whose person is logged in.
    async fn browser(&self) -> Browser {
        let browser = Browser::start(&self.collector).await;
        browser.goto(&self.collector.login_link().await).await;
        browser.goto("/").await;
        assert_eq!(browser.heading().await, "Overview");
        browser
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_link_logs_in_once() {
    let collector = Collector::start(Store::Sqlite).await;
    let link = collector.login_link().await;
    let first = Browser::start(&collector).await;
    first.goto("/hosts").await;
    assert_eq!(first.path().await, "/login", "pages are for those who are logged in");
    first.goto(&link).await;
    let arrived = (first.path().await, first.heading().await);
    assert_eq!(arrived, ("/".to_owned(), "Overview".to_owned()));
    assert!(first.text("main").await.contains("You have no password yet"));
    assert_eq!(first.axe().await, Vec::<String>::new());

    let second = Browser::start(&collector).await;
    second.goto(&link).await;
    assert_eq!(second.path().await, "/login");
    assert!(second.text("main").await.contains("used"), "{}", second.text("main").await);
    assert_eq!(second.axe().await, Vec::<String>::new());
    second.goto("/").await;
    assert_eq!(second.path().await, "/login", "the second one is not in");
    first.goto("/hosts").await;
    assert_eq!(first.heading().await, "Hosts", "the first one still is");
    first.clean("403").await;
    second.clean("403").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_the_session() {
    let collector = Collector::start(Store::Sqlite).await;
    let browser = Browser::start(&collector).await;
    browser.goto(&collector.login_link().await).await;
    browser.click(By::XPath("//button[.='Sign out']")).await;
    assert_eq!(browser.path().await, "/login");
    browser.goto("/").await;
    assert_eq!(browser.path().await, "/login");
    browser.clean("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_lead_from_the_overview_to_a_control_to_a_host_to_its_facts() {
    let scene = Scene::with_a_drifted_host().await;
    let browser = scene.browser().await;
    browser.click(By::Css("main a[href='/controls/A.8.2']")).await;
    assert!(browser.heading().await.starts_with("A.8.2 "), "{}", browser.heading().await);
    let main = browser.text("main").await;
    assert!(main.contains("toor") && main.contains("Only root has UID 0"), "{main}");

    let host = format!("/hosts/{}", scene.agent.host());
    browser.click(By::Css(format!("main table a[href='{host}']"))).await;
    assert_eq!(browser.path().await, host);
    let main = browser.text("main").await;
    assert!(main.contains("ssh-no-root-password-login"), "{main}");

    browser.click(By::Css(format!("main a[href='{host}/kinds/accounts']"))).await;
    let main = browser.text("main").await;
    for words in ["/etc/passwd", "/etc/nsswitch.conf", "nss_passwd", "toor"] {
        assert!(main.contains(words), "{words}: {main}");
    }
    browser.click(By::LinkText("Hosts")).await;
    assert_eq!(browser.heading().await, "Hosts");
    browser.clean("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_with_a_password_and_walks_from_drift_to_facts() {
    let scene = Scene::with_a_drifted_host().await;
    let api = scene.collector.api();
    holds("alerts", async || !api.items("/api/v1/alerts").await.is_empty()).await;
    let browser = Browser::start(&scene.collector).await;
    browser.goto(&scene.collector.login_link().await).await;
    browser.click(By::LinkText("Set a password")).await;
    browser.fill("new", "four words do well").await;
    browser.fill("again", "four words do well").await;
    browser.click(By::XPath("//button[.='Set password']")).await;
    assert!(browser.text("main").await.contains("Your password is set"));
    browser.click(By::XPath("//button[.='Sign out']")).await;
    browser.fill("name", "administrator").await;
    browser.fill("password", "four words do well").await;
    browser.click(By::XPath("//button[.='Sign in']")).await;
    assert_eq!(browser.heading().await, "Overview");
    assert!(!browser.text("main").await.contains("no password"));

    browser.click(By::LinkText("Drift")).await;
    let main = browser.text("main").await;
    for words in ["Only root has UID 0", "Evidence of accounts", "Critical", "No cause chosen"] {
        assert!(main.contains(words), "{words}: {main}");
    }
    let cause = "//a[contains(@class, 'cause')][contains(., 'Only root has UID 0')]";
    browser.click(By::XPath(cause)).await;
    let main = browser.text("main").await;
    for words in ["pass", "fail", "toor", "users[toor]", "A.8.2", "What to do", "How it ends"] {
        assert!(main.contains(words), "{words}: {main}");
    }
    browser.fill("note", "The account goes today.").await;
    browser.click(By::XPath("//button[.='Acknowledge']")).await;
    let main = browser.text("main").await;
    assert!(main.contains("acknowledged, in the lane page"), "{main}");
    assert!(main.contains("Acknowledged by") && main.contains("Administrator, 20"), "{main}");
    assert!(main.contains("The account goes today."), "{main}");
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.click(By::LinkText("whole comparison")).await;
    let main = browser.text("main").await;
    for words in ["Compared with an earlier state", "users[toor]", "sources[/etc/nsswitch.conf]"] {
        assert!(main.contains(words), "{words}: {main}");
    }
    browser.click(By::LinkText("Hosts")).await;
    let host = format!("main table a[href='/hosts/{}']", scene.agent.host());
    browser.click(By::Css(host)).await;
    let main = browser.text("main").await;
    for words in ["Timeline", "2 check-ins received, 0 gaps", "Open drift"] {
        assert!(main.contains(words), "{words}: {main}");
    }
    browser.clean("").await;

    // The same filters without a script: a form that asks.
    browser.goto("/drift?severity=low&host=nowhere").await;
    assert!(browser.text("main").await.contains("No open drift fits these filters."));
    browser.goto("/drift/nothing").await;
    assert_eq!(browser.heading().await, "Not found");
    browser.click(By::LinkText("Drift")).await;
    assert_eq!(browser.path().await, "/drift", "a page that is not there leads on");
    browser.clean("404").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_fits_its_screen_and_has_no_violation_that_axe_knows() {
    let scene = Scene::with_a_drifted_host().await;
    let browser = scene.browser().await;
    let mut faults = Vec::new();
    for path in walk::pages(&browser).await {
        for (name, size) in [("1440", WIDE), ("390", NARROW)] {
            browser.resize(size).await;
            browser.goto(&path).await;
            browser.screenshot(&path, name).await;
            faults.extend(browser.overflow().await.map(|what| format!("{path} at {name}: {what}")));
            let violations = browser.axe().await;
            faults.extend(violations.into_iter().map(|what| format!("{path} at {name}: {what}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    browser.clean("404").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_tab_shows_the_way_past_the_header() {
    let scene = Scene::with_a_drifted_host().await;
    let browser = scene.browser().await;
    for path in walk::pages(&browser).await {
        browser.goto(&path).await;
        browser.press(Key::Tab).await;
        let (text, visible) = browser.focused().await;
        assert_eq!((text.as_str(), visible), ("Skip to content", true), "{path}");
        browser.press(Key::Enter).await;
        browser.press(Key::Tab).await;
        assert!(browser.focus_is_past_the_header().await, "{path}");
    }
}
