//! `/api/v1/isms/{id}/applicability`: versions of a Statement of Applicability, and their life.

use super::api::{Asked, Reader};
use super::list::{List, list};
use super::moment::Then;
use super::problem::Problem;
use super::rights::Actor;
use crate::app::App;
use crate::applicability::{Entry, Sum, whole, write};
use crate::moment::Moment;
use crate::store::{ApplicabilityRefusal, Isms, Version};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/isms/{id}/applicability", get(one).post(put))
        .route("/api/v1/isms/{id}/applicability.csv", get(csv))
        .route("/api/v1/isms/{id}/applicability/versions", get(versions))
        .route("/api/v1/isms/{id}/applicability/submit", post(submit))
        .route("/api/v1/isms/{id}/applicability/approve", post(approve))
        .route("/api/v1/isms/{id}/applicability/return", post(give_back))
}

/// A statement as it is read: the newest version, or the one that was asked for.
pub(super) struct Statement {
    pub(super) isms: Isms,
    pub(super) versions: Vec<Version>,
    /// None before the first.
    pub(super) version: Option<Version>,
    /// One for every control of the catalogue.
    pub(super) entries: Vec<Entry>,
}

impl Statement {
    /// None for an unknown ISMS or version.
    pub(super) async fn load(
        app: &App,
        isms: &str,
        number: Option<i64>,
        moment: Option<&Moment>,
    ) -> Result<Option<Self>, Problem> {
        let Some(isms) = app.store.isms(isms).await? else { return Ok(None) };
        let mut versions = app.store.applicability_versions(&isms.id).await?;
        if let Some(moment) = moment {
            // What was a draft then is not known any more: drafts are written over.
            versions.retain(|version| version.is_approved_at(moment));
        }
        let version = match number {
            Some(number) => {
                let Some(version) = versions.iter().find(|v| v.version == number) else {
                    return Ok(None);
                };
                Some(version.clone())
            }
            None => versions.first().cloned(),
        };
        let entries = match &version {
            Some(version) => app.store.applicability_entries(&isms.id, version.version).await?,
            None => vec![],
        };
        let rules = app.judge.rules();
        let controls = rules.catalogue().controls().iter().map(|control| control.id.as_str());
        let entries = whole(&entries, controls);
        Ok(Some(Self { isms, versions, version, entries }))
    }
}

/// Evidence states of an ISMS, by control.
pub(super) async fn states(
    app: &App,
    isms: &Isms,
    moment: Option<&Moment>,
) -> Result<BTreeMap<String, &'static str>, Problem> {
    let now_us = moment.map_or_else(|| app.clock.now_us(), |moment| moment.at_us);
    let (rules, overview, groups) = match moment {
        None => (app.judge.rules(), app.overview(now_us).await?, isms.groups.clone()),
        Some(moment) => {
            let (judged, overview) = app.overview_at(moment).await?;
            (judged.rules, overview, app.store.isms_groups_at(&isms.id, moment).await?)
        }
    };
    let scope = crate::scope::Scope::Isms(isms.id.clone());
    let hosts = scope.hosts(&overview.hosts, &groups);
    let judged_by = (rules.as_ref(), rules.catalogue());
    let controls = overview.within(judged_by, (&scope, &hosts), now_us).into_iter();
    Ok(controls.map(|(control, status)| (control.id, status.state.as_str())).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionQuery {
    version: Option<i64>,
}

async fn one(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path(id): Path<String>,
    Asked(query): Asked<VersionQuery>,
) -> Result<Json<Value>, Problem> {
    let moment = then.moment.as_ref();
    let statement = Statement::load(&app, &id, query.version, moment).await?;
    let statement = statement.ok_or(Problem::not_found("no such ISMS or version"))?;
    let states = states(&app, &statement.isms, moment).await?;
    let entry = |entry: &Entry| {
        let mut value = json!(entry);
        value["evidence_state"] = json!(states.get(&entry.control));
        value
    };
    let sum = Sum::of(&statement.entries);
    Ok(Json(json!({
        "isms": statement.isms.id, "version": statement.version, "sum": sum,
        "items": statement.entries.iter().map(entry).collect::<Vec<_>>(), "next": null,
    })))
}

pub(super) async fn csv(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
    Asked(query): Asked<VersionQuery>,
) -> Result<Response, Problem> {
    let statement = Statement::load(&app, &id, query.version, None).await?;
    let statement = statement.ok_or(Problem::not_found("no such ISMS or version"))?;
    let states = states(&app, &statement.isms, None).await?;
    let said = |id: &str| {
        let title = app.judge.rules().catalogue().get(id).map(|control| control.title.clone());
        (title.unwrap_or_default(), states.get(id).copied().unwrap_or_default().to_owned())
    };
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"applicability.csv\""),
    ];
    Ok((headers, write(&statement.entries, said)).into_response())
}

async fn versions(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<List<Value>>, Problem> {
    let versions = app.store.applicability_versions(&id).await?;
    Ok(list(versions.iter().map(|version| json!(version)).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    entries: Vec<Entry>,
}

async fn put(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(id): Path<String>,
    body: Result<Json<Entries>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(Entries { entries }) =
        body.map_err(|error| Problem::bad_request(error.body_text()))?;
    if let Some(entry) =
        entries.iter().find(|e| app.judge.rules().catalogue().get(&e.control).is_none())
    {
        return Err(Problem::bad_request(format!("there is no control {}", entry.control)));
    }
    let now_us = app.clock.now_us();
    let done = app.store.write_applicability(&id, &entries, None, &actor, now_us).await?;
    Ok(Json(json!({"changed": done.map_err(refused)?})))
}

async fn submit(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let rules = app.judge.rules();
    let controls: Vec<&str> =
        rules.catalogue().controls().iter().map(|control| control.id.as_str()).collect();
    let now_us = app.clock.now_us();
    let done = app.store.submit_applicability(&id, &controls, &actor, now_us).await?;
    Ok(Json(json!({"version": done.map_err(refused)?, "submitted_us": now_us})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    version: i64,
    /// When what is approved was submitted: it was not changed since it was read.
    submitted_us: i64,
}

async fn approve(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(id): Path<String>,
    body: Result<Json<Approval>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    if actor.starts_with("token ") {
        // Two tokens are no two people.
        return Err(Problem::forbidden("a person approves, not a program"));
    }
    let Json(seen) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let seen = (seen.version, seen.submitted_us);
    let done = app.store.approve_applicability(&id, seen, &actor, app.clock.now_us()).await?;
    done.map(|()| StatusCode::NO_CONTENT).map_err(refused)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    version: i64,
    reason: String,
}

async fn give_back(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(id): Path<String>,
    body: Result<Json<Reason>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (number, reason, now_us) = (body.version, body.reason.trim(), app.clock.now_us());
    if reason.is_empty() || reason.chars().count() > 2000 {
        return Err(Problem::bad_request("a reason has 1 to 2000 characters"));
    }
    let done = app.store.return_applicability(&id, number, reason, &actor, now_us).await?;
    done.map(|()| StatusCode::NO_CONTENT).map_err(refused)
}

pub(super) fn refused(refusal: ApplicabilityRefusal) -> Problem {
    let conflict = |title| Problem::new(StatusCode::CONFLICT, "/problems/applicability", title);
    match &refusal {
        ApplicabilityRefusal::UnknownIsms => Problem::not_found("no such ISMS"),
        ApplicabilityRefusal::Author => {
            Problem::forbidden("who wrote in a version does not approve it")
        }
        ApplicabilityRefusal::NoDraft | ApplicabilityRefusal::NotSubmitted => {
            conflict("the statement does not stand there").detail(refusal.to_string())
        }
        ApplicabilityRefusal::Changed => conflict("it was changed since; read it again"),
        ApplicabilityRefusal::Unfinished(_) => {
            conflict("the draft is not finished").detail(refusal.to_string())
        }
        ApplicabilityRefusal::Entry(_) => Problem::bad_request(refusal.to_string()),
    }
}
