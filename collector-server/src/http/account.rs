//! Signing in and out, one's own password and sessions.

use super::people::{Trouble, frame, render};
use super::session::{LoggedIn, log_in};
use super::source::Source;
use crate::app::App;
use crate::passwords::{Password, PasswordError};
use crate::store::{Act, SessionOf};
use crate::web::account::{self, Notice};
use crate::web::login::{self, Refused};
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use evidence::Digest;
use serde::Deserialize;
use tower_sessions::Session;

#[derive(Deserialize)]
pub(super) struct LoginQuery {
    link: Option<String>,
}

/// The form to sign in, or a login link that was followed.
pub(super) async fn login_page(
    State(app): State<App>,
    session: Session,
    source: Source,
    Query(query): Query<LoginQuery>,
) -> Result<Response, Trouble> {
    let Some(secret) = query.link else { return Ok(render(&login::page(None))) };
    let hash = Digest::of(secret.as_bytes());
    match app.store.use_login_link(hash, app.clock.now_us()).await? {
        Ok(person) => {
            app.metrics.login("link");
            let of = SessionOf { person: person.id, source: source.0.to_string(), by_link: true };
            log_in(&session, of).await?;
            // The overview offers to set a password to whoever has none.
            Ok(Redirect::to("/").into_response())
        }
        Err(refusal) => {
            tracing::warn!(%refusal, "login refused");
            app.metrics.login("link_refused");
            Ok(refused(StatusCode::FORBIDDEN, Refused::Link))
        }
    }
}

#[derive(Deserialize)]
pub(super) struct LoginForm {
    name: String,
    password: String,
}

/// Signs in with name and password. Whether the name exists changes neither the answer nor the
/// work that it takes.
pub(super) async fn login(
    State(app): State<App>,
    session: Session,
    Source(source): Source,
    Form(form): Form<LoginForm>,
) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let attempt = match app.throttle.attempt(&form.name, source, now_us) {
        Ok(attempt) => attempt,
        Err(wait_s) => {
            app.metrics.login("throttled");
            return Ok(wait(wait_s, refused(StatusCode::TOO_MANY_REQUESTS, Refused::Wait(wait_s))));
        }
    };
    let known = app.store.credentials(&form.name).await?;
    let phc = known.as_ref().and_then(|known| known.password.clone());
    let right = match Password::tried(form.password) {
        Ok(password) => app.passwords.verify(password, phc).await,
        Err(_) => Ok(false),
    };
    let right = match right {
        Ok(right) => right,
        Err(error) => return Ok(busy(error)),
    };
    let Some(known) = known.filter(|known| right && !known.disabled) else {
        app.metrics.login("refused");
        tracing::warn!(%source, "login refused: name or password");
        return Ok(refused(StatusCode::FORBIDDEN, Refused::Password));
    };
    app.throttle.succeeded(&attempt, source);
    app.metrics.login("password");
    app.store.logged_in(&known.person.id, now_us).await?;
    let of = SessionOf { person: known.person.id, source: source.to_string(), by_link: false };
    log_in(&session, of).await?;
    Ok(Redirect::to("/").into_response())
}

fn refused(status: StatusCode, why: Refused) -> Response {
    (status, render(&login::page(Some(why)))).into_response()
}

fn busy(error: PasswordError) -> Response {
    tracing::warn!(%error, "a login could not be checked");
    wait(2, refused(StatusCode::SERVICE_UNAVAILABLE, Refused::Busy))
}

fn wait(seconds: u64, mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

pub(super) async fn logout(State(app): State<App>, session: Session, me: LoggedIn) -> Response {
    let act = Act {
        at_us: app.clock.now_us(),
        actor: me.id,
        act: "logged_out".to_owned(),
        detail: serde_json::json!({}),
    };
    if let Err(error) = app.store.log_act(&act).await {
        tracing::error!(%error, "that a person signed out could not be logged");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Err(error) = session.flush().await {
        tracing::error!(%error, "a session could not be ended");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Redirect::to("/login").into_response()
}

#[derive(Deserialize)]
pub(super) struct AccountQuery {
    done: Option<String>,
}

pub(super) async fn account_page(
    State(app): State<App>,
    me: LoggedIn,
    Query(query): Query<AccountQuery>,
) -> Result<Response, Trouble> {
    let notice = query.done.as_deref().and_then(Notice::from_word);
    shown(&app, &me, notice).await
}

async fn shown(app: &App, me: &LoggedIn, notice: Option<Notice>) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let sessions = app.store.sessions(&me.id, now_us).await?;
    let input = account::Input {
        now_us,
        name: &me.name,
        seat: &me.seat,
        has_password: me.has_password,
        asks_for_current: me.has_password && !me.by_link,
        sessions: &sessions,
        session: &me.session,
        notice,
    };
    Ok(render(&account::page(frame(app, None).await?, &input)))
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    #[serde(default)]
    current: String,
    new: String,
    again: String,
}

/// Sets one's own password, ends all other sessions, and begins this one anew.
pub(super) async fn set_password(
    State(app): State<App>,
    session: Session,
    me: LoggedIn,
    Source(source): Source,
    Form(form): Form<PasswordForm>,
) -> Result<Response, Trouble> {
    let refused = async |notice| {
        let page = shown(&app, &me, Some(notice)).await?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    if form.new != form.again {
        return refused(Notice::Differ).await;
    }
    let new = match Password::new(form.new) {
        Ok(new) => new,
        Err(weak) => return refused(Notice::Weak(weak)).await,
    };
    let now_us = app.clock.now_us();
    if me.has_password && !me.by_link {
        let attempt = match app.throttle.attempt(&me.name, source, now_us) {
            Ok(attempt) => attempt,
            Err(wait_s) => return refused(Notice::Wait(wait_s)).await,
        };
        let known = app.store.credentials(&me.name).await?;
        let Ok(current) = Password::tried(form.current) else {
            return refused(Notice::Wrong).await;
        };
        match app.passwords.verify(current, known.and_then(|known| known.password)).await {
            Ok(true) => app.throttle.succeeded(&attempt, source),
            Ok(false) => return refused(Notice::Wrong).await,
            Err(error) => return Ok(busy(error)),
        }
    }
    let phc = match app.passwords.hash(new).await {
        Ok(phc) => phc,
        Err(error) => return Ok(busy(error)),
    };
    app.store.set_password(&me.id, &phc, now_us).await?;
    let of = SessionOf { person: me.id, source: source.to_string(), by_link: false };
    log_in(&session, of).await?;
    Ok(Redirect::to("/account?done=password").into_response())
}

#[derive(Deserialize)]
pub(super) struct SessionForm {
    session: String,
}

/// Ends one of one's own sessions.
pub(super) async fn end_session(
    State(app): State<App>,
    me: LoggedIn,
    Form(form): Form<SessionForm>,
) -> Result<Response, Trouble> {
    app.store.revoke_session(&me.id, &form.session, app.clock.now_us()).await?;
    Ok(Redirect::to("/account?done=session").into_response())
}

/// Ends all of one's own sessions but the one that asks.
pub(super) async fn end_other_sessions(
    State(app): State<App>,
    me: LoggedIn,
) -> Result<Response, Trouble> {
    app.store.revoke_other_sessions(&me.id, &me.session, app.clock.now_us()).await?;
    Ok(Redirect::to("/account?done=sessions").into_response())
}
