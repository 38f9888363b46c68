//! `/api/v1/export/{what}`: a stream of records that is made page by page, as the reader takes it.

use super::api::{Asked, Reader};
use super::moment::Then;
use super::problem::Problem;
use crate::app::App;
use crate::export::{self, Ask, Format, Refused, What, header};
use crate::judge::RuleSet;
use crate::judged_then;
use crate::moment::{Moment, read_period, written};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde::Deserialize;
use std::sync::Arc;

const DAY_US: i64 = 86_400_000_000;

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/v1/export/{what}", get(export))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportQuery {
    format: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cursor: Option<String>,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Store(error) => error.into(),
            refused => Self::bad_request(refused.to_string()),
        }
    }
}

async fn export(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path(what): Path<String>,
    Asked(query): Asked<ExportQuery>,
) -> Result<Response, Problem> {
    let what: What = what.parse()?;
    let format: Format = query.format.as_deref().unwrap_or("jsonl").parse()?;
    let ask = match &query.cursor {
        Some(cursor) => {
            if then.moment.is_some() || query.from.is_some() || query.to.is_some() {
                return Err(Refused::CursorAlone.into());
            }
            Ask::resume(what, format, cursor)?
        }
        None => asked(&app, &then, &query, (what, format)).await?,
    };
    let moment = ask.moment;
    let now = app.judge.rules();
    let judged = judged_then::load(&app.store, &now, &app.catalogue, &moment).await?;
    if let Some(why) = judged.instead {
        return Err(Refused::Rules(why).into());
    }
    // What fails at once is a problem; what fails later breaks the stream off.
    let first = export::page(&app.store, &judged.rules, &ask).await?;
    let name = format!("evidenced-{}.{}", what.word(), format.extension());
    let head = if ask.after.is_none() { header(format, what) } else { String::new() };
    let begun = Step { app, rules: judged.rules, ask, ready: Some((head, first)) };
    let mut response = Body::from_stream(stream::try_unfold(begun, step)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    let told = [
        (CONTENT_DISPOSITION.as_str(), format!("attachment; filename=\"{name}\"")),
        ("evidenced-at", written(moment.at_us)),
        ("evidenced-log-size", moment.size().to_string()),
    ];
    for (name, value) in told {
        if let (Ok(name), Ok(value)) =
            (name.parse::<axum::http::HeaderName>(), HeaderValue::from_str(&value))
        {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

async fn asked(
    app: &App,
    then: &Then,
    query: &ExportQuery,
    (what, format): (What, Format),
) -> Result<Ask, Problem> {
    let now_us = then.at_us(app);
    let moment = match then.moment {
        Some(moment) => moment,
        // From its first record on it is of this moment, however long it takes.
        None => app.store.moment(now_us, None).await??,
    };
    if query.from.is_none() && query.to.is_none() {
        return Ok(Ask { what, format, from_us: None, moment, after: None }.checked()?);
    }
    let (from, to) = (query.from.as_deref(), query.to.as_deref());
    let (from_us, to_us) = read_period(from, to, &then.zone.zone(), now_us, 90 * DAY_US)?;
    let moment = Moment { at_us: to_us - 1, ..moment };
    Ok(Ask { what, format, from_us: Some(from_us), moment, after: None }.checked()?)
}

/// An export under way.
struct Step {
    app: App,
    rules: Arc<RuleSet>,
    ask: Ask,
    /// The page that was read to see that it can be.
    ready: Option<(String, export::Page)>,
}

async fn step(mut step: Step) -> Result<Option<(Bytes, Step)>, std::io::Error> {
    let (head, page) = match step.ready.take() {
        Some(ready) => ready,
        None if step.ask.after.is_none() => return Ok(None),
        None => {
            let page = export::page(&step.app.store, &step.rules, &step.ask).await;
            let page = page.map_err(|error| {
                tracing::error!(%error, "an export broke off");
                std::io::Error::other("the export broke off; go on with the last cursor")
            })?;
            (String::new(), page)
        }
    };
    step.ask.after = page.next;
    Ok(Some((Bytes::from(head + &page.text), step)))
}
