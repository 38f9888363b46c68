//! Change windows on pages.

use super::{Asking, Named, WINDOWS_SHOWN, state, wanted};
use crate::app::App;
use crate::http::people::{Trouble, frame, render};
use crate::http::rights::Planner;
use crate::http::session::LoggedIn;
use crate::seat::{Right, may};
use crate::store::WindowRefusal;
use crate::web::page::Room;
use crate::web::windows;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use std::collections::BTreeSet;

const PATH: &str = "/windows";

pub(in crate::http) fn pages() -> Router<App> {
    Router::new().route(PATH, get(page))
}

pub(in crate::http) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![(PATH, post(create)), ("/windows/{id}/cancel", post(cancel))]
}

async fn page(State(app): State<App>, me: LoggedIn) -> Result<Response, Trouble> {
    shown(&app, &me, windows::Form::default(), None).await
}

async fn shown(
    app: &App,
    me: &LoggedIn,
    form: windows::Form,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let rows = app.store.windows(WINDOWS_SHOWN).await?;
    let rows: Vec<_> = rows.iter().map(|row| (row, state(row, now_us))).collect();
    let input = windows::Input {
        rows: &rows,
        hosts: &app.store.hosts().await?,
        people: &app.store.people().await?,
        groups: &app.store.host_groups().await?,
        may_plan: may(&me.seat, Right::PlanWindow),
        form,
        refused,
    };
    Ok(render(&windows::page(frame(app, Some(Room::Decisions)).await?, input)))
}

async fn create(
    State(app): State<App>,
    Planner(me): Planner,
    Form(form): Form<windows::Form>,
) -> Result<Response, Trouble> {
    let names = |text: &str| -> BTreeSet<String> {
        let parts = text.split(|c: char| c.is_whitespace() || c == ',');
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let now_us = app.clock.now_us();
    let asked = Asking {
        from: windows::utc(&form.from),
        to: windows::utc(&form.to),
        groups: names(&form.groups),
        hosts: names(&form.hosts),
        rules: names(&form.rules),
        kinds: names(&form.kinds),
        populations: names(&form.populations),
        ticket: form.ticket.clone(),
    };
    match wanted(asked, &Named::load(&app).await?, now_us) {
        Ok(wanted) => {
            app.store.create_windows(&[wanted], &me.id, now_us).await?;
            Ok(Redirect::to(PATH).into_response())
        }
        Err(why) => {
            let page = shown(&app, &me, form, Some(format!("{why}."))).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn cancel(
    State(app): State<App>,
    Planner(me): Planner,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    match app.store.cancel_window(&id, &me.id, app.clock.now_us()).await? {
        Ok(()) => Ok(Redirect::to(PATH).into_response()),
        Err(WindowRefusal::Unknown) => Err(Trouble::NotFound(format!("window {id}"))),
        Err(refusal @ WindowRefusal::Over) => {
            let why = Some(format!("{refusal}."));
            let page = shown(&app, &me, windows::Form::default(), why).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}
