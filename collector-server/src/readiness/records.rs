//! What is found in registers and records.

use super::{Gap, Input, Lack, gap};
use crate::exception::State;
use crate::record::{Record, Register, Standing, end_of, owing, register_state, scored};
use crate::web::page::{When, record_path, register_path};

/// The clause or control that a register is for before others.
fn about(register: &Register) -> &str {
    let all = register.clauses.iter().chain(&register.controls);
    all.map(String::as_str).next().unwrap_or("7.5")
}

/// Registers that are needed and have nothing, and those that wait for their next record.
pub(super) fn registers(input: &Input<'_>) -> Vec<Gap> {
    let mut gaps = vec![];
    for register in input.registers.all() {
        let state = register_state(register, &input.isms.id, input.records, input.now_us);
        let mend = || register_path(&input.isms.id, &register.id);
        let title = &register.title;
        let found = match state.word() {
            "no record" if !register.needed => continue,
            "no record" => (Lack::Missing, format!("there is no record of “{title}”")),
            "overdue" => {
                let day = state.next_us.map(|us| When::day(us - 1).text).unwrap_or_default();
                (Lack::Stale, format!("the next record of “{title}” was due by {day}"))
            }
            "none in force" if register.needed => {
                (Lack::Missing, format!("no record of “{title}” is in force"))
            }
            _ => continue,
        };
        gaps.push(gap(about(register), found.0, found.1, mend()));
    }
    gaps
}

/// Records past their time, those that wait for approval, tasks past their day, and records of
/// registers that are not there any more.
pub(super) fn each(input: &Input<'_>) -> Vec<Gap> {
    let mut gaps = vec![];
    for record in input.records.iter().filter(|record| record.withdrawn.is_none()) {
        let Some(shown) = record.shown() else { continue };
        let title = &shown.says.title;
        let Some(register) = input.registers.get(&record.register) else {
            let says = format!("“{title}” is of a register that is not there: {}", record.register);
            let mend = super::super::web::page::registers_path(&input.isms.id);
            gaps.push(gap("7.5", Lack::Contradictory, says, mend));
            continue;
        };
        let mend = || path(input, record);
        if record.standing(input.now_us) == Standing::Expired {
            let says = format!("“{title}” expired on {}", shown.says.valid_until);
            gaps.push(gap(about(register), Lack::Stale, says, mend()));
        }
        if record.waiting().is_some() {
            let says = format!("“{title}” waits for approval");
            gaps.push(gap(about(register), Lack::Unapproved, says, mend()));
        }
    }
    gaps.extend(tasks(input));
    gaps
}

fn path(input: &Input<'_>, record: &Record) -> String {
    record_path(&input.isms.id, &record.register, &record.id)
}

fn tasks(input: &Input<'_>) -> Vec<Gap> {
    let isms = [(input.isms.id.clone(), input.isms.text.name.clone())];
    let all = owing(input.registers, &isms, input.records, input.now_us);
    let late = all.into_iter().filter(|owing| owing.due_us <= input.now_us);
    let late = late.filter(|owing| owing.subject.starts_with("task "));
    let of = |owing: crate::record::Owing| {
        let register = input.registers.get(&owing.register)?;
        let mend = record_path(&input.isms.id, &owing.register, owing.record.as_deref()?);
        let day = When::day(owing.due_us - 1).text;
        let says = format!("{} was due by {day}", owing.says);
        Some(gap(about(register), Lack::Stale, says, mend))
    };
    late.filter_map(of).collect()
}

/// Risks that speak against themselves, and risks to be treated that no plan treats.
pub(super) fn risks(input: &Input<'_>) -> Vec<Gap> {
    let Some(register) = input.registers.get("risks") else { return vec![] };
    let of = |id: &'static str| {
        input.records.iter().filter(move |row| row.register == id && row.withdrawn.is_none())
    };
    let plans: Vec<String> = of("risk_treatment")
        .filter_map(|record| record.shown())
        .map(|shown| shown.says.get("risk").to_lowercase())
        .collect();
    let mut gaps = vec![];
    for record in of("risks") {
        let Some(shown) = record.shown() else { continue };
        let (says, title) = (&shown.says, &shown.says.title);
        let scores = scored(says, register);
        let value = |label: &str| scores.iter().find(|s| s.label == label).map(|s| s.value);
        if let (Some(risk), Some(rest)) = (value("Risk"), value("Residual risk"))
            && rest > risk
        {
            let text =
                format!("“{title}”: more remains after treatment ({rest}) than before ({risk})");
            gaps.push(gap("6.1.2", Lack::Contradictory, text, path(input, record)));
        }
        let planned =
            |plan: &String| *plan == title.to_lowercase() || *plan == record.id.to_lowercase();
        if says.get("treatment") == "modify" && !plans.iter().any(planned) {
            let text = format!("“{title}” is to be modified, and no treatment plan names it");
            let mend = register_path(&input.isms.id, "risk_treatment");
            gaps.push(gap("6.1.3", Lack::Missing, text, mend));
        }
        gaps.extend(exceptions(input, record, says.get("exceptions")));
    }
    gaps
}

/// Exceptions that a risk rests on, and that nobody approved or that are over.
fn exceptions(input: &Input<'_>, record: &Record, ids: &str) -> Vec<Gap> {
    let ids = ids.split([',', ' ']).filter(|id| !id.is_empty());
    let wrong = |id: &str| match input.exceptions.iter().find(|row| row.id == id) {
        None => Some(format!("there is no exception {id}")),
        Some(row) if row.state(input.now_us) == State::Active => None,
        Some(row) => Some(format!("the exception {id} is {}", row.state(input.now_us).as_str())),
    };
    let gaps = ids.filter_map(wrong);
    let of = |says| gap("6.1.3", Lack::Contradictory, says, path(input, record));
    gaps.map(of).collect()
}

/// Audits whose auditor owns a control that was audited.
pub(super) fn audits(input: &Input<'_>) -> Vec<Gap> {
    let mut gaps = vec![];
    let audits = input.records.iter().filter(|row| row.register == "audits");
    for record in audits.filter(|row| row.withdrawn.is_none()) {
        let Some(shown) = record.shown() else { continue };
        let auditor = shown.says.get("auditor").to_lowercase();
        let owns = |control: &&String| {
            let entry = input.entry(control);
            entry.is_some_and(|entry| !auditor.is_empty() && entry.owner.to_lowercase() == auditor)
        };
        let own: Vec<&str> = shown.says.about.iter().filter(owns).map(String::as_str).collect();
        if !own.is_empty() {
            let says = format!("the auditor of “{}” owns {}", shown.says.title, own.join(", "));
            gaps.push(gap("9.2.2", Lack::Contradictory, says, path(input, record)));
        }
    }
    gaps.extend(review_before_audit(input));
    gaps
}

/// The last management review knows the last audit.
fn review_before_audit(input: &Input<'_>) -> Option<Gap> {
    let last = |id: &str| {
        let mine = input.records.iter().filter(|row| row.register == id);
        let held = mine.filter_map(|row| row.held(input.now_us));
        held.filter_map(|held| end_of(&held.says.effective)).max()
    };
    let (audit, review) = (last("audits")?, last("management_review")?);
    if review >= audit {
        return None;
    }
    let says = "the last audit came after the last management review: no review knows it";
    let mend = register_path(&input.isms.id, "management_review");
    Some(gap("9.3.2", Lack::Stale, says, mend))
}
