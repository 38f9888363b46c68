//! The keys the collector signs with and those it still believes: certificate authorities and log
//! keys, with what hosts are told of them.
//!
//! Public halves and their states are in the store, so that all collectors agree; private halves
//! are files of the data directory. A rotation changes the store, and every running collector takes
//! it up within [`LOOK_EVERY`].

use crate::authority::{Authority, AuthorityError};
use crate::data::{DataDir, DataError};
use crate::log::LogSigner;
use crate::settings;
use crate::store::{KeyState, Sort, Store, StoreError, TrustKey};
use aws_lc_rs::hmac;
use evidence::Digest;
use evidence::checkpoint::LogKey;
use evidence::key::{KeyError, PublicKey, SigningKey};
use evidence::wire::TrustBundle;
use rustls::pki_types::CertificateDer;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// How often a running collector looks whether keys were rotated.
pub const LOOK_EVERY: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("a log key: {0}")]
    LogKey(#[from] KeyError),
    #[error("the store was not initialised; run `evidenced-collector init`")]
    NotInitialised,
    #[error("the store has no active {0} key")]
    NoActive(&'static str),
    #[error("the trust bundle: {0}")]
    Bundle(#[from] evidence::canonical::CanonicalError),
}

/// All keys, at one moment.
pub struct Keyring {
    /// Signs certificates.
    pub authority: Authority,
    /// Whose certificates are believed.
    pub believed: Vec<CertificateDer<'static>>,
    pub signer: LogSigner,
    pub bundle: TrustBundle,
    pub bundle_digest: Digest,
    pub nonces: hmac::Key,
    /// As the store has them.
    pub keys: Vec<TrustKey>,
}

impl Keyring {
    /// Reads the keys. The first time, those of `init` are made known to the store.
    pub async fn load(data: &DataDir, store: &Store, now_us: i64) -> Result<Self, KeyringError> {
        let origin = store.setting(settings::LOG_ORIGIN).await?;
        let origin = origin.ok_or(KeyringError::NotInitialised)?;
        let mut keys = store.trust_keys().await?;
        for sort in [Sort::Authority, Sort::Log, Sort::Snapshot] {
            if keys.iter().all(|key| key.sort != sort) {
                store.adopt_key(&first(data, sort)?, now_us).await?;
                keys = store.trust_keys().await?;
            }
        }
        Self::of(data, origin, keys)
    }

    fn of(data: &DataDir, origin: String, keys: Vec<TrustKey>) -> Result<Self, KeyringError> {
        let believed = |sort| {
            let keys = keys.iter().filter(move |key| key.sort == sort);
            keys.filter(|key| key.state != KeyState::Retired)
        };
        let active = |sort: Sort| {
            let key = believed(sort).find(|key| key.state == KeyState::Active);
            key.ok_or(KeyringError::NoActive(sort.as_str()))
        };
        let authority = active(Sort::Authority)?;
        let key_pem = data.authority_key(authority.id)?;
        let nonces = Digest::of_parts(&[b"evidenced nonce v1\0", key_pem.as_bytes()]);
        let authority = Authority::load(&key_pem, &authority.public)?;
        let authorities: Vec<_> = believed(Sort::Authority).map(|key| key.public.clone()).collect();
        let certificates = authorities.iter().map(|pem| crate::authority::certificate(pem));
        let certificates = certificates.collect::<Result<_, _>>()?;
        let mut signing = vec![data.log_key(active(Sort::Log)?.id)?];
        for key in believed(Sort::Log).filter(|key| key.state == KeyState::Former) {
            // While hosts may know only the former key, it signs too.
            signing.push(data.log_key(key.id)?);
        }
        let log_keys = believed(Sort::Log).map(|key| log_key(&origin, key));
        let log_keys = log_keys.collect::<Result<_, _>>()?;
        let bundle = TrustBundle { authorities, log_keys };
        Ok(Self {
            authority,
            believed: certificates,
            signer: LogSigner::new(origin, signing),
            bundle_digest: bundle.digest()?,
            bundle,
            nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces.as_bytes()),
            keys,
        })
    }
}

/// A log key as checkpoints name it.
pub fn log_key(origin: &str, key: &TrustKey) -> Result<LogKey, KeyError> {
    Ok(LogKey { origin: origin.to_owned(), key: key.public.parse::<PublicKey>()? })
}

/// The key that `init` made.
fn first(data: &DataDir, sort: Sort) -> Result<TrustKey, KeyringError> {
    let (id, public) = match sort {
        Sort::Authority => {
            let pem = data.first_authority()?;
            (Digest::of(&crate::authority::certificate(&pem)?), pem)
        }
        Sort::Log => key_names(&data.first_log_key()?),
        Sort::Snapshot => key_names(&data.first_snapshot_key()?),
    };
    Ok(TrustKey { from_size: Some(0), ..TrustKey::new(sort, id, public, KeyState::Active) })
}

/// Id and public half of a key for the log or for snapshots.
pub fn key_names(key: &SigningKey) -> (Digest, String) {
    (Digest::of(&key.public().0), key.public().to_string())
}

/// The keys of a running collector; cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<RwLock<Arc<Keyring>>>);

impl Keys {
    pub fn new(keyring: Keyring) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keyring))))
    }

    /// The keys as they are now.
    pub fn now(&self) -> Arc<Keyring> {
        // Whoever panicked while holding it left a whole ring behind.
        Arc::clone(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub fn replace(&self, keyring: Keyring) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(keyring);
    }
}
