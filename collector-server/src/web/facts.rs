//! The facts of one kind on one host: how they were read, from which sources, and what they say.

use super::difference::{self, Change};
use super::flatten::{self, Group};
use super::marks::{self, Mark};
use super::page::{Frame, Pair, When, age, count, facts_path, host_path, plural};
use crate::store::KindSpan;
use crate::store::model::{HostRow, KindRow};
use askama::Template;
use evidence::{Facts, Status, kinds};
use std::collections::BTreeMap;

/// Rows that are open on the page, and rows it has at all.
const MAX_OPEN: usize = 200;
const MAX_ROWS: usize = 2_000;
/// Differences shown.
const MAX_CHANGES: usize = 100;

/// What the page is built from.
pub struct Input<'a> {
    pub now_us: i64,
    pub host: &'a HostRow,
    pub row: &'a KindRow,
    /// When the check-in came that collected it last.
    pub received_us: Option<i64>,
    /// When the body was erased.
    pub erased_us: Option<i64>,
    /// The body, when the store has it.
    pub facts: Option<&'a Facts>,
    /// The earlier state it is compared with, with its body when the store has it.
    pub previous: Option<(&'a KindSpan, Option<&'a Facts>)>,
    /// States there were, the latest first, the one that holds included.
    pub history: &'a [KindSpan],
}

#[derive(Template)]
#[template(path = "facts.html")]
pub struct FactsPage {
    pub frame: Frame,
    pub host: String,
    pub host_path: String,
    pub kind: String,
    /// What the kind is, for people; empty for a kind this collector does not know.
    pub about: &'static str,
    pub mark: Mark,
    pub says: String,
    pub sources: Vec<SourceLine>,
    pub sources_say: String,
    pub unread: Vec<String>,
    pub changed: Option<Changed>,
    pub facts: FactTables,
    /// Where the whole of it is; none without a body.
    pub json: Option<String>,
    pub times: Vec<Pair>,
    pub ids: Vec<Pair>,
}

pub struct SourceLine {
    pub path: String,
    pub mark: Mark,
    pub bytes: String,
    pub modified: Option<When>,
    pub note: String,
}

/// What is different from an earlier state.
pub struct Changed {
    /// `held 2026-11-01 02:10 to 2026-11-23 06:11`.
    pub held: String,
    /// The status before, when it was another one.
    pub status: Option<Mark>,
    pub rows: Vec<Change>,
    /// Why there are no rows.
    pub empty: &'static str,
    pub more: Option<String>,
    /// Differences in sources and in what is unread.
    pub reading: Vec<Change>,
    pub reading_more: Option<String>,
    /// Earlier states to compare with.
    pub choices: Vec<StateChoice>,
}

pub struct StateChoice {
    /// Since when it held, microseconds.
    pub value: i64,
    /// `2026-11-01 02:10 to 2026-11-23 06:11, ok`.
    pub word: String,
    pub chosen: bool,
}

/// The rows of the facts: open, folded, and left to the JSON.
pub struct FactTables {
    pub total: usize,
    /// Whether any fact says which line decided it.
    pub origins: bool,
    /// Why there are none.
    pub empty: &'static str,
    pub open: Vec<FactGroup>,
    pub folded: Vec<FactGroup>,
    /// `1,800 more facts`.
    pub folded_say: String,
    pub left_out: Option<String>,
}

pub struct FactGroup {
    pub name: String,
    /// What the key means, by the kind's schema.
    pub about: String,
    pub rows: Vec<flatten::Fact>,
}

/// Address of the facts as JSON.
pub fn json_path(host: evidence::HostId, kind: &str) -> String {
    format!("{}/facts.json", facts_path(host, kind))
}

pub fn page(frame: Frame, input: &Input<'_>) -> FactsPage {
    let Input { host, row, .. } = input;
    let mut sources: Vec<SourceLine> = row.sources.iter().map(source_line).collect();
    // What was not read first; otherwise as the agent read them.
    sources.sort_by_key(|source| source.mark.shape != "blind");
    FactsPage {
        frame,
        host: host.name.clone(),
        host_path: host_path(host.id),
        kind: row.kind.clone(),
        about: kinds::find(&row.kind).map(|kind| kind.title).unwrap_or_default(),
        mark: marks::of_status(row.status),
        says: says(row),
        sources_say: sources_say(row),
        sources,
        unread: row.unread.clone(),
        changed: changed(input),
        facts: tables(input),
        json: input.facts.map(|_| json_path(host.id, &row.kind)),
        times: times(input),
        ids: ids(input),
    }
}

fn says(row: &KindRow) -> String {
    let status = match row.status {
        Status::Ok => "Everything this kind needs was read.",
        Status::Partial => "Some of it was not read; rules that need what is missing are unknown.",
        Status::Absent => "No source of this kind exists on the host.",
        Status::Denied => "Permission was refused; its rules are unknown.",
        Status::ParseError => "A source does not follow its format; its rules are unknown.",
        Status::NotApplicable => "This kind has no meaning on this host, by positive proof.",
        Status::Unsupported => {
            "The agent has no proven way to read this here; its rules are unknown."
        }
        Status::Timeout => "Reading took too long and was given up; its rules are unknown.",
        Status::Truncated => "A bound on size or number was reached; its rules are unknown.",
        Status::IoError => "The machine failed to read it; its rules are unknown.",
    };
    match row.unread.len() {
        0 if row.status == Status::Ok => format!("{status} Nothing is unread."),
        0 => status.to_owned(),
        n => format!("{status} {} unread.", plural(n, "field")),
    }
}

fn source_line(source: &evidence::Source) -> SourceLine {
    let us = |seconds: i64| seconds.saturating_mul(1_000_000);
    SourceLine {
        path: source.path.clone(),
        mark: marks::of_status(source.status),
        bytes: source.size_bytes.map(bytes).unwrap_or_default(),
        modified: source.modified_s.map(|seconds| When::cell(us(seconds))),
        note: source.note.clone().unwrap_or_default(),
    }
}

/// A size below zero is shown as the host said it.
fn bytes(size: i64) -> String {
    u64::try_from(size).map_or_else(|_| size.to_string(), count)
}

fn sources_say(row: &KindRow) -> String {
    let ok = row.sources.iter().filter(|source| source.status == Status::Ok).count();
    format!("{ok} of {} read", row.sources.len())
}

fn changed(input: &Input<'_>) -> Option<Changed> {
    let (span, body) = input.previous?;
    let row = &span.row;
    let mut rows = match (body, input.facts) {
        (Some(before), Some(after)) => difference::changes(&before.data, &after.data),
        _ => Vec::new(),
    };
    let more = shorten(&mut rows);
    let mut reading = difference::of_reading(row, input.row);
    let reading_more = shorten(&mut reading);
    Some(Changed {
        held: format!("held {}", held(span)),
        status: (row.status != input.row.status).then(|| marks::of_status(row.status)),
        empty: match (row.facts, body, input.facts) {
            (None, ..) => "There were no facts before.",
            (Some(_), Some(_), Some(_)) => "The facts are the same.",
            _ => "One of the two bodies is not here, so the facts cannot be compared.",
        },
        rows,
        more,
        reading,
        reading_more,
        choices: choices(input, span),
    })
}

/// Cuts the list to what is shown; says what is left out.
fn shorten(rows: &mut Vec<Change>) -> Option<String> {
    let more = rows.len().saturating_sub(MAX_CHANGES);
    rows.truncate(MAX_CHANGES);
    (more > 0).then(|| plural(more, "more difference"))
}

fn held(span: &KindSpan) -> String {
    let from = When::cell(span.row.since_us).text;
    match span.to_us {
        Some(to_us) => format!("{from} to {}", When::of(to_us).text),
        None => format!("since {from} UTC"),
    }
}

fn choices(input: &Input<'_>, chosen: &KindSpan) -> Vec<StateChoice> {
    let earlier = input.history.iter().filter(|span| span.row.since_us < input.row.since_us);
    let choice = |span: &KindSpan| StateChoice {
        value: span.row.since_us,
        word: format!("{}, {}", held(span), span.row.status),
        chosen: span.row.since_us == chosen.row.since_us,
    };
    earlier.map(choice).collect()
}

fn tables(input: &Input<'_>) -> FactTables {
    let groups = input.facts.map(|facts| flatten::groups(&facts.data)).unwrap_or_default();
    let total = flatten::len(&groups);
    let origins = groups.iter().flat_map(|group| &group.rows).any(|row| !row.from.is_empty());
    let (open, rest) = flatten::take(groups, MAX_OPEN);
    let (folded, left_out) = flatten::take(rest, MAX_ROWS - MAX_OPEN);
    let abouts = abouts(&input.row.kind);
    let with_about = |group: Group| FactGroup {
        about: abouts.get(&group.name).cloned().unwrap_or_default(),
        name: group.name,
        rows: group.rows,
    };
    let n_left = flatten::len(&left_out);
    FactTables {
        total,
        origins,
        empty: match (input.row.facts, input.facts) {
            (None, _) => "The host sent no facts of this kind: see its status and sources.",
            (Some(_), None) => {
                "The facts are named, but their body is not here: it was not received yet, or it \
                 was erased."
            }
            (Some(_), Some(_)) => "The facts are an empty object.",
        },
        folded_say: format!("{} more facts", count(flatten::len(&folded) as u64)),
        open: open.into_iter().map(with_about).collect(),
        folded: folded.into_iter().map(with_about).collect(),
        left_out: (n_left > 0).then(|| plural(n_left, "fact")),
    }
}

/// First sentences of the schema's descriptions, by top-level key.
fn abouts(kind: &str) -> BTreeMap<String, String> {
    let Some(schema) = kinds::find(kind).map(|kind| kind.schema()) else { return BTreeMap::new() };
    let properties = schema.get("properties").and_then(|properties| properties.as_object());
    let about = |(key, property): (&String, &serde_json::Value)| {
        let text = property.get("description")?.as_str()?;
        // Lines of the contract end anywhere.
        let text = text.replace('\n', " ");
        let sentence = text.split_once(". ").map_or(text.as_str(), |(first, _)| first);
        Some((key.clone(), sentence.trim_end_matches('.').replace('`', "")))
    };
    properties.map(|all| all.iter().filter_map(about).collect()).unwrap_or_default()
}

fn times(input: &Input<'_>) -> Vec<Pair> {
    let since = input.row.since_us;
    let mut pairs = vec![Pair::said(
        "Holds since",
        format!("{}, {}", When::of(since).text, age(since, input.now_us)),
    )];
    pairs.push(Pair::said(
        "Last collected",
        match input.row.collected_us {
            Some(us) => format!("{}, {} ago", When::of(us).text, age(us, input.now_us)),
            None => "not known".to_owned(),
        },
    ));
    let time = |us: Option<i64>, none: &str| us.map_or(none.to_owned(), |us| When::of(us).text);
    pairs.push(Pair::said("Received", time(input.received_us, "not known")));
    let heard = input.host.last_received_us;
    pairs.push(Pair::said("Host last received", time(heard, "nothing yet")));
    pairs.push(Pair::said("Counts until", time(input.host.valid_until_us(), "not known")));
    if let Some(us) = input.erased_us {
        pairs.push(Pair::said("Body erased", When::of(us).text));
    }
    pairs
}

fn ids(input: &Input<'_>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    if let Some(facts) = input.row.facts {
        pairs.push(Pair::mono("Facts", facts.to_string()));
    }
    if let Some(facts) = input.facts {
        pairs.push(Pair::said("Version", facts.v.to_string()));
    }
    if let Some(manifest) = input.host.manifest {
        pairs.push(Pair::mono("Manifest", manifest.to_string()));
    }
    pairs
}

#[cfg(test)]
mod tests;
