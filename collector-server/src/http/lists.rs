//! Approved lists in the API; `pages` has the same for people.

pub(super) mod pages;

use super::api::{Asked, Reader};
use super::list::{List, list};
use super::problem::Problem;
use super::rights::Caller;
use crate::app::App;
use crate::approved::Standing;
use crate::exception::MAX_TEXT;
use crate::seat::Right;
use crate::store::{Decision, ListRefusal, ListRow, MemberRow};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/lists", get(all))
        .route("/api/v1/lists/{group}/{population}", get(one))
        .route("/api/v1/lists/{group}/{population}/learn", post(learn))
        .route("/api/v1/lists/{group}/{population}/decide", post(decide))
}

async fn all(State(app): State<App>, _: Reader) -> Result<Json<List<Value>>, Problem> {
    let rows = app.store.lists().await?;
    let item = |row: &ListRow| {
        json!({
            "group": row.group, "population": row.population, "learnt_us": row.learnt_us,
            "present": row.present, "accepted": row.accepted, "proposed": row.proposed,
            "deviating": row.deviating,
        })
    };
    Ok(list(rows.iter().map(item).collect()))
}

async fn one(
    State(app): State<App>,
    _: Reader,
    Path((group, population)): Path<(String, String)>,
    Asked(query): Asked<AtQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let Some(at_us) = query.at_us else { return shown(&app, &group, &population).await };
    let lists = app.store.lists_at(&group, at_us).await?;
    let list_then = lists.get(&population);
    let list_then = list_then.ok_or(Problem::not_found("nobody had learnt this list then"))?;
    let item = |(member, standing): (&String, &Standing)| json!({"member": member, "state": standing.as_str()});
    Ok(list(list_then.members.iter().map(item).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtQuery {
    /// The list as it was then, in microseconds; left out: as it is, with who shows its members.
    at_us: Option<i64>,
}

async fn shown(app: &App, group: &str, population: &str) -> Result<Json<List<Value>>, Problem> {
    let item = |row: &MemberRow| {
        json!({
            "member": row.member, "state": row.standing.map(Standing::as_str),
            "hosts": row.hosts, "since_us": row.since_us, "decided_by": row.decided_by,
            "decided_us": row.decided_us, "expires_us": row.expires_us, "note": row.note,
        })
    };
    let rows = app.store.list_members(group, population).await?;
    Ok(list(rows.iter().map(item).collect()))
}

async fn learn(
    State(app): State<App>,
    caller: Caller,
    Path((group, population)): Path<(String, String)>,
) -> Result<(StatusCode, Json<List<Value>>), Problem> {
    caller.needs(Right::KeepLists)?;
    let now_us = app.clock.now_us();
    let done = app.store.learn_list(&group, &population, &caller.id, now_us).await?;
    done.map_err(refused)?;
    Ok((StatusCode::CREATED, shown(&app, &group, &population).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    /// `accepted`, `refused` or `removed`.
    state: String,
    members: BTreeSet<String>,
    #[serde(default)]
    expires_us: Option<i64>,
    #[serde(default)]
    note: String,
}

async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path((group, population)): Path<(String, String)>,
    body: Result<Json<Decided>, JsonRejection>,
) -> Result<Json<List<Value>>, Problem> {
    caller.needs(Right::KeepLists)?;
    let Json(asked) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let now_us = app.clock.now_us();
    let standing = decidable(&asked.state)
        .ok_or(Problem::bad_request("state is accepted, refused or removed"))?;
    if asked.expires_us.is_some_and(|us| us <= now_us) {
        return Err(Problem::bad_request("expires_us is not in the future"));
    }
    if asked.note.chars().count() > MAX_TEXT {
        return Err(Problem::bad_request(format!("a note has at most {MAX_TEXT} characters")));
    }
    let decision = Decision {
        standing,
        members: asked.members,
        expires_us: asked.expires_us,
        note: asked.note.trim().to_owned(),
    };
    let done = app.store.decide_members(&group, &population, &decision, &caller.id, now_us).await?;
    done.map_err(refused)?;
    app.judge_now();
    shown(&app, &group, &population).await
}

/// What a person may make of a member.
fn decidable(word: &str) -> Option<Standing> {
    let standing = Standing::from_word(word)?;
    matches!(standing, Standing::Accepted | Standing::Refused | Standing::Removed)
        .then_some(standing)
}

fn refused(refusal: ListRefusal) -> Problem {
    match refusal {
        ListRefusal::UnknownPopulation => Problem::not_found("no such population"),
        ListRefusal::UnknownGroup => Problem::not_found("no host in service is in this group"),
        ListRefusal::Learnt | ListRefusal::NotLearnt => {
            let kind = "/problems/list-state";
            Problem::new(StatusCode::CONFLICT, kind, "nothing was changed")
                .detail(refusal.to_string())
        }
        ListRefusal::NoMembers | ListRefusal::UnknownMember => {
            Problem::bad_request(refusal.to_string())
        }
    }
}
