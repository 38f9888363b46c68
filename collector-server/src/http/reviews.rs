//! Access reviews in the API; `pages` has the same for people.

pub(super) mod pages;

use super::api::Reader;
use super::input::{Body, body};
use super::list::{List, list};
use super::problem::Problem;
use super::rights::Caller;
use crate::app::App;
use crate::people_list;
use crate::seat::Right;
use crate::store::{NewReview, ReviewMember, ReviewRefusal, ReviewRow};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How long a review may take when nothing else is said: 30 days.
const DUE_US: i64 = 30 * 86_400_000_000;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/reviews", get(all).post(start))
        .route("/api/v1/reviews/{id}", get(one))
        .route("/api/v1/reviews/{id}/decide", post(decide))
        .route("/api/v1/reviews/{id}/sign", post(sign))
}

fn review_json(row: &ReviewRow) -> Value {
    json!({
        "id": row.id, "group": row.host_group, "started_by": row.started_by,
        "started_us": row.started_us, "due_us": row.due_us, "signed_by": row.signed_by,
        "signed_us": row.signed_us, "digest": row.digest, "members": row.members,
        "undecided": row.undecided, "removals": row.removals,
        "open_removals": row.open_removals,
    })
}

async fn all(State(app): State<App>, _: Reader) -> Result<Json<List<Value>>, Problem> {
    let rows = app.store.reviews().await?;
    Ok(list(rows.iter().map(review_json).collect()))
}

async fn one(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    shown(&app, &id).await
}

async fn shown(app: &App, id: &str) -> Result<Json<Value>, Problem> {
    let rows = app.store.reviews().await?;
    let row = rows.iter().find(|row| row.id == id).ok_or(Problem::not_found("no such review"))?;
    let mut value = review_json(row);
    let member = |row: &ReviewMember| {
        json!({
            "n": row.n, "group": row.host_group, "population": row.population,
            "member": row.member, "class": row.class, "hosts": row.hosts,
            "since_us": row.since_us, "decision": row.decision, "decided_by": row.decided_by,
            "decided_us": row.decided_us, "gone_us": row.gone_us,
        })
    };
    value["rows"] = app.store.review_members(id).await?.iter().map(member).collect();
    Ok(Json(value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Starting {
    /// Left out: every group.
    #[serde(default)]
    group: String,
    /// Accounts of people who left, beside those of the people list.
    #[serde(default)]
    leavers: BTreeSet<String>,
    #[serde(default)]
    due_us: Option<i64>,
}

async fn start(
    State(app): State<App>,
    caller: Caller,
    asked: Body<Starting>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.needs(Right::Review)?;
    let asked = body(asked)?;
    let now_us = app.clock.now_us();
    let due_us = asked.due_us.unwrap_or(now_us + DUE_US);
    if due_us <= now_us {
        return Err(Problem::bad_request("due_us is not in the future"));
    }
    let mut leavers = asked.leavers;
    leavers.extend(people_list::leavers(&app.store, now_us).await?);
    let new = NewReview { group: asked.group, leavers, due_us };
    let id = app.store.start_review(&new, &caller.id, now_us).await?.map_err(refused)?;
    Ok((StatusCode::CREATED, shown(&app, &id).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deciding {
    rows: BTreeSet<i64>,
    /// `keep` or `remove`.
    decision: String,
}

async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    asked: Body<Deciding>,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::Review)?;
    let asked = body(asked)?;
    let keep = match asked.decision.as_str() {
        "keep" => true,
        "remove" => false,
        _ => return Err(Problem::bad_request("decision is keep or remove")),
    };
    let now_us = app.clock.now_us();
    let done = app.store.decide_review(&id, &asked.rows, keep, &caller.id, now_us).await?;
    done.map_err(refused)?;
    shown(&app, &id).await
}

async fn sign(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::Review)?;
    let done = app.store.sign_review(&id, &caller.id, app.clock.now_us()).await?;
    done.map_err(refused)?;
    app.judge_now();
    shown(&app, &id).await
}

fn refused(refusal: ReviewRefusal) -> Problem {
    match refusal {
        ReviewRefusal::Unknown => Problem::not_found("no such review"),
        ReviewRefusal::Nobody => Problem::not_found("hosts show nobody to review there"),
        ReviewRefusal::Open | ReviewRefusal::Signed | ReviewRefusal::Undecided => {
            let (status, kind) = (StatusCode::CONFLICT, "/problems/review-state");
            Problem::new(status, kind, "nothing was changed").detail(refusal.to_string())
        }
    }
}
