//! Inherited evidence on pages.

use super::max_us;
use crate::app::App;
use crate::http::exceptions::severities;
use crate::http::input::{DecideForm, NoteForm, cut, words};
use crate::http::people::{Trouble, frame, render};
use crate::http::rights::{InheritedDecider, Inheriter};
use crate::http::session::LoggedIn;
use crate::inherited::Wanted;
use crate::seat::{Right, may};
use crate::store::{Decider, ExceptionRefusal};
use crate::web::exceptions::end_of_day;
use crate::web::inherited::{self, Form};
use crate::web::page::{Room, inherited_path};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form as Sent, Router};
use serde::Deserialize;

pub(in crate::http) fn pages() -> Router<App> {
    Router::new().route("/inherited", get(list_page)).route("/inherited/{id}", get(one_page))
}

pub(in crate::http) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/inherited", post(request)),
        ("/inherited/{id}/decide", post(decide)),
        ("/inherited/{id}/end", post(end)),
    ]
}

#[derive(Deserialize)]
struct PageQuery {
    /// The rule that the form begins with.
    #[serde(default)]
    rule: String,
}

async fn list_page(
    State(app): State<App>,
    me: LoggedIn,
    Query(query): Query<PageQuery>,
) -> Result<Response, Trouble> {
    list_shown(&app, &me, Form { rules: query.rule, ..Form::default() }, None).await
}

async fn list_shown(
    app: &App,
    me: &LoggedIn,
    form: Form,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    let input = inherited::ListInput {
        now_us: app.clock.now_us(),
        rows: &app.store.inherited().await?,
        people: &app.store.people().await?,
        groups: &app.store.host_groups().await?,
        may_request: may(&me.seat, Right::RequestInherited),
        max_us: max_us(app),
        form,
        refused,
    };
    Ok(render(&inherited::list(frame(app, Some(Room::Decisions)).await?, input)))
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
    let rows = app.store.inherited().await?;
    let missing = || Trouble::NotFound(format!("inherited evidence {id}"));
    let row = rows.iter().find(|row| row.id == id).ok_or_else(missing)?;
    let now_us = app.clock.now_us();
    let covers = app.overview(now_us).await.map_err(Trouble::from)?.inherited;
    let input = inherited::OneInput {
        now_us,
        row,
        covers: covers.iter().filter(|(_, by)| by.statement == id).collect(),
        hosts: &app.store.hosts().await?,
        people: &app.store.people().await?,
        may_decide: may(&me.seat, Right::DecideInherited) && row.requested_by != me.id,
        may_end: may(&me.seat, Right::RequestInherited),
        refused,
    };
    Ok(render(&inherited::one(frame(app, Some(Room::Decisions)).await?, &input)))
}

/// What the form asks for, or what is wrong with it.
fn read(app: &App, form: &Form, now_us: i64) -> Result<Wanted, String> {
    let rules: Vec<_> = words(&form.rules).collect();
    let until_us = end_of_day(&form.until).ok_or("Its last day is a date, 2026-12-31.")?;
    let wanted = Wanted {
        rules: severities(app, &rules).map_err(|wrong| format!("{wrong}."))?,
        group: form.group.clone(),
        provider: form.provider.clone(),
        source: form.source.trim().to_owned(),
        source_hash: form.source_hash.trim().to_owned(),
        reason: form.reason.clone(),
        until_us,
    };
    wanted.check(max_us(app), now_us).map_err(|wrong| format!("It is refused: {wrong}."))?;
    Ok(wanted)
}

async fn request(
    State(app): State<App>,
    Inheriter(me): Inheriter,
    Sent(form): Sent<Form>,
) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    match read(&app, &form, now_us) {
        Ok(wanted) => {
            let id = app.store.request_inherited(&wanted, &me.id, now_us).await?;
            Ok(Redirect::to(&inherited_path(&id)).into_response())
        }
        Err(why) => {
            let page = list_shown(&app, &me, form, Some(why)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn decide(
    State(app): State<App>,
    InheritedDecider(me): InheritedDecider,
    Path(id): Path<String>,
    Sent(form): Sent<DecideForm>,
) -> Result<Response, Trouble> {
    let (approve, note) = (form.approves()?, cut(&form.note));
    let (by, now_us) = (Decider::in_person(&me.id), app.clock.now_us());
    let done = app.store.decide_inherited(&id, by, approve, note, now_us).await?;
    answer(&app, &me, &id, done).await
}

async fn end(
    State(app): State<App>,
    Inheriter(me): Inheriter,
    Path(id): Path<String>,
    Sent(form): Sent<NoteForm>,
) -> Result<Response, Trouble> {
    let note = cut(&form.note);
    let done = app.store.end_inherited(&id, &me.id, note, app.clock.now_us()).await?;
    answer(&app, &me, &id, done).await
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
            Ok(Redirect::to(&inherited_path(id)).into_response())
        }
        Err(ExceptionRefusal::Unknown) => {
            Err(Trouble::NotFound(format!("inherited evidence {id}")))
        }
        Err(refusal) => {
            let page = one_shown(app, me, id, Some(format!("{refusal}."))).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}
