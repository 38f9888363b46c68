//! Inherited evidence: the statements, and one with the results that stand on it.

use super::exceptions::person;
use super::page::{Frame, Pair, When, inherited_path, plural, result_path};
use crate::exception::State;
use crate::store::model::HostRow;
use crate::store::{Inherited, InheritedRow, PersonRow};
use askama::Template;
use askama::filters::HtmlSafe;
use evidence::HostId;
use serde::Deserialize;

const DAY_US: i64 = 86_400_000_000;
/// Results that are listed with a statement.
const MAX_COVERS: usize = 200;

/// `inherited from the cloud, until 2026-12-31 23:59 UTC`, beside a result.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<a href="{{ path }}">inherited from {{ provider }}</a> until {{ until }}; the host itself: {{ outcome }}"#,
    ext = "html"
)]
pub struct InheritedLink {
    pub path: String,
    pub provider: String,
    pub until: When,
    pub outcome: String,
}

impl HtmlSafe for InheritedLink {}

impl InheritedLink {
    pub fn of(by: &Inherited) -> Self {
        Self {
            path: inherited_path(&by.statement),
            provider: by.provider.clone(),
            until: When::of(by.until_us),
            outcome: by.outcome.clone(),
        }
    }
}

/// The form of a request, as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    pub rules: String,
    pub group: String,
    pub provider: String,
    pub source: String,
    pub source_hash: String,
    pub reason: String,
    pub until: String,
}

pub struct ListInput<'a> {
    pub now_us: i64,
    pub rows: &'a [InheritedRow],
    pub people: &'a [PersonRow],
    pub groups: &'a [String],
    pub may_request: bool,
    pub max_us: i64,
    pub form: Form,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "inherited.html")]
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
    pub lines: Vec<Line>,
}

pub struct Line {
    pub path: String,
    pub rules: String,
    pub group: String,
    pub provider: String,
    pub who: String,
    pub state: &'static str,
    pub until: When,
}

pub fn list(frame: Frame, input: ListInput<'_>) -> ListPage {
    let part = |id, word, states: &[State]| {
        let in_part = |row: &&InheritedRow| states.contains(&row.state(input.now_us));
        let lines = input.rows.iter().filter(in_part).map(|row| line(row, &input)).collect();
        Part { id, word, lines }
    };
    let over = [State::Expired, State::Withdrawn, State::Refused, State::Lapsed];
    let parts = [
        part("waiting", "Wait for a decision", &[State::Requested]),
        part("active", "Hold", &[State::Active]),
        part("over", "Over", &over),
    ];
    let [waiting, active, _] = parts.each_ref().map(|part| part.lines.len());
    let all = plural(input.rows.len(), "statement");
    ListPage {
        frame,
        says: format!("{active} of {all} hold, {waiting} wait for a decision"),
        parts: parts.into_iter().filter(|part| !part.lines.is_empty()).collect(),
        may_request: input.may_request,
        groups: input.groups.iter().map(|g| (g.clone(), *g == input.form.group)).collect(),
        longest: plural(usize::try_from(input.max_us / DAY_US).unwrap_or(0), "day"),
        form: input.form,
        refused: input.refused,
    }
}

fn rules(row: &InheritedRow) -> String {
    row.rules.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn line(row: &InheritedRow, input: &ListInput<'_>) -> Line {
    let who = match (&row.decision, &row.decided_by) {
        (Some(decision), Some(by)) => format!("{decision} by {}", person(input.people, by)),
        _ => format!("asked for by {}", person(input.people, &row.requested_by)),
    };
    Line {
        path: inherited_path(&row.id),
        rules: rules(row),
        group: row.host_group.clone(),
        provider: row.provider.clone(),
        who,
        state: row.state(input.now_us).as_str(),
        until: When::cell(row.ended_us.unwrap_or(row.until_us)),
    }
}

pub struct OneInput<'a> {
    pub now_us: i64,
    pub row: &'a InheritedRow,
    /// What stands on it now.
    pub covers: Vec<(&'a (HostId, String), &'a Inherited)>,
    pub hosts: &'a [HostRow],
    pub people: &'a [PersonRow],
    pub may_decide: bool,
    pub may_end: bool,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "inherited_one.html")]
pub struct OnePage {
    pub frame: Frame,
    pub path: String,
    pub provider: String,
    pub state: &'static str,
    pub says: String,
    pub rules: Vec<String>,
    pub pairs: Vec<Pair>,
    /// The document, where it is a link.
    pub source: Option<String>,
    pub covers: Vec<CoverLine>,
    pub covers_say: String,
    pub refused: Option<String>,
    pub decide: bool,
    pub end: bool,
}

pub struct CoverLine {
    pub path: String,
    pub host: String,
    pub rule: String,
    pub outcome: String,
}

pub fn one(frame: Frame, input: &OneInput<'_>) -> OnePage {
    let row = input.row;
    let state = row.state(input.now_us);
    let name = |id: HostId| {
        let host = input.hosts.iter().find(|host| host.id == id);
        host.map_or_else(|| id.to_string(), |host| host.name.clone())
    };
    let cover = |(key, by): &(&(HostId, String), &Inherited)| CoverLine {
        path: result_path(key.0, &key.1),
        host: name(key.0),
        rule: key.1.clone(),
        outcome: by.outcome.clone(),
    };
    OnePage {
        frame,
        path: inherited_path(&row.id),
        provider: row.provider.clone(),
        state: state.as_str(),
        says: says(row, state),
        rules: row.rules.iter().cloned().collect(),
        pairs: pairs(input),
        source: Some(row.source.clone()).filter(|source| !source.is_empty()),
        covers: input.covers.iter().take(MAX_COVERS).map(cover).collect(),
        covers_say: plural(input.covers.len(), "result"),
        refused: input.refused.clone(),
        decide: input.may_decide && state == State::Requested,
        end: input.may_end && matches!(state, State::Requested | State::Active | State::Lapsed),
    }
}

fn says(row: &InheritedRow, state: State) -> String {
    let until = When::of(row.until_us).text;
    match state {
        State::Requested => format!("Waits for somebody else. It would hold until {until}."),
        State::Active => format!("Holds until {until}. What stands on it is never a pass."),
        State::Refused => "Was refused.".to_owned(),
        State::Lapsed => "Nobody decided before its time was over.".to_owned(),
        State::Expired => format!("Expired {until}. What hosts fail since is alerted."),
        State::Withdrawn => "Was ended. What hosts fail since is alerted.".to_owned(),
    }
}

fn pairs(input: &OneInput<'_>) -> Vec<Pair> {
    let row = input.row;
    let at = |us: i64| When::of(us).text;
    let by = |who: &str, us: i64| format!("{}, {}", person(input.people, who), at(us));
    let mut pairs = vec![
        Pair::said("Group", row.host_group.clone()),
        Pair::said("Provider", row.provider.clone()),
        Pair::said("Reason", row.reason.clone()),
    ];
    if !row.source_hash.is_empty() {
        pairs.push(Pair::mono("SHA-256 of the document", row.source_hash.clone()));
    }
    pairs.push(Pair::said("Asked for by", by(&row.requested_by, row.requested_us)));
    if let (Some(decision), Some(who), Some(us)) = (&row.decision, &row.decided_by, row.decided_us)
    {
        let word = if decision == "approved" { "Approved by" } else { "Refused by" };
        pairs.push(Pair::said(word, by(who, us)));
    }
    let note = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    pairs.extend(note(&row.note).map(|text| Pair::said("Note", text)));
    if let (Some(who), Some(us)) = (&row.ended_by, row.ended_us) {
        pairs.push(Pair::said("Ended by", by(who, us)));
        pairs.extend(note(&row.end_note).map(|text| Pair::said("Why", text)));
    }
    pairs.push(Pair::said("Valid until", at(row.until_us)));
    pairs
}
