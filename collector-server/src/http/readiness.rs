//! The readiness check of a management system, for people and for programs; and what a management
//! review begins with.

use super::api::Reader;
use super::controls::narrow;
use super::isms::unknown;
use super::people::{Ground, Trouble, render};
use super::problem::Problem;
use super::session::LoggedIn;
use crate::app::App;
use crate::exception::State as Standing;
use crate::finding::State as FindingState;
use crate::readiness::{Gap, reading};
use crate::record::{Gathered, owing, register_state};
use crate::scope::Scope;
use crate::store::{DriftFilter, Isms};
use crate::web::page::{Room, When};
use crate::web::readiness as web;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/v1/isms/{isms}/readiness", get(api))
}

pub(super) fn pages() -> Router<App> {
    Router::new().route("/isms/{isms}/readiness", get(page))
}

/// What would be found now.
async fn gaps(app: &App, isms: &Isms) -> Result<Vec<Gap>, Problem> {
    let (store, now_us) = (&app.store, app.clock.now_us());
    let overview = app.overview(now_us).await?;
    let rules = app.judge.rules();
    let scope = Scope::Isms(isms.id.clone());
    let hosts = scope.hosts(&overview.hosts, &isms.groups);
    let controls = overview.within((&rules, rules.catalogue()), (&scope, &hosts), now_us);
    Ok(reading::of_isms(store, &app.registers, isms, &controls, now_us).await?)
}

async fn api(
    State(app): State<App>,
    _: Reader,
    Path(isms): Path<String>,
) -> Result<Json<Value>, Problem> {
    let isms = app.store.isms(&isms).await?.ok_or(Problem::not_found("no such ISMS"))?;
    let gaps = gaps(&app, &isms).await?;
    Ok(Json(json!({"isms": isms.id, "at_us": app.clock.now_us(), "gaps": gaps})))
}

async fn page(
    State(app): State<App>,
    _: LoggedIn,
    Path(isms): Path<String>,
) -> Result<Response, Trouble> {
    let isms = app.store.isms(&isms).await?.ok_or_else(|| unknown(&isms))?;
    let gaps = gaps(&app, &isms).await?;
    let frame = super::people::frame(&app, Some(Room::Records)).await?;
    Ok(render(&web::page(frame, &isms, &gaps)))
}

/// What is counted for a management review, or for what was measured.
pub(super) async fn gathered(app: &App, isms: &Isms) -> Result<Gathered, Trouble> {
    let mut ground = Ground::load(app).await?;
    narrow(app, &mut ground, Some(format!("isms:{}", isms.id))).await?;
    let (store, now_us) = (&app.store, ground.now_us);
    let findings = store.findings().await?;
    let count = |test: fn(&crate::store::FindingRow) -> bool| {
        findings.iter().filter(|row| test(row)).count()
    };
    let open = DriftFilter { host: None, open: Some(true), limit: i64::from(u32::MAX) };
    let hosts: Vec<_> = ground.overview.hosts.iter().map(|host| host.id).collect();
    let drifts = store.drifts(open).await?;
    let exceptions = store.exceptions().await?;
    Ok(Gathered {
        at: When::of(now_us).text,
        controls: tally(ground.overview.controls.iter().map(|(_, status)| status.state.as_str())),
        results: tally(ground.overview.results.iter().map(|row| row.outcome.as_str())),
        nonconformities_open: count(|row| {
            row.finding.grade.is_nonconformity() && row.state != FindingState::Closed
        }),
        nonconformities_closed: count(|row| {
            row.finding.grade.is_nonconformity() && row.state == FindingState::Closed
        }),
        improvements_open: count(|row| {
            !row.finding.grade.is_nonconformity() && row.state != FindingState::Closed
        }),
        findings_overdue: findings.iter().filter(|row| row.is_overdue(now_us)).count(),
        exceptions: exceptions.iter().filter(|row| row.state(now_us) == Standing::Active).count(),
        drifts_open: drifts.iter().filter(|drift| hosts.contains(&drift.host)).count(),
        registers: registers(app, isms, now_us).await?,
    })
}

fn tally<'a>(words: impl Iterator<Item = &'a str>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts.into_iter().map(|(word, n)| (word.to_owned(), n)).collect()
}

type Registered = (String, String, crate::record::RegisterState, (usize, usize));

async fn registers(app: &App, isms: &Isms, now_us: i64) -> Result<Vec<Registered>, Trouble> {
    let records = app.store.records(Some(&isms.id)).await?;
    let named = [(isms.id.clone(), isms.text.name.clone())];
    let mut owed = owing(&app.registers, &named, &records, now_us);
    owed.retain(|owing| owing.subject.starts_with("task "));
    let of = |register: &crate::record::Register| {
        let tasks = owed.iter().filter(|owing| owing.register == register.id);
        let late = tasks.clone().filter(|owing| owing.due_us <= now_us).count();
        let state = register_state(register, &isms.id, &records, now_us);
        (register.id.clone(), register.title.clone(), state, (tasks.count(), late))
    };
    Ok(app.registers.all().iter().map(of).collect())
}
