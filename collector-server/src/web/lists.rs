//! Approved lists: every population of every group, and one list with its members.

use super::exceptions::person;
use super::page::{Frame, When, list_path, plural};
use crate::approved::Standing;
use crate::population::{self, Population};
use crate::store::{ListRow, MemberRow, PersonRow};
use askama::Template;

/// Members shown.
const MAX_MEMBERS: usize = 500;

#[derive(Template)]
#[template(path = "lists.html")]
pub struct AllPage {
    pub frame: Frame,
    pub says: String,
    pub groups: Vec<GroupPart>,
}

pub struct GroupPart {
    pub group: String,
    pub id: String,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub path: String,
    pub title: String,
    pub state: String,
    pub present: i64,
    pub accepted: i64,
    pub proposed: i64,
    pub deviating: i64,
}

pub fn all(frame: Frame, rows: &[ListRow]) -> AllPage {
    let mut groups: Vec<GroupPart> = vec![];
    for row in rows {
        let title = population::find(&row.population).map(|of| of.title.clone());
        let line = Line {
            path: list_path(&row.group, &row.population),
            title: title.unwrap_or_else(|| row.population.clone()),
            state: match row.learnt_us {
                Some(us) => format!("since {}", When::of(us).text),
                None => "not learnt".to_owned(),
            },
            present: row.present,
            accepted: row.accepted,
            proposed: row.proposed,
            deviating: row.deviating,
        };
        match groups.last_mut().filter(|part| part.group == row.group) {
            Some(part) => part.lines.push(line),
            None => {
                let id = format!("group-{}", groups.len());
                groups.push(GroupPart { group: row.group.clone(), id, lines: vec![line] });
            }
        }
    }
    let learnt = rows.iter().filter(|row| row.learnt_us.is_some()).count();
    let undecided: i64 = rows.iter().map(|row| row.proposed).sum();
    let deviating: i64 = rows.iter().map(|row| row.deviating).sum();
    let says = format!(
        "{learnt} of {} learnt; {undecided} members wait for a decision, {deviating} are there \
         without one",
        plural(rows.len(), "list")
    );
    AllPage { frame, says, groups }
}

pub struct Input<'a> {
    pub now_us: i64,
    pub group: &'a str,
    pub population: &'a Population,
    pub learnt_us: Option<i64>,
    pub rows: &'a [MemberRow],
    pub people: &'a [PersonRow],
    pub may_keep: bool,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "list.html")]
pub struct OnePage {
    pub frame: Frame,
    pub title: String,
    pub group: String,
    pub says: String,
    pub path: String,
    pub learnt: bool,
    pub may_keep: bool,
    pub refused: Option<String>,
    pub rows: Vec<MemberLine>,
    pub more: Option<String>,
}

pub struct MemberLine {
    pub n: usize,
    pub member: String,
    pub state: &'static str,
    pub calls: bool,
    pub hosts: String,
    pub since: Option<When>,
    pub by: String,
    pub expires: Option<When>,
    pub note: String,
}

pub fn one(frame: Frame, input: &Input<'_>) -> OnePage {
    let learnt = input.learnt_us.is_some();
    let line = |(n, row): (usize, &MemberRow)| MemberLine {
        n,
        member: row.member.clone(),
        state: state(row, learnt),
        calls: learnt
            && row.hosts > 0
            && !matches!(row.standing, Some(Standing::Accepted | Standing::Proposed)),
        hosts: plural(usize::try_from(row.hosts).unwrap_or(0), "host"),
        since: row.since_us.map(When::cell),
        by: row.decided_by.as_deref().map(|by| person(input.people, by)).unwrap_or_default(),
        expires: row.expires_us.map(When::cell),
        note: row.note.clone().unwrap_or_default(),
    };
    let more = input.rows.len().saturating_sub(MAX_MEMBERS);
    OnePage {
        frame,
        title: input.population.title.clone(),
        group: input.group.to_owned(),
        says: match input.learnt_us {
            None => format!(
                "Nobody has learnt this list: nothing deviates from it. Hosts of the group show {}.",
                plural(input.rows.len(), "member")
            ),
            Some(us) => format!(
                "Learnt {}. What is there and not accepted is a drift, and so is what is accepted \
                 and gone from a host.",
                When::of(us).text
            ),
        },
        path: list_path(input.group, &input.population.id),
        learnt,
        may_keep: input.may_keep,
        refused: input.refused.clone(),
        rows: input.rows.iter().take(MAX_MEMBERS).enumerate().map(line).collect(),
        more: (more > 0).then(|| plural(more, "more member")),
    }
}

fn state(row: &MemberRow, learnt: bool) -> &'static str {
    match row.standing {
        None if learnt => "not on the list",
        None => "there",
        Some(Standing::Accepted) if row.hosts == 0 => "accepted, on no host",
        Some(standing) => standing.as_str(),
    }
}
