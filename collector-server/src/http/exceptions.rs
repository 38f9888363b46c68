//! Exceptions in the API: asked for, decided by a risk owner, withdrawn, renewed. `pages` has the
//! same for people.

pub(super) mod pages;

use super::api::{Asked, Reader};
use super::input::{Body, Note, body, micros};
use super::list::{List, list};
use super::problem::Problem;
use super::rights::Caller;
use crate::app::App;
use crate::exception::{Scope, State as Standing, Wanted, Wrong};
use crate::seat::Right;
use crate::store::{CoverRow, ExceptionRefusal, ExceptionRow};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Failures that an exception covers or covered, shown with it.
const COVERS_SHOWN: i64 = 200;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/exceptions", get(all).post(request))
        .route("/api/v1/exceptions/{id}", get(one))
        .route("/api/v1/exceptions/{id}/approve", post(approve))
        .route("/api/v1/exceptions/{id}/refuse", post(refuse))
        .route("/api/v1/exceptions/{id}/withdraw", post(withdraw))
        .route("/api/v1/exceptions/{id}/renew", post(renew))
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
    let mut rows = app.store.exceptions().await?;
    rows.retain(|row| {
        query.state.as_deref().is_none_or(|state| row.state(now_us).as_str() == state)
    });
    Ok(list(rows.iter().map(|row| exception_json(row, &app, now_us)).collect()))
}

async fn one(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    shown(&app, &id).await
}

async fn shown(app: &App, id: &str) -> Result<Json<Value>, Problem> {
    let row = app.store.exception(id).await?.ok_or(Problem::not_found("no such exception"))?;
    let mut value = exception_json(&row, app, app.clock.now_us());
    let covers = app.store.covers_of(id, COVERS_SHOWN).await?;
    let cover = |row: &CoverRow| {
        json!({
            "host": row.host, "rule": row.rule, "from_us": row.from_us, "to_us": row.to_us,
            "ended": row.ended,
        })
    };
    value["failures"] = covers.iter().map(cover).collect();
    Ok(Json(value))
}

/// What is asked for, as the API has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    rules: Vec<String>,
    scope: String,
    #[serde(default)]
    scope_name: String,
    reason: String,
    measure: String,
    #[serde(default)]
    ticket: String,
    risk: String,
    until_us: i64,
}

async fn request(
    State(app): State<App>,
    caller: Caller,
    asked: Body<Request>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.needs(Right::RequestException)?;
    let asked = body(asked)?;
    let scope = Scope::read(&asked.scope, &asked.scope_name);
    let scope = scope.ok_or(Problem::bad_request(
        "scope is organisation, or group or host with scope_name: a group or a host id",
    ))?;
    let wanted = Wanted {
        rules: severities(&app, &asked.rules).map_err(|wrong| wrong_problem(&wrong))?,
        scope,
        reason: asked.reason,
        measure: asked.measure,
        ticket: asked.ticket,
        risk: asked.risk,
        until_us: asked.until_us,
    };
    let now_us = app.clock.now_us();
    wanted.check(max_us(&app), now_us).map_err(|wrong| wrong_problem(&wrong))?;
    let id = app.store.request_exception(&wanted, None, &caller.id, now_us).await?;
    let id = id.map_err(|refusal| refusal_problem(&refusal))?;
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
    caller.needs(Right::DecideException)?;
    let note = body(note)?;
    let now_us = app.clock.now_us();
    let done = app.store.decide_exception(&id, &caller.id, approved, note.text()?, now_us).await?;
    done.map_err(|refusal| refusal_problem(&refusal))?;
    app.alerts.notify_one();
    shown(&app, &id).await
}

async fn withdraw(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    note: Body<Note>,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::WithdrawException)?;
    let note = body(note)?;
    let now_us = app.clock.now_us();
    let done = app.store.withdraw_exception(&id, &caller.id, note.text()?, now_us).await?;
    done.map_err(|refusal| refusal_problem(&refusal))?;
    app.alerts.notify_one();
    shown(&app, &id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewal {
    reason: String,
    until_us: i64,
}

async fn renew(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    asked: Body<Renewal>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.needs(Right::RequestException)?;
    let asked = body(asked)?;
    let now_us = app.clock.now_us();
    let row = app.store.exception(&id).await?.ok_or(Problem::not_found("no such exception"))?;
    let wanted = renewed(&app, &row, asked.reason, asked.until_us);
    wanted.check(max_us(&app), now_us).map_err(|wrong| wrong_problem(&wrong))?;
    let new = app.store.request_exception(&wanted, Some(&id), &caller.id, now_us).await?;
    let new = new.map_err(|refusal| refusal_problem(&refusal))?;
    Ok((StatusCode::CREATED, shown(&app, &new).await?))
}

/// The same exception for another while. Rules that judge no more are left out.
fn renewed(app: &App, row: &ExceptionRow, reason: String, until_us: i64) -> Wanted {
    let rules = app.judge.rules();
    let live = row.rules.keys().filter_map(|rule| rules.get(rule));
    Wanted {
        rules: live.map(|rule| (rule.id.clone(), rule.severity.as_str().to_owned())).collect(),
        scope: row.scope.clone(),
        reason,
        measure: row.measure.clone(),
        ticket: row.ticket.clone(),
        risk: row.risk.clone(),
        until_us,
    }
}

/// The rules with their severities; refused if one does not judge.
pub(super) fn severities(app: &App, rules: &[String]) -> Result<BTreeMap<String, String>, Wrong> {
    let judging = app.judge.rules();
    let one = |id: &String| {
        let rule = judging.get(id).ok_or_else(|| Wrong::UnknownRule(id.clone()))?;
        Ok((id.clone(), rule.severity.as_str().to_owned()))
    };
    rules.iter().map(one).collect()
}

fn max_us(app: &App) -> i64 {
    micros(&app.config.exceptions.max_duration)
}

fn unneeded_us(app: &App) -> i64 {
    micros(&app.config.exceptions.unneeded_after)
}

fn wrong_problem(wrong: &Wrong) -> Problem {
    Problem::bad_request(wrong.to_string())
}

pub(super) fn refusal_problem(refusal: &ExceptionRefusal) -> Problem {
    match refusal {
        ExceptionRefusal::Unknown => Problem::not_found("there is none of this id"),
        ExceptionRefusal::OwnRequest
        | ExceptionRefusal::NotRiskOwner
        | ExceptionRefusal::NotApprover => {
            Problem::forbidden("the decision is not yours").detail(refusal.to_string())
        }
        ExceptionRefusal::NotWaiting | ExceptionRefusal::NotActive => {
            let (status, kind) = (StatusCode::CONFLICT, "/problems/exception-state");
            Problem::new(status, kind, "nothing was changed").detail(refusal.to_string())
        }
    }
}

fn exception_json(row: &ExceptionRow, app: &App, now_us: i64) -> Value {
    json!({
        "id": row.id, "state": row.state(now_us).as_str(),
        "rules": row.rules.keys().collect::<Vec<_>>(), "scope": row.scope.sort(),
        "scope_name": row.scope.name(), "reason": row.reason, "measure": row.measure,
        "ticket": row.ticket, "risk": row.risk, "requested_by": row.requested_by,
        "requested_us": row.requested_us, "until_us": row.until_us, "renews": row.renews,
        "renewals": row.renewals, "decision": row.decision, "decided_by": row.decided_by,
        "decided_us": row.decided_us, "note": row.note, "withdrawn_us": row.ended_us,
        "withdrawn_by": row.ended_by, "withdrawn_note": row.end_note, "covers": row.covers,
        "unneeded": row.is_unneeded(unneeded_us(app), now_us),
    })
}
