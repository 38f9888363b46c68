//! The history of a control, from the store.

use super::{Coverage, Held, Line, Measure, Period, of};
use crate::judge::RuleSet;
use crate::overview::Terms;
use crate::scope::{GroupTimes, Interval, Scope, intersection, service_times, without};
use crate::store::{HostSpan, InheritedTime, Store, StoreError};
use evidence::HostId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a control in a scope over a period, as is known by a leaf of the log (`i64::MAX`:
/// now). When hosts did not report is as it is known now.
pub async fn of_control(
    store: &Store,
    rules: &RuleSet,
    terms: &Terms,
    (control, scope): (&str, &Scope),
    period: Interval,
    known: i64,
) -> Result<Period, StoreError> {
    let groups = match scope.isms() {
        Some(isms) => store.isms_times(isms).await?,
        None => GroupTimes::new(),
    };
    let of_host = match scope {
        Scope::Host(host) => Some(*host),
        _ => None,
    };
    let spans = known_spans(store.host_spans(of_host).await?, known);
    let times = service_times(scope, &spans, &groups, period);
    let silent = silent(store, period.0).await?;
    let statements = store.inherited_times().await?;
    let members = members(&statements, &spans, period);
    let mut lines: Vec<Line> = vec![];
    for rule in rules.rules().iter().filter(|rule| rule.controls.iter().any(|id| id == control)) {
        let excepted = store.excepted_times(&rule.id).await?;
        for row in store.rule_history(&rule.id, period.1, known).await? {
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
                    inherited: inherited(&statements, &members, (host, &rule.id)),
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

/// When hosts were in the groups that statements are about.
type Members = BTreeMap<String, BTreeMap<HostId, Vec<Interval>>>;

fn members(statements: &[InheritedTime], spans: &[HostSpan], period: Interval) -> Members {
    let groups: BTreeSet<&String> = statements.iter().map(|held| &held.group).collect();
    let times = |group: &String| {
        service_times(&Scope::Group(group.clone()), spans, &GroupTimes::new(), period)
    };
    groups.into_iter().map(|group| (group.clone(), times(group))).collect()
}

/// When statements covered a rule on a host: by the group that it was in then.
fn inherited(
    statements: &[InheritedTime],
    members: &Members,
    (host, rule): (HostId, &str),
) -> Vec<Interval> {
    let of_rule = statements.iter().filter(|held| held.rule == rule);
    let times = of_rule.filter_map(|held| {
        let in_group = members.get(&held.group)?.get(&host)?;
        Some(intersection(&[held.lasted], in_group))
    });
    times.flatten().collect()
}

async fn silent(
    store: &Store,
    from_us: i64,
) -> Result<BTreeMap<HostId, Vec<Interval>>, StoreError> {
    let mut silent: BTreeMap<HostId, Vec<Interval>> = BTreeMap::new();
    for silence in store.silences(from_us).await? {
        let lasted = (silence.from_us, silence.to_us.unwrap_or(i64::MAX));
        silent.entry(silence.host).or_default().push(lasted);
    }
    Ok(silent)
}

/// Spans as they were known at a log index: in the form of those that are known now.
fn known_spans(spans: Vec<HostSpan>, known: i64) -> Vec<HostSpan> {
    let then = |mut row: HostSpan| {
        let counts = row.span.counts_at(known);
        row.span.to_us = row.span.end_at(known);
        row.span.superseded_known = None;
        counts.then_some(row)
    };
    spans.into_iter().filter_map(then).collect()
}

/// How much of a period hosts reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverageOf {
    /// None: the whole scope.
    pub group: Option<String>,
    pub hosts: u64,
    #[serde(flatten)]
    pub coverage: Coverage,
}

/// Coverage of a scope, and of each group that hosts of it were in: a host that reports covers its
/// time, whatever it says.
pub async fn of_groups(
    store: &Store,
    scope: &Scope,
    period: Interval,
    known: i64,
) -> Result<Vec<CoverageOf>, StoreError> {
    let isms = match scope.isms() {
        Some(isms) => store.isms_times(isms).await?,
        None => GroupTimes::new(),
    };
    let spans = known_spans(store.host_spans(None).await?, known);
    let silent = silent(store, period.0).await?;
    let whole = service_times(scope, &spans, &isms, period);
    let mut found = vec![covered(None, &whole, &silent)];
    let groups = spans.iter().filter(|row| row.property == "group");
    let groups: BTreeSet<&String> = groups.map(|row| &row.span.value).collect();
    for group in groups {
        let of_group = Scope::Group(group.clone());
        let mut times = service_times(&of_group, &spans, &GroupTimes::new(), period);
        times.retain(|host, times| {
            let within = whole.get(host).map(|held| intersection(times, held));
            *times = within.unwrap_or_default();
            !times.is_empty()
        });
        if !times.is_empty() {
            found.push(covered(Some(group.clone()), &times, &silent));
        }
    }
    Ok(found)
}

fn covered(
    group: Option<String>,
    times: &BTreeMap<HostId, Vec<Interval>>,
    silent: &BTreeMap<HostId, Vec<Interval>>,
) -> CoverageOf {
    let length = |times: &[Interval]| times.iter().map(|(from, to)| to - from).sum::<i64>();
    let mut coverage = Coverage::default();
    for (host, times) in times {
        let silent = silent.get(host).map(Vec::as_slice).unwrap_or_default();
        coverage.expected_us += length(times);
        coverage.covered_us += length(&without(times, silent));
    }
    CoverageOf { group, hosts: times.len() as u64, coverage }
}
