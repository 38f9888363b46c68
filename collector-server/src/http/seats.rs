//! Who may sign in: people are added, let in by a link, disabled and enabled.

use super::people::{Trouble, frame, render};
use super::session::{Administrator, LoggedIn};
use crate::app::App;
use crate::secret::secret;
use crate::store::{DisableRefusal, Person, SeatRefusal};
use crate::web::page::Room;
use crate::web::people::{self, Said};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use evidence::Digest;
use serde::Deserialize;

/// How long a link that an administrator hands over works: the other may be in another office.
const LINK_LIFE_US: i64 = 24 * 3600 * 1_000_000;

pub(super) async fn people_page(State(app): State<App>, me: LoggedIn) -> Result<Response, Trouble> {
    shown(&app, &me, None).await
}

async fn shown(app: &App, me: &LoggedIn, said: Option<Said>) -> Result<Response, Trouble> {
    let people = app.store.people().await?;
    let input =
        people::Input { people: &people, me: &me.id, may_change: me.is_administrator(), said };
    Ok(render(&people::page(frame(app, Some(Room::People)).await?, &input)))
}

#[derive(Deserialize)]
pub(super) struct PersonForm {
    name: String,
    seat: String,
}

pub(super) async fn add(
    State(app): State<App>,
    Administrator(me): Administrator,
    Form(form): Form<PersonForm>,
) -> Result<Response, Trouble> {
    let refused = async |said| {
        let page = shown(&app, &me, Some(said)).await?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    let person = match Person::new(&form.name, &form.seat) {
        Ok(person) => person,
        Err(error) => return refused(Said::Refused(error.to_string())).await,
    };
    if !app.store.create_person(&person, &me.id, app.clock.now_us()).await? {
        let text = format!("There is somebody of the name {} already.", person.name);
        return refused(Said::Refused(text)).await;
    }
    with_link(&app, &me, &person.id).await
}

/// A new login link for a person, shown once.
pub(super) async fn link(
    State(app): State<App>,
    Administrator(me): Administrator,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    with_link(&app, &me, &id).await
}

async fn with_link(app: &App, me: &LoggedIn, id: &str) -> Result<Response, Trouble> {
    let people = app.store.people().await?;
    let person = people.iter().find(|person| person.id == id && person.disabled_us.is_none());
    let person = person.ok_or_else(|| Trouble::NotFound("such person who may sign in".into()))?;
    let secret = secret()?;
    let now_us = app.clock.now_us();
    let hash = Digest::of(secret.as_bytes());
    let expires_us = now_us + LINK_LIFE_US;
    app.store.create_login_link(hash, &person.id, expires_us, &me.id, now_us).await?;
    let link = format!("{}/login?link={secret}", app.people_url());
    shown(app, me, Some(Said::Link { name: person.name.clone(), link, expires_us })).await
}

pub(super) async fn disable(
    State(app): State<App>,
    Administrator(me): Administrator,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    set_disabled(&app, &me, &id, true).await
}

pub(super) async fn enable(
    State(app): State<App>,
    Administrator(me): Administrator,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    set_disabled(&app, &me, &id, false).await
}

#[derive(Deserialize)]
pub(super) struct SeatForm {
    seat: String,
}

pub(super) async fn give_seat(
    State(app): State<App>,
    Administrator(me): Administrator,
    Path(id): Path<String>,
    Form(form): Form<SeatForm>,
) -> Result<Response, Trouble> {
    match app.store.set_seat(&id, &form.seat, &me.id, app.clock.now_us()).await? {
        Ok(()) => Ok(Redirect::to(Room::People.path()).into_response()),
        Err(SeatRefusal::Unknown) => Err(Trouble::NotFound("such person".into())),
        Err(refusal) => {
            let page = shown(&app, &me, Some(Said::Refused(refusal.to_string()))).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}

async fn set_disabled(
    app: &App,
    me: &LoggedIn,
    id: &str,
    disabled: bool,
) -> Result<Response, Trouble> {
    match app.store.set_disabled(id, disabled, &me.id, app.clock.now_us()).await? {
        Ok(()) => Ok(Redirect::to(Room::People.path()).into_response()),
        Err(DisableRefusal::Unknown) => Err(Trouble::NotFound("such person".into())),
        Err(refusal @ DisableRefusal::LastAdministrator) => {
            let page = shown(app, me, Some(Said::Refused(refusal.to_string()))).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}
