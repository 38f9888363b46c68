//! `/api/v1`: what programs read.

use super::list::{List, PageQuery, key, limit, page};
use super::moment::Then;
use super::problem::Problem;
use crate::app::App;
use crate::overview::INHERITED;
use crate::seat::LOG_READER;
use crate::store::HostKey;
use crate::store::model::{HostRow, ResultRow};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router};
use evidence::checkpoint::LogKey;
use evidence::{Digest, HostId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/hosts", get(hosts))
        .route("/api/v1/hosts/expected", get(super::fleet::expected))
        .route("/api/v1/hosts/{id}", get(host))
        .route("/api/v1/hosts/{id}/spans", get(super::fleet::spans))
        .route("/api/v1/groups", get(super::fleet::groups))
        .route("/api/v1/groups/hours", get(super::fleet::hours))
        .route("/api/v1/hosts/{id}/kinds/{kind}", get(kind))
        .route("/api/v1/hosts/{id}/gaps", get(super::gaps::of_host))
        .route("/api/v1/coverage", get(super::gaps::coverage))
        .route("/api/v1/results", get(results))
        .route("/api/v1/log/checkpoint", get(checkpoint))
        .merge(super::alerts::router())
        .merge(super::scope::router())
        .merge(super::applicability::router())
        .merge(super::people_list::router())
        .merge(super::import::router())
        .merge(super::exceptions::router())
        .merge(super::inherited::router())
        .merge(super::findings::router())
        .merge(super::records::router())
        .merge(super::lists::router())
        .merge(super::windows::router())
        .merge(super::reviews::router())
        .merge(super::export::router())
        .merge(super::rules::router())
}

/// A caller with a bearer token, or a person with a session.
pub struct Reader;

impl FromRequestParts<App> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let refused = Problem::bearer_needed("a bearer token is needed");
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            let session = super::session::LoggedIn::from_request_parts(parts, app).await;
            return session.map(|_| Self).map_err(|_| refused);
        };
        let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let Some(token) = token else { return Err(refused) };
        let seat = app.store.api_seat(Digest::of(token.as_bytes())).await?;
        if seat.as_deref() == Some(LOG_READER) {
            return Err(Problem::forbidden("this bearer token is for the log alone"));
        }
        seat.map(|_| Self).ok_or(Problem::bearer_needed("this bearer token is not known"))
    }
}

/// The query of a request; what it does not understand is a problem like any other.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let _ = app;
        // The moment is another extractor's; who takes none is refused a moment (`moment`).
        let rest = super::moment::rest_of(&parts.uri);
        let query = Query::try_from_uri(&rest);
        let Query(asked) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
        Ok(Self(asked))
    }
}

async fn hosts(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let now_us = then.at_us(&app);
    let (limit, after) = (limit(query.limit)?, key::<HostKey>(query.cursor.as_deref())?);
    if let Some(moment) = &then.moment {
        let mut hosts = app.store.hosts_at(moment).await?;
        hosts.retain(|host| {
            let this = (&host.name, host.id);
            after.as_ref().is_none_or(|HostKey(name, id)| this > (name, *id))
        });
        hosts.truncate(limit + 1);
        let item = |host: &HostRow| host_json(host, now_us, None);
        return Ok(page(hosts, limit, |host| HostKey(host.name.clone(), host.id), item));
    }
    let hosts = app.store.hosts_after(after.as_ref(), limit as i64 + 1).await?;
    let judged = app.store.judged_up_to(None).await?;
    let item = |host: &HostRow| host_json(host, now_us, judged.get(&host.id));
    Ok(page(hosts, limit, |host| HostKey(host.name.clone(), host.id), item))
}

async fn host(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = host_id(&id)?;
    let (store, moment) = (&app.store, then.moment.as_ref());
    let (host, judged, kinds) = match moment {
        None => {
            let judged = store.judged_up_to(Some(id)).await?;
            (store.host(id).await?, judged, store.kind_rows(id).await?)
        }
        Some(moment) => {
            let kinds = store.kind_rows_at(id, moment).await?;
            (store.host_at(id, moment).await?, BTreeMap::new(), kinds)
        }
    };
    let host = host.ok_or(Problem::not_found("no such host"))?;
    let mut value = host_json(&host, then.at_us(&app), judged.get(&id));
    let times = store.collected_at(id, moment).await?;
    let received = |kind: &str| times.get(kind).map(|(_, received_us)| *received_us);
    value["kinds"] = kinds
        .iter()
        .map(|kind| {
            (
                kind.kind.clone(),
                json!({
                    "status": kind.status, "facts": kind.facts, "unread": kind.unread,
                    "since_us": kind.since_us, "collected_us": kind.collected_us,
                    "observed_us": kind.collected_us, "received_us": received(&kind.kind),
                    "valid_until_us": host.valid_until_us(),
                }),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    Ok(Json(value))
}

/// Facts of one kind of a host with their sources.
pub(super) async fn kind(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path((id, kind)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let (id, store, moment) = (host_id(&id)?, &app.store, then.moment.as_ref());
    let (host, kinds) = match moment {
        None => (store.host(id).await?, store.kind_rows(id).await?),
        Some(moment) => (store.host_at(id, moment).await?, store.kind_rows_at(id, moment).await?),
    };
    let host = host.ok_or(Problem::not_found("no such host"))?;
    let received_us = store.collected_at(id, moment).await?.get(&kind).map(|times| times.1);
    let row = kinds.into_iter().find(|row| row.kind == kind);
    let row = row.ok_or(Problem::not_found("no such kind on this host"))?;
    let facts = match row.facts {
        Some(id) => app.store.facts_of_host(row.host, id).await?,
        None => None,
    };
    let erased_us = if facts.is_none() { store.erased(row.facts).await? } else { None };
    let facts = facts.map(|facts| json!({"kind": facts.kind, "v": facts.v, "data": facts.data}));
    Ok(Json(json!({
        "host": row.host, "kind": row.kind, "status": row.status, "sources": row.sources,
        "unread": row.unread, "since_us": row.since_us, "collected_us": row.collected_us,
        "observed_us": row.collected_us, "received_us": received_us,
        "valid_until_us": host.valid_until_us(),
        "facts_id": row.facts, "facts": facts, "erased_us": erased_us,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultQuery {
    host: Option<String>,
    rule: Option<String>,
    outcome: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn results(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Asked(query): Asked<ResultQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let host = query.host.as_deref().map(host_id).transpose()?;
    if let Some(outcome) = &query.outcome
        && !["pass", "fail", "unknown", "not_applicable", INHERITED].contains(&outcome.as_str())
    {
        let known = "outcome is one of pass, fail, unknown, not_applicable, inherited";
        return Err(Problem::bad_request(known));
    }
    let (limit, after) = (limit(query.limit)?, key::<(HostId, String)>(query.cursor.as_deref())?);
    // As on the pages: what a silent host said last is unknown here too.
    let overview = match &then.moment {
        None => app.overview(app.clock.now_us()).await?,
        Some(moment) => {
            let (judged, overview) = app.overview_at(moment).await?;
            if let Some(why) = judged.instead {
                return Err(Problem::bad_request(why));
            }
            overview
        }
    };
    let heard: BTreeMap<HostId, (Option<i64>, Option<i64>)> = overview
        .hosts
        .iter()
        .map(|host| (host.id, (host.last_received_us, host.valid_until_us())))
        .collect();
    let (mut rows, excepted) = (overview.results, overview.excepted);
    let (inherited, silent) = (overview.inherited, overview.terms.silent);
    rows.retain(|row| {
        host.is_none_or(|host| host == row.host)
            && query.rule.as_ref().is_none_or(|rule| *rule == row.rule)
            && query.outcome.as_ref().is_none_or(|outcome| *outcome == row.outcome)
            && after.as_ref().is_none_or(|(host, rule)| (row.host, &row.rule) > (*host, rule))
    });
    rows.sort_by(|a, b| (a.host, &a.rule).cmp(&(b.host, &b.rule)));
    let parents = match &then.moment {
        None => app.store.silent_hosts().await?,
        Some(moment) => app.store.silent_hosts_at(moment).await?,
    };
    let item = |row: &ResultRow| {
        let mut value = result_json(row);
        let (received, until) = heard.get(&row.host).copied().unwrap_or_default();
        value["observed_us"] = json!(row.since_us);
        value["received_us"] = json!(received);
        value["valid_until_us"] = json!(until);
        let excepted = excepted.get(&(row.host, row.rule.clone()));
        value["exception"] =
            json!(excepted.filter(|_| row.outcome == "fail").map(|by| &by.exception));
        if let Some(by) = inherited.get(&(row.host, row.rule.clone())) {
            value["inherited"] = json!(by.statement);
            value["host_outcome"] = json!(by.outcome);
        }
        // A failure outlives the silence of its host: nothing ended it.
        value["not_seen_since_us"] = json!(silent.get(&row.host).filter(|_| row.outcome == "fail"));
        if row.reason.as_deref() == Some("not_reporting") {
            // The one drift that stands for all of them; none while its host has time left.
            value["parent"] = json!(parents.get(&row.host));
        }
        value
    };
    Ok(page(rows, limit, |row| (row.host, row.rule.clone()), item))
}

/// The log's checkpoint as C2SP text, and its parts.
async fn checkpoint(State(app): State<App>, _: Reader) -> Result<Json<Value>, Problem> {
    let state = app.store.log().await?;
    let keys = app.keys.now();
    let checkpoint = keys.signer.checkpoint(state);
    let vkeys: Vec<_> = keys.signer.public().iter().map(LogKey::vkey).collect();
    Ok(Json(json!({
        "origin": checkpoint.origin, "size": state.size, "root": state.root,
        "note": checkpoint.note, "key": vkeys.first(), "keys": vkeys,
    })))
}

pub(super) fn host_id(text: &str) -> Result<HostId, Problem> {
    text.parse().map_err(|_| Problem::bad_request("a host id is a ULID of 26 characters"))
}

fn host_json(host: &HostRow, now_us: i64, judged: Option<&(i64, i64)>) -> Value {
    // -1 and day 0: nothing of it was judged.
    let judged = judged.filter(|(index, _)| *index >= 0);
    json!({
        "id": host.id, "name": host.name, "group": host.group, "state": host.state,
        "silent": host.is_silent(now_us), "enrolled_us": host.enrolled_us,
        "last_received_us": host.last_received_us, "valid_until_us": host.valid_until_us(),
        "revoked_us": host.revoked_us, "next_due_s": host.next_due_s,
        "agent": host.agent, "manifest": host.manifest,
        "judged_index": judged.map(|(index, _)| index), "judged_day": judged.map(|(_, day)| day),
    })
}

pub(super) fn result_json(row: &ResultRow) -> Value {
    json!({
        "host": row.host, "rule": row.rule, "outcome": row.outcome, "reason": row.reason,
        "offenders": row.offenders, "since_us": row.since_us, "known": row.known,
        "cause": row.cause,
    })
}
