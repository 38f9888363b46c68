//! Registers: which records there are, what is said in each, and how they age. Data
//! (`config/records/*.toml`); an operator's own files, in `DATA/records`, add to it and replace by id.

use crate::finding::is_clause;
use crate::place;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A sort of record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// `audits`.
    pub id: String,
    pub title: String,
    /// What it is for, in a sentence or two.
    pub purpose: String,
    /// Clauses (`9.2`) that it is documented information of.
    #[serde(default)]
    pub clauses: Vec<String>,
    /// Controls that every record of it supports, unless the record names its own.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Whether an auditor asks for it wherever the management system is.
    #[serde(default)]
    pub needed: bool,
    /// A new record, or a revision, takes effect at least so often.
    #[serde(default)]
    pub cadence_days: Option<u16>,
    /// A record holds so long, if it does not say itself.
    #[serde(default)]
    pub validity_days: Option<u16>,
    /// Whether somebody else must approve what is recorded before it counts.
    #[serde(default = "yes")]
    pub approval: bool,
    /// Who approves.
    #[serde(default)]
    pub approver: Approver,
    /// Its records are about people: a snapshot without personal data has none of their words.
    #[serde(default)]
    pub personal: bool,
    /// Each record says itself which controls or clauses it is about.
    #[serde(default)]
    pub about_needed: bool,
    /// Pairs of fields that must not say the same: an auditor and whose work is audited.
    #[serde(default)]
    pub apart: Vec<(String, String)>,
    /// What a record still owes.
    #[serde(default)]
    pub task: Option<Task>,
    /// What is prepared from the system for a new record, and the field it goes into.
    #[serde(default)]
    pub assembled: Option<Assembled>,
    #[serde(default)]
    pub field: Vec<Field>,
    #[serde(default)]
    pub score: Vec<Score>,
}

fn yes() -> bool {
    true
}

/// Which seat approves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// A compliance lead or a risk owner.
    #[default]
    Lead,
    /// A risk owner alone.
    RiskOwner,
}

/// Something to be done by a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The field with its last day.
    pub due: String,
    /// The field that says when it was done.
    pub done: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assembled {
    pub what: Inputs,
    pub field: String,
}

/// What can be prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inputs {
    /// The inputs of a management review.
    ManagementReview,
    /// What was measured.
    Measurement,
}

/// One structured field of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub id: String,
    pub label: String,
    pub kind: FieldKind,
    #[serde(default)]
    pub required: bool,
    /// Of a choice, its words; of a level, its steps from the lowest on.
    #[serde(default)]
    pub choices: Vec<String>,
    #[serde(default)]
    pub hint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// One line.
    Line,
    /// Several.
    Text,
    /// `2026-12-31`.
    Day,
    /// A whole number, not negative.
    Number,
    /// One of its words.
    Choice,
    /// `yes` or `no`.
    YesNo,
    /// A step of a scale, from 1.
    Level,
}

/// A product of levels, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub label: String,
    /// Fields of the kind `level`.
    pub of: Vec<String>,
    /// Words for it, from the lowest on.
    pub band: Vec<Band>,
    /// What lies above needs another treatment than to keep it: field and word that it may not say.
    #[serde(default)]
    pub above: Option<Above>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    pub up_to: u32,
    pub word: String,
}

/// A score above `limit` must say something in `needs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Above {
    pub limit: u32,
    pub needs: String,
}

impl Register {
    pub fn field(&self, id: &str) -> Option<&Field> {
        self.field.iter().find(|field| field.id == id)
    }

    /// What its pages say of clauses and controls.
    pub fn covers(&self) -> String {
        let all = self.clauses.iter().chain(&self.controls);
        all.map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// A file of registers cannot be used. Correct it at the place named.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct RegisterError {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    register: Vec<toml::Spanned<Register>>,
}

const BUILTIN: [(&str, &str); 6] = [
    ("leadership.toml", include_str!("../../../config/records/leadership.toml")),
    ("planning.toml", include_str!("../../../config/records/planning.toml")),
    ("support.toml", include_str!("../../../config/records/support.toml")),
    ("operation.toml", include_str!("../../../config/records/operation.toml")),
    ("evaluation.toml", include_str!("../../../config/records/evaluation.toml")),
    ("controls.toml", include_str!("../../../config/records/controls.toml")),
];

/// All registers, in the order of their files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers(Vec<Register>);

impl Registers {
    /// Those that are compiled in, and over them the `*.toml` of `own`, if there is such a directory.
    pub fn load(own: &Path, is_control: impl Fn(&str) -> bool) -> Result<Self, RegisterError> {
        let mut all = Self(vec![]);
        for (name, text) in BUILTIN {
            all.lay(parse(&format!("records/{name}"), text, &is_control)?);
        }
        for path in files(own)? {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(&path).map_err(|e| unread(&path, &e))?;
            all.lay(parse(&name, &text, &is_control)?);
        }
        Ok(all)
    }

    /// Those that are compiled in.
    pub fn builtin(is_control: impl Fn(&str) -> bool) -> Result<Self, RegisterError> {
        Self::load(Path::new(""), is_control)
    }

    /// Registers that were checked before.
    pub fn of(all: Vec<Register>) -> Self {
        Self(all)
    }

    fn lay(&mut self, over: Vec<Register>) {
        for register in over {
            match self.0.iter_mut().find(|held| held.id == register.id) {
                Some(held) => *held = register,
                None => self.0.push(register),
            }
        }
    }

    pub fn all(&self) -> &[Register] {
        &self.0
    }

    pub fn get(&self, id: &str) -> Option<&Register> {
        self.0.iter().find(|register| register.id == id)
    }
}

fn unread(path: &Path, error: &std::io::Error) -> RegisterError {
    let message = format!("it cannot be read: {error}; make it readable, or take it away");
    RegisterError { file: path.display().to_string(), line: 1, column: 1, message }
}

/// Files of an operator, by name.
fn files(own: &Path) -> Result<Vec<PathBuf>, RegisterError> {
    if own.as_os_str().is_empty() || !own.is_dir() {
        return Ok(vec![]);
    }
    let entries = std::fs::read_dir(own).map_err(|e| unread(own, &e))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(|e| unread(own, &e))?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    Ok(paths)
}

/// Reads registers strictly; `file` names it in errors.
pub fn parse(
    file: &str,
    text: &str,
    is_control: impl Fn(&str) -> bool,
) -> Result<Vec<Register>, RegisterError> {
    let fail = |offset: usize, message: String| {
        let (line, column) = place::line_column(text, offset);
        RegisterError { file: file.to_owned(), line, column, message }
    };
    let document: Document = toml::from_str(text).map_err(|error| {
        let near = place::suggestion_of(error.message());
        let near = near.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
        fail(error.span().map_or(0, |span| span.start), format!("{}{near}", error.message()))
    })?;
    let mut seen = BTreeSet::new();
    let mut all = vec![];
    for register in document.register {
        // The word in question, if it can be found within the register.
        let (span, register) = (register.span(), register.into_inner());
        let here = |(word, message): (String, String)| {
            let within = text.get(span.start..).unwrap_or_default();
            let at = place::find_word(within, &word).unwrap_or_default();
            fail(span.start + at, format!("{}: {message}", register.id))
        };
        check(&register, &is_control).map_err(here)?;
        if !seen.insert(register.id.clone()) {
            let message = "there is a register of this id already; give it another".to_owned();
            return Err(here((register.id.clone(), message)));
        }
        all.push(register);
    }
    Ok(all)
}

/// A word of the register, and what is wrong with it.
type Wrong = (String, String);

fn wrong(word: &str, message: impl Into<String>) -> Result<(), Wrong> {
    Err((word.to_owned(), message.into()))
}

fn check(register: &Register, is_control: impl Fn(&str) -> bool) -> Result<(), Wrong> {
    if !is_name(&register.id) {
        return wrong(&register.id, "an id has small letters, digits and `_`; write it so");
    }
    if register.title.trim().is_empty() || register.purpose.trim().is_empty() {
        return wrong("title", "title and purpose are said; write them");
    }
    if let Some(odd) = register.clauses.iter().find(|text| !is_clause(text)) {
        return wrong(odd, format!("`{odd}` is no clause from 4 to 10; write one such as 9.2"));
    }
    if let Some(odd) = register.controls.iter().find(|text| !is_control(text)) {
        return wrong(odd, format!("there is no control `{odd}`; write an id such as A.5.9"));
    }
    let days = [register.cadence_days, register.validity_days];
    if days.contains(&Some(0)) {
        return wrong("days", "a time has at least one day; leave it out where there is none");
    }
    let mut seen = BTreeSet::new();
    for field in &register.field {
        check_field(field)?;
        if !seen.insert(&field.id) {
            return wrong(&field.id, format!("the field `{}` is there twice; keep one", field.id));
        }
    }
    check_uses(register)?;
    register.score.iter().try_for_each(|score| check_score(register, score))
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(fits)
}

/// Columns of a register's CSV that are of every record.
pub(super) const COMMON: [&str; 8] =
    ["id", "title", "owner", "about", "effective", "valid_until", "link", "link_sha256"];

fn check_field(field: &Field) -> Result<(), Wrong> {
    let id = &field.id;
    if !is_name(id) || COMMON.contains(&id.as_str()) || id == "state" {
        return wrong(
            id,
            format!("`{id}` is no name for a field, or every record has it; rename it"),
        );
    }
    let chosen = matches!(field.kind, FieldKind::Choice | FieldKind::Level);
    if chosen != (field.choices.len() > 1) {
        return wrong(id, format!("`{id}`: a choice or level, and no other, lists its choices"));
    }
    Ok(())
}

/// Fields that the register names are there, and of the kind that is needed.
fn check_uses(register: &Register) -> Result<(), Wrong> {
    let has = |id: &str, kinds: &[FieldKind]| match register.field(id) {
        Some(field) if kinds.is_empty() || kinds.contains(&field.kind) => Ok(()),
        Some(_) => wrong(id, format!("the field `{id}` is of another kind; it must be {kinds:?}")),
        None => wrong(id, format!("there is no field `{id}`; add it, or name another")),
    };
    for (a, b) in &register.apart {
        for id in [a, b] {
            if id != "owner" {
                has(id, &[])?;
            }
        }
    }
    if let Some(task) = &register.task {
        has(&task.due, &[FieldKind::Day])?;
        has(&task.done, &[FieldKind::Day])?;
    }
    if let Some(assembled) = &register.assembled {
        has(&assembled.field, &[FieldKind::Text])?;
    }
    for score in &register.score {
        for id in &score.of {
            has(id, &[FieldKind::Level])?;
        }
        if let Some(above) = &score.above {
            has(&above.needs, &[])?;
        }
    }
    Ok(())
}

fn check_score(register: &Register, score: &Score) -> Result<(), Wrong> {
    let steps = |id: &String| register.field(id).map_or(1, |field| field.choices.len() as u32);
    let most: u32 = score.of.iter().map(steps).product();
    let rises = score.band.windows(2).all(|two| two[0].up_to < two[1].up_to);
    let whole = score.band.last().is_some_and(|band| band.up_to >= most);
    if score.of.is_empty() || !rises || !whole {
        let message =
            format!("`{}`: its bands rise and reach {most}; add what is missing", score.label);
        return wrong("band", message);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn read(text: &str) -> Result<Vec<Register>, RegisterError> {
        parse("r.toml", text, |id| id == "A.5.1")
    }

    const HEAD: &str = "[[register]]\nid = \"audits\"\ntitle = \"Audits\"\npurpose = \"p\"\n";

    #[test]
    fn the_registers_that_are_compiled_in_cover_every_clause_and_every_control_no_host_can_show() {
        let catalogue = Catalogue::builtin().expect("catalogue");
        let registers = Registers::builtin(|id| catalogue.get(id).is_some()).expect("registers");
        let all = registers.all();
        for clause in [
            "4.1", "4.2", "4.3", "5.2", "5.3", "6.1.2", "6.1.3", "6.2", "6.3", "7.2", "7.3", "7.4",
            "7.5.3", "8.1", "8.2", "8.3", "9.1", "9.2.2", "9.3", "10.1",
        ] {
            let has = |register: &Register| register.clauses.iter().any(|text| text == clause);
            assert!(all.iter().any(has), "{clause}");
        }
        for control in catalogue.controls().iter().filter(|c| c.host_evidence.is_none()) {
            let has = |register: &Register| register.controls.contains(&control.id);
            assert!(all.iter().any(has), "{} has no register", control.id);
        }
        assert!(all.iter().all(|register| !register.field.is_empty()));
    }

    #[test]
    fn a_fault_is_refused_with_its_place_and_a_remedy() {
        assert_eq!(read(HEAD).map(|all| all.len()), Ok(1));
        let refused = |text: &str| read(text).expect_err(text).to_string();
        assert!(refused(&format!("{HEAD}{HEAD}")).contains("give it another"));
        let misspelt = refused(&format!("{HEAD}cadence_day = 3\n"));
        assert!(misspelt.starts_with("r.toml:5:1") && misspelt.contains("`cadence_days`"));
        let clause = refused(&format!("{HEAD}clauses = [\"9.2\", \"3.1\"]\n"));
        assert!(clause.starts_with("r.toml:5:20: audits: `3.1` is no clause"), "{clause}");
        let control = refused(&format!("{HEAD}controls = [\"A.5.1\", \"A.9.9\"]\n"));
        assert!(control.starts_with("r.toml:5:23") && control.contains("no control"), "{control}");
        assert!(refused(&format!("{HEAD}cadence_days = 0\n")).contains("at least one day"));
        assert!(refused(&HEAD.replace("\"audits\"", "\"Audits\"")).contains("small letters"));
    }

    #[test]
    fn what_a_register_names_is_there() {
        let field = |id: &str, rest: &str| {
            format!("[[register.field]]\nid = \"{id}\"\nlabel = \"L\"\n{rest}\n")
        };
        let level = "kind = \"level\"\nchoices = [\"a\", \"b\", \"c\"]";
        let score =
            |bands: &str| format!("[[register.score]]\nlabel = \"R\"\nof = [\"x\"]\n{bands}");
        let whole = "band = [{ up_to = 3, word = \"w\" }]\n";
        assert!(read(&format!("{HEAD}{}{}", field("x", level), score(whole))).is_ok());
        for (text, says) in [
            (field("x", "kind = \"choice\""), "lists its choices"),
            (field("title", "kind = \"line\""), "rename it"),
            (format!("{0}{0}", field("x", level)), "twice"),
            (format!("{}{}", field("y", level), score(whole)), "no field `x`"),
            (format!("{}{}", field("x", "kind = \"line\""), score(whole)), "another kind"),
            (
                format!("{}{}", field("x", level), score("band = [{ up_to = 2, word = \"w\" }]\n")),
                "reach 3",
            ),
        ] {
            let error = read(&format!("{HEAD}{text}")).expect_err(&text).to_string();
            assert!(error.contains(says), "{error}");
        }
        let text = format!("{HEAD}apart = [[\"auditor\", \"owner\"]]\n");
        assert!(read(&text).expect_err("apart").to_string().contains("no field `auditor`"));
    }

    #[test]
    fn an_operators_register_replaces_one_of_its_id_and_another_is_added() {
        let own = tempfile::tempdir().expect("directory");
        let any = |_: &str| true;
        let before = Registers::builtin(any).expect("registers").all().len();
        let text = HEAD.replace("Audits", "Ours") + &HEAD.replace("audits", "badges");
        std::fs::write(own.path().join("own.toml"), text).expect("write");
        std::fs::write(own.path().join("README"), "no register").expect("write");
        let all = Registers::load(own.path(), any).expect("registers");
        assert_eq!(all.all().len(), before + 1);
        assert_eq!(all.get("audits").map(|register| register.title.as_str()), Some("Ours"));
        std::fs::write(own.path().join("own.toml"), "[[register]]").expect("write");
        assert!(Registers::load(own.path(), any).is_err());
    }
}
