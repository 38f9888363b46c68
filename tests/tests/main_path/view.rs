//! What the API says, in the shapes the tests compare.

use evidenced_tests::{Api, until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rule → outcome.
pub(crate) type Outcomes = BTreeMap<String, String>;

/// Rule or kind, cause, offenders.
pub(crate) type Drift = (String, String, Vec<String>);

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub(crate) fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter().map(text).collect()
}

/// Every result of a host, as soon as it was judged.
pub(crate) async fn results(api: &Api, host: &str) -> Vec<Value> {
    let path = format!("/api/v1/results?host={host}");
    until("results of the host", async || {
        let results = api.items(&path).await;
        (!results.is_empty()).then_some(results)
    })
    .await
}

pub(crate) async fn outcomes(api: &Api, host: &str) -> Outcomes {
    let pair = |result: &Value| (text(&result["rule"]), text(&result["outcome"]));
    results(api, host).await.iter().map(pair).collect()
}

/// Drifts of a host in `state` (open or resolved): those of `sort` (regression, evidence_lost …).
pub(crate) async fn drifts(api: &Api, host: &str, state: &str, sort: &str) -> BTreeSet<Drift> {
    let drifts = api.items(&format!("/api/v1/drifts?state={state}&host={host}")).await;
    let of_sort = drifts.iter().filter(|drift| drift["drift"] == sort);
    of_sort
        .map(|drift| {
            let subject = if drift["rule"].is_null() { &drift["kind"] } else { &drift["rule"] };
            (text(subject), text(&drift["cause"]), texts(&drift["offenders"]))
        })
        .collect()
}

/// Open drifts of any sort.
pub(crate) async fn open(api: &Api, host: &str) -> Vec<Value> {
    api.items(&format!("/api/v1/drifts?state=open&host={host}")).await
}
