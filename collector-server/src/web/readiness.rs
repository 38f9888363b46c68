//! The readiness check of a management system, on a page.

use super::marks::{Mark, State};
use super::page::{Frame, control_path, plural, registers_path};
use crate::readiness::{Gap, Lack};
use crate::store::Isms;
use askama::Template;

#[derive(Template)]
#[template(path = "readiness.html")]
pub struct Page {
    pub frame: Frame,
    pub isms: String,
    pub isms_path: String,
    pub registers_path: String,
    pub says: String,
    /// How many of each lack.
    pub counts: Vec<(Mark, usize)>,
    pub rows: Vec<Line>,
}

pub struct Line {
    pub about: String,
    /// The page of the control; none for a clause.
    pub control: Option<String>,
    pub mark: Mark,
    pub says: String,
    pub mend: String,
}

fn mark(lack: Lack) -> Mark {
    let shape = match lack {
        Lack::Missing | Lack::Unapproved => State::None,
        Lack::Stale => State::Stale,
        Lack::Contradictory => State::Deviating,
    };
    Mark { shape: shape.word(), word: lack.word() }
}

pub fn page(frame: Frame, isms: &Isms, gaps: &[Gap]) -> Page {
    let count = |lack: Lack| gaps.iter().filter(|gap| gap.lack == lack).count();
    let line = |gap: &Gap| Line {
        control: gap.about.starts_with(char::is_alphabetic).then(|| control_path(&gap.about)),
        about: gap.about.clone(),
        mark: mark(gap.lack),
        says: gap.says.clone(),
        mend: gap.mend.clone(),
    };
    let says = match gaps.len() {
        0 => "Nothing was found. An auditor may still find what no register asks for.".to_owned(),
        n => format!("{} that an auditor would find", plural(n, "thing")),
    };
    Page {
        frame,
        isms: isms.text.name.clone(),
        isms_path: super::isms::isms_path(&isms.id),
        registers_path: registers_path(&isms.id),
        says,
        counts: Lack::ALL.map(|lack| (mark(lack), count(lack))).into(),
        rows: gaps.iter().map(line).collect(),
    }
}
