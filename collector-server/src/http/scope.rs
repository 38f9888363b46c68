//! `/api/v1`: management systems, controls in a scope and over a period, tolerances, updates.

use super::api::{Asked, Reader};
use super::list::{List, list};
use super::moment::Then;
use super::problem::Problem;
use super::rights::Actor;
use crate::app::App;
use crate::judge::RuleSet;
use crate::moment::read_period;
use crate::overview::{Overview, limits};
use crate::scope::Scope;
use crate::status::Tolerance;
use crate::store::{GroupSpan, IsmsRefusal, IsmsText, Membership, ToleranceRefusal, Tolerated};
use crate::{patch, period};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use evidence::HostId;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const DAY_US: i64 = 86_400_000_000;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/controls", get(controls))
        .route("/api/v1/controls/{id}/period", get(of_period))
        .route("/api/v1/tolerances", get(tolerances))
        .route("/api/v1/controls/{id}/tolerance", put(tolerate))
        .route("/api/v1/patches", get(patches))
        .route("/api/v1/isms", get(all_isms).post(create))
        .route("/api/v1/isms/{id}", get(one_isms).put(describe))
        .route("/api/v1/isms/{id}/groups", get(spans).post(scope))
}

/// The scope of a request, an ISMS by its name too, and its hosts.
pub(super) async fn within(
    app: &App,
    text: Option<&str>,
) -> Result<(Scope, BTreeSet<HostId>), Problem> {
    let text = text.unwrap_or("organisation");
    let scope: Scope = text.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let hosts = app.store.hosts().await?;
    let Some(name) = scope.isms() else {
        let within = scope.hosts(&hosts, &BTreeSet::new());
        return Ok((scope, within));
    };
    let isms = app.store.isms(name).await?.ok_or(Problem::not_found("no such ISMS"))?;
    let scope = Scope::Isms(isms.id);
    let within = scope.hosts(&hosts, &isms.groups);
    Ok((scope, within))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeQuery {
    scope: Option<String>,
}

/// What held at a moment within a scope, and its hosts then.
pub(super) async fn overview_within(
    app: &App,
    then: &Then,
    text: Option<&str>,
) -> Result<(Scope, BTreeSet<HostId>, Arc<RuleSet>, Overview), Problem> {
    let (scope, hosts) = within(app, text).await?;
    let Some(moment) = &then.moment else {
        let overview = app.overview(app.clock.now_us()).await?;
        return Ok((scope, hosts, app.judge.rules(), overview));
    };
    let (judged, overview) = app.overview_at(moment).await?;
    if let Some(why) = judged.instead {
        return Err(Problem::bad_request(why));
    }
    let groups = match scope.isms() {
        Some(isms) => app.store.isms_groups_at(isms, moment).await?,
        None => BTreeSet::new(),
    };
    let hosts = scope.hosts(&overview.hosts, &groups);
    Ok((scope, hosts, judged.rules, overview))
}

async fn controls(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Asked(query): Asked<ScopeQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let now_us = then.at_us(&app);
    let found = overview_within(&app, &then, query.scope.as_deref()).await?;
    let (scope, hosts, rules, overview) = found;
    let judged_by = (rules.as_ref(), rules.catalogue());
    let controls = overview.within(judged_by, (&scope, &hosts), now_us);
    let items = controls.iter().map(|(control, status)| {
        let mut value = json!(status);
        value["id"] = json!(control.id);
        value["title"] = json!(control.title);
        value["theme"] = json!(control.theme.as_str());
        value
    });
    Ok(list(items.collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeriodQuery {
    scope: Option<String>,
    /// Microseconds, or a date or moment as `from` and `to`.
    from_us: Option<i64>,
    to_us: Option<i64>,
    from: Option<String>,
    to: Option<String>,
}

impl PeriodQuery {
    fn read(&self, then: &Then, now_us: i64) -> Result<(i64, i64), Problem> {
        let whole = (self.from_us.is_some() || self.to_us.is_some())
            && (self.from.is_some() || self.to.is_some());
        if whole {
            return Err(Problem::bad_request("a period is `from` and `to`, or from_us and to_us"));
        }
        let Some(from_us) = self.from_us else {
            let (from, to) = (self.from.as_deref(), self.to.as_deref());
            return Ok(read_period(from, to, &then.zone.zone(), now_us, 90 * DAY_US)?);
        };
        let to_us = self.to_us.unwrap_or(now_us).min(now_us);
        match from_us < to_us {
            true => Ok((from_us, to_us)),
            false => Err(Problem::bad_request("from_us is before to_us, and before now")),
        }
    }
}

async fn of_period(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path(id): Path<String>,
    Asked(query): Asked<PeriodQuery>,
) -> Result<Json<Value>, Problem> {
    let now_us = then.at_us(&app);
    let asked = query.read(&then, now_us)?;
    let found = overview_within(&app, &then, query.scope.as_deref()).await?;
    let (scope, _, rules, overview) = found;
    rules.catalogue().get(&id).ok_or(Problem::not_found("no such control"))?;
    let known = then.moment.map_or(i64::MAX, |moment| moment.known);
    let (about, terms) = ((id.as_str(), &scope), &overview.terms);
    let period = period::of_control(&app.store, &rules, terms, about, asked, known).await?;
    let mut value = json!(period);
    value["control"] = json!(id);
    value["scope"] = json!(scope.to_string());
    Ok(Json(value))
}

async fn tolerances(
    State(app): State<App>,
    _: Reader,
    then: Then,
) -> Result<Json<List<Value>>, Problem> {
    let rows = match &then.moment {
        None => app.store.tolerance_rows().await?,
        Some(moment) => app.store.tolerance_rows_at(moment).await?,
    };
    let item = |row: &crate::store::ToleranceRow| {
        json!({
            "isms": row.said.isms, "control": row.said.control, "tolerance": row.said.tolerance,
            "owner": row.said.owner, "reason": row.said.reason, "from_us": row.from_us,
        })
    };
    Ok(list(rows.iter().map(item).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToleranceBody {
    #[serde(default)]
    isms: Option<String>,
    /// Null takes it back.
    tolerance: Option<Tolerance>,
    owner: String,
    reason: String,
}

async fn tolerate(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(id): Path<String>,
    body: Result<Json<ToleranceBody>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    app.judge.rules().catalogue().get(&id).ok_or(Problem::not_found("no such control"))?;
    let Json(body) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let ToleranceBody { isms, tolerance, owner, reason } = body;
    let said = Tolerated { isms, control: id, tolerance, owner, reason };
    match app.store.tolerate(&said, &actor, app.clock.now_us()).await? {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(ToleranceRefusal::UnknownIsms) => Err(Problem::not_found("no such ISMS")),
        Err(refusal) => Err(Problem::bad_request(refusal.to_string())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchQuery {
    scope: Option<String>,
    since_us: Option<i64>,
}

async fn patches(
    State(app): State<App>,
    _: Reader,
    Asked(query): Asked<PatchQuery>,
) -> Result<Json<List<Value>>, Problem> {
    let now_us = app.clock.now_us();
    let since_us = query.since_us.unwrap_or(now_us - 90 * DAY_US);
    let (_, wanted) = within(&app, query.scope.as_deref()).await?;
    let hosts = app.store.hosts().await?;
    let limits = limits(&app.config).patch;
    let found = patch::report(&app.store, &hosts, &wanted, &limits, since_us, now_us).await?;
    let item = |(host, patch): &(HostId, patch::Patch)| {
        let mut value = json!(patch);
        value["host"] = json!(host);
        value
    };
    Ok(list(found.iter().map(item).collect()))
}

async fn all_isms(State(app): State<App>, _: Reader) -> Result<Json<List<Value>>, Problem> {
    Ok(list(app.store.all_isms().await?.iter().map(|isms| json!(isms)).collect()))
}

async fn one_isms(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let isms = app.store.isms(&id).await?.ok_or(Problem::not_found("no such ISMS"))?;
    Ok(Json(json!(isms)))
}

type Body<T> = Result<Json<T>, JsonRejection>;

async fn create(
    State(app): State<App>,
    Actor(actor): Actor,
    body: Body<IsmsText>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(text) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let made = app.store.create_isms(&text, &actor, app.clock.now_us()).await?;
    let id = made.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

async fn describe(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(id): Path<String>,
    body: Body<IsmsText>,
) -> Result<StatusCode, Problem> {
    let Json(text) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let done = app.store.describe_isms(&id, &text, &actor, app.clock.now_us()).await?;
    done.map(|()| StatusCode::NO_CONTENT).map_err(refused)
}

/// Everything that was said of the groups of an ISMS, with when it was known.
async fn spans(
    State(app): State<App>,
    _: Reader,
    Path(id): Path<String>,
) -> Result<Json<List<Value>>, Problem> {
    let isms = app.store.isms(&id).await?.ok_or(Problem::not_found("no such ISMS"))?;
    let item = |row: &GroupSpan| {
        json!({
            "group": row.group, "value": row.span.value, "from_us": row.span.from_us,
            "to_us": row.span.to_us, "known": row.span.known,
            "ended_known": row.span.ended_known, "superseded_known": row.span.superseded_known,
        })
    };
    Ok(list(app.store.isms_spans(&isms.id).await?.iter().map(item).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeBody {
    group: String,
    belongs: bool,
    from_us: Option<i64>,
    reason: Option<String>,
}

async fn scope(
    State(app): State<App>,
    Actor(actor): Actor,
    Path(id): Path<String>,
    body: Body<ScopeBody>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let now_us = app.clock.now_us();
    let from_us = body.from_us.unwrap_or(now_us);
    if from_us > now_us {
        return Err(Problem::bad_request("from_us is still to come; say it then"));
    }
    let ScopeBody { group, belongs, reason, .. } = body;
    let membership = Membership { isms: id, group, belongs, from_us, reason };
    let done = app.store.scope_isms(&membership, &actor, now_us).await?;
    done.map(|_| StatusCode::NO_CONTENT).map_err(refused)
}

fn refused(refusal: IsmsRefusal) -> Problem {
    match refusal {
        IsmsRefusal::Unknown => Problem::not_found("no such ISMS"),
        IsmsRefusal::NameTaken => {
            let title = "an ISMS of this name is there already";
            Problem::new(StatusCode::CONFLICT, "/problems/name-taken", title)
        }
        refusal => Problem::bad_request(refusal.to_string()),
    }
}
