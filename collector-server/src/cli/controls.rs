//! `controls`: the evidence state of controls in a scope, over a period, and what owners tolerate;
//! `patches`: how long security updates wait.

use super::hosts::{printable, time};
use super::{Data, Format, create, say, tell};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::judge::RuleSet;
use crate::overview::{self, Limits, Overview, RecordTerms};
use crate::patch::{self, Standing};
use crate::period::{self, Period};
use crate::record::Registers;
use crate::scope::Scope;
use crate::status::{ControlStatus, Tolerance};
use crate::store::{Isms, Store, Tolerated};
use anyhow::{Context, bail};
use clap::Subcommand;
use comfy_table::{Table, presets};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

const DAY_US: i64 = 86_400_000_000;

#[derive(Subcommand)]
pub(super) enum Controls {
    /// List controls by evidence state, with counts and denominators.
    List {
        #[command(flatten)]
        data: Data,
        /// organisation, isms:NAME, group:NAME or host:ID.
        #[arg(long, default_value = "organisation")]
        scope: String,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// How long a control was in each state, how long repairs took, and the longest failure.
    Period {
        #[command(flatten)]
        data: Data,
        /// A.8.5
        control: String,
        #[arg(long, default_value = "organisation")]
        scope: String,
        /// 2026-09-01T00:00:00Z; else 90 days before the end.
        #[arg(long)]
        from: Option<jiff::Timestamp>,
        /// Else now.
        #[arg(long)]
        to: Option<jiff::Timestamp>,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Say how many hosts may fail a control before it is deviating. It forgives no critical or high
    /// failure past its limit.
    Tolerate {
        #[command(flatten)]
        data: Data,
        control: String,
        /// Only in this ISMS, by name or id.
        #[arg(long)]
        isms: Option<String>,
        /// So many hosts at most.
        #[arg(long, value_name = "N")]
        hosts: Option<u64>,
        /// So many of a hundred hosts at most, of those that could be judged.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=100))]
        percent: Option<u64>,
        /// Take it back.
        #[arg(long, conflicts_with_all = ["hosts", "percent"])]
        none: bool,
        /// Who tolerates it.
        #[arg(long)]
        owner: String,
        #[arg(long)]
        reason: String,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Security updates that wait or waited, against their limits.
    Patches {
        #[command(flatten)]
        data: Data,
        #[arg(long, default_value = "organisation")]
        scope: String,
        /// Of how many days back closed ones are told.
        #[arg(long, default_value_t = 90)]
        days: u32,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

/// What the commands read.
pub(super) struct Ground {
    store: Store,
    rules: RuleSet,
    catalogue: Catalogue,
    registers: Registers,
    limits: Limits,
    now_us: i64,
}

impl Ground {
    /// None after the faults of the rules were told.
    pub(super) async fn load(data: &Data) -> anyhow::Result<Option<Self>> {
        let data = data.open()?;
        let config = data.config(None)?;
        let store = create::open(&data).await?;
        let catalogue = Catalogue::builtin()?;
        let rules = match RuleSet::chosen(&config.rules, &catalogue) {
            Ok(rules) => rules,
            Err(errors) => {
                errors.iter().for_each(|error| tell(&error.to_string()));
                return Ok(None);
            }
        };
        let (limits, now_us) = (overview::limits(&config), clock::now_us());
        let registers = Registers::load(&data.registers(), |id| catalogue.get(id).is_some())?;
        Ok(Some(Self { store, rules, catalogue, registers, limits, now_us }))
    }

    async fn overview(&self) -> anyhow::Result<Overview> {
        let (rules, catalogue) = (&self.rules, &self.catalogue);
        let (store, now_us) = (&self.store, self.now_us);
        let overview = overview::load(store, rules, catalogue, &self.limits, now_us).await?;
        let records = RecordTerms::load(store, &self.registers, None, now_us).await?;
        Ok(overview.with_records(records))
    }

    /// Evidence states in the scope of an ISMS, by control.
    pub(super) async fn states(
        &self,
        isms: &Isms,
    ) -> anyhow::Result<BTreeMap<String, &'static str>> {
        let state = |(control, status): (crate::catalogue::Control, ControlStatus)| {
            (control.id, status.state.as_str())
        };
        Ok(self.controls_of(isms).await?.into_iter().map(state).collect())
    }

    /// Controls as hosts and records of an ISMS show them.
    pub(super) async fn controls_of(
        &self,
        isms: &Isms,
    ) -> anyhow::Result<Vec<(crate::catalogue::Control, ControlStatus)>> {
        let overview = self.overview().await?;
        let scope = Scope::Isms(isms.id.clone());
        let hosts = scope.hosts(&overview.hosts, &isms.groups);
        let judged_by = (&self.rules, &self.catalogue);
        Ok(overview.within(judged_by, (&scope, &hosts), self.now_us))
    }

    /// A scope as it was typed, an ISMS by its name too, and the groups of that ISMS.
    async fn scope(&self, text: &str) -> anyhow::Result<(Scope, BTreeSet<String>)> {
        let scope: Scope = text.parse()?;
        let Some(name) = scope.isms() else { return Ok((scope, BTreeSet::new())) };
        let isms = self.store.isms(name).await?;
        let isms = isms.with_context(|| format!("no ISMS is called {name}; see `isms list`"))?;
        Ok((Scope::Isms(isms.id), isms.groups))
    }

    fn known(&self, control: &str) -> anyhow::Result<()> {
        match self.catalogue.get(control) {
            Some(_) => Ok(()),
            None => bail!("there is no control {control}; write an id such as A.8.5"),
        }
    }
}

impl Controls {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let data = match &self {
            Self::List { data, .. }
            | Self::Period { data, .. }
            | Self::Tolerate { data, .. }
            | Self::Patches { data, .. } => data,
        };
        let Some(ground) = Ground::load(data).await? else { return Ok(ExitCode::from(1)) };
        match self {
            Self::List { scope, format, .. } => list(&ground, &scope, format).await?,
            Self::Period { control, scope, from, to, format, .. } => {
                let to_us = to.map_or(ground.now_us, |to| to.as_microsecond()).min(ground.now_us);
                let from_us = from.map_or(to_us - 90 * DAY_US, |from| from.as_microsecond());
                if from_us >= to_us {
                    bail!("--from is not before --to");
                }
                ground.known(&control)?;
                let (scope, _) = ground.scope(&scope).await?;
                let overview = ground.overview().await?;
                let about = (control.as_str(), &scope);
                let (rules, terms) = (&ground.rules, &overview.terms);
                let period = period::of_control(
                    &ground.store,
                    rules,
                    terms,
                    about,
                    (from_us, to_us),
                    i64::MAX,
                );
                tell_period(&period.await?, format);
            }
            Self::Tolerate {
                control, isms, hosts, percent, none, owner, reason, actor, ..
            } => {
                ground.known(&control)?;
                let isms = match isms {
                    Some(name) => {
                        let isms = ground.store.isms(&name).await?;
                        Some(isms.with_context(|| format!("no ISMS is called {name}"))?.id)
                    }
                    None => None,
                };
                let tolerance = Tolerance { max_hosts: hosts, max_percent: percent };
                let tolerance = (!none).then_some(tolerance);
                let said = Tolerated { isms, control, tolerance, owner, reason };
                ground.store.tolerate(&said, &actor, ground.now_us).await??;
            }
            Self::Patches { scope, days, format, .. } => {
                patches(&ground, &scope, days, format).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(ground: &Ground, scope: &str, format: Format) -> anyhow::Result<()> {
    let (scope, groups) = ground.scope(scope).await?;
    let overview = ground.overview().await?;
    let hosts = scope.hosts(&overview.hosts, &groups);
    let judged_by = (&ground.rules, &ground.catalogue);
    let controls = overview.within(judged_by, (&scope, &hosts), ground.now_us);
    if format == Format::Json {
        let one = |(control, status): &(crate::catalogue::Control, ControlStatus)| {
            let mut value = json!(status);
            value["id"] = json!(control.id);
            value["title"] = json!(control.title);
            value
        };
        say(&json!(controls.iter().map(one).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "CONTROL",
        "STATE",
        "FAIL",
        "EXCEPTED",
        "UNKNOWN",
        "INHERITED",
        "PASS",
        "N/A",
        "HOSTS",
        "TOLERATED",
        "OLDEST FAILURE",
    ]);
    for (control, status) in &controls {
        let tolerance = status.tolerance.map(|t| {
            let over = if status.tolerance_exceeded { ", exceeded" } else { "" };
            format!("{}{over}", t.says())
        });
        table.add_row([
            control.id.clone(),
            status.state.as_str().to_owned(),
            status.fail.to_string(),
            status.excepted.to_string(),
            status.unknown.to_string(),
            status.inherited.to_string(),
            status.pass.to_string(),
            status.not_applicable.to_string(),
            format!("{} of {}", status.failing_hosts, status.hosts),
            tolerance.unwrap_or_else(|| "-".to_owned()),
            status.oldest_fail_s.map_or("-".to_owned(), |s| time(s.saturating_mul(1_000_000))),
        ]);
    }
    say(&table.to_string());
    tell("HOSTS: with a failure that no exception covers, of those that gave a result.");
    Ok(())
}

fn tell_period(period: &Period, format: Format) {
    if format == Format::Json {
        say(&json!(period).to_string());
        return;
    }
    let whole = (period.to_us - period.from_us).max(1);
    say(&format!("{} to {}, {} hosts", time(period.from_us), time(period.to_us), period.hosts));
    for (state, us) in &period.states_us {
        // In tenths of a percent, rounded down.
        let share = i128::from(*us) * 1000 / i128::from(whole);
        say(&format!("{:>12}  {}  {}.{} %", state.as_str(), days(*us), share / 10, share % 10));
    }
    say(&format!(
        "failures: {} opened, {} repaired, {} open at the end; mean time to repair {}",
        period.opened,
        period.repaired,
        period.open,
        period.mean_repair_us.map_or("-".to_owned(), days)
    ));
    if let Some(longest) = &period.longest {
        let until = longest.to_us.map_or("still open".to_owned(), |us| format!("to {}", time(us)));
        let length = longest.to_us.unwrap_or(period.to_us) - longest.from_us;
        say(&format!(
            "longest: {} on {} from {} {until}, {}",
            longest.rule,
            longest.host,
            time(longest.from_us),
            days(length)
        ));
    }
}

fn days(us: i64) -> String {
    let hours = us / 3_600_000_000;
    format!("{} d {} h", hours / 24, hours % 24)
}

async fn patches(ground: &Ground, scope: &str, days: u32, format: Format) -> anyhow::Result<()> {
    let (scope, groups) = ground.scope(scope).await?;
    let hosts = ground.store.hosts().await?;
    let wanted = scope.hosts(&hosts, &groups);
    let since_us = ground.now_us - i64::from(days) * DAY_US;
    let limits = &ground.limits.patch;
    let found =
        patch::report(&ground.store, &hosts, &wanted, limits, since_us, ground.now_us).await?;
    if format == Format::Json {
        let one = |(host, patch): &(evidence::HostId, patch::Patch)| {
            let mut value = json!(patch);
            value["host"] = json!(host);
            value
        };
        say(&json!(found.iter().map(one).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["HOST", "PACKAGE", "SEVERITY", "STANDING", "SINCE", "BY", "DUE", "CLOSED"]);
    for (host, patch) in &found {
        let name = hosts.iter().find(|row| row.id == *host).map(|row| printable(&row.name));
        let optional = |us: Option<i64>| us.map_or("-".to_owned(), time);
        let by = match patch.start {
            patch::Start::Publication => "publication",
            patch::Start::FirstSeen => "first seen",
        };
        table.add_row([
            name.unwrap_or_default(),
            printable(&format!("{} {}", patch.package, patch.candidate)),
            patch.severity.word().to_owned(),
            patch.standing.word().to_owned(),
            time(patch.start_us),
            by.to_owned(),
            optional(patch.due_us),
            optional(patch.closed_us),
        ]);
    }
    say(&table.to_string());
    let count = |standing| found.iter().filter(|(_, patch)| patch.standing == standing).count();
    let said = Standing::ALL.map(|standing| format!("{} {}", count(standing), standing.word()));
    tell(&format!("{} = {}", found.len(), said.join(" + ")));
    Ok(())
}
