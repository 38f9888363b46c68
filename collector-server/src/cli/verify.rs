//! `log verify`.

use super::{create, say, tell};
use crate::data::DataDir;
use crate::keyring::log_key;
use crate::settings;
use crate::store::{KeyState, Sort, Store, StoreError, TrustKey};
use crate::verify::{VerifyError, verify_all};
use anyhow::Context;
use evidence::checkpoint::Checkpoint;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// Something in the log does not hold.
const NOT_VERIFIED: u8 = 4;

pub(super) async fn log(
    data: &DataDir,
    as_json: bool,
    checkpoint: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let store = create::open(data).await?;
    let mut progress = Progress::new("leaves");
    let outcome = verify_all(&store, |what, read, of| progress.of(what, read, of)).await;
    progress.end();
    let named = match outcome.as_ref().err().and_then(VerifyError::host) {
        Some(host) => store.host(host).await.ok().flatten().map(|row| row.name),
        None => None,
    };
    let (origin, keys) = keys(&store).await?;
    let kept = match checkpoint {
        Some(path) => Some(kept(&store, &origin, &keys, path).await?),
        None => None,
    };
    let erased_facts = store.erased_count().await?;
    store.close().await;
    match outcome {
        Ok(_) if kept.as_ref().is_some_and(Result::is_err) => {
            let damage = kept.and_then(Result::err).unwrap_or_default();
            not_verified(as_json, &damage)
        }
        Ok(verified) if as_json => {
            let mut said = json!({
                "verified": true, "size": verified.size, "root": verified.root,
                "check_ins": verified.check_ins, "acts": verified.acts, "erased": verified.erased,
                "objects": verified.objects,
                "erased_facts": erased_facts,
                "keys": keys.iter().map(|key| as_value(&origin, key)).collect::<Vec<_>>(),
            });
            if let Some(Ok(size)) = kept {
                said["checkpoint"] = size.into();
            }
            say(&said.to_string());
            Ok(ExitCode::SUCCESS)
        }
        Ok(verified) => {
            say(&format!(
                "The log holds: {} leaves ({} check-ins, {} acts), every signature, chain and tile \
                 fits, {} objects are what their ids say, root {}.",
                verified.size,
                verified.check_ins,
                verified.acts,
                verified.objects,
                verified.root.map(|root| root.to_string()).unwrap_or_default(),
            ));
            if erased_facts > 0 {
                say(&format!(
                    "Bodies of {erased_facts} facts were erased after their time; each is named by \
                     an act of the log, and their hashes stay."
                ));
            }
            if let Some(Ok(size)) = kept {
                say(&format!("The checkpoint is one of this log: its first {size} leaves."));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(VerifyError::Store(error @ StoreError::Database(_))) => Err(error.into()),
        Err(damage) => {
            let named = named.map(|name| format!(" (host {name})")).unwrap_or_default();
            not_verified(as_json, &format!("{damage}{named}"))
        }
    }
}

/// How far a long reading is: a bar on a terminal, and elsewhere a line for each tenth.
pub(super) struct Progress {
    what: &'static str,
    watched: bool,
    tenths: u64,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, watched: std::io::stderr().is_terminal(), tenths: 0 }
    }

    /// [`Progress::at`] of one of several readings.
    pub(super) fn of(&mut self, what: &'static str, read: u64, of: u64) {
        if what != self.what {
            self.end();
            (self.what, self.tenths) = (what, 0);
        }
        self.at(read, of);
    }

    #[expect(clippy::print_stderr, reason = "a bar is drawn over itself")]
    pub(super) fn at(&mut self, read: u64, of: u64) {
        let tenths = (read * 10).checked_div(of).unwrap_or(10);
        if self.watched {
            let filled = (read * 40).checked_div(of).unwrap_or(40) as usize;
            eprint!("\r[{:40}] {read} of {of} {}", "#".repeat(filled.min(40)), self.what);
        } else if tenths > self.tenths && tenths < 10 {
            tell(&format!("{read} of {of} {}", self.what));
        }
        self.tenths = tenths;
    }

    #[expect(clippy::print_stderr, reason = "ends the line of the bar")]
    pub(super) fn end(&self) {
        if self.watched && self.tenths > 0 {
            eprintln!();
        }
    }
}

fn not_verified(as_json: bool, damage: &str) -> anyhow::Result<ExitCode> {
    if as_json {
        say(&json!({"verified": false, "damage": damage}).to_string());
    } else {
        say(&format!("The log does not hold: {damage}."));
    }
    Ok(ExitCode::from(NOT_VERIFIED))
}

/// The log's name, and every key it ever signed with.
pub(super) async fn keys(store: &Store) -> anyhow::Result<(String, Vec<TrustKey>)> {
    let origin = store.setting(settings::LOG_ORIGIN).await?.context("the log has no name")?;
    let mut keys = store.trust_keys().await?;
    keys.retain(|key| key.sort == Sort::Log && key.state != KeyState::Prepared);
    keys.sort_by_key(|key| key.from_size);
    Ok((origin, keys))
}

/// Verifies a checkpoint that somebody kept: signed by a key that signed at its size, and its root
/// that of the log's first leaves. Gives its size, or what does not hold.
async fn kept(
    store: &Store,
    origin: &str,
    keys: &[TrustKey],
    path: &Path,
) -> anyhow::Result<Result<u64, String>> {
    let note = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let public = keys.iter().map(|key| log_key(origin, key)).collect::<Result<Vec<_>, _>>()?;
    let head = match Checkpoint::verify(&note, &public) {
        Ok(checkpoint) => checkpoint.head,
        Err(error) => return Ok(Err(format!("the checkpoint: {error}"))),
    };
    // A key proves nothing for sizes at which it did not sign.
    let signed_then = keys.iter().zip(&public).filter(|(key, _)| signs_at(key, head.size));
    let signed_then: Vec<_> = signed_then.map(|(_, public)| public.clone()).collect();
    if Checkpoint::verify(&note, &signed_then).is_err() {
        let size = head.size;
        return Ok(Err(format!("the checkpoint: its key did not sign at {size} leaves")));
    }
    let size = store.log().await?.size;
    if head.size > size {
        return Ok(Err(format!("the checkpoint has {} leaves, the log {size}", head.size)));
    }
    let root = store.root_at(head.size).await?;
    if root != head.root {
        return Ok(Err(format!("the first {} leaves lead to another root", head.size)));
    }
    Ok(Ok(head.size))
}

fn signs_at(key: &TrustKey, size: u64) -> bool {
    key.from_size.is_some_and(|from| from <= size) && key.to_size.is_none_or(|to| size <= to)
}

pub(super) fn as_value(origin: &str, key: &TrustKey) -> Value {
    json!({
        "key": log_key(origin, key).map(|key| key.vkey()).unwrap_or_default(),
        "state": key.state.as_str(), "from_size": key.from_size, "to_size": key.to_size,
    })
}
