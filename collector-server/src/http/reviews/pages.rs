//! Access reviews on pages.

use super::DUE_US;
use crate::app::App;
use crate::http::input::words;
use crate::http::people::{Trouble, frame, render};
use crate::http::rights::Reviewer;
use crate::http::session::LoggedIn;
use crate::people_list;
use crate::seat::{Right, may};
use crate::store::{NewReview, ReviewRefusal};
use crate::web::exceptions::end_of_day;
use crate::web::page::{Room, review_path};
use crate::web::reviews;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use serde::Deserialize;
use std::collections::BTreeSet;

pub(in crate::http) fn pages() -> Router<App> {
    Router::new().route("/reviews", get(list_page)).route("/reviews/{id}", get(one_page))
}

pub(in crate::http) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/reviews", post(start)),
        ("/reviews/{id}/decide", post(decide)),
        ("/reviews/{id}/sign", post(sign)),
    ]
}

async fn list_page(State(app): State<App>, me: LoggedIn) -> Result<Response, Trouble> {
    list_shown(&app, &me, None).await
}

async fn list_shown(
    app: &App,
    me: &LoggedIn,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let input = reviews::ListInput {
        now_us: app.clock.now_us(),
        rows: &app.store.reviews().await?,
        groups: &app.store.host_groups().await?,
        people: &app.store.people().await?,
        may_review: may(&me.seat, Right::Review),
        refused,
    };
    Ok(render(&reviews::list(frame(app, Some(Room::Decisions)).await?, &input)))
}

async fn one_page(
    State(app): State<App>,
    me: LoggedIn,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    one_shown(&app, &me, &id, None).await
}

async fn one_shown(
    app: &App,
    me: &LoggedIn,
    id: &str,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let rows = app.store.reviews().await?;
    let missing = || Trouble::NotFound(format!("review {id}"));
    let row = rows.iter().find(|row| row.id == id).ok_or_else(missing)?;
    let input = reviews::OneInput {
        now_us: app.clock.now_us(),
        row,
        members: &app.store.review_members(id).await?,
        people: &app.store.people().await?,
        may_review: may(&me.seat, Right::Review),
        refused,
    };
    Ok(render(&reviews::one(frame(app, Some(Room::Decisions)).await?, &input)))
}

#[derive(Deserialize)]
struct StartForm {
    #[serde(default)]
    group: String,
    #[serde(default)]
    leavers: String,
    #[serde(default)]
    due: String,
}

async fn start(
    State(app): State<App>,
    Reviewer(me): Reviewer,
    Form(form): Form<StartForm>,
) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let due_us = match form.due.trim() {
        "" => Some(now_us + DUE_US),
        day => end_of_day(day).filter(|us| *us > now_us),
    };
    let Some(due_us) = due_us else {
        let page = list_shown(&app, &me, Some("Its last day is over, or no date.".into())).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let mut leavers: BTreeSet<_> = words(&form.leavers).collect();
    leavers.extend(people_list::leavers(&app.store, now_us).await?);
    let new = NewReview { group: form.group, leavers, due_us };
    match app.store.start_review(&new, &me.id, now_us).await? {
        Ok(id) => Ok(Redirect::to(&review_path(&id)).into_response()),
        Err(refusal) => {
            let page = list_shown(&app, &me, Some(format!("{refusal}."))).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}

/// A form with as many `row` as were chosen.
async fn decide(
    State(app): State<App>,
    Reviewer(me): Reviewer,
    Path(id): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Trouble> {
    let chosen = pairs.iter().filter(|(key, _)| key == "row");
    let rows: BTreeSet<i64> = chosen.filter_map(|(_, n)| n.parse().ok()).collect();
    let keep = pairs.iter().any(|(key, value)| key == "decision" && value == "keep");
    let done = app.store.decide_review(&id, &rows, keep, &me.id, app.clock.now_us()).await?;
    answer(&app, &me, &id, done).await
}

async fn sign(
    State(app): State<App>,
    Reviewer(me): Reviewer,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let done = app.store.sign_review(&id, &me.id, app.clock.now_us()).await?;
    app.judge_now();
    answer(&app, &me, &id, done.map(|_| ())).await
}

async fn answer(
    app: &App,
    me: &LoggedIn,
    id: &str,
    done: Result<(), ReviewRefusal>,
) -> Result<Response, Trouble> {
    match done {
        Ok(()) => Ok(Redirect::to(&review_path(id)).into_response()),
        Err(ReviewRefusal::Unknown) => Err(Trouble::NotFound(format!("review {id}"))),
        Err(refusal) => {
            let page = one_shown(app, me, id, Some(format!("{refusal}."))).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}
