//! `isms`: management systems, their groups, and their Statements of Applicability.

use super::controls::Ground;
use super::hosts::{printable, time};
use super::{Data, Format, create, say, tell};
use crate::applicability::{self, Sum, whole};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::store::{Isms as Row, IsmsText, Membership, Store, VersionState};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use evidence::Digest;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Isms {
    /// Make a management system known.
    Create {
        #[command(flatten)]
        data: Data,
        name: String,
        #[arg(long)]
        legal_entity: String,
        /// What the scope statement says.
        #[arg(long)]
        statement: String,
        /// Number and body of its certificate.
        #[arg(long)]
        certificate: Option<String>,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Say something else of it; what is not named stays as it is.
    Set {
        #[command(flatten)]
        data: Data,
        /// Its id, or its name.
        isms: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        legal_entity: Option<String>,
        #[arg(long)]
        statement: Option<String>,
        /// Empty takes it away.
        #[arg(long)]
        certificate: Option<String>,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// List management systems with their groups.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Put groups into its scope, or take them out.
    Scope {
        #[command(flatten)]
        data: Data,
        isms: String,
        #[arg(long, value_name = "GROUP")]
        add: Vec<String>,
        #[arg(long, value_name = "GROUP")]
        remove: Vec<String>,
        /// Since when it has been so: 2026-11-20T08:00:00Z; else from now on.
        #[arg(long, value_name = "TIME")]
        since: Option<jiff::Timestamp>,
        #[arg(long)]
        reason: Option<String>,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Its Statement of Applicability.
    #[command(subcommand)]
    Applicability(Applicability),
}

#[derive(Args)]
pub(super) struct Of {
    #[command(flatten)]
    data: Data,
    /// The ISMS, by id or name.
    isms: String,
}

#[derive(Subcommand)]
pub(super) enum Applicability {
    /// Write into the draft from a CSV file: control, applicable, and perhaps grounds,
    /// justification, implementation, owner, references. Controls that it leaves out stay.
    Import {
        #[command(flatten)]
        of: Of,
        file: PathBuf,
        /// Only say what is wrong with the file and what it would change.
        #[arg(long)]
        dry_run: bool,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Print the newest version as CSV.
    Export {
        #[command(flatten)]
        of: Of,
        /// Another version.
        #[arg(long)]
        version: Option<i64>,
    },
    /// List its versions.
    Versions {
        #[command(flatten)]
        of: Of,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Submit the draft for approval: every control must be decided.
    Submit {
        #[command(flatten)]
        of: Of,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Approve what was submitted, as somebody who wrote nothing of it.
    Approve {
        #[command(flatten)]
        of: Of,
        #[arg(long)]
        version: i64,
        #[arg(long, value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Give what was submitted back.
    Return {
        #[command(flatten)]
        of: Of,
        #[arg(long)]
        version: i64,
        #[arg(long)]
        reason: String,
        #[arg(long, value_parser = super::actor::of_login)]
        actor: String,
    },
}

async fn find(data: &Data, text: &str) -> anyhow::Result<(Store, Row)> {
    let store = create::open(&data.open()?).await?;
    let isms = store.isms(text).await?;
    let isms = isms.with_context(|| format!("no ISMS is called {text}; see `isms list`"))?;
    Ok((store, isms))
}

impl Isms {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let now_us = clock::now_us();
        match self {
            Self::Create { data, name, legal_entity, statement, certificate, actor } => {
                let store = create::open(&data.open()?).await?;
                let text = IsmsText { name, legal_entity, scope_statement: statement, certificate };
                say(&store.create_isms(&text, &actor, now_us).await??);
            }
            Self::Set { data, isms, name, legal_entity, statement, certificate, actor } => {
                let (store, isms) = find(&data, &isms).await?;
                let text = IsmsText {
                    name: name.unwrap_or(isms.text.name),
                    legal_entity: legal_entity.unwrap_or(isms.text.legal_entity),
                    scope_statement: statement.unwrap_or(isms.text.scope_statement),
                    certificate: certificate.or(isms.text.certificate),
                };
                store.describe_isms(&isms.id, &text, &actor, now_us).await??;
            }
            Self::List { data, format } => {
                let store = create::open(&data.open()?).await?;
                list(&store, format).await?;
            }
            Self::Scope { data, isms, add, remove, since, reason, actor } => {
                let (store, isms) = find(&data, &isms).await?;
                let from_us = since.map_or(now_us, |since| since.as_microsecond());
                if from_us > now_us {
                    bail!("--since: {} is still to come; say it then", time(from_us));
                }
                if add.is_empty() && remove.is_empty() {
                    bail!("name groups with --add or --remove");
                }
                let said = add.into_iter().map(|group| (group, true));
                for (group, belongs) in said.chain(remove.into_iter().map(|group| (group, false))) {
                    let (isms, reason) = (isms.id.clone(), reason.clone());
                    let membership = Membership { isms, group, belongs, from_us, reason };
                    store.scope_isms(&membership, &actor, now_us).await??;
                }
            }
            Self::Applicability(command) => return command.run(now_us).await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(store: &Store, format: Format) -> anyhow::Result<()> {
    let all = store.all_isms().await?;
    if format == Format::Json {
        say(&json!(all).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["ISMS", "LEGAL ENTITY", "CERTIFICATE", "GROUPS", "ID"]);
    for isms in all {
        let groups: Vec<_> = isms.groups.iter().map(|group| printable(group)).collect();
        table.add_row([
            printable(&isms.text.name),
            printable(&isms.text.legal_entity),
            printable(isms.text.certificate.as_deref().unwrap_or("-")),
            if groups.is_empty() { "-".to_owned() } else { groups.join(", ") },
            isms.id,
        ]);
    }
    say(&table.to_string());
    Ok(())
}

impl Applicability {
    async fn run(self, now_us: i64) -> anyhow::Result<ExitCode> {
        let catalogue = Catalogue::builtin()?;
        let controls: Vec<&str> = catalogue.controls().iter().map(|c| c.id.as_str()).collect();
        match self {
            Self::Import { of, file, dry_run, actor } => {
                return import(&of, &controls, &file, dry_run.then_some(()), &actor, now_us).await;
            }
            Self::Export { of, version } => {
                let (store, isms) = find(&of.data, &of.isms).await?;
                let newest = store.applicability_versions(&isms.id).await?;
                let version = version.or(newest.first().map(|newest| newest.version));
                let entries = store.applicability_entries(&isms.id, version.unwrap_or(0)).await?;
                let entries = whole(&entries, controls.iter().copied());
                let Some(ground) = Ground::load(&of.data).await? else {
                    return Ok(ExitCode::from(1));
                };
                let states = ground.states(&isms).await?;
                let said = |id: &str| {
                    let title = catalogue.get(id).map(|control| control.title.clone());
                    let state = states.get(id).copied().unwrap_or_default();
                    (title.unwrap_or_default(), state.to_owned())
                };
                say(applicability::write(&entries, said).trim_end());
            }
            Self::Versions { of, format } => {
                let (store, isms) = find(&of.data, &of.isms).await?;
                versions(&store, &isms.id, &controls, format).await?;
            }
            Self::Submit { of, actor } => {
                let (store, isms) = find(&of.data, &of.isms).await?;
                let number =
                    store.submit_applicability(&isms.id, &controls, &actor, now_us).await??;
                tell(&format!("Version {number} waits for somebody who wrote nothing of it."));
            }
            Self::Approve { of, version, actor } => {
                let (store, isms) = find(&of.data, &of.isms).await?;
                let newest = store.applicability_versions(&isms.id).await?;
                let submitted = newest.first().and_then(|newest| newest.submitted_us);
                let seen = (version, submitted.unwrap_or(0));
                store.approve_applicability(&isms.id, seen, &actor, now_us).await??;
            }
            Self::Return { of, version, reason, actor } => {
                let (store, isms) = find(&of.data, &of.isms).await?;
                store.return_applicability(&isms.id, version, &reason, &actor, now_us).await??;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn import(
    of: &Of,
    controls: &[&str],
    file: &Path,
    dry_run: Option<()>,
    actor: &str,
    now_us: i64,
) -> anyhow::Result<ExitCode> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let known: BTreeSet<&str> = controls.iter().copied().collect();
    let entries = match applicability::parse(&bytes, &known) {
        Ok(entries) => entries,
        Err(bad) => {
            tell(&format!("{}: nothing was imported:", file.display()));
            bad.0.iter().for_each(|bad| tell(&bad.to_string()));
            return Ok(ExitCode::from(1));
        }
    };
    let (store, isms) = find(&of.data, &of.isms).await?;
    if dry_run.is_some() {
        let newest = store.applicability_versions(&isms.id).await?;
        let held = match newest.first() {
            Some(newest) => store.applicability_entries(&isms.id, newest.version).await?,
            None => vec![],
        };
        let changed = entries.iter().filter(|entry| !held.contains(entry)).count();
        tell(&format!("{} controls are fine, {changed} would change.", entries.len()));
        return Ok(ExitCode::SUCCESS);
    }
    let file = Some(Digest::of(&bytes));
    let changed = store.write_applicability(&isms.id, &entries, file, actor, now_us).await??;
    tell(&format!("{} controls read, {changed} changed in the draft.", entries.len()));
    Ok(ExitCode::SUCCESS)
}

async fn versions(
    store: &Store,
    isms: &str,
    controls: &[&str],
    format: Format,
) -> anyhow::Result<()> {
    let versions = store.applicability_versions(isms).await?;
    if format == Format::Json {
        say(&json!(versions).to_string());
        return Ok(());
    }
    for version in versions {
        let entries = store.applicability_entries(isms, version.version).await?;
        let sum = Sum::of(&whole(&entries, controls.iter().copied()));
        let state = match (version.state, &version.approved_by, version.approved_us) {
            (VersionState::Approved, Some(by), Some(us)) => {
                format!("approved by {by}, {}", time(us))
            }
            (state, ..) => state.word().to_owned(),
        };
        say(&format!(
            "version {}, {state}; written by {}",
            version.version,
            version.authors.join(", ")
        ));
        say(&format!("  {}", sum.says()));
    }
    Ok(())
}
