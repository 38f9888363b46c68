//! Findings: the list, and one with what was done and every revision.

use super::exceptions::person;
use super::page::{Frame, Pair, When, drift_path, finding_path, plural};
use crate::finding::{Finding, Grade, Source, State};
use crate::store::{FindingRow, PersonRow};
use askama::Template;
use serde::Deserialize;

/// The form of a finding, as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Form {
    pub title: String,
    pub grade: String,
    pub source: String,
    pub source_name: String,
    pub about: String,
    pub description: String,
    pub owner: String,
    pub due: String,
    pub correction: String,
    pub root_cause: String,
    pub similar_cases: String,
    pub action: String,
    pub effectiveness: String,
    /// Of a revision: the one it follows, and the state that it asks for.
    pub revision: i64,
    pub state: String,
}

impl Form {
    fn of(row: &FindingRow) -> Self {
        let Finding { grade, source, due_us, about, .. } = &row.finding;
        let finding = row.finding.clone();
        Self {
            title: finding.title,
            grade: grade.as_str().to_owned(),
            source: source.as_str().to_owned(),
            source_name: finding.source_name,
            about: about.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
            description: finding.description,
            owner: finding.owner,
            due: When::day(*due_us).text,
            correction: finding.correction,
            root_cause: finding.root_cause,
            similar_cases: finding.similar_cases,
            action: finding.action,
            effectiveness: finding.effectiveness,
            revision: row.revision,
            state: row.state.as_str().to_owned(),
        }
    }
}

/// A word of a choice, and whether it is chosen.
type Choice = (&'static str, bool);

fn choices<const N: usize>(words: [&'static str; N], chosen: &str) -> Vec<Choice> {
    words.map(|word| (word, word == chosen)).into()
}

pub struct ListInput<'a> {
    pub now_us: i64,
    pub rows: &'a [FindingRow],
    pub may_raise: bool,
    pub form: Form,
    pub refused: Option<String>,
}

#[derive(Template)]
#[template(path = "findings.html")]
pub struct ListPage {
    pub frame: Frame,
    pub says: String,
    pub lines: Vec<Line>,
    pub may_raise: bool,
    pub form: Form,
    pub grades: Vec<Choice>,
    pub sources: Vec<Choice>,
    pub refused: Option<String>,
}

pub struct Line {
    pub path: String,
    pub title: String,
    pub grade: &'static str,
    pub sort: &'static str,
    pub about: String,
    pub owner: String,
    pub state: &'static str,
    pub due: When,
    pub overdue: bool,
}

pub fn list(frame: Frame, input: ListInput<'_>) -> ListPage {
    let live: Vec<_> = input.rows.iter().filter(|row| row.state != State::Closed).collect();
    let overdue = live.iter().filter(|row| row.is_overdue(input.now_us)).count();
    let line = |row: &FindingRow| Line {
        path: finding_path(&row.id),
        title: row.finding.title.clone(),
        grade: row.finding.grade.as_str(),
        sort: row.finding.grade.sort(),
        about: row.finding.about.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        owner: row.finding.owner.clone(),
        state: row.state.as_str(),
        due: When::day(row.finding.due_us),
        overdue: row.is_overdue(input.now_us),
    };
    let all = plural(input.rows.len(), "finding");
    ListPage {
        frame,
        says: format!("{} of {all} not closed, {overdue} overdue", live.len()),
        lines: input.rows.iter().map(line).collect(),
        may_raise: input.may_raise,
        grades: choices(Grade::ALL.map(Grade::as_str), &input.form.grade),
        sources: choices(Source::ALL.map(Source::as_str), &input.form.source),
        form: input.form,
        refused: input.refused,
    }
}

pub struct OneInput<'a> {
    pub now_us: i64,
    /// Every revision, the latest first.
    pub rows: &'a [FindingRow],
    pub people: &'a [PersonRow],
    /// A drift of the alert that it was raised from.
    pub drift: Option<String>,
    pub may_keep: bool,
    pub may_close: bool,
    /// The form as it was sent, and why it was refused.
    pub again: Option<(Form, String)>,
}

#[derive(Template)]
#[template(path = "finding.html")]
pub struct OnePage {
    pub frame: Frame,
    pub path: String,
    pub title: String,
    pub state: &'static str,
    pub says: String,
    pub pairs: Vec<Pair>,
    /// Where the drift is that it was raised from.
    pub drift: Option<String>,
    pub revisions: Vec<Revision>,
    /// None where it cannot be revised.
    pub form: Option<Form>,
    pub grades: Vec<Choice>,
    pub sources: Vec<Choice>,
    /// What it may become, and what the button says.
    pub steps: Vec<(&'static str, &'static str)>,
    pub refused: Option<String>,
}

pub struct Revision {
    pub n: i64,
    pub state: &'static str,
    pub by: String,
    pub at: When,
    /// What is different from the one before.
    pub changed: Vec<Pair>,
}

/// None without rows: there is no such finding.
pub fn one(frame: Frame, input: OneInput<'_>) -> Option<OnePage> {
    let row = input.rows.first()?;
    let (form, refused) = match input.again {
        Some((form, why)) => (form, Some(why)),
        None => (Form::of(row), None),
    };
    let live = input.may_keep && row.state != State::Closed;
    let (grades, sources) = (Grade::ALL.map(Grade::as_str), Source::ALL.map(Source::as_str));
    Some(OnePage {
        frame,
        path: finding_path(&row.id),
        title: row.finding.title.clone(),
        state: row.state.as_str(),
        says: says(row, input.now_us),
        pairs: pairs(&row.finding),
        drift: input.drift.as_deref().map(drift_path),
        revisions: revisions(input.rows, input.people),
        grades: choices(grades, &form.grade),
        sources: choices(sources, &form.source),
        // A refused form follows the revision that holds now, not the one it began with.
        form: live.then_some(Form { revision: row.revision, ..form }),
        steps: steps(row.state, input.may_close),
        refused,
    })
}

fn says(row: &FindingRow, now_us: i64) -> String {
    let grade = row.finding.grade;
    let due = When::day(row.finding.due_us).text;
    let rest = match row.state {
        State::Closed => "closed".to_owned(),
        _ if row.is_overdue(now_us) => format!("{}, overdue since {due}", row.state.as_str()),
        _ => format!("{}, due {due}", row.state.as_str()),
    };
    format!("{} graded {}, {rest}", super::control::capital(grade.sort()), grade.as_str())
}

fn steps(state: State, may_close: bool) -> Vec<(&'static str, &'static str)> {
    match state {
        State::Open => vec![("open", "Keep"), ("corrected", "Keep as corrected")],
        State::Corrected => {
            let close = may_close.then_some(("closed", "Close: it had effect"));
            let steps = [("corrected", "Keep"), ("open", "Open again")];
            steps.into_iter().chain(close).collect()
        }
        State::Closed => vec![],
    }
}

fn pairs(finding: &Finding) -> Vec<Pair> {
    let about: Vec<_> = finding.about.iter().map(String::as_str).collect();
    let texts = [
        ("Against", about.join(", ")),
        ("Source", format!("{} {}", finding.source.as_str(), finding.source_name)),
        ("Found", finding.description.clone()),
        ("Owner", finding.owner.clone()),
        ("Due", When::day(finding.due_us).text),
        ("Grade", finding.grade.as_str().to_owned()),
        ("Title", finding.title.clone()),
        ("Correction", finding.correction.clone()),
        ("Root cause", finding.root_cause.clone()),
        ("Similar cases", finding.similar_cases.clone()),
        ("Action", finding.action.clone()),
        ("Effectiveness", finding.effectiveness.clone()),
    ];
    let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
    said.map(|(name, text)| Pair::said(name, text)).collect()
}

fn revisions(rows: &[FindingRow], people: &[PersonRow]) -> Vec<Revision> {
    let revision = |(at, row): (usize, &FindingRow)| {
        let before = rows.get(at + 1).map(|row| pairs(&row.finding)).unwrap_or_default();
        let mut changed = pairs(&row.finding);
        changed.retain(|pair| !before.contains(pair));
        Revision {
            n: row.revision,
            state: row.state.as_str(),
            by: person(people, &row.by),
            at: When::cell(row.at_us),
            changed,
        }
    };
    rows.iter().enumerate().map(revision).collect()
}
