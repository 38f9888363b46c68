//! `rules diff`: which rules would judge otherwise, and what they would say of hosts as they are.

use super::super::hosts::printable;
use super::backtest::{Bench, replay_all};
use super::{At, Format, say};
use crate::backtest::Stretch;
use crate::clock;
use crate::judge::{Change, Difference, RuleSet, differences};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Hosts by what the rule says of them now and what it would say.
type Moves = BTreeMap<String, usize>;

pub(super) async fn diff(at: &At, after: &RuleSet, format: Format) -> anyhow::Result<()> {
    let found = differences(at.rules(), after);
    let moves = moves(at, after, &found).await?;
    for difference in &found {
        match format {
            Format::Json => say(&json!(difference).to_string()),
            Format::Table => say(&printable(&line(difference))),
        }
    }
    for (rule, moves) in &moves {
        for (step, hosts) in moves {
            match format {
                Format::Json => {
                    say(&json!({"rule": rule, "moves": step, "hosts": hosts}).to_string())
                }
                Format::Table => say(&format!("  {hosts:>6} hosts  {rule}: {step}")),
            }
        }
    }
    if format == Format::Table {
        say(&match found.len() {
            0 => "Nothing would change.".to_owned(),
            n => format!(
                "{n} differences. {} results would change.",
                moves.values().flat_map(BTreeMap::values).sum::<usize>()
            ),
        });
    }
    Ok(())
}

fn line(difference: &Difference) -> String {
    let hosts = match &difference.group {
        Some(group) => format!("group {group}"),
        None => "all hosts".to_owned(),
    };
    let head = format!("{} for {hosts}: {}", difference.rule, difference.change.as_str());
    match difference.change {
        Change::Parameters | Change::Rewritten => {
            format!("{head}, {} → {}", difference.before, difference.after)
        }
        Change::SwitchedOff => format!("{head}, {}", difference.after),
        _ => head,
    }
}

/// What would change of results that hold now. A verdict that would end is told like any other.
async fn moves(
    at: &At,
    after: &RuleSet,
    found: &[Difference],
) -> anyhow::Result<BTreeMap<String, Moves>> {
    let ids: BTreeSet<String> = found.iter().map(|difference| difference.rule.clone()).collect();
    let now_us = clock::now_us();
    let bench = Bench { rules: after.clone(), ids, window: (now_us, now_us + 1) };
    let mut moves: BTreeMap<String, Moves> = BTreeMap::new();
    let mut judged = BTreeSet::new();
    let stretches = replay_all(at, &bench, |stretch: &Stretch| {
        judged.insert((stretch.host, stretch.rule.clone()));
        let was = stretch.was.as_ref().map_or("not judged", |was| was.outcome.as_str());
        if was != stretch.would.outcome {
            let step = format!("{was} → {}", stretch.would.outcome);
            *moves.entry(stretch.rule.clone()).or_default().entry(step).or_default() += 1;
        }
    });
    stretches.await?;
    let ids: Vec<String> = bench.ids.iter().cloned().collect();
    for row in at.store.open_results(None, Some(&ids)).await? {
        if !judged.contains(&(row.host, row.rule.clone())) {
            let step = format!("{} → not judged", row.outcome);
            *moves.entry(row.rule).or_default().entry(step).or_default() += 1;
        }
    }
    Ok(moves)
}
