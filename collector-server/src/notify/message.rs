//! What is told: a CloudEvents 1.0 document in structured JSON.

use crate::http::alert_json;
use crate::store::{AlertPlaces, AlertWhole, Untold};
use serde_json::json;

/// Hosts and drifts that a message names; the API has all of them.
const NAMED: usize = 50;

/// `evidenced.alert.opened` …
pub fn event_type(what: &str) -> String {
    format!("evidenced.alert.{what}")
}

/// Who tells: the name of the source, and where its pages are.
#[derive(Debug, Clone)]
pub struct Teller {
    /// The log's origin, as a URN.
    pub source: String,
    pub people_url: String,
}

/// The document. `id` is the step's, so that whoever hears it twice can tell.
pub fn body(
    teller: &Teller,
    untold: &Untold,
    whole: &AlertWhole,
    places: &AlertPlaces,
    controls: &[String],
) -> String {
    let mut data = alert_json(&whole.alert);
    data["url"] = json!(format!("{}/drift/{}", teller.people_url, whole.alert.id));
    data["host_names"] = json!(places.hosts);
    data["groups"] = json!(places.groups);
    data["owners"] = json!(places.owners);
    data["controls"] = json!(controls);
    data["host_ids"] = json!(whole.hosts.iter().take(NAMED).collect::<Vec<_>>());
    let drift = |drift: &crate::store::model::DriftRow| {
        json!({
            "id": drift.id, "host": drift.host, "rule": drift.rule, "kind": drift.kind,
            "from": drift.from, "to": drift.to, "offenders": drift.offenders,
        })
    };
    data["drifts"] = whole.drifts.iter().take(NAMED).map(drift).collect();
    let time = jiff::Timestamp::from_microsecond(untold.at_us).unwrap_or_default();
    json!({
        "specversion": "1.0",
        "id": untold.event,
        "source": teller.source,
        "type": event_type(&untold.what),
        "subject": whole.alert.id,
        "time": time.to_string(),
        "datacontenttype": "application/json",
        "data": data,
    })
    .to_string()
}
