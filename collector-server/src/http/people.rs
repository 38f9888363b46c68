//! Pages, for people. Handlers read the store, build a page, and answer.

use super::api;
use super::problem::Problem;
use super::session::{LoggedIn, StoredSessions, log_in};
use crate::app::App;
use crate::expected::{Reconciled, reconcile};
use crate::metrics::Population;
use crate::overview::Overview;
use crate::store::DriftFilter;
use crate::store::model::KindRow;
use crate::web::input::{Control, Now, Rule, Severity, Theme};
use crate::web::marks::State as Mark;
use crate::web::page::{Frame, Room};
use crate::web::{self, hosts::KindCount};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use evidence::{Digest, HostId};
use serde::Deserialize;
use std::collections::BTreeMap;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

/// A session ends after this long without a request.
const IDLE: Duration = Duration::hours(12);
/// Drifts on the overview.
const DRIFTS_SHOWN: i64 = 8;
/// Where the form to sign out goes.
const SIGN_OUT: &str = "/logout";

pub fn router(app: App) -> Router {
    let (style, _) = web::stylesheet();
    Router::new()
        .route("/", get(overview_page))
        .route("/controls", get(controls_page))
        .route("/controls/{id}", get(control_page))
        .route("/hosts", get(hosts_page))
        .route("/hosts/{id}", get(host_page))
        .route("/hosts/{id}/kinds/{kind}", get(facts_page))
        .route("/login", get(login_page))
        .route(SIGN_OUT, post(logout))
        .route("/hosts/{id}/kinds/{kind}/facts.json", get(api::kind))
        .merge(api::router())
        .layer(sessions(&app))
        .route(style, get(stylesheet))
        .route("/favicon.ico", get(icon))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(not_found)
        .layer(middleware::from_fn(guard))
        .with_state(app)
}

fn sessions(app: &App) -> SessionManagerLayer<StoredSessions> {
    // `__Host-` and `Secure` need HTTPS at the browser's end; on loopback there is none.
    let https =
        app.config.people.behind_proxy || app.config.people.public_url.starts_with("https:");
    SessionManagerLayer::new(StoredSessions(app.store.clone()))
        .with_name(if https { "__Host-evidenced" } else { "evidenced" })
        .with_secure(https)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(IDLE))
}

/// Headers of every answer, and refusal of what another site makes a browser send.
async fn guard(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !is_same_origin(request.headers()) {
        return Problem::forbidden("this request came from another site").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, web::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Evidence is nothing for shared caches or the back button of a public machine.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Browsers say where a request comes from (`Sec-Fetch-Site`, `Origin`); programs with a token say
/// nothing of the sort.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match (text("origin"), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, authority)| authority == host)
        }
        (Some(_), None) => false,
    }
}

/// A page could not be shown.
enum Trouble {
    NotFound(String),
    Failed(Problem),
}

impl<E: Into<Problem>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let frame = Frame::outside();
        let (status, page) = match self {
            Self::NotFound(what) => (StatusCode::NOT_FOUND, web::empty::not_found(frame, &what)),
            Self::Failed(problem) => (problem.status(), web::empty::failed(frame)),
        };
        (status, render(&page)).into_response()
    }
}

fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What all pages draw from, in the shapes they want.
struct Ground {
    now_us: i64,
    overview: Overview,
    controls: Vec<Control>,
    rules: Vec<Rule>,
    frame_log: crate::store::LogState,
}

impl Ground {
    async fn load(app: &App) -> Result<Self, Trouble> {
        let now_us = app.clock.now_us();
        let overview = app.overview(now_us).await?;
        let controls = overview.controls.iter().map(|(control, status)| Control {
            id: control.id.clone(),
            title: control.title.clone(),
            theme: Theme::from_word(control.theme.as_str()).unwrap_or(Theme::Organizational),
            control_type: control.control_type.iter().map(|t| t.as_str().to_owned()).collect(),
            iso2013: control.iso2013.clone(),
            host_evidence: control.host_evidence.map(|level| level.says().to_owned()),
            not_shown: control.not_shown.clone(),
            state: Mark::from_word(status.state.as_str()).unwrap_or(Mark::None),
            open_deviations: status.open_deviations,
        });
        let rules = app.judge.rules().rules().iter().map(|rule| Rule {
            id: rule.id.clone(),
            title: rule.title.clone(),
            controls: rule.controls.clone(),
            // What is only informative is shown last.
            severity: Severity::from_word(rule.severity.as_str()).unwrap_or(Severity::Low),
            evidence: rule.evidence.clone(),
            rationale: rule.rationale.clone(),
            remediation: rule.remediation.clone(),
            not_shown: rule.not_shown.clone(),
            profile: rule.profile.as_str().to_owned(),
        });
        let (controls, rules) = (controls.collect(), rules.collect());
        Ok(Self { now_us, overview, controls, rules, frame_log: app.store.log().await? })
    }

    fn now(&self) -> Now<'_> {
        Now {
            at_us: self.now_us,
            hosts: &self.overview.hosts,
            results: &self.overview.results,
            rules: &self.rules,
            controls: &self.controls,
        }
    }

    fn frame(&self, room: Room) -> Frame {
        Frame::inside(Some(room), self.now_us, self.frame_log).with_sign_out(SIGN_OUT)
    }
}

async fn overview_page(State(app): State<App>, _: LoggedIn) -> Result<Response, Trouble> {
    let ground = Ground::load(&app).await?;
    let filter = DriftFilter { host: None, open: Some(true), limit: DRIFTS_SHOWN + 1 };
    let mut drifts = app.store.drifts(filter).await?;
    let more_drifts = drifts.len() as i64 > DRIFTS_SHOWN;
    drifts.truncate(DRIFTS_SHOWN as usize);
    let check = app.log_check.borrow().clone();
    let input = web::overview::Input {
        now: ground.now(),
        drifts: &drifts,
        more_drifts,
        log: ground.frame_log,
        check,
    };
    let expected = reconciled(&app, &ground).await?;
    let page = web::overview::page(ground.frame(Room::Overview), &input);
    Ok(render(&page.with_expected(expected.as_ref())))
}

async fn controls_page(State(app): State<App>, _: LoggedIn) -> Result<Response, Trouble> {
    let ground = Ground::load(&app).await?;
    Ok(render(&web::controls::page(ground.frame(Room::Controls), &ground.now())))
}

async fn control_page(
    State(app): State<App>,
    _: LoggedIn,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let ground = Ground::load(&app).await?;
    let page = web::control::page(ground.frame(Room::Controls), &ground.now(), &id);
    let page = page.ok_or_else(|| Trouble::NotFound(format!("control {id}")))?;
    Ok(render(&page))
}

#[derive(Deserialize)]
struct PageQuery {
    page: Option<usize>,
}

async fn hosts_page(
    State(app): State<App>,
    _: LoggedIn,
    Query(query): Query<PageQuery>,
) -> Result<Response, Trouble> {
    let ground = Ground::load(&app).await?;
    let kinds = app.store.kind_statuses().await?;
    let mut counts: BTreeMap<HostId, KindCount> = BTreeMap::new();
    for (host, status) in kinds {
        let count = counts.entry(host).or_default();
        count.of += 1;
        count.ok += usize::from(web::host::is_seen(status));
    }
    let page = query.page.unwrap_or(1);
    let expected = reconciled(&app, &ground).await?;
    let page = web::hosts::page(ground.frame(Room::Hosts), &ground.now(), &counts, page);
    Ok(render(&page.with_expected(expected.as_ref())))
}

/// The list of expected hosts beside those that are there; none without a list.
async fn reconciled(app: &App, ground: &Ground) -> Result<Option<Reconciled>, Trouble> {
    let list = app.store.expected_hosts().await?;
    let hosts = &ground.overview.hosts;
    Ok(list.imported_us.map(|_| reconcile(&list.entries, hosts, ground.now_us)))
}

async fn host_page(
    State(app): State<App>,
    _: LoggedIn,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let ground = Ground::load(&app).await?;
    let host = id.parse::<HostId>().ok();
    let host = host.and_then(|id| ground.overview.hosts.iter().find(|host| host.id == id));
    let host = host.ok_or_else(|| Trouble::NotFound(format!("host {id}")))?;
    let kinds = app.store.kind_rows(host.id).await?;
    Ok(render(&web::host::page(ground.frame(Room::Hosts), &ground.now(), host, &kinds)))
}

async fn facts_page(
    State(app): State<App>,
    _: LoggedIn,
    Path((id, kind)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::NotFound(format!("kind {kind} of host {id}"));
    let host = id.parse::<HostId>().map_err(|_| missing())?;
    let host = app.store.host(host).await?.ok_or_else(missing)?;
    let rows = app.store.kind_rows(host.id).await?;
    let row: &KindRow = rows.iter().find(|row| row.kind == kind).ok_or_else(missing)?;
    let facts = match row.facts {
        Some(id) => app.store.facts_of_host(host.id, id).await?,
        None => None,
    };
    let previous = app.store.previous_kind_state(host.id, &kind).await?;
    let previous_facts = match previous.as_ref().and_then(|row| row.facts) {
        Some(id) => app.store.facts_of_host(host.id, id).await?,
        None => None,
    };
    let now_us = app.clock.now_us();
    let frame = Frame::inside(Some(Room::Hosts), now_us, app.store.log().await?);
    let previous = previous.as_ref().map(|row| (row, previous_facts.as_ref()));
    let input = web::facts::Input { now_us, host: &host, row, facts: facts.as_ref(), previous };
    Ok(render(&web::facts::page(frame.with_sign_out(SIGN_OUT), &input)))
}

#[derive(Deserialize)]
struct LoginQuery {
    link: Option<String>,
}

async fn login_page(
    State(app): State<App>,
    session: Session,
    Query(query): Query<LoginQuery>,
) -> Result<Response, Trouble> {
    let Some(secret) = query.link else { return Ok(render(&web::login::page(false))) };
    let hash = Digest::of(secret.as_bytes());
    match app.store.use_login_link(hash, app.clock.now_us()).await? {
        Ok(person) => {
            log_in(&session, person).await?;
            Ok(Redirect::to("/").into_response())
        }
        Err(refusal) => {
            tracing::warn!(%refusal, "login refused");
            let page = render(&web::login::page(true));
            Ok((StatusCode::FORBIDDEN, page).into_response())
        }
    }
}

async fn logout(session: Session, _: LoggedIn) -> Response {
    if let Err(error) = session.flush().await {
        tracing::error!(%error, "a session could not be ended");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Redirect::to("/login").into_response()
}

async fn stylesheet() -> impl IntoResponse {
    let (_, bytes) = web::stylesheet();
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        // The path holds the digest of the contents.
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, bytes)
}

async fn icon() -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, web::ICON)
}

async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let now_us = app.clock.now_us();
    let overview = app.overview(now_us).await?;
    let mut hosts: BTreeMap<String, i64> = BTreeMap::new();
    for host in &overview.hosts {
        let state = if host.is_silent(now_us) { "silent" } else { host.state.as_str() };
        *hosts.entry(state.to_owned()).or_default() += 1;
    }
    let count =
        |outcome: &str| overview.results.iter().filter(|row| row.outcome == outcome).count() as i64;
    let outcomes = ["pass", "fail", "unknown", "not_applicable"];
    let population = Population {
        hosts: hosts.into_iter().collect(),
        log_size: app.store.log().await?.size as i64,
        results: outcomes.into_iter().map(|outcome| (outcome, count(outcome))).collect(),
    };
    let text = app.metrics.text(population).map_err(|error| {
        tracing::error!(%error, "metrics could not be written");
        Problem::not_found("no metrics")
    })?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Ready when the store answers.
async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    app.store.log().await?;
    Ok("ready\n")
}

async fn not_found(headers: HeaderMap) -> Response {
    let page = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|text| text.contains("text/html")));
    if page {
        Trouble::NotFound("page of this name".to_owned()).into_response()
    } else {
        Problem::not_found("no such resource").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_site_sends_is_told_apart_from_our_own_forms() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            is_same_origin(&headers.collect())
        };
        assert!(check(&[("sec-fetch-site", "same-origin")]));
        assert!(!check(&[("sec-fetch-site", "cross-site")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(check(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        assert!(!check(&[("origin", "http://evil.example.org"), ("host", "127.0.0.1:8080")]));
        assert!(!check(&[("origin", "null"), ("host", "127.0.0.1:8080")]));
        assert!(check(&[]));
    }
}
