//! Change windows in the API (JSON, or CSV with `dry_run`); `pages` has the same for people.

pub(super) mod pages;

use super::api::{Asked, Reader};
use super::list::{List, list};
use super::problem::Problem;
use super::rights::Caller;
use crate::app::App;
use crate::seat::Right;
use crate::store::{StoreError, WindowRefusal, WindowRow};
use crate::window::{self, Known, Wanted, hosts, moment};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use evidence::HostId;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Windows of one list.
const WINDOWS_SHOWN: i64 = 1000;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/windows", get(all).post(create))
        .route("/api/v1/windows/csv", post(import))
        .route("/api/v1/windows/{id}/cancel", post(cancel))
}

async fn all(State(app): State<App>, _: Reader) -> Result<Json<List<Value>>, Problem> {
    let now_us = app.clock.now_us();
    let rows = app.store.windows(WINDOWS_SHOWN).await?;
    Ok(list(rows.iter().map(|row| window_json(row, now_us)).collect()))
}

fn window_json(row: &WindowRow, now_us: i64) -> Value {
    let names = |sort: &str| row.names.get(sort).cloned().unwrap_or_default();
    json!({
        "id": row.id, "state": state(row, now_us), "from_us": row.from_us, "to_us": row.to_us,
        "ticket": row.ticket, "groups": names("group"), "hosts": names("host"),
        "rules": names("rule"), "kinds": names("kind"), "populations": names("population"),
        "created_by": row.created_by, "created_us": row.created_us,
        "cancelled_us": row.cancelled_us, "drifts": row.drifts, "open": row.open,
    })
}

/// `planned`, `holds`, `over`, `cancelled`.
pub(super) fn state(row: &WindowRow, now_us: i64) -> &'static str {
    match (row.cancelled_us, row.from_us <= now_us, row.to_us <= now_us) {
        (Some(_), ..) => "cancelled",
        (None, _, true) => "over",
        (None, true, _) => "holds",
        (None, false, _) => "planned",
    }
}

/// What there is to name, read once.
struct Named {
    rules: BTreeSet<String>,
    groups: BTreeSet<String>,
    hosts: BTreeMap<String, Vec<HostId>>,
}

impl Named {
    async fn load(app: &App) -> Result<Self, StoreError> {
        let mut hosts: BTreeMap<String, Vec<HostId>> = BTreeMap::new();
        for row in app.store.hosts().await? {
            hosts.entry(row.name).or_default().push(row.id);
        }
        let groups = app.store.host_groups().await?.into_iter().collect();
        let rules = app.judge.rules().rules().iter().map(|rule| rule.id.clone()).collect();
        Ok(Self { rules, groups, hosts })
    }

    fn known(&self) -> Known<'_> {
        Known { rules: &self.rules, groups: &self.groups, hosts: &self.hosts }
    }
}

/// A window, as the API and the form have it: moments are texts, hosts names or ids.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Asking {
    from: String,
    to: String,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default)]
    hosts: BTreeSet<String>,
    #[serde(default)]
    rules: BTreeSet<String>,
    #[serde(default)]
    kinds: BTreeSet<String>,
    #[serde(default)]
    populations: BTreeSet<String>,
    ticket: String,
}

/// The window that is asked for, or what is wrong with it.
fn wanted(asked: Asking, named: &Named, now_us: i64) -> Result<Wanted, String> {
    let known = named.known();
    let wanted = Wanted {
        from_us: moment(&asked.from).ok_or("from is a moment in UTC, 2026-11-27T22:00:00Z")?,
        to_us: moment(&asked.to).ok_or("to is a moment in UTC, 2026-11-27T23:00:00Z")?,
        hosts: hosts(&asked.hosts, &known).map_err(|wrong| wrong.to_string())?,
        groups: asked.groups,
        rules: asked.rules,
        kinds: asked.kinds,
        populations: asked.populations,
        ticket: asked.ticket,
    };
    wanted.check(&known, now_us).map_err(|wrong| wrong.to_string())?;
    Ok(wanted)
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Result<Json<Asking>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.needs(Right::PlanWindow)?;
    let Json(asked) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let now_us = app.clock.now_us();
    let named = Named::load(&app).await?;
    let wanted = wanted(asked, &named, now_us).map_err(Problem::bad_request)?;
    let ids = app.store.create_windows(&[wanted], &caller.id, now_us).await?;
    Ok((StatusCode::CREATED, Json(json!({"id": ids.first()}))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    #[serde(default)]
    dry_run: bool,
}

/// A CSV file as the body; with `dry_run` it is only looked at.
async fn import(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<ImportQuery>,
    body: axum::body::Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.needs(Right::PlanWindow)?;
    let now_us = app.clock.now_us();
    let named = Named::load(&app).await?;
    let windows = window::parse(&body, &named.known(), now_us);
    let windows = windows.map_err(|bad| Problem::bad_request(bad.to_string()))?;
    if query.dry_run {
        return Ok((StatusCode::OK, Json(json!({"windows": windows.len(), "ids": []}))));
    }
    let ids = app.store.create_windows(&windows, &caller.id, now_us).await?;
    Ok((StatusCode::CREATED, Json(json!({"windows": ids.len(), "ids": ids}))))
}

async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.needs(Right::PlanWindow)?;
    match app.store.cancel_window(&id, &caller.id, app.clock.now_us()).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(WindowRefusal::Unknown) => Err(Problem::not_found("no such window")),
        Err(WindowRefusal::Over) => {
            let (status, kind) = (StatusCode::CONFLICT, "/problems/window-state");
            Err(Problem::new(status, kind, "this window is over, or cancelled already"))
        }
    }
}
