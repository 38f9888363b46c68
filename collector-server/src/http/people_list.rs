//! Lists of people against the accounts of hosts: the page and what programs read.

use super::api::Reader;
use super::people::{Trouble, frame, render};
use super::problem::Problem;
use super::rights::Describer;
use super::session::LoggedIn;
use crate::app::App;
use crate::people_list::{parse, review};
use crate::seat::{Right, may};
use crate::web::page::Room;
use crate::web::people_list::{self as web, Said};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Json, Router};
use evidence::Digest;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/people-list/findings", get(findings))
        .route("/people/list", get(page))
}

pub(super) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![("/people/list", post(import)), ("/people/list/reviewed", post(reviewed))]
}

async fn findings(State(app): State<App>, _: Reader) -> Result<Json<Value>, Problem> {
    let hosts = app.store.hosts().await?;
    let review = review(&app.store, &hosts, app.clock.now_us()).await?;
    Ok(Json(json!({
        "imported_us": app.store.people_list_us().await?, "people": review.people,
        "hosts_read": review.hosts_read, "hosts": review.hosts,
        "hosts_with_directories": review.hosts_with_directories,
        "items": review.findings, "next": null,
    })))
}

async fn page(State(app): State<App>, me: LoggedIn) -> Result<Response, Trouble> {
    shown(&app, &me, None).await
}

async fn shown(app: &App, me: &LoggedIn, said: Option<Said>) -> Result<Response, Trouble> {
    let hosts = app.store.hosts().await?;
    let review = review(&app.store, &hosts, app.clock.now_us()).await?;
    let input = web::Input {
        hosts: &hosts,
        review: &review,
        imported_us: app.store.people_list_us().await?,
        may_change: may(&me.seat, Right::Describe),
        said,
    };
    Ok(render(&web::page(frame(app, Some(Room::People)).await?, input)))
}

#[derive(Deserialize)]
struct ImportForm {
    csv: String,
    dry_run: String,
}

async fn import(
    State(app): State<App>,
    Describer(me): Describer,
    Form(form): Form<ImportForm>,
) -> Result<Response, Trouble> {
    let bytes = form.csv.as_bytes();
    let file = match parse(bytes) {
        Ok(file) => file,
        Err(bad) => {
            let page = shown(&app, &me, Some(Said::Bad(bad.0))).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    // Only a clear word writes.
    if form.dry_run != "false" {
        let text = format!("{} people are fine. Nothing was imported.", file.people.len());
        return shown(&app, &me, Some(Said::Done(text))).await;
    }
    let now_us = app.clock.now_us();
    let done = app.store.import_people(&file.people, Digest::of(bytes), &me.id, now_us).await?;
    let text = format!(
        "{} listed: {} added, {} in another unit; {} on the list no more.",
        done.listed, done.added, done.moved, done.gone
    );
    shown(&app, &me, Some(Said::Done(text))).await
}

#[derive(Deserialize)]
struct ReviewedForm {
    person: String,
    note: String,
}

/// Says that the rights of a mover were reviewed.
async fn reviewed(
    State(app): State<App>,
    Describer(me): Describer,
    Form(form): Form<ReviewedForm>,
) -> Result<Response, Trouble> {
    let note = form.note.trim();
    if note.is_empty() || note.chars().count() > 2000 {
        let why = "A note says what was kept and what was taken away, in 1 to 2000 characters.";
        return Err(Trouble::Refused(why.to_owned()));
    }
    if !app.store.review_mover(&form.person, note, &me.id, app.clock.now_us()).await? {
        return Err(Trouble::NotFound("such person who waits for a review".to_owned()));
    }
    Ok(Redirect::to("/people/list").into_response())
}
