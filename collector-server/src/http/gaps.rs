//! `/api/v1/hosts/{id}/gaps` and `/api/v1/coverage`: when nothing was seen and why, and how much of a
//! period was seen at all.

use super::api::{Asked, Reader, host_id};
use super::moment::Then;
use super::problem::Problem;
use super::scope::within;
use crate::app::App;
use crate::gap::{self, Gap};
use crate::moment::read_period;
use crate::period;
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;
/// The period of gaps without a word.
const GAPS_US: i64 = 14 * DAY_US;
/// That of coverage.
const COVERAGE_US: i64 = 90 * DAY_US;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeriodQuery {
    scope: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// Of gaps: only those of one kind, and those of the whole host.
    kind: Option<String>,
}

fn period(app: &App, then: &Then, asked: &PeriodQuery, long: i64) -> Result<(i64, i64), Problem> {
    let (from, to) = (asked.from.as_deref(), asked.to.as_deref());
    Ok(read_period(from, to, &then.zone.zone(), then.at_us(app), long)?)
}

pub(super) async fn of_host(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path(id): Path<String>,
    Asked(query): Asked<PeriodQuery>,
) -> Result<Json<Value>, Problem> {
    let id = host_id(&id)?;
    if query.scope.is_some() {
        return Err(Problem::bad_request("gaps are of one host; leave `scope` out"));
    }
    app.store.host(id).await?.ok_or(Problem::not_found("no such host"))?;
    let period = period(&app, &then, &query, GAPS_US)?;
    let moment = then.moment.as_ref();
    let gaps = gap::of_host(&app.store, id, period, moment, then.at_us(&app)).await?;
    let (expected, covered) = gap::coverage(&gaps, period);
    let wanted = |gap: &&Gap| query.kind.is_none() || gap.kind.is_none() || gap.kind == query.kind;
    let items: Vec<&Gap> = gaps.iter().filter(wanted).collect();
    Ok(Json(json!({
        "from_us": period.0, "to_us": period.1, "expected_us": expected, "covered_us": covered,
        "items": items, "next": null,
    })))
}

pub(super) async fn coverage(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Asked(query): Asked<PeriodQuery>,
) -> Result<Json<Value>, Problem> {
    if query.kind.is_some() {
        return Err(Problem::bad_request("coverage is of hosts; leave `kind` out"));
    }
    let (scope, _) = within(&app, query.scope.as_deref()).await?;
    let period = period(&app, &then, &query, COVERAGE_US)?;
    let known = then.moment.map_or(i64::MAX, |moment| moment.known);
    let found = period::of_groups(&app.store, &scope, period, known).await?;
    let item = |row: &period::CoverageOf| {
        let mut value = json!(row);
        value["expected_host_hours"] = json!(row.coverage.expected_us / HOUR_US);
        value["covered_host_hours"] = json!(row.coverage.covered_us / HOUR_US);
        value
    };
    Ok(Json(json!({
        "scope": scope.to_string(), "from_us": period.0, "to_us": period.1,
        "items": found.iter().map(item).collect::<Vec<_>>(), "next": null,
    })))
}
