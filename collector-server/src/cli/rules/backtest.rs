//! `rules backtest`: what new or changed rules would have said of stored history.

use super::super::hosts::printable;
use super::{At, Data, Format, say, tell};
use crate::backtest::{Stretch, replay};
use crate::clock;
use crate::judge::{Change, Judge, RuleSet, differences};
use anyhow::bail;
use clap::Args;
use evidence::{Digest, Facts};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Facts kept in memory between hosts; what is equal across a fleet is read once.
const MAX_FACTS: usize = 20_000;

#[derive(Args)]
pub(in crate::cli) struct Backtest {
    directory: PathBuf,
    #[command(flatten)]
    data: Data,
    /// 2026-11-01T00:00:00Z
    #[arg(long)]
    from: jiff::Timestamp,
    /// Now, when left out.
    #[arg(long)]
    to: Option<jiff::Timestamp>,
    /// Only this rule, changed or not; may be given more than once.
    #[arg(long = "rule", value_name = "ID")]
    only: Vec<String>,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What a replay works with.
pub(super) struct Bench {
    pub(super) rules: RuleSet,
    /// Rules that judge.
    pub(super) ids: BTreeSet<String>,
    pub(super) window: (i64, i64),
}

impl Backtest {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let at = At::open(&self.data).await?;
        let rules = match at.with(&self.directory) {
            Ok(rules) => rules,
            Err(code) => return Ok(code),
        };
        let now_us = clock::now_us();
        let to_us = self.to.map_or(now_us, |to| to.as_microsecond()).min(now_us);
        let window = (self.from.as_microsecond(), to_us);
        if window.0 >= window.1 {
            bail!("--from is not before --to, or not in the past");
        }
        let ids = self.ids(at.rules(), &rules)?;
        if ids.is_empty() {
            tell("No rule is new or changed; name one with --rule to judge by it all the same.");
            return Ok(ExitCode::SUCCESS);
        }
        let bench = Bench { rules, ids, window };
        let names: BTreeMap<_, _> =
            at.store.hosts().await?.into_iter().map(|host| (host.id, host.name)).collect();
        let mut hosts: BTreeMap<String, BTreeMap<String, BTreeSet<_>>> = BTreeMap::new();
        let told = replay_all(&at, &bench, |stretch| {
            let name = names.get(&stretch.host).map_or("", String::as_str);
            say(&match self.format {
                Format::Json => json_line(stretch, name),
                Format::Table => line(stretch, name),
            });
            let of_rule = hosts.entry(stretch.rule.clone()).or_default();
            of_rule.entry(stretch.would.outcome.clone()).or_default().insert(stretch.host);
        });
        told.await?;
        for (rule, outcomes) in &hosts {
            let counts = outcomes.iter().map(|(word, hosts)| format!("{word} on {}", hosts.len()));
            tell(&format!("{rule}: at some time {}", counts.collect::<Vec<_>>().join(", ")));
        }
        tell("Nothing was written.");
        at.store.close().await;
        Ok(ExitCode::SUCCESS)
    }

    /// The rules that are asked for, or those that judge otherwise than the active ones.
    fn ids(&self, before: &RuleSet, after: &RuleSet) -> anyhow::Result<BTreeSet<String>> {
        for id in &self.only {
            if after.get(id).is_none() {
                bail!("--rule: no rule `{id}` would judge");
            }
        }
        if !self.only.is_empty() {
            return Ok(self.only.iter().cloned().collect());
        }
        let judges = |change: Change| !matches!(change, Change::Removed | Change::SwitchedOff);
        let found = differences(before, after).into_iter();
        Ok(found.filter(|found| judges(found.change)).map(|found| found.rule).collect())
    }
}

/// Judges every host's history again, host by host, and hands over each stretch.
pub(super) async fn replay_all(
    at: &At,
    bench: &Bench,
    mut found: impl FnMut(&Stretch),
) -> anyhow::Result<()> {
    let judge = Arc::new(Judge::new(Arc::new(bench.rules.clone().with_only(&bench.ids))));
    let kinds: BTreeSet<String> =
        judge.rules().rules().iter().flat_map(|rule| rule.evidence.clone()).collect();
    let ids: Vec<String> = bench.ids.iter().cloned().collect();
    let mut facts: BTreeMap<Digest, Arc<Facts>> = BTreeMap::new();
    for host in at.store.hosts().await? {
        let mut history = at.store.history(host.id, &ids, bench.window).await?;
        history.kinds.retain(|span| kinds.contains(&span.row.kind));
        if facts.len() > MAX_FACTS {
            facts.clear();
        }
        let named = history.kinds.iter().filter_map(|span| span.row.facts);
        let mut held = BTreeMap::new();
        // What a host named and never sent is not its evidence, though another sent the same.
        for id in at.store.held(host.id, named).await? {
            let body = match facts.get(&id) {
                Some(body) => Arc::clone(body),
                None => match at.store.facts(id).await? {
                    Some(body) => Arc::new(body),
                    None => continue,
                },
            };
            facts.insert(id, Arc::clone(&body));
            held.insert(id, body);
        }
        let (judge, window) = (Arc::clone(&judge), bench.window);
        let replayed =
            tokio::task::spawn_blocking(move || replay(&judge, host.id, &history, &held, window));
        replayed.await?.iter().for_each(&mut found);
    }
    Ok(())
}

fn json_line(stretch: &Stretch, name: &str) -> String {
    let mut line = json!(stretch);
    line["name"] = name.into();
    line.to_string()
}

fn line(stretch: &Stretch, name: &str) -> String {
    let at = |us: i64| match jiff::Timestamp::from_microsecond(us) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => format!("{us} µs"),
    };
    let was = stretch.was.as_ref().map_or("not judged", |was| was.outcome.as_str());
    let why = stretch.would.reason.clone().unwrap_or_else(|| stretch.would.offenders.join(", "));
    let group = &stretch.group;
    printable(&format!(
        "{}  {name} ({group})  {} – {}  {} (was {was})  {why}",
        stretch.rule,
        at(stretch.from_us),
        at(stretch.to_us),
        stretch.would.outcome,
    ))
}
