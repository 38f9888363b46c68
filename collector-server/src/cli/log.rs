//! `log …`: what the log holds, proofs of it, whether it is the one that others saw.

mod audit;
mod proof;

use super::{Data, Format, create, rotate, say, tell, verify};
use crate::clock;
use crate::data::DataDir;
use crate::store::{AnchorRow, Sort, Store};
use anyhow::bail;
use clap::Subcommand;
use comfy_table::Table;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Most checkpoints that `log anchors` lists.
const ANCHORS_SHOWN: i64 = 200;

/// How far back `log heal` looks for a `restore`.
const ACTS_LOOKED_AT: i64 = 10_000;

#[derive(Subcommand)]
pub(super) enum Log {
    /// Re-read the whole log: leaves, tree, signatures, chains. Exit 4 if anything does not hold.
    Verify {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
        /// Also verify a checkpoint that somebody kept: a signed note.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Compare the log with every head of it that hosts carry in their check-ins, and with
    /// checkpoints in files. Exit 4 if one is no beginning of this log and nobody said why.
    Audit {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
        /// Checkpoints that somebody kept: files, or directories of them.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// State that the log was put back to an earlier state, as by a restored backup, so that hosts
    /// that know more of it go on. It is written into the log for good.
    Heal {
        #[command(flatten)]
        data: Data,
        /// Why, for auditors: what happened and when, one line.
        #[arg(long)]
        reason: String,
        /// How many leaves of the former log were kept, if the witnesses do not show it.
        #[arg(long, value_name = "LEAVES")]
        kept: Option<u64>,
    },
    /// Write a proof that the log holds a leaf (C2SP tlog-proof): `verify-proof` needs only that.
    Proof(proof::Proof),
    /// Verify a .tlog-proof with the log's verifier key; no collector is needed. Exit 4 if it does
    /// not hold.
    VerifyProof(proof::VerifyProof),
    /// Print the log's verifier keys (C2SP signed-note), for auditors.
    Keys {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// List the checkpoints that were given to others, and what became of each.
    Anchors {
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
        /// Write each checkpoint and its time stamp there: SIZE.txt and SIZE.tsr, for openssl.
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
    },
    /// Replace the log's signing key, in three steps, without touching hosts.
    RotateKey {
        #[command(flatten)]
        rotation: rotate::Rotation,
    },
}

impl Log {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify { data, format, checkpoint } => {
                let (data, as_json) = (data.open()?, format == Format::Json);
                return verify::log(&data, as_json, checkpoint.as_deref()).await;
            }
            Self::Audit { data, format, files } => {
                return audit::run(&data.open()?, format == Format::Json, &files).await;
            }
            Self::Heal { data, reason, kept } => heal(&data.open()?, &reason, kept).await?,
            Self::Proof(proof) => proof.run().await?,
            Self::VerifyProof(verify) => return verify.run(),
            Self::Keys { data, format } => keys(&data.open()?, format == Format::Json).await?,
            Self::Anchors { data, format, export } => {
                let store = create::open(&data.open()?).await?;
                anchors(&store, format == Format::Json, export.as_deref()).await?;
                store.close().await;
            }
            Self::RotateKey { rotation } => rotation.run(Sort::Log).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn heal(data: &DataDir, reason: &str, kept: Option<u64>) -> anyhow::Result<()> {
    if reason.trim().is_empty() || reason.contains('\n') {
        bail!("--reason: say in one line what happened; auditors will read it");
    }
    let store = create::open(data).await?;
    let found = crate::audit::reading::audit(&store, &[], |_, _| ()).await?;
    if found.unexplained().next().is_none() {
        bail!(
            "there is nothing to heal: every head that hosts carry fits this log, or was explained \
             before; hosts have to report once before a break is known"
        );
    }
    let restored = restored_size(&store).await?;
    let kept = kept.or(restored).or(found.kept).unwrap_or_default();
    let index = store.heal(kept, reason.trim(), "operator", clock::now_us()).await??;
    store.close().await;
    say(&format!(
        "Leaf {index} says that the first {kept} leaves of the former log were kept, and why. \
         Hosts accept it with their next check-in, and say so there."
    ));
    Ok(())
}

/// What the last `restore` found in its backup, if no break was stated since.
async fn restored_size(store: &Store) -> anyhow::Result<Option<u64>> {
    let acts = store.acts(ACTS_LOOKED_AT).await?;
    let restored = acts.iter().find(|(_, act)| act.act == "collector_restored");
    let stated = store.healings().await?.last().map(|healing| healing.index);
    Ok(restored
        .filter(|(index, _)| stated.is_none_or(|stated| stated < *index))
        .and_then(|(_, act)| act.detail["size"].as_u64()))
}

async fn keys(data: &DataDir, as_json: bool) -> anyhow::Result<()> {
    let store = create::open(data).await?;
    let (origin, keys) = verify::keys(&store).await?;
    store.close().await;
    for key in &keys {
        let value = verify::as_value(&origin, key);
        match &value["key"] {
            serde_json::Value::String(vkey) if !as_json => say(vkey),
            _ => say(&value.to_string()),
        }
    }
    Ok(())
}

async fn anchors(
    store: &Store,
    as_json: bool,
    export: Option<&std::path::Path>,
) -> anyhow::Result<()> {
    let rows = store.anchors(ANCHORS_SHOWN).await?;
    if let Some(directory) = export {
        write_out(directory, &rows)?;
    }
    if as_json {
        for row in &rows {
            say(&json!({
                "size": row.due.size, "sort": row.due.sort.as_str(), "target": row.due.target,
                "created_us": row.due.created_us, "done_us": row.done_us,
                "stamped_us": row.stamped_us, "attempts": row.due.attempts, "error": row.error,
                "note": row.due.note,
            })
            .to_string());
        }
        return Ok(());
    }
    if rows.is_empty() {
        tell("Nothing of this log was given to anybody outside; see [anchor] in collector.toml.");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["LEAVES", "WHERE", "MADE", "STATE"]);
    for row in &rows {
        let at = |us| jiff::Timestamp::from_microsecond(us).unwrap_or_default();
        let state = match (row.done_us, row.stamped_us, &row.error) {
            (Some(_), Some(stamped), _) => format!("stamped {:.0}", at(stamped)),
            (Some(done), None, _) => format!("arrived {:.0}", at(done)),
            (None, _, Some(error)) => format!("tried {} times: {error}", row.due.attempts),
            (None, _, None) => "on its way".to_owned(),
        };
        let made = format!("{:.0}", at(row.due.created_us));
        let place = format!("{} {}", row.due.sort.as_str(), row.due.target);
        table.add_row([row.due.size.to_string(), place, made, state]);
    }
    say(&table.trim_fmt());
    Ok(())
}

/// What an auditor needs for `openssl ts -verify -data SIZE.txt -in SIZE.tsr`.
fn write_out(directory: &std::path::Path, rows: &[AnchorRow]) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)?;
    for row in rows {
        let file = |extension: &str| directory.join(format!("{}.{extension}", row.due.size));
        if let Some(token) = &row.token {
            std::fs::write(file("txt"), &row.due.note)?;
            std::fs::write(file("tsr"), token)?;
        }
    }
    Ok(())
}
