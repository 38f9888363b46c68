//! The profile and the assessment plan.

use super::{Fleet, metadata, said, token, uuid, without_empty};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The controls that Statements of Applicability say apply. Those that are excluded are not in a
/// profile, so that a resource says why.
pub(super) fn profile(fleet: &Fleet) -> Value {
    let mut applicable = vec![];
    let mut alters: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut excluded = vec![];
    let has_statement = fleet.statements.iter().any(|isms| isms.statement.is_some());
    for control in fleet.catalogue.controls() {
        let entries = fleet.statements.iter().filter_map(|isms| {
            let entries = &isms.statement.as_ref()?.entries;
            Some((&isms.name, entries.iter().find(|entry| entry.control == control.id)?))
        });
        let entries: Vec<_> = entries.collect();
        let is_in = entries.iter().any(|(_, entry)| entry.applicable != Some(false));
        if is_in || !has_statement {
            applicable.push(token(&control.id));
            let props: Vec<_> =
                entries.iter().flat_map(|(isms, entry)| said(isms, entry)).collect();
            if !props.is_empty() {
                alters.entry(token(&control.id)).or_default().extend(props);
            }
        } else {
            let why = entries.iter().map(|(isms, e)| format!("{isms}: {}", e.justification));
            let why: Vec<_> = why.collect();
            excluded.push(json!({
                "uuid": uuid(fleet, &format!("excluded {}", control.id)),
                "title": format!("{} does not apply", control.id),
                "description": match entries.is_empty() {
                    true => "No Statement of Applicability names it.".to_owned(),
                    false => why.join("; "),
                },
            }));
        }
    }
    let alters: Vec<_> = alters
        .into_iter()
        .map(|(control, props)| json!({"control-id": control, "adds": [{"props": props}]}))
        .collect();
    let title = match has_statement {
        true => "Statement of Applicability",
        false => "All controls, as no Statement of Applicability was approved",
    };
    let mut profile = json!({
        "uuid": uuid(fleet, "profile"), "metadata": metadata(fleet, title),
        "imports": [{
            "href": "catalog.json", "include-controls": [{"with-ids": applicable}],
        }],
    });
    if !alters.is_empty() {
        profile["modify"] = json!({"alters": alters});
    }
    if !excluded.is_empty() {
        profile["back-matter"] = json!({"resources": excluded});
    }
    without_empty(json!({"profile": profile}))
}

pub(super) fn plan(fleet: &Fleet) -> Value {
    let plan_of = uuid(fleet, "no system security plan");
    json!({"assessment-plan": {
        "uuid": uuid(fleet, "plan"), "metadata": metadata(fleet, "Assessment plan"),
        "import-ssp": {"href": format!("#{plan_of}")},
        "reviewed-controls": reviewed(fleet),
        "back-matter": {"resources": [{
            "uuid": plan_of, "title": "No system security plan",
            "description": "The organisation keeps a Statement of Applicability (profile.json); \
                            there is no system security plan.",
        }]},
    }})
}

/// The controls that were asked for.
pub(super) fn reviewed(fleet: &Fleet) -> Value {
    let controls: Vec<_> = fleet
        .controls
        .iter()
        .map(|(control, _)| json!({"control-id": token(&control.id)}))
        .collect();
    match controls.is_empty() {
        true => json!({"control-selections": [{"include-all": {}}]}),
        false => json!({"control-selections": [{"include-controls": controls}]}),
    }
}
