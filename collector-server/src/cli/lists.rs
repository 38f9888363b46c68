//! `lists`: which members of a population a group may have.

use super::hosts::printable;
use super::{Data, Format, create, say, tell};
use crate::approved::Standing;
use crate::clock;
use crate::config::DurationText;
use crate::store::{Decision, ListRow, MemberRow};
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use serde_json::json;

#[derive(Subcommand)]
pub(super) enum Lists {
    /// List every population of every group.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show the members of one list, those to decide on first.
    Show {
        #[command(flatten)]
        data: Data,
        group: String,
        population: String,
        /// The list as it was at this moment: 2026-09-01T00:00:00Z.
        #[arg(long)]
        at: Option<jiff::Timestamp>,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Propose what hosts of a group show now as its list.
    Learn {
        #[command(flatten)]
        data: Data,
        group: String,
        population: String,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Accept, refuse or take off members of a list.
    Decide(Box<Decide>),
}

#[derive(Args)]
pub(super) struct Decide {
    #[command(flatten)]
    data: Data,
    group: String,
    population: String,
    #[arg(value_enum)]
    decision: Word,
    /// A member; may be repeated.
    #[arg(long = "member", required = true)]
    members: Vec<String>,
    /// Accept for a time only: 30d.
    #[arg(long = "for", value_parser = DurationText::positive)]
    lasting: Option<DurationText>,
    #[arg(long, default_value = "")]
    note: String,
    #[arg(long, default_value = "", value_parser = super::actor::of_login)]
    actor: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Word {
    Accept,
    Refuse,
    Remove,
}

impl Lists {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let now_us = clock::now_us();
        match self {
            Self::List { data, format } => list(&data, format).await,
            Self::Show { data, group, population, at: Some(at), format } => {
                show_at(&data, (&group, &population), at, format).await
            }
            Self::Show { data, group, population, at: None, format } => {
                show(&data, (&group, &population), format).await
            }
            Self::Learn { data, group, population, actor } => {
                let store = create::open(&data.open()?).await?;
                let n = store.learn_list(&group, &population, &actor, now_us).await??;
                tell(&format!("{n} members are proposed; decide on them."));
                Ok(())
            }
            Self::Decide(decide) => decide.run(now_us).await,
        }
    }
}

impl Decide {
    async fn run(self, now_us: i64) -> anyhow::Result<()> {
        let store = create::open(&self.data.open()?).await?;
        let standing = match self.decision {
            Word::Accept => Standing::Accepted,
            Word::Refuse => Standing::Refused,
            Word::Remove => Standing::Removed,
        };
        let micros = |text: DurationText| i64::try_from(text.0.as_micros()).unwrap_or(i64::MAX);
        let decision = Decision {
            standing,
            members: self.members.into_iter().collect(),
            expires_us: self.lasting.map(|text| now_us.saturating_add(micros(text))),
            note: self.note.trim().to_owned(),
        };
        let (group, population) = (self.group, self.population);
        store.decide_members(&group, &population, &decision, &self.actor, now_us).await??;
        tell(&format!("{} members are {}.", decision.members.len(), standing.as_str()));
        Ok(())
    }
}

async fn list(data: &Data, format: Format) -> anyhow::Result<()> {
    let rows = create::open(&data.open()?).await?.lists().await?;
    if format == Format::Json {
        let row = |row: &ListRow| {
            json!({"group": row.group, "population": row.population, "learnt_us": row.learnt_us,
                   "present": row.present, "accepted": row.accepted, "proposed": row.proposed,
                   "deviating": row.deviating})
        };
        say(&json!(rows.iter().map(row).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["GROUP", "POPULATION", "LEARNT", "THERE", "ACCEPTED", "TO DECIDE", "OTHER"]);
    for row in &rows {
        table.add_row([
            printable(&row.group),
            printable(&row.population),
            if row.learnt_us.is_some() { "yes" } else { "no" }.to_owned(),
            row.present.to_string(),
            row.accepted.to_string(),
            row.proposed.to_string(),
            row.deviating.to_string(),
        ]);
    }
    say(&table.to_string());
    Ok(())
}

async fn show(
    data: &Data,
    (group, population): (&str, &str),
    format: Format,
) -> anyhow::Result<()> {
    let rows = create::open(&data.open()?).await?.list_members(group, population).await?;
    if format == Format::Json {
        let row = |row: &MemberRow| {
            json!({"member": row.member, "state": row.standing.map(Standing::as_str),
                   "hosts": row.hosts, "since_us": row.since_us, "expires_us": row.expires_us,
                   "decided_by": row.decided_by, "note": row.note})
        };
        say(&json!(rows.iter().map(row).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    for row in &rows {
        let state = row.standing.map_or("not on the list", Standing::as_str);
        say(&format!("{state}\t{}\t{}", row.hosts, printable(&row.member)));
    }
    Ok(())
}

async fn show_at(
    data: &Data,
    (group, population): (&str, &str),
    at: jiff::Timestamp,
    format: Format,
) -> anyhow::Result<()> {
    let store = create::open(&data.open()?).await?;
    let lists = store.lists_at(group, at.as_microsecond()).await?;
    let list = lists.get(population).context("nobody had learnt this list then")?;
    if format == Format::Json {
        let row = |(member, standing): (&String, &Standing)| json!({"member": member, "state": standing.as_str()});
        say(&json!(list.members.iter().map(row).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    for (member, standing) in &list.members {
        say(&format!("{}\t{}", standing.as_str(), printable(member)));
    }
    Ok(())
}
