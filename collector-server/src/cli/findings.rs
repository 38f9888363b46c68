//! `findings`: nonconformities and improvements. They are raised and worked on by people who are
//! signed in, or by programs in the API.

use super::hosts::printable;
use super::{Data, Format, create, say};
use crate::clock;
use crate::finding::State;
use crate::store::FindingRow;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use comfy_table::{Table, presets};
use serde_json::json;

#[derive(Subcommand)]
pub(super) enum Findings {
    /// List findings, those that are due first before the others.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str)))]
        state: Option<String>,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

impl Findings {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self::List { data, state, format } = self;
        let now_us = clock::now_us();
        let mut rows = create::open(&data.open()?).await?.findings().await?;
        rows.retain(|row| state.as_deref().is_none_or(|state| row.state.as_str() == state));
        if format == Format::Json {
            let row = |row: &FindingRow| {
                json!({"id": row.id, "state": row.state, "revision": row.revision,
                       "overdue": row.is_overdue(now_us), "says": row.finding})
            };
            say(&json!(rows.iter().map(row).collect::<Vec<_>>()).to_string());
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["ID", "STATE", "GRADE", "AGAINST", "OWNER", "DUE", "TITLE"]);
        for row in &rows {
            let about: Vec<_> = row.finding.about.iter().map(String::as_str).collect();
            let overdue = if row.is_overdue(now_us) { ", overdue" } else { "" };
            table.add_row([
                row.id.clone(),
                format!("{}{overdue}", row.state.as_str()),
                row.finding.grade.as_str().to_owned(),
                printable(&about.join(", ")),
                printable(&row.finding.owner),
                super::exceptions::day(row.finding.due_us),
                printable(&row.finding.title),
            ]);
        }
        say(&table.to_string());
        Ok(())
    }
}
