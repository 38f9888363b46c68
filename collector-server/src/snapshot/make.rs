//! From the store to the finished archive.

use super::SnapshotError;
use super::create::Maker;
use super::document::{Asked, Head};
use super::files::Work;
use super::pack::{self, Packed, STAMP};
use super::rules::Shelf;
use super::sshsig::Signer;
use super::{derive, envelope};
use crate::anchor::tsa::Tsa;
use crate::clock::DAY_US;
use crate::data::DataDir;
use crate::keyring::{Keyring, KeyringError};
use crate::record::Registers;
use crate::status::RepairLimits;
use crate::store::{KeyState, Sort, Store, TrustKey};
use evidence::key::{PublicKey, SigningKey};
use std::path::Path;
use std::sync::Arc;

/// What makes snapshots of a collector.
pub struct Workshop<'a> {
    pub store: &'a Store,
    pub keyring: &'a Keyring,
    pub data: &'a DataDir,
    pub limits: RepairLimits,
    pub shelf: Arc<Shelf>,
    /// Says by when the archive was signed; none where no authority is configured.
    pub tsa: Option<&'a Tsa>,
}

/// A finished archive.
#[derive(Debug, Clone)]
pub struct Made {
    pub head: Head,
    pub packed: Packed,
    /// Hosts whose results on record are not those of judging again.
    pub disagreeing: u64,
    pub stamped: bool,
}

impl Workshop<'_> {
    /// Makes an archive. The directory of work is gone afterwards; if something fails it stays, and
    /// the next run goes on with it.
    pub async fn make(
        &self,
        asked: &Asked,
        now_us: i64,
        (work, output): (&Path, &Path),
        progress: impl FnMut(u64, u64),
    ) -> Result<Made, SnapshotError> {
        let key = self.key()?;
        let work = Work::open(work)?;
        let (store, signer) = (self.store, &self.keyring.signer);
        let registers = Registers::load(&self.data.registers(), |_| true);
        let registers = registers.map_err(|error| SnapshotError::Other(error.to_string()))?;
        let (limits, shelf) = (self.limits, Arc::clone(&self.shelf));
        let maker = Maker { store, signer, limits, shelf, registers };
        let head = maker.documents(asked, now_us, &work, progress).await?;
        let signers = signers(&self.keyring.keys).map_err(KeyringError::LogKey)?;
        let lines: String = signers.iter().map(|signer| signer.line() + "\n").collect();
        work.put("keys/allowed_signers", lines.as_bytes())?;
        work.put("keys/snapshot.pem", envelope::public_pem(&key.public()).as_bytes())?;
        let (mut of, shelf) = (work.clone(), Arc::clone(&self.shelf));
        let derived =
            tokio::task::spawn_blocking(move || derive::all(&mut of.clone(), &shelf, &mut of));
        let derived = derived.await??;
        let (of, at_us, output) = (work.clone(), head.pins.at_us, output.to_owned());
        let signed = tokio::task::spawn_blocking(move || {
            envelope::sign_results(&of, &key)?;
            pack::sign(&of, &key)
        });
        let signature = signed.await??;
        let stamped = self.stamp(&work, &signature).await?;
        let of = work.clone();
        let packed = tokio::task::spawn_blocking(move || pack::pack(&of, at_us, &output)).await??;
        work.remove()?;
        Ok(Made { head, packed, disagreeing: derived.disagreeing, stamped })
    }

    async fn stamp(&self, work: &Work, signature: &str) -> Result<bool, SnapshotError> {
        let Some(tsa) = self.tsa else { return Ok(false) };
        let token = tsa.timestamp(signature.as_bytes()).await.map_err(|error| {
            SnapshotError::Other(format!(
                "no time stamp of {}: {error}; what was made is kept, and the next run goes on with \
                 it (`--without-timestamp` leaves it out)",
                tsa.url()
            ))
        })?;
        work.put(STAMP, &token.tsr)?;
        Ok(true)
    }

    /// The key that signs snapshots now.
    fn key(&self) -> Result<SigningKey, SnapshotError> {
        let active = |key: &&TrustKey| key.sort == Sort::Snapshot && key.state == KeyState::Active;
        let key = self.keyring.keys.iter().find(active);
        let key = key.ok_or(KeyringError::NoActive("snapshot"))?;
        Ok(self.data.snapshot_key(key.id).map_err(KeyringError::Data)?)
    }
}

/// Every key that ever signed snapshots or will, with its days. A day of grace at both ends, as days
/// are those of whoever verifies.
pub fn signers(keys: &[TrustKey]) -> Result<Vec<Signer>, evidence::key::KeyError> {
    let day = |us: i64| {
        let at = jiff::Timestamp::from_microsecond(us).unwrap_or_default();
        at.strftime("%Y%m%d").to_string()
    };
    let mut of: Vec<_> = keys.iter().filter(|key| key.sort == Sort::Snapshot).collect();
    of.sort_by_key(|key| (key.from_us.unwrap_or(i64::MAX), key.id));
    let signer = |key: &&TrustKey| {
        Ok(Signer {
            key: key.public.parse::<PublicKey>()?,
            from_day: key.from_us.map(|us| day(us - DAY_US)),
            to_day: key.to_us.map(|us| day(us + 2 * DAY_US)),
        })
    };
    of.iter().map(signer).collect()
}
