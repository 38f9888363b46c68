//! `groups`: what is said of groups.

use super::hosts::printable;
use super::{Data, Format, create, say, tell};
use crate::clock;
use crate::config::DurationText;
use crate::expected::{self, CRITICALITIES, ENVIRONMENTS};
use crate::life::service_us;
use crate::store::model::GroupRow;
use anyhow::{Context, bail};
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use comfy_table::{Table, presets};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Groups {
    /// List groups: environment, criticality, owner, hosts in service.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Say something of a group; what is not named stays as it is.
    Set {
        #[command(flatten)]
        data: Data,
        name: String,
        #[arg(long, value_parser = PossibleValuesParser::new(ENVIRONMENTS))]
        environment: Option<String>,
        #[arg(long, value_parser = PossibleValuesParser::new(CRITICALITIES))]
        criticality: Option<String>,
        /// The team that answers for it.
        #[arg(long)]
        owner: Option<String>,
        /// Who answers when the team does not.
        #[arg(long)]
        deputy: Option<String>,
        /// Who answers when neither does.
        #[arg(long)]
        fallback: Option<String>,
        /// Its hosts are short-lived: they end when silent for longer than --ttl.
        #[arg(long, requires = "ttl", conflicts_with = "lasting")]
        ephemeral: bool,
        /// 90m, 24h, 7d.
        #[arg(long, requires = "ephemeral")]
        ttl: Option<DurationText>,
        /// Its hosts are not short-lived any more.
        #[arg(long)]
        lasting: bool,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Describe groups from a CSV file: name, and perhaps environment, criticality, owner, deputy,
    /// fallback, ttl.
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
    /// How many hours hosts were in service, by group, between two moments.
    Hours {
        #[command(flatten)]
        data: Data,
        /// 2026-11-01T00:00:00Z
        #[arg(long)]
        from: jiff::Timestamp,
        #[arg(long)]
        to: Option<jiff::Timestamp>,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

impl Groups {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { data, format } => list(&data, format).await?,
            Self::Set {
                data,
                name,
                environment,
                criticality,
                owner,
                deputy,
                fallback,
                ttl,
                lasting,
                actor,
                ..
            } => {
                let store = create::open(&data.open()?).await?;
                if name.trim().is_empty() || name.chars().any(char::is_control) {
                    bail!("a group has a name of one line");
                }
                let groups = store.groups().await?;
                let held = groups.into_iter().find(|group| group.name == name);
                let held = held.unwrap_or(GroupRow { name, ..GroupRow::default() });
                let seconds =
                    |ttl: DurationText| i64::try_from(ttl.0.as_secs()).unwrap_or(i64::MAX);
                let group = GroupRow {
                    environment: environment.or(held.environment),
                    criticality: criticality.or(held.criticality),
                    owner: owner.or(held.owner),
                    deputy: deputy.or(held.deputy),
                    fallback: fallback.or(held.fallback),
                    ttl_s: ttl.map(seconds).or(held.ttl_s).filter(|_| !lasting),
                    ..held
                };
                store.describe_groups(&[group], &actor, clock::now_us()).await?;
            }
            Self::Import { data, file, dry_run, actor } => {
                let bytes = std::fs::read(&file);
                let bytes = bytes.with_context(|| format!("cannot read {}", file.display()))?;
                let groups = match expected::parse_groups(&bytes) {
                    Ok(groups) => groups,
                    Err(bad) => {
                        tell(&format!("{}: nothing was imported:", file.display()));
                        bad.0.iter().for_each(|bad| tell(&bad.to_string()));
                        return Ok(ExitCode::from(1));
                    }
                };
                if !dry_run {
                    let store = create::open(&data.open()?).await?;
                    store.describe_groups(&groups, &actor, clock::now_us()).await?;
                }
                tell(&format!(
                    "{} groups {}.",
                    groups.len(),
                    if dry_run { "are fine" } else { "are described" }
                ));
            }
            Self::Hours { data, from, to, format } => {
                let store = create::open(&data.open()?).await?;
                let now_us = clock::now_us();
                let to_us = to.map_or(now_us, |to| to.as_microsecond()).min(now_us);
                let spans = store.host_spans(None).await?;
                let hours: std::collections::BTreeMap<_, _> =
                    service_us(&spans, from.as_microsecond(), to_us)
                        .into_iter()
                        .map(|(group, us)| (group, us / 3_600_000_000))
                        .collect();
                match format {
                    Format::Json => say(&json!(hours).to_string()),
                    Format::Table => hours.iter().for_each(|(group, hours)| {
                        say(&format!("{hours:>8}  {}", printable(group)))
                    }),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(data: &Data, format: Format) -> anyhow::Result<()> {
    let groups = create::open(&data.open()?).await?.groups().await?;
    if format == Format::Json {
        say(&json!(groups).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "GROUP",
        "ENVIRONMENT",
        "CRITICALITY",
        "OWNER",
        "DEPUTY",
        "FALLBACK",
        "ENDS AFTER",
        "HOSTS",
    ]);
    for group in &groups {
        let word = |word: &Option<String>| printable(word.as_deref().unwrap_or("-"));
        let ttl = group.ttl_s.map_or("-".to_owned(), |ttl| format!("{ttl} s in silence"));
        table.add_row([
            printable(&group.name),
            word(&group.environment),
            word(&group.criticality),
            word(&group.owner),
            word(&group.deputy),
            word(&group.fallback),
            ttl,
            group.hosts.to_string(),
        ]);
    }
    say(&table.to_string());
    Ok(())
}
