//! A Statement of Applicability: what people say of each control, beside what evidence says. Neither
//! writes the other.

use super::isms::{applicability_says, isms_path};
use super::marks::{Mark, State};
use super::page::{Frame, When, control_path, segment};
use crate::applicability::{Entry, Ground, Implementation, Sum};
use crate::expected::BadLine;
use crate::store::{Isms, Version, VersionState};
use askama::Template;
use std::collections::BTreeMap;

#[derive(Template)]
#[template(path = "applicability.html")]
pub struct StatementPage {
    pub frame: Frame,
    pub isms: String,
    pub isms_path: String,
    pub path: String,
    /// Where its versions stand.
    pub says: String,
    pub sum: String,
    pub may_change: bool,
    pub said: Option<Said>,
    pub rows: Vec<Row>,
    pub versions: Vec<VersionLine>,
    /// The version that waits for approval, and when it was submitted.
    pub waits: Option<(i64, i64)>,
    /// Who reads this wrote in what waits.
    pub is_author: bool,
    pub has_draft: bool,
}

/// What became of the last request.
pub enum Said {
    Refused(String),
    Bad(Vec<BadLine>),
    Done(String),
}

pub struct Row {
    pub control: String,
    pub title: String,
    pub control_path: String,
    /// Where the entry is written.
    pub path: String,
    pub applicable: &'static str,
    pub why: String,
    pub implementation: &'static str,
    pub mark: Mark,
    pub owner: String,
    pub references: String,
}

pub struct VersionLine {
    pub number: i64,
    pub path: String,
    pub state: &'static str,
    pub since: When,
    pub shown: bool,
}

pub struct Input<'a> {
    pub isms: &'a Isms,
    pub versions: &'a [Version],
    /// The one that is shown.
    pub version: Option<&'a Version>,
    pub entries: &'a [Entry],
    /// Title and evidence state, by control.
    pub controls: &'a BTreeMap<String, (String, State)>,
    /// The id of who reads it.
    pub me: &'a str,
    pub may_change: bool,
    pub said: Option<Said>,
}

pub fn page(frame: Frame, input: Input<'_>) -> StatementPage {
    let isms_path = isms_path(&input.isms.id);
    let path = format!("{isms_path}/applicability");
    let newest = input.versions.first();
    let submitted = newest.filter(|version| version.state == VersionState::Submitted);
    let is_author = submitted.is_some_and(|version| {
        version.authors.iter().chain(&version.submitted_by).any(|author| author == input.me)
    });
    StatementPage {
        frame,
        isms: input.isms.text.name.clone(),
        says: applicability_says(input.versions),
        sum: Sum::of(input.entries).says(),
        may_change: input.may_change,
        rows: input.entries.iter().map(|entry| row(entry, &path, input.controls)).collect(),
        versions: input.versions.iter().map(|v| version_line(v, &path, input.version)).collect(),
        waits: submitted.and_then(|version| Some((version.version, version.submitted_us?))),
        is_author,
        has_draft: newest.is_some_and(|version| version.state == VersionState::Draft),
        said: input.said,
        isms_path,
        path,
    }
}

fn row(entry: &Entry, path: &str, controls: &BTreeMap<String, (String, State)>) -> Row {
    let (title, state) =
        controls.get(&entry.control).cloned().unwrap_or((String::new(), State::None));
    Row {
        control: entry.control.clone(),
        title,
        control_path: control_path(&entry.control),
        path: format!("{path}/{}", segment(&entry.control)),
        applicable: applicable(entry),
        why: why(entry),
        implementation: implementation(entry),
        mark: state.mark(),
        owner: owner(entry),
        references: entry.references.join(", "),
    }
}

pub fn applicable(entry: &Entry) -> &'static str {
    match entry.applicable {
        None => "undecided",
        Some(true) => "applicable",
        Some(false) => "not applicable",
    }
}

fn why(entry: &Entry) -> String {
    let grounds: Vec<_> = entry.grounds.iter().map(|ground| ground.word()).collect();
    let parts = [grounds.join(", "), entry.justification.clone()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

pub fn implementation(entry: &Entry) -> &'static str {
    match (entry.applicable, entry.implementation) {
        (_, Some(Implementation::Implemented)) => "implemented",
        (_, Some(Implementation::Partly)) => "partly implemented",
        (_, Some(Implementation::Planned)) => "planned",
        (_, Some(Implementation::NotImplemented)) => "not implemented",
        (Some(true), None) => "not said",
        (_, None) => "",
    }
}

pub fn owner(entry: &Entry) -> String {
    match entry.owner.is_empty() {
        true if entry.applicable == Some(true) => "no owner".to_owned(),
        _ => entry.owner.clone(),
    }
}

fn version_line(version: &Version, path: &str, shown: Option<&Version>) -> VersionLine {
    let since = version.approved_us.or(version.submitted_us).unwrap_or(version.begun_us);
    VersionLine {
        number: version.version,
        path: format!("{path}?version={}", version.version),
        state: version.state.word(),
        since: When::cell(since),
        shown: shown == Some(version),
    }
}

#[derive(Template)]
#[template(path = "applicability_entry.html")]
pub struct EntryPage {
    pub frame: Frame,
    pub isms: String,
    pub path: String,
    pub control: String,
    pub title: String,
    pub mark: Mark,
    pub refused: Option<String>,
    pub applicable: &'static str,
    pub grounds: Vec<(&'static str, bool)>,
    pub justification: String,
    pub statuses: Vec<(&'static str, bool)>,
    pub owner: String,
    pub references: String,
}

/// The form of one entry.
pub fn entry_page(
    frame: Frame,
    isms: &Isms,
    entry: &Entry,
    (title, state): (String, State),
    refused: Option<String>,
) -> EntryPage {
    let status = |status: Implementation| (status.word(), entry.implementation == Some(status));
    EntryPage {
        frame,
        isms: isms.text.name.clone(),
        path: format!("{}/applicability", isms_path(&isms.id)),
        control: entry.control.clone(),
        title,
        mark: state.mark(),
        refused,
        applicable: entry.applicable_word(),
        grounds: Ground::ALL.map(|ground| (ground.word(), entry.grounds.contains(&ground))).into(),
        justification: entry.justification.clone(),
        statuses: Implementation::ALL.map(status).into(),
        owner: entry.owner.clone(),
        references: entry.references.join("; "),
    }
}

/// What an ISMS says of one control, on the control's page.
pub struct Stand {
    pub isms: String,
    pub path: String,
    pub applicable: &'static str,
    pub implementation: &'static str,
    pub owner: String,
    /// `version 3, approved`.
    pub version: String,
}

/// What every ISMS says of a control.
pub fn stands(all: &[Isms], said: &[(Version, Entry)]) -> Vec<Stand> {
    let stand = |(version, entry): &(Version, Entry)| {
        let isms = all.iter().find(|isms| isms.id == version.isms)?;
        Some(Stand {
            isms: isms.text.name.clone(),
            path: format!("{}/applicability", isms_path(&isms.id)),
            applicable: applicable(entry),
            implementation: implementation(entry),
            owner: owner(entry),
            version: format!("version {}, {}", version.version, version.state.word()),
        })
    };
    said.iter().filter_map(stand).collect()
}
