//! `authority rotate`, `log rotate-key` and `snapshot rotate-key`: new keys, without touching hosts.
//!
//! 1. `prepare` makes the key; hosts learn it with their next check-in.
//! 2. `activate` signs with it; the former key is still believed.
//! 3. `retire` ends the former key.

use super::create::open;
use super::{Data, say};
use crate::authority::{self, Authority};
use crate::clock;
use crate::data::DataDir;
use crate::keyring::{Keyring, key_names};
use crate::settings;
use crate::store::{Behind, KeyState, Sort, Step, Store, TrustKey};
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use evidence::Digest;
use evidence::key::SigningKey;

/// Hosts that are named; the rest is counted.
const NAMED: usize = 10;

#[derive(Subcommand)]
pub(super) enum AuthorityCommand {
    /// Replace the certificate authority, in three steps, without touching hosts.
    Rotate(Rotation),
}

#[derive(Args)]
pub(super) struct Rotation {
    #[command(flatten)]
    data: Data,
    /// prepare: make the new key and let hosts learn it; activate: sign with it; retire: end the
    /// former one.
    #[arg(value_enum)]
    step: StepName,
    /// Go on although hosts are not ready. They will have to be enrolled again.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum StepName {
    Prepare,
    Activate,
    Retire,
}

impl AuthorityCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self::Rotate(rotation) = self;
        rotation.run(Sort::Authority).await
    }
}

impl Rotation {
    pub(super) async fn run(self, sort: Sort) -> anyhow::Result<()> {
        let data = self.data.open()?;
        let store = open(&data).await?;
        let done = match self.step {
            StepName::Prepare => prepare(&data, &store, sort).await,
            StepName::Activate => go_on(&data, &store, sort, Step::Activate, self.force).await,
            StepName::Retire => go_on(&data, &store, sort, Step::Retire, self.force).await,
        };
        store.close().await;
        say(&done?);
        Ok(())
    }
}

async fn prepare(data: &DataDir, store: &Store, sort: Sort) -> anyhow::Result<String> {
    let now_us = clock::now_us();
    let keyring = Keyring::load(data, store, now_us).await?;
    if keyring.keys.iter().any(|key| key.sort == sort && key.state == KeyState::Prepared) {
        return Err(crate::store::RotationRefusal::Prepared.into());
    }
    if keyring.keys.iter().any(|key| key.sort == sort && key.state == KeyState::Former) {
        return Err(crate::store::RotationRefusal::Former.into());
    }
    let (id, public, path) = match sort {
        Sort::Authority => {
            let name = store.setting(settings::ORGANISATION).await?;
            let name = name.context("the organisation has no name")?;
            let (key, pem) = Authority::create(&name, clock::now())?;
            let id = Digest::of(&authority::certificate(&pem)?);
            (id, pem, data.keep_authority_key(id, &key)?)
        }
        Sort::Log => {
            let (key, pkcs8) = SigningKey::generate()?;
            let (id, public) = key_names(&key);
            (id, public, data.keep_log_key(id, &pkcs8)?)
        }
        Sort::Snapshot => {
            let (key, pkcs8) = SigningKey::generate()?;
            let (id, public) = key_names(&key);
            (id, public, data.keep_snapshot_key(id, &pkcs8)?)
        }
    };
    let key = TrustKey::new(sort, id, public, KeyState::Prepared);
    store.rotate(sort, Step::Prepare, Some(&key), false, now_us).await??;
    if sort == Sort::Snapshot {
        return Ok(format!(
            "A new snapshot key is prepared; its private half is {}. If several collectors share \
             the store, copy that file to each of them. Give auditors the new line of `snapshot \
             signers`, then: activate.",
            path.display()
        ));
    }
    Ok(format!(
        "A new {} key is prepared; its private half is {}. A running collector tells its hosts \
         within seconds, without a restart, and each learns it with its next check-in. If several \
         collectors share the store, copy that file to each of them, and restart none. Next, when \
         hosts had time: activate.",
        word(sort),
        path.display()
    ))
}

async fn go_on(
    data: &DataDir,
    store: &Store,
    sort: Sort,
    step: Step,
    force: bool,
) -> anyhow::Result<String> {
    let now_us = clock::now_us();
    let keyring = Keyring::load(data, store, now_us).await?;
    let needed = match step {
        Step::Activate => KeyState::Prepared,
        Step::Prepare | Step::Retire => KeyState::Former,
    };
    let key = keyring.keys.iter().find(|key| key.sort == sort && key.state == needed);
    if step == Step::Activate
        && let Some(key) = key
    {
        // Before anything is changed: this collector must be able to sign with it.
        match sort {
            Sort::Authority => drop(data.authority_key(key.id)?),
            Sort::Log => drop(data.log_key(key.id)?),
            Sort::Snapshot => drop(data.snapshot_key(key.id)?),
        }
    }
    let mut behind = store.behind(keyring.bundle_digest, keyring.authority.pin(), now_us).await?;
    let by_certificate = sort == Sort::Authority && step == Step::Retire;
    // Hosts know nothing of the key of snapshots.
    let by_trust = sort != Sort::Snapshot;
    behind.retain(|host| (by_trust && host.trust) || (by_certificate && host.certificate));
    let (silent, reporting): (Vec<_>, Vec<_>) = behind.into_iter().partition(|host| host.silent);
    if key.is_some() && !reporting.is_empty() && !force {
        bail!("{}", not_ready(&reporting));
    }
    store.rotate(sort, step, None, force, now_us).await??;
    let mut said = match (sort, step) {
        (Sort::Authority, Step::Activate) => {
            "The new authority signs now: the listener's certificate and every certificate of a \
             host. Hosts renew theirs with their next check-ins; those of the former authority are \
             accepted until it is retired. Enrolment tokens made before this name the former \
             authority: make new ones."
        }
        (Sort::Log, Step::Activate) => {
            "The new key signs checkpoints now, and the former one beside it until it is retired."
        }
        (Sort::Snapshot, Step::Activate) => {
            "The new key signs snapshots now. Signatures of the former one stay good for the days \
             it signed: `snapshot signers` says which."
        }
        (Sort::Snapshot, _) => {
            "The former snapshot key is retired; `snapshot signers` still names it for the days it \
             signed."
        }
        (Sort::Authority, _) => {
            "The former authority is retired: its certificates are not accepted any more."
        }
        (Sort::Log, _) => {
            "The former log key is retired: it signs no more. `log verify` still knows it for the \
             sizes it signed."
        }
    }
    .to_owned();
    said += " A running collector takes this up within seconds, without a restart.";
    if !silent.is_empty() {
        said += &format!(
            " Silent and not ready: {} ({}). When such a host comes back it may have to be enrolled \
             again.",
            silent.len(),
            names(&silent)
        );
    }
    Ok(said)
}

fn not_ready(behind: &[Behind]) -> String {
    let one = behind.len() == 1;
    let why = match (behind.iter().any(|host| host.trust), one) {
        (true, true) => "host has not fetched the new trust bundle yet",
        (true, false) => "hosts have not fetched the new trust bundle yet",
        (false, true) => "host still uses a certificate of the former authority",
        (false, false) => "hosts still use certificates of the former authority",
    };
    format!(
        "{} reporting {why}: {}. Each does so with its next check-ins; try again then, or go on \
         with --force and enrol them again",
        behind.len(),
        names(behind)
    )
}

fn names(behind: &[Behind]) -> String {
    let shown = behind.iter().take(NAMED).map(|host| format!("{} ({})", host.name, host.host));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if behind.len() > NAMED {
        text += &format!(" and {} more", behind.len() - NAMED);
    }
    text
}

fn word(sort: Sort) -> &'static str {
    match sort {
        Sort::Authority => "authority",
        Sort::Log => "log",
        Sort::Snapshot => "snapshot",
    }
}
