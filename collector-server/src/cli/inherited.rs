//! `inherited`: evidence that somebody else gives for hosts of a group. Approving in the name of
//! somebody is an administrator's of this machine, and the log says so.

use super::exceptions::severities;
use super::hosts::printable;
use super::{Data, Format, actor, create, say, tell};
use crate::clock;
use crate::config::DurationText;
use crate::exception::State;
use crate::inherited::Wanted;
use crate::store::{Decider, InheritedRow};
use anyhow::Context;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(super) enum Inherited {
    /// List statements of inherited evidence.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str)))]
        state: Option<String>,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Ask for one, and print its id.
    Request(Box<Request>),
    /// Approve one that somebody else asked for.
    Approve {
        #[command(flatten)]
        data: Data,
        id: String,
        /// Who approves: the name of a compliance lead or risk owner who can sign in.
        #[arg(long = "as")]
        person: String,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// End one before its time; what hosts fail then is alerted.
    End {
        #[command(flatten)]
        data: Data,
        id: String,
        #[arg(long, default_value = "")]
        note: String,
        #[arg(long, default_value = "", value_parser = actor::of_login)]
        actor: String,
    },
}

#[derive(Args)]
pub(super) struct Request {
    #[command(flatten)]
    data: Data,
    /// Id of a rule; may be repeated.
    #[arg(long = "rule", required = true)]
    rules: Vec<String>,
    /// The group of hosts that it covers.
    #[arg(long)]
    group: String,
    /// Who gives it: the cloud, whoever runs the hypervisor.
    #[arg(long)]
    provider: String,
    /// Link to the document that says so.
    #[arg(long, default_value = "")]
    source: String,
    /// SHA-256 of that document, hexadecimal.
    #[arg(long, default_value = "")]
    source_hash: String,
    #[arg(long)]
    reason: String,
    /// How long it shall hold: 365d.
    #[arg(long = "for", value_parser = DurationText::positive)]
    lasting: DurationText,
    #[arg(long, default_value = "", value_parser = actor::of_login)]
    actor: String,
}

impl Inherited {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let now_us = clock::now_us();
        match self {
            Self::List { data, state, format } => list(&data, state.as_deref(), format).await,
            Self::Request(request) => request.run(now_us).await,
            Self::Approve { data, id, person, note } => {
                let store = create::open(&data.open()?).await?;
                let known = store.credentials(&person).await?;
                let known = known.with_context(|| format!("nobody of the name {person}"))?.person;
                let actor = actor::of_login(&known.name).map_err(anyhow::Error::msg)?;
                let by = Decider { person: &known.id, actor: &actor };
                store.decide_inherited(&id, by, true, note.trim(), now_us).await??;
                tell(&format!("Inherited evidence {id} is approved; the log says {actor}."));
                Ok(())
            }
            Self::End { data, id, note, actor } => {
                let store = create::open(&data.open()?).await?;
                store.end_inherited(&id, &actor, note.trim(), now_us).await??;
                tell(&format!("Inherited evidence {id} is ended."));
                Ok(())
            }
        }
    }
}

impl Request {
    async fn run(self, now_us: i64) -> anyhow::Result<()> {
        let data = self.data.open()?;
        let max = data.config(None)?.inherited.max_duration;
        let store = create::open(&data).await?;
        let micros = |text: &DurationText| i64::try_from(text.0.as_micros()).unwrap_or(i64::MAX);
        let wanted = Wanted {
            rules: severities(&store, &self.rules).await?,
            group: self.group,
            provider: self.provider,
            source: self.source,
            source_hash: self.source_hash,
            reason: self.reason,
            until_us: now_us.saturating_add(micros(&self.lasting)),
        };
        wanted.check(micros(&max), now_us)?;
        let id = store.request_inherited(&wanted, &self.actor, now_us).await?;
        tell("It waits for a compliance lead or a risk owner.");
        say(&id);
        Ok(())
    }
}

async fn list(data: &Data, state: Option<&str>, format: Format) -> anyhow::Result<()> {
    let now_us = clock::now_us();
    let mut rows = create::open(&data.open()?).await?.inherited().await?;
    rows.retain(|row| state.is_none_or(|state| row.state(now_us).as_str() == state));
    if format == Format::Json {
        let rows: Vec<_> = rows.iter().map(|row| value(row, now_us)).collect();
        say(&json!(rows).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["ID", "STATE", "RULES", "GROUP", "PROVIDER", "UNTIL"]);
    for row in &rows {
        let rules: Vec<_> = row.rules.iter().map(String::as_str).collect();
        table.add_row([
            row.id.clone(),
            row.state(now_us).as_str().to_owned(),
            printable(&rules.join(", ")),
            printable(&row.host_group),
            printable(&row.provider),
            super::exceptions::day(row.until_us),
        ]);
    }
    say(&table.to_string());
    Ok(())
}

fn value(row: &InheritedRow, now_us: i64) -> Value {
    json!({
        "id": row.id, "state": row.state(now_us).as_str(), "rules": row.rules,
        "group": row.host_group, "provider": row.provider, "source": row.source,
        "source_hash": row.source_hash, "reason": row.reason, "requested_by": row.requested_by,
        "until_us": row.until_us, "decided_by": row.decided_by,
    })
}
