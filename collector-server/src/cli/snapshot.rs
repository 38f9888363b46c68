//! `snapshot`: a frozen, signed archive for an auditor, and its verification.

use super::hosts::time;
use super::{Data, create, rotate, say, tell};
use crate::clock;
use crate::keyring::Keyring;
use crate::overview;
use crate::snapshot::document::{Asked, Sampling};
use crate::snapshot::make::{Made, Workshop, signers};
use crate::snapshot::rules::Shelf;
use crate::store::Sort;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Something in a snapshot, or in the store it was made from, does not hold.
const NOT_VERIFIED: u8 = 4;

#[derive(Subcommand)]
pub(super) enum Snapshot {
    /// Make a signed archive of a moment or a period. A run that was cut off goes on when it is
    /// given again.
    Create(Box<Create>),
    /// Print the public keys that sign snapshots, with their days: `allowed_signers` for auditors.
    Signers {
        #[command(flatten)]
        data: Data,
    },
    /// Replace the key that signs snapshots, in three steps.
    RotateKey {
        #[command(flatten)]
        rotation: rotate::Rotation,
    },
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    data: Data,
    /// The archive to write (.tar).
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Of this moment; without it, and without --from, of now.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"])]
    at: Option<jiff::Timestamp>,
    /// Of a period that begins here.
    #[arg(long, value_name = "TIME")]
    from: Option<jiff::Timestamp>,
    /// And ends here; now, if it is left out.
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<jiff::Timestamp>,
    /// As the log knew it with so many leaves; with the moment, this makes the same archive again.
    #[arg(long, value_name = "SIZE")]
    known: Option<u64>,
    /// Only this management system, by name or id; may be repeated.
    #[arg(long, value_name = "NAME")]
    isms: Vec<String>,
    /// Only these controls, such as A.8.5; may be repeated, or separated by commas.
    #[arg(long, value_name = "CONTROL", value_delimiter = ',')]
    controls: Vec<String>,
    /// Leave out what facts say about people; digests stay, and everything else verifies.
    #[arg(long)]
    without_personal: bool,
    /// What it is called: `Surveillance audit 2026`.
    #[arg(long, default_value = "")]
    label: String,
    /// Whom it is for.
    #[arg(long, default_value = "")]
    recipient: String,
    /// What it is for.
    #[arg(long, default_value = "")]
    purpose: String,
    /// Draw a sample by this seed; the auditor chooses it, once the population is fixed.
    #[arg(long, value_name = "TEXT", requires = "sample_size")]
    sample_seed: Option<String>,
    /// So many days of hosts, and so many failures.
    #[arg(long, value_name = "N", requires = "sample_seed")]
    sample_size: Option<u64>,
    /// Encrypt the archive to this recipient (`age1…`), by the program `age`.
    #[arg(long, value_name = "RECIPIENT")]
    encrypt_to: Option<String>,
}

impl Snapshot {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(create) => create.run().await,
            Self::Signers { data } => {
                let data = data.open()?;
                let store = create::open(&data).await?;
                let keyring = Keyring::load(&data, &store, clock::now_us()).await?;
                store.close().await;
                for signer in signers(&keyring.keys)? {
                    say(&signer.line());
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::RotateKey { rotation } => {
                rotation.run(Sort::Snapshot).await?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Create {
    fn asked(&self) -> Asked {
        let sample = self.sample_seed.clone().zip(self.sample_size);
        Asked {
            at_us: self.at.or(self.to).map(|at| at.as_microsecond()),
            from_us: self.from.map(|from| from.as_microsecond()),
            known_size: self.known,
            isms: self.isms.iter().cloned().collect(),
            controls: self.controls.iter().cloned().collect(),
            without_personal: self.without_personal,
            label: self.label.clone(),
            recipient: self.recipient.clone(),
            purpose: self.purpose.clone(),
            sample: sample.map(|(seed, size)| Sampling { seed, size }),
        }
    }

    async fn run(self) -> anyhow::Result<ExitCode> {
        if self.output.exists() {
            bail!("{} is there already", self.output.display());
        }
        if self.encrypt_to.is_some() {
            age(&["--version"]).context("--encrypt-to")?;
        }
        let data = self.data.open()?;
        let config = data.config(None)?;
        let store = create::open(&data).await?;
        let now_us = clock::now_us();
        let keyring = Keyring::load(&data, &store, now_us).await?;
        let limits = overview::limits(&config).repair;
        let workshop = Workshop {
            store: &store,
            keyring: &keyring,
            data: &data,
            limits,
            shelf: Arc::new(Shelf::default()),
        };
        let plain = match &self.encrypt_to {
            Some(_) => beside(&self.output, ".plain"),
            None => self.output.clone(),
        };
        let watched = std::io::stderr().is_terminal();
        let progress = |done: u64, of: u64| {
            if watched && (done == of || done.is_multiple_of(100)) {
                tell(&format!("{done} of {of} hosts"));
            }
        };
        let work = beside(&self.output, ".work");
        let made = workshop.make(&self.asked(), now_us, (&work, &plain), None, progress).await;
        store.close().await;
        let made = made?;
        if let Some(recipient) = &self.encrypt_to {
            encrypt(&plain, &self.output, recipient)?;
        }
        Ok(self.told(&made))
    }

    fn told(&self, made: &Made) -> ExitCode {
        let (head, packed) = (&made.head, &made.packed);
        say(&self.output.display().to_string());
        tell(&format!(
            "{} hosts as of {}, log size {}; {} files, {} bytes. SHA-256 of SHA256SUMS: {}",
            head.hosts,
            time(head.pins.at_us),
            head.pins.known_size,
            packed.files,
            packed.size_bytes,
            packed.sums,
        ));
        if !made.stamped {
            tell(
                "No time stamp: no authority is configured, so that nobody outside confirms when \
                 this was made.",
            );
        }
        if head.unjudged > 0 {
            tell(&format!(
                "{} hosts have check-ins that were not judged yet; the report says so.",
                head.unjudged
            ));
        }
        if made.disagreeing == 0 {
            return ExitCode::SUCCESS;
        }
        tell(&format!(
            "{} hosts have results on record that the rules do not give: the store was changed, or \
             this program has a fault. The snapshot says which; run `log verify`, and keep everything.",
            made.disagreeing
        ));
        ExitCode::from(NOT_VERIFIED)
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}{end}"))
}

/// Runs `age`: the product has no encryption of its own.
fn age(args: &[&str]) -> anyhow::Result<()> {
    let output = std::process::Command::new("age").args(args).output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "the program `age` is not installed; install it (Debian: apt install age), or make the \
             snapshot without --encrypt-to and encrypt the file yourself"
        ),
        output => output?,
    };
    if !output.status.success() {
        bail!("age: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The plain archive is gone afterwards, whatever came of it.
fn encrypt(plain: &Path, output: &Path, recipient: &str) -> anyhow::Result<()> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let done = age(&["--encrypt", "--recipient", recipient, "--output", &text(output), &text(plain)]);
    std::fs::remove_file(plain).with_context(|| plain.display().to_string())?;
    done
}
