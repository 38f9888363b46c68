//! Access reviews: the campaigns, and one with its members: leavers and changes first, those that
//! nothing happened to in one group.

use super::exceptions::person;
use super::page::{Frame, When, plural, review_path};
use crate::population;
use crate::review::Class;
use crate::store::{PersonRow, ReviewMember, ReviewRow};
use askama::Template;

pub struct ListInput<'a> {
    pub now_us: i64,
    pub rows: &'a [ReviewRow],
    pub groups: &'a [String],
    pub people: &'a [PersonRow],
    pub may_review: bool,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "reviews.html")]
pub struct ListPage {
    pub frame: Frame,
    pub says: String,
    pub rows: Vec<Line>,
    pub groups: Vec<String>,
    pub may_review: bool,
    pub refused: Option<String>,
}

pub struct Line {
    pub path: String,
    pub of: String,
    pub started: When,
    pub due: When,
    pub state: String,
    pub members: i64,
    pub removals: String,
}

pub fn list(frame: Frame, input: &ListInput<'_>) -> ListPage {
    let line = |row: &ReviewRow| Line {
        path: review_path(&row.id),
        of: of(&row.host_group),
        started: When::cell(row.started_us),
        due: When::cell(row.due_us),
        state: state(row, input.people, input.now_us),
        members: row.members,
        removals: removals(row),
    };
    let open = input.rows.iter().filter(|row| row.signed_us.is_none()).count();
    let never = input.groups.iter().filter(|group| {
        !input.rows.iter().any(|row| {
            row.signed_us.is_some() && (row.host_group.is_empty() || row.host_group == **group)
        })
    });
    ListPage {
        frame,
        says: format!(
            "{} open; {} never reviewed to the end",
            plural(open, "review"),
            plural(never.count(), "group")
        ),
        rows: input.rows.iter().map(line).collect(),
        groups: input.groups.to_vec(),
        may_review: input.may_review,
        refused: input.refused.clone(),
    }
}

fn of(group: &str) -> String {
    if group.is_empty() { "all groups".to_owned() } else { format!("group {group}") }
}

fn state(row: &ReviewRow, people: &[PersonRow], now_us: i64) -> String {
    match (&row.signed_by, row.signed_us) {
        (Some(by), Some(us)) => format!("signed by {} {}", person(people, by), When::of(us).text),
        _ if row.due_us <= now_us => format!("overdue, {} to decide", row.undecided),
        _ => format!("open, {} to decide", row.undecided),
    }
}

fn removals(row: &ReviewRow) -> String {
    match (row.removals, row.open_removals) {
        (0, _) => "none".to_owned(),
        (n, 0) => format!("{n}, all shown by evidence"),
        (n, open) => format!("{n}, {open} still there"),
    }
}

pub struct OneInput<'a> {
    pub now_us: i64,
    pub row: &'a ReviewRow,
    pub members: &'a [ReviewMember],
    pub people: &'a [PersonRow],
    pub may_review: bool,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "review.html")]
pub struct OnePage {
    pub frame: Frame,
    pub of: String,
    pub path: String,
    pub says: String,
    pub parts: Vec<Part>,
    /// It is open, and the reader may decide.
    pub open: bool,
    pub may_sign: bool,
    pub digest: Option<String>,
    pub refused: Option<String>,
}

pub struct Part {
    pub id: &'static str,
    pub word: &'static str,
    pub lines: Vec<MemberLine>,
    /// Nothing happened to them: they are folded.
    pub quiet: bool,
}

pub struct MemberLine {
    pub n: i64,
    pub member: String,
    pub population: String,
    pub group: String,
    pub hosts: i64,
    pub since: When,
    pub decision: String,
    pub by: String,
    pub gone: Option<When>,
}

pub fn one(frame: Frame, input: &OneInput<'_>) -> OnePage {
    let row = input.row;
    let line = |row: &ReviewMember| MemberLine {
        n: row.n,
        member: row.member.clone(),
        population: population::find(&row.population)
            .map_or_else(|| row.population.clone(), |population| population.title.clone()),
        group: row.host_group.clone(),
        hosts: row.hosts,
        since: When::cell(row.since_us),
        decision: row.decision.clone().unwrap_or_default(),
        by: row.decided_by.as_deref().map(|by| person(input.people, by)).unwrap_or_default(),
        gone: row.gone_us.map(When::cell),
    };
    let part = |class: Class, id, word| Part {
        id,
        word,
        lines: input.members.iter().filter(|m| m.class == class.as_str()).map(line).collect(),
        quiet: class == Class::Unchanged,
    };
    let parts = [
        part(Class::Leaver, "leavers", "Accounts of people who left"),
        part(Class::Changed, "changed", "Changed since the last review"),
        part(Class::Unchanged, "unchanged", "Kept last time, and unchanged"),
    ];
    let open = row.signed_us.is_none();
    OnePage {
        frame,
        of: of(&row.host_group),
        path: review_path(&row.id),
        says: format!(
            "{}; due {}; removals: {}",
            state(row, input.people, input.now_us),
            When::of(row.due_us).text,
            removals(row)
        ),
        parts: parts.into_iter().filter(|part| !part.lines.is_empty()).collect(),
        open: open && input.may_review,
        may_sign: open && input.may_review && row.undecided == 0,
        digest: row.digest.clone(),
        refused: input.refused.clone(),
    }
}
