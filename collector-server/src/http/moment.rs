//! `at` and `known` of a request: the one place that reads them.
//!
//! A handler that takes [`Then`] answers for that moment. What takes none answers for
//! now only; asked for another moment it is refused here, so that no answer shows the present as the
//! past. Pages of the past carry their moment on in every link, and offer nothing that changes.

use super::people::Trouble;
use super::problem::Problem;
use crate::app::App;
use crate::config::ZoneName;
use crate::moment::{Moment, NoMoment, read_at, read_known};
use crate::web::page::Picks;
use crate::web::past::{carry, without_moment};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Largest page that links are carried on in; a page is far smaller.
const MAX_PAGE: usize = 64 << 20;

/// Whether a handler has read the moment of its request.
#[derive(Clone, Default)]
struct Read(Arc<AtomicBool>);

/// The moment that was asked for; none for now.
#[derive(Debug, Clone)]
pub(super) struct Then {
    pub(super) moment: Option<Moment>,
    /// `known` was asked for as well.
    pub(super) as_known: bool,
    /// This address without the moment.
    pub(super) now_path: String,
    /// Of moments that say none.
    pub(super) zone: ZoneName,
    /// What was asked for besides.
    rest: Vec<(String, String)>,
}

impl Then {
    /// How another moment of this page is picked.
    pub(super) fn picks(&self) -> Picks {
        Picks { zone: self.zone.name.clone(), rest: self.rest.clone() }
    }

    /// The moment that is looked at: the one asked for, or now.
    pub(super) fn at_us(&self, app: &App) -> i64 {
        self.moment.map_or_else(|| app.clock.now_us(), |moment| moment.at_us)
    }
}

/// `name=value` pairs of a query, decoded.
fn pairs(uri: &Uri) -> Vec<(String, String)> {
    let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
    query.map(|query| query.0).unwrap_or_default()
}

/// An address whose query is without the moment.
pub(super) fn rest_of(uri: &Uri) -> Uri {
    without_moment(&uri.to_string()).parse().unwrap_or_else(|_| uri.clone())
}

fn is_moment(name: &str) -> bool {
    matches!(name, "at" | "known")
}

fn only(pairs: &[(String, String)], wanted: &str) -> Result<Option<String>, Problem> {
    let mut found = pairs.iter().filter(|(name, value)| name == wanted && !value.is_empty());
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Problem::bad_request(format!("`{wanted}` is there twice; leave one"))),
        (one, None) => Ok(one.map(|(_, value)| value.clone())),
    }
}

impl From<NoMoment> for Problem {
    fn from(error: NoMoment) -> Self {
        Self::bad_request(error.to_string())
    }
}

async fn read(parts: &Parts, app: &App) -> Result<Then, Problem> {
    if let Some(Read(read)) = parts.extensions.get::<Read>() {
        read.store(true, Ordering::Relaxed);
    }
    let pairs = pairs(&parts.uri);
    let (at, known) = (only(&pairs, "at")?, only(&pairs, "known")?);
    let as_known = known.is_some();
    let now_path = without_moment(&parts.uri.to_string());
    let others = pairs.iter().filter(|(name, _)| !is_moment(name));
    let rest = others.cloned().collect();
    let of = app.config.organisation.time_zone.clone();
    if at.is_none() && !as_known {
        return Ok(Then { moment: None, as_known, now_path, zone: of, rest });
    }
    let (zone, now_us) = (of.zone(), app.clock.now_us());
    let at_us = match &at {
        Some(text) => read_at(text, &zone, now_us)?,
        None => now_us,
    };
    let known = known.map(|text| read_known(&text, &zone)).transpose()?;
    let moment = app.store.moment(at_us, known).await??;
    Ok(Then { moment: Some(moment), as_known, now_path, zone: of, rest })
}

impl FromRequestParts<App> for Then {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let is_page = !is_api(parts.uri.path());
        read(parts, app).await.map_err(|problem| match problem.detail_text() {
            Some(why) if is_page => Trouble::Asked(why.to_owned()).into_response(),
            _ => problem.into_response(),
        })
    }
}

fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path.ends_with(".json")
}

/// Refuses what knows no other moment than now, and carries the moment on in pages of the past.
pub(super) async fn in_its_time(mut request: Request, next: Next) -> Response {
    let pairs = pairs(request.uri());
    let asked = pairs.iter().any(|(name, value)| is_moment(name) && !value.is_empty());
    if !asked {
        return next.run(request).await;
    }
    let (api, path) = (is_api(request.uri().path()), request.uri().path().to_owned());
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let now_path = without_moment(&request.uri().to_string());
    let read = Read::default();
    request.extensions_mut().insert(read.clone());
    let response = match looks {
        true => next.run(request).await,
        false => return refused(api, "The past cannot be changed. Do it as of now.", &now_path),
    };
    if response.status().is_success() && !read.0.load(Ordering::Relaxed) {
        let why = format!("{path} shows the present only: it is not known as of another moment.");
        return refused(api, &why, &now_path);
    }
    let is_html = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("text/html")));
    if !is_html || !response.status().is_success() {
        return response;
    }
    let carried: Vec<(String, String)> =
        pairs.into_iter().filter(|(name, value)| is_moment(name) && !value.is_empty()).collect();
    with_links(response, &carried).await
}

fn refused(api: bool, why: &str, now_path: &str) -> Response {
    match api {
        true => Problem::bad_request(format!("{why} Leave `at` and `known` out.")).into_response(),
        false => Trouble::Asked(format!("{why} As of now: {now_path}")).into_response(),
    }
}

async fn with_links(response: Response, carried: &[(String, String)]) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_PAGE).await else {
        tracing::error!("a page of the past was too large");
        return Problem::busy(15).into_response();
    };
    let text = carry(&String::from_utf8_lossy(&bytes), carried);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    Response::from_parts(parts, Body::from(text))
}
