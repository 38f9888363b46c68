//! How hosts come in: tokens and hosts that have not checked in yet.

use super::people::{Trouble, frame, render};
use super::session::{Administrator, LoggedIn};
use crate::app::App;
use crate::config::DurationText;
use crate::secret::secret;
use crate::web::enrolment::{self, Said};
use crate::web::page::Room;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use evidence::Digest;
use evidence::wire::Token;
use serde::Deserialize;

const MAX_USES: i64 = 100_000;
/// The longest a token works: 90 days.
const MAX_LIFE_US: i64 = 90 * 24 * 3600 * 1_000_000;

pub(super) async fn page(State(app): State<App>, me: LoggedIn) -> Result<Response, Trouble> {
    shown(&app, &me, None).await
}

async fn shown(app: &App, me: &LoggedIn, said: Option<Said>) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let (hosts, tokens) = (app.store.hosts().await?, app.store.open_tokens(now_us).await?);
    let input = enrolment::Input {
        now_us,
        hosts: &hosts,
        tokens: &tokens,
        server: &app.agents_url,
        may_change: me.is_administrator(),
        said,
    };
    Ok(render(&enrolment::page(frame(app, Some(Room::Enrolment)).await?, &input)))
}

#[derive(Deserialize)]
pub(super) struct TokenForm {
    group: String,
    uses: String,
    ttl: String,
}

/// Makes a token and shows it, once.
pub(super) async fn create_token(
    State(app): State<App>,
    Administrator(me): Administrator,
    Form(form): Form<TokenForm>,
) -> Result<Response, Trouble> {
    let (group, uses, life_us) = match read(&form) {
        Ok(read) => read,
        Err(why) => {
            let page = shown(&app, &me, Some(Said::Refused(why))).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let token = Token { secret: secret()?, authority: app.authority.pin() };
    let now_us = app.clock.now_us();
    let expires_us = now_us + life_us;
    let hash = Digest::of(token.secret.as_bytes());
    app.store.create_token(hash, &group, uses, expires_us, &me.id, now_us).await?;
    let said = Said::Token { token: token.to_string(), group, uses, expires_us };
    shown(&app, &me, Some(said)).await
}

/// Group, uses, life in microseconds; or what is wrong.
fn read(form: &TokenForm) -> Result<(String, i64, i64), String> {
    let group = form.group.trim();
    if group.is_empty() || group.chars().count() > 64 || group.chars().any(char::is_control) {
        return Err("A group has a name of 1 to 64 characters, on one line.".to_owned());
    }
    let uses = form.uses.trim().parse().ok().filter(|uses| (1..=MAX_USES).contains(uses));
    let uses = uses.ok_or("A token enrols from 1 to 100,000 hosts.")?;
    let life: Option<DurationText> = form.ttl.parse().ok();
    let life_us = life.and_then(|life| i64::try_from(life.0.as_micros()).ok());
    let life_us = life_us.filter(|us| (1..=MAX_LIFE_US).contains(us));
    Ok((group.to_owned(), uses, life_us.ok_or("A token works for at most 90 days.")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_makes_no_sense_is_refused_with_words() {
        let check = |group: &str, uses: &str, ttl: &str| {
            read(&TokenForm { group: group.into(), uses: uses.into(), ttl: ttl.into() })
        };
        assert_eq!(check(" web ", "3", "1h"), Ok(("web".to_owned(), 3, 3_600_000_000)));
        for (group, uses, ttl) in [
            ("", "1", "1h"),
            ("a\nb", "1", "1h"),
            ("web", "0", "1h"),
            ("web", "-1", "1h"),
            ("web", "100001", "1h"),
            ("web", "many", "1h"),
            ("web", "1", "91d"),
            ("web", "1", "for ever"),
        ] {
            assert!(check(group, uses, ttl).is_err(), "{group:?} {uses} {ttl}");
        }
    }
}
