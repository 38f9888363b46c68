//! `log proof` and `log verify-proof`.

use crate::cli::{Data, create, say};
use crate::clock;
use crate::keyring::Keyring;
use crate::log;
use crate::store::{Store, StoredLeaf};
use anyhow::{Context, bail};
use clap::Args;
use evidence::Digest;
use evidence::checkpoint::LogKey;
use evidence::leaf::{self, Said};
use evidence::tlog_proof::{MAX_BYTES, TlogProof};
use std::path::PathBuf;
use std::process::ExitCode;

const NOT_VERIFIED: u8 = 4;
/// Leaves looked through at once.
const PAGE: u64 = 1000;

#[derive(Args)]
#[group(id = "which", required = true, multiple = false, args = ["index", "check_in"])]
pub(in crate::cli) struct Proof {
    #[command(flatten)]
    data: Data,
    /// The leaf's place in the log: 0, 1, 2 …
    #[arg(long)]
    index: Option<u64>,
    /// A check-in: the SHA-256 of its payload.
    #[arg(long, value_name = "ID")]
    check_in: Option<Digest>,
    /// Where it is written; left out: standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
pub(in crate::cli) struct VerifyProof {
    /// A .tlog-proof.
    file: PathBuf,
    /// The log's verifier key, as `log keys` prints it; more than one if it was replaced.
    #[arg(long = "key", value_name = "VKEY", required = true)]
    keys: Vec<LogKey>,
}

impl Proof {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let data = self.data.open()?;
        let store = create::open(&data).await?;
        let index = match (self.index, self.check_in) {
            (Some(index), _) => index,
            (None, Some(id)) => {
                find(&store, id).await?.context("the log holds no such check-in")?
            }
            (None, None) => bail!("give --index or --check-in"),
        };
        let keyring = Keyring::load(&data, &store, clock::now_us()).await?;
        let proof = log::prove(&store, &keyring.signer, index).await?;
        store.close().await;
        let proof = proof.with_context(|| format!("the log has no leaf {index}"))?.to_string();
        match &self.output {
            Some(path) => std::fs::write(path, proof).with_context(|| path.display().to_string()),
            None => {
                say(proof.trim_end_matches('\n'));
                Ok(())
            }
        }
    }
}

/// The place of a check-in, looked for from the newest leaf back.
async fn find(store: &Store, id: Digest) -> anyhow::Result<Option<u64>> {
    let mut until = store.log().await?.size;
    while until > 0 {
        let from = until.saturating_sub(PAGE);
        for (index, leaf) in store.leaves(from, (until - from) as i64).await? {
            if matches!(leaf, StoredLeaf::CheckIn(signed, _) if signed.id() == id) {
                return Ok(Some(index));
            }
        }
        until = from;
    }
    Ok(None)
}

impl VerifyProof {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let place = || self.file.display().to_string();
        let length = std::fs::metadata(&self.file).with_context(place)?.len();
        let outcome = if length > MAX_BYTES as u64 {
            Err("it is longer than any proof".to_owned())
        } else {
            let bytes = std::fs::read(&self.file).with_context(place)?;
            let text = String::from_utf8(bytes).map_err(|_| "it is no text".to_owned());
            text.and_then(|text| text.parse::<TlogProof>().map_err(|error| error.to_string()))
                .and_then(|proof| {
                    let checkpoint = proof.verify(&self.keys).map_err(|error| error.to_string())?;
                    Ok((proof, checkpoint))
                })
        };
        let (proof, checkpoint) = match outcome {
            Ok(verified) => verified,
            Err(why) => {
                say(&format!("The proof does not hold: {why}."));
                return Ok(ExitCode::from(NOT_VERIFIED));
            }
        };
        say(&format!(
            "The proof holds: leaf {} of the log {}, under its checkpoint of {} leaves.",
            proof.index, checkpoint.origin, checkpoint.head.size
        ));
        say(&match leaf::read(&proof.leaf) {
            Some(Said::CheckIn(signed)) => format!(
                "It is check-in {}, signed by its host (that signature needs the host's key, and was \
                 not verified here):\n{}",
                signed.id(),
                String::from_utf8_lossy(signed.payload())
            ),
            Some(Said::Act(hash)) => {
                format!("It is an act; SHA-256 of its salt and body: {hash}.")
            }
            None => "Its leaf is of a form that this program does not know.".to_owned(),
        });
        Ok(ExitCode::SUCCESS)
    }
}
