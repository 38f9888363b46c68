//! What `evidenced-agent collect`, `kinds` and `schema` say: one collection of this machine or of
//! another root, for machines (JSON) and for people (a table).

mod kinds;

pub use kinds::{kinds_json, kinds_table};

use crate::collectors::Collected;
use crate::host::Host;
use crate::kinds::{AnyKind, Kinds};
use crate::suggestion::hint;
use comfy_table::{ContentArrangement, Table};
use evidence::{Source, Status};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most reasons shown for one kind; the JSON has all of them.
const MAX_REASONS: usize = 8;

/// The kinds as they were gathered at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// What was read: `/`, or the directory given with `--root`.
    pub root: String,
    /// Seconds since the epoch, UTC.
    pub collected_at_s: i64,
    pub kinds: BTreeMap<String, Collected>,
}

/// There is no such kind; the message says which there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind `{kind}`{hint}")]
pub struct UnknownKind {
    pub kind: String,
    hint: String,
}

/// Gathers kinds, or all of them where none is named.
pub fn gather(
    host: &Host,
    root: &str,
    known: &Kinds,
    kinds: &[String],
    now_s: i64,
) -> Result<Collection, UnknownKind> {
    let named = kinds.iter().map(|kind| find(known, kind)).collect::<Result<Vec<_>, _>>()?;
    let chosen = if named.is_empty() { known.all().collect() } else { named };
    let gathered = chosen.iter().map(|kind| (kind.name().to_owned(), kind.collect(host)));
    Ok(Collection { root: root.to_owned(), collected_at_s: now_s, kinds: gathered.collect() })
}

/// The JSON Schema (2020-12) of a kind's `data`, indented.
pub fn schema(known: &Kinds, kind: &str) -> Result<String, UnknownKind> {
    Ok(format!("{:#}", find(known, kind)?.schema()))
}

fn find<'k>(known: &'k Kinds, kind: &str) -> Result<AnyKind<'k>, UnknownKind> {
    known.find(kind).ok_or_else(|| {
        let known: Vec<_> = known.all().map(AnyKind::name).collect();
        UnknownKind { kind: kind.to_owned(), hint: hint(kind, &known) }
    })
}

impl Collection {
    /// The document `evidenced/1`, which `evidenced-collector assess` reads.
    pub fn to_json(&self) -> Value {
        let kinds = self.kinds.iter().map(|(kind, collected)| (kind.clone(), document(collected)));
        json!({
            "schema": "evidenced/1",
            "collected_at_s": self.collected_at_s,
            "root": self.root,
            "kinds": kinds.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// A line for each kind, at most `width` columns wide where its words allow: status, how much
    /// it says, and for what is not `ok` the reasons.
    pub fn to_table(&self, width: u16) -> String {
        let mut table = plain_table();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        table.set_header(["KIND", "STATUS", "FACTS", "WHY"]);
        for (kind, collected) in &self.kinds {
            let status = collected.status.as_str().to_owned();
            let why = reasons(collected).join("\n");
            table.add_row([printable(kind), status, extent(collected), why]);
        }
        text(&mut table)
    }
}

fn document(collected: &Collected) -> Value {
    let mut document = json!({
        "status": collected.status,
        "sources": collected.sources,
        "unread": collected.unread,
    });
    if let (Some(facts), Some(members)) = (&collected.facts, document.as_object_mut()) {
        let facts = json!({ "kind": facts.kind, "v": facts.v, "data": facts.data });
        members.insert("facts".to_owned(), facts);
    }
    document
}

/// `7 fields, 838 items`: keys of the facts, and members of the lists directly in them.
fn extent(collected: &Collected) -> String {
    let Some(Value::Object(data)) = collected.facts.as_ref().map(|facts| &facts.data) else {
        return "none".to_owned();
    };
    let lists: Vec<_> = data.values().filter_map(Value::as_array).collect();
    let fields = counted(data.len(), "field");
    match lists.iter().map(|list| list.len()).sum() {
        _ if lists.is_empty() => fields,
        items => format!("{fields}, {}", counted(items, "item")),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Why a kind is not `ok`: fields that were not read, then sources with a fault. Paths that are
/// merely absent are a reason only where that is what the status says.
fn reasons(collected: &Collected) -> Vec<String> {
    if collected.status == Status::Ok {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    if !collected.unread.is_empty() {
        reasons.push(format!("not read: {}", printable(&collected.unread.join(", "))));
    }
    let faulty = |source: &&Source| match source.status {
        Status::Ok => source.note.is_some(),
        Status::Absent => source.note.is_some() || collected.status == Status::Absent,
        _ => true,
    };
    reasons.extend(collected.sources.iter().filter(faulty).map(reason));
    if reasons.len() > MAX_REASONS {
        let more = reasons.split_off(MAX_REASONS).len();
        reasons.push(format!("and {more} more: see --format json"));
    }
    if reasons.is_empty() && collected.sources.is_empty() && collected.status == Status::Unsupported
    {
        reasons.push("needs the running system".to_owned());
    }
    reasons
}

fn reason(source: &Source) -> String {
    let path = printable(&source.path);
    match (&source.note, source.status) {
        (Some(note), Status::Ok) => format!("{path}: {}", printable(note)),
        (Some(note), status) => format!("{path} {status}: {}", printable(note)),
        (None, status) => format!("{path} {status}"),
    }
}

/// Names come from the machine that is read: nothing in them moves the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Columns two blanks apart, no lines.
fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table
}

fn text(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests;
