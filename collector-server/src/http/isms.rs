//! Pages of management systems and groups.

use super::moment::Then;
use super::people::{Ground, Trouble, frame, frame_at, frame_with, render};
use super::rights::Describer;
use super::session::LoggedIn;
use crate::app::App;
use crate::expected::{CRITICALITIES, ENVIRONMENTS};
use crate::moment::Moment;
use crate::scope::Scope;
use crate::seat::{Right, may};
use crate::store::model::GroupRow;
use crate::store::{Isms, IsmsRefusal, IsmsText, Membership};
use crate::web::isms::{self as web_isms, isms_path};
use crate::web::page::Room;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use serde::Deserialize;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/isms", get(list_page))
        .route("/isms/{id}", get(one_page))
        .route("/groups", get(groups_page))
}

pub(super) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/isms", post(create)),
        ("/isms/{id}", post(describe)),
        ("/isms/{id}/groups", post(scope)),
        ("/groups", post(describe_group)),
    ]
}

pub(super) fn unknown(id: &str) -> Trouble {
    Trouble::NotFound(format!("ISMS {id}"))
}

pub(super) fn unprocessable(page: Response) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

async fn list_page(State(app): State<App>, me: LoggedIn, then: Then) -> Result<Response, Trouble> {
    let Some(moment) = &then.moment else { return list_in(&app, &me, None, Some(&then)).await };
    let (mut all, mut approved) = (vec![], vec![]);
    for mut isms in app.store.all_isms().await? {
        if isms.created_us > moment.decided_us() {
            continue;
        }
        isms.groups = app.store.isms_groups_at(&isms.id, moment).await?;
        approved.extend(app.store.approved_at(&isms.id, moment).await?);
        all.push(isms);
    }
    let frame = frame_with(&app, Room::Isms, &then, texts_changed(&all, moment)).await?;
    Ok(render(&web_isms::list(frame, &all, &approved, false, None)))
}

/// Texts of an ISMS are kept as they are now; what changed since is not shown as the past.
fn texts_changed(all: &[Isms], moment: &Moment) -> Option<String> {
    let changed = all.iter().filter(|isms| isms.changed_us > moment.decided_us());
    let names: Vec<&str> = changed.map(|isms| isms.text.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "Name, entity and statement were changed since, and are those of now: {}.",
            names.join(", ")
        )
    })
}

async fn list_with(app: &App, me: &LoggedIn, refused: Option<String>) -> Result<Response, Trouble> {
    list_in(app, me, refused, None).await
}

async fn list_in(
    app: &App,
    me: &LoggedIn,
    refused: Option<String>,
    then: Option<&Then>,
) -> Result<Response, Trouble> {
    let all = app.store.all_isms().await?;
    let approved = app.store.approved_applicability().await?;
    let frame = match then {
        Some(then) => frame_at(app, Room::Isms, then).await?,
        None => frame(app, Some(Room::Isms)).await?,
    };
    Ok(render(&web_isms::list(frame, &all, &approved, may(&me.seat, Right::Describe), refused)))
}

#[derive(Deserialize)]
struct IsmsForm {
    name: String,
    legal_entity: String,
    scope_statement: String,
    #[serde(default)]
    certificate: String,
}

impl IsmsForm {
    fn text(self) -> IsmsText {
        let certificate = Some(self.certificate).filter(|text| !text.trim().is_empty());
        let Self { name, legal_entity, scope_statement, .. } = self;
        IsmsText { name, legal_entity, scope_statement, certificate }
    }
}

async fn create(
    State(app): State<App>,
    Describer(me): Describer,
    Form(form): Form<IsmsForm>,
) -> Result<Response, Trouble> {
    match app.store.create_isms(&form.text(), &me.id, app.clock.now_us()).await? {
        Ok(id) => Ok(Redirect::to(&isms_path(&id)).into_response()),
        Err(refusal) => Ok(unprocessable(list_with(&app, &me, Some(format!("{refusal}."))).await?)),
    }
}

async fn one_page(
    State(app): State<App>,
    me: LoggedIn,
    then: Then,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    one_in(&app, &me, &id, None, Some(&then)).await
}

async fn one_with(
    app: &App,
    me: &LoggedIn,
    id: &str,
    refused: Option<String>,
) -> Result<Response, Trouble> {
    one_in(app, me, id, refused, None).await
}

async fn one_in(
    app: &App,
    me: &LoggedIn,
    id: &str,
    refused: Option<String>,
    then: Option<&Then>,
) -> Result<Response, Trouble> {
    let mut isms = app.store.isms(id).await?.ok_or_else(|| unknown(id))?;
    let mut ground = match then {
        Some(then) => Ground::at(app, then).await?,
        None => Ground::load(app).await?,
    };
    let mut versions = app.store.applicability_versions(&isms.id).await?;
    if let Some(moment) = ground.moment().copied() {
        if isms.created_us > moment.decided_us() {
            return Err(unknown(id));
        }
        isms.groups = app.store.isms_groups_at(&isms.id, &moment).await?;
        versions.retain(|version| version.is_approved_at(&moment));
        ground.stands_in(texts_changed(std::slice::from_ref(&isms), &moment));
    }
    ground.narrow(app, &Scope::Isms(isms.id.clone()), &isms.groups).await?;
    let groups = app.store.groups().await?;
    let input = web_isms::Input {
        now: ground.now(),
        isms: &isms,
        groups: &groups,
        versions: &versions,
        may_change: may(&me.seat, Right::Describe) && !ground.is_past(),
        refused,
    };
    Ok(render(&web_isms::one(ground.frame(Room::Isms), &input)))
}

async fn describe(
    State(app): State<App>,
    Describer(me): Describer,
    Path(id): Path<String>,
    Form(form): Form<IsmsForm>,
) -> Result<Response, Trouble> {
    let done = app.store.describe_isms(&id, &form.text(), &me.id, app.clock.now_us()).await?;
    changed(&app, &me, &id, done).await
}

#[derive(Deserialize)]
struct ScopeForm {
    group: String,
    belongs: String,
    #[serde(default)]
    reason: String,
}

async fn scope(
    State(app): State<App>,
    Describer(me): Describer,
    Path(id): Path<String>,
    Form(form): Form<ScopeForm>,
) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let membership = Membership {
        isms: id.clone(),
        group: form.group,
        belongs: form.belongs == "in",
        from_us: now_us,
        reason: Some(form.reason).filter(|text| !text.trim().is_empty()),
    };
    let done = app.store.scope_isms(&membership, &me.id, now_us).await?;
    changed(&app, &me, &id, done.map(|_| ())).await
}

async fn changed(
    app: &App,
    me: &LoggedIn,
    id: &str,
    done: Result<(), IsmsRefusal>,
) -> Result<Response, Trouble> {
    match done {
        Ok(()) => Ok(Redirect::to(&isms_path(id)).into_response()),
        Err(IsmsRefusal::Unknown) => Err(unknown(id)),
        Err(refusal) => {
            Ok(unprocessable(one_with(app, me, id, Some(format!("{refusal}."))).await?))
        }
    }
}

async fn groups_page(State(app): State<App>, me: LoggedIn) -> Result<Response, Trouble> {
    let groups = app.store.groups().await?;
    let frame = frame(&app, Some(Room::Isms)).await?;
    Ok(render(&web_isms::groups(frame, &groups, may(&me.seat, Right::Describe))))
}

#[derive(Deserialize)]
struct GroupForm {
    name: String,
    #[serde(default)]
    environment: String,
    #[serde(default)]
    criticality: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    deputy: String,
    #[serde(default)]
    fallback: String,
}

/// Says what a group is and who answers for it; what the form leaves empty is no longer said. How
/// long its hosts may be silent stays as it is.
async fn describe_group(
    State(app): State<App>,
    Describer(me): Describer,
    Form(form): Form<GroupForm>,
) -> Result<Response, Trouble> {
    let refused = |why: &str| Trouble::Refused(format!("Nothing was changed: {why}."));
    let line = |text: &str| text.chars().count() <= 253 && !text.chars().any(char::is_control);
    let name = form.name.trim().to_owned();
    let texts = [&name, &form.owner, &form.deputy, &form.fallback];
    if name.is_empty() || !texts.iter().all(|text| line(text)) {
        return Err(refused("a group has a name, and texts have at most 253 characters on a line"));
    }
    let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let word = |text: &str, known: &[&str]| match said(text) {
        Some(word) if !known.contains(&word.as_str()) => Err(refused("there is no such word")),
        word => Ok(word),
    };
    let held = app.store.groups().await?.into_iter().find(|group| group.name == name);
    let group = GroupRow {
        environment: word(&form.environment, &ENVIRONMENTS)?,
        criticality: word(&form.criticality, &CRITICALITIES)?,
        owner: said(&form.owner),
        deputy: said(&form.deputy),
        fallback: said(&form.fallback),
        ttl_s: held.and_then(|held| held.ttl_s),
        hosts: 0,
        name,
    };
    app.store.describe_groups(&[group], &me.id, app.clock.now_us()).await?;
    Ok(Redirect::to("/groups").into_response())
}
