//! `snapshot`: a frozen, signed archive for an auditor, and its verification.

use super::hosts::{printable, time};
use super::{Data, Format, create, rotate, say, tell};
use crate::anchor::tsa::Tsa;
use crate::clock;
use crate::keyring::Keyring;
use crate::overview;
use crate::snapshot::archive::Archive;
use crate::snapshot::document::{Asked, Sampling};
use crate::snapshot::make::{Made, Workshop, signers};
use crate::snapshot::rules::Shelf;
use crate::snapshot::verify::{Layer, Outcome, Trust, log_key, verify};
use crate::snapshot::{compare, sshsig};
use crate::store::Sort;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use evidence::checkpoint::LogKey;
use std::fs::File;
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
    /// Verify an archive by itself: no server, no network. Exit 4 if anything does not hold.
    Verify(Verify),
    /// Draw a sample from an archive and print it: the items with the lowest SHA-256 of seed, line
    /// end and item. Give the same seed to `create` to have their check-ins as files.
    Sample {
        file: PathBuf,
        #[arg(long)]
        seed: String,
        #[arg(long)]
        size: u64,
    },
    /// Say what differs between two archives: hosts, results, controls.
    Compare {
        before: PathBuf,
        after: PathBuf,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
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
    /// Ask no time stamp of the authority that [anchor] names.
    #[arg(long)]
    without_timestamp: bool,
}

impl Snapshot {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(create) => create.run().await,
            Self::Verify(verify) => verify.run(),
            Self::Sample { file, seed, size } => {
                let sampling = Sampling { seed, size };
                for (rank, item) in compare::draw(&mut open(&file)?, &sampling)? {
                    say(&format!("{rank} {item}"));
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Compare { before, after, format } => {
                let difference = compare::compare(&mut open(&before)?, &mut open(&after)?)?;
                match format {
                    Format::Json => say(&serde_json::to_string(&difference)?),
                    Format::Table => say(&difference.says()),
                }
                Ok(ExitCode::SUCCESS)
            }
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
        let tsa = match config.anchor.tsa_url.as_str() {
            "" => None,
            _ if self.without_timestamp => None,
            url => Some(Tsa::new(url)?),
        };
        let workshop = Workshop {
            store: &store,
            keyring: &keyring,
            data: &data,
            limits,
            shelf: Arc::new(Shelf::default()),
            tsa: tsa.as_ref(),
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
        let made = workshop.make(&self.asked(), now_us, (&work, &plain), progress).await;
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

#[derive(Args)]
pub(super) struct Verify {
    file: PathBuf,
    /// Who may sign, from elsewhere than the archive: the lines that `snapshot signers` prints.
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// A key of the log, from elsewhere: NAME+HASH+KEY (C2SP); may be repeated.
    #[arg(long, value_name = "VKEY", value_parser = vkey)]
    log_key: Vec<LogKey>,
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

fn vkey(text: &str) -> Result<LogKey, String> {
    log_key(text).ok_or_else(|| "not NAME+HASH+KEY of an Ed25519 key".to_owned())
}

impl Verify {
    fn run(self) -> anyhow::Result<ExitCode> {
        let signers = match &self.allowed_signers {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                let keys = sshsig::allowed(&text.with_context(|| path.display().to_string())?);
                if keys.is_empty() {
                    bail!("{} names nobody who may sign snapshots", path.display());
                }
                Some(keys)
            }
            None => None,
        };
        let log = (!self.log_key.is_empty()).then_some(self.log_key);
        let file = File::open(&self.file).with_context(|| self.file.display().to_string())?;
        let outcome = verify(file, &Trust { signers, log, brief: false }, &Shelf::default());
        if let Some(why) = &outcome.unread {
            bail!("{}: {why}", self.file.display());
        }
        match self.format {
            Format::Json => say(&as_value(&outcome).to_string()),
            Format::Table => say(&spoken(&outcome)),
        }
        Ok(if outcome.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(NOT_VERIFIED) })
    }
}

fn as_value(outcome: &Outcome) -> serde_json::Value {
    serde_json::json!({
        "verified": outcome.is_sound(), "layers": outcome.layers, "snapshot": outcome.head,
        "signer": outcome.signer.map(|key| key.to_string()),
    })
}

/// One line for each layer, and what is wrong with it.
fn spoken(outcome: &Outcome) -> String {
    let mut text = String::new();
    if let Some(head) = &outcome.head {
        text += &format!(
            "{}, {}, log size {}\n\n",
            printable(&head.organisation),
            time(head.pins.at_us),
            head.pins.known_size
        );
    }
    for layer in Layer::ALL {
        let standing = outcome.layers.get(&layer).cloned().unwrap_or_default();
        let word = match (standing.faults.is_empty(), standing.proved.is_empty()) {
            (false, _) => "DOES NOT HOLD",
            (true, false) => "proved",
            (true, true) => "not proved",
        };
        text += &format!("{word:>13}  {}\n", layer.claim());
        for line in standing.faults.iter().chain(&standing.proved).chain(&standing.open) {
            text += &format!("               {}\n", printable(line));
        }
        if standing.more > 0 {
            text += &format!("               and {} more\n", standing.more);
        }
    }
    text += match outcome.is_sound() {
        true => "\nNothing speaks against it. That hosts told the truth is not proved by this.",
        false => "\nThis snapshot does not hold.",
    };
    text
}

/// An archive whose form is sound.
fn open(path: &Path) -> anyhow::Result<Archive<File>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Archive::read(file).with_context(|| path.display().to_string())
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
    let done =
        age(&["--encrypt", "--recipient", recipient, "--output", &text(output), &text(plain)]);
    std::fs::remove_file(plain).with_context(|| plain.display().to_string())?;
    done
}
