//! Findings on pages.

use super::{check, may_revise};
use crate::app::App;
use crate::finding::{Finding, Grade, Source, State as Standing};
use crate::http::people::{Trouble, frame, render};
use crate::http::rights::FindingRaiser;
use crate::http::session::LoggedIn;
use crate::seat::{Right, may};
use crate::store::FindingRefusal;
use crate::web::exceptions::end_of_day;
use crate::web::findings::{self, Form};
use crate::web::page::{Room, finding_path};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form as Sent, Router};
use serde::Deserialize;
use std::collections::BTreeSet;

pub(in crate::http) fn pages() -> Router<App> {
    Router::new().route("/findings", get(list_page)).route("/findings/{id}", get(one_page))
}

pub(in crate::http) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![("/findings", post(raise)), ("/findings/{id}/revise", post(revise))]
}

#[derive(Deserialize)]
struct PageQuery {
    /// The alert that the form begins with.
    alert: Option<String>,
}

async fn list_page(
    State(app): State<App>,
    me: LoggedIn,
    Query(query): Query<PageQuery>,
) -> Result<Response, Trouble> {
    let form = match query.alert {
        Some(alert) => from_alert(&app, &alert).await?,
        None => Form::default(),
    };
    list_shown(&app, &me, form, None).await
}

/// The form as an alert fills it in: its title, and the controls of its rules.
async fn from_alert(app: &App, id: &str) -> Result<Form, Trouble> {
    let missing = || Trouble::NotFound(format!("alert {id}"));
    let alert = app.store.alert(id).await?.ok_or_else(missing)?.alert;
    let rules = app.judge.rules();
    let controls = alert.subjects.iter().filter_map(|subject| rules.get(subject));
    let controls: BTreeSet<&str> =
        controls.flat_map(|rule| rule.controls.iter().map(String::as_str)).collect();
    let hosts = format!("{} host{}", alert.hosts, if alert.hosts == 1 { "" } else { "s" });
    let grade = if matches!(alert.severity.as_str(), "critical") { "major" } else { "minor" };
    Ok(Form {
        title: alert.title.chars().take(200).collect(),
        grade: grade.to_owned(),
        source: Source::Alert.as_str().to_owned(),
        source_name: alert.id,
        about: controls.into_iter().collect::<Vec<_>>().join(", "),
        description: format!("{} on {hosts}: {}", alert.drift, alert.subjects.join(", ")),
        ..Form::default()
    })
}

async fn list_shown(
    app: &App,
    me: &LoggedIn,
    form: Form,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let input = findings::ListInput {
        now_us: app.clock.now_us(),
        rows: &app.store.findings().await?,
        may_raise: may(&me.seat, Right::RaiseFinding),
        form,
        refused,
    };
    Ok(render(&findings::list(frame(app, Some(Room::Decisions)).await?, input)))
}

async fn one_page(
    State(app): State<App>,
    me: LoggedIn,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    one_shown(&app, &me, &id, None).await
}

/// `again`: the form as it was sent, and why it was refused.
async fn one_shown(
    app: &App,
    me: &LoggedIn,
    id: &str,
    again: Option<(Form, String)>,
) -> Result<Response, Trouble> {
    let rows = app.store.finding(id).await?;
    let raised_by = rows.first().map_or("", |row| row.raised_by.as_str());
    let may_take_to = |to| may_revise((&me.seat, &me.id), raised_by, to).is_ok();
    let input = findings::OneInput {
        now_us: app.clock.now_us(),
        rows: &rows,
        people: &app.store.people().await?,
        drift: drift_of(app, &rows).await?,
        may_keep: may_take_to(Standing::Open),
        may_close: may_take_to(Standing::Closed),
        again,
    };
    let page = findings::one(frame(app, Some(Room::Decisions)).await?, input);
    Ok(render(&page.ok_or_else(|| Trouble::NotFound(format!("finding {id}")))?))
}

/// A drift of the alert that a finding was raised from: where its page is.
async fn drift_of(app: &App, rows: &[crate::store::FindingRow]) -> Result<Option<String>, Trouble> {
    let Some(row) = rows.first().filter(|row| row.finding.source == Source::Alert) else {
        return Ok(None);
    };
    let whole = app.store.alert(&row.finding.source_name).await?;
    Ok(whole.and_then(|whole| whole.drifts.into_iter().next().map(|drift| drift.id)))
}

/// What a form says, or what is wrong with it.
fn read(app: &App, form: &Form, to: Standing) -> Result<Finding, String> {
    let due_us = end_of_day(&form.due).ok_or("Its last day is a date, 2026-12-31.")?;
    let about = form.about.split([',', '\n']).map(str::trim).filter(|text| !text.is_empty());
    let text = |text: &str| text.trim().to_owned();
    let finding = Finding {
        title: text(&form.title),
        grade: Grade::from_word(&form.grade).ok_or("Choose how it is graded.")?,
        source: Source::from_word(&form.source).ok_or("Choose where it comes from.")?,
        source_name: text(&form.source_name),
        about: about.map(str::to_owned).collect(),
        description: text(&form.description),
        owner: text(&form.owner),
        due_us,
        correction: text(&form.correction),
        root_cause: text(&form.root_cause),
        similar_cases: text(&form.similar_cases),
        action: text(&form.action),
        effectiveness: text(&form.effectiveness),
    };
    check(app, &finding, to).map_err(|wrong| format!("It is refused: {wrong}."))?;
    Ok(finding)
}

async fn raise(
    State(app): State<App>,
    FindingRaiser(me): FindingRaiser,
    Sent(form): Sent<Form>,
) -> Result<Response, Trouble> {
    match read(&app, &form, Standing::Open) {
        Ok(finding) => {
            let id = app.store.raise_finding(&finding, &me.id, app.clock.now_us()).await?;
            Ok(Redirect::to(&finding_path(&id)).into_response())
        }
        Err(why) => {
            let page = list_shown(&app, &me, form, Some(why)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn revise(
    State(app): State<App>,
    FindingRaiser(me): FindingRaiser,
    Path(id): Path<String>,
    Sent(form): Sent<Form>,
) -> Result<Response, Trouble> {
    let to = Standing::from_word(&form.state).unwrap_or(Standing::Open);
    let rows = app.store.finding(&id).await?;
    let row = rows.first().ok_or_else(|| Trouble::NotFound(format!("finding {id}")))?;
    may_revise((&me.seat, &me.id), &row.raised_by, to)
        .map_err(|right| Trouble::Refused(right.refusal().to_owned()))?;
    let finding = match read(&app, &form, to) {
        Ok(finding) => finding,
        Err(why) => {
            let page = one_shown(&app, &me, &id, Some((form, why))).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let (now_us, revision) = (app.clock.now_us(), form.revision);
    match app.store.revise_finding(&id, revision, (&finding, to), &me.id, now_us).await? {
        Ok(()) => {
            app.alerts.notify_one();
            Ok(Redirect::to(&finding_path(&id)).into_response())
        }
        Err(FindingRefusal::Unknown) => Err(Trouble::NotFound(format!("finding {id}"))),
        Err(refusal) => {
            let page = one_shown(&app, &me, &id, Some((form, format!("{refusal}.")))).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}
