//! A Chromium of its own for each test, driven through Debian's chromedriver.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidenced_tests::{Collector, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

pub(crate) type Size = (u32, u32);
pub(crate) const WIDE: Size = (1440, 900);
pub(crate) const NARROW: Size = (390, 844);

const FLAGS: [&str; 11] = [
    "--headless",
    // Chromium refuses its sandbox to root, and has none in most containers.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    // A page is as wide as the screen, as on machines whose scroll bars lie over it.
    "--hide-scrollbars",
];

/// A browser. It ends with the test.
pub(crate) struct Browser {
    driver: WebDriver,
    base: String,
    /// Ends the driver, and with it the browser, however the test ends.
    _process: Chromedriver,
    _profile: TempDir,
}

struct Chromedriver(Child);

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Chromedriver {
    /// On a port it chooses; gives the port. One may lose its port to another test before it has it.
    fn start() -> (Self, u16) {
        (0..3).find_map(|_| Self::started()).expect("chromedriver says its port")
    }

    fn started() -> Option<(Self, u16)> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver (install the packages chromium and chromium-driver)");
        let mut lines = BufReader::new(child.stdout.take().expect("output")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        let driver = Self(child);
        std::thread::spawn(move || lines.for_each(drop));
        Some((driver, port?))
    }
}

impl Browser {
    /// A browser that opens the pages of `collector`.
    pub(crate) async fn start(collector: &Collector) -> Self {
        // The driver's client needs the provider that any client of the collector installs.
        drop(collector.stranger());
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let (process, port) =
            tokio::task::spawn_blocking(Chromedriver::start).await.expect("thread");
        let mut capabilities = DesiredCapabilities::chrome();
        for flag in FLAGS {
            capabilities.add_arg(flag).expect("flag");
        }
        let directory = format!("--user-data-dir={}", profile.path().display());
        capabilities.add_arg(&directory).expect("flag");
        capabilities.set_binary("/usr/bin/chromium").expect("binary");
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All).expect("log level");
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities)
            .request_timeout(Duration::from_secs(60))
            .connect()
            .await
            .expect("a browser");
        let base = format!("http://{}", collector.people);
        let browser = Self { driver, base, _process: process, _profile: profile };
        browser.resize(WIDE).await;
        browser
    }

    /// Opens a path, or a whole address.
    pub(crate) async fn goto(&self, path: &str) {
        let whole = path.starts_with("http");
        let address = if whole { path.to_owned() } else { format!("{}{path}", self.base) };
        self.driver.goto(&address).await.expect("the page");
    }

    /// Follows a link or presses a button, and waits for the page behind it.
    pub(crate) async fn click(&self, by: By) {
        let element = self.driver.find(by.clone()).await;
        let element = element.unwrap_or_else(|error| panic!("{by:?}: {error}"));
        self.script("window.before = true", vec![]).await;
        element.click().await.expect("clicked");
        until("the next page", async || {
            let arrived = "return !window.before && document.readyState === 'complete'";
            // Between two pages there is none to ask.
            let answer = self.driver.execute(arrived, vec![]).await.ok()?;
            (answer.json() == &Value::Bool(true)).then_some(())
        })
        .await;
    }

    /// Types into the field of this name.
    pub(crate) async fn fill(&self, name: &str, text: &str) {
        let field = self.driver.find(By::Css(format!("[name='{name}']"))).await;
        field.expect(name).send_keys(text).await.expect("typed");
    }

    pub(crate) async fn path(&self) -> String {
        let url = self.driver.current_url().await.expect("an address");
        url.path().to_owned()
    }

    pub(crate) async fn heading(&self) -> String {
        self.text("h1").await
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.driver.find(By::Css(css)).await.expect(css);
        element.text().await.expect("text")
    }

    /// Paths that links of this page lead to, pages only.
    pub(crate) async fn links(&self) -> Vec<String> {
        let addresses = self.addresses().await.into_iter();
        addresses.map(|it| it.split('?').next().unwrap_or_default().to_owned()).collect()
    }

    /// The same with what they ask for.
    pub(crate) async fn addresses(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('a[href]')].map(a => new URL(a.href))
            .filter(url => url.origin === location.origin && !url.pathname.endsWith('.json'))
            .map(url => url.pathname + url.search)";
        let links = self.script(script, vec![]).await;
        let links = links.as_array().expect("a list").iter();
        links.map(|link| link.as_str().expect("a path").to_owned()).collect()
    }

    /// Sets the size of what the page sees, without scroll bars and frames: headless windows have
    /// a least width, so the device is emulated.
    pub(crate) async fn resize(&self, (width, height): Size) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What sticks out on the right, if anything does.
    pub(crate) async fn overflow(&self) -> Option<String> {
        let script = "const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return null;
            const wide = [...document.querySelectorAll('body *')]
              .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1)
              .map(e => e.tagName + '.' + e.className);
            return root.scrollWidth + ' > ' + root.clientWidth + ' px: ' + wide.slice(0, 5)";
        self.script(script, vec![]).await.as_str().map(str::to_owned)
    }

    /// Violations that axe finds on this page.
    pub(crate) async fn axe(&self) -> Vec<String> {
        // Evaluated by the driver, like the rest: the page's own policy lets no script in.
        self.driver.execute(axe(), vec![]).await.expect("axe loads");
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, {resultTypes: ['violations']}).then(
              result => done(result.violations.map(v =>
                v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.target.join(' ')).slice(0, 5).join(' | '))),
              error => done(['axe failed: ' + error]))";
        let found = self.driver.execute_async(script, vec![]).await.expect("axe runs");
        let found = found.json().as_array().expect("a list").clone();
        found.iter().map(|what| what.as_str().expect("words").to_owned()).collect()
    }

    /// Presses a key on a page that was painted: Chromium drops what is typed before that.
    pub(crate) async fn press(&self, key: Key) {
        let painted = "const done = arguments[arguments.length - 1];
            requestAnimationFrame(() => requestAnimationFrame(() => done(true)))";
        self.driver.execute_async(painted, vec![]).await.expect("the page is painted");
        let keys = self.driver.action_chain().key_down(key.clone()).key_up(key);
        keys.perform().await.expect("a key");
    }

    /// Text of the focused element, and whether it can be seen.
    pub(crate) async fn focused(&self) -> (String, bool) {
        let script = "const e = document.activeElement, r = e.getBoundingClientRect();
            const hit = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
            return [e.textContent.trim(), r.width > 20 && r.height > 10 && (hit === e || e.contains(hit))]";
        let found = self.script(script, vec![]).await;
        (found[0].as_str().unwrap_or_default().to_owned(), found[1] == true)
    }

    /// Whether the keyboard's place is in the page's own part, or past it; on a page without
    /// links there, only whether the page was scrolled to it.
    pub(crate) async fn focus_is_past_the_header(&self) -> bool {
        let script = "const e = document.activeElement;
            const links = document.querySelectorAll('main a, main button, main summary').length;
            return location.hash === '#main' && (!links || !e.closest('header') && !e.matches('.skip'))";
        self.script(script, vec![]).await == true
    }

    /// Fails if the browser complained of anything: scripts, policies, answers. `known` is a status
    /// that the test asked for.
    pub(crate) async fn clean(&self, known: &str) {
        let log = self.driver.get_log("browser").await.expect("the browser's log");
        let expected = format!("the server responded with a status of {known} ");
        let complaints: Vec<_> = log
            .iter()
            .map(|entry| &entry.message)
            .filter(|message| known.is_empty() || !message.contains(&expected))
            .collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// Keeps a picture of the whole page if EVIDENCED_SHOTS names a directory.
    pub(crate) async fn screenshot(&self, path: &str, name: &str) {
        let Some(directory) = std::env::var_os("EVIDENCED_SHOTS") else { return };
        let script = "const e = document.documentElement;
            return {x: 0, y: 0, width: e.scrollWidth, height: e.scrollHeight, scale: 1}";
        let clip = self.script(script, vec![]).await;
        let whole = json!({"captureBeyondViewport": true, "clip": clip});
        let picture = self.cdp("Page.captureScreenshot", whole).await;
        let bytes = STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64");
        // Ids differ from run to run, names of pages do not.
        let step = |step: &str| if step.len() == 26 { "one".to_owned() } else { step.to_owned() };
        let steps: Vec<_> = path.split('/').filter(|it| !it.is_empty()).map(step).collect();
        let page = if steps.is_empty() { "overview".to_owned() } else { steps.join("-") };
        let file = PathBuf::from(directory).join(format!("e2e-{page}-{name}.png"));
        std::fs::write(file, bytes).expect("written");
    }

    async fn cdp(&self, command: &str, parameters: Value) -> Value {
        let answer = self.driver.cdp().send_raw(command, parameters).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        let answer = self.driver.execute(script, arguments).await;
        answer.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }
}

/// The source of axe-core: EVIDENCED_AXE names the file, or else it is where `tests/install` puts
/// it.
fn axe() -> String {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/axe.min.js");
    let path = std::env::var_os("EVIDENCED_AXE").map_or(own.into(), PathBuf::from);
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "axe-core: {}: {error}; run tests/install, or name the file in EVIDENCED_AXE",
            path.display()
        )
    })
}
