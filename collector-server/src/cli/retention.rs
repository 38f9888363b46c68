//! `retention`: what would be erased, and legal holds.

use super::hosts::printable;
use super::{Data, Format, create, say};
use crate::clock;
use crate::retention::{Planned, sweep};
use crate::scope::Scope;
use crate::store::HoldRow;
use crate::web::page::When;
use clap::Subcommand;
use comfy_table::{Table, presets};
use serde_json::json;

#[derive(Subcommand)]
pub(super) enum RetentionCommand {
    /// Print what is old enough to be erased now, and what is kept all the same. Erases nothing.
    Plan {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Keep all evidence of a part of the organisation, whatever its age. Prints the hold's id.
    Hold {
        #[command(flatten)]
        data: Data,
        /// organisation, isms:ID, group:NAME or host:ID; a host that ever was in it counts.
        #[arg(long)]
        scope: Scope,
        #[arg(long)]
        reason: String,
        #[arg(long, default_value = "operator")]
        actor: String,
    },
    /// Release a legal hold: what is old enough goes with the next day.
    Release {
        #[command(flatten)]
        data: Data,
        id: String,
        /// Why.
        #[arg(long)]
        note: String,
        #[arg(long, default_value = "operator")]
        actor: String,
    },
    /// List legal holds, those that hold first.
    Holds {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

impl RetentionCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let now_us = clock::now_us();
        match self {
            Self::Plan { data, format } => {
                let data = data.open()?;
                let (config, store) = (data.config(None)?, create::open(&data).await?);
                let planned = sweep(&store, &config.retention, false, now_us, None).await?;
                store.close().await;
                tell_plan(&planned, format);
            }
            Self::Hold { data, scope, reason, actor } => {
                let store = create::open(&data.open()?).await?;
                let id = store.set_hold(&scope, &reason, &actor, now_us).await??;
                store.close().await;
                say(&id);
            }
            Self::Release { data, id, note, actor } => {
                let store = create::open(&data.open()?).await?;
                store.release_hold(&id, &note, &actor, now_us).await??;
                store.close().await;
            }
            Self::Holds { data, format } => {
                let store = create::open(&data.open()?).await?;
                let holds = store.holds().await?;
                store.close().await;
                tell_holds(&holds, format);
            }
        }
        Ok(())
    }
}

fn tell_plan(planned: &[Planned], format: Format) {
    if format == Format::Json {
        planned.iter().for_each(|kind| say(&json!(kind).to_string()));
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["kind", "months", "over before", "bodies", "bytes", "in force", "held"]);
    for kind in planned {
        table.add_row([
            kind.kind.clone(),
            kind.months.to_string(),
            When::cell(kind.cutoff_us).text,
            kind.bodies.to_string(),
            kind.bytes.to_string(),
            kind.in_force.to_string(),
            kind.held.to_string(),
        ]);
    }
    say(table.to_string().trim_end());
    let bodies: u64 = planned.iter().map(|kind| kind.bodies).sum();
    say(&format!(
        "{bodies} bodies are old enough to go. Their hashes, manifests, results and the log stay."
    ));
}

fn tell_holds(holds: &[HoldRow], format: Format) {
    if format == Format::Json {
        holds.iter().for_each(|hold| say(&json!(hold).to_string()));
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["id", "scope", "since", "released", "reason"]);
    for hold in holds {
        table.add_row([
            hold.id.clone(),
            printable(&hold.scope),
            When::cell(hold.set_us).text,
            hold.released_us.map(|us| When::cell(us).text).unwrap_or_default(),
            printable(&hold.reason),
        ]);
    }
    say(table.to_string().trim_end());
}
