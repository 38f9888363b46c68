//! How hosts come in: tokens, renewals that wait, hosts that have not checked in yet.

use super::people::{Trouble, frame, render};
use super::session::{Administrator, LoggedIn};
use crate::app::App;
use crate::config::DurationText;
use crate::secret::secret;
use crate::store::{NewToken, network};
use crate::web::enrolment::{self, Said};
use crate::web::page::Room;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use evidence::wire::Token;
use evidence::{Digest, HostId};
use ipnet::IpNet;
use serde::Deserialize;

const MAX_USES: i64 = 100_000;
/// The longest a token works: 90 days.
const MAX_LIFE_US: i64 = 90 * 24 * 3600 * 1_000_000;

pub(super) async fn page(State(app): State<App>, me: LoggedIn) -> Result<Response, Trouble> {
    shown(&app, &me, None).await
}

async fn shown(app: &App, me: &LoggedIn, said: Option<Said>) -> Result<Response, Trouble> {
    let now_us = app.clock.now_us();
    let (hosts, tokens) = (app.store.hosts().await?, app.store.tokens().await?);
    let renewals = app.store.pending_renewals().await?;
    let input = enrolment::Input {
        now_us,
        hosts: &hosts,
        tokens: &tokens,
        renewals: &renewals,
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
    #[serde(default)]
    cidrs: String,
}

/// Makes a token and shows it, once.
pub(super) async fn create_token(
    State(app): State<App>,
    Administrator(me): Administrator,
    Form(form): Form<TokenForm>,
) -> Result<Response, Trouble> {
    let wanted = match read(&form) {
        Ok(wanted) => wanted,
        Err(why) => return refused(&app, &me, StatusCode::UNPROCESSABLE_ENTITY, why).await,
    };
    let token = Token { secret: secret()?, authority: app.keys.now().authority.pin() };
    let at_us = app.clock.now_us();
    let new = NewToken {
        hash: Digest::of(token.secret.as_bytes()),
        group: wanted.group.clone(),
        uses: wanted.uses,
        expires_us: at_us + wanted.life_us,
        cidrs: wanted.cidrs,
        actor: me.id.clone(),
        at_us,
    };
    app.store.create_token(&new).await?;
    let (group, uses, expires_us) = (wanted.group, wanted.uses, new.expires_us);
    let said = Said::Token { token: token.to_string(), group, uses, expires_us };
    shown(&app, &me, Some(said)).await
}

async fn refused(
    app: &App,
    me: &LoggedIn,
    status: StatusCode,
    why: String,
) -> Result<Response, Trouble> {
    let page = shown(app, me, Some(Said::Refused(why))).await?;
    Ok((status, page).into_response())
}

pub(super) async fn revoke_token(
    State(app): State<App>,
    Administrator(me): Administrator,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    match app.store.revoke_token(&id, &me.id, app.clock.now_us()).await? {
        Ok(_) => Ok(Redirect::to(Room::Enrolment.path()).into_response()),
        Err(choice) => refused(&app, &me, StatusCode::CONFLICT, choice.to_string()).await,
    }
}

/// Lets a host whose certificate ran out have another.
pub(super) async fn approve_renewal(
    State(app): State<App>,
    Administrator(me): Administrator,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let host: HostId = id.parse().map_err(|_| Trouble::NotFound(format!("host {id}")))?;
    match app.store.approve_renewal(host, &me.id, app.clock.now_us()).await? {
        Ok(()) => Ok(Redirect::to(Room::Enrolment.path()).into_response()),
        Err(act) => refused(&app, &me, StatusCode::CONFLICT, act.to_string()).await,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    group: String,
    uses: i64,
    life_us: i64,
    cidrs: Vec<IpNet>,
}

/// What the form asks for, or what is wrong with it.
fn read(form: &TokenForm) -> Result<Wanted, String> {
    let group = form.group.trim();
    if group.is_empty() || group.chars().count() > 64 || group.chars().any(char::is_control) {
        return Err("A group has a name of 1 to 64 characters, on one line.".to_owned());
    }
    let uses = form.uses.trim().parse().ok().filter(|uses| (1..=MAX_USES).contains(uses));
    let uses = uses.ok_or("A token enrols from 1 to 100,000 hosts.")?;
    let life: Option<DurationText> = form.ttl.parse().ok();
    let life_us = life.and_then(|life| i64::try_from(life.0.as_micros()).ok());
    let life_us = life_us.filter(|us| (1..=MAX_LIFE_US).contains(us));
    let life_us = life_us.ok_or("A token works for at most 90 days.")?;
    let texts = form.cidrs.split([',', ' ']).filter(|text| !text.is_empty());
    let cidrs = texts.map(network).collect::<Result<_, _>>()?;
    Ok(Wanted { group: group.to_owned(), uses, life_us, cidrs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_makes_no_sense_is_refused_with_words() {
        let form = |group: &str, uses: &str, ttl: &str, cidrs: &str| {
            let (group, uses) = (group.into(), uses.into());
            read(&TokenForm { group, uses, ttl: ttl.into(), cidrs: cidrs.into() })
        };
        let check = |group: &str, uses: &str, ttl: &str| form(group, uses, ttl, "");
        let wanted = form(" web ", "3", "1h", "192.0.2.0/24, 2001:db8::/32").expect("wanted");
        assert_eq!((wanted.group.as_str(), wanted.uses), ("web", 3));
        assert_eq!((wanted.life_us, wanted.cidrs.len()), (3_600_000_000, 2));
        assert!(form("web", "3", "1h", "192.0.2.1/24").is_err());
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
