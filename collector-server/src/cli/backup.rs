//! `backup` and `restore`.

use super::verify::Progress;
use super::{Data, create, say, tell};
use crate::backup::{backup, restore};
use crate::clock;
use crate::data::DataDir;
use crate::store::{Act, Store};
use crate::verify::verify_all;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The store was filled, and something in it does not hold.
const NOT_VERIFIED: u8 = 4;

#[derive(Args)]
pub(super) struct Backup {
    #[command(flatten)]
    data: Data,
    /// The file to write; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Also the private keys and the configuration: whoever has the file can be this collector.
    #[arg(long)]
    with_keys: bool,
}

#[derive(Args)]
pub(super) struct Restore {
    /// What `backup` wrote.
    file: PathBuf,
    /// The directory to make, or an empty one.
    #[arg(long = "data", value_name = "DIR")]
    dir: PathBuf,
    /// Where evidence is kept: postgres://USER@HOST/NAME, or sqlite:PATH; left out: in DIR.
    #[arg(long, default_value = "")]
    store: String,
    /// The directory `keys` of the collector, for a backup that was made without keys.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

impl Backup {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let data = self.data.open()?;
        let store = create::open(&data).await?;
        let detail = json!({"with_keys": self.with_keys});
        log_act(&store, "backup_made", detail).await?;
        let mut progress = Progress::new("tables");
        let at = |done, of| progress.at(done, of);
        let written = backup(&data, &store, self.with_keys, &self.output, at).await?;
        progress.end();
        store.close().await;
        say(&format!("{}: {} rows, {} bytes.", self.output.display(), written.rows, written.bytes));
        if !self.with_keys {
            tell("Keys are not in it: keep a copy of DIR/keys elsewhere, apart from it.");
        }
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.dir.join("collector.toml").exists() {
            bail!("{} holds a collector already: restore into a new directory", self.dir.display());
        }
        let kept = self.keys.as_deref().map(kept_keys).transpose()?.unwrap_or_default();
        let data = DataDir::make(&self.dir)?;
        let url = match self.store.as_str() {
            "" => data.own_store()?,
            url => url.to_owned(),
        };
        let store = Store::open(&url).await.context("cannot open the store")?;
        let restored = restore(&self.file, &store).await?;
        let has_keys = !restored.files.is_empty() || !kept.is_empty();
        // Those of --keys, where both have one.
        let files: BTreeMap<_, _> = restored.files.into_iter().chain(kept).collect();
        data.put_secrets(files.into_iter().rev(), &self.store)?;
        let mut progress = Progress::new("leaves");
        let verified = verify_all(&store, |what, read, of| progress.of(what, read, of)).await;
        progress.end();
        let verified = match verified {
            Ok(verified) => verified,
            Err(damage) => {
                store.close().await;
                say(&format!("Restored, but the log does not hold: {damage}."));
                return Ok(ExitCode::from(NOT_VERIFIED));
            }
        };
        let detail = json!({"backup_made_us": restored.head.made_us, "size": verified.size});
        log_act(&store, "collector_restored", detail).await?;
        store.close().await;
        say(&format!(
            "Restored {} rows; the log holds: {} leaves ({} check-ins, {} acts).",
            restored.rows, verified.size, verified.check_ins, verified.acts
        ));
        if !has_keys {
            tell(
                "The backup has no keys: put those of the collector into DIR/keys before it serves.",
            );
        }
        tell(
            "Hosts that reported after the backup was made know more of the log than it does. They \
             keep what they have and wait; once they have reported, say what happened with \
             `evidenced-collector log heal`.",
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// Key files that were kept apart from the backup.
fn kept_keys(directory: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let place = || directory.display().to_string();
    let mut files = vec![];
    for entry in std::fs::read_dir(directory).with_context(place)? {
        let entry = entry.with_context(place)?;
        let name = format!("keys/{}", entry.file_name().to_string_lossy());
        if DataDir::is_secret(&name) {
            files.push((name, std::fs::read(entry.path()).with_context(place)?));
        }
    }
    if files.is_empty() {
        bail!("{} holds no keys", directory.display());
    }
    Ok(files)
}

async fn log_act(store: &Store, act: &str, detail: serde_json::Value) -> anyhow::Result<()> {
    let (actor, act) = ("operator".to_owned(), act.to_owned());
    store.log_act(&Act { at_us: clock::now_us(), actor, act, detail }).await?;
    Ok(())
}
