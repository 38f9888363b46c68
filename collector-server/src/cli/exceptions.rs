//! `exceptions`: acceptance of failures for a time. Deciding on one is left to a risk owner who is
//! signed in: this command line is nobody in particular.

use super::hosts::printable;
use super::{Data, Format, create, say, tell};
use crate::clock;
use crate::config::DurationText;
use crate::exception::{Scope, State, Wanted, Wrong};
use crate::store::{ExceptionRow, Store};
use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use evidence::HostId;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Subcommand)]
pub(super) enum Exceptions {
    /// List exceptions, those that nobody needs among them.
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str)))]
        state: Option<String>,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show one with what it covers.
    Show {
        #[command(flatten)]
        data: Data,
        id: String,
    },
    /// Ask for one, and print its id. A risk owner decides on the pages or in the API.
    Request(Box<Request>),
    /// End one before its time; what still fails is alerted.
    Withdraw {
        #[command(flatten)]
        data: Data,
        id: String,
        #[arg(long, default_value = "")]
        note: String,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
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
    /// Only hosts of this group.
    #[arg(long, conflicts_with = "host")]
    group: Option<String>,
    /// Only this host.
    #[arg(long)]
    host: Option<HostId>,
    #[arg(long)]
    reason: String,
    /// What compensates meanwhile.
    #[arg(long)]
    measure: String,
    /// Entry of the risk register.
    #[arg(long)]
    risk: String,
    #[arg(long, default_value = "")]
    ticket: String,
    /// How long it shall hold: 12h, 30d.
    #[arg(long = "for", value_parser = DurationText::positive)]
    lasting: DurationText,
    #[arg(long, default_value = "", value_parser = super::actor::of_login)]
    actor: String,
}

impl Exceptions {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List { data, state, format } => list(&data, state.as_deref(), format).await,
            Self::Show { data, id } => show(&data, &id).await,
            Self::Request(request) => request.run().await,
            Self::Withdraw { data, id, note, actor } => {
                let store = create::open(&data.open()?).await?;
                store.withdraw_exception(&id, &actor, note.trim(), clock::now_us()).await??;
                tell(&format!("Exception {id} is withdrawn."));
                Ok(())
            }
        }
    }
}

fn micros(text: &DurationText) -> i64 {
    i64::try_from(text.0.as_micros()).unwrap_or(i64::MAX)
}

impl Request {
    async fn run(self) -> anyhow::Result<()> {
        let data = self.data.open()?;
        let config = data.config(None)?;
        let store = create::open(&data).await?;
        let scope = match (self.group, self.host) {
            (Some(group), _) => Scope::read("group", &group).context("--group: not a name")?,
            (None, Some(host)) => {
                store.host(host).await?.with_context(|| format!("there is no host {host}"))?;
                Scope::Host(host)
            }
            (None, None) => Scope::Organisation,
        };
        let now_us = clock::now_us();
        let wanted = Wanted {
            rules: severities(&store, &self.rules).await?,
            scope,
            reason: self.reason,
            measure: self.measure,
            ticket: self.ticket,
            risk: self.risk,
            until_us: now_us.saturating_add(micros(&self.lasting)),
        };
        wanted.check(micros(&config.exceptions.max_duration), now_us)?;
        let id = store.request_exception(&wanted, None, &self.actor, now_us).await??;
        tell("It waits for a risk owner.");
        say(&id);
        Ok(())
    }
}

/// Severities of rules, as the active rule set has them.
pub(super) async fn severities(
    store: &Store,
    rules: &[String],
) -> anyhow::Result<BTreeMap<String, String>> {
    let Some(sources) = store.active_rules().await? else {
        bail!("no rule judges yet: `evidenced-collector serve` once");
    };
    let known = severities_of(&sources);
    let one = |id: &String| {
        let severity = known.get(id).ok_or_else(|| Wrong::UnknownRule(id.clone()))?;
        Ok((id.clone(), severity.clone()))
    };
    rules.iter().map(one).collect()
}

/// Rules and severities of the texts of a rule set.
pub(super) fn severities_of(sources: &[(String, String)]) -> BTreeMap<String, String> {
    let rule = |rule: &toml::Value| {
        let word = |key: &str| rule.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        Some((word("id")?, word("severity")?))
    };
    let rules = |(_, text): &(String, String)| {
        let table: toml::Table = toml::from_str(text).unwrap_or_default();
        let rules = table.get("rule").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        rules.iter().filter_map(rule).collect::<Vec<_>>()
    };
    sources.iter().flat_map(rules).collect()
}

async fn list(data: &Data, state: Option<&str>, format: Format) -> anyhow::Result<()> {
    let data = data.open()?;
    let unneeded_us = micros(&data.config(None)?.exceptions.unneeded_after);
    let now_us = clock::now_us();
    let mut rows = create::open(&data).await?.exceptions().await?;
    rows.retain(|row| state.is_none_or(|state| row.state(now_us).as_str() == state));
    if format == Format::Json {
        let rows: Vec<_> = rows.iter().map(|row| value(row, unneeded_us, now_us)).collect();
        say(&json!(rows).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["ID", "STATE", "RULES", "SCOPE", "UNTIL", "COVERS", "REASON"]);
    for row in &rows {
        let rules: Vec<_> = row.rules.keys().map(String::as_str).collect();
        let unneeded = row.is_unneeded(unneeded_us, now_us);
        table.add_row([
            row.id.clone(),
            row.state(now_us).as_str().to_owned(),
            printable(&rules.join(", ")),
            printable(&format!("{} {}", row.scope.sort(), row.scope.name())),
            day(row.until_us),
            if unneeded { "nobody needs it".to_owned() } else { row.covers.to_string() },
            printable(&row.reason),
        ]);
    }
    say(&table.to_string());
    Ok(())
}

async fn show(data: &Data, id: &str) -> anyhow::Result<()> {
    let data = data.open()?;
    let unneeded_us = micros(&data.config(None)?.exceptions.unneeded_after);
    let store = create::open(&data).await?;
    let row = store.exception(id).await?.with_context(|| format!("there is no exception {id}"))?;
    let mut shown = value(&row, unneeded_us, clock::now_us());
    let covers = store.covers_of(id, 10_000).await?;
    let cover = |row: &crate::store::CoverRow| {
        json!({"host": row.host, "name": row.name, "rule": row.rule, "from_us": row.from_us,
               "to_us": row.to_us, "ended": row.ended})
    };
    shown["failures"] = covers.iter().map(cover).collect();
    say(&serde_json::to_string_pretty(&shown)?);
    Ok(())
}

fn value(row: &ExceptionRow, unneeded_us: i64, now_us: i64) -> Value {
    json!({
        "id": row.id, "state": row.state(now_us).as_str(),
        "rules": row.rules.keys().collect::<Vec<_>>(), "scope": row.scope.sort(),
        "scope_name": row.scope.name(), "reason": row.reason, "measure": row.measure,
        "ticket": row.ticket, "risk": row.risk, "requested_by": row.requested_by,
        "requested_us": row.requested_us, "until_us": row.until_us, "renewals": row.renewals,
        "decision": row.decision, "decided_by": row.decided_by, "covers": row.covers,
        "unneeded": row.is_unneeded(unneeded_us, now_us),
    })
}

pub(super) fn day(us: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(us);
    at.map_or_else(|_| us.to_string(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
