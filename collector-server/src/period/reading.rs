//! The history of a control, from the store.

use super::{Held, Line, Measure, Period, of};
use crate::judge::RuleSet;
use crate::overview::Terms;
use crate::scope::{GroupTimes, Interval, Scope, service_times};
use crate::store::{Store, StoreError};
use evidence::HostId;
use std::collections::BTreeMap;

/// What became of a control in a scope over a period, as it is known now.
pub async fn of_control(
    store: &Store,
    rules: &RuleSet,
    terms: &Terms,
    (control, scope): (&str, &Scope),
    period: Interval,
) -> Result<Period, StoreError> {
    let groups = match scope.isms() {
        Some(isms) => store.isms_times(isms).await?,
        None => GroupTimes::new(),
    };
    let of_host = match scope {
        Scope::Host(host) => Some(*host),
        _ => None,
    };
    let times = service_times(scope, &store.host_spans(of_host).await?, &groups, period);
    let mut silent: BTreeMap<HostId, Vec<Interval>> = BTreeMap::new();
    for silence in store.silences(period.0).await? {
        let lasted = (silence.from_us, silence.to_us.unwrap_or(i64::MAX));
        silent.entry(silence.host).or_default().push(lasted);
    }
    let statements = store.inherited_times().await?;
    let groups: BTreeMap<HostId, String> = match statements.is_empty() {
        true => BTreeMap::new(),
        false => store.hosts().await?.into_iter().map(|host| (host.id, host.group)).collect(),
    };
    // By the group that a host is in now, as the statement covers it now.
    let in_group = |host: &HostId, group: &String| groups.get(host) == Some(group);
    let mut lines: Vec<Line> = vec![];
    for rule in rules.rules().iter().filter(|rule| rule.controls.iter().any(|id| id == control)) {
        let excepted = store.excepted_times(&rule.id).await?;
        for row in store.rule_history(&rule.id, period.1).await? {
            let Ok(host) = row.host.parse::<HostId>() else { continue };
            if !times.contains_key(&host) {
                continue;
            }
            let held = Held::of(
                &row.outcome,
                row.reason.as_deref(),
                row.observed_from_us,
                row.observed_to_us,
            );
            match lines.last_mut().filter(|line| line.host == host && line.rule == rule.id) {
                Some(line) => line.results.push(held),
                None => lines.push(Line {
                    host,
                    rule: rule.id.clone(),
                    severity: rule.severity,
                    results: vec![held],
                    excepted: excepted.get(&row.host).cloned().unwrap_or_default(),
                    inherited: statements
                        .iter()
                        .filter(|held| held.rule == rule.id && in_group(&host, &held.group))
                        .map(|held| held.lasted)
                        .collect(),
                }),
            }
        }
    }
    let measure = Measure {
        period,
        limits: terms.limits,
        tolerance: terms.tolerance(scope.isms(), control),
        times: &times,
        silent: &silent,
    };
    Ok(of(&lines, &measure))
}
