//! Signing in as a browser does it, seen from the wire: cookies, refusals, throttling.

use evidenced_tests::{Agent, Collector, Store};
use reqwest::header::{
    CONTENT_DISPOSITION, CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE,
};
use reqwest::{Client, Response, redirect};

pub(crate) const WORDS: &str = "four words do well";
const PROXIED: &str =
    "[people]\nbehind_proxy = true\npublic_url = \"https://evidenced.example.org\"\n";

/// Somebody with at most one cookie.
pub(crate) struct Visitor {
    client: Client,
    base: String,
    cookie: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    retry_after: Option<u64>,
    /// The whole `Set-Cookie`.
    set_cookie: String,
    pub(crate) body: String,
    pub(crate) disposition: String,
    pub(crate) kind: String,
}

impl Visitor {
    pub(crate) fn new(collector: &Collector) -> Self {
        // Its provider is the one that any client of the collector installs.
        drop(collector.stranger());
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build();
        let base = format!("http://{}", collector.people);
        Self { client: client.expect("a client"), base, cookie: None }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let whole =
            if path.starts_with("http") { path.into() } else { format!("{}{path}", self.base) };
        let mut request = self.client.get(whole);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        self.read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let pairs: Vec<_> =
            form.iter().map(|(name, value)| format!("{name}={}", coded(value))).collect();
        let kind = "application/x-www-form-urlencoded";
        self.send(path, kind, pairs.join("&").into_bytes()).await
    }

    /// A form with a file, as a browser sends it (RFC 7578).
    pub(crate) async fn post_with_file(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        file: Option<(&str, &[u8])>,
    ) -> Answer {
        const EDGE: &str = "----------------------------evidenced";
        let mut body = vec![];
        for (name, value) in form {
            let head =
                format!("--{EDGE}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend(format!("{head}{value}\r\n").into_bytes());
        }
        let (name, bytes) = file.unwrap_or_default();
        let head = format!("form-data; name=\"file\"; filename=\"{name}\"");
        body.extend(format!("--{EDGE}\r\nContent-Disposition: {head}\r\n").into_bytes());
        body.extend(b"Content-Type: text/html\r\n\r\n");
        body.extend(bytes);
        body.extend(format!("\r\n--{EDGE}--\r\n").into_bytes());
        self.send(path, &format!("multipart/form-data; boundary={EDGE}"), body).await
    }

    async fn send(&mut self, path: &str, kind: &str, body: Vec<u8>) -> Answer {
        let mut request = self.client.post(format!("{}{path}", self.base));
        request = request.header(CONTENT_TYPE, kind);
        request = request.header("origin", &self.base);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        self.read(request.body(body).send().await.expect("an answer")).await
    }

    async fn read(&mut self, response: Response) -> Answer {
        let status = response.status().as_u16();
        let text = |name| {
            let value = response.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (location, set_cookie) = (text(LOCATION), text(SET_COOKIE));
        let retry_after = text(RETRY_AFTER).parse().ok();
        if let Some((cookie, _)) = set_cookie.split_once(';') {
            self.cookie = Some(cookie.to_owned());
        }
        let (disposition, kind) = (text(CONTENT_DISPOSITION), text(CONTENT_TYPE));
        let body = response.text().await.expect("a whole answer");
        Answer { status, location, retry_after, set_cookie, body, disposition, kind }
    }

    async fn log_in(&mut self, name: &str, password: &str) -> Answer {
        self.post("/login", &[("name", name), ("password", password)]).await
    }

    async fn is_in(&mut self) -> bool {
        let answer = self.get("/account").await;
        assert!(answer.status == 200 || answer.location == "/login", "{}", answer.status);
        answer.status == 200
    }

    /// Follows the link and sets a password.
    pub(crate) async fn sets_password(&mut self, link: &str, password: &str) {
        assert_eq!(self.get(link).await.location, "/");
        let answer =
            self.post("/account/password", &[("new", password), ("again", password)]).await;
        assert_eq!(answer.location, "/account?done=password", "{}", answer.body);
    }
}

/// Percent-encoded whole.
fn coded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub(crate) async fn person(collector: &Collector, name: &str, seat: &str) -> String {
    collector.cli(&["people", "add", name, "--seat", seat]).await.out()
}

#[tokio::test]
async fn the_first_password_is_set_through_the_link_and_a_new_one_ends_every_other_session() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut ann = Visitor::new(&collector);
    ann.sets_password(&person(&collector, "Ann", "administrator").await, WORDS).await;
    let first = ann.cookie.clone();
    assert!(ann.is_in().await);

    let mut there = Visitor::new(&collector);
    let answer = there.log_in("ann", WORDS).await;
    assert_eq!((answer.status, answer.location.as_str()), (303, "/"));
    assert!(answer.set_cookie.contains("HttpOnly"), "{}", answer.set_cookie);
    assert!(answer.set_cookie.contains("SameSite=Lax"), "{}", answer.set_cookie);
    let before = there.cookie.clone();
    // Whoever knew the session before the login does not know the one after it.
    assert_eq!(there.log_in("ANN", WORDS).await.status, 303);
    assert_ne!(there.cookie, before);
    let after = std::mem::replace(&mut there.cookie, before);
    assert!(!there.is_in().await);
    there.cookie = after;

    let form = [
        ("current", "another guess"),
        ("new", "five other words do"),
        ("again", "five other words do"),
    ];
    assert_eq!(
        ann.post("/account/password", &form).await.status,
        422,
        "the current one is asked for"
    );
    for (new, again) in [("short", "short"), ("five other words do", "five other words")] {
        let form = [("current", WORDS), ("new", new), ("again", again)];
        assert_eq!(ann.post("/account/password", &form).await.status, 422);
    }
    assert!(there.is_in().await, "nothing was changed");
    let form =
        [("current", WORDS), ("new", "five other words do"), ("again", "five other words do")];
    assert_eq!(ann.post("/account/password", &form).await.status, 303);
    assert!(ann.is_in().await);
    assert_ne!(ann.cookie, first);
    assert!(!there.is_in().await);
    assert_eq!(there.log_in("ann", WORDS).await.status, 403, "the old one");
    collector.verified_log().await;
}

#[tokio::test]
async fn behind_a_proxy_the_cookie_is_bound_to_the_host_and_to_tls_and_on_loopback_it_is_not() {
    let link = async |collector: &Collector| {
        let link = person(collector, "ann", "viewer").await;
        let (_, secret) = link.split_once("link=").expect("a link");
        format!("/login?link={secret}")
    };
    let proxied = Collector::configured(Store::Sqlite, PROXIED).await;
    let path = link(&proxied).await;
    let cookie = Visitor::new(&proxied).get(&path).await.set_cookie;
    // RFC 6265bis, section 4.1.3.2: what `__Host-` demands.
    assert!(cookie.starts_with("__Host-evidenced="), "{cookie}");
    let attributes: Vec<_> = cookie.split("; ").skip(1).collect();
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(attributes.contains(&attribute), "{attribute}: {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");

    let plain = Collector::start(Store::Sqlite).await;
    let path = link(&plain).await;
    let cookie = Visitor::new(&plain).get(&path).await.set_cookie;
    assert!(cookie.starts_with("evidenced=") && !cookie.contains("Secure"), "{cookie}");
}

#[tokio::test]
async fn an_unknown_name_a_wrong_password_and_a_disabled_person_get_the_same_answer() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut visitor = Visitor::new(&collector);
    for name in ["ann", "bob"] {
        let link = person(&collector, name, "viewer").await;
        Visitor::new(&collector).sets_password(&link, WORDS).await;
    }
    let mut bob = Visitor::new(&collector);
    assert_eq!(bob.log_in("bob", WORDS).await.status, 303);
    collector.cli(&["people", "disable", "bob"]).await.out();
    assert!(!bob.is_in().await, "at once");
    let _no_password = person(&collector, "new", "viewer").await;

    let wrong = visitor.log_in("ann", "not the right words").await;
    assert_eq!(wrong.status, 403);
    for (name, password) in
        [("nobody", WORDS), ("bob", WORDS), ("new", ""), ("ann", &"x".repeat(2000)), ("", "")]
    {
        let answer = visitor.log_in(name, password).await;
        assert_eq!((answer.status, &answer.body), (wrong.status, &wrong.body), "{name}");
        assert_eq!(answer.set_cookie, "", "{name}");
    }
    assert_eq!(visitor.log_in("ann", WORDS).await.status, 303);
}

#[tokio::test]
async fn guessing_is_slowed_down_for_names_that_exist_and_for_others_alike() {
    let collector = Collector::start(Store::Sqlite).await;
    let link = person(&collector, "ann", "viewer").await;
    Visitor::new(&collector).sets_password(&link, WORDS).await;
    let mut visitor = Visitor::new(&collector);
    for name in ["ann", "nobody"] {
        let mut refused = 0;
        let throttled = loop {
            let answer = visitor.log_in(name, "a guess that fails").await;
            if answer.status == 429 {
                break answer;
            }
            assert_eq!(answer.status, 403);
            refused += 1;
            assert!(refused < 20, "it goes on for ever");
        };
        assert!(refused >= 5, "{name}: {refused}");
        let wait_s = throttled.retry_after.expect("Retry-After");
        assert!((1..=900).contains(&wait_s), "{wait_s}");
    }
    let text = collector.stranger().get("/metrics").await.body;
    let count = |outcome: &str| {
        let start = format!("evidenced_logins_total{{outcome=\"{outcome}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
    };
    assert!(count("refused") >= 10 && count("throttled") >= 2 && count("link") == 1, "{text}");
    // A link lets in whoever was throttled.
    let link = collector.cli(&["people", "reset-link", "ann"]).await.out();
    assert_eq!(visitor.get(&link).await.location, "/");
}

#[tokio::test]
async fn no_address_that_changes_something_takes_a_form_of_another_site() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut ann = Visitor::new(&collector);
    ann.sets_password(&person(&collector, "ann", "administrator").await, WORDS).await;
    let cookie = ann.cookie.clone().expect("a cookie");
    let posts = evidenced_collector::http::people::posts();
    assert!(posts.len() >= 9, "{}", posts.len());
    for (path, _) in posts {
        let address = format!("http://{}{}", collector.people, path.replace("{id}", "x"));
        let of = |name: &'static str, value: String| {
            let request = ann.client.post(&address).header(COOKIE, &cookie).header(name, value);
            async move { request.send().await.expect("an answer").text().await.expect("text") }
        };
        let own = format!("http://{}", collector.people);
        for (name, foreign) in [
            ("origin", "http://evil.example.org".to_owned()),
            ("origin", "null".to_owned()),
            ("sec-fetch-site", "cross-site".to_owned()),
            ("sec-fetch-site", "same-site".to_owned()),
        ] {
            let body = of(name, foreign.clone()).await;
            assert!(body.contains("another site"), "{path} {name} {foreign}: {body}");
        }
        if path != "/logout" {
            assert!(!of("origin", own).await.contains("another site"), "{path}: its own form");
        }
    }
}

#[tokio::test]
async fn a_viewer_reads_and_changes_nothing() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut viewer = Visitor::new(&collector);
    viewer.sets_password(&person(&collector, "auditor", "viewer").await, WORDS).await;
    for path in ["/people", "/enrolment", "/drift", "/account"] {
        let answer = viewer.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.contains("action=\"/people"), "{path}");
        assert!(!answer.body.contains("action=\"/enrolment"), "{path}");
    }
    let form = [("name", "x"), ("seat", "administrator")];
    let token = [("group", "web"), ("uses", "1"), ("ttl", "1h")];
    for answer in
        [viewer.post("/people", &form).await, viewer.post("/enrolment/tokens", &token).await]
    {
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("Only an administrator"), "{}", answer.body);
        assert!(answer.body.contains("aria-label=\"Rooms\""), "with the navigation around it");
    }
    assert_eq!(viewer.get("/people").await.body.matches(">viewer<").count(), 1);
}

#[tokio::test]
async fn an_administrator_lets_people_and_hosts_in() {
    let collector = Collector::start(Store::Sqlite).await;
    let mut ann = Visitor::new(&collector);
    ann.sets_password(&person(&collector, "ann", "administrator").await, WORDS).await;
    let page = ann.post("/people", &[("name", "bob"), ("seat", "viewer")]).await;
    let (_, rest) = page.body.split_once("/login?link=").expect("a link");
    let link = format!("/login?link={}", rest.split('<').next().expect("its end"));
    let mut bob = Visitor::new(&collector);
    bob.sets_password(&link, WORDS).await;
    let again = ann.post("/people", &[("name", "BOB"), ("seat", "viewer")]).await;
    assert_eq!(again.status, 422, "the name is taken");
    assert!(!ann.get("/people").await.body.contains("link="), "a link is shown once");

    let (_, rest) = page.body.split_once("aria-label=\"Disable bob\"").map_or(("", ""), |all| all);
    assert!(!rest.is_empty(), "{}", page.body);
    let (before, _) = page.body.split_once("aria-label=\"Disable bob\"").expect("the button");
    let path = before.rsplit("action=\"").next().and_then(|rest| rest.split('"').next());
    assert_eq!(ann.post(path.expect("a form"), &[]).await.location, "/people");
    assert!(!bob.is_in().await);

    let form = [("group", "web"), ("uses", "2"), ("ttl", "1h")];
    let page = ann.post("/enrolment/tokens", &form).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let (_, rest) = page.body.split_once("--token ").expect("a command");
    let token = rest.split([' ', '<']).next().expect("a token");
    let agent = Agent::new();
    agent.enroll(&collector.server(), token).await.out();
    let page = ann.get("/enrolment").await;
    assert!(page.body.contains(&format!("/hosts/{}", agent.host())), "{}", page.body);
    assert!(!page.body.contains(token), "a token is shown once");
    collector.verified_log().await;
}
