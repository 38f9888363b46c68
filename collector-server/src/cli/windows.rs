//! `windows`: changes that were announced, and what they may do.

use super::hosts::printable;
use super::{Data, Format, create, say, tell};
use crate::clock;
use crate::store::{Store, WindowRow};
use crate::window::{self, Known};
use anyhow::{Context, bail};
use clap::Subcommand;
use comfy_table::{Table, presets};
use evidence::HostId;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Windows {
    /// List windows, the latest first.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Announce changes from a CSV file: from, to, ticket, and of groups, hosts, rules, kinds and
    /// populations what there is, with spaces between names.
    Import {
        #[command(flatten)]
        data: Data,
        file: PathBuf,
        /// Only say what is wrong with the file.
        #[arg(long)]
        dry_run: bool,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Cancel one: it excuses nothing any more.
    Cancel {
        #[command(flatten)]
        data: Data,
        id: String,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
}

impl Windows {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { data, format } => list(&data, format).await?,
            Self::Import { data, file, dry_run, actor } => {
                return import(&data, &file, dry_run, &actor).await;
            }
            Self::Cancel { data, id, actor } => {
                let store = create::open(&data.open()?).await?;
                store.cancel_window(&id, &actor, clock::now_us()).await??;
                tell(&format!("Window {id} is cancelled."));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn import(
    data: &Data,
    file: &PathBuf,
    dry_run: bool,
    actor: &str,
) -> anyhow::Result<ExitCode> {
    let bytes = std::fs::read(file);
    let bytes = bytes.with_context(|| format!("cannot read {}", file.display()))?;
    let store = create::open(&data.open()?).await?;
    let (rules, groups, hosts) = named(&store).await?;
    let known = Known { rules: &rules, groups: &groups, hosts: &hosts };
    let now_us = clock::now_us();
    let windows = match window::parse(&bytes, &known, now_us) {
        Ok(windows) => windows,
        Err(bad) => {
            tell(&format!("{}: nothing was imported:", file.display()));
            bad.0.iter().for_each(|bad| tell(&bad.to_string()));
            return Ok(ExitCode::from(1));
        }
    };
    if !dry_run {
        for id in store.create_windows(&windows, actor, now_us).await? {
            say(&id);
        }
    }
    let done = if dry_run { "are fine" } else { "are announced" };
    tell(&format!("{} windows {done}.", windows.len()));
    Ok(ExitCode::SUCCESS)
}

type Named = (BTreeSet<String>, BTreeSet<String>, BTreeMap<String, Vec<HostId>>);

/// Rules, groups and hosts there are.
async fn named(store: &Store) -> anyhow::Result<Named> {
    let Some(sources) = store.active_rules().await? else {
        bail!("no rule judges yet: `evidenced-collector serve` once");
    };
    let rules = super::exceptions::severities_of(&sources).into_keys().collect();
    let groups = store.host_groups().await?.into_iter().collect();
    let mut hosts: BTreeMap<String, Vec<HostId>> = BTreeMap::new();
    for row in store.hosts().await? {
        hosts.entry(row.name).or_default().push(row.id);
    }
    Ok((rules, groups, hosts))
}

async fn list(data: &Data, format: Format) -> anyhow::Result<()> {
    let rows = create::open(&data.open()?).await?.windows(10_000).await?;
    if format == Format::Json {
        let row = |row: &WindowRow| {
            json!({"id": row.id, "from_us": row.from_us, "to_us": row.to_us, "ticket": row.ticket,
                   "names": row.names, "created_by": row.created_by,
                   "cancelled_us": row.cancelled_us, "drifts": row.drifts, "open": row.open})
        };
        say(&json!(rows.iter().map(row).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    let at = |us: i64| {
        let at = jiff::Timestamp::from_microsecond(us);
        at.map_or_else(|_| us.to_string(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["ID", "TICKET", "FROM, UTC", "TO, UTC", "NAMES", "DRIFTS"]);
    for row in &rows {
        let names = row.names.iter().map(|(sort, names)| format!("{sort} {}", names.join(" ")));
        let cancelled = row.cancelled_us.map_or("", |_| " (cancelled)");
        table.add_row([
            row.id.clone(),
            printable(&row.ticket),
            at(row.from_us),
            format!("{}{cancelled}", at(row.to_us)),
            printable(&names.collect::<Vec<_>>().join("; ")),
            format!("{} ({} open)", row.drifts, row.open),
        ]);
    }
    say(&table.to_string());
    Ok(())
}
