//! Exceptions on pages.

use super::{COVERS_SHOWN, max_us, renewed, severities, unneeded_us};
use crate::app::App;
use crate::exception::{Scope, Wanted};
use crate::http::input::{DecideForm, NoteForm, cut, words};
use crate::http::people::{Trouble, frame, render};
use crate::http::rights::{Requester, RiskOwner, Withdrawer};
use crate::http::session::LoggedIn;
use crate::seat::{Right, may};
use crate::store::ExceptionRefusal;
use crate::web::exceptions::{self, Said};
use crate::web::page::{Room, exception_path};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use serde::Deserialize;

/// Pages that are looked at.
pub(in crate::http) fn pages() -> Router<App> {
    Router::new().route("/exceptions", get(list_page)).route("/exceptions/{id}", get(one_page))
}

/// Forms of pages.
pub(in crate::http) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/exceptions", post(request_form)),
        ("/exceptions/{id}/decide", post(decide_form)),
        ("/exceptions/{id}/withdraw", post(withdraw_form)),
        ("/exceptions/{id}/renew", post(renew_form)),
    ]
}

#[derive(Deserialize)]
struct PageQuery {
    /// Rule and host that the form begins with.
    #[serde(default)]
    rule: String,
    #[serde(default)]
    host: String,
}

async fn list_page(
    State(app): State<App>,
    me: LoggedIn,
    Query(query): Query<PageQuery>,
) -> Result<Response, Trouble> {
    let form = exceptions::Form { rules: query.rule, host: query.host, ..Default::default() };
    list_shown(&app, &me, form, None).await
}

async fn list_shown(
    app: &App,
    me: &LoggedIn,
    form: exceptions::Form,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let rows = app.store.exceptions().await?;
    let input = exceptions::ListInput {
        now_us: app.clock.now_us(),
        rows: &rows,
        hosts: &app.store.hosts().await?,
        people: &app.store.people().await?,
        groups: &app.store.host_groups().await?,
        may_request: may(&me.seat, Right::RequestException),
        unneeded_us: unneeded_us(app),
        max_us: max_us(app),
        form,
        refused,
    };
    Ok(render(&exceptions::list(frame(app, Some(Room::Decisions)).await?, input)))
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
    said: Option<Said>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::NotFound(format!("exception {id}"));
    let row = app.store.exception(id).await?.ok_or_else(missing)?;
    let covers = app.store.covers_of(id, COVERS_SHOWN).await?;
    let input = exceptions::OneInput {
        now_us: app.clock.now_us(),
        row: &row,
        covers: &covers,
        hosts: &app.store.hosts().await?,
        people: &app.store.people().await?,
        may_decide: may(&me.seat, Right::DecideException) && row.requested_by != me.id,
        may_withdraw: may(&me.seat, Right::WithdrawException),
        may_renew: may(&me.seat, Right::RequestException),
        unneeded_us: unneeded_us(app),
        said,
    };
    Ok(render(&exceptions::one(frame(app, Some(Room::Decisions)).await?, &input)))
}

/// What the form asks for, or what is wrong with it.
async fn read(app: &App, form: &exceptions::Form, now_us: i64) -> Result<Wanted, String> {
    let rules: Vec<_> = words(&form.rules).collect();
    let host = form.host.trim();
    let scope = match (host, form.group.as_str()) {
        ("", "") => Scope::Organisation,
        ("", group) => {
            Scope::read("group", group).ok_or("A group has a name on one line.".to_owned())?
        }
        (host, "") => {
            let hosts = app.store.hosts().await.map_err(|_| "Hosts cannot be read now.")?;
            let named = hosts.iter().find(|row| row.name == host || row.id.to_string() == host);
            Scope::Host(named.ok_or(format!("There is no host {host}."))?.id)
        }
        _ => return Err("Choose a group or name a host, not both.".to_owned()),
    };
    let until_us =
        exceptions::end_of_day(&form.until).ok_or("Its last day is a date, 2026-12-31.")?;
    let wanted = Wanted {
        rules: severities(app, &rules).map_err(|wrong| wrong.to_string())?,
        scope,
        reason: form.reason.clone(),
        measure: form.measure.clone(),
        ticket: form.ticket.clone(),
        risk: form.risk.clone(),
        until_us,
    };
    wanted.check(max_us(app), now_us).map_err(|wrong| format!("It is refused: {wrong}."))?;
    Ok(wanted)
}

async fn request_form(
    State(app): State<App>,
    Requester(me): Requester,
    Form(form): Form<exceptions::Form>,
) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let wanted = match read(&app, &form, now_us).await {
        Ok(wanted) => wanted,
        Err(why) => {
            let page = list_shown(&app, &me, form, Some(why)).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let id = app.store.request_exception(&wanted, None, &me.id, now_us).await?;
    let id = id.map_err(|refusal| Trouble::Refused(format!("Nothing was changed: {refusal}.")))?;
    Ok(Redirect::to(&exception_path(&id)).into_response())
}

async fn decide_form(
    State(app): State<App>,
    RiskOwner(me): RiskOwner,
    Path(id): Path<String>,
    Form(form): Form<DecideForm>,
) -> Result<Response, Trouble> {
    let (approve, note) = (form.approves()?, cut(&form.note));
    let done = app.store.decide_exception(&id, &me.id, approve, note, app.clock.now_us()).await?;
    answer(&app, &me, &id, done).await
}

async fn withdraw_form(
    State(app): State<App>,
    Withdrawer(me): Withdrawer,
    Path(id): Path<String>,
    Form(form): Form<NoteForm>,
) -> Result<Response, Trouble> {
    let note = cut(&form.note);
    let done = app.store.withdraw_exception(&id, &me.id, note, app.clock.now_us()).await?;
    answer(&app, &me, &id, done).await
}

#[derive(Deserialize)]
struct RenewForm {
    reason: String,
    until: String,
}

async fn renew_form(
    State(app): State<App>,
    Requester(me): Requester,
    Path(id): Path<String>,
    Form(form): Form<RenewForm>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::NotFound(format!("exception {id}"));
    let row = app.store.exception(&id).await?.ok_or_else(missing)?;
    let now_us = app.clock.now_us();
    let wanted = renewed(&app, &row, form.reason, exceptions::end_of_day(&form.until).unwrap_or(0));
    if let Err(wrong) = wanted.check(max_us(&app), now_us) {
        let page = one_shown(&app, &me, &id, Some(Said::Refused(wrong.to_string()))).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    match app.store.request_exception(&wanted, Some(&id), &me.id, now_us).await? {
        Ok(new) => Ok(Redirect::to(&exception_path(&new)).into_response()),
        Err(refusal) => answer(&app, &me, &id, Err(refusal)).await,
    }
}

async fn answer(
    app: &App,
    me: &LoggedIn,
    id: &str,
    done: Result<(), ExceptionRefusal>,
) -> Result<Response, Trouble> {
    match done {
        Ok(()) => {
            app.alerts.notify_one();
            Ok(Redirect::to(&exception_path(id)).into_response())
        }
        Err(ExceptionRefusal::Unknown) => Err(Trouble::NotFound(format!("exception {id}"))),
        Err(refusal) => {
            let page = one_shown(app, me, id, Some(Said::Refused(refusal.to_string()))).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}
