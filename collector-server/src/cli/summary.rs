//! `summary`: what holds now, for people and for scripts.

use super::hosts::printable;
use super::{Data, Format, create, say, tell};
use crate::active;
use crate::catalogue::Catalogue;
use crate::clock;
use crate::data::DataDir;
use crate::expected::{Found, Reconciled, reconcile};
use crate::judge::{RuleSet, Severity};
use crate::keyring::Keyring;
use crate::overview::{self, Overview, RecordTerms};
use crate::record::Registers;
use crate::status::EvidenceState;
use crate::store::model::ResultRow;
use crate::store::{LogState, Store};
use crate::verify::verify;
use anyhow::bail;
use clap::Args;
use evidence::checkpoint::Checkpoint;
use evidence::{leaf, proof};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, interval};

/// Failing rules that are shown.
const WORST: usize = 12;
/// Offenders of one result, or hosts, that are shown.
const SHOWN: usize = 4;
/// How often `--wait` looks.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct Summary {
    #[command(flatten)]
    data: Data,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Wait for up to this many seconds until everything that was received is judged.
    #[arg(long, default_value_t = 0)]
    wait: u64,
    /// Exit 1 unless evidence was received, logged, judged, and its inclusion in the log proved.
    #[arg(long)]
    require_evidence: bool,
}

/// What is said of the log: everything re-read, and the last check-in proved to be in it.
struct Proof {
    log: LogState,
    verified: Result<(), String>,
}

struct Counts {
    hosts: usize,
    kinds_ok: usize,
    pass: usize,
    fail: usize,
    unknown: usize,
    not_applicable: usize,
    inherited: usize,
    controls_with_evidence: usize,
}

impl Summary {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let data = self.data.open()?;
        let config = data.config(None)?;
        let store = create::open(&data).await?;
        if self.wait > 0 {
            judged(&store, Duration::from_secs(self.wait)).await?;
        }
        let catalogue = Arc::new(Catalogue::builtin()?);
        let judging = active::load(&store, &config.rules, &catalogue).await?;
        judging.refused.iter().for_each(|refused| tell(refused));
        let rules = judging.judge.rules();
        let limits = overview::limits(&config);
        let now_us = clock::now_us();
        let overview = overview::load(&store, rules, rules.catalogue(), &limits, now_us).await?;
        let known = |id: &str| rules.catalogue().get(id).is_some();
        let registers = Registers::load(&data.registers(), known)?;
        let records = RecordTerms::load(&store, &registers, None, now_us).await?;
        let overview = overview.with_records(records);
        let counts = count(&store, &overview).await?;
        let list = store.expected_hosts().await?;
        // Without a list nobody is expected, and nobody is unlisted either.
        let expected =
            list.imported_us.map(|_| reconcile(&list.entries, &overview.hosts, clock::now_us()));
        let proof = prove(&store, &data).await?;
        store.close().await;
        match self.format {
            Format::Json => say(&as_json(&counts, expected.as_ref(), &proof).to_string()),
            Format::Table => {
                say(as_text(&overview, rules, &counts, expected.as_ref(), &proof).trim_end())
            }
        }
        let enough = counts.hosts > 0 && counts.kinds_ok > 0 && counts.pass + counts.fail > 0;
        let fine = proof.verified.is_ok() && (enough || !self.require_evidence);
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// Waits until there is something, and nothing of it waits to be judged.
async fn judged(store: &Store, wait: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + wait;
    let mut look = interval(LOOK);
    while Instant::now() < until {
        look.tick().await;
        let waiting = !store.hosts_to_judge(1).await?.is_empty();
        if !waiting && !store.open_results(None, None).await?.is_empty() {
            return Ok(());
        }
    }
    bail!("nothing was judged within {} s; is `evidenced-collector serve` running?", wait.as_secs())
}

async fn count(store: &Store, overview: &Overview) -> anyhow::Result<Counts> {
    let of = |outcome: &str| overview.results.iter().filter(|row| row.outcome == outcome).count();
    let statuses = store.kind_statuses().await?;
    let evident = |state: EvidenceState| state != EvidenceState::None;
    Ok(Counts {
        hosts: overview.hosts.iter().filter(|host| host.last_received_us.is_some()).count(),
        kinds_ok: statuses.iter().filter(|(_, status)| *status == evidence::Status::Ok).count(),
        pass: of("pass"),
        fail: of("fail"),
        unknown: of("unknown"),
        not_applicable: of("not_applicable"),
        inherited: of(overview::INHERITED),
        controls_with_evidence: overview.controls.iter().filter(|(_, s)| evident(s.state)).count(),
    })
}

/// Re-reads the log, and proves the newest check-in under a checkpoint that the log's key signed.
async fn prove(store: &Store, data: &DataDir) -> anyhow::Result<Proof> {
    let log = store.log().await?;
    let verified = match verify(store, |_, _| {}).await {
        Ok(_) => included(store, data, log).await?,
        Err(damage) => Err(damage.to_string()),
    };
    Ok(Proof { log, verified })
}

async fn included(
    store: &Store,
    data: &DataDir,
    log: LogState,
) -> anyhow::Result<Result<(), String>> {
    let signer = Keyring::load(data, store, crate::clock::now_us()).await?.signer;
    let note = signer.checkpoint(log).note;
    let checkpoint = match Checkpoint::verify(&note, &signer.public()) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let Some((index, signed)) = store.newest_check_in(log.size).await? else {
        return Ok(Err("the log holds no check-in".to_owned()));
    };
    let hash = leaf::hash(&leaf::check_in_leaf(&signed));
    let path = store.inclusion(index, log.size).await?;
    let head = checkpoint.head;
    let held = proof::verify_inclusion(&hash, index, head.size, &path, &head.root);
    Ok(held.map_err(|error| format!("check-in {index}: {error}")))
}

fn as_json(counts: &Counts, expected: Option<&Reconciled>, proof: &Proof) -> serde_json::Value {
    json!({
        "hosts": counts.hosts,
        "expected": expected.map(Reconciled::counts),
        "kinds_ok": counts.kinds_ok,
        "results": {
            "pass": counts.pass, "fail": counts.fail, "unknown": counts.unknown,
            "not_applicable": counts.not_applicable,
            "inherited": counts.inherited,
        },
        "controls_with_evidence": counts.controls_with_evidence,
        "log_size": proof.log.size,
        "checkpoint_verified": proof.verified.is_ok(),
    })
}

fn as_text(
    overview: &Overview,
    rules: &RuleSet,
    counts: &Counts,
    expected: Option<&Reconciled>,
    proof: &Proof,
) -> String {
    let mut text = String::new();
    let reporting = overview.hosts.iter().filter(|host| !host.is_silent(clock::now_us())).count();
    let _ = writeln!(
        text,
        "Hosts      {} enrolled, {} reported, {reporting} not silent; {} kinds read whole",
        overview.hosts.len(),
        counts.hosts,
        counts.kinds_ok,
    );
    if let Some(expected) = expected {
        let unlisted = expected.count(Found::Unlisted);
        let _ = writeln!(text, "Expected   {}; {unlisted} unlisted", expected.says());
    }
    let _ = writeln!(
        text,
        "Results    {} pass, {} fail, {} unknown, {} not applicable{}",
        counts.pass,
        counts.fail,
        counts.unknown,
        counts.not_applicable,
        match counts.inherited {
            0 => String::new(),
            n => format!(", {n} inherited"),
        },
    );
    let states = [
        EvidenceState::Deviating,
        EvidenceState::Blind,
        EvidenceState::Stale,
        EvidenceState::Operating,
        EvidenceState::None,
    ];
    let words = states.map(|state| {
        let of_state = || overview.controls.iter().filter(move |(_, s)| s.state == state);
        let open = of_state().filter(|(_, status)| status.open_deviations > 0).count();
        let open = match state {
            EvidenceState::Operating if open > 0 => format!(" ({open} with open deviations)"),
            _ => String::new(),
        };
        format!("{} {}{open}", of_state().count(), state.as_str())
    });
    let _ = writeln!(text, "Controls   {} of {}", words.join(", "), overview.controls.len());
    let log = match &proof.verified {
        Ok(()) => format!("{} leaves, verified; the newest check-in is proved in", proof.log.size),
        Err(why) => format!("{} leaves, NOT VERIFIED: {why}", proof.log.size),
    };
    let _ = writeln!(text, "Log        {log}");
    worst(&mut text, overview, rules);
    text
}

/// Failing rules, worst first, with who or what fails: offenders of one host, or hosts.
fn worst(text: &mut String, overview: &Overview, rules: &RuleSet) {
    let mut failing: BTreeMap<&str, Vec<&ResultRow>> = BTreeMap::new();
    for row in overview.results.iter().filter(|row| row.outcome == "fail") {
        failing.entry(row.rule.as_str()).or_default().push(row);
    }
    let severity = |rule: &str| rules.get(rule).map_or(Severity::Info, |rule| rule.severity);
    let mut failing: Vec<_> = failing.into_iter().collect();
    failing.sort_by(|(a, _), (b, _)| severity(b).cmp(&severity(a)).then_with(|| a.cmp(b)));
    if failing.is_empty() {
        return;
    }
    let names: BTreeMap<_, _> = overview.hosts.iter().map(|h| (h.id, h.name.clone())).collect();
    let _ = writeln!(text, "\nFailing, worst first");
    for (id, rows) in failing.iter().take(WORST) {
        let rule = rules.get(id);
        let title = rule.map_or(*id, |rule| rule.title.as_str());
        let controls = rule.map(|rule| rule.controls.join(" ")).unwrap_or_default();
        let _ = writeln!(text, "  {:<9}{title}  ({controls})", severity(id).as_str());
        let who = match rows.as_slice() {
            [one] if names.len() == 1 => some_of(&one.offenders),
            rows => {
                let of = |row: &&ResultRow| names.get(&row.host).cloned().unwrap_or_default();
                let hosts: Vec<_> = rows.iter().map(of).collect();
                format!("{} of {} hosts: {}", hosts.len(), names.len(), some_of(&hosts))
            }
        };
        if !who.is_empty() {
            let _ = writeln!(text, "           {who}");
        }
    }
    if failing.len() > WORST {
        let _ = writeln!(text, "  and {} rules more", failing.len() - WORST);
    }
}

/// Hosts choose these names: what would control a terminal is written out.
fn some_of(all: &[String]) -> String {
    let shown: Vec<_> = all.iter().take(SHOWN).map(|name| printable(name)).collect();
    match all.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
