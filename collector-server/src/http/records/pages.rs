//! Records on pages.

use super::files::{self, attached};
use super::form::{Received, receive};
use super::{csv_of, held, is_control, known, right_to_decide, settled};
use crate::app::App;
use crate::http::input::{DecideForm, cut};
use crate::http::isms::{unknown, unprocessable};
use crate::http::moment::Then;
use crate::http::people::{Trouble, frame_at, render};
use crate::http::rights::{RecordApprover, RecordKeeper};
use crate::http::session::LoggedIn;
use crate::record::{Attached, Register, Says, assemble, parse_csv};
use crate::seat::{Right, may};
use crate::store::{Isms, RecordKey, RecordRefusal};
use crate::web::page::{Room, record_path};
use crate::web::records::form::{Sent, Sheet, says_of, sent_of};
use crate::web::records::{self, Imported, one};
use axum::Router;
use axum::extract::{Form, Multipart, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;

pub(in crate::http) fn pages() -> Router<App> {
    Router::new()
        .route("/records", get(all_page))
        .route("/isms/{isms}/records", get(registers_page))
        .route("/isms/{isms}/records/{register}", get(register_page))
        .route("/isms/{isms}/records/{register}/records.csv", get(csv))
        .route("/isms/{isms}/records/{register}/{record}", get(one_page))
        .route("/isms/{isms}/records/{register}/{record}/file/{revision}", get(files::page))
        .merge(crate::http::readiness::pages())
}

pub(in crate::http) fn posts() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/isms/{isms}/records/{register}", post(make).layer(files::limit())),
        ("/isms/{isms}/records/{register}/records.csv", post(import).layer(files::limit())),
        ("/isms/{isms}/records/{register}/{record}/revise", post(revise).layer(files::limit())),
        ("/isms/{isms}/records/{register}/{record}/decide", post(decide)),
        ("/isms/{isms}/records/{register}/{record}/withdraw", post(withdraw)),
    ]
}

/// The ISMS and the register of an address.
async fn place<'a>(
    app: &'a App,
    isms: &str,
    register: &str,
) -> Result<(Isms, &'a Register), Trouble> {
    let found = app.store.isms(isms).await?.ok_or_else(|| unknown(isms))?;
    let missing = || Trouble::NotFound(format!("register {register}"));
    Ok((found, app.registers.get(register).ok_or_else(missing)?))
}

async fn all_page(State(app): State<App>, _: LoggedIn, then: Then) -> Result<Response, Trouble> {
    let mut isms = app.store.all_isms().await?;
    if let Some(moment) = &then.moment {
        isms.retain(|isms| isms.created_us <= moment.decided_us());
    }
    let known = known(&app, None, then.moment.as_ref()).await?;
    let frame = frame_at(&app, Room::Records, &then).await?;
    Ok(render(&records::all(frame, &isms, (&app.registers, &known), then.at_us(&app))))
}

async fn registers_page(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Path(isms): Path<String>,
) -> Result<Response, Trouble> {
    let isms = app.store.isms(&isms).await?.ok_or_else(|| unknown(&isms))?;
    let known = known(&app, Some(&isms.id), then.moment.as_ref()).await?;
    let frame = frame_at(&app, Room::Records, &then).await?;
    Ok(render(&records::registers(frame, &isms, (&app.registers, &known), then.at_us(&app))))
}

async fn register_page(
    State(app): State<App>,
    me: LoggedIn,
    then: Then,
    Path((isms, register)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let place = place(&app, &isms, &register).await?;
    register_shown(&app, &me, place, &then, Shown::default()).await
}

/// What a page of a register shows besides its records.
#[derive(Default)]
struct Shown {
    sent: Option<Sent>,
    refused: Option<String>,
    imported: Option<Imported>,
}

async fn register_shown(
    app: &App,
    me: &LoggedIn,
    (isms, register): (Isms, &Register),
    then: &Then,
    shown: Shown,
) -> Result<Response, Trouble> {
    let mut records = known(app, Some(&isms.id), then.moment.as_ref()).await?;
    records.retain(|row| row.register == register.id);
    let may_record = may(&me.seat, Right::KeepRecords) && then.moment.is_none();
    let sheet = match (may_record, shown.sent) {
        (false, _) => None,
        (true, Some(sent)) => Some(Sheet::of(register, &sent, None, 0)),
        (true, None) => Some(Sheet::of(register, &begun(app, &isms, register).await?, None, 0)),
    };
    let input = records::RegisterInput {
        isms: &isms,
        register,
        records: &records,
        sheet,
        refused: shown.refused,
        imported: shown.imported,
        now_us: then.at_us(app),
    };
    Ok(render(&records::register(frame_at(app, Room::Records, then).await?, input)))
}

/// What a new record begins with: what the system knows of it.
async fn begun(app: &App, isms: &Isms, register: &Register) -> Result<Sent, Trouble> {
    let Some(assembled) = &register.assembled else { return Ok(Sent::new()) };
    let gathered = crate::http::readiness::gathered(app, isms).await?;
    let text = assemble(assembled.what, &gathered);
    Ok([(format!("f.{}", assembled.field), text)].into())
}

/// What a form says, and the file that comes with it; or why it is refused.
fn read(
    app: &App,
    register: &Register,
    received: &Received,
    held: Option<Attached>,
) -> Result<Says, String> {
    let file = match &received.file {
        Some((name, bytes)) => Some(attached(name, bytes)?),
        None => held.filter(|_| received.text("drop_file") != "yes"),
    };
    let says = says_of(register, &received.texts, file);
    says.check(register, is_control(app)).map_err(|wrong| format!("It is refused: {wrong}."))?;
    Ok(says)
}

async fn make(
    State(app): State<App>,
    RecordKeeper(me): RecordKeeper,
    then: Then,
    Path((isms, register)): Path<(String, String)>,
    form: Multipart,
) -> Result<Response, Trouble> {
    let (isms, register) = place(&app, &isms, &register).await?;
    let received = receive(form).await?;
    let again = async |why| {
        let shown =
            Shown { sent: Some(received.texts.clone()), refused: Some(why), imported: None };
        let page = register_shown(&app, &me, (isms.clone(), register), &then, shown).await?;
        Ok(unprocessable(page))
    };
    let says = match read(&app, register, &received, None) {
        Ok(says) => says,
        Err(why) => return again(why).await,
    };
    let (of, now_us) = ((isms.id.as_str(), register.id.as_str()), app.clock.now_us());
    let said = (&says, received.file.as_ref().map(|(_, bytes)| &**bytes));
    match app.store.make_record(of, said, register.approval, &me.id, now_us).await? {
        Ok(id) => Ok(Redirect::to(&record_path(of.0, of.1, &id)).into_response()),
        Err(refusal) => again(format!("{refusal}.")).await,
    }
}

async fn one_page(
    State(app): State<App>,
    me: LoggedIn,
    then: Then,
    Path((isms, register, id)): Path<(String, String, String)>,
) -> Result<Response, Trouble> {
    let place = place(&app, &isms, &register).await?;
    one_shown(&app, &me, (place, &id), &then, None).await
}

/// `again`: a form as it was sent, if it was one, and why it was refused.
async fn one_shown(
    app: &App,
    me: &LoggedIn,
    ((isms, register), id): ((Isms, &Register), &str),
    then: &Then,
    again: Option<(Option<Sent>, String)>,
) -> Result<Response, Trouble> {
    let key = RecordKey { isms: &isms.id, register: &register.id, id };
    let record = app.store.record_of(key).await?;
    let record = match &then.moment {
        None => record,
        Some(moment) => record.and_then(|record| record.at(moment.decided_us())),
    };
    let missing = || Trouble::NotFound(format!("record {id}"));
    let record = record.ok_or_else(missing)?;
    let live = record.withdrawn.is_none() && then.moment.is_none();
    let last = record.last().ok_or_else(missing)?;
    let (sent, refused) = match again {
        Some((sent, why)) => (sent, Some(why)),
        None => (None, None),
    };
    let sent = sent.unwrap_or_else(|| sent_of(&last.says));
    // A refused form follows the revision that is there now, not the one it began with.
    let sheet = Sheet::of(register, &sent, last.says.file.as_ref(), last.n);
    let input = one::Input {
        isms: &isms,
        register,
        record: &record,
        people: &app.store.people().await?,
        sheet: Some(sheet).filter(|_| live && may(&me.seat, Right::KeepRecords)),
        may_decide: live
            && may(&me.seat, right_to_decide(register))
            && !record.authors().contains(me.id.as_str()),
        refused,
        now_us: then.at_us(app),
    };
    let page = one::page(frame_at(app, Room::Records, then).await?, input);
    Ok(render(&page.ok_or_else(missing)?))
}

/// The answer to a step: on to the record, or the page again with why not.
async fn stepped(
    app: &App,
    me: &LoggedIn,
    ((isms, register), id): ((Isms, &Register), &str),
    then: &Then,
    (done, sent): (Result<(), RecordRefusal>, Option<Sent>),
) -> Result<Response, Trouble> {
    match done {
        Ok(()) => {
            settled(app).await?;
            Ok(Redirect::to(&record_path(&isms.id, &register.id, id)).into_response())
        }
        Err(RecordRefusal::Unknown) => Err(Trouble::NotFound(format!("record {id}"))),
        Err(refusal) => {
            let again = Some((sent, format!("{refusal}.")));
            let page = one_shown(app, me, ((isms, register), id), then, again).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
    }
}

async fn revise(
    State(app): State<App>,
    RecordKeeper(me): RecordKeeper,
    then: Then,
    Path((isms, register, id)): Path<(String, String, String)>,
    form: Multipart,
) -> Result<Response, Trouble> {
    let (isms, register) = place(&app, &isms, &register).await?;
    let received = receive(form).await?;
    let key = RecordKey { isms: &isms.id, register: &register.id, id: &id };
    let missing = || Trouble::NotFound(format!("record {id}"));
    let record = app.store.record_of(key).await?.ok_or_else(missing)?;
    let file = record.last().and_then(|last| last.says.file.clone());
    let says = match read(&app, register, &received, file) {
        Ok(says) => says,
        Err(why) => {
            let again = Some((Some(received.texts), why));
            let page = one_shown(&app, &me, ((isms, register), &id), &then, again).await?;
            return Ok(unprocessable(page));
        }
    };
    let said = (&says, received.file.as_ref().map(|(_, bytes)| &**bytes));
    let (after, now_us) = (received.revision(), app.clock.now_us());
    let approval = register.approval;
    let done = app.store.revise_record(key, after, said, approval, &me.id, now_us).await?;
    stepped(&app, &me, ((isms.clone(), register), &id), &then, (done, Some(received.texts))).await
}

#[derive(Deserialize)]
struct DecisionForm {
    revision: i64,
    #[serde(flatten)]
    decide: DecideForm,
}

async fn decide(
    State(app): State<App>,
    RecordApprover(me): RecordApprover,
    then: Then,
    Path((isms, register, id)): Path<(String, String, String)>,
    Form(form): Form<DecisionForm>,
) -> Result<Response, Trouble> {
    let (isms, register) = place(&app, &isms, &register).await?;
    let right = right_to_decide(register);
    if !may(&me.seat, right) {
        return Err(Trouble::Refused(right.refusal().to_owned()));
    }
    let said = (form.decide.approves()?, cut(&form.decide.note));
    let key = RecordKey { isms: &isms.id, register: &register.id, id: &id };
    let by = (me.id.as_str(), me.id.as_str());
    let done = app.store.decide_record(key, form.revision, said, by, app.clock.now_us()).await?;
    stepped(&app, &me, ((isms.clone(), register), &id), &then, (done, None)).await
}

async fn withdraw(
    State(app): State<App>,
    RecordKeeper(me): RecordKeeper,
    then: Then,
    Path((isms, register, id)): Path<(String, String, String)>,
    Form(form): Form<crate::http::input::NoteForm>,
) -> Result<Response, Trouble> {
    let (isms, register) = place(&app, &isms, &register).await?;
    let key = RecordKey { isms: &isms.id, register: &register.id, id: &id };
    let now_us = app.clock.now_us();
    let done = app.store.withdraw_record(key, cut(&form.note), &me.id, now_us).await?;
    stepped(&app, &me, ((isms.clone(), register), &id), &then, (done, None)).await
}

async fn csv(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Path((isms, register)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let (isms, register) = place(&app, &isms, &register).await?;
    Ok(csv_of(&app, &isms, register, &then).await?)
}

async fn import(
    State(app): State<App>,
    RecordKeeper(me): RecordKeeper,
    then: Then,
    Path((isms, register)): Path<(String, String)>,
    form: Multipart,
) -> Result<Response, Trouble> {
    let (isms, register) = place(&app, &isms, &register).await?;
    let received = receive(form).await?;
    let imported = taken(&app, &me, (&isms, register), &received).await?;
    if let Imported::Done { .. } = imported {
        settled(&app).await?;
    }
    let bad = matches!(imported, Imported::Bad(_) | Imported::Refused(_));
    let shown = Shown { imported: Some(imported), ..Shown::default() };
    let page = register_shown(&app, &me, (isms, register), &then, shown).await?;
    Ok(if bad { unprocessable(page) } else { page })
}

async fn taken(
    app: &App,
    me: &LoggedIn,
    (isms, register): (&Isms, &Register),
    received: &Received,
) -> Result<Imported, Trouble> {
    let Some((_, bytes)) = &received.file else {
        return Ok(Imported::Refused("no file was chosen".to_owned()));
    };
    let known = held(app, isms, register).await?;
    let lines = match parse_csv(bytes, register, &known, is_control(app)) {
        Ok(lines) => lines,
        Err(bad) => return Ok(Imported::Bad(bad)),
    };
    if received.text("dry_run") != "false" {
        return Ok(Imported::Tried(lines.len()));
    }
    let (of, now_us) = ((isms.id.as_str(), register.id.as_str()), app.clock.now_us());
    let done = app.store.import_records(of, &lines, register.approval, &me.id, now_us).await?;
    Ok(match done {
        Ok((new, revised)) => Imported::Done { new, revised },
        Err(refusal) => Imported::Refused(refusal.to_string()),
    })
}
