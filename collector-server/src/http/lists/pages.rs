//! Approved lists on pages.

use super::decidable;
use crate::app::App;
use crate::http::people::{Trouble, frame, render};
use crate::http::rights::ListKeeper;
use crate::http::session::LoggedIn;
use crate::population;
use crate::seat::{Right, may};
use crate::store::{Decision, ListRefusal};
use crate::web::exceptions::end_of_day;
use crate::web::lists;
use crate::web::page::{Room, list_path};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use std::collections::BTreeSet;

pub(in crate::http) fn pages() -> Router<App> {
    Router::new().route("/lists", get(all_page)).route("/lists/{group}/{population}", get(one_page))
}

pub(in crate::http) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/lists/{group}/{population}/learn", post(learn)),
        ("/lists/{group}/{population}/decide", post(decide)),
    ]
}

async fn all_page(State(app): State<App>, _: LoggedIn) -> Result<Response, Trouble> {
    let rows = app.store.lists().await?;
    Ok(render(&lists::all(frame(&app, Some(Room::Decisions)).await?, &rows)))
}

async fn one_page(
    State(app): State<App>,
    me: LoggedIn,
    Path((group, population)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    shown(&app, &me, (&group, &population), None).await
}

async fn shown(
    app: &App,
    me: &LoggedIn,
    (group, population): (&str, &str),
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::NotFound(format!("population {population}"));
    let declared = population::find(population).ok_or_else(missing)?;
    let lists = app.store.lists().await?;
    let list = lists.iter().find(|row| row.group == group && row.population == population);
    let rows = app.store.list_members(group, population).await?;
    let input = lists::Input {
        now_us: app.clock.now_us(),
        group,
        population: declared,
        learnt_us: list.and_then(|row| row.learnt_us),
        rows: &rows,
        people: &app.store.people().await?,
        may_keep: may(&me.seat, Right::KeepLists),
        refused,
    };
    Ok(render(&lists::one(frame(app, Some(Room::Decisions)).await?, &input)))
}

async fn learn(
    State(app): State<App>,
    ListKeeper(me): ListKeeper,
    Path((group, population)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let done = app.store.learn_list(&group, &population, &me.id, app.clock.now_us()).await?;
    answer(&app, &me, (&group, &population), done.map(|_| ())).await
}

/// A form with as many `member` as were chosen.
async fn decide(
    State(app): State<App>,
    ListKeeper(me): ListKeeper,
    Path((group, population)): Path<(String, String)>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Trouble> {
    let of = |name: &str| {
        let pair = pairs.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.trim()).unwrap_or_default()
    };
    let place = (group.as_str(), population.as_str());
    let now_us = app.clock.now_us();
    let expires_us = match of("expires") {
        "" => None,
        day => Some(end_of_day(day).filter(|us| *us > now_us)),
    };
    let members = pairs.iter().filter(|(key, _)| key == "member").map(|(_, member)| member.clone());
    let (Some(standing), None | Some(Some(_))) = (decidable(of("state")), expires_us) else {
        let why = "The last day is a date that is not over, 2026-12-31.".to_owned();
        let page = shown(&app, &me, place, Some(why)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let decision = Decision {
        standing,
        members: members.collect::<BTreeSet<_>>(),
        expires_us: expires_us.flatten(),
        note: of("note").chars().take(crate::exception::MAX_TEXT).collect(),
    };
    let done = app.store.decide_members(&group, &population, &decision, &me.id, now_us).await?;
    answer(&app, &me, place, done).await
}

async fn answer(
    app: &App,
    me: &LoggedIn,
    (group, population): (&str, &str),
    done: Result<(), ListRefusal>,
) -> Result<Response, Trouble> {
    match done {
        Ok(()) => {
            app.judge_now();
            Ok(Redirect::to(&list_path(group, population)).into_response())
        }
        Err(ListRefusal::UnknownPopulation | ListRefusal::UnknownGroup) => {
            Err(Trouble::NotFound(format!("list {population} of group {group}")))
        }
        Err(refusal) => {
            let why = Some(format!("{refusal}."));
            let page = shown(app, me, (group, population), why).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}
