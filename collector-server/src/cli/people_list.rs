//! `people-list`: an export of people against the accounts of hosts.

use super::hosts::printable;
use super::{Data, Format, create, say, tell};
use crate::clock;
use crate::people_list::{self, Finding, Review};
use anyhow::Context;
use clap::Subcommand;
use comfy_table::{Table, presets};
use evidence::Digest;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum PeopleList {
    /// Take a new list from a CSV file: person, accounts, and perhaps unit, start, leave.
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
    /// Leavers with live accounts, movers to review, accounts without a person. Exit 3 if there are
    /// any.
    Findings {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Say that the rights of somebody who moved to another unit were reviewed.
    Reviewed {
        #[command(flatten)]
        data: Data,
        /// As the list names them.
        person: String,
        #[arg(long)]
        note: String,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
}

impl PeopleList {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Import { data, file, dry_run, actor } => {
                return import(&data, &file, dry_run, &actor).await;
            }
            Self::Findings { data, format } => {
                let store = create::open(&data.open()?).await?;
                if store.people_list_us().await?.is_none() {
                    tell("There is no list yet: every account of people is without a person.");
                }
                let hosts = store.hosts().await?;
                let review = people_list::review(&store, &hosts, clock::now_us()).await?;
                findings(&review, format);
                let none = review.findings.is_empty();
                return Ok(if none { ExitCode::SUCCESS } else { ExitCode::from(3) });
            }
            Self::Reviewed { data, person, note, actor } => {
                let store = create::open(&data.open()?).await?;
                if !store.review_mover(&person, &note, &actor, clock::now_us()).await? {
                    tell("Nobody of this name waits for a review.");
                    return Ok(ExitCode::from(1));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn import(data: &Data, file: &Path, dry_run: bool, actor: &str) -> anyhow::Result<ExitCode> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read = match people_list::parse(&bytes) {
        Ok(read) => read,
        Err(bad) => {
            tell(&format!("{}: nothing was imported:", file.display()));
            bad.0.iter().for_each(|bad| tell(&bad.to_string()));
            return Ok(ExitCode::from(1));
        }
    };
    if !read.ignored.is_empty() {
        tell(&format!("Not used: the columns {}.", read.ignored.join(", ")));
    }
    if dry_run {
        tell(&format!("{} people are fine. Nothing was imported.", read.people.len()));
        return Ok(ExitCode::SUCCESS);
    }
    let store = create::open(&data.open()?).await?;
    let now_us = clock::now_us();
    let done = store.import_people(&read.people, Digest::of(&bytes), actor, now_us).await?;
    tell(&format!(
        "{} listed: {} added, {} in another unit; {} on the list no more.",
        done.listed, done.added, done.moved, done.gone
    ));
    Ok(ExitCode::SUCCESS)
}

fn findings(review: &Review, format: Format) {
    if format == Format::Json {
        say(&json!(review).to_string());
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["WHAT", "ACCOUNT", "PERSON", "UNIT", "PRIVILEGED", "HOSTS"]);
    for finding in &review.findings {
        table.add_row(row(finding));
    }
    say(&table.to_string());
    tell(&format!(
        "{} findings; {} people listed; accounts of {} of {} hosts were read, {} of these also take \
         accounts from directories, which nobody enumerated.",
        review.findings.len(),
        review.people,
        review.hosts_read,
        review.hosts,
        review.hosts_with_directories
    ));
}

fn row(finding: &Finding) -> [String; 6] {
    let word = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
    let unit = match (&finding.unit_before, &finding.unit) {
        (Some(before), Some(now)) => format!("{} → {}", printable(before), printable(now)),
        (_, unit) => word(unit),
    };
    [
        finding.sort.word().to_owned(),
        printable(&finding.account),
        word(&finding.person),
        unit,
        if finding.privileged { "yes" } else { "no" }.to_owned(),
        finding.hosts.len().to_string(),
    ]
}
