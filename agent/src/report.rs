//! What `collect`, `kinds` and `schema` print.

use crate::host::Host;
use std::path::Path;

pub struct Report;

pub fn gather(_: &Host, _: &Path, _: &[String], _: i64) -> anyhow::Result<Report> {
    Ok(Report)
}

impl Report {
    pub fn to_json(&self) -> String {
        "{}".into()
    }

    pub fn to_table(&self, _width: u16) -> String {
        String::new()
    }
}

pub fn kinds_table() -> String {
    String::new()
}

pub fn schema(kind: &str) -> anyhow::Result<String> {
    anyhow::bail!("no kind `{kind}`")
}
