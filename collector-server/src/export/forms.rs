//! How a record is written.

use super::{Record, Refused, What, ocsf};
use crate::expected::closed;
use serde_json::Value;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jsonl,
    Csv,
    /// One OCSF event a line.
    Ocsf,
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl | Self::Ocsf => "application/jsonl; charset=utf-8",
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Ocsf => "ocsf.jsonl",
        }
    }

    /// A record, with its line end.
    pub(super) fn write(self, what: What, record: &Record, out: &mut String) {
        match self {
            Self::Csv => {
                let cells = what.columns().iter().map(|column| cell(record.get(*column)));
                out.push_str(&cells.collect::<Vec<_>>().join(","));
                out.push_str("\r\n");
            }
            Self::Jsonl => line(&Value::Object(record.clone()), out),
            Self::Ocsf => line(&ocsf::finding(what, record), out),
        }
    }
}

impl FromStr for Format {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        match text {
            "jsonl" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            "ocsf" => Ok(Self::Ocsf),
            _ => Err(Refused::Form),
        }
    }
}

/// The first line of a file that has one.
pub fn header(format: Format, what: What) -> String {
    match format {
        Format::Csv => format!("{}\r\n", what.columns().join(",")),
        Format::Jsonl | Format::Ocsf => String::new(),
    }
}

fn line(value: &Value, out: &mut String) {
    out.push_str(&value.to_string());
    out.push('\n');
}

/// A cell: text is never a formula; numbers are numbers, a list is its items by lines.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(is)) => is.to_string(),
        Some(Value::String(text)) => closed(text),
        Some(Value::Array(items)) => {
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            closed(&items.iter().map(text).collect::<Vec<_>>().join("\n"))
        }
        Some(other) => closed(&other.to_string()),
    }
}
