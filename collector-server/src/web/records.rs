//! Records: the management systems with theirs, the registers of one, a register, and the form of a
//! record. `one` has a record with its history.

pub mod form;
pub mod one;

use super::marks::{Mark, State};
use super::page::{
    self, Frame, Pair, When, control_path, plural, readiness_path, record_path, register_path,
    registers_path,
};
use crate::expected::BadFile;
use crate::record::{Record, Register, RegisterState, Registers, Standing, register_state, scored};
use crate::store::Isms;
use askama::Template;
use form::Sheet;

/// The mark of a standing: past its time is stale, what nobody approved is no evidence.
pub fn mark(standing: Standing) -> Mark {
    let shape = match standing {
        Standing::Expired => State::Stale,
        Standing::Unapproved => State::None,
        Standing::Due | Standing::InForce => State::Operating,
        Standing::ToCome | Standing::Withdrawn => State::Excluded,
    };
    Mark { shape: shape.word(), word: standing.says() }
}

/// The mark of a register's state.
pub fn register_mark(state: &RegisterState) -> Mark {
    let shape = match state.word() {
        "overdue" | "expired" => State::Stale,
        "due" | "in force" => State::Operating,
        _ => State::None,
    };
    Mark { shape: shape.word(), word: state.word() }
}

#[derive(Template)]
#[template(path = "records_all.html")]
pub struct AllPage {
    pub frame: Frame,
    pub rows: Vec<IsmsLine>,
}

pub struct IsmsLine {
    pub name: String,
    pub path: String,
    pub readiness: String,
    pub in_force: String,
    pub stale: usize,
    pub waiting: usize,
}

/// Every management system with how its registers stand.
pub fn all(
    frame: Frame,
    isms: &[Isms],
    (registers, records): (&Registers, &[Record]),
    now_us: i64,
) -> AllPage {
    let line = |isms: &Isms| {
        let states: Vec<_> = registers
            .all()
            .iter()
            .map(|register| (register, register_state(register, &isms.id, records, now_us)))
            .collect();
        let needed = states.iter().filter(|(register, _)| register.needed);
        let good = needed.clone().filter(|(_, state)| state.counting > 0 && !state.is_stale());
        IsmsLine {
            name: isms.text.name.clone(),
            path: registers_path(&isms.id),
            readiness: readiness_path(&isms.id),
            in_force: format!("{} of {}", good.count(), needed.count()),
            stale: states.iter().filter(|(_, state)| state.is_stale()).count(),
            waiting: states.iter().map(|(_, state)| state.waiting).sum(),
        }
    };
    AllPage { frame, rows: isms.iter().map(line).collect() }
}

#[derive(Template)]
#[template(path = "registers.html")]
pub struct RegistersPage {
    pub frame: Frame,
    pub isms: String,
    pub isms_path: String,
    pub readiness: String,
    pub says: String,
    pub rows: Vec<RegisterLine>,
}

pub struct RegisterLine {
    pub path: String,
    pub title: String,
    pub covers: String,
    pub mark: Mark,
    pub needed: bool,
    pub records: String,
    pub waiting: usize,
    pub next: Option<When>,
}

/// The registers of a management system.
pub fn registers(
    frame: Frame,
    isms: &Isms,
    (all, records): (&Registers, &[Record]),
    now_us: i64,
) -> RegistersPage {
    let states = all.all().iter().map(|r| (r, register_state(r, &isms.id, records, now_us)));
    let states: Vec<_> = states.collect();
    let line = |(register, state): &(&Register, RegisterState)| RegisterLine {
        path: register_path(&isms.id, &register.id),
        title: register.title.clone(),
        covers: register.covers(),
        mark: register_mark(state),
        needed: register.needed,
        records: format!("{} of {}", state.counting, state.records),
        waiting: state.waiting,
        next: state.next_us.map(|us| When::day(us - 1)),
    };
    let count = |test: fn(&RegisterState) -> bool| states.iter().filter(|(_, s)| test(s)).count();
    let missing = states.iter().filter(|(register, s)| register.needed && s.records == 0).count();
    RegistersPage {
        frame,
        isms: isms.text.name.clone(),
        isms_path: super::isms::isms_path(&isms.id),
        readiness: readiness_path(&isms.id),
        says: format!(
            "{}: {} with a record in force, {} overdue or expired, {missing} needed and without a \
             record",
            plural(states.len(), "register"),
            count(|state| state.counting > 0),
            count(RegisterState::is_stale),
        ),
        rows: states.iter().map(line).collect(),
    }
}

/// What became of a file of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    Tried(usize),
    Done { new: usize, revised: usize },
    Bad(BadFile),
    Refused(String),
}

pub struct RegisterInput<'a> {
    pub isms: &'a Isms,
    pub register: &'a Register,
    /// Of this register and ISMS.
    pub records: &'a [Record],
    /// None where nothing can be recorded.
    pub sheet: Option<Sheet>,
    pub refused: Option<String>,
    pub imported: Option<Imported>,
    pub now_us: i64,
}

#[derive(Template)]
#[template(path = "register.html")]
pub struct RegisterPage {
    pub frame: Frame,
    pub title: String,
    pub isms: String,
    pub registers_path: String,
    pub path: String,
    pub purpose: String,
    pub mark: Mark,
    pub about: Vec<Pair>,
    /// Controls that it covers: id and page.
    pub controls: Vec<(String, String)>,
    pub rows: Vec<RecordLine>,
    pub sheet: Option<Sheet>,
    pub refused: Option<String>,
    /// What became of a file: in a line, and what is wrong with each of its lines.
    pub imported: Option<String>,
    pub bad: Vec<String>,
    pub now_us: i64,
}

pub struct RecordLine {
    pub path: String,
    pub title: String,
    pub about: String,
    pub owner: String,
    pub mark: Mark,
    pub waits: bool,
    pub effective: String,
    pub until: String,
    pub scores: String,
}

pub fn register(frame: Frame, input: RegisterInput<'_>) -> RegisterPage {
    let RegisterInput { isms, register, records, now_us, .. } = input;
    let state = register_state(register, &isms.id, records, now_us);
    let (imported, bad) = match input.imported {
        None => (None, vec![]),
        Some(Imported::Tried(n)) => (
            Some(format!("{}: nothing is wrong, and nothing was taken", plural(n, "line"))),
            vec![],
        ),
        Some(Imported::Done { new, revised }) => {
            (Some(format!("{} recorded, {revised} revised", plural(new, "record"))), vec![])
        }
        Some(Imported::Refused(why)) => (Some(format!("Nothing was taken: {why}")), vec![]),
        Some(Imported::Bad(BadFile(bad))) => {
            let says = "Nothing was taken: some lines are wrong".to_owned();
            (Some(says), bad.iter().map(ToString::to_string).collect())
        }
    };
    let mut rows: Vec<_> = records.iter().collect();
    rows.sort_by_key(|row| (row.standing(now_us), row.id.clone()));
    RegisterPage {
        frame,
        title: register.title.clone(),
        isms: isms.text.name.clone(),
        registers_path: registers_path(&isms.id),
        path: register_path(&isms.id, &register.id),
        purpose: register.purpose.clone(),
        mark: register_mark(&state),
        about: about(register, &state),
        controls: register.controls.iter().map(|id| (id.clone(), control_path(id))).collect(),
        rows: rows.into_iter().filter_map(|row| line(register, row, now_us)).collect(),
        sheet: input.sheet,
        refused: input.refused,
        imported,
        bad,
        now_us,
    }
}

fn about(register: &Register, state: &RegisterState) -> Vec<Pair> {
    let days = |days: Option<u16>| days.map(|n| plural(usize::from(n), "day"));
    let next = state.next_us.map(|us| When::day(us - 1).text);
    let approval = match (register.approval, register.approver) {
        (false, _) => "not needed",
        (true, crate::record::Approver::RiskOwner) => "by a risk owner who did not write it",
        (true, crate::record::Approver::Lead) => {
            "by a compliance lead or risk owner who did not write it"
        }
    };
    let pairs = [
        ("Clauses", Some(register.clauses.join(", ")).filter(|text| !text.is_empty())),
        ("At least every", days(register.cadence_days)),
        ("Next by", next),
        ("Holds for", days(register.validity_days)),
        ("Approval", Some(approval.to_owned())),
    ];
    pairs.into_iter().filter_map(|(name, text)| Some(Pair::said(name, text?))).collect()
}

fn line(register: &Register, row: &Record, now_us: i64) -> Option<RecordLine> {
    let says = &row.held(now_us).or_else(|| row.shown())?.says;
    let scores = scored(says, register);
    let scores = scores.iter().map(|s| format!("{} {} {}", s.label, s.value, s.word));
    Some(RecordLine {
        path: record_path(&row.isms, &row.register, &row.id),
        title: says.title.clone(),
        about: says.about.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        owner: says.owner.clone(),
        mark: mark(row.standing(now_us)),
        waits: row.waiting().is_some() && row.withdrawn.is_none(),
        effective: says.effective.clone(),
        until: says.valid_until.clone(),
        scores: scores.collect::<Vec<_>>().join(", "),
    })
}

/// A register as the page of a control shows it.
pub struct ControlLine {
    pub path: String,
    pub title: String,
    pub isms: String,
    pub mark: Mark,
    pub says: String,
}

/// What records say of a control, register by register.
pub fn of_control(
    control: &str,
    claims: &[crate::record::Claim],
    (registers, isms): (&Registers, &[Isms]),
) -> Vec<ControlLine> {
    let mine = claims.iter().filter(|claim| claim.about == control);
    let line = |claim: &crate::record::Claim| {
        let of = isms.iter().find(|isms| isms.id == claim.isms)?;
        let register = registers.get(&claim.register)?;
        let (shape, word) = match claim {
            claim if claim.is_stale() => (State::Stale, "stale"),
            claim if claim.counting > 0 => (State::Operating, "in force"),
            claim if claim.waiting > 0 => (State::None, "unapproved"),
            _ => (State::None, "no record"),
        };
        let since =
            claim.stale_us.map(|us| format!(", past its time since {}", When::day(us).text));
        Some(ControlLine {
            path: register_path(&claim.isms, &claim.register),
            title: register.title.clone(),
            isms: of.text.name.clone(),
            mark: Mark { shape: shape.word(), word },
            says: format!(
                "{} in force, {} waiting{}",
                claim.counting,
                claim.waiting,
                since.unwrap_or_default()
            ),
        })
    };
    mine.filter_map(line).collect()
}
