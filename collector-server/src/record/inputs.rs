//! What the system already knows and a record begins with: the inputs of a management review, and
//! what was measured. Whoever records it reads and completes it; kept is what they send.

use super::{Inputs, RegisterState};
use std::fmt::Write;

/// What was counted, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    /// `2026-11-23 08:42 UTC`.
    pub at: String,
    /// Controls by evidence state.
    pub controls: Vec<(String, usize)>,
    /// Results by outcome.
    pub results: Vec<(String, usize)>,
    pub nonconformities_open: usize,
    pub nonconformities_closed: usize,
    pub improvements_open: usize,
    pub findings_overdue: usize,
    /// Exceptions that are in force.
    pub exceptions: usize,
    pub drifts_open: usize,
    /// Registers: id, title, state, and tasks of their records that are open and overdue.
    pub registers: Vec<(String, String, RegisterState, (usize, usize))>,
}

/// A text to begin with.
pub fn assemble(what: Inputs, of: &Gathered) -> String {
    match what {
        Inputs::ManagementReview => review(of),
        Inputs::Measurement => measurement(of),
    }
}

fn sum(parts: &[(String, usize)], what: &str) -> String {
    let all: usize = parts.iter().map(|(_, n)| n).sum();
    let said = parts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}"));
    let said: Vec<_> = said.collect();
    if said.is_empty() {
        format!("no {what}")
    } else {
        format!("{all} {what} = {}", said.join(" + "))
    }
}

fn register(of: &Gathered, id: &str) -> String {
    let Some((_, title, state, (open, overdue))) = of.registers.iter().find(|held| held.0 == id)
    else {
        return format!("no register `{id}`");
    };
    let mut text =
        format!("{title}: {}, {} of {} in force", state.word(), state.counting, state.records);
    if *open > 0 {
        let _ = write!(text, ", {open} open tasks, {overdue} of them overdue");
    }
    text
}

/// One heading of the inputs, and what is counted under it.
type Part<'a> = (&'a str, Vec<String>);

fn review(of: &Gathered) -> String {
    let registers = |ids: &[&str]| ids.iter().map(|id| register(of, id)).collect::<Vec<_>>();
    let nonconformities = format!(
        "nonconformities: {} open, {} closed; {} findings overdue",
        of.nonconformities_open, of.nonconformities_closed, of.findings_overdue
    );
    let parts: [Part<'_>; 8] = [
        ("Actions of earlier reviews", registers(&["management_review"])),
        ("External and internal issues", registers(&["context"])),
        ("Interested parties", registers(&["interested_parties"])),
        ("Nonconformities and corrective actions", vec![nonconformities]),
        (
            "Monitoring and measurement",
            vec![
                sum(&of.controls, "controls by evidence state"),
                sum(&of.results, "results"),
                format!("{} open drifts, {} exceptions in force", of.drifts_open, of.exceptions),
                register(of, "measurement"),
            ],
        ),
        ("Audits and objectives", registers(&["audits", "objectives"])),
        ("Risk assessment and treatment", registers(&["risks", "risk_treatment"])),
        ("Improvement", vec![format!("{} open improvements", of.improvements_open)]),
    ];
    written(&of.at, &parts)
}

fn measurement(of: &Gathered) -> String {
    let parts: [Part<'_>; 3] = [
        ("Controls", vec![sum(&of.controls, "controls by evidence state")]),
        ("Results", vec![sum(&of.results, "results")]),
        (
            "Deviations",
            vec![
                format!("{} open drifts, {} exceptions in force", of.drifts_open, of.exceptions),
                format!("{} open nonconformities", of.nonconformities_open),
            ],
        ),
    ];
    written(&of.at, &parts)
}

fn written(at: &str, parts: &[Part<'_>]) -> String {
    let mut text = format!("As of {at}:\n");
    for (heading, lines) in parts {
        let _ = writeln!(text, "{heading}");
        for line in lines {
            let _ = writeln!(text, "- {line}");
        }
    }
    text.trim_end().to_owned()
}
