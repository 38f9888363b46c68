//! A register as comma-separated text. What is written is read back the same, and no cell of it is a
//! formula to a spreadsheet.

use super::register::COMMON;
use super::{FieldKind, Record, Register, Says};
use crate::expected::{BadFile, BadLine, Row, Table, closed, finish, opened};
use std::collections::{BTreeMap, BTreeSet};

/// One line of a file: what a new record says, or what one that is there is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub id: Option<String>,
    pub says: Says,
}

/// Lines within a cell, as they are written: spreadsheets and the reader want one.
const BREAK: &str = " ¶ ";

/// Reads the lines of a register. A line with an `id` is a revision of that record, which `known`
/// has; one without is a new record. `state` is for people and not read.
pub fn parse(
    bytes: &[u8],
    register: &Register,
    known: &BTreeMap<String, Says>,
    is_control: impl Fn(&str) -> bool,
) -> Result<Vec<Line>, BadFile> {
    let names: Vec<&str> = register.field.iter().map(|field| field.id.as_str()).collect();
    let (table, columns) = read(bytes, &names)?;
    let mut bad = table.bad.clone();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut lines = vec![];
    for (at, row) in &table.rows {
        let line = line(row, register, known, &columns);
        let checked = line.and_then(|line| {
            if let Some(id) = &line.id
                && let Some(first) = seen.insert(id.clone(), *at)
            {
                let reason = format!("the record {id} is in line {first} already");
                return Err((reason, "keep one of the two".to_owned()));
            }
            line.says.check(register, &is_control).map_err(|wrong| {
                let text = wrong.to_string();
                let (reason, remedy) = text.split_once("; ").unwrap_or((&text, "correct it"));
                (reason.to_owned(), remedy.to_owned())
            })?;
            Ok(line)
        });
        match checked {
            Ok(line) => lines.push(line),
            Err((reason, remedy)) => bad.push(BadLine { line: *at, reason, remedy }),
        }
    }
    // A column that nobody reads is a loss that nobody sees.
    for name in table.ignored.iter().filter(|name| !name.eq_ignore_ascii_case("state")) {
        let reason = format!("this register has no column `{name}`");
        bad.push(BadLine { line: 1, reason, remedy: "correct its name, or take it out".into() });
    }
    if lines.is_empty() && bad.is_empty() {
        let reason = "the file lists no record".to_owned();
        bad.push(BadLine { line: 1, reason, remedy: "add a line per record".to_owned() });
    }
    finish(bad)?;
    Ok(lines)
}

/// The table, and the names of the columns that fields of the register stand in.
fn read(bytes: &[u8], names: &[&str]) -> Result<(Table, BTreeMap<String, &'static str>), BadFile> {
    // Columns of a table are fixed words; those of a register come from a file, and are few.
    let fields: Vec<&'static str> = names.iter().map(|name| interned(name)).collect();
    let optional: Vec<&'static str> = COMMON.iter().copied().chain(fields.clone()).collect();
    let table = Table::read(bytes, &["title", "owner", "effective"], &optional)?;
    Ok((table, fields.into_iter().map(|name| (name.to_owned(), name)).collect()))
}

/// A name that lives as long as the program: each is kept once.
fn interned(name: &str) -> &'static str {
    use std::sync::{LazyLock, Mutex, PoisonError};
    static NAMES: LazyLock<Mutex<BTreeSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(held) = names.get(name) {
        return held;
    }
    let held: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(held);
    held
}

fn line(
    row: &Row,
    register: &Register,
    known: &BTreeMap<String, Says>,
    columns: &BTreeMap<String, &'static str>,
) -> Result<Line, (String, String)> {
    let text = |column: &str| row.get(column).map(|text| opened(text)).unwrap_or_default();
    let id = Some(text("id")).filter(|id| !id.is_empty());
    let before = match &id {
        None => None,
        Some(id) => Some(known.get(id).ok_or_else(|| {
            let reason = format!("this register has no record `{id}`");
            (reason, "leave `id` empty for a new record".to_owned())
        })?),
    };
    let fields = register.field.iter().filter_map(|field| {
        let column = columns.get(&field.id)?;
        // A column that is not there says nothing: what was said stays.
        if !row.contains_key(column) {
            let held = before.map(|says| says.get(&field.id).to_owned()).unwrap_or_default();
            return Some((field.id.clone(), held));
        }
        let text = text(column);
        let lines = field.kind == FieldKind::Text;
        Some((field.id.clone(), if lines { text.replace(BREAK, "\n") } else { text }))
    });
    let held = |column: &str, of: fn(&Says) -> &String| match row.contains_key(column) {
        true => text(column),
        false => before.map(of).cloned().unwrap_or_default(),
    };
    let about = match (row.contains_key("about"), before) {
        (false, Some(before)) => before.about.clone(),
        _ => {
            let parts = text("about");
            let parts = parts.split(';').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        }
    };
    let says = Says {
        title: text("title"),
        owner: text("owner"),
        about,
        effective: text("effective"),
        valid_until: held("valid_until", |says| &says.valid_until),
        link: held("link", |says| &says.link),
        link_sha256: held("link_sha256", |says| &says.link_sha256),
        file: before.and_then(|says| says.file.clone()),
        fields: fields.collect(),
    };
    Ok(Line { id, says: says.tidy(register) })
}

/// Writes a register: of each record what holds, or else what was said last, and how it stands.
pub fn write(register: &Register, records: &[&Record], now_us: i64) -> String {
    let fields = || register.field.iter().map(|field| field.id.as_str());
    let columns: Vec<&str> = COMMON.iter().copied().chain(fields()).chain(["state"]).collect();
    let mut out = columns.join(",") + "\r\n";
    for record in records {
        let Some(shown) = record.shown() else { continue };
        let says = &shown.says;
        let about: Vec<&str> = says.about.iter().map(String::as_str).collect();
        let common = [
            record.id.clone(),
            says.title.clone(),
            says.owner.clone(),
            about.join(";"),
            says.effective.clone(),
            says.valid_until.clone(),
            says.link.clone(),
            says.link_sha256.clone(),
        ];
        let rest = fields().map(|id| says.get(id).replace('\n', BREAK));
        let state = [record.standing(now_us).word().to_owned()];
        let cells = common.into_iter().chain(rest).chain(state);
        out.push_str(&cells.map(|cell| closed(&cell)).collect::<Vec<_>>().join(","));
        out.push_str("\r\n");
    }
    out
}
