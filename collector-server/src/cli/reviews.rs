//! `reviews`: access reviews. Deciding and signing is left to people who are signed in: this
//! command line is nobody in particular.

use super::hosts::printable;
use super::{Data, Format, create, say};
use crate::clock;
use crate::config::DurationText;
use crate::people_list;
use crate::store::{NewReview, ReviewMember, ReviewRow};
use clap::Subcommand;
use comfy_table::{Table, presets};
use serde_json::json;
use std::collections::BTreeSet;

#[derive(Subcommand)]
pub(super) enum Reviews {
    /// List reviews, the latest first.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show the members of one, in the order to look at them.
    Show {
        #[command(flatten)]
        data: Data,
        id: String,
    },
    /// Start one over what hosts show now, and print its id.
    Start {
        #[command(flatten)]
        data: Data,
        /// Only this group.
        #[arg(long, default_value = "")]
        group: String,
        /// Account of somebody who left, beside those of the people list; may be repeated.
        #[arg(long = "leaver")]
        leavers: Vec<String>,
        /// How long it may take: 30d.
        #[arg(long = "within", default_value = "30d", value_parser = DurationText::positive)]
        within: DurationText,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
}

impl Reviews {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let now_us = clock::now_us();
        match self {
            Self::List { data, format } => list(&data, format).await,
            Self::Show { data, id } => {
                let store = create::open(&data.open()?).await?;
                for row in store.review_members(&id).await? {
                    say(&line(&row));
                }
                Ok(())
            }
            Self::Start { data, group, leavers, within, actor } => {
                let store = create::open(&data.open()?).await?;
                let within_us = i64::try_from(within.0.as_micros()).unwrap_or(i64::MAX);
                let due_us = now_us.saturating_add(within_us);
                let mut leavers: BTreeSet<_> = leavers.into_iter().collect();
                leavers.extend(people_list::leavers(&store, now_us).await?);
                let new = NewReview { group, leavers, due_us };
                say(&store.start_review(&new, &actor, now_us).await??);
                Ok(())
            }
        }
    }
}

fn line(row: &ReviewMember) -> String {
    let decision = row.decision.as_deref().unwrap_or("to decide");
    let gone = if row.gone_us.is_some() { " gone" } else { "" };
    let (group, member) = (printable(&row.host_group), printable(&row.member));
    let (class, population, hosts) = (&row.class, &row.population, row.hosts);
    format!("{class}\t{decision}{gone}\t{group}\t{population}\t{hosts}\t{member}")
}

async fn list(data: &Data, format: Format) -> anyhow::Result<()> {
    let rows = create::open(&data.open()?).await?.reviews().await?;
    if format == Format::Json {
        let row = |row: &ReviewRow| {
            json!({"id": row.id, "group": row.host_group, "started_us": row.started_us,
                   "due_us": row.due_us, "signed_by": row.signed_by, "signed_us": row.signed_us,
                   "digest": row.digest, "members": row.members, "undecided": row.undecided,
                   "removals": row.removals, "open_removals": row.open_removals})
        };
        say(&json!(rows.iter().map(row).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["ID", "GROUP", "STATE", "MEMBERS", "TO DECIDE", "STILL THERE"]);
    for row in &rows {
        table.add_row([
            row.id.clone(),
            printable(if row.host_group.is_empty() { "all" } else { &row.host_group }),
            if row.signed_us.is_some() { "signed" } else { "open" }.to_owned(),
            row.members.to_string(),
            row.undecided.to_string(),
            row.open_removals.to_string(),
        ]);
    }
    say(&table.to_string());
    Ok(())
}
