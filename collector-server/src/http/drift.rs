//! Drift: the list of causes, and one of them.

use super::moment::Then;
use super::people::{Ground, Trouble, frame_at, render, rules};
use super::rights::Acknowledger;
use super::session::LoggedIn;
use crate::app::App;
use crate::finding::Source;
use crate::moment::Moment;
use crate::seat::{Right, may};
use crate::store::CauseFilter;
use crate::store::model::{DriftRow, KindRow};
use crate::web::drift::{self, Asked, Evidence, Input, One, OneInput};
use crate::web::input::Rule;
use crate::web::page::{Frame, Room, drift_path};
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use evidence::Facts;
use serde::Deserialize;

/// Causes on one page of the list.
const PAGE_SIZE: i64 = 50;
/// Hosts of one cause that are listed.
const MAX_HOSTS: i64 = 200;
/// Longest note, in characters.
const MAX_NOTE: usize = 2000;
/// Earlier states among which the one before a drift is looked for.
const STATES_BACK: i64 = 200;

#[derive(Deserialize)]
pub(super) struct DriftQuery {
    state: Option<String>,
    kind: Option<String>,
    severity: Option<String>,
    group: Option<String>,
    host: Option<String>,
    after: Option<String>,
}

impl DriftQuery {
    fn asked(self) -> Asked {
        let state = self.state.filter(|state| ["resolved", "any"].contains(&state.as_str()));
        Asked {
            state: state.unwrap_or_else(|| "open".to_owned()),
            kind: self.kind.unwrap_or_default(),
            severity: self.severity.unwrap_or_default(),
            group: self.group.unwrap_or_default(),
            host: self.host.unwrap_or_default().trim().to_owned(),
            after: self.after.as_deref().and_then(drift::read_place),
        }
    }
}

pub(super) async fn list_page(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Query(query): Query<DriftQuery>,
) -> Result<Response, Trouble> {
    let frame = frame_at(&app, Room::Drift, &then).await?;
    page(&app, frame, (&query.asked(), then.moment), &rules(&app), None).await
}

pub(super) async fn one_page(
    State(app): State<App>,
    me: LoggedIn,
    then: Then,
    Path(id): Path<String>,
    Query(query): Query<DriftQuery>,
) -> Result<Response, Trouble> {
    let mut rows = match &then.moment {
        None => app.store.drift_and_its_like(&id, MAX_HOSTS + 1).await?,
        Some(moment) => app.store.drift_and_its_like_at(&id, MAX_HOSTS + 1, moment).await?,
    };
    let more = rows.len() as i64 > MAX_HOSTS;
    rows.truncate(MAX_HOSTS as usize);
    let missing = || Trouble::NotFound(format!("drift {id}"));
    let first = rows.first().ok_or_else(missing)?;
    let ground = Ground::at(&app, &then).await?;
    let evidence = evidence(&app, first, &ground).await?;
    // Where a person stood with it then is not kept in one place: it is not shown of the past.
    let alert = match ground.is_past() {
        true => None,
        false => app.store.alert_of(&first.id).await?,
    };
    let by = name_of(&app, alert.as_ref().and_then(|row| row.acknowledged_by.as_deref())).await?;
    let findings = match &alert {
        Some(alert) => app.store.findings_of(Source::Alert, &alert.id).await?,
        None => vec![],
    };
    let input = OneInput {
        now: ground.now(),
        rows: &rows,
        more,
        evidence: &evidence,
        alert: alert.as_ref().map(|row| (row, by)),
        may_raise: may(&me.seat, Right::RaiseFinding),
        findings: &findings,
        excepted: &ground.overview.excepted,
        may_change: may(&me.seat, Right::Acknowledge) && !ground.is_past(),
    };
    let window = app.store.window_of(&first.id).await?.map(|(_, to_us, ticket)| (ticket, to_us));
    let one = One::of(&input).ok_or_else(missing)?.in_window(window);
    let mut subjects = app.store.drift_subjects(first.opened_us, first.opened_us).await?;
    let one = one.about(subjects.remove(&first.id).map(|(subject, _)| subject));
    let frame = ground.frame(Room::Drift);
    page(&app, frame, (&query.asked(), then.moment), ground.now().rules, Some(one)).await
}

/// The name of a person, or whoever else it was as the log names them.
async fn name_of(app: &App, id: Option<&str>) -> Result<String, Trouble> {
    let Some(id) = id else { return Ok(String::new()) };
    let people = app.store.people().await?;
    let person = people.into_iter().find(|person| person.id == id);
    Ok(person.map_or_else(|| id.to_owned(), |person| person.name))
}

#[derive(Deserialize)]
pub(super) struct NoteForm {
    note: String,
}

/// Says that somebody has taken the alert of this drift on.
pub(super) async fn acknowledge(
    State(app): State<App>,
    Acknowledger(me): Acknowledger,
    Path(id): Path<String>,
    Form(form): Form<NoteForm>,
) -> Result<Response, Trouble> {
    let note = form.note.trim();
    if note.is_empty() || note.chars().count() > MAX_NOTE {
        let why = format!("A note says what will be done, in 1 to {MAX_NOTE} characters.");
        return Err(Trouble::Refused(why));
    }
    let missing = || Trouble::NotFound(format!("alert of drift {id}"));
    let alert = app.store.alert_of(&id).await?.ok_or_else(missing)?;
    let done = app.store.acknowledge(&alert.id, &me.id, note, app.clock.now_us()).await?;
    done.map_err(|refusal| Trouble::Refused(format!("Nothing was changed: {refusal}.")))?;
    app.alerts.notify_one();
    Ok(Redirect::to(&drift_path(&id)).into_response())
}

async fn page(
    app: &App,
    frame: Frame,
    (asked, moment): (&Asked, Option<Moment>),
    rules: &[Rule],
    one: Option<One>,
) -> Result<Response, Trouble> {
    let open = match asked.state.as_str() {
        "open" => Some(true),
        "resolved" => Some(false),
        _ => None,
    };
    let filter = CauseFilter {
        open,
        drift: asked.kind.clone(),
        severity: asked.severity.clone(),
        group: asked.group.clone(),
        host: asked.host.clone(),
        after: asked.after.clone(),
        limit: PAGE_SIZE + 1,
        moment,
    };
    let mut causes = app.store.causes(&filter).await?;
    let more = causes.len() as i64 > PAGE_SIZE;
    causes.truncate(PAGE_SIZE as usize);
    let groups = app.store.host_groups().await?;
    let open = match &moment {
        None => app.store.open_drifts().await?,
        Some(moment) => app.store.open_drifts_at(moment).await?,
    };
    let input = Input { asked, groups: &groups, causes: &causes, more, open, rules, one };
    Ok(render(&drift::page(frame, input)))
}

/// The states of the kinds it is about, before it and with it, on its host.
async fn evidence(app: &App, drift: &DriftRow, ground: &Ground) -> Result<Vec<Evidence>, Trouble> {
    let rule = drift.rule.as_ref().and_then(|rule| ground.now().rule(rule));
    let kinds = match (&drift.kind, rule) {
        (Some(kind), _) => vec![kind.clone()],
        (None, Some(rule)) => rule.evidence.clone(),
        (None, None) => vec![],
    };
    let mut found = vec![];
    for kind in kinds {
        let history = match ground.moment() {
            None => app.store.kind_history(drift.host, &kind, STATES_BACK).await?,
            Some(moment) => {
                app.store.kind_history_at(drift.host, &kind, STATES_BACK, moment).await?
            }
        };
        let mut states = history.into_iter().skip_while(|span| span.row.since_us > drift.opened_us);
        let (Some(after), Some(before)) = (states.next(), states.next()) else { continue };
        // A state that began earlier did not come with this drift.
        if after.row.since_us == drift.opened_us {
            let before = with_body(app, before.row).await?;
            found.push(Evidence { before, after: with_body(app, after.row).await? });
        }
    }
    Ok(found)
}

pub(super) async fn with_body(
    app: &App,
    row: KindRow,
) -> Result<(KindRow, Option<Facts>), Trouble> {
    let facts = match row.facts {
        Some(id) => app.store.facts_of_host(row.host, id).await?,
        None => None,
    };
    Ok((row, facts))
}
