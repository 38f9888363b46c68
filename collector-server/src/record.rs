//! Records: evidence that people give for controls and clauses, by register, with every revision.
//! What a record says, whether that can be kept, and how it stands at a moment. Pure.

mod csv_file;
mod inputs;
mod register;
mod score;
mod standing;
#[cfg(test)]
mod tests;

pub use csv_file::{Line, parse as parse_csv, write as write_csv};
pub use inputs::{Gathered, assemble};
pub use register::{Approver, Field, FieldKind, Inputs, Register, RegisterError, Registers, parse};
pub use score::{Scored, scored};
pub use standing::{
    Claim, DUE_SOON_DAYS, Owing, RegisterState, Standing, Support, claims, owing, register_state,
    support,
};

use crate::clock::DAY_US;
use crate::exception::MAX_TEXT;
use crate::finding::is_clause;
use evidence::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Longest line, in characters.
pub const MAX_LINE: usize = 200;
/// Largest file of a record.
pub const MAX_FILE: usize = 8 << 20;

/// What a revision of a record says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// Controls and clauses that it is about; empty: those of its register.
    #[serde(default)]
    pub about: BTreeSet<String>,
    /// The day it takes effect.
    pub effective: String,
    /// Its last day; empty: it has none.
    #[serde(default)]
    pub valid_until: String,
    /// Where the document is, if it is not kept here.
    #[serde(default)]
    pub link: String,
    /// SHA-256 of what is there, hexadecimal.
    #[serde(default)]
    pub link_sha256: String,
    /// The document that is kept here.
    #[serde(default)]
    pub file: Option<Attached>,
    /// What the register asks for.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// A file of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// As whoever sent it called it.
    pub name: String,
    pub bytes: u64,
    pub sha256: Digest,
}

/// A record with everything that was ever said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub id: String,
    pub isms: String,
    pub register: String,
    pub recorded_by: String,
    pub recorded_us: i64,
    /// The first one first; never empty.
    pub revisions: Vec<Revision>,
    pub withdrawn: Option<Decision>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// 1, 2, 3 …
    pub n: i64,
    pub says: Says,
    pub by: String,
    pub at_us: i64,
    /// It counts once somebody else approved it.
    pub needs_approval: bool,
    /// Approved, or returned.
    pub approved: Option<bool>,
    pub decided: Option<Decision>,
}

/// Who decided something, when, and what they said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    pub by: String,
    pub at_us: i64,
    pub note: String,
}

impl Revision {
    /// Whether it may be relied on.
    pub fn counts(&self) -> bool {
        !self.needs_approval || self.approved == Some(true)
    }

    pub fn waits(&self) -> bool {
        self.needs_approval && self.approved.is_none()
    }

    /// `approved`, `returned`, `waits for approval`, `recorded`.
    pub fn word(&self) -> &'static str {
        match (self.needs_approval, self.approved) {
            (false, _) => "recorded",
            (true, None) => "waits for approval",
            (true, Some(true)) => "approved",
            (true, Some(false)) => "returned",
        }
    }
}

impl Record {
    /// The last revision that counts.
    pub fn holds(&self) -> Option<&Revision> {
        self.revisions.iter().rev().find(|revision| revision.counts())
    }

    /// The last revision, whatever became of it.
    pub fn last(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    /// The last revision, if it waits for approval.
    pub fn waiting(&self) -> Option<&Revision> {
        self.last().filter(|revision| revision.waits())
    }

    /// What is shown of it: what holds, or what was said last.
    pub fn shown(&self) -> Option<&Revision> {
        self.holds().or_else(|| self.last())
    }

    /// Who wrote what an approval of the last revision would approve: authors since the last one
    /// that counts.
    pub fn authors(&self) -> BTreeSet<&str> {
        let new = self.revisions.iter().rev().take_while(|revision| !revision.counts());
        new.map(|revision| revision.by.as_str()).collect()
    }

    /// The record as it was known at a moment; none before it was recorded.
    pub fn at(&self, us: i64) -> Option<Self> {
        let mut then = self.clone();
        then.revisions.retain(|revision| revision.at_us <= us);
        for revision in &mut then.revisions {
            if revision.decided.as_ref().is_some_and(|decided| decided.at_us > us) {
                (revision.approved, revision.decided) = (None, None);
            }
        }
        then.withdrawn = then.withdrawn.filter(|withdrawn| withdrawn.at_us <= us);
        (!then.revisions.is_empty()).then_some(then)
    }
}

/// What stands where personal words were.
const LEFT_OUT: &str = "left out";

impl Record {
    /// The record without what it says of people: when it holds and what it is about stay.
    pub fn without_words(mut self) -> Self {
        for revision in &mut self.revisions {
            let Says { about, effective, valid_until, file, .. } =
                std::mem::take(&mut revision.says);
            let file = file.map(|file| Attached { name: LEFT_OUT.to_owned(), ..file });
            let (title, owner) = (LEFT_OUT.to_owned(), LEFT_OUT.to_owned());
            let kept =
                Says { title, owner, about, effective, valid_until, file, ..Says::default() };
            revision.says = kept;
            if let Some(decided) = &mut revision.decided {
                decided.note.clear();
            }
        }
        if let Some(withdrawn) = &mut self.withdrawn {
            withdrawn.note.clear();
        }
        self
    }
}

/// The first moment of a day, `2026-12-31`; none for anything else.
pub fn start_of(day: &str) -> Option<i64> {
    let date: jiff::civil::Date = day.parse().ok().filter(|_| day.len() == 10)?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_microsecond())
}

/// The moment after the last of a day.
pub fn end_of(day: &str) -> Option<i64> {
    start_of(day).map(|us| us + DAY_US)
}

/// A day so many days after another.
fn later(day: &str, days: u16) -> Option<String> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let date = date.checked_add(jiff::ToSpan::days(i64::from(days))).ok()?;
    Some(date.to_string())
}

/// What is wrong with what a record is to say, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("{0} is missing; write it")]
    Missing(String),
    #[error("{0} has more than {1} characters, or characters that are no text; shorten it")]
    Text(String, usize),
    #[error("{0}: `{1}` is no day; write it as 2026-12-31")]
    Day(String, String),
    #[error("it ends before it takes effect; correct one of the two days")]
    Order,
    #[error("{0}: `{1}` is not one of {2}; choose one of these")]
    Choice(String, String, String),
    #[error("{0}: `{1}` is no whole number; write digits")]
    Number(String, String),
    #[error("this register has no field `{0}`; leave it out")]
    Field(String),
    #[error("{0} is neither a control of the catalogue nor a clause from 4 to 10; correct it")]
    About(String),
    #[error("{0} and {1} are the same; nobody does this for their own work, name another")]
    Apart(String, String),
    #[error("the link is no https or http address; correct it, or attach the document")]
    Link,
    #[error("a SHA-256 is 64 hexadecimal digits, and is of a link; correct it, or leave it out")]
    Hash,
    #[error("{0} is {1} and above what is accepted ({2}); say something in {3}")]
    Above(String, u32, u32, String),
}

impl Says {
    /// What is to be kept: trimmed, without empty fields, with its last day.
    pub fn tidy(mut self, register: &Register) -> Self {
        for text in [&mut self.title, &mut self.owner, &mut self.effective, &mut self.valid_until] {
            *text = text.trim().to_owned();
        }
        self.link = self.link.trim().to_owned();
        self.link_sha256 = self.link_sha256.trim().to_lowercase();
        let fields = std::mem::take(&mut self.fields).into_iter();
        let fields =
            fields.map(|(id, text)| (id, text.trim().replace("\r\n", "\n").replace('\t', " ")));
        self.fields = fields.filter(|(_, text)| !text.is_empty()).collect();
        if self.valid_until.is_empty()
            && let Some(until) = register.validity_days.and_then(|n| later(&self.effective, n))
        {
            self.valid_until = until;
        }
        self
    }

    pub fn get(&self, field: &str) -> &str {
        match field {
            "owner" => &self.owner,
            _ => self.fields.get(field).map(String::as_str).unwrap_or_default(),
        }
    }

    /// Whether it can be kept in this register. `is_control` knows the catalogue.
    pub fn check(
        &self,
        register: &Register,
        is_control: impl Fn(&str) -> bool,
    ) -> Result<(), Wrong> {
        line("the title", &self.title, true)?;
        line("the owner", &self.owner, true)?;
        self.check_days()?;
        self.check_link()?;
        if register.about_needed && self.about.is_empty() {
            return Err(Wrong::Missing("the control or clause".to_owned()));
        }
        if let Some(odd) = self.about.iter().find(|text| !is_control(text) && !is_clause(text)) {
            return Err(Wrong::About(odd.clone()));
        }
        if let Some(odd) = self.fields.keys().find(|id| register.field(id).is_none()) {
            return Err(Wrong::Field(odd.clone()));
        }
        register.field.iter().try_for_each(|field| check_field(field, self.get(&field.id)))?;
        let label =
            |id: &str| register.field(id).map_or("the owner", |f| f.label.as_str()).to_owned();
        for (a, b) in &register.apart {
            let (one, other) = (self.get(a).to_lowercase(), self.get(b).to_lowercase());
            if !one.is_empty() && one == other {
                return Err(Wrong::Apart(label(a), label(b)));
            }
        }
        score::check(self, register)
    }

    fn check_days(&self) -> Result<(), Wrong> {
        if self.effective.is_empty() {
            return Err(Wrong::Missing("the day it takes effect".to_owned()));
        }
        let wrong = |name: &str, day: &str| Wrong::Day(name.to_owned(), day.to_owned());
        let from = start_of(&self.effective).ok_or_else(|| wrong("effective", &self.effective))?;
        if self.valid_until.is_empty() {
            return Ok(());
        }
        let until = end_of(&self.valid_until);
        let until = until.ok_or_else(|| wrong("valid until", &self.valid_until))?;
        if until <= from { Err(Wrong::Order) } else { Ok(()) }
    }

    fn check_link(&self) -> Result<(), Wrong> {
        let Self { link, link_sha256, .. } = self;
        if !link.is_empty() {
            let known = ["https://", "http://"].iter().any(|scheme| link.starts_with(scheme));
            let odd = |c: char| c.is_control() || c.is_whitespace();
            if !known || link.contains(odd) || link.chars().count() > MAX_TEXT {
                return Err(Wrong::Link);
            }
        }
        let hex = link_sha256.len() == 64 && link_sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if link_sha256.is_empty() || (hex && !link.is_empty()) { Ok(()) } else { Err(Wrong::Hash) }
    }
}

fn line(name: &str, text: &str, needed: bool) -> Result<(), Wrong> {
    if needed && text.trim().is_empty() {
        return Err(Wrong::Missing(name.to_owned()));
    }
    let fits = text.chars().count() <= MAX_LINE && !text.contains(char::is_control);
    if fits { Ok(()) } else { Err(Wrong::Text(name.to_owned(), MAX_LINE)) }
}

fn check_field(field: &Field, text: &str) -> Result<(), Wrong> {
    let label = || field.label.clone();
    if text.is_empty() {
        return if field.required { Err(Wrong::Missing(label())) } else { Ok(()) };
    }
    match field.kind {
        FieldKind::Line => line(&field.label, text, false),
        FieldKind::Text => {
            let odd = |c: char| c.is_control() && c != '\n' && c != '\t';
            let fits = text.chars().count() <= MAX_LONG && !text.contains(odd);
            if fits { Ok(()) } else { Err(Wrong::Text(label(), MAX_LONG)) }
        }
        FieldKind::Day => {
            let wrong = || Wrong::Day(label(), text.to_owned());
            start_of(text).map(drop).ok_or_else(wrong)
        }
        FieldKind::Number => {
            let number = text.parse::<u32>().ok().filter(|n| n.to_string() == text);
            number.map(drop).ok_or_else(|| Wrong::Number(label(), text.to_owned()))
        }
        FieldKind::YesNo => among(field, text, &["yes".to_owned(), "no".to_owned()]),
        FieldKind::Choice | FieldKind::Level => among(field, text, &field.choices),
    }
}

/// Longest text of several lines, in characters.
const MAX_LONG: usize = 10_000;

fn among(field: &Field, text: &str, words: &[String]) -> Result<(), Wrong> {
    if words.iter().any(|word| word == text) {
        return Ok(());
    }
    Err(Wrong::Choice(field.label.clone(), text.to_owned(), words.join(", ")))
}
