//! Findings in the API: raised, revised, taken a step on. `pages` has the same for people.

pub(super) mod pages;

use super::api::{Asked, Reader};
use super::input::{Body, body};
use super::list::{List, list};
use super::problem::Problem;
use super::rights::Caller;
use crate::app::App;
use crate::finding::{Finding, State as Standing, Wrong};
use crate::seat::{Right, may};
use crate::store::{FindingRefusal, FindingRow};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/findings", get(all).post(raise))
        .route("/api/v1/findings/{id}", get(one))
        .route("/api/v1/findings/{id}/revise", post(revise))
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
    let state = match query.state.as_deref() {
        None => None,
        Some(word) => Some(Standing::from_word(word).ok_or_else(|| {
            let known = Standing::ALL.map(Standing::as_str);
            Problem::bad_request(format!("state is one of {}", known.join(", ")))
        })?),
    };
    let rows = app.store.findings().await?;
    let rows = rows.iter().filter(|row| state.is_none_or(|state| row.state == state));
    let now_us = app.clock.now_us();
    Ok(list(rows.map(|row| finding_json(row, now_us)).collect()))
}

async fn one(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    shown(&app, &id).await
}

async fn shown(app: &App, id: &str) -> Result<Json<Value>, Problem> {
    let rows = app.store.finding(id).await?;
    let now_us = app.clock.now_us();
    let mut value = finding_json(rows.first().ok_or(unknown())?, now_us);
    let before = |row: &FindingRow| {
        json!({
            "revision": row.revision, "state": row.state, "by": row.by, "at_us": row.at_us,
            "says": row.finding,
        })
    };
    value["revisions"] = rows.iter().map(before).collect();
    Ok(Json(value))
}

fn unknown() -> Problem {
    Problem::not_found("no such finding")
}

async fn raise(
    State(app): State<App>,
    caller: Caller,
    asked: Body<Finding>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.needs(Right::RaiseFinding)?;
    let finding = body(asked)?;
    let checked = check(&app, &finding, Standing::Open);
    checked.map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    let now_us = app.clock.now_us();
    let id = app.store.raise_finding(&finding, &caller.id, now_us).await?;
    Ok((StatusCode::CREATED, shown(&app, &id).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revision {
    /// The revision that this one follows.
    revision: i64,
    state: Standing,
    says: Finding,
}

async fn revise(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    asked: Body<Revision>,
) -> Result<Json<Value>, Problem> {
    let asked = body(asked)?;
    caller.needs(Right::RaiseFinding)?;
    let rows = app.store.finding(&id).await?;
    let raised_by = &rows.first().ok_or(unknown())?.raised_by;
    if let Err(right) = may_revise((&caller.seat, &caller.id), raised_by, asked.state) {
        caller.needs(right)?;
    }
    let checked = check(&app, &asked.says, asked.state);
    checked.map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    let (said, now_us) = ((&asked.says, asked.state), app.clock.now_us());
    let done = app.store.revise_finding(&id, asked.revision, said, &caller.id, now_us).await?;
    done.map_err(|refusal| match refusal {
        FindingRefusal::Unknown => unknown(),
        _ => {
            let (status, kind) = (StatusCode::CONFLICT, "/problems/finding-state");
            Problem::new(status, kind, "nothing was changed").detail(refusal.to_string())
        }
    })?;
    app.alerts.notify_one();
    shown(&app, &id).await
}

/// What whoever takes a finding to this state needs.
fn right_to(state: Standing) -> Right {
    if state == Standing::Closed { Right::CloseFinding } else { Right::KeepFindings }
}

/// Whether this seat and person may take a finding to a state, or the right they want. A finding
/// that one raised is one's own for good: who raised it never changes.
fn may_revise((seat, id): (&str, &str), raised_by: &str, to: Standing) -> Result<(), Right> {
    let right = right_to(to);
    let is_own = right == Right::KeepFindings && raised_by == id && may(seat, Right::RaiseFinding);
    if is_own || may(seat, right) { Ok(()) } else { Err(right) }
}

fn check(app: &App, finding: &Finding, state: Standing) -> Result<(), Wrong> {
    let rules = app.judge.rules();
    finding.check(state, |id| rules.catalogue().get(id).is_some())
}

fn finding_json(row: &FindingRow, now_us: i64) -> Value {
    json!({
        "id": row.id, "state": row.state, "sort": row.finding.grade.sort(),
        "overdue": row.is_overdue(now_us), "raised_by": row.raised_by,
        "raised_us": row.raised_us, "revision": row.revision, "revised_by": row.by,
        "revised_us": row.at_us, "says": row.finding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seat::SEATS;

    #[test]
    fn an_internal_auditor_revises_the_finding_that_they_raised_and_no_other_and_closes_none() {
        let auditor = ("internal_auditor", "a");
        assert_eq!(may_revise(auditor, "a", Standing::Open), Ok(()));
        assert_eq!(may_revise(auditor, "b", Standing::Open), Err(Right::KeepFindings));
        assert_eq!(may_revise(auditor, "a", Standing::Closed), Err(Right::CloseFinding));
    }

    #[test]
    fn who_lost_the_seat_keeps_no_right_over_what_they_raised() {
        for seat in ["viewer", "risk_owner", ""] {
            assert_eq!(may_revise((seat, "a"), "a", Standing::Open), Err(Right::KeepFindings));
        }
    }

    #[test]
    fn only_a_compliance_lead_closes_a_finding_also_one_of_their_own() {
        for seat in SEATS {
            for raised_by in ["a", "b"] {
                let closes = may_revise((seat, "a"), raised_by, Standing::Closed).is_ok();
                assert_eq!(closes, seat == "compliance_lead", "{seat}");
            }
        }
    }
}
