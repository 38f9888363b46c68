//! OCSF 1.8.0, class 2003: Compliance Finding. What has no attribute there is in `unmapped`.

use super::{Record, What};
use serde_json::{Value, json};

/// A finding of a result or a drift.
pub(super) fn finding(what: What, record: &Record) -> Value {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let us = |name: &str| record.get(name).and_then(Value::as_i64);
    let ms = |us: i64| us.div_euclid(1000);
    let is_drift = what == What::Drifts;
    let (begun, ended) = match is_drift {
        true => (us("opened_us"), us("resolved_us")),
        false => (us("from_us"), us("to_us")),
    };
    let begun = begun.unwrap_or_default();
    let outcome = if is_drift { drift_outcome(text("to"), ended) } else { text("outcome") };
    let excepted = record.get("exception").is_some_and(|value| !value.is_null());
    // Create, or close.
    let activity = if ended.is_some() { 3 } else { 1 };
    let subject = if text("rule").is_empty() { text("kind") } else { text("rule") };
    let uid = match is_drift {
        true => text("id").to_owned(),
        false => format!("{}/{subject}/{begun}", text("host")),
    };
    let title = if text("title").is_empty() { text("drift") } else { text("title") };
    let mut finding = json!({
        "activity_id": activity, "category_uid": 2, "class_uid": 2003,
        "type_uid": 200_300 + activity, "time": ms(ended.unwrap_or(begun)),
        "severity_id": severity(text("severity")),
        "status_id": if excepted { 3 } else if ended.is_some() { 4 } else { 1 },
        "metadata": {
            "version": "1.8.0", "uid": uid,
            "product": {
                "name": "Evidenced", "vendor_name": "Evidenced",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "finding_info": {
            "uid": uid, "title": title, "created_time": ms(begun), "first_seen_time": ms(begun),
        },
        "compliance": compliance(record, outcome, subject),
        "resources": [{
            "uid": text("host"), "name": text("host_name"), "type": "host",
            "group": {"name": text("group")},
        }],
        "unmapped": record,
    });
    if let Some(us) = ended {
        finding["end_time"] = json!(ms(us));
    }
    finding
}

fn compliance(record: &Record, outcome: &str, subject: &str) -> Value {
    let none = vec![];
    let list = |name: &str| record.get(name).and_then(Value::as_array).unwrap_or(&none).clone();
    let (controls, offenders) = (list("controls"), list("offenders"));
    let (status_id, status) = match outcome {
        "pass" => (1, "Pass"),
        "fail" => (3, "Fail"),
        "not_applicable" => (99, "Not applicable"),
        _ => (0, "Unknown"),
    };
    let mut compliance = json!({
        "standards": ["ISO/IEC 27001:2022"], "status_id": status_id, "status": status,
        "requirements": controls,
    });
    // Without a control it is none of the standard; the subject says what was looked at.
    let control = controls.first().cloned().unwrap_or_else(|| json!(subject));
    if control.as_str().is_some_and(|control| !control.is_empty()) {
        compliance["control"] = control;
    }
    let reason = record.get("reason").and_then(Value::as_str).map(|reason| json!(reason));
    let details: Vec<Value> = reason.into_iter().chain(offenders).collect();
    if !details.is_empty() {
        compliance["status_details"] = json!(details);
    }
    compliance
}

/// What a drift led to: evidence ended one that is closed.
fn drift_outcome(to: &str, ended: Option<i64>) -> &str {
    match (to, ended) {
        (_, Some(_)) => "pass",
        ("fail", None) => "fail",
        _ => "unknown",
    }
}

fn severity(word: &str) -> i64 {
    match word {
        "critical" => 5,
        "high" => 4,
        "medium" => 3,
        "low" => 2,
        "info" => 1,
        _ => 0,
    }
}
