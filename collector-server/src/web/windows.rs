//! Change windows: those that hold or come, those that are over, and the form of a new one.

use super::exceptions::person;
use super::page::{Frame, When, plural};
use crate::store::model::HostRow;
use crate::store::{PersonRow, WindowRow};
use askama::Template;
use serde::Deserialize;

/// The form, as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Form {
    #[serde(default)]
    pub from: String,
    #[serde(default)]
    pub to: String,
    #[serde(default)]
    pub groups: String,
    #[serde(default)]
    pub hosts: String,
    #[serde(default)]
    pub rules: String,
    #[serde(default)]
    pub kinds: String,
    #[serde(default)]
    pub populations: String,
    #[serde(default)]
    pub ticket: String,
}

/// What a browser's field of date and time holds, as a moment in UTC.
pub fn utc(text: &str) -> String {
    let text = text.trim();
    if text.ends_with('Z') || text.is_empty() { text.to_owned() } else { format!("{text}Z") }
}

pub struct Input<'a> {
    /// Windows with their states.
    pub rows: &'a [(&'a WindowRow, &'static str)],
    pub hosts: &'a [HostRow],
    pub people: &'a [PersonRow],
    pub groups: &'a [String],
    pub may_plan: bool,
    pub form: Form,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "windows.html")]
pub struct WindowsPage {
    pub frame: Frame,
    pub says: String,
    pub rows: Vec<Line>,
    pub groups: String,
    pub may_plan: bool,
    pub form: Form,
    pub refused: Option<String>,
}

pub struct Line {
    pub ticket: String,
    pub state: &'static str,
    pub from: When,
    pub to: When,
    pub scope: String,
    pub expects: String,
    pub drifts: String,
    pub by: String,
    /// Where it is cancelled; none where it cannot be.
    pub cancel: Option<String>,
}

pub fn page(frame: Frame, input: Input<'_>) -> WindowsPage {
    let live = input.rows.iter().filter(|(_, state)| matches!(*state, "holds" | "planned")).count();
    WindowsPage {
        frame,
        says: format!(
            "{} planned or open; a window excuses what it names, and nothing that is still wrong \
             at its end",
            plural(live, "window")
        ),
        rows: input.rows.iter().map(|(row, state)| line(row, state, &input)).collect(),
        groups: input.groups.join(", "),
        may_plan: input.may_plan,
        form: input.form,
        refused: input.refused,
    }
}

fn line(row: &WindowRow, state: &'static str, input: &Input<'_>) -> Line {
    let names = |sort: &str| row.names.get(sort).map(Vec::as_slice).unwrap_or_default();
    let host = |id: &String| {
        let host = input.hosts.iter().find(|host| host.id.to_string() == *id);
        host.map_or_else(|| id.clone(), |host| host.name.clone())
    };
    let groups = names("group").iter().map(|group| format!("group {group}"));
    let scope: Vec<_> = groups.chain(names("host").iter().map(host)).collect();
    let expects: Vec<_> = ["rule", "kind", "population"]
        .into_iter()
        .filter(|sort| !names(sort).is_empty())
        .map(|sort| format!("{sort} {}", names(sort).join(", ")))
        .collect();
    let number = |n: i64| usize::try_from(n).unwrap_or(0);
    let live = matches!(state, "holds" | "planned") && input.may_plan;
    Line {
        ticket: row.ticket.clone(),
        state,
        from: When::cell(row.from_us),
        to: When::cell(row.cancelled_us.unwrap_or(row.to_us)),
        scope: scope.join("; "),
        expects: expects.join("; "),
        drifts: format!("{}, {} open", plural(number(row.drifts), "drift"), row.open),
        by: person(input.people, &row.created_by),
        cancel: live.then(|| format!("/windows/{}/cancel", super::page::segment(&row.id))),
    }
}
