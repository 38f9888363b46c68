//! Lists that programs hand in as comma-separated text: tried first (`dry_run=true`), then taken
//! whole or not at all. Every bad line is named with its remedy.

use super::api::Asked;
use super::problem::Problem;
use super::rights::Actor;
use crate::app::App;
use crate::expected::{BadFile, BadLine, parse_groups, parse_hosts};
use crate::people_list;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use evidence::Digest;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A list of a hundred thousand hosts with owners and tags.
const MAX_BYTES: usize = 32 << 20;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/hosts/expected", post(expected))
        .route("/api/v1/groups", post(groups))
        .route("/api/v1/people-list", post(people))
        .route("/api/v1/isms/{id}/applicability.csv", post(applicability))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// An answer to a list.
pub(super) enum Told {
    Done(Value),
    Bad(BadFile),
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let bad = match self {
            Self::Done(value) => return Json(value).into_response(),
            Self::Bad(bad) => bad,
        };
        let line =
            |bad: &BadLine| json!({"line": bad.line, "reason": bad.reason, "remedy": bad.remedy});
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        // A problem (RFC 9457) with what is wrong as a member of its own.
        let body = json!({
            "type": "/problems/bad-lines", "title": "nothing was imported: some lines are wrong",
            "status": status.as_u16(), "bad": bad.0.iter().map(line).collect::<Vec<_>>(),
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, body.to_string()).into_response()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    #[serde(default)]
    dry_run: bool,
    /// Take a list without hosts: then none is expected.
    #[serde(default)]
    allow_empty: bool,
}

async fn expected(
    State(app): State<App>,
    Actor(actor): Actor,
    Asked(import): Asked<Import>,
    body: Bytes,
) -> Result<Told, Problem> {
    let list = match parse_hosts(&body) {
        Ok(list) => list,
        Err(bad) => return Ok(Told::Bad(bad)),
    };
    if list.entries.is_empty() && !import.allow_empty {
        let why = "the list names no host; with allow_empty=true none is expected any more";
        return Err(Problem::bad_request(why));
    }
    if import.dry_run {
        return Ok(Told::Done(json!({
            "dry_run": true, "expected": list.entries.len(), "ignored": list.ignored,
        })));
    }
    let (file, now_us) = (Digest::of(&body), app.clock.now_us());
    let done = app.store.expect_hosts(&list.entries, file, &actor, now_us).await?;
    Ok(Told::Done(json!({
        "dry_run": false, "expected": list.entries.len(), "ignored": list.ignored,
        "added": done.added, "changed": done.changed, "removed": done.removed,
        "unchanged": done.unchanged,
    })))
}

async fn groups(
    State(app): State<App>,
    Actor(actor): Actor,
    Asked(import): Asked<Import>,
    body: Bytes,
) -> Result<Told, Problem> {
    let groups = match parse_groups(&body) {
        Ok(groups) => groups,
        Err(bad) => return Ok(Told::Bad(bad)),
    };
    if !import.dry_run {
        app.store.describe_groups(&groups, &actor, app.clock.now_us()).await?;
    }
    Ok(Told::Done(json!({"dry_run": import.dry_run, "groups": groups.len()})))
}

async fn people(
    State(app): State<App>,
    Actor(actor): Actor,
    Asked(import): Asked<Import>,
    body: Bytes,
) -> Result<Told, Problem> {
    let file = match people_list::parse(&body) {
        Ok(file) => file,
        Err(bad) => return Ok(Told::Bad(bad)),
    };
    if import.dry_run {
        return Ok(Told::Done(json!({
            "dry_run": true, "listed": file.people.len(), "ignored": file.ignored,
        })));
    }
    let (digest, now_us) = (Digest::of(&body), app.clock.now_us());
    let done = app.store.import_people(&file.people, digest, &actor, now_us).await?;
    Ok(Told::Done(json!({
        "dry_run": false, "listed": done.listed, "ignored": file.ignored, "added": done.added,
        "moved": done.moved, "gone": done.gone,
    })))
}

async fn applicability(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(id): Path<String>,
    Asked(import): Asked<Import>,
    body: Bytes,
) -> Result<Told, Problem> {
    let known: BTreeSet<&str> =
        app.catalogue.controls().iter().map(|control| control.id.as_str()).collect();
    let entries = match crate::applicability::parse(&body, &known) {
        Ok(entries) => entries,
        Err(bad) => return Ok(Told::Bad(bad)),
    };
    if import.dry_run {
        app.store.isms(&id).await?.ok_or(Problem::not_found("no such ISMS"))?;
        return Ok(Told::Done(json!({"dry_run": true, "controls": entries.len()})));
    }
    let file = Some(Digest::of(&body));
    let now_us = app.clock.now_us();
    let done = app.store.write_applicability(&id, &entries, file, &actor, now_us).await?;
    let changed = done.map_err(super::applicability::refused)?;
    Ok(Told::Done(json!({"dry_run": false, "controls": entries.len(), "changed": changed})))
}
