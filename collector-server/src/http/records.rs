//! Records in the API: made, revised, decided on, withdrawn, as CSV, with their files. `pages` has the
//! same for people. Every address names ISMS and register, and a record is held to both.

mod files;
mod form;
pub(super) mod pages;

use super::api::{Asked, Reader};
use super::import::Told;
use super::input::{Body, body};
use super::list::{List, list};
use super::moment::Then;
use super::problem::Problem;
use super::rights::Caller;
use crate::app::App;
use crate::exception::MAX_TEXT;
use crate::moment::Moment;
use crate::record::{Approver, Record, Register, Says, parse_csv, scored, write_csv};
use crate::seat::Right;
use crate::store::{Isms, RecordKey, RecordRefusal, StoreError};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A register with ten thousand records.
const MAX_CSV: usize = 16 << 20;

pub(super) fn router() -> Router<App> {
    let of = "/api/v1/isms/{isms}/registers/{register}/records";
    let at = |rest: &str| format!("{of}{rest}");
    Router::new()
        .route("/api/v1/registers", get(registers))
        .route("/api/v1/isms/{isms}/records", get(all))
        .route(of, get(of_register).post(make))
        .route(&at(".csv"), get(written).post(import).layer(DefaultBodyLimit::max(MAX_CSV)))
        .route(&at("/{id}"), get(one))
        .route(&at("/{id}/revise"), post(revise))
        .route(&at("/{id}/decide"), post(decide))
        .route(&at("/{id}/withdraw"), post(withdraw))
        .route(&at("/{id}/file"), put(files::put).layer(files::limit()))
        .route(&at("/{id}/file/{revision}"), get(files::api))
        .merge(super::readiness::router())
}

/// The right of whoever decides on a register's records.
fn right_to_decide(register: &Register) -> Right {
    match register.approver {
        Approver::Lead => Right::ApproveRecord,
        Approver::RiskOwner => Right::ApproveRisk,
    }
}

/// The ISMS and the register that an address names.
async fn place<'a>(
    app: &'a App,
    isms: &str,
    register: &str,
) -> Result<(Isms, &'a Register), Problem> {
    let isms = isms_of(app, isms).await?;
    let register = app.registers.get(register).ok_or(Problem::not_found("no such register"))?;
    Ok((isms, register))
}

async fn isms_of(app: &App, isms: &str) -> Result<Isms, Problem> {
    app.store.isms(isms).await?.ok_or(Problem::not_found("no such ISMS"))
}

/// Records of an ISMS, as they are or as they were known then.
pub(super) async fn known(
    app: &App,
    isms: Option<&str>,
    moment: Option<&Moment>,
) -> Result<Vec<Record>, StoreError> {
    let records = app.store.records(isms).await?;
    let Some(moment) = moment else { return Ok(records) };
    Ok(records.iter().filter_map(|record| record.at(moment.decided_us())).collect())
}

fn is_control(app: &App) -> impl Fn(&str) -> bool {
    let rules = app.judge.rules();
    move |id| rules.catalogue().get(id).is_some()
}

async fn registers(State(app): State<App>, _: Reader) -> Json<List<Value>> {
    list(app.registers.all().iter().map(|register| json!(register)).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    register: Option<String>,
}

async fn all(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path(isms): Path<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let isms = isms_of(&app, &isms).await?;
    listed(&app, &isms, query.register.as_deref(), &then).await
}

async fn of_register(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path((isms, register)): Path<(String, String)>,
) -> Result<Json<List<Value>>, Problem> {
    let (isms, register) = place(&app, &isms, &register).await?;
    listed(&app, &isms, Some(&register.id), &then).await
}

async fn listed(
    app: &App,
    isms: &Isms,
    register: Option<&str>,
    then: &Then,
) -> Result<Json<List<Value>>, Problem> {
    let records = known(app, Some(&isms.id), then.moment.as_ref()).await?;
    let records = records.iter().filter(|row| register.is_none_or(|id| row.register == id));
    let now_us = then.at_us(app);
    Ok(list(records.map(|row| record_json(app, row, now_us)).collect()))
}

async fn one(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path((isms, register, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, Problem> {
    let (isms, register) = place(&app, &isms, &register).await?;
    let key = RecordKey { isms: &isms.id, register: &register.id, id: &id };
    let record = app.store.record_of(key).await?;
    let record = match &then.moment {
        None => record,
        Some(moment) => record.and_then(|record| record.at(moment.decided_us())),
    };
    Ok(Json(record_json(&app, &record.ok_or(unknown())?, then.at_us(&app))))
}

fn unknown() -> Problem {
    Problem::not_found("no such record")
}

async fn shown(app: &App, key: RecordKey<'_>) -> Result<Json<Value>, Problem> {
    let record = app.store.record_of(key).await?.ok_or(unknown())?;
    Ok(Json(record_json(app, &record, app.clock.now_us())))
}

fn record_json(app: &App, record: &Record, now_us: i64) -> Value {
    let register = app.registers.get(&record.register);
    let scores = |says: &Says| -> Vec<Value> {
        let scores = register.map(|register| scored(says, register)).unwrap_or_default();
        let score =
            |s: &crate::record::Scored| json!({"label": s.label, "value": s.value, "word": s.word});
        scores.iter().map(score).collect()
    };
    let revisions = record.revisions.iter().rev().map(|revision| {
        let decided = revision.decided.as_ref();
        json!({
            "revision": revision.n, "by": revision.by, "at_us": revision.at_us,
            "needs_approval": revision.needs_approval, "approved": revision.approved,
            "decided_by": decided.map(|d| &d.by), "decided_us": decided.map(|d| d.at_us),
            "note": decided.map(|d| &d.note), "says": revision.says,
            "scores": scores(&revision.says),
        })
    });
    let withdrawn = record.withdrawn.as_ref();
    json!({
        "id": record.id, "isms": record.isms, "register": record.register,
        "state": record.standing(now_us).word(), "recorded_by": record.recorded_by,
        "recorded_us": record.recorded_us, "in_force": record.held(now_us).map(|r| r.n),
        "waiting": record.waiting().map(|r| r.n), "withdrawn_us": withdrawn.map(|w| w.at_us),
        "withdrawn_by": withdrawn.map(|w| &w.by), "withdraw_note": withdrawn.map(|w| &w.note),
        "revisions": revisions.collect::<Vec<_>>(),
    })
}

fn refused(refusal: RecordRefusal) -> Problem {
    match refusal {
        RecordRefusal::Unknown => unknown(),
        RecordRefusal::UnknownIsms => Problem::not_found("no such ISMS"),
        RecordRefusal::OwnWork => {
            Problem::forbidden("nothing was changed").detail(refusal.to_string())
        }
        RecordRefusal::File => Problem::bad_request(refusal.to_string()),
        RecordRefusal::Meanwhile | RecordRefusal::Withdrawn | RecordRefusal::NotWaiting => {
            let kind = "/problems/record-state";
            Problem::new(StatusCode::CONFLICT, kind, "nothing was changed")
                .detail(refusal.to_string())
        }
    }
}

fn checked(app: &App, register: &Register, says: Says) -> Result<Says, Problem> {
    let says = says.tidy(register);
    let checked = says.check(register, is_control(app));
    checked.map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    Ok(says)
}

async fn make(
    State(app): State<App>,
    caller: Caller,
    Path((isms, register)): Path<(String, String)>,
    asked: Body<Says>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    caller.needs(Right::KeepRecords)?;
    let (isms, register) = place(&app, &isms, &register).await?;
    let says = checked(&app, register, body(asked)?)?;
    let (of, now_us) = ((isms.id.as_str(), register.id.as_str()), app.clock.now_us());
    let approval = register.approval;
    let done = app.store.make_record(of, (&says, None), approval, &caller.id, now_us).await?;
    let id = done.map_err(refused)?;
    let key = RecordKey { isms: of.0, register: of.1, id: &id };
    Ok((StatusCode::CREATED, shown(&app, key).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevisionBody {
    /// The revision that this one follows.
    revision: i64,
    says: Says,
}

async fn revise(
    State(app): State<App>,
    caller: Caller,
    Path((isms, register, id)): Path<(String, String, String)>,
    asked: Body<RevisionBody>,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::KeepRecords)?;
    let (isms, register) = place(&app, &isms, &register).await?;
    let RevisionBody { revision, says } = body(asked)?;
    let says = checked(&app, register, says)?;
    let key = RecordKey { isms: &isms.id, register: &register.id, id: &id };
    let (said, now_us) = ((&says, None), app.clock.now_us());
    let approval = register.approval;
    let done = app.store.revise_record(key, revision, said, approval, &caller.id, now_us).await?;
    done.map_err(refused)?;
    settled(&app).await?;
    shown(&app, key).await
}

/// What was owed may be done now; the job does it if this dies here.
async fn settled(app: &App) -> Result<(), StoreError> {
    app.store.watch_records(&app.registers, app.clock.now_us()).await?;
    app.alerts.notify_one();
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    revision: i64,
    approve: bool,
    #[serde(default)]
    note: String,
}

async fn decide(
    State(app): State<App>,
    caller: Caller,
    Path((isms, register, id)): Path<(String, String, String)>,
    asked: Body<DecisionBody>,
) -> Result<Json<Value>, Problem> {
    let (isms, register) = place(&app, &isms, &register).await?;
    caller.needs(right_to_decide(register))?;
    let DecisionBody { revision, approve, note } = body(asked)?;
    let key = RecordKey { isms: &isms.id, register: &register.id, id: &id };
    if note.trim().chars().count() > MAX_TEXT {
        return Err(Problem::bad_request(format!("a note has at most {MAX_TEXT} characters")));
    }
    let (said, by) = ((approve, note.trim()), (caller.id.as_str(), caller.id.as_str()));
    let done = app.store.decide_record(key, revision, said, by, app.clock.now_us()).await?;
    done.map_err(refused)?;
    settled(&app).await?;
    shown(&app, key).await
}

async fn withdraw(
    State(app): State<App>,
    caller: Caller,
    Path((isms, register, id)): Path<(String, String, String)>,
    asked: Body<super::input::Note>,
) -> Result<Json<Value>, Problem> {
    caller.needs(Right::KeepRecords)?;
    let (isms, register) = place(&app, &isms, &register).await?;
    let note = body(asked)?;
    let key = RecordKey { isms: &isms.id, register: &register.id, id: &id };
    let now_us = app.clock.now_us();
    let done = app.store.withdraw_record(key, note.text()?, &caller.id, now_us).await?;
    done.map_err(refused)?;
    settled(&app).await?;
    shown(&app, key).await
}

async fn written(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path((isms, register)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (isms, register) = place(&app, &isms, &register).await?;
    Ok(csv_of(&app, &isms, register, &then).await?)
}

async fn csv_of(
    app: &App,
    isms: &Isms,
    register: &Register,
    then: &Then,
) -> Result<Response, StoreError> {
    let records = known(app, Some(&isms.id), then.moment.as_ref()).await?;
    let mine: Vec<_> = records.iter().filter(|row| row.register == register.id).collect();
    let text = write_csv(register, &mine, then.at_us(app));
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.csv\"", register.id)),
    ];
    Ok((headers, text).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    #[serde(default)]
    dry_run: bool,
}

async fn import(
    State(app): State<App>,
    caller: Caller,
    Path((isms, register)): Path<(String, String)>,
    Asked(asked): Asked<Import>,
    bytes: Bytes,
) -> Result<Told, Problem> {
    caller.needs(Right::KeepRecords)?;
    let (isms, register) = place(&app, &isms, &register).await?;
    let lines =
        match parse_csv(&bytes, register, &held(&app, &isms, register).await?, is_control(&app)) {
            Ok(lines) => lines,
            Err(bad) => return Ok(Told::Bad(bad)),
        };
    if asked.dry_run {
        return Ok(Told::Done(json!({"dry_run": true, "records": lines.len()})));
    }
    let (of, now_us) = ((isms.id.as_str(), register.id.as_str()), app.clock.now_us());
    let done = app.store.import_records(of, &lines, register.approval, &caller.id, now_us).await?;
    let (new, revised) = done.map_err(refused)?;
    settled(&app).await?;
    Ok(Told::Done(json!({"dry_run": false, "new": new, "revised": revised})))
}

/// What records of a register said last, by id: lines of a file may leave columns out.
async fn held(
    app: &App,
    isms: &Isms,
    register: &Register,
) -> Result<BTreeMap<String, Says>, StoreError> {
    let records = app.store.records(Some(&isms.id)).await?.into_iter();
    let mine = records.filter(|row| row.register == register.id && row.withdrawn.is_none());
    Ok(mine.filter_map(|row| Some((row.id.clone(), row.last()?.says.clone()))).collect())
}
