//! Pages of Statements of Applicability.

use super::applicability::Statement;
use super::isms::{unknown, unprocessable};
use super::moment::Then;
use super::people::{Trouble, frame, frame_at, render};
use super::rights::Describer;
use super::session::LoggedIn;
use crate::app::App;
use crate::applicability::{Entry, Ground, Implementation, parse};
use crate::moment::Moment;
use crate::seat::{Right, may};
use crate::web::applicability::{self as web, Said};
use crate::web::isms::isms_path;
use crate::web::marks::State as Mark;
use crate::web::page::{Frame, Room};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use evidence::Digest;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/isms/{id}/applicability", get(statement_page))
        .route("/isms/{id}/applicability/{control}", get(entry_page))
        .route("/isms/{id}/applicability.csv", get(super::applicability::csv))
}

pub(super) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/isms/{id}/applicability/import", post(import)),
        ("/isms/{id}/applicability/submit", post(submit)),
        ("/isms/{id}/applicability/approve", post(approve)),
        ("/isms/{id}/applicability/return", post(give_back)),
        ("/isms/{id}/applicability/{control}", post(write)),
    ]
}

/// Titles and evidence states in the scope of a statement.
async fn controls(
    app: &App,
    statement: &Statement,
    moment: Option<&Moment>,
) -> Result<BTreeMap<String, (String, Mark)>, Trouble> {
    let states = super::applicability::states(app, &statement.isms, moment).await?;
    let of = |control: &crate::catalogue::Control| {
        let state = states.get(&control.id).and_then(|word| Mark::from_word(word));
        (control.id.clone(), (control.title.clone(), state.unwrap_or(Mark::None)))
    };
    Ok(app.judge.rules().catalogue().controls().iter().map(of).collect())
}

#[derive(Deserialize)]
struct VersionQuery {
    version: Option<i64>,
    done: Option<String>,
}

async fn statement_page(
    State(app): State<App>,
    me: LoggedIn,
    then: Then,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Response, Trouble> {
    let said = match query.done.as_deref() {
        Some("submitted") => Some("The draft was submitted for approval."),
        Some("approved") => Some("The version was approved."),
        Some("returned") => Some("The version is a draft again."),
        Some("written") => Some("It was written into the draft."),
        _ => None,
    };
    let said = said.map(|said| Said::Done(said.to_owned()));
    let frame = frame_at(&app, Room::Isms, &then).await?;
    statement_in(frame, &app, &me, (&id, query.version, then.moment.as_ref()), said).await
}

async fn statement_with(
    app: &App,
    me: &LoggedIn,
    id: &str,
    version: Option<i64>,
    said: Option<Said>,
) -> Result<Response, Trouble> {
    let frame = frame(app, Some(Room::Isms)).await?;
    statement_in(frame, app, me, (id, version, None), said).await
}

async fn statement_in(
    frame: Frame,
    app: &App,
    me: &LoggedIn,
    (id, version, moment): (&str, Option<i64>, Option<&Moment>),
    said: Option<Said>,
) -> Result<Response, Trouble> {
    let statement = Statement::load(app, id, version, moment).await?;
    let statement = statement.ok_or_else(|| unknown(id))?;
    let controls = controls(app, &statement, moment).await?;
    let input = web::Input {
        isms: &statement.isms,
        versions: &statement.versions,
        version: statement.version.as_ref(),
        entries: &statement.entries,
        controls: &controls,
        me: &me.id,
        may_change: may(&me.seat, Right::Describe) && moment.is_none(),
        said,
    };
    Ok(render(&web::page(frame, input)))
}

async fn refused(
    app: &App,
    me: &LoggedIn,
    id: &str,
    why: impl std::fmt::Display,
) -> Result<Response, Trouble> {
    let said = Some(Said::Refused(format!("{why}.")));
    Ok(unprocessable(statement_with(app, me, id, None, said).await?))
}

fn done(id: &str, word: &str) -> Response {
    Redirect::to(&format!("{}/applicability?done={word}", isms_path(id))).into_response()
}

#[derive(Deserialize)]
struct ImportForm {
    csv: String,
    dry_run: String,
}

async fn import(
    State(app): State<App>,
    Describer(me): Describer,
    Path(id): Path<String>,
    Form(form): Form<ImportForm>,
) -> Result<Response, Trouble> {
    let rules = app.judge.rules();
    let known: BTreeSet<&str> =
        rules.catalogue().controls().iter().map(|control| control.id.as_str()).collect();
    let entries = match parse(form.csv.as_bytes(), &known) {
        Ok(entries) => entries,
        Err(bad) => {
            let said = Some(Said::Bad(bad.0));
            return Ok(unprocessable(statement_with(&app, &me, &id, None, said).await?));
        }
    };
    let n = entries.len();
    // Only a clear word writes.
    if form.dry_run != "false" {
        let said = Some(Said::Done(format!("{n} lines are fine. Nothing was written.")));
        return statement_with(&app, &me, &id, None, said).await;
    }
    let (file, now_us) = (Some(Digest::of(form.csv.as_bytes())), app.clock.now_us());
    match app.store.write_applicability(&id, &entries, file, &me.id, now_us).await? {
        Ok(changed) => {
            let text = format!("{n} lines were read, and {changed} controls changed in the draft.");
            statement_with(&app, &me, &id, None, Some(Said::Done(text))).await
        }
        Err(refusal) => refused(&app, &me, &id, refusal).await,
    }
}

async fn submit(
    State(app): State<App>,
    Describer(me): Describer,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let rules = app.judge.rules();
    let controls: Vec<&str> =
        rules.catalogue().controls().iter().map(|control| control.id.as_str()).collect();
    let now_us = app.clock.now_us();
    match app.store.submit_applicability(&id, &controls, &me.id, now_us).await? {
        Ok(_) => Ok(done(&id, "submitted")),
        Err(refusal) => refused(&app, &me, &id, refusal).await,
    }
}

#[derive(Deserialize)]
struct ApproveForm {
    version: i64,
    submitted_us: i64,
}

async fn approve(
    State(app): State<App>,
    Describer(me): Describer,
    Path(id): Path<String>,
    Form(form): Form<ApproveForm>,
) -> Result<Response, Trouble> {
    let seen = (form.version, form.submitted_us);
    match app.store.approve_applicability(&id, seen, &me.id, app.clock.now_us()).await? {
        Ok(()) => Ok(done(&id, "approved")),
        Err(refusal) => refused(&app, &me, &id, refusal).await,
    }
}

#[derive(Deserialize)]
struct ReturnForm {
    version: i64,
    reason: String,
}

async fn give_back(
    State(app): State<App>,
    Describer(me): Describer,
    Path(id): Path<String>,
    Form(form): Form<ReturnForm>,
) -> Result<Response, Trouble> {
    let (number, reason, now_us) = (form.version, form.reason.trim(), app.clock.now_us());
    if reason.is_empty() || reason.chars().count() > 2000 {
        return refused(&app, &me, &id, "a reason has 1 to 2000 characters").await;
    }
    match app.store.return_applicability(&id, number, reason, &me.id, now_us).await? {
        Ok(()) => Ok(done(&id, "returned")),
        Err(refusal) => refused(&app, &me, &id, refusal).await,
    }
}

async fn entry_page(
    State(app): State<App>,
    _: Describer,
    Path((id, control)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let statement = Statement::load(&app, &id, None, None).await?.ok_or_else(|| unknown(&id))?;
    let entry = statement.entries.iter().find(|entry| entry.control == control).cloned();
    let entry = entry.ok_or_else(|| Trouble::NotFound(format!("control {control}")))?;
    entry_with(&app, &statement, &entry, None).await
}

async fn entry_with(
    app: &App,
    statement: &Statement,
    entry: &Entry,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let mut controls = controls(app, statement, None).await?;
    let said = controls.remove(&entry.control).unwrap_or((String::new(), Mark::None));
    let frame = frame(app, Some(Room::Isms)).await?;
    let isms = &statement.isms;
    Ok(render(&web::entry_page(frame, isms, entry, said, refused)))
}

#[derive(Deserialize)]
struct EntryForm {
    #[serde(default)]
    applicable: String,
    legal: Option<String>,
    contractual: Option<String>,
    business: Option<String>,
    risk: Option<String>,
    #[serde(default)]
    justification: String,
    #[serde(default)]
    implementation: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    references: String,
}

impl EntryForm {
    fn entry(&self, control: &str) -> Entry {
        let checked = [
            (Ground::Legal, &self.legal),
            (Ground::Contractual, &self.contractual),
            (Ground::Business, &self.business),
            (Ground::Risk, &self.risk),
        ];
        let grounds = checked.into_iter().filter(|(_, on)| on.is_some()).map(|(why, _)| why);
        let references = self.references.split(';').map(str::trim).filter(|text| !text.is_empty());
        // A browser sends the lines of a text area with their ends.
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        Entry {
            control: control.to_owned(),
            applicable: match self.applicable.as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            },
            grounds: grounds.collect(),
            justification: line(&self.justification),
            implementation: Implementation::from_word(&self.implementation),
            owner: line(&self.owner),
            references: references.map(line).collect(),
        }
    }
}

async fn write(
    State(app): State<App>,
    Describer(me): Describer,
    Path((id, control)): Path<(String, String)>,
    Form(form): Form<EntryForm>,
) -> Result<Response, Trouble> {
    let entry = form.entry(&control);
    let statement = Statement::load(&app, &id, None, None).await?.ok_or_else(|| unknown(&id))?;
    if app.judge.rules().catalogue().get(&control).is_none() {
        return Err(Trouble::NotFound(format!("control {control}")));
    }
    let (written, now_us) = (std::slice::from_ref(&entry), app.clock.now_us());
    match app.store.write_applicability(&id, written, None, &me.id, now_us).await? {
        Ok(_) => Ok(done(&id, "written")),
        Err(refusal) => {
            let page = entry_with(&app, &statement, &entry, Some(format!("{refusal}."))).await?;
            Ok(unprocessable(page))
        }
    }
}
