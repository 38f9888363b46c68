//! What an auditor would find missing, stale, contradictory or unapproved in a management system, with
//! the page where each is mended. It walks clauses 4 to 10 and every control that applies. Pure.

mod findings;
pub mod reading;
mod records;
#[cfg(test)]
mod tests;

use crate::applicability::{Entry, Implementation};
use crate::catalogue::Control;
use crate::record::{Record, Registers};
use crate::status::{ControlStatus, EvidenceState};
use crate::store::{ExceptionRow, FindingRow, Isms};
use crate::web::page::{control_path, register_path, segment};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    Missing,
    Stale,
    Contradictory,
    Unapproved,
}

impl Lack {
    pub const ALL: [Self; 4] = [Self::Missing, Self::Stale, Self::Contradictory, Self::Unapproved];

    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Contradictory => "contradictory",
            Self::Unapproved => "unapproved",
        }
    }
}

/// One thing that an auditor would find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// A clause or a control.
    pub about: String,
    pub lack: Lack,
    pub says: String,
    /// The page where it is mended.
    pub mend: String,
}

/// What is looked at, of one ISMS.
pub struct Input<'a> {
    pub isms: &'a Isms,
    pub registers: &'a Registers,
    /// Of this ISMS.
    pub records: &'a [Record],
    /// As the hosts and records of this ISMS show them.
    pub controls: &'a [(Control, ControlStatus)],
    /// Of the approved Statement of Applicability; none without one.
    pub entries: Option<&'a [Entry]>,
    /// A later version of it waits.
    pub statement_waits: bool,
    pub findings: &'a [FindingRow],
    pub exceptions: &'a [ExceptionRow],
    pub now_us: i64,
}

impl Input<'_> {
    fn entry(&self, control: &str) -> Option<&Entry> {
        self.entries?.iter().find(|entry| entry.control == control)
    }

    fn statement(&self) -> String {
        format!("/isms/{}/applicability", segment(&self.isms.id))
    }
}

/// Everything that was found: clauses in their order, then controls in that of the catalogue.
pub fn check(input: &Input<'_>) -> Vec<Gap> {
    let mut gaps = statement(input);
    gaps.extend(records::registers(input));
    gaps.extend(records::each(input));
    gaps.extend(records::risks(input));
    gaps.extend(records::audits(input));
    gaps.extend(findings::overdue(input));
    let places: BTreeMap<&str, usize> =
        input.controls.iter().enumerate().map(|(at, (c, _))| (c.id.as_str(), at)).collect();
    gaps.extend(input.controls.iter().flat_map(|(held, status)| control(input, held, status)));
    let place = |about: &str| match places.get(about) {
        Some(at) => (1, vec![*at], String::new()),
        None => (0, numbers(about), about.to_owned()),
    };
    gaps.sort_by_cached_key(|gap| (place(&gap.about), gap.lack, gap.says.clone()));
    gaps.dedup();
    gaps
}

/// `9.3.2 c` by its numbers, so that 10 comes after 9.
fn numbers(clause: &str) -> Vec<usize> {
    let parts = clause.split(['.', ' ']);
    parts.map(|part| part.parse().unwrap_or(usize::MAX)).collect()
}

fn gap(about: &str, lack: Lack, says: impl Into<String>, mend: impl Into<String>) -> Gap {
    Gap { about: about.to_owned(), lack, says: says.into(), mend: mend.into() }
}

fn statement(input: &Input<'_>) -> Vec<Gap> {
    let mend = || input.statement();
    let mut gaps = vec![];
    if input.entries.is_none() {
        let says = "no Statement of Applicability is approved";
        gaps.push(gap("6.1.3", Lack::Unapproved, says, mend()));
    } else if input.statement_waits {
        let says = "a later version of the Statement of Applicability waits for approval";
        gaps.push(gap("6.1.3", Lack::Unapproved, says, mend()));
    }
    if input.isms.groups.is_empty() {
        let says = "no group of hosts is in scope: nothing comes from hosts";
        gaps.push(gap("4.3", Lack::Missing, says, format!("/isms/{}", segment(&input.isms.id))));
    }
    gaps
}

/// What is found at one control, if it applies or nobody has said that it does not.
fn control(input: &Input<'_>, control: &Control, status: &ControlStatus) -> Vec<Gap> {
    let id = control.id.as_str();
    let entry = input.entry(id);
    if entry.is_some_and(|entry| entry.applicable == Some(false)) {
        return excluded(input, id, status);
    }
    let mut gaps = vec![];
    if input.entries.is_some() {
        gaps.extend(said(input, id, entry));
    }
    let implemented =
        entry.is_some_and(|entry| entry.implementation == Some(Implementation::Implemented));
    gaps.extend(shown(input, id, status, implemented));
    gaps
}

fn excluded(input: &Input<'_>, id: &str, status: &ControlStatus) -> Vec<Gap> {
    let counting = status.records.map_or(0, |support| support.counting);
    if counting == 0 {
        return vec![];
    }
    let says = format!("it does not apply, and records in force are about it ({counting})");
    vec![gap(id, Lack::Contradictory, says, input.statement())]
}

fn said(input: &Input<'_>, id: &str, entry: Option<&Entry>) -> Option<Gap> {
    let mend = input.statement();
    match entry {
        None => Some(gap(id, Lack::Missing, "the approved statement does not name it", mend)),
        Some(entry) if entry.applicable.is_none() => {
            Some(gap(id, Lack::Missing, "nobody has decided whether it applies", mend))
        }
        Some(entry) if entry.owner.trim().is_empty() => {
            Some(gap(id, Lack::Missing, "nobody answers for it: it has no owner", mend))
        }
        Some(_) => None,
    }
}

/// Where evidence of a control is recorded: a register that covers it, or the one for any.
fn register_of(input: &Input<'_>, id: &str) -> Option<String> {
    let covers = |register: &&crate::record::Register| register.controls.iter().any(|c| c == id);
    let found = input.registers.all().iter().find(covers);
    let found = found.or_else(|| input.registers.get("control_evidence"))?;
    Some(register_path(&input.isms.id, &found.id))
}

fn shown(input: &Input<'_>, id: &str, status: &ControlStatus, implemented: bool) -> Option<Gap> {
    let here = control_path(id);
    let (lack, says, mend) = match status.state {
        EvidenceState::Operating => return None,
        EvidenceState::None => {
            let mend = register_of(input, id).unwrap_or(here);
            if implemented {
                let says = "it is said to be implemented, and nothing shows it";
                (Lack::Contradictory, says.to_owned(), mend)
            } else {
                (Lack::Missing, "there is no evidence of it".to_owned(), mend)
            }
        }
        EvidenceState::Stale => {
            let says = "some of its evidence is past its time".to_owned();
            let records = status.records.is_some_and(|support| support.stale > 0);
            let mend = if records { register_of(input, id).unwrap_or(here) } else { here };
            (Lack::Stale, says, mend)
        }
        EvidenceState::Blind => {
            (Lack::Missing, "some of its evidence could not be read".to_owned(), here)
        }
        EvidenceState::Deviating if implemented => {
            let says = "it is said to be implemented, and hosts deviate past its limits";
            (Lack::Contradictory, says.to_owned(), here)
        }
        EvidenceState::Deviating => {
            (Lack::Contradictory, "hosts deviate from it past its limits".to_owned(), here)
        }
    };
    Some(gap(id, lack, says, mend))
}
