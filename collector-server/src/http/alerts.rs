//! `/api/v1/drifts`, `/api/v1/alerts` and `/api/v1/deliveries`: lists with a cursor, newest first,
//! and the acknowledgement of an alert.

use super::api::{Asked, Reader, host_id};
use super::list::{List, key, limit, page};
use super::moment::Then;
use super::problem::Problem;
use super::rights::Caller;
use crate::app::App;
use crate::seat::Right;
use crate::store::model::{AlertRow, DriftRow};
use crate::store::{AcknowledgeRefusal, AlertFilter, DeliveryFilter, DeliveryRow, DriftFilter};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use evidence::HostId;
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest note, in characters.
const MAX_NOTE: usize = 2000;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/drifts", get(drifts))
        .route("/api/v1/alerts", get(alerts))
        .route("/api/v1/alerts/{id}", get(alert))
        .route("/api/v1/alerts/{id}/acknowledge", post(acknowledge))
        .route("/api/v1/deliveries", get(deliveries))
}

fn one_of(name: &str, asked: Option<String>, known: &[&str]) -> Result<Option<String>, Problem> {
    match asked {
        Some(word) if !known.contains(&word.as_str()) => {
            Err(Problem::bad_request(format!("{name} is one of {}", known.join(", "))))
        }
        asked => Ok(asked),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DriftQuery {
    state: Option<String>,
    host: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn drifts(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Asked(query): Asked<DriftQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let open = match query.state.as_deref() {
        None => None,
        Some("open") => Some(true),
        Some("resolved") => Some(false),
        Some(_) => return Err(Problem::bad_request("state is open or resolved")),
    };
    let host = query.host.as_deref().map(host_id).transpose()?;
    let limit = limit(query.limit)?;
    let after = key(query.cursor.as_deref())?;
    let filter = DriftFilter { host, open, limit: limit as i64 + 1 };
    let rows = match &then.moment {
        None => app.store.drifts_after(filter, after).await?,
        Some(moment) => app.store.drifts_at(filter, after, moment).await?,
    };
    // As the store orders them.
    let rank = |row: &DriftRow| crate::alert::rank(&row.severity).min(3);
    let next = |row: &DriftRow| (row.opened_us, rank(row), row.id.clone());
    let opened = || rows.iter().map(|row| row.opened_us);
    let (from, to) = (opened().min().unwrap_or(0), opened().max().unwrap_or(0));
    let subjects = app.store.drift_subjects(from, to).await?;
    let item = |row: &DriftRow| {
        let mut value = drift_json(row);
        let about = subjects.get(&row.id);
        value["subject"] = json!(about.map(|(subject, _)| subject));
        // The announced change that expected it.
        value["window"] = json!(about.and_then(|(_, window)| window.as_ref()));
        value
    };
    Ok(page(rows, limit, next, item))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlertQuery {
    state: Option<String>,
    lane: Option<String>,
    host: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn alerts(
    State(app): State<App>,
    _: Reader,
    Asked(query): Asked<AlertQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let limit = limit(query.limit)?;
    let states = ["open", "acknowledged", "resolved", "live"];
    let filter = AlertFilter {
        state: one_of("state", query.state, &states)?,
        lane: one_of("lane", query.lane, &["page", "queue"])?,
        host: query.host.as_deref().map(host_id).transpose()?,
        after: key(query.cursor.as_deref())?,
        limit: limit as i64 + 1,
    };
    let rows = app.store.alerts(&filter).await?;
    let next = |row: &AlertRow| (row.opened_us, row.id.clone());
    Ok(page(rows, limit, next, alert_json))
}

async fn alert(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let whole = app.store.alert(&id).await?.ok_or(Problem::not_found("no such alert"))?;
    let mut value = alert_json(&whole.alert);
    value["host_ids"] = json!(whole.hosts);
    value["drifts"] = whole.drifts.iter().map(drift_json).collect();
    let event = |event: &crate::store::model::AlertEvent| json!({"id": event.id, "at_us": event.at_us, "event": event.event});
    value["events"] = whole.events.iter().map(event).collect();
    Ok(Json(value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledgement {
    note: String,
}

async fn acknowledge(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    body: Result<Json<Acknowledgement>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::Acknowledge)?;
    let Json(Acknowledgement { note }) =
        body.map_err(|error| Problem::bad_request(error.body_text()))?;
    if note.trim().is_empty() || note.chars().count() > MAX_NOTE {
        let wanted = format!("note says what will be done, in 1 to {MAX_NOTE} characters");
        return Err(Problem::bad_request(wanted));
    }
    let done = app.store.acknowledge(&id, &caller.id, note.trim(), app.clock.now_us()).await?;
    match done {
        Ok(()) => {}
        Err(AcknowledgeRefusal::Unknown) => return Err(Problem::not_found("no such alert")),
        Err(AcknowledgeRefusal::Resolved) => {
            let (status, kind) = (StatusCode::CONFLICT, "/problems/resolved");
            return Err(Problem::new(status, kind, "this alert is resolved"));
        }
    }
    app.alerts.notify_one();
    let whole = app.store.alert(&id).await?.ok_or(Problem::not_found("no such alert"))?;
    Ok(Json(alert_json(&whole.alert)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryQuery {
    alert: Option<String>,
    state: Option<String>,
    channel: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn deliveries(
    State(app): State<App>,
    _: Reader,
    Asked(query): Asked<DeliveryQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let limit = limit(query.limit)?;
    let filter = DeliveryFilter {
        alert: query.alert,
        state: one_of("state", query.state, &["waiting", "delivered", "given_up", "not_needed"])?,
        channel: query.channel,
        after: key(query.cursor.as_deref())?,
        limit: limit as i64 + 1,
    };
    let rows = app.store.deliveries(&filter).await?;
    let next = |row: &DeliveryRow| (row.created_us, row.event.clone(), row.channel.clone());
    Ok(page(rows, limit, next, delivery_json))
}

fn delivery_json(row: &DeliveryRow) -> Value {
    let attempt = |(at_us, status, error): &(i64, Option<i64>, Option<String>)| json!({"at_us": at_us, "status": status, "error": error});
    json!({
        "event": row.event, "channel": row.channel, "alert": row.alert, "what": row.what,
        "state": row.state, "created_us": row.created_us,
        "next_us": (row.state == "waiting").then_some(row.next_us), "done_us": row.done_us,
        "attempts": row.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

/// An alert as the API and messages say it.
pub fn alert_json(row: &AlertRow) -> Value {
    json!({
        "id": row.id, "title": row.title, "drift": row.drift, "cause": row.cause,
        "grouping": row.grouping, "subjects": row.subjects, "severity": row.severity,
        "lane": row.lane, "state": row.state, "hosts": row.hosts, "flapping": row.flapping,
        "opened_us": row.opened_us, "gained_us": row.gained_us,
        "acknowledged_us": row.acknowledged_us, "acknowledged_by": row.acknowledged_by,
        "note": row.note, "resolved_us": row.resolved_us, "merged_into": row.merged_into,
    })
}

fn drift_json(row: &DriftRow) -> Value {
    json!({
        "id": row.id, "drift": row.drift, "host": Some(row.host).filter(|host| *host != HostId::nil()), "rule": row.rule, "kind": row.kind,
        "cause": row.cause, "severity": row.severity, "from": row.from, "to": row.to,
        "offenders": row.offenders, "opened_us": row.opened_us, "resolved_us": row.resolved_us,
        "state": if row.resolved_us.is_some() { "resolved" } else { "open" },
    })
}
