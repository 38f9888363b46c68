//! How long security updates wait, and what was closed in time or late.

use super::page::{Frame, When, age, count, host_path, plural};
use crate::patch::{Patch, Standing, Start};
use crate::store::model::HostRow;
use askama::Template;
use evidence::HostId;
use std::collections::BTreeMap;

/// Lines of one standing that are shown.
const MAX_ROWS: usize = 200;

#[derive(Template)]
#[template(path = "patches.html")]
pub struct PatchesPage {
    pub frame: Frame,
    /// What is looked at, if it is not the organisation.
    pub scope: Option<String>,
    /// `12 = 3 past their limit + …`.
    pub says: String,
    /// Closed ones are told of so many days.
    pub days: i64,
    pub parts: Vec<Part>,
}

pub struct Part {
    pub id: &'static str,
    pub title: &'static str,
    pub says: String,
    pub is_open: bool,
    pub rows: Vec<Row>,
    pub more: Option<String>,
}

pub struct Row {
    pub host: String,
    pub path: String,
    pub group: String,
    pub package: String,
    pub severity: &'static str,
    pub since: When,
    /// What the clock started with.
    pub by: &'static str,
    pub age: String,
    pub due: Option<When>,
    pub closed: Option<When>,
}

pub struct Input<'a> {
    pub hosts: &'a [HostRow],
    pub patches: &'a [(HostId, Patch)],
    pub scope: Option<String>,
    pub days: i64,
    pub now_us: i64,
}

fn title(standing: Standing) -> &'static str {
    match standing {
        Standing::PastLimit => "Past their limit",
        Standing::Unrated => "Waiting, and rated by nobody",
        Standing::WithinLimit => "Waiting within their limit",
        Standing::ClosedLate => "Closed late",
        Standing::ClosedUnrated => "Closed, and rated by nobody",
        Standing::ClosedInTime => "Closed in time",
    }
}

pub fn page(frame: Frame, input: Input<'_>) -> PatchesPage {
    let hosts: BTreeMap<HostId, &HostRow> = input.hosts.iter().map(|h| (h.id, h)).collect();
    let of = |standing: Standing| {
        let of = input.patches.iter().filter(move |(_, patch)| patch.standing == standing);
        of.collect::<Vec<_>>()
    };
    let counts = Standing::ALL.map(|standing| (of(standing).len(), title(standing)));
    let said = counts.iter().filter(|(n, _)| *n > 0);
    let said: Vec<_> =
        said.map(|(n, title)| format!("{} {}", count(*n as u64), title.to_lowercase())).collect();
    let all = plural(input.patches.len(), "security update");
    let part = |standing| part(standing, of(standing), &hosts, input.now_us);
    PatchesPage {
        frame,
        scope: input.scope,
        says: if said.is_empty() { all } else { format!("{all} = {}", said.join(" + ")) },
        days: input.days,
        parts: Standing::ALL.into_iter().filter_map(part).collect(),
    }
}

fn part(
    standing: Standing,
    mut of: Vec<&(HostId, Patch)>,
    hosts: &BTreeMap<HostId, &HostRow>,
    now_us: i64,
) -> Option<Part> {
    let whole = of.len();
    // The one that waits longest first; of closed ones the last.
    of.sort_by_key(|(_, patch)| patch.closed_us.map_or(patch.start_us, |us| -us));
    let more = whole.saturating_sub(MAX_ROWS);
    (whole > 0).then(|| Part {
        id: standing.word(),
        title: title(standing),
        says: count(whole as u64),
        is_open: standing <= Standing::WithinLimit,
        rows: of.iter().take(MAX_ROWS).map(|found| row(found, hosts, now_us)).collect(),
        more: (more > 0).then(|| plural(more, "more line")),
    })
}

fn row((id, patch): &(HostId, Patch), hosts: &BTreeMap<HostId, &HostRow>, now_us: i64) -> Row {
    let host = hosts.get(id);
    Row {
        host: host.map(|host| host.name.clone()).unwrap_or_default(),
        path: host_path(*id),
        group: host.map(|host| host.group.clone()).unwrap_or_default(),
        package: format!("{} {}", patch.package, patch.candidate),
        severity: patch.severity.word(),
        since: When::cell(patch.start_us),
        by: match patch.start {
            Start::Publication => "published",
            Start::FirstSeen => "first seen: no day of publication is known",
        },
        age: age(patch.start_us, patch.closed_us.unwrap_or(now_us)),
        due: patch.due_us.map(When::cell),
        closed: patch.closed_us.map(When::cell),
    }
}
