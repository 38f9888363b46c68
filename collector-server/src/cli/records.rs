//! `records`: registers as lists and CSV, and the readiness check. Records are approved by people who
//! are signed in.

use super::controls::Ground;
use super::hosts::printable;
use super::{Data, Format, create, say, tell};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::judge::RuleSet;
use crate::readiness::{Gap, reading};
use crate::record::{Record, Register, Registers, parse_csv, register_state, write_csv};
use crate::store::{Isms, Store};
use anyhow::Context;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Records {
    /// List the registers of an ISMS, and how each stands.
    List {
        #[command(flatten)]
        of: Of,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Print a register as CSV.
    Export {
        #[command(flatten)]
        of: Of,
        register: String,
    },
    /// Take over a register from CSV: all lines, or none. A line with an id revises that record.
    Import {
        #[command(flatten)]
        of: Of,
        register: String,
        file: PathBuf,
        /// Only say what is wrong with the file.
        #[arg(long)]
        dry_run: bool,
        #[arg(long, default_value = "", value_parser = super::actor::of_login)]
        actor: String,
    },
    /// Print what an auditor would find missing, stale, contradictory or unapproved. Exit 3 if there
    /// is anything.
    Readiness {
        #[command(flatten)]
        of: Of,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

#[derive(Args)]
pub(super) struct Of {
    #[command(flatten)]
    data: Data,
    /// The ISMS, by name or id.
    #[arg(long)]
    isms: String,
}

/// What all of these commands need.
struct Opened {
    store: Store,
    registers: Registers,
    isms: Isms,
    catalogue: Catalogue,
}

impl Of {
    async fn open(&self) -> anyhow::Result<Opened> {
        let data = self.data.open()?;
        let catalogue = Catalogue::builtin()?;
        // An organisation's own controls are known to its rules.
        let rules = RuleSet::chosen(&data.config(None)?.rules, &catalogue);
        let catalogue = rules.map_or(catalogue, |rules| rules.catalogue().clone());
        let registers = Registers::load(&data.registers(), |id| catalogue.get(id).is_some())?;
        let store = create::open(&data).await?;
        let isms = store.isms(&self.isms).await?;
        let isms =
            isms.with_context(|| format!("no ISMS is called {}; see `isms list`", self.isms))?;
        Ok(Opened { store, registers, isms, catalogue })
    }
}

impl Opened {
    fn register(&self, id: &str) -> anyhow::Result<&Register> {
        let known = || self.registers.all().iter().map(|register| register.id.as_str());
        let found = self.registers.get(id);
        found.with_context(|| {
            let known = known().collect::<Vec<_>>().join(", ");
            format!("there is no register {id}; choose one of {known}")
        })
    }

    async fn records(&self, register: &str) -> anyhow::Result<Vec<Record>> {
        let mut records = self.store.records(Some(&self.isms.id)).await?;
        records.retain(|record| record.register == register);
        Ok(records)
    }
}

impl Records {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { of, format } => list(&of.open().await?, format).await?,
            Self::Export { of, register } => {
                let opened = of.open().await?;
                let register = opened.register(&register)?;
                let records = opened.records(&register.id).await?;
                let records: Vec<_> = records.iter().collect();
                say(write_csv(register, &records, clock::now_us()).trim_end());
            }
            Self::Import { of, register, file, dry_run, actor } => {
                let bytes = std::fs::read(&file);
                let bytes = bytes.with_context(|| format!("{} cannot be read", file.display()))?;
                return import(&of.open().await?, &register, &bytes, dry_run, &actor).await;
            }
            Self::Readiness { of, format } => return readiness(&of, format).await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(opened: &Opened, format: Format) -> anyhow::Result<()> {
    let (isms, now_us) = (&opened.isms.id, clock::now_us());
    let records = opened.store.records(Some(isms)).await?;
    let states = opened.registers.all().iter();
    let states =
        states.map(|register| (register, register_state(register, isms, &records, now_us)));
    if format == Format::Json {
        let row = |(register, state): (&Register, crate::record::RegisterState)| {
            json!({"id": register.id, "title": register.title, "clauses": register.clauses,
                   "controls": register.controls, "needed": register.needed,
                   "word": state.word(), "state": state})
        };
        say(&json!(states.map(row).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["REGISTER", "STATE", "IN FORCE", "WAITING", "COVERS"]);
    for (register, state) in states {
        table.add_row([
            printable(&register.id),
            state.word().to_owned(),
            format!("{} of {}", state.counting, state.records),
            state.waiting.to_string(),
            register.covers(),
        ]);
    }
    say(&table.to_string());
    Ok(())
}

async fn import(
    opened: &Opened,
    register: &str,
    bytes: &[u8],
    dry_run: bool,
    actor: &str,
) -> anyhow::Result<ExitCode> {
    let register = opened.register(register)?;
    let records = opened.records(&register.id).await?.into_iter();
    let live = records.filter(|record| record.withdrawn.is_none());
    let known: BTreeMap<_, _> =
        live.filter_map(|row| Some((row.id.clone(), row.last()?.says.clone()))).collect();
    let is_control = |id: &str| opened.catalogue.get(id).is_some();
    let lines = match parse_csv(bytes, register, &known, is_control) {
        Ok(lines) => lines,
        Err(bad) => {
            tell(&bad.to_string());
            tell("Nothing was taken.");
            return Ok(ExitCode::from(1));
        }
    };
    if dry_run {
        tell(&format!("{} lines, and nothing is wrong with them. Nothing was taken.", lines.len()));
        return Ok(ExitCode::SUCCESS);
    }
    let of = (opened.isms.id.as_str(), register.id.as_str());
    let (approval, now_us) = (register.approval, clock::now_us());
    let done = opened.store.import_records(of, &lines, approval, actor, now_us).await??;
    tell(&format!("{} recorded, {} revised.", done.0, done.1));
    Ok(ExitCode::SUCCESS)
}

async fn readiness(of: &Of, format: Format) -> anyhow::Result<ExitCode> {
    let opened = of.open().await?;
    let Some(ground) = Ground::load(&of.data).await? else { return Ok(ExitCode::from(1)) };
    let controls = ground.controls_of(&opened.isms).await?;
    let (store, isms) = (&opened.store, &opened.isms);
    let now_us = clock::now_us();
    let gaps = reading::of_isms(store, &opened.registers, isms, &controls, now_us).await?;
    if format == Format::Json {
        say(&json!(gaps).to_string());
    } else {
        told(&gaps);
    }
    Ok(if gaps.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn told(gaps: &[Gap]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["ABOUT", "IT IS", "WHAT", "MEND"]);
    for gap in gaps {
        let word = gap.lack.word().to_owned();
        table.add_row([printable(&gap.about), word, printable(&gap.says), gap.mend.clone()]);
    }
    say(&table.to_string());
}
