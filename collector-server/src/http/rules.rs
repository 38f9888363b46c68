//! The rules that judge, what an organisation lays over them, and why a result is what it is: for
//! people and for programs.

use super::api::{Reader, host_id, result_json};
use super::list::{List, list};
use super::moment::Then;
use super::people::{Ground, Trouble, frame_with, render};
use super::problem::Problem;
use super::session::LoggedIn;
use crate::app::App;
use crate::explained::{self, Explained, Nothing};
use crate::judge::{Rule, RuleSet};
use crate::judged_then::{self, JudgedThen};
use crate::store::{Inherited, StoreError};
use crate::web::page::Room;
use crate::web::{result, rule, rules};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use evidence::HostId;
use serde_json::{Value, json};
use std::sync::Arc;

/// Versions of the overlay on the page and in the answer.
const VERSIONS: i64 = 50;

/// What programs read.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/rules", get(all))
        .route("/api/v1/rules/off", get(off))
        .route("/api/v1/rules/overlay", get(overlay))
        .route("/api/v1/rules/{id}", get(one))
        .route("/api/v1/hosts/{id}/results/{rule}", get(explain))
}

/// What people read.
pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/rules", get(rules_page))
        .route("/rules/{id}", get(rule_page))
        .route("/hosts/{id}/results/{rule}", get(result_page))
}

/// The rules that judge, or judged then; and why they are not these, if they cannot be had.
async fn rules_then(app: &App, then: &Then) -> Result<JudgedThen, Problem> {
    let now = app.judge.rules();
    match &then.moment {
        None => Ok(JudgedThen { rules: now, instead: None }),
        Some(moment) => Ok(judged_then::load(&app.store, &now, &app.catalogue, moment).await?),
    }
}

/// Programs get what they asked for, or a refusal.
async fn exactly(app: &App, then: &Then) -> Result<Arc<RuleSet>, Problem> {
    let judged = rules_then(app, then).await?;
    match judged.instead {
        None => Ok(judged.rules),
        Some(why) => Err(Problem::bad_request(why)),
    }
}

async fn all(State(app): State<App>, _: Reader, then: Then) -> Result<Json<List<Value>>, Problem> {
    let rules = exactly(&app, &then).await?;
    Ok(list(rules.rules().iter().map(Rule::described).collect()))
}

/// Rules that are switched off, with the reason.
async fn off(State(app): State<App>, _: Reader, then: Then) -> Result<Json<List<Value>>, Problem> {
    let rules = exactly(&app, &then).await?;
    Ok(list(rules.off().into_iter().map(|off| json!(off)).collect()))
}

async fn overlay(State(app): State<App>, _: Reader) -> Result<Json<Value>, Problem> {
    let now = app.judge.now();
    let versions = app.store.overlay_versions(VERSIONS).await?;
    Ok(Json(json!({
        "set": now.judge.rules().id(), "active": now.overlay, "refused": now.refused,
        "versions": versions, "groups": now.judge.rules().groups().collect::<Vec<_>>(),
    })))
}

/// A rule, as it judges hosts of groups that nothing is said of, and in which groups it is another.
async fn one(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let rules = exactly(&app, &then).await?;
    let rule = rules.get(&id).ok_or(Problem::not_found("no such rule judges"))?;
    let mut value = rule.described();
    let other = rules.groups().filter_map(|group| match rules.rule_of(group, &id) {
        Some(here) if here.digest != rule.digest || here.policies != rule.policies => {
            Some((group.to_owned(), here.described()))
        }
        _ => None,
    });
    value["in_groups"] = Value::Object(other.collect());
    value["off"] =
        rules.off().into_iter().filter(|off| off.rule == id).map(|off| json!(off)).collect();
    Ok(Json(value))
}

async fn explain(
    State(app): State<App>,
    _: Reader,
    then: Then,
    Path((host, rule)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let rules = exactly(&app, &then).await?;
    let about = (host_id(&host)?, rule.as_str());
    let found = explained::load(&app.store, &rules, about, then.moment.as_ref()).await?;
    let found = match found {
        Ok(found) => found,
        Err(Nothing::NoHost) => return Err(Problem::not_found("no such host")),
        Err(Nothing::NoRule) => return Err(Problem::not_found("no such rule judges this host")),
        Err(Nothing::NotJudged) => return Err(Problem::not_found("nothing of it was judged yet")),
        Err(Nothing::SwitchedOff(off)) => {
            return Ok(Json(json!({"host": host, "rule": rule, "switched_off": off})));
        }
    };
    let by = inherited_by(&app, &then, &found).await?;
    let inherited = by.map(
        |by| json!({"statement": by.statement, "provider": by.provider, "until_us": by.until_us}),
    );
    Ok(Json(json!({
        "host": found.host.id, "inherited": inherited, "group": found.host.group, "rule": rule,
        "explanation": found.explanation, "recorded": found.recorded.as_ref().map(result_json),
        "accepted": found.accepted, "agrees": found.agrees(), "silent": found.host.is_silent(then.at_us(&app)),
        "log_index": found.statement.index, "observed_us": found.statement.observed_us,
        "received_us": app.store.received_us(found.statement.index).await?,
        "valid_until_us": found.host.valid_until_us(),
        "judged_rules": found.judged_rules,
    })))
}

/// The statement that covers a result at the moment that is asked about, as on the overview: of a
/// host that reports, what it does not show itself.
async fn inherited_by(
    app: &App,
    then: &Then,
    found: &Explained,
) -> Result<Option<Inherited>, StoreError> {
    let outcome = found.recorded.as_ref().map(|row| row.outcome.as_str());
    let outcome = outcome.unwrap_or(found.explanation.outcome.as_str());
    if !matches!(outcome, "fail" | "unknown") || found.host.is_silent(then.at_us(app)) {
        return Ok(None);
    }
    let mut statements = match &then.moment {
        Some(moment) => app.store.inherited_rules_at(moment).await?,
        None => app.store.inherited_rules(app.clock.now_us()).await?,
    };
    let key = (found.host.group.clone(), found.explanation.rule.clone());
    let by = statements.remove(&key);
    Ok(by.map(|by| Inherited { outcome: outcome.to_owned(), ..by }))
}

async fn rules_page(State(app): State<App>, _: LoggedIn, then: Then) -> Result<Response, Trouble> {
    let ground = Ground::at(&app, &then).await?;
    let mut versions = app.store.overlay_versions(VERSIONS).await?;
    let judging = app.judge.now();
    let (mut overlay, mut refused) = (judging.overlay.clone(), judging.refused.as_deref());
    if let Some(moment) = ground.moment() {
        versions
            .retain(|version| version.at_us <= moment.at_us && version.log_index <= moment.known);
        (overlay, refused) = (versions.first().cloned(), None);
    }
    let input = rules::Input {
        now: ground.now(),
        rules: &ground.active,
        overlay: overlay.as_ref(),
        refused,
        versions: &versions,
    };
    Ok(render(&rules::page(ground.frame(Room::Rules), &input)))
}

async fn rule_page(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let ground = Ground::at(&app, &then).await?;
    let rules = Arc::clone(&ground.active);
    let last = match rules.off().iter().any(|off| off.rule == id) && !ground.is_past() {
        true => app.store.last_verdicts(&id).await?,
        false => vec![],
    };
    let page = rule::page(ground.frame(Room::Rules), &ground.now(), &rules, &id, &last);
    Ok(render(&page.ok_or_else(|| Trouble::NotFound(format!("rule {id}")))?))
}

async fn result_page(
    State(app): State<App>,
    _: LoggedIn,
    then: Then,
    Path((host, id)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::NotFound(format!("result of rule {id} on host {host}"));
    let host = host.parse::<HostId>().map_err(|_| missing())?;
    let judged = rules_then(&app, &then).await?;
    let rules = judged.rules.as_ref();
    let found = explained::load(&app.store, rules, (host, &id), then.moment.as_ref()).await?;
    let frame = frame_with(&app, Room::Hosts, &then, judged.instead).await?;
    match found {
        Ok(found) => {
            let received_us = app.store.received_us(found.statement.index).await?;
            let by = inherited_by(&app, &then, &found).await?;
            let page = result::page(frame, &found, then.at_us(&app)).standing_on(by.as_ref());
            Ok(render(&page.received(received_us, found.host.valid_until_us())))
        }
        Err(Nothing::SwitchedOff(off)) => Err(Trouble::NotFound(format!(
            "result: rule {id} is switched off for this host, for the reason: {}",
            off.reason
        ))),
        Err(_) => Err(missing()),
    }
}
