//! Pages of controls, of the organisation or a part of it, and what owners tolerate.

use super::moment::Then;
use super::people::{Ground, Trouble, render};
use super::rights::Describer;
use super::session::LoggedIn;
use crate::app::App;
use crate::moment::{NoMoment, read_period};
use crate::period;
use crate::scope::{Interval, Scope};
use crate::seat::{Right, may};
use crate::status::Tolerance;
use crate::store::{ToleranceRow, Tolerated};
use crate::web::control::Said;
use crate::web::page::{Room, control_path};
use crate::web::{self, applicability};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The period on the page of a control.
const SHOWN_US: i64 = 90 * 86_400_000_000;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/controls", get(list_page))
        .route("/controls/{id}", get(one_page))
        .route("/patches", get(patches_page))
}

pub(super) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![("/controls/{id}/tolerance", post(tolerate))]
}

#[derive(Deserialize)]
struct ScopeQuery {
    scope: Option<String>,
}

#[derive(Deserialize)]
struct PeriodPageQuery {
    scope: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl PeriodPageQuery {
    /// The period that is asked for; the last 90 days without a word.
    fn period(&self, then: &Then, now_us: i64) -> Result<Interval, Trouble> {
        let (from, to) = (self.from.as_deref(), self.to.as_deref());
        let words = |error: NoMoment| Trouble::Asked(error.to_string());
        read_period(from, to, &then.zone.zone(), now_us, SHOWN_US).map_err(words)
    }
}

/// Narrows the ground to what was asked for; gives the scope, and what it is called if it is not the
/// organisation.
pub(super) async fn narrow(
    app: &App,
    ground: &mut Ground,
    text: Option<String>,
) -> Result<(Scope, Option<String>), Trouble> {
    let Some(text) = text else { return Ok((Scope::Organisation, None)) };
    let unknown = || Trouble::NotFound(format!("scope {text}"));
    let scope: Scope = text.parse().map_err(|_| unknown())?;
    let (scope, says, groups) = match scope {
        Scope::Organisation => return Ok((scope, None)),
        Scope::Isms(id) => {
            let isms = app.store.isms(&id).await?.ok_or_else(unknown)?;
            let groups = match ground.moment() {
                None => isms.groups,
                Some(moment) => app.store.isms_groups_at(&isms.id, moment).await?,
            };
            (Scope::Isms(isms.id), format!("the ISMS {}", isms.text.name), groups)
        }
        Scope::Group(name) => {
            let says = format!("the group {name}");
            (Scope::Group(name), says, BTreeSet::new())
        }
        Scope::Host(id) => {
            let host = ground.overview.hosts.iter().find(|host| host.id == id);
            let says = format!("the host {}", host.ok_or_else(unknown)?.name);
            (Scope::Host(id), says, BTreeSet::new())
        }
    };
    ground.narrow(app, &scope, &groups).await?;
    Ok((scope, Some(says)))
}

async fn list_page(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Query(query): Query<ScopeQuery>,
) -> Result<Response, Trouble> {
    let mut ground = Ground::at(&app, &then).await?;
    let (scope, says) = narrow(&app, &mut ground, query.scope).await?;
    let page = web::controls::page(ground.frame(Room::Controls), &ground.now());
    Ok(render(&page.of_scope(says.map(|says| (says, scope.to_string())))))
}

async fn one_page(
    State(app): State<App>,
    me: LoggedIn,
    then: Then,
    Path(id): Path<String>,
    Query(query): Query<PeriodPageQuery>,
) -> Result<Response, Trouble> {
    let mut ground = Ground::at(&app, &then).await?;
    let asked = query.period(&then, ground.now_us)?;
    let (scope, says) = narrow(&app, &mut ground, query.scope).await?;
    let page = web::control::page(ground.frame(Room::Controls), &ground.now(), &id);
    let page = page.ok_or_else(|| Trouble::NotFound(format!("control {id}")))?;
    let said = Said {
        scope: says,
        stands: stands(&app, &ground, &id).await?,
        records: records(&app, &ground, (&id, &scope)).await?,
        tolerance: tolerance(&app, &ground, (&id, &scope)).await?,
        period: shown_period(&app, &ground, (&id, &scope), asked).await?,
        may_change: may(&me.seat, Right::Describe)
            && scope == Scope::Organisation
            && !ground.is_past(),
    };
    Ok(render(&page.with_exceptions(&ground.overview.excepted).with_said(said)))
}

/// What records of the scope say; of a group or a host they say nothing.
async fn records(
    app: &App,
    ground: &Ground,
    (control, scope): (&str, &Scope),
) -> Result<Vec<web::records::ControlLine>, Trouble> {
    let isms = app.store.all_isms().await?;
    let mut claims = ground.overview.terms.records.claims.clone();
    match scope {
        Scope::Organisation => {}
        Scope::Isms(id) => claims.retain(|claim| claim.isms == *id),
        Scope::Group(_) | Scope::Host(_) => return Ok(vec![]),
    }
    Ok(web::records::of_control(control, &claims, (&app.registers, &isms)))
}

async fn stands(
    app: &App,
    ground: &Ground,
    control: &str,
) -> Result<Vec<applicability::Stand>, Trouble> {
    let said = match ground.moment() {
        None => app.store.applicability_of(control).await?,
        Some(moment) => app.store.applicability_of_at(control, moment).await?,
    };
    Ok(applicability::stands(&app.store.all_isms().await?, &said))
}

/// What is tolerated in this scope: by the word of the ISMS, or else of the organisation.
async fn tolerance(
    app: &App,
    ground: &Ground,
    (control, scope): (&str, &Scope),
) -> Result<Option<web::period::Tolerance>, Trouble> {
    let rows = match ground.moment() {
        None => app.store.tolerance_rows().await?,
        Some(moment) => app.store.tolerance_rows_at(moment).await?,
    };
    let of = |isms: Option<&str>| {
        let found =
            |row: &&ToleranceRow| row.said.control == control && row.said.isms.as_deref() == isms;
        rows.iter().find(found)
    };
    let row = scope.isms().and_then(|isms| of(Some(isms))).or_else(|| of(None));
    let status = ground.overview.controls.iter().find(|(held, _)| held.id == control);
    let both = row.zip(status);
    Ok(both.map(|(row, (_, status))| web::period::tolerance(row, status)))
}

/// None where no rule looks at the control.
async fn shown_period(
    app: &App,
    ground: &Ground,
    about: (&str, &Scope),
    asked: Interval,
) -> Result<Option<web::period::PeriodPart>, Trouble> {
    if ground.now().rules_of(about.0).next().is_none() {
        return Ok(None);
    }
    let (rules, terms) = (ground.active.as_ref(), &ground.overview.terms);
    let known = ground.moment().map_or(i64::MAX, |moment| moment.known);
    let period = period::of_control(&app.store, rules, terms, about, asked, known).await?;
    Ok(Some(web::period::part(&period, &ground.overview.hosts)))
}

async fn patches_page(
    State(app): State<App>,
    _: LoggedIn,
    Query(query): Query<ScopeQuery>,
) -> Result<Response, Trouble> {
    let mut ground = Ground::load(&app).await?;
    let (_, says) = narrow(&app, &mut ground, query.scope).await?;
    let hosts = &ground.overview.hosts;
    let wanted = hosts.iter().map(|host| host.id).collect();
    let (limits, now_us) = (crate::overview::limits(&app.config).patch, ground.now_us);
    let since_us = now_us - SHOWN_US;
    let patches =
        crate::patch::report(&app.store, hosts, &wanted, &limits, since_us, now_us).await?;
    let days = SHOWN_US / crate::clock::DAY_US;
    let input = web::patch::Input { hosts, patches: &patches, scope: says, days, now_us };
    Ok(render(&web::patch::page(ground.frame(Room::Controls), input)))
}

#[derive(Deserialize)]
struct ToleranceForm {
    #[serde(default)]
    max_hosts: String,
    #[serde(default)]
    max_percent: String,
    owner: String,
    reason: String,
}

/// A number of a form; none where it was left empty.
fn number(text: &str) -> Result<Option<u64>, Trouble> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| Trouble::Refused(format!("Nothing was changed: {text} is no number."));
    text.parse().map(Some).map_err(wrong)
}

async fn tolerate(
    State(app): State<App>,
    Describer(me): Describer,
    Path(id): Path<String>,
    Form(form): Form<ToleranceForm>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::NotFound(format!("control {id}"));
    app.judge.rules().catalogue().get(&id).ok_or_else(missing)?;
    let tolerance =
        Tolerance { max_hosts: number(&form.max_hosts)?, max_percent: number(&form.max_percent)? };
    let tolerance =
        Some(tolerance).filter(|held| held.max_hosts.is_some() || held.max_percent.is_some());
    let ToleranceForm { owner, reason, .. } = form;
    let said = Tolerated { isms: None, control: id.clone(), tolerance, owner, reason };
    let done = app.store.tolerate(&said, &me.id, app.clock.now_us()).await?;
    done.map_err(|refusal| Trouble::Refused(format!("Nothing was changed: {refusal}.")))?;
    Ok(Redirect::to(&control_path(&id)).into_response())
}
