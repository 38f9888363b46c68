//! `evidenced-collector assess`: judges one document of `evidenced-agent collect --format json`
//! without a collector.
//!
//! Takes the bytes of the document and gives results, their rendering and the exit code. Reading
//! and printing is the command line's.

use crate::judge::{HostState, Judge, KindState, Outcome, Reason, Severity, today_day};
use evidence::canonical::{self, CanonicalError};
use evidence::facts::FactsError;
use evidence::{Facts, Source, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// The only schema there is.
pub const SCHEMA: &str = "evidenced/1";

/// Exit codes of `assess`.
pub mod exit {
    /// Every rule passes or does not apply.
    pub const PASS: u8 = 0;
    /// The document could not be read.
    pub const TROUBLE: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// A rule fails.
    pub const FAIL: u8 = 3;
    /// No rule fails, and some are unknown.
    pub const UNKNOWN: u8 = 5;
}

/// One line of the output: what a rule says of the host, and which controls it supports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResultWithControls {
    pub rule: String,
    pub controls: Vec<String>,
    pub outcome: Outcome,
    pub offenders: Vec<String>,
    /// Null unless the outcome is unknown.
    pub reason: Option<Reason>,
    /// Orders the table; not part of a line.
    #[serde(skip, default = "info")]
    pub severity: Severity,
}

fn info() -> Severity {
    Severity::Info
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: failures first.
    Table,
    /// One JSON object per line.
    Json,
}

/// The document is refused. Collect it again with an agent of this version.
#[derive(Debug, thiserror::Error)]
pub enum AssessError {
    #[error("not a document of `evidenced-agent collect --format json`: {0}")]
    Json(#[from] CanonicalError),
    #[error("not a document of `evidenced-agent collect --format json`: {0}")]
    Shape(serde_json::Error),
    #[error("schema `{0}` is not {SCHEMA}")]
    Schema(String),
    #[error("kind `{kind}`: {source}")]
    Facts { kind: String, source: FactsError },
    #[error("kind `{kind}` holds facts of kind `{found}`")]
    Kind { kind: String, found: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    collected_at_s: i64,
    #[serde(rename = "root")]
    _root: Option<String>,
    kinds: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    status: Status,
    #[serde(rename = "sources", default)]
    _sources: Vec<Source>,
    #[serde(default)]
    unread: Vec<String>,
    facts: Option<Body>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    kind: String,
    v: i64,
    data: Value,
}

/// The state a document describes, and the day on which it was collected.
pub fn read(input: &[u8]) -> Result<(HostState, i64), AssessError> {
    let value = canonical::from_slice(input)?;
    if let Some(schema) = value.get("schema").and_then(Value::as_str).filter(|s| *s != SCHEMA) {
        return Err(AssessError::Schema(schema.to_owned()));
    }
    let document: Document = serde_json::from_value(value).map_err(AssessError::Shape)?;
    if document.schema != SCHEMA {
        return Err(AssessError::Schema(document.schema));
    }
    let mut host = HostState::default();
    for (kind, entry) in document.kinds {
        let facts = entry.facts.map(|body| facts(&kind, body)).transpose()?.map(Arc::new);
        host.kinds.insert(kind, KindState { status: entry.status, unread: entry.unread, facts });
    }
    Ok((host, today_day(document.collected_at_s)))
}

fn facts(kind: &str, body: Body) -> Result<Facts, AssessError> {
    if body.kind != kind {
        return Err(AssessError::Kind { kind: kind.to_owned(), found: body.kind });
    }
    Facts::new(kind, body.v, body.data)
        .map_err(|source| AssessError::Facts { kind: kind.to_owned(), source })
}

/// Judges a document as of `today`; `None` takes the day on which it was collected.
pub fn assess(
    input: &[u8],
    judge: &Judge,
    today: Option<i64>,
) -> Result<Vec<RuleResultWithControls>, AssessError> {
    let (host, collected) = read(input)?;
    let results = judge.judge(&host, today.unwrap_or(collected)).into_iter();
    let with_controls = results.zip(judge.rules().rules_of("")).map(|(result, rule)| {
        let (controls, severity) = (rule.controls.clone(), rule.severity);
        RuleResultWithControls {
            rule: result.rule,
            controls,
            outcome: result.outcome,
            offenders: result.offenders,
            reason: result.reason,
            severity,
        }
    });
    Ok(with_controls.collect())
}

/// Exit code of the command.
pub fn exit_code(results: &[RuleResultWithControls], allow_unknown: bool) -> u8 {
    let any = |outcome| results.iter().any(|result| result.outcome == outcome);
    match (any(Outcome::Fail), any(Outcome::Unknown)) {
        (true, _) => exit::FAIL,
        (false, true) if !allow_unknown => exit::UNKNOWN,
        _ => exit::PASS,
    }
}

/// The results as text, ending in a line break.
pub fn render(results: &[RuleResultWithControls], format: Format) -> String {
    match format {
        Format::Json => results.iter().filter_map(|r| serde_json::to_string(r).ok()).fold(
            String::new(),
            |mut text, line| {
                text.push_str(&line);
                text.push('\n');
                text
            },
        ),
        Format::Table => table(results),
    }
}

fn table(results: &[RuleResultWithControls]) -> String {
    let of = |outcome| {
        let mut found: Vec<_> = results.iter().filter(|r| r.outcome == outcome).collect();
        found.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.rule.cmp(&b.rule)));
        found
    };
    let (failed, unknown) = (of(Outcome::Fail), of(Outcome::Unknown));
    let mut text = String::new();
    if !failed.is_empty() || !unknown.is_empty() {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["OUTCOME", "SEVERITY", "RULE", "CONTROLS", "WHAT"]);
        for result in failed.iter().chain(&unknown) {
            let what = match result.reason {
                Some(reason) => reason.as_str().to_owned(),
                None => result.offenders.join(", "),
            };
            table.add_row([
                result.outcome.as_str().to_owned(),
                result.severity.as_str().to_owned(),
                result.rule.clone(),
                result.controls.join(" "),
                printable(&what),
            ]);
        }
        let _ = writeln!(text, "{}\n", table.trim_fmt());
    }
    let count = |outcome| results.iter().filter(|r| r.outcome == outcome).count();
    let _ = writeln!(
        text,
        "{} rules: {} fail, {} unknown, {} pass, {} not applicable",
        results.len(),
        failed.len(),
        unknown.len(),
        count(Outcome::Pass),
        count(Outcome::NotApplicable),
    );
    text
}

/// Hosts choose the names in here, so control characters are written out.
fn printable(text: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().collect::<String>(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests;
