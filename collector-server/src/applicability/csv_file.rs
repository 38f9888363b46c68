//! A Statement of Applicability as comma-separated text. What is written is read back the same, and
//! no cell of it is a formula to a spreadsheet.

use super::{Entry, Ground, Implementation};
use crate::expected::{BadFile, BadLine, Row, Table, closed, opened};
use std::collections::{BTreeMap, BTreeSet};

const COLUMNS: [&str; 9] = [
    "control",
    "title",
    "applicable",
    "grounds",
    "justification",
    "implementation",
    "owner",
    "references",
    "evidence_state",
];

/// Reads entries of controls; `title` and `evidence_state` are for people and not read. A control
/// that the file leaves out stays as it is.
pub fn parse(bytes: &[u8], controls: &BTreeSet<&str>) -> Result<Vec<Entry>, BadFile> {
    let table = Table::read(bytes, &["control", "applicable"], &COLUMNS)?;
    let mut bad = table.bad.clone();
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    let mut entries = vec![];
    for (line, row) in &table.rows {
        let mut refuse = |reason: String, remedy: &str| {
            bad.push(BadLine { line: *line, reason, remedy: remedy.to_owned() });
        };
        let entry = match entry(row) {
            Ok(entry) => entry,
            Err((reason, remedy)) => {
                refuse(reason, &remedy);
                continue;
            }
        };
        if !controls.contains(entry.control.as_str()) {
            let near = controls.iter().find(|id| id.ends_with(&format!(".{}", entry.control)));
            let remedy = match near {
                Some(id) => format!("write {id}"),
                None => "write an id of the catalogue, such as A.8.2".to_owned(),
            };
            refuse(format!("there is no control `{}`", entry.control), &remedy);
        } else if let Some(first) = lines.get(&entry.control) {
            let reason = format!("{} is in line {first} already", entry.control);
            refuse(reason, "keep one of the two");
        } else if let Err(error) = entry.check() {
            let text = error.to_string();
            let (reason, remedy) = text.split_once("; ").unwrap_or((&text, "correct it"));
            refuse(format!("{}: {reason}", entry.control), remedy);
        } else {
            lines.insert(entry.control.clone(), *line);
            entries.push(entry);
        }
    }
    if entries.is_empty() && bad.is_empty() {
        let (reason, remedy) =
            ("the file lists no control".into(), "add a line per control".into());
        bad.push(BadLine { line: 1, reason, remedy });
    }
    bad.sort_by_key(|bad| bad.line);
    if bad.is_empty() { Ok(entries) } else { Err(BadFile(bad)) }
}

fn entry(row: &Row) -> Result<Entry, (String, String)> {
    let text = |column: &str| row.get(column).map(|text| opened(text)).unwrap_or_default();
    let word = |column: &str| text(column).to_lowercase();
    let applicable = match word("applicable").as_str() {
        "" => None,
        "yes" | "y" | "true" => Some(true),
        "no" | "n" | "false" => Some(false),
        other => {
            return Err((
                format!("`{other}` is not yes or no"),
                "write yes, no, or nothing".into(),
            ));
        }
    };
    let ground = |word: &str| {
        let known = Ground::ALL.map(Ground::word).join(", ");
        Ground::from_word(&word.to_lowercase().replace(' ', "_"))
            .ok_or_else(|| (format!("`{word}` is no ground"), format!("write {known}")))
    };
    let implementation = match word("implementation").replace(' ', "_").as_str() {
        "" => None,
        word => Some(Implementation::from_word(word).ok_or_else(|| {
            let known = Implementation::ALL.map(Implementation::word).join(", ");
            (format!("`{word}` is no implementation status"), format!("write {known}"))
        })?),
    };
    let list = |column: &str| -> Vec<String> {
        let parts = text(column);
        let parts = parts.split(';').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    Ok(Entry {
        control: text("control"),
        applicable,
        grounds: list("grounds").iter().map(|word| ground(word)).collect::<Result<_, _>>()?,
        justification: text("justification"),
        implementation,
        owner: text("owner"),
        references: list("references"),
    })
}

/// Writes entries with the title and the evidence state of each control.
pub fn write(entries: &[Entry], said: impl Fn(&str) -> (String, String)) -> String {
    let mut text = COLUMNS.join(",") + "\r\n";
    for entry in entries {
        let (title, state) = said(&entry.control);
        let grounds: Vec<_> = entry.grounds.iter().map(|ground| ground.word()).collect();
        let cells = [
            entry.control.clone(),
            title,
            entry.applicable_word().to_owned(),
            grounds.join(";"),
            entry.justification.clone(),
            entry.implementation.map(Implementation::word).unwrap_or_default().to_owned(),
            entry.owner.clone(),
            entry.references.join(";"),
            state,
        ];
        text.push_str(&cells.map(|cell| closed(&cell)).join(","));
        text.push_str("\r\n");
    }
    text
}
