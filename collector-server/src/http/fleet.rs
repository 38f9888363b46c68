//! What programs read of the fleet: expected hosts, groups, and what was said of a host.

use super::api::{Asked, Reader, host_id};
use super::list::{List, list};
use super::problem::Problem;
use crate::app::App;
use crate::expected::reconcile;
use crate::life::service_us;
use crate::store::HostSpan;
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

/// Expected hosts beside those that are there: counts that add up, and every line.
pub(super) async fn expected(State(app): State<App>, _: Reader) -> Result<Json<Value>, Problem> {
    let list = app.store.expected_hosts().await?;
    let hosts = app.store.hosts().await?;
    let reconciled = reconcile(&list.entries, &hosts, app.clock.now_us());
    Ok(Json(json!({
        "imported_us": list.imported_us, "counts": reconciled.counts(),
        "items": reconciled.lines, "next": null,
    })))
}

/// Everything that was said of a host's group, state and tags, with when it was known.
pub(super) async fn spans(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<List<Value>>, Problem> {
    let id = host_id(&id)?;
    app.store.host(id).await?.ok_or(Problem::not_found("no such host"))?;
    let item = |row: &HostSpan| {
        json!({
            "property": row.property, "value": row.span.value, "cause": row.cause,
            "from_us": row.span.from_us, "to_us": row.span.to_us, "known": row.span.known,
            "ended_known": row.span.ended_known, "superseded_known": row.span.superseded_known,
        })
    };
    Ok(list(app.store.host_spans(Some(id)).await?.iter().map(item).collect()))
}

pub(super) async fn groups(
    State(app): State<App>,
    _: Reader,
) -> Result<Json<List<Value>>, Problem> {
    let groups = app.store.groups().await?;
    Ok(list(groups.into_iter().map(|group| json!(group)).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Period {
    from_us: i64,
    to_us: Option<i64>,
}

/// How long hosts were in service in each group, in host-seconds.
pub(super) async fn hours(
    State(app): State<App>,
    _: Reader,
    Asked(period): Asked<Period>,
) -> Result<Json<List<Value>>, Problem> {
    let now_us = app.clock.now_us();
    let to_us = period.to_us.unwrap_or(now_us).min(now_us);
    let spans = app.store.host_spans(None).await?;
    let item = |(group, us): (String, i64)| json!({"group": group, "host_seconds": us / 1_000_000, "host_hours": us / 3_600_000_000});
    Ok(list(service_us(&spans, period.from_us, to_us).into_iter().map(item).collect()))
}
