//! The assessment results. They grow with the fleet, so that they are written member by member, in
//! the order of canonical JSON.

use super::plan::reviewed;
use super::{Fleet, metadata, objective, one_line, prop, token, uuid, without_empty};
use crate::catalogue::Control;
use crate::judge::Outcome;
use crate::snapshot::SnapshotError;
use crate::snapshot::derive::fleet::{HostLine, Tally};
use crate::snapshot::derive::{Out, Output, time};
use crate::snapshot::document::ExceptionDocument;
use crate::snapshot::envelope::RESULTS;
use crate::status::{ControlStatus, EvidenceState};
use evidence::canonical;
use serde_json::{Value, json};

/// Canonical JSON that is written piece by piece.
struct Stream(Box<dyn Out>);

impl Stream {
    fn raw(&mut self, text: &str) -> Result<(), SnapshotError> {
        let failed = |source| SnapshotError::File { path: RESULTS.into(), source };
        self.0.write_all(text.as_bytes()).map_err(failed)
    }

    fn value(&mut self, value: &Value) -> Result<(), SnapshotError> {
        let bytes = canonical::to_vec(value)?;
        self.raw(&String::from_utf8_lossy(&bytes))
    }

    /// Items of a list, with commas between.
    fn items(&mut self, items: impl Iterator<Item = Value>) -> Result<(), SnapshotError> {
        for (number, item) in items.enumerate() {
            if number > 0 {
                self.raw(",")?;
            }
            self.value(&without_empty(item))?;
        }
        Ok(())
    }

    /// `"name":[…],`, or nothing for an empty list.
    fn list(
        &mut self,
        name: &str,
        items: impl Iterator<Item = Value>,
    ) -> Result<(), SnapshotError> {
        let mut items = items.peekable();
        if items.peek().is_none() {
            return Ok(());
        }
        self.raw(&format!("\"{name}\":["))?;
        self.items(items)?;
        self.raw("],")
    }
}

pub(super) fn write(fleet: &Fleet, out: &mut dyn Output) -> Result<(), SnapshotError> {
    let mut to = Stream(out.open(RESULTS)?);
    to.raw("{\"assessment-results\":{\"back-matter\":{\"resources\":[")?;
    to.items(
        std::iter::once(rules_resource(fleet))
            .chain(fleet.hosts.iter().map(|host| host_resource(fleet, host))),
    )?;
    to.raw("]},\"import-ap\":{\"href\":\"assessment-plan.json\"},\"metadata\":")?;
    to.value(&metadata(fleet, "Assessment results"))?;
    to.raw(",\"results\":[{\"description\":")?;
    to.value(&description(fleet).into())?;
    to.raw(",\"end\":")?;
    to.value(&time(fleet.head.pins.at_us).into())?;
    to.raw(",")?;
    to.list("findings", findings(fleet))?;
    to.raw("\"local-definitions\":{\"components\":[")?;
    to.items(std::iter::once(component(fleet)))?;
    match fleet.hosts.is_empty() {
        true => to.raw("]},")?,
        false => {
            to.raw("],\"inventory-items\":[")?;
            to.items(fleet.hosts.iter().map(|host| inventory_item(fleet, host)))?;
            to.raw("]},")?;
        }
    }
    let silent = std::iter::once(nothing_said(fleet)).flatten();
    to.list(
        "observations",
        fleet.rules.iter().map(|(id, t)| observation(fleet, id, t)).chain(silent),
    )?;
    to.raw("\"reviewed-controls\":")?;
    to.value(&reviewed(fleet))?;
    to.raw(",")?;
    to.list("risks", fleet.exceptions.iter().map(|exception| risk(fleet, exception)))?;
    to.raw("\"start\":")?;
    to.value(&time(fleet.head.pins.from_us).into())?;
    to.raw(",\"title\":\"What hosts showed\",\"uuid\":")?;
    to.value(&uuid(fleet, "result").into())?;
    to.raw("}],\"uuid\":")?;
    to.value(&uuid(fleet, "results").into())?;
    to.raw("}}\n")?;
    to.0.end().map_err(|source| SnapshotError::File { path: RESULTS.into(), source })
}

fn description(fleet: &Fleet) -> String {
    format!(
        "What {} hosts reported, judged by the rules in force; log {} with {} leaves. A control is \
         satisfied here only if every host that can show something shows it and nothing is unknown; \
         what hosts cannot show is left open.",
        fleet.hosts.len(),
        fleet.head.origin,
        fleet.head.pins.known_size
    )
}

fn host_uuid(fleet: &Fleet, host: &HostLine) -> String {
    uuid(fleet, &format!("host {}", host.host))
}

fn resource_uuid(fleet: &Fleet, host: &HostLine) -> String {
    uuid(fleet, &format!("document of {}", host.host))
}

fn host_resource(fleet: &Fleet, host: &HostLine) -> Value {
    let href = format!("../hosts/{}.json", host.host);
    let hashes = json!([{"algorithm": "SHA-256", "value": host.digest}]);
    json!({
        "uuid": resource_uuid(fleet, host),
        "title": format!("Evidence and results of {}", name(host)),
        "rlinks": [{"href": href, "media-type": "application/json", "hashes": hashes}],
    })
}

fn rules_resource(fleet: &Fleet) -> Value {
    let mut resource = json!({"uuid": uuid(fleet, "rules"), "title": "Rules in force"});
    match fleet.head.rules {
        Some(id) => resource["rlinks"] = json!([{"href": format!("../rules/{id}.json")}]),
        None => resource["description"] = "No rules were in force.".into(),
    }
    resource
}

/// Hosts choose their names, and an empty one is none.
fn name(host: &HostLine) -> String {
    one_line(&host.name).unwrap_or_else(|| host.host.to_string())
}

fn component(fleet: &Fleet) -> Value {
    json!({
        "uuid": uuid(fleet, "collector"), "type": "software", "title": "Evidenced collector",
        "description": format!("Version {}, judging by rules.", fleet.head.program),
        "status": {"state": "operational"},
    })
}

fn inventory_item(fleet: &Fleet, host: &HostLine) -> Value {
    let silent = host.silent_since_us.map(|us| prop("silent-since", time(us)));
    let texts = [("group", &host.group), ("state", &host.state)];
    let texts = texts.into_iter().filter_map(|(name, text)| Some(prop(name, one_line(text)?)));
    let id = std::iter::once(prop("host-id", host.host.to_string()));
    let props: Vec<_> = id.chain(texts).chain(silent).collect();
    json!({
        "uuid": host_uuid(fleet, host), "description": name(host), "props": props,
        "links": [{"href": format!("#{}", resource_uuid(fleet, host)), "rel": "reference"}],
    })
}

fn observation_uuid(fleet: &Fleet, rule: &str) -> String {
    uuid(fleet, &format!("rule {rule}"))
}

fn observation(fleet: &Fleet, id: &str, tally: &Tally) -> Value {
    let rule = fleet.judge.as_ref().and_then(|judge| judge.rules().get(id));
    let count = |outcome| tally.counts.get(&outcome).copied().unwrap_or_default();
    let all = [Outcome::Pass, Outcome::Fail, Outcome::Unknown, Outcome::NotApplicable];
    let counts = all.map(|outcome| format!("{} {}", count(outcome), outcome.as_str()));
    let not_shown = rule.and_then(|rule| rule.not_shown.as_deref()).and_then(one_line);
    let not_shown = not_shown.map(|text| format!(" Not shown: {text}")).unwrap_or_default();
    let mut props = vec![prop("rule", id)];
    props.extend(rule.map(|rule| prop("severity", rule.severity.as_str())));
    props.extend(rule.map(|rule| prop("rule-version", rule.digest.to_string())));
    props.push(prop("deviations", tally.deviations.to_string()));
    props.push(prop("deviations-closed", tally.closed.to_string()));
    let subject = |number: u32, result: &str, why: Option<String>| {
        let mut props = vec![prop("outcome", result)];
        props.extend(why.map(|why| prop("reason", why)));
        let host = &fleet.hosts[number as usize];
        json!({"subject-uuid": host_uuid(fleet, host), "type": "inventory-item", "props": props})
    };
    let failing = tally.failing.iter().map(|host| subject(*host, "fail", None));
    let unknown = tally.unknown.iter().map(|(host, reason)| {
        subject(*host, "unknown", reason.map(|reason| reason.as_str().to_owned()))
    });
    json!({
        "uuid": observation_uuid(fleet, id),
        "title": rule.map_or_else(|| id.to_owned(), |rule| rule.title.clone()),
        "description": format!("{}.{not_shown}", counts.join(", ")),
        "props": props, "methods": ["TEST"], "types": ["control-objective"],
        "subjects": failing.chain(unknown).collect::<Vec<_>>(),
        "collected": time(fleet.head.pins.at_us),
        "relevant-evidence": [{
            "href": format!("#{}", uuid(fleet, "rules")),
            "description": "The rule; what it judged is in the documents of the hosts.",
        }],
    })
}

/// Controls of which no host shows anything: an observation, as there is no finding to make.
fn nothing_said(fleet: &Fleet) -> Option<Value> {
    let none = fleet.controls.iter().filter(|(_, status)| status.state == EvidenceState::None);
    let none: Vec<&str> = none.map(|(control, _)| control.id.as_str()).collect();
    (!none.is_empty()).then(|| {
        json!({
            "uuid": uuid(fleet, "nothing said"),
            "title": "Controls of which hosts show nothing",
            "description": format!("No rule speaks of them, or none applies: {}. They are shown by \
                records of people.", none.join(", ")),
            "methods": ["EXAMINE"], "collected": time(fleet.head.pins.at_us),
        })
    })
}

fn findings(fleet: &Fleet) -> impl Iterator<Item = Value> {
    let said = fleet.controls.iter().filter(|(_, status)| status.state != EvidenceState::None);
    said.map(|(control, status)| finding(fleet, control, status))
}

fn finding(fleet: &Fleet, control: &Control, status: &ControlStatus) -> Value {
    let satisfied =
        status.state == EvidenceState::Operating && status.fail == 0 && status.unknown == 0;
    let state = match (satisfied, status.fail) {
        (true, _) => json!({"state": "satisfied"}),
        (false, 0) => json!({"state": "not-satisfied", "reason": "other"}),
        (false, _) => json!({"state": "not-satisfied", "reason": "fail"}),
    };
    let speaks = |rule: &&String| fleet.controls_of(rule).contains(&control.id);
    let observations: Vec<_> = fleet
        .rules
        .keys()
        .filter(speaks)
        .map(|rule| json!({"observation-uuid": observation_uuid(fleet, rule)}))
        .collect();
    let accepted =
        |exception: &&ExceptionDocument| exception.rules.keys().any(|rule| speaks(&rule));
    let risks: Vec<_> = fleet
        .exceptions
        .iter()
        .filter(accepted)
        .map(|exception| json!({"risk-uuid": risk_uuid(fleet, exception)}))
        .collect();
    json!({
        "uuid": uuid(fleet, &format!("finding {}", control.id)),
        "title": format!("{} {}", control.id, control.title),
        "description": format!(
            "Evidence state {}: {} pass, {} fail ({} past their limit, {} under an exception), {} \
             unknown, {} not applicable, of {} hosts.{}",
            status.state.as_str(), status.pass, status.fail, status.past_limit, status.excepted,
            status.unknown, status.not_applicable, status.hosts,
            control.not_shown.as_deref().and_then(one_line)
                .map(|text| format!(" Not shown: {text}")).unwrap_or_default(),
        ),
        "props": [prop("evidence-state", status.state.as_str()), prop("control", token(&control.id))],
        "target": {
            "type": "objective-id", "target-id": objective(&control.id), "status": state,
        },
        "related-observations": observations, "related-risks": risks,
    })
}

fn risk_uuid(fleet: &Fleet, exception: &ExceptionDocument) -> String {
    uuid(fleet, &format!("exception {}", exception.id))
}

/// An exception is a deviation that somebody accepted, or is asked to accept.
fn risk(fleet: &Fleet, exception: &ExceptionDocument) -> Value {
    let status = match exception.state.as_str() {
        "active" => "deviation-approved",
        "requested" => "deviation-requested",
        _ => "closed",
    };
    let rules: Vec<_> = exception.rules.keys().map(String::as_str).collect();
    let entry = |what: &str, by: &str, us: i64| {
        json!({
            "uuid": uuid(fleet, &format!("exception {} {what}", exception.id)),
            "title": format!("{what} by {by}"), "start": time(us),
        })
    };
    let mut entries = vec![entry("requested", &exception.requested_by, exception.requested_us)];
    let decided = exception.decided_by.as_deref().zip(exception.decided_us);
    entries.extend(decided.map(|(by, us)| entry("decided", by, us)));
    let ended = exception.ended_by.as_deref().zip(exception.ended_us);
    entries.extend(ended.map(|(by, us)| entry("ended", by, us)));
    let text = |text: &str| one_line(text).unwrap_or_else(|| "Nothing was said.".to_owned());
    json!({
        "uuid": risk_uuid(fleet, exception),
        "title": format!("Exception {} for {}", exception.id, rules.join(", ")),
        "description": text(&exception.reason),
        "statement": format!("Meanwhile: {}", text(&exception.measure)),
        "props": [prop("state", exception.state.as_str()), prop("scope", exception.scope.as_str())],
        "status": status, "deadline": time(exception.until_us),
        "risk-log": {"entries": entries},
    })
}
