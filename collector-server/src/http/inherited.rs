//! Inherited evidence in the API: asked for, decided by another, ended. `pages` has the same for
//! people.

pub(super) mod pages;

use super::api::{Asked, Reader};
use super::exceptions::{refusal_problem, severities};
use super::input::{Body, Note, body, micros};
use super::list::{List, list};
use super::problem::Problem;
use super::rights::Caller;
use crate::app::App;
use crate::exception::State as Standing;
use crate::inherited::Wanted;
use crate::seat::Right;
use crate::store::{Decider, InheritedRow};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/inherited", get(all).post(request))
        .route("/api/v1/inherited/{id}", get(one))
        .route("/api/v1/inherited/{id}/approve", post(approve))
        .route("/api/v1/inherited/{id}/refuse", post(refuse))
        .route("/api/v1/inherited/{id}/end", post(end))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    state: Option<String>,
}

async fn all(
    State(app): State<App>,
    _: Reader,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let known = Standing::ALL.map(Standing::as_str);
    if query.state.as_deref().is_some_and(|state| !known.contains(&state)) {
        return Err(Problem::bad_request(format!("state is one of {}", known.join(", "))));
    }
    let now_us = app.clock.now_us();
    let mut rows = app.store.inherited().await?;
    rows.retain(|row| {
        query.state.as_deref().is_none_or(|state| row.state(now_us).as_str() == state)
    });
    Ok(list(rows.iter().map(|row| inherited_json(row, now_us)).collect()))
}

async fn one(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    shown(&app, &id).await
}

async fn shown(app: &App, id: &str) -> Result<Json<Value>, Problem> {
    let rows = app.store.inherited().await?;
    let row = rows.iter().find(|row| row.id == id);
    let row = row.ok_or(Problem::not_found("no such statement of inherited evidence"))?;
    Ok(Json(inherited_json(row, app.clock.now_us())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    rules: Vec<String>,
    group: String,
    provider: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    source_hash: String,
    reason: String,
    until_us: i64,
}

async fn request(
    State(app): State<App>,
    caller: Caller,
    asked: Body<Request>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.needs(Right::RequestInherited)?;
    let asked = body(asked)?;
    let rules = severities(&app, &asked.rules);
    let wanted = Wanted {
        rules: rules.map_err(|wrong| Problem::bad_request(wrong.to_string()))?,
        group: asked.group,
        provider: asked.provider,
        source: asked.source,
        source_hash: asked.source_hash,
        reason: asked.reason,
        until_us: asked.until_us,
    };
    let now_us = app.clock.now_us();
    let checked = wanted.check(max_us(&app), now_us);
    checked.map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    let id = app.store.request_inherited(&wanted, &caller.id, now_us).await?;
    Ok((StatusCode::CREATED, shown(&app, &id).await?))
}

async fn approve(
    state: State<App>,
    caller: Caller,
    id: Path<String>,
    note: Body<Note>,
) -> Result<Json<Value>, Problem> {
    decide(state, caller, id, note, true).await
}

async fn refuse(
    state: State<App>,
    caller: Caller,
    id: Path<String>,
    note: Body<Note>,
) -> Result<Json<Value>, Problem> {
    decide(state, caller, id, note, false).await
}

async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    note: Body<Note>,
    approved: bool,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::DecideInherited)?;
    let note = body(note)?;
    let (by, now_us) = (Decider::in_person(&caller.id), app.clock.now_us());
    let done = app.store.decide_inherited(&id, by, approved, note.text()?, now_us).await?;
    done.map_err(|refusal| refusal_problem(&refusal))?;
    app.alerts.notify_one();
    shown(&app, &id).await
}

async fn end(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    note: Body<Note>,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::RequestInherited)?;
    let note = body(note)?;
    let now_us = app.clock.now_us();
    let done = app.store.end_inherited(&id, &caller.id, note.text()?, now_us).await?;
    done.map_err(|refusal| refusal_problem(&refusal))?;
    app.alerts.notify_one();
    shown(&app, &id).await
}

fn max_us(app: &App) -> i64 {
    micros(&app.config.inherited.max_duration)
}

fn inherited_json(row: &InheritedRow, now_us: i64) -> Value {
    json!({
        "id": row.id, "state": row.state(now_us).as_str(), "rules": row.rules,
        "group": row.host_group, "provider": row.provider, "source": row.source,
        "source_hash": row.source_hash, "reason": row.reason, "requested_by": row.requested_by,
        "requested_us": row.requested_us, "until_us": row.until_us, "decision": row.decision,
        "decided_by": row.decided_by, "decided_us": row.decided_us, "note": row.note,
        "ended_us": row.ended_us, "ended_by": row.ended_by, "end_note": row.end_note,
    })
}
