//! One record: what holds, what waits, and every revision.

use super::form::Sheet;
use super::mark;
use crate::record::{Record, Register, Revision, Says, scored};
use crate::store::{Isms, PersonRow};
use crate::web::exceptions::person;
use crate::web::marks::Mark;
use crate::web::page::{Frame, When, record_path, register_path, registers_path};
use askama::Template;

pub struct Input<'a> {
    pub isms: &'a Isms,
    pub register: &'a Register,
    pub record: &'a Record,
    pub people: &'a [PersonRow],
    /// None where it cannot be revised.
    pub sheet: Option<Sheet>,
    /// Whoever looks may decide on the revision that waits.
    pub may_decide: bool,
    pub refused: Option<String>,
    pub now_us: i64,
}

/// A label and what was said; labels are a register's, so they are no fixed words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub label: String,
    pub text: String,
}

#[derive(Template)]
#[template(path = "record.html")]
pub struct Page {
    pub frame: Frame,
    pub isms: String,
    pub registers_path: String,
    pub register: String,
    pub register_path: String,
    pub path: String,
    pub title: String,
    pub mark: Mark,
    pub verdict: String,
    pub said: Vec<Said>,
    pub file: Option<(String, String)>,
    pub link: String,
    pub waiting: Option<Waiting>,
    pub withdrawn: Option<String>,
    pub revisions: Vec<Step>,
    pub sheet: Option<Sheet>,
    pub refused: Option<String>,
}

/// The revision that waits for approval.
pub struct Waiting {
    pub n: i64,
    pub by: String,
    pub at: When,
    pub may_decide: bool,
    pub changed: Vec<Said>,
}

pub struct Step {
    pub n: i64,
    pub word: &'static str,
    pub by: String,
    pub at: When,
    pub decided: String,
    pub changed: Vec<Said>,
    pub file: Option<(String, String)>,
}

/// None without a revision.
pub fn page(frame: Frame, input: Input<'_>) -> Option<Page> {
    let Input { isms, register, record, people, .. } = input;
    let shown = record.held(input.now_us).or_else(|| record.shown())?;
    let path = record_path(&isms.id, &register.id, &record.id);
    let standing = record.standing(input.now_us);
    let waiting = record.waiting().filter(|_| record.withdrawn.is_none());
    let waiting = waiting.map(|revision| Waiting {
        n: revision.n,
        by: person(people, &revision.by),
        at: When::of(revision.at_us),
        may_decide: input.may_decide,
        changed: changed(register, record, revision),
    });
    let withdrawn = record.withdrawn.as_ref().map(|ended| {
        let (who, when) = (person(people, &ended.by), When::of(ended.at_us).text);
        format!("Withdrawn by {who} on {when}. {}", ended.note)
    });
    Some(Page {
        frame,
        isms: isms.text.name.clone(),
        registers_path: registers_path(&isms.id),
        register: register.title.clone(),
        register_path: register_path(&isms.id, &register.id),
        title: shown.says.title.clone(),
        mark: mark(standing),
        verdict: verdict(shown),
        said: said(register, &shown.says),
        file: file(&path, shown),
        link: shown.says.link.clone(),
        waiting,
        withdrawn,
        revisions: record
            .revisions
            .iter()
            .rev()
            .map(|r| step((register, record), r, people))
            .collect(),
        sheet: input.sheet,
        refused: input.refused,
        path,
    })
}

fn verdict(shown: &Revision) -> String {
    let says = &shown.says;
    let until = match says.valid_until.as_str() {
        "" => "without a last day".to_owned(),
        day => format!("to {day}"),
    };
    format!("Revision {}, {}: from {} {until}", shown.n, shown.word(), says.effective)
}

fn file(path: &str, revision: &Revision) -> Option<(String, String)> {
    let file = revision.says.file.as_ref()?;
    Some((format!("{path}/file/{}", revision.n), format!("{}, {} bytes", file.name, file.bytes)))
}

/// All that a revision says, by the labels of its register; empty fields are left out.
fn said(register: &Register, says: &Says) -> Vec<Said> {
    let about: Vec<&str> = says.about.iter().map(String::as_str).collect();
    let about = if about.is_empty() { register.covers() } else { about.join(", ") };
    let file = says.file.as_ref().map(|file| format!("{} SHA-256 {}", file.name, file.sha256));
    let common = [
        ("Title", says.title.clone()),
        ("Owner", says.owner.clone()),
        ("About", about),
        ("Effective", says.effective.clone()),
        ("Valid until", says.valid_until.clone()),
        ("Link", says.link.clone()),
        ("SHA-256 of the link", says.link_sha256.clone()),
        ("File", file.unwrap_or_default()),
    ];
    let common = common.into_iter().map(|(label, text)| (label.to_owned(), text));
    let fields = register.field.iter();
    let fields = fields.map(|field| (field.label.clone(), says.get(&field.id).to_owned()));
    let scores = scored(says, register).into_iter();
    let scores = scores.map(|score| (score.label, format!("{} {}", score.value, score.word)));
    let all = common.chain(fields).chain(scores).filter(|(_, text)| !text.is_empty());
    all.map(|(label, text)| Said { label, text }).collect()
}

/// What a revision says otherwise than the one before it; what it left out is said as such.
fn changed(register: &Register, record: &Record, revision: &Revision) -> Vec<Said> {
    let before = record.revisions.iter().find(|other| other.n == revision.n - 1);
    let before = before.map(|before| said(register, &before.says)).unwrap_or_default();
    let now = said(register, &revision.says);
    let gone = before.iter().filter(|old| !now.iter().any(|new| new.label == old.label));
    let gone = gone.map(|old| Said { label: old.label.clone(), text: "left out".to_owned() });
    let new = now.iter().filter(|said| !before.contains(said)).cloned();
    new.chain(gone).collect()
}

fn step((register, record): (&Register, &Record), of: &Revision, people: &[PersonRow]) -> Step {
    let decided = of.decided.as_ref().map(|decided| {
        let (who, when) = (person(people, &decided.by), When::of(decided.at_us).text);
        let note =
            if decided.note.is_empty() { String::new() } else { format!(": {}", decided.note) };
        format!("{} by {who}, {when}{note}", of.word())
    });
    let path = record_path(&record.isms, &record.register, &record.id);
    Step {
        n: of.n,
        word: of.word(),
        by: person(people, &of.by),
        at: When::of(of.at_us),
        decided: decided.unwrap_or_default(),
        changed: changed(register, record, of),
        file: file(&path, of),
    }
}
