//! One cause: before and after, its hosts, the controls it touches, what to do.

use super::super::control::Offenders;
use super::super::difference::{self, Change};
use super::super::exceptions::ExceptionLink;
use super::super::input::Now;
use super::super::marks::{self, Mark, Outcome};
use super::super::page::{
    When, age, control_path, count, drift_path, facts_path, finding_path, host_path, plural,
    segment,
};
use super::what_of;
use crate::overview::ExceptedResults;
use crate::store::FindingRow;
use crate::store::model::{AlertRow, DriftRow, HostRow, KindRow};
use evidence::{Facts, HostId};
use std::collections::{BTreeMap, BTreeSet};

/// Differences and hosts shown.
const MAX_CHANGES: usize = 12;

/// Two states of a kind that the rule reads, on the first host: the one before the drift and the
/// one that came with it.
pub struct Evidence {
    pub before: (KindRow, Option<Facts>),
    pub after: (KindRow, Option<Facts>),
}

pub struct Input<'a> {
    pub now: Now<'a>,
    /// The drift itself, then others of its cause. Not empty.
    pub rows: &'a [DriftRow],
    /// There are more of them.
    pub more: bool,
    pub evidence: &'a [Evidence],
    /// The alert that holds it, and the name of who acknowledged it.
    pub alert: Option<(&'a AlertRow, String)>,
    /// Whether the reader may acknowledge it.
    pub may_change: bool,
    /// Whether the reader may raise a finding from it, and those that were raised.
    pub may_raise: bool,
    pub findings: &'a [FindingRow],
    /// Failures that an exception covers.
    pub excepted: &'a ExceptedResults,
}

pub struct One {
    pub what: String,
    pub kind: String,
    pub cause: String,
    pub cause_says: &'static str,
    pub severity: String,
    pub since: When,
    pub age: String,
    pub resolved: Option<When>,
    pub from: String,
    pub to: String,
    pub offenders: Offenders,
    pub changes: Vec<KindChanges>,
    /// Why there are none.
    pub no_changes: &'static str,
    pub rule: Option<RuleSays>,
    pub hosts: Vec<HostLine>,
    pub hosts_say: String,
    pub alert: Option<AlertSays>,
    /// The announced change that expected it: its ticket, and its end.
    pub window: Option<(String, When)>,
    ids: Vec<String>,
}

/// Where a person stands with it.
pub struct AlertSays {
    /// Where an acknowledgement is sent; none when there is nothing to acknowledge.
    pub acknowledge: Option<String>,
    /// `open, in the lane page, 3 hosts`.
    pub says: String,
    /// Who took it on, and when.
    pub taken: Option<(String, When)>,
    pub note: String,
    /// Where a finding is raised from it, and those that were.
    pub raise: Option<String>,
    pub findings: Vec<(String, String)>,
}

/// What is different in one kind.
pub struct KindChanges {
    pub kind: String,
    pub host: String,
    /// Where the two states are compared whole.
    pub path: String,
    pub status: Option<(Mark, Mark)>,
    pub rows: Vec<Change>,
    pub more: Option<String>,
}

pub struct RuleSays {
    pub id: String,
    pub title: String,
    pub rationale: String,
    pub remediation: String,
    /// Where an exception is asked for.
    pub ask: String,
    pub controls: Vec<ControlLine>,
}

pub struct ControlLine {
    pub path: String,
    pub id: String,
    pub title: String,
    pub mark: Mark,
}

pub struct HostLine {
    pub path: String,
    pub name: String,
    pub group: String,
    pub since: When,
    /// What holds now.
    pub result: Option<Mark>,
    pub exception: Option<ExceptionLink>,
    pub facts: Vec<FactsLink>,
}

pub struct FactsLink {
    pub kind: String,
    pub path: String,
}

impl One {
    pub(super) fn is_of(&self, id: &str) -> bool {
        self.ids.iter().any(|own| own == id)
    }

    /// With the announced change that expected the first row.
    #[must_use]
    pub fn in_window(self, window: Option<(String, i64)>) -> Self {
        Self { window: window.map(|(ticket, to_us)| (ticket, When::of(to_us))), ..self }
    }

    /// A change of members or values is named by what it is about.
    #[must_use]
    pub fn about(self, subject: Option<String>) -> Self {
        let subject = subject.filter(|subject| self.kind == "change" && !subject.is_empty());
        Self { what: subject.unwrap_or(self.what), ..self }
    }

    /// The cause of the first row; none without rows.
    pub fn of(input: &Input<'_>) -> Option<Self> {
        let Input { now, rows, .. } = input;
        let first = rows.first()?;
        let oldest_us = rows.iter().map(|row| row.opened_us).min()?;
        Some(Self {
            what: what_of(first, now.rules),
            kind: first.drift.replace('_', " "),
            cause: first.cause.clone(),
            cause_says: cause_says(&first.cause),
            severity: first.severity.clone(),
            since: When::of(oldest_us),
            age: age(oldest_us, now.at_us),
            resolved: rows.iter().filter_map(|row| row.resolved_us).max().map(When::of),
            from: first.from.clone(),
            to: first.to.clone(),
            offenders: Offenders::of(&first.offenders),
            changes: input.evidence.iter().map(|two| changes(two, now.hosts)).collect(),
            no_changes: no_changes(&first.cause),
            rule: first.rule.as_deref().and_then(|id| rule(now, id)),
            hosts: hosts(input),
            hosts_say: hosts_say(input),
            alert: alert(input, &first.id),
            window: None,
            ids: rows.iter().map(|row| row.id.clone()).collect(),
        })
    }
}

fn alert(input: &Input<'_>, drift: &str) -> Option<AlertSays> {
    let (row, by) = input.alert.as_ref()?;
    let hosts = plural(usize::try_from(row.hosts).unwrap_or(0), "host");
    let live = row.state != "resolved" && input.may_change;
    Some(AlertSays {
        acknowledge: live.then(|| format!("{}/acknowledge", drift_path(drift))),
        says: format!("{}, in the lane {}, {hosts}", row.state, row.lane),
        taken: row.acknowledged_us.map(|us| (by.clone(), When::of(us))),
        note: row.note.clone().unwrap_or_default(),
        raise: input.may_raise.then(|| format!("/findings?alert={}#raise", segment(&row.id))),
        findings: input
            .findings
            .iter()
            .map(|row| (finding_path(&row.id), row.finding.title.clone()))
            .collect(),
    })
}

fn cause_says(cause: &str) -> &'static str {
    match cause {
        "host_changed" => "the facts on the host are others than before",
        "time_passed" => "the facts are the same; time passed a limit",
        "evidence_lost" => "what proved it before is not there any more",
        "rule_changed" => "the same facts under another rule set",
        "agent_changed" => "another agent reads the same sources",
        "list_changed" => "an approved list was changed",
        "exception_ended" => "the exception that covered it has ended",
        "scope_changed" => "what is in scope was changed",
        _ => "see the facts",
    }
}

fn no_changes(cause: &str) -> &'static str {
    match cause {
        "time_passed" => "No fact changed: time passed a limit that the rule has.",
        "rule_changed" | "exception_ended" | "scope_changed" | "list_changed" => {
            "No fact changed: what it is judged by did."
        }
        _ => "The two states of the facts are not both here, so they cannot be compared.",
    }
}

fn name(hosts: &[HostRow], id: HostId) -> String {
    let host = hosts.iter().find(|host| host.id == id);
    host.map_or_else(|| id.to_string(), |host| host.name.clone())
}

fn changes(two: &Evidence, hosts: &[HostRow]) -> KindChanges {
    let ((before, old), (after, new)) = (&two.before, &two.after);
    let mut rows = match (old, new) {
        (Some(old), Some(new)) => difference::changes(&old.data, &new.data),
        _ => vec![],
    };
    rows.extend(difference::of_reading(before, after));
    let more = rows.len().saturating_sub(MAX_CHANGES);
    rows.truncate(MAX_CHANGES);
    KindChanges {
        kind: after.kind.clone(),
        host: name(hosts, after.host),
        path: format!("{}?with={}#changed", facts_path(after.host, &after.kind), before.since_us),
        status: (before.status != after.status)
            .then(|| (marks::of_status(before.status), marks::of_status(after.status))),
        rows,
        more: (more > 0).then(|| plural(more, "more difference")),
    }
}

fn rule(now: &Now<'_>, id: &str) -> Option<RuleSays> {
    let rule = now.rule(id)?;
    let control = |id: &String| {
        let control = now.controls.iter().find(|control| control.id == *id)?;
        Some(ControlLine {
            path: format!("{}#rule-{}", control_path(id), rule.id),
            id: id.clone(),
            title: control.title.clone(),
            mark: control.state.mark(),
        })
    };
    Some(RuleSays {
        id: rule.id.clone(),
        title: rule.title.clone(),
        rationale: rule.rationale.clone(),
        remediation: rule.remediation.clone(),
        ask: format!("/exceptions?rule={}", segment(&rule.id)),
        controls: rule.controls.iter().filter_map(control).collect(),
    })
}

/// Each host once, with what holds there now.
fn hosts(input: &Input<'_>) -> Vec<HostLine> {
    let now = &input.now;
    let by_id: BTreeMap<HostId, &HostRow> = now.hosts.iter().map(|host| (host.id, host)).collect();
    let mut seen = BTreeSet::new();
    let line = |row: &DriftRow| {
        let host = by_id.get(&row.host);
        let result = row.rule.as_ref().and_then(|rule| {
            now.results.iter().find(|result| result.host == row.host && result.rule == *rule)
        });
        let kinds = match (&row.kind, row.rule.as_ref().and_then(|rule| now.rule(rule))) {
            (Some(kind), _) => vec![kind.clone()],
            (None, Some(rule)) => rule.evidence.clone(),
            (None, None) => vec![],
        };
        let link = |kind: String| FactsLink { path: facts_path(row.host, &kind), kind };
        HostLine {
            path: host_path(row.host),
            name: host.map_or_else(|| row.host.to_string(), |host| host.name.clone()),
            group: host.map(|host| host.group.clone()).unwrap_or_default(),
            since: When::cell(row.opened_us),
            result: result.map(|result| Outcome::from_word(&result.outcome).mark()),
            exception: row.rule.as_ref().and_then(|rule| {
                let by = input.excepted.get(&(row.host, rule.clone()));
                by.map(ExceptionLink::of)
            }),
            facts: kinds.into_iter().map(link).collect(),
        }
    };
    // What people owe is of no host.
    let of_host = input.rows.iter().filter(|row| row.host != HostId::nil());
    of_host.filter(|row| seen.insert(row.host)).map(line).collect()
}

fn hosts_say(input: &Input<'_>) -> String {
    let distinct: BTreeSet<_> =
        input.rows.iter().map(|row| row.host).filter(|host| *host != HostId::nil()).collect();
    let more = if input.more { "the latest " } else { "" };
    format!("{more}{} of {}", count(distinct.len() as u64), plural(input.now.hosts.len(), "host"))
}
