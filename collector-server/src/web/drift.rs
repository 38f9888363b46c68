//! Drift as an inbox: causes on the left, the chosen one beside them.

mod one;

pub use one::{Evidence, Input as OneInput, One};

use super::input::{Rule, Severity};
use super::page::{Frame, When, plural, segment};
use crate::store::model::DriftRow;
use crate::store::{CauseRow, Place};
use askama::Template;
use std::fmt::Write;

/// Drifts there are (DESIGN: kinds of drift), and the words for them.
const KINDS: [&str; 6] =
    ["regression", "evidence_lost", "not_reporting", "change", "integrity_anomaly", "overdue"];
const STATES: [&str; 3] = ["open", "resolved", "any"];

/// What the reader asked for; empty words mean any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// `open`, `resolved` or `any`.
    pub state: String,
    pub kind: String,
    pub severity: String,
    pub group: String,
    pub host: String,
    pub after: Option<Place>,
}

impl Asked {
    /// As the query of an address, without the place in the list.
    fn query(&self) -> String {
        let mut out = String::new();
        let pairs = [
            ("state", if self.state == "open" { "" } else { &self.state }),
            ("kind", &self.kind),
            ("severity", &self.severity),
            ("group", &self.group),
            ("host", &self.host),
        ];
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let sign = if out.is_empty() { '?' } else { '&' };
            // Writing to a string cannot fail.
            let _ = write!(out, "{sign}{name}={}", segment(value));
        }
        out
    }

    fn is_narrowed(&self) -> bool {
        *self != Self { state: "open".to_owned(), ..Self::default() }
    }

    /// The address of the next page, which begins behind this place.
    fn next(&self, place: &Place) -> String {
        let query = self.query();
        let sign = if query.is_empty() { '?' } else { '&' };
        format!("/drift{query}{sign}after={}", segment(&place_text(place)))
    }
}

/// `RANK.MICROSECONDS.ID`.
fn place_text(place: &Place) -> String {
    format!("{}.{}.{}", place.rank, place.last_us, place.id)
}

/// The place that [`place_text`] wrote; none for anything else.
pub fn read_place(text: &str) -> Option<Place> {
    let mut parts = text.splitn(3, '.');
    let (rank, last_us) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Place { rank, last_us, id: parts.next()?.to_owned() })
}

pub struct Input<'a> {
    pub asked: &'a Asked,
    /// Groups there are.
    pub groups: &'a [String],
    pub causes: &'a [CauseRow],
    /// There are more behind the last of them.
    pub more: bool,
    /// Drifts that are open, and hosts they are on, whatever was asked for.
    pub open: (i64, i64),
    pub rules: &'a [Rule],
    pub one: Option<One>,
}

#[derive(Template)]
#[template(path = "drift.html")]
pub struct DriftPage {
    pub frame: Frame,
    pub title: String,
    pub says: String,
    pub filters: Filters,
    pub lanes: Vec<Lane>,
    /// Why there is nothing.
    pub empty: &'static str,
    pub narrowed: bool,
    pub first: bool,
    pub next: Option<String>,
    pub all: String,
    pub one: Option<One>,
}

pub struct Filters {
    pub selects: Vec<Select>,
    pub host: String,
}

pub struct Select {
    pub name: &'static str,
    pub label: &'static str,
    pub choices: Vec<Choice>,
}

pub struct Choice {
    pub value: String,
    pub word: String,
    pub chosen: bool,
}

/// Causes of one severity, or those that are resolved.
pub struct Lane {
    pub word: &'static str,
    pub causes: Vec<Cause>,
}

pub struct Cause {
    pub path: String,
    pub what: String,
    pub kind: String,
    pub cause: String,
    /// `3 hosts in web-prod`.
    pub hosts: String,
    pub last: When,
    pub chosen: bool,
}

pub fn page(frame: Frame, input: Input<'_>) -> DriftPage {
    let Input { asked, causes, one, .. } = &input;
    let chosen = |row: &CauseRow| one.as_ref().is_some_and(|one| one.is_of(&row.id));
    let lane = |rank: i64, word| {
        let of_lane = causes.iter().filter(|row| row.rank == rank);
        let causes: Vec<Cause> =
            of_lane.map(|row| cause(row, input.rules, asked, chosen(row))).collect();
        (!causes.is_empty()).then_some(Lane { word, causes })
    };
    let words = [(0, "Critical"), (1, "High"), (2, "Medium"), (3, "Low"), (9, "Resolved")];
    DriftPage {
        title: one.as_ref().map_or("Drift".to_owned(), |one| format!("Drift: {}", one.what)),
        says: says(input.open),
        filters: filters(asked, input.groups),
        lanes: words.into_iter().filter_map(|(rank, word)| lane(rank, word)).collect(),
        empty: empty(asked),
        narrowed: asked.is_narrowed(),
        first: asked.after.is_none(),
        next: causes.last().filter(|_| input.more).map(|row| asked.next(&row.place())),
        all: format!("/drift{}", asked.query()),
        frame,
        one: input.one,
    }
}

fn says((drifts, hosts): (i64, i64)) -> String {
    let number = |n: i64| usize::try_from(n).unwrap_or(0);
    match drifts {
        0 => "nothing open".to_owned(),
        _ => format!(
            "{} open on {}; the same change on several hosts is one cause",
            plural(number(drifts), "drift"),
            plural(number(hosts), "host")
        ),
    }
}

fn empty(asked: &Asked) -> &'static str {
    match (asked.state.as_str(), asked.after.is_some()) {
        (_, true) => "Nothing comes after this place any more.",
        ("open", _) if !asked.is_narrowed() => "No drift is open.",
        ("open", _) => "No open drift fits these filters.",
        ("resolved", _) => "No resolved drift fits these filters.",
        _ => "No drift fits these filters.",
    }
}

fn filters(asked: &Asked, groups: &[String]) -> Filters {
    let select = |name, label, any: bool, values: Vec<&str>, now: &str| {
        let choice = |value: &str| Choice {
            value: value.to_owned(),
            word: value.replace('_', " "),
            chosen: value == now,
        };
        let any = any.then(|| Choice {
            value: String::new(),
            word: "any".to_owned(),
            chosen: now.is_empty(),
        });
        let choices = any.into_iter().chain(values.into_iter().map(choice)).collect();
        Select { name, label, choices }
    };
    let severities = Severity::ALL.iter().map(|severity| severity.word()).collect();
    let mut groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    if !asked.group.is_empty() && !groups.contains(&asked.group.as_str()) {
        groups.push(&asked.group);
    }
    Filters {
        selects: vec![
            select("state", "State", false, STATES.to_vec(), &asked.state),
            select("kind", "Drift", true, KINDS.to_vec(), &asked.kind),
            select("severity", "Severity", true, severities, &asked.severity),
            select("group", "Group", true, groups, &asked.group),
        ],
        host: asked.host.clone(),
    }
}

fn cause(row: &CauseRow, rules: &[Rule], asked: &Asked, chosen: bool) -> Cause {
    let one_group = (row.n_groups == 1).then_some(row.group_name.as_str());
    let hosts = match (row.hosts, one_group) {
        (0, _) => String::new(),
        (1, _) => row.host_name.clone(),
        (n, Some(group)) => format!("{n} hosts in {group}"),
        (n, None) => format!("{n} hosts in {} groups", row.n_groups),
    };
    Cause {
        path: format!("/drift/{}{}", segment(&row.id), asked.query()),
        what: what(&row.drift, &row.subject, (&row.from_state, &row.to_state), rules),
        kind: row.drift.replace('_', " "),
        cause: row.cause.clone(),
        hosts,
        last: When::cell(row.last_us),
        chosen,
    }
}

/// What changed, in words.
pub(super) fn what_of(row: &DriftRow, rules: &[Rule]) -> String {
    let subject = row.rule.as_deref().or(row.kind.as_deref()).unwrap_or_default();
    if let ("change", Some(member)) = (row.drift.as_str(), row.offenders.first()) {
        let words = if row.to == "gone" { "is gone" } else { "is not approved" };
        return format!("{member} {words}");
    }
    if let ("overdue", "due", Some(says)) = (&*row.drift, &*row.from, row.offenders.first()) {
        return super::control::capital(says);
    }
    what(&row.drift, subject, (&row.from, &row.to), rules)
}

fn what(drift: &str, subject: &str, (from, to): (&str, &str), rules: &[Rule]) -> String {
    match drift {
        "regression" => {
            let rule = rules.iter().find(|rule| rule.id == subject);
            format!("No longer holds: {}", rule.map_or(subject, |rule| rule.title.as_str()))
        }
        "overdue" if from != "excepted" => format!("Overdue: {subject}"),
        "overdue" => {
            let rule = rules.iter().find(|rule| rule.id == subject);
            let title = rule.map_or(subject, |rule| rule.title.as_str());
            format!("Still fails without its exception: {title}")
        }
        "evidence_lost" => format!("Evidence of {subject}: {from} → {to}"),
        "not_reporting" => "Not reporting".to_owned(),
        "change" if !subject.is_empty() => subject.to_owned(),
        _ if subject.is_empty() => format!("{}: {from} → {to}", drift.replace('_', " ")),
        _ => format!("{} {subject}: {from} → {to}", drift.replace('_', " ")),
    }
}

#[cfg(test)]
mod tests;
