//! Exceptions: those that wait for a decision, those that hold, those that are over, and one whole.

use super::page::{Frame, Pair, When, age, exception_path, plural};
use crate::exception::{Scope, State};
use crate::store::model::HostRow;
use crate::store::{CoverRow, Excepted, ExceptionRow, PersonRow};
use askama::Template;
use askama::filters::HtmlSafe;
use jiff::civil::Date;
use serde::Deserialize;

const DAY_US: i64 = 86_400_000_000;

/// `under exception until 2026-12-31 23:59 UTC`, beside a failure.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(source = r#"<a href="{{ path }}">under exception</a> until {{ until }}"#, ext = "html")]
pub struct ExceptionLink {
    pub path: String,
    pub until: When,
}

impl HtmlSafe for ExceptionLink {}

impl ExceptionLink {
    pub fn of(by: &Excepted) -> Self {
        Self { path: exception_path(&by.exception), until: When::of(by.until_us) }
    }
}

/// The last moment of a day, `2026-12-31`; none for anything else.
pub fn end_of_day(text: &str) -> Option<i64> {
    let date: Date = text.trim().parse().ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_microsecond() + DAY_US - 1)
}

/// What became of the last request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Refused(String),
}

/// The form of a request, as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Form {
    #[serde(default)]
    pub rules: String,
    #[serde(default)]
    pub group: String,
    #[serde(default)]
    pub host: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub measure: String,
    #[serde(default)]
    pub ticket: String,
    #[serde(default)]
    pub risk: String,
    #[serde(default)]
    pub until: String,
}

pub struct ListInput<'a> {
    pub now_us: i64,
    pub rows: &'a [ExceptionRow],
    pub hosts: &'a [HostRow],
    pub people: &'a [PersonRow],
    pub groups: &'a [String],
    pub may_request: bool,
    pub unneeded_us: i64,
    pub max_us: i64,
    pub form: Form,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "exceptions.html")]
pub struct ListPage {
    pub frame: Frame,
    pub says: String,
    pub parts: Vec<Part>,
    pub may_request: bool,
    pub form: Form,
    pub groups: Vec<(String, bool)>,
    pub longest: String,
    pub refused: Option<String>,
}

pub struct Part {
    pub id: &'static str,
    pub word: &'static str,
    pub says: &'static str,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub path: String,
    pub rules: String,
    pub scope: String,
    pub reason: String,
    pub who: String,
    pub state: &'static str,
    pub until: When,
    pub covers: String,
    pub unneeded: bool,
}

pub fn list(frame: Frame, input: ListInput<'_>) -> ListPage {
    let part = |id, word, says, states: &[State]| {
        let in_part = |row: &&ExceptionRow| states.contains(&row.state(input.now_us));
        let lines = input.rows.iter().filter(in_part).map(|row| line(row, &input)).collect();
        Part { id, word, says, lines }
    };
    let parts = vec![
        part("waiting", "Wait for a decision", "of a risk owner", &[State::Requested]),
        part("active", "Hold", "what they cover stays a failure", &[State::Active]),
        part(
            "over",
            "Over",
            "and kept",
            &[State::Expired, State::Withdrawn, State::Refused, State::Lapsed],
        ),
    ];
    let active = parts.get(1).map_or(0, |part: &Part| part.lines.len());
    let waiting = parts.first().map_or(0, |part: &Part| part.lines.len());
    let unneeded = parts.iter().flat_map(|part| &part.lines).filter(|line| line.unneeded).count();
    ListPage {
        frame,
        says: format!(
            "{active} of {} hold, {waiting} wait for a decision, {unneeded} needed by nobody",
            plural(input.rows.len(), "exception")
        ),
        parts: parts.into_iter().filter(|part| !part.lines.is_empty()).collect(),
        may_request: input.may_request,
        groups: input.groups.iter().map(|g| (g.clone(), *g == input.form.group)).collect(),
        longest: plural(usize::try_from(input.max_us / DAY_US).unwrap_or(0), "day"),
        form: input.form,
        refused: input.refused,
    }
}

fn line(row: &ExceptionRow, input: &ListInput<'_>) -> Line {
    let rules: Vec<_> = row.rules.keys().map(String::as_str).collect();
    let by = match &row.decided_by {
        Some(by) => format!(
            "{} by {}",
            row.decision.as_deref().unwrap_or_default(),
            person(input.people, by)
        ),
        None => format!("asked for by {}", person(input.people, &row.requested_by)),
    };
    Line {
        path: exception_path(&row.id),
        rules: rules.join(", "),
        scope: scope(&row.scope, input.hosts),
        reason: row.reason.clone(),
        who: by,
        state: row.state(input.now_us).as_str(),
        until: When::cell(row.ended_us.unwrap_or(row.until_us)),
        covers: plural(usize::try_from(row.covers).unwrap_or(0), "failure"),
        unneeded: row.is_unneeded(input.unneeded_us, input.now_us),
    }
}

/// The name of a person, or whoever else it was as the log names them.
pub(super) fn person(people: &[PersonRow], id: &str) -> String {
    let person = people.iter().find(|person| person.id == id);
    person.map_or_else(|| id.to_owned(), |person| person.name.clone())
}

pub(super) fn scope(scope: &Scope, hosts: &[HostRow]) -> String {
    match scope {
        Scope::Organisation => "all hosts".to_owned(),
        Scope::Group(group) => format!("group {group}"),
        Scope::Host(id) => {
            let host = hosts.iter().find(|host| host.id == *id);
            host.map_or_else(|| id.to_string(), |host| host.name.clone())
        }
    }
}

pub struct OneInput<'a> {
    pub now_us: i64,
    pub row: &'a ExceptionRow,
    pub covers: &'a [CoverRow],
    pub hosts: &'a [HostRow],
    pub people: &'a [PersonRow],
    pub may_decide: bool,
    pub may_withdraw: bool,
    pub may_renew: bool,
    pub unneeded_us: i64,
    pub said: Option<Said>,
}

#[derive(Template)]
#[template(path = "exception.html")]
pub struct OnePage {
    pub frame: Frame,
    pub path: String,
    pub state: &'static str,
    pub says: String,
    pub rules: Vec<String>,
    pub pairs: Vec<Pair>,
    pub renews: Option<String>,
    pub covers: Vec<CoverLine>,
    pub refused: Option<String>,
    pub decide: bool,
    pub withdraw: bool,
    pub renew: bool,
}

pub struct CoverLine {
    pub path: String,
    pub host: String,
    pub rule: String,
    pub from: When,
    pub to: Option<When>,
    pub ended: String,
}

pub fn one(frame: Frame, input: &OneInput<'_>) -> OnePage {
    let row = input.row;
    let state = row.state(input.now_us);
    let cover = |row: &CoverRow| CoverLine {
        path: format!("/hosts/{}", row.host),
        host: row.name.clone(),
        rule: row.rule.clone(),
        from: When::cell(row.from_us),
        to: row.to_us.map(When::cell),
        ended: row.ended.clone().unwrap_or_default(),
    };
    let Said::Refused(why) = input.said.clone().unwrap_or(Said::Refused(String::new()));
    OnePage {
        frame,
        path: exception_path(&row.id),
        state: state.as_str(),
        says: says(input, state),
        rules: row.rules.keys().cloned().collect(),
        pairs: pairs(input),
        renews: row.renews.as_deref().map(exception_path),
        covers: input.covers.iter().map(cover).collect(),
        refused: Some(why).filter(|why| !why.is_empty()),
        decide: input.may_decide && state == State::Requested,
        withdraw: input.may_withdraw
            && matches!(state, State::Requested | State::Active | State::Lapsed),
        renew: input.may_renew
            && matches!(state, State::Active | State::Expired)
            && row.ended_us.is_none(),
    }
}

fn says(input: &OneInput<'_>, state: State) -> String {
    let row = input.row;
    let until = When::of(row.until_us).text;
    match state {
        State::Requested => format!("Waits for a risk owner. It would hold until {until}."),
        State::Active if row.is_unneeded(input.unneeded_us, input.now_us) => format!(
            "Holds until {until}, and nobody needs it: nothing in its scope has failed for {}.",
            age(input.now_us - input.unneeded_us, input.now_us)
        ),
        State::Active => format!(
            "Holds until {until}. It covers {} now, which stay failures.",
            plural(usize::try_from(row.covers).unwrap_or(0), "result")
        ),
        State::Refused => "Was refused.".to_owned(),
        State::Lapsed => "Nobody decided before its time was over.".to_owned(),
        State::Expired => format!("Expired {until}. What still failed was alerted."),
        State::Withdrawn => "Was withdrawn. What still failed was alerted.".to_owned(),
    }
}

fn pairs(input: &OneInput<'_>) -> Vec<Pair> {
    let row = input.row;
    let at = |us: i64| When::of(us).text;
    let mut pairs = vec![
        Pair::said("Scope", scope(&row.scope, input.hosts)),
        Pair::said("Reason", row.reason.clone()),
        Pair::said("Compensating measure", row.measure.clone()),
        Pair::said("Risk", row.risk.clone()),
    ];
    if !row.ticket.is_empty() {
        pairs.push(Pair::said("Ticket", row.ticket.clone()));
    }
    let asked = person(input.people, &row.requested_by);
    pairs.push(Pair::said("Asked for by", format!("{asked}, {}", at(row.requested_us))));
    if let (Some(decision), Some(by), Some(us)) = (&row.decision, &row.decided_by, row.decided_us) {
        let word = if decision == "approved" { "Approved by" } else { "Refused by" };
        pairs.push(Pair::said(word, format!("{}, {}", person(input.people, by), at(us))));
    }
    if let Some(note) = row.note.as_ref().filter(|note| !note.is_empty()) {
        pairs.push(Pair::said("Note", note.clone()));
    }
    if let (Some(by), Some(us)) = (&row.ended_by, row.ended_us) {
        pairs.push(Pair::said("Withdrawn by", format!("{}, {}", person(input.people, by), at(us))));
        let note = row.end_note.clone().filter(|note| !note.is_empty());
        pairs.extend(note.map(|note| Pair::said("Why", note)));
    }
    pairs.push(Pair::said("Valid until", at(row.until_us)));
    pairs.push(Pair::said("Renewed", format!("{} times before", row.renewals)));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_with_its_last_moment() {
        assert_eq!(
            end_of_day("2026-11-23").map(|us| When::of(us + 1).text).as_deref(),
            Some("2026-11-24 00:00 UTC")
        );
        for text in ["", "soon", "2026-02-30", "31.12.2026"] {
            assert_eq!(end_of_day(text), None, "{text}");
        }
    }
}
