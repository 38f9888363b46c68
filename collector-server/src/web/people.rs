//! Who may sign in.

use super::page::{Frame, When, plural};
use crate::store::PersonRow;
use askama::Template;

/// What became of the last request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Refused(String),
    /// A link for this person, shown this once.
    Link {
        name: String,
        link: String,
        expires_us: i64,
    },
}

pub struct Input<'a> {
    pub people: &'a [PersonRow],
    /// Who reads this.
    pub me: &'a str,
    /// Whether they may add, disable and let in.
    pub may_change: bool,
    pub said: Option<Said>,
}

#[derive(Template)]
#[template(path = "people.html")]
pub struct PeoplePage {
    pub frame: Frame,
    pub says: String,
    pub may_change: bool,
    pub refused: Option<String>,
    pub link: Option<Link>,
    pub rows: Vec<PersonLine>,
    /// Seats and what they may do, the least first.
    pub seats: [(&'static str, &'static str); 7],
}

/// What each seat may do beside reading everything.
const SEATS: [(&str, &str); 7] = [
    ("viewer", "reads everything"),
    ("internal_auditor", "also raises findings, and revises those it raised"),
    ("operator", "also takes alerts on and asks for exceptions"),
    ("control_owner", "the same, and ends exceptions"),
    ("compliance_lead", "the same, for all controls"),
    ("risk_owner", "decides on exceptions that others ask for"),
    ("administrator", "also lets in people and hosts"),
];

pub struct Link {
    pub name: String,
    pub link: String,
    pub until: When,
}

pub struct PersonLine {
    pub id: String,
    pub name: String,
    pub is_me: bool,
    pub seat: String,
    pub state: &'static str,
    pub disabled: bool,
    pub since: When,
}

pub fn page(frame: Frame, input: &Input<'_>) -> PeoplePage {
    let (refused, link) = match &input.said {
        Some(Said::Refused(why)) => (Some(why.clone()), None),
        Some(Said::Link { name, link, expires_us }) => {
            let until = When::of(*expires_us);
            (None, Some(Link { name: name.clone(), link: link.clone(), until }))
        }
        None => (None, None),
    };
    PeoplePage {
        frame,
        says: says(input.people),
        may_change: input.may_change,
        refused,
        link,
        rows: input.people.iter().map(|row| line(row, input.me)).collect(),
        seats: SEATS,
    }
}

fn says(people: &[PersonRow]) -> String {
    let enabled = people.iter().filter(|person| person.disabled_us.is_none());
    let (admins, others): (Vec<_>, Vec<_>) =
        enabled.partition(|person| person.seat == "administrator");
    let disabled = people.len() - admins.len() - others.len();
    format!(
        "{} may sign in = {} + {}; {disabled} disabled",
        admins.len() + others.len(),
        plural(admins.len(), "administrator"),
        plural(others.len(), "other")
    )
}

fn line(row: &PersonRow, me: &str) -> PersonLine {
    PersonLine {
        id: row.id.clone(),
        name: row.name.clone(),
        is_me: row.id == me,
        seat: row.seat.clone(),
        state: match (row.disabled_us, row.has_password) {
            (Some(_), _) => "disabled",
            (None, true) => "signs in with a password",
            (None, false) => "has set no password yet",
        },
        disabled: row.disabled_us.is_some(),
        since: When::cell(row.disabled_us.unwrap_or(row.created_us)),
    }
}
