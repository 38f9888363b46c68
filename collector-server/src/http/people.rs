//! Pages, for people. Handlers read the store, build a page, and answer.

use super::moment::{self, Then};
use super::problem::Problem;
use super::session::{LoggedIn, StoredSessions};
use super::{
    account, api, controls, drift, enrolment, exceptions, findings, inherited, isms, lists,
    people_list, records, reviews, seats, snapshots, statement, windows,
};
use crate::app::App;
use crate::expected::{Reconciled, reconcile};
use crate::judge::RuleSet;
use crate::metrics::Population;
use crate::moment::Moment;
use crate::overview::{INHERITED, Overview};
use crate::scope::Scope;
use crate::status::ControlStatus;
use crate::store::model::DriftRow;
use crate::store::{DriftFilter, LogState};
use crate::web::input::{Control, Now, Rule, Theme};
use crate::web::marks::State as Mark;
use crate::web::page::{Frame, Room};
use crate::web::past::Past;
use crate::web::{self, hosts::KindCount, timeline};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use evidence::HostId;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

/// Drifts on the overview.
const DRIFTS_SHOWN: i64 = 8;
/// Open drifts on the page of a host.
const DRIFTS_OF_HOST: i64 = 100;
/// States of a kind that can be chosen to compare with.
const STATES_SHOWN: i64 = 100;
/// Where the form to sign out goes.
const SIGN_OUT: &str = "/logout";

/// Every address of pages that changes something, and how; the API has its own.
pub fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    let mut posts = vec![
        ("/login", post(account::login)),
        (SIGN_OUT, post(account::logout)),
        ("/account/password", post(account::set_password)),
        ("/account/sessions/end", post(account::end_session)),
        ("/account/sessions/end-others", post(account::end_other_sessions)),
        ("/people", post(seats::add)),
        ("/people/{id}/link", post(seats::link)),
        ("/people/{id}/disable", post(seats::disable)),
        ("/people/{id}/enable", post(seats::enable)),
        ("/enrolment/tokens", post(enrolment::create_token)),
        ("/enrolment/tokens/{id}/revoke", post(enrolment::revoke_token)),
        ("/enrolment/renewals/{id}/approve", post(enrolment::approve_renewal)),
        ("/people/{id}/seat", post(seats::give_seat)),
        ("/drift/{id}/acknowledge", post(drift::acknowledge)),
    ];
    posts.extend(controls::posts());
    posts.extend(isms::posts());
    posts.extend(people_list::posts());
    posts.extend(statement::posts());
    posts.extend(exceptions::pages::posts());
    posts.extend(snapshots::posts());
    posts.extend(inherited::pages::posts());
    posts.extend(findings::pages::posts());
    posts.extend(records::pages::posts());
    posts.extend(lists::pages::posts());
    posts.extend(windows::pages::posts());
    posts.extend(reviews::pages::posts());
    posts
}

pub fn router(app: App) -> Router {
    let (style, _) = web::stylesheet();
    let pages = Router::new()
        .route("/", get(overview_page))
        .route("/drift", get(drift::list_page))
        .route("/drift/{id}", get(drift::one_page))
        .route("/hosts", get(hosts_page))
        .route("/hosts/{id}", get(host_page))
        .route("/hosts/{id}/kinds/{kind}", get(facts_page))
        .route("/enrolment", get(enrolment::page))
        .route("/people", get(seats::people_page))
        .route("/login", get(account::login_page))
        .route("/account", get(account::account_page))
        .route("/hosts/{id}/kinds/{kind}/facts.json", get(api::kind))
        .merge(controls::router())
        .merge(isms::router())
        .merge(statement::router())
        .merge(api::router())
        .merge(exceptions::pages::pages())
        .merge(snapshots::pages())
        .merge(inherited::pages::pages())
        .merge(findings::pages::pages())
        .merge(records::pages::pages())
        .merge(lists::pages::pages())
        .merge(windows::pages::pages())
        .merge(reviews::pages::pages())
        .merge(super::rules::pages())
        .merge(super::log::router())
        .fallback(not_found);
    let pages = posts().into_iter().fold(pages, |pages, (path, post)| pages.route(path, post));
    pages
        .layer(middleware::from_fn(moment::in_its_time))
        .layer(middleware::from_fn_with_state(app.clone(), in_frame))
        .layer(sessions(&app))
        .route(style, get(stylesheet))
        .route("/favicon.ico", get(icon))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(middleware::from_fn(guard))
        .with_state(app)
}

fn sessions(app: &App) -> SessionManagerLayer<StoredSessions> {
    // `__Host-` and `Secure` need HTTPS at the browser's end; on loopback there is none.
    let https =
        app.config.people.behind_proxy || app.config.people.public_url.starts_with("https:");
    let store = StoredSessions { store: app.store.clone(), clock: app.clock.clone() };
    SessionManagerLayer::new(store)
        .with_name(if https { "__Host-evidenced" } else { "evidenced" })
        .with_secure(https)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        // The cookie goes with the browser; when a session ends is the store's to say.
        .with_expiry(Expiry::OnSessionEnd)
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
pub(super) enum Trouble {
    /// What there is none of.
    NotFound(String),
    /// Why this person may not.
    Refused(String),
    /// What was asked for cannot be answered, and what can.
    Asked(String),
    Failed(Problem),
}

impl<E: Into<Problem>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What a page of trouble says; goes with the answer until it is known who reads it.
#[derive(Clone)]
enum Told {
    NotFound(String),
    Refused(String),
    Asked(String),
    Failed,
}

impl Told {
    fn page(&self, frame: Frame) -> Response {
        render(&match self {
            Self::NotFound(what) => web::empty::not_found(frame, what),
            Self::Refused(why) => web::empty::refused(frame, why),
            Self::Asked(why) => web::empty::not_known(frame, why),
            Self::Failed => web::empty::failed(frame),
        })
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, told) = match self {
            Self::NotFound(what) => (StatusCode::NOT_FOUND, Told::NotFound(what)),
            Self::Refused(why) => (StatusCode::FORBIDDEN, Told::Refused(why)),
            Self::Asked(why) => (StatusCode::BAD_REQUEST, Told::Asked(why)),
            Self::Failed(problem) => (problem.status(), Told::Failed),
        };
        let mut response = (status, told.page(Frame::outside())).into_response();
        response.extensions_mut().insert(told);
        response
    }
}

/// Puts the navigation around a page of trouble, for those who are logged in.
async fn in_frame(
    State(app): State<App>,
    session: Session,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let Some(told) = response.extensions_mut().remove::<Told>() else { return response };
    let Ok(Some(_)) = LoggedIn::of(&session, &app).await else { return response };
    let Ok(frame) = frame(&app, None).await else { return response };
    (response.status(), told.page(frame)).into_response()
}

/// The frame of a page that draws on nothing else.
pub(super) async fn frame(app: &App, room: Option<Room>) -> Result<Frame, Trouble> {
    let log = app.store.log().await?;
    Ok(Frame::inside(room, app.clock.now_us(), log).with_sign_out(SIGN_OUT))
}

pub(super) fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What all pages draw from, in the shapes they want.
pub(super) struct Ground {
    pub(super) now_us: i64,
    pub(super) overview: Overview,
    controls: Vec<Control>,
    rules: Vec<Rule>,
    frame_log: LogState,
    /// The rules that judge, or judged then.
    pub(super) active: Arc<RuleSet>,
    pub(super) then: Option<(Then, Option<String>)>,
}

impl Ground {
    pub(super) async fn load(app: &App) -> Result<Self, Trouble> {
        let now_us = app.clock.now_us();
        let overview = app.overview(now_us).await?;
        let excluded = app.store.excluded(None, None).await?;
        let controls = as_shown(&overview.controls, &excluded);
        let rules = rules(app);
        let (frame_log, active) = (app.store.log().await?, app.judge.rules());
        Ok(Self { now_us, overview, controls, rules, frame_log, active, then: None })
    }

    /// What held at the moment that was asked for.
    pub(super) async fn at(app: &App, then: &Then) -> Result<Self, Trouble> {
        let none = |ground: Self| Self { then: Some((then.clone(), None)), ..ground };
        let Some(moment) = &then.moment else { return Self::load(app).await.map(none) };
        let (judged, overview) = app.overview_at(moment).await?;
        let excluded = app.store.excluded(None, Some(moment)).await?;
        let controls = as_shown(&overview.controls, &excluded);
        let rules = web::input::rules(&judged.rules);
        Ok(Self {
            now_us: moment.at_us,
            overview,
            controls,
            rules,
            frame_log: app.store.log().await?,
            active: judged.rules,
            then: Some((then.clone(), judged.instead)),
        })
    }

    /// The moment it is of; none for now.
    pub(super) fn moment(&self) -> Option<&Moment> {
        self.then.as_ref().and_then(|(then, _)| then.moment.as_ref())
    }

    pub(super) fn is_past(&self) -> bool {
        self.moment().is_some()
    }

    pub(super) fn now(&self) -> Now<'_> {
        Now {
            at_us: self.now_us,
            hosts: &self.overview.hosts,
            results: &self.overview.results,
            rules: &self.rules,
            controls: &self.controls,
        }
    }

    /// Notes what of now stands in for what is not known of then.
    pub(super) fn stands_in(&mut self, what: Option<String>) {
        if let (Some((_, instead)), Some(what)) = (&mut self.then, what) {
            *instead =
                Some(instead.take().map_or(what.clone(), |before| format!("{before} {what}")));
        }
    }

    /// Drifts as they stood.
    pub(super) async fn drifts(
        &self,
        app: &App,
        filter: DriftFilter,
    ) -> Result<Vec<DriftRow>, Trouble> {
        Ok(match self.moment() {
            None => app.store.drifts(filter).await?,
            Some(moment) => app.store.drifts_at(filter, None, moment).await?,
        })
    }

    /// The log as far as the moment knows it.
    async fn log_then(&self, app: &App) -> Result<LogState, Trouble> {
        let Some(moment) = self.moment() else { return Ok(self.frame_log) };
        let size = moment.size();
        Ok(LogState { size, root: app.store.root_at(size).await? })
    }

    /// Leaves only what is in the scope; `groups` are those of its ISMS.
    pub(super) async fn narrow(
        &mut self,
        app: &App,
        scope: &Scope,
        groups: &BTreeSet<String>,
    ) -> Result<(), Trouble> {
        let hosts = scope.hosts(&self.overview.hosts, groups);
        let rules = Arc::clone(&self.active);
        let judged_by = (rules.as_ref(), rules.catalogue());
        self.overview.controls = self.overview.within(judged_by, (scope, &hosts), self.now_us);
        let isms = match scope {
            Scope::Isms(id) => Some(id.as_str()),
            _ => None,
        };
        let excluded = app.store.excluded(isms, self.moment()).await?;
        self.controls = as_shown(&self.overview.controls, &excluded);
        self.overview.hosts.retain(|host| hosts.contains(&host.id));
        self.overview.results.retain(|row| hosts.contains(&row.host));
        Ok(())
    }

    pub(super) fn frame(&self, room: Room) -> Frame {
        let frame = Frame::inside(Some(room), self.now_us, self.frame_log).with_sign_out(SIGN_OUT);
        match &self.then {
            Some((then, instead)) => frame.at(past_of(then, instead.clone()), then.picks()),
            None => frame,
        }
    }
}

fn past_of(then: &Then, instead: Option<String>) -> Option<Past> {
    let moment = then.moment.as_ref()?;
    let past = Past::of(moment, then.as_known, &then.now_path, &then.zone.zone());
    Some(Past { instead, ..past })
}

/// [`frame`] of a page that shows the moment that was asked for.
pub(super) async fn frame_at(app: &App, room: Room, then: &Then) -> Result<Frame, Trouble> {
    frame_with(app, room, then, None).await
}

/// [`frame_at`], with what stands in for the rules of then.
pub(super) async fn frame_with(
    app: &App,
    room: Room,
    then: &Then,
    instead: Option<String>,
) -> Result<Frame, Trouble> {
    Ok(frame(app, Some(room)).await?.at(past_of(then, instead), then.picks()))
}

/// Controls as pages show them. One that is said not to be applicable, and of which nothing is known
/// either, is excluded; what hosts or records show of it is shown all the same.
fn as_shown(
    controls: &[(crate::catalogue::Control, ControlStatus)],
    excluded: &BTreeSet<String>,
) -> Vec<Control> {
    let state = |id: &str, status: &ControlStatus| {
        let state = Mark::from_word(status.state.as_str()).unwrap_or(Mark::None);
        if state == Mark::None && excluded.contains(id) { Mark::Excluded } else { state }
    };
    let control = |(control, status): &(crate::catalogue::Control, ControlStatus)| Control {
        id: control.id.clone(),
        title: control.title.clone(),
        theme: Theme::from_word(control.theme.as_str()).unwrap_or(Theme::Organizational),
        control_type: control.control_type.iter().map(|t| t.as_str().to_owned()).collect(),
        iso2013: control.iso2013.clone(),
        host_evidence: control.host_evidence.map(|level| level.says().to_owned()),
        not_shown: control.not_shown.clone(),
        state: state(&control.id, status),
        open_deviations: status.open_deviations,
        unseen: status.unseen_since_s.map(|s| (status.unseen, s.saturating_mul(1_000_000))),
    };
    controls.iter().map(control).collect()
}

/// The active rules as pages show them.
pub(super) fn rules(app: &App) -> Vec<Rule> {
    web::input::rules(&app.judge.rules())
}

async fn overview_page(
    State(app): State<App>,
    me: LoggedIn,
    then: Then,
) -> Result<Response, Trouble> {
    let ground = Ground::at(&app, &then).await?;
    let filter = DriftFilter { host: None, open: Some(true), limit: DRIFTS_SHOWN + 1 };
    let mut drifts = ground.drifts(&app, filter).await?;
    let more_drifts = drifts.len() as i64 > DRIFTS_SHOWN;
    drifts.truncate(DRIFTS_SHOWN as usize);
    let check = app.log_check.borrow().clone();
    let input = web::overview::Input {
        now: ground.now(),
        drifts: &drifts,
        more_drifts,
        log: ground.frame_log,
        check,
        anchored: app.store.newest_anchor().await?,
    };
    let expected = reconciled(&app, &ground).await?;
    let frame = ground.frame(Room::Overview).without_password(!me.has_password);
    let input = web::overview::Input { log: ground.log_then(&app).await?, ..input };
    Ok(render(&web::overview::page(frame, &input).with_expected(expected.as_ref())))
}

#[derive(Deserialize)]
struct PageQuery {
    page: Option<usize>,
}

async fn hosts_page(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Query(query): Query<PageQuery>,
) -> Result<Response, Trouble> {
    let ground = Ground::at(&app, &then).await?;
    let kinds = match ground.moment() {
        None => app.store.kind_statuses().await?,
        Some(_) => {
            let hosts = ground.overview.hosts.iter();
            let said = hosts.filter_map(|host| Some((host.id, host.manifest?))).collect();
            let all = app.store.statuses_at(&said).await?.into_iter();
            all.map(|(host, _, status, _)| (host, status)).collect()
        }
    };
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
    let list = match ground.moment() {
        None => app.store.expected_hosts().await?,
        Some(moment) => app.store.expected_hosts_at(moment).await?,
    };
    let hosts = &ground.overview.hosts;
    Ok(list.imported_us.map(|_| reconcile(&list.entries, hosts, ground.now_us)))
}

async fn host_page(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let ground = Ground::at(&app, &then).await?;
    let host = id.parse::<HostId>().ok();
    let host = host.and_then(|id| ground.overview.hosts.iter().find(|host| host.id == id));
    let host = host.ok_or_else(|| Trouble::NotFound(format!("host {id}")))?;
    let since_us = ground.now_us - timeline::RANGE_US;
    let (store, moment) = (&app.store, ground.moment());
    let (kinds, spans, receipts) = match moment {
        None => (
            store.kind_rows(host.id).await?,
            store.kind_spans(host.id, since_us).await?,
            store.receipts(host.id, since_us).await?,
        ),
        Some(moment) => (
            store.kind_rows_at(host.id, moment).await?,
            store.kind_spans_at(host.id, since_us, moment).await?,
            store.receipts_at(host.id, since_us, moment).await?,
        ),
    };
    let now_us = ground.now_us;
    let mut chains = store.chains(host.id).await?;
    chains.retain(|chain| chain.begun_us <= now_us);
    let input = timeline::Input { now_us, spans: &spans, receipts: &receipts, chains: &chains };
    let timeline = timeline::of(&input);
    let filter = DriftFilter { host: Some(host.id), open: Some(true), limit: DRIFTS_OF_HOST };
    let drifts = ground.drifts(&app, filter).await?;
    let times = store.collected_at(host.id, moment).await?;
    let gaps = crate::gap::of_host(store, host.id, (since_us, now_us), moment, now_us).await?;
    let page = web::host::page(ground.frame(Room::Hosts), &ground.now(), host, &kinds);
    let page = page.with_off(ground.active.off_of(&host.group));
    let page = page.with_times(&times).with_gaps(&gaps, (since_us, now_us));
    let page = page.with_past(timeline).with_drifts(&drifts, &ground.now());
    Ok(render(
        &page.with_exceptions(&ground.overview.excepted).with_inherited(&ground.overview.inherited),
    ))
}

#[derive(Deserialize)]
struct WithQuery {
    /// Since when the state held that is compared, microseconds.
    with: Option<i64>,
}

async fn facts_page(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Path((id, kind)): Path<(String, String)>,
    Query(query): Query<WithQuery>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::NotFound(format!("kind {kind} of host {id}"));
    let host = id.parse::<HostId>().map_err(|_| missing())?;
    let (store, moment) = (&app.store, then.moment.as_ref());
    let host = match moment {
        None => store.host(host).await?,
        Some(moment) => store.host_at(host, moment).await?,
    };
    let host = host.ok_or_else(missing)?;
    let (rows, history) = match moment {
        None => (
            store.kind_rows(host.id).await?,
            store.kind_history(host.id, &kind, STATES_SHOWN).await?,
        ),
        Some(moment) => (
            store.kind_rows_at(host.id, moment).await?,
            store.kind_history_at(host.id, &kind, STATES_SHOWN, moment).await?,
        ),
    };
    let row = rows.into_iter().find(|row| row.kind == kind).ok_or_else(missing)?;
    let received_us = store.collected_at(host.id, moment).await?.get(&kind).map(|times| times.1);
    let erased = store.erased(row.facts).await?;
    let earlier = || history.iter().filter(|span| span.row.since_us < row.since_us);
    let wanted = query.with.and_then(|with| earlier().find(|span| span.row.since_us == with));
    let before = wanted.or_else(|| earlier().next());
    let before = match before {
        Some(span) => Some((span, drift::with_body(&app, span.row.clone()).await?.1)),
        None => None,
    };
    let (row, facts) = drift::with_body(&app, row).await?;
    let input = web::facts::Input {
        now_us: then.at_us(&app),
        host: &host,
        row: &row,
        received_us,
        erased_us: erased,
        facts: facts.as_ref(),
        previous: before.as_ref().map(|(span, facts)| (*span, facts.as_ref())),
        history: &history,
    };
    Ok(render(&web::facts::page(frame_at(&app, Room::Hosts, &then).await?, &input)))
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
    let outcomes = ["pass", "fail", "unknown", "not_applicable", INHERITED];
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
