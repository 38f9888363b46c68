//! What holds now, over all hosts: the answer behind the overview, the controls API and the
//! command line's summary.

use crate::catalogue::{Catalogue, Control};
use crate::config::{Config, DurationText};
use crate::judge::{Outcome, Reason, RuleSet, Severity};
use crate::status::{ControlStatus, OpenResult, RepairLimits, control_state};
use crate::store::model::{HostRow, HostState, ResultRow};
use crate::store::{Excepted, Store, StoreError};
use evidence::HostId;
use std::collections::BTreeMap;

pub struct Overview {
    pub hosts: Vec<HostRow>,
    /// In the order of the catalogue.
    pub controls: Vec<(Control, ControlStatus)>,
    /// Results that hold now. Those of a silent host are unknown: `not_reporting`.
    pub results: Vec<ResultRow>,
    /// Failures among them that an approved exception covers.
    pub excepted: ExceptedResults,
}

/// By host and rule.
pub type ExceptedResults = BTreeMap<(HostId, String), Excepted>;

/// Reads what holds at `now_us`.
pub async fn load(
    store: &Store,
    rules: &RuleSet,
    catalogue: &Catalogue,
    limits: &RepairLimits,
    now_us: i64,
) -> Result<Overview, StoreError> {
    let hosts = store.hosts().await?;
    let mut results = store.open_results(None, None).await?;
    // A rule that no longer judges has no say, though its last results stay on record.
    results.retain(|row| rules.get(&row.rule).is_some());
    silence(&hosts, &mut results, now_us);
    let excepted = store.excepted(now_us).await?;
    let by_rule = group(&results);
    let names: BTreeMap<_, _> = hosts.iter().map(|host| (host.id, host.id.to_string())).collect();
    let status = |control: &Control| {
        let rules = rules.rules().iter();
        let rules = rules.filter(|rule| rule.controls.contains(&control.id));
        let open = rules.flat_map(|rule| {
            let rows = by_rule.get(rule.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            rows.iter().filter_map(|row| {
                // Under an exception it counts as a failure still, and makes no control deviating.
                let is_excepted = excepted.contains_key(&(row.host, row.rule.clone()));
                let severity = if is_excepted { Severity::Info } else { rule.severity };
                open_result(row, severity, names.get(&row.host)?)
            })
        });
        control_state(open, limits, now_us.div_euclid(1_000_000))
    };
    let controls = catalogue.controls().iter();
    let controls = controls.map(|control| (control.clone(), status(control))).collect();
    Ok(Overview { hosts, controls, results, excepted })
}

/// What a silent or retired host said last is no evidence of now.
fn silence(hosts: &[HostRow], results: &mut Vec<ResultRow>, now_us: i64) {
    let gone = |host: &&HostRow| matches!(host.state, HostState::Ended | HostState::Retired);
    let gone: Vec<_> = hosts.iter().filter(gone).map(|host| host.id).collect();
    results.retain(|row| !gone.contains(&row.host));
    let silent = hosts.iter().filter(|host| host.is_silent(now_us));
    let silent: BTreeMap<_, _> = silent.map(|host| (host.id, host.silent_since_us())).collect();
    for row in results.iter_mut() {
        let Some(since) = silent.get(&row.host) else { continue };
        if row.outcome != "not_applicable" {
            row.outcome = Outcome::Unknown.as_str().to_owned();
            row.reason = Some(Reason::NotReporting.as_str().to_owned());
            row.offenders.clear();
            row.since_us = *since;
        }
    }
}

fn group(results: &[ResultRow]) -> BTreeMap<&str, Vec<&ResultRow>> {
    let mut by_rule: BTreeMap<&str, Vec<&ResultRow>> = BTreeMap::new();
    for row in results {
        by_rule.entry(&row.rule).or_default().push(row);
    }
    by_rule
}

fn open_result<'a>(
    row: &'a ResultRow,
    severity: Severity,
    host: &'a str,
) -> Option<OpenResult<'a>> {
    let word = |text: &str| serde_json::Value::String(text.to_owned());
    Some(OpenResult {
        rule: &row.rule,
        host,
        severity,
        // Words in the store are those of the enums; another word would be corruption, and counts
        // as unknown.
        outcome: serde_json::from_value(word(&row.outcome)).unwrap_or(Outcome::Unknown),
        reason: row.reason.as_deref().and_then(|reason| serde_json::from_value(word(reason)).ok()),
        since_s: row.since_us.div_euclid(1_000_000),
    })
}

/// The repair limits of a configuration.
pub fn limits(config: &Config) -> RepairLimits {
    let seconds = |text: &DurationText| i64::try_from(text.0.as_secs()).unwrap_or(i64::MAX);
    let limits = &config.repair_limits;
    RepairLimits {
        critical_s: seconds(&limits.critical),
        high_s: seconds(&limits.high),
        medium_s: seconds(&limits.medium),
        low_s: seconds(&limits.low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u128, received_us: i64) -> HostRow {
        HostRow {
            id: HostId::from(n),
            name: format!("host-{n}"),
            group: "default".into(),
            state: HostState::Active,
            enrolled_us: 0,
            last_received_us: Some(received_us),
            next_due_s: Some(10),
            agent: None,
            manifest: None,
            revoked_us: None,
        }
    }

    fn row(host: &HostRow, outcome: &str) -> ResultRow {
        ResultRow {
            host: host.id,
            rule: "a-rule".into(),
            outcome: outcome.into(),
            reason: None,
            offenders: vec![],
            since_us: 1,
            known: 0,
            cause: None,
        }
    }

    #[test]
    fn what_a_silent_host_said_last_is_unknown_and_what_a_retired_one_said_is_gone() {
        let now_us = 100_000_000;
        let (fresh, silent) = (host(1, now_us - 19_000_000), host(2, now_us - 21_000_000));
        let retired = HostRow { state: HostState::Retired, ..host(3, now_us) };
        let revoked = HostRow { revoked_us: Some(now_us - 1), ..host(4, now_us - 2) };
        let hosts = [fresh, silent, retired, revoked];
        let mut results: Vec<_> = hosts.iter().map(|host| row(host, "pass")).collect();
        silence(&hosts, &mut results, now_us);
        let said: Vec<_> =
            results.iter().map(|r| (r.outcome.as_str(), r.reason.as_deref())).collect();
        let silent = ("unknown", Some("not_reporting"));
        assert_eq!(said, [("pass", None), silent, silent]);
        assert_eq!(results[1].since_us, now_us - 1_000_000);
        assert_eq!(results[2].since_us, now_us - 1, "since its identity was revoked");
    }
}
