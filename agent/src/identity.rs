//! The state directory: who this host is, its keys, its place in its chain.
//!
//! ```text
//! DIR/                 mode 0700, files 0600, locked by the agent that uses it
//!   lock               flock(2); empty
//!   tls.pem            client certificate and its P-256 key, PEM: one file, replaced whole
//!   tls.next.key       key of a certificate that was asked for and not given yet, PKCS#8 PEM
//!   evidence.key       Ed25519, PKCS#8          signs check-ins; made at enrolment
//!   identity.json      [`Identity`]             written last: with it, the host is enrolled
//!   chain.json         [`Chain`]
//!   spool/             see [`crate::spool`]
//!   former/HOST/       what was here when another machine's directory was found, without its keys
//!   left.json          [`Left`]: the host has left
//! ```

mod certificate;
mod former;
mod machine;

pub use certificate::Certificate;
pub use former::{Left, erase, set_aside};
pub use machine::{MACHINE_ID, machine};

use crate::durable::{self, Disk, RealDisk};
use evidence::checkpoint::TreeHead;
use evidence::healing::Healed;
use evidence::key::{KeyError, SigningKey};
use evidence::wire::TrustBundle;
use evidence::{ChainId, Digest, HostId};
use rustix::fs::FlockOperation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Certificate and key of the TLS client.
pub(crate) const PAIR: &str = "tls.pem";
/// Key of a certificate that was asked for and not given yet.
pub(crate) const NEXT_KEY: &str = "tls.next.key";

/// A state directory that this process alone may use.
pub struct StateDir {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    /// Held open as long as the lock is held.
    lock: File,
}

impl std::fmt::Debug for StateDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StateDir").field(&self.path).finish()
    }
}

/// What enrolment gave. The file `identity.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub host: HostId,
    /// `https://HOST:PORT` of the collector.
    pub server: String,
    pub trust: TrustBundle,
    /// HMAC of the machine id at enrolment; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Digest>,
    /// When the host was enrolled, milliseconds since the epoch.
    pub enrolled_at_ms: i64,
}

/// The host's place in its chain of check-ins. The file `chain.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    pub chain: ChainId,
    /// Sequence number of the next check-in.
    pub next_seq: i64,
    /// Id of the check-in before it; absent at the start of a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Digest>,
    /// The last accepted check-in of the chain before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<Digest>,
    /// The last check-in that a verified receipt named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Digest>,
    /// The last accepted checkpoint of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<TreeHead>,
    /// Breaks of the log that its operator stated and this host accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub healed: Vec<HealedLog>,
}

/// A break of the log that its operator stated and this host accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealedLog {
    pub healed: Healed,
    /// Why, in the operator's words.
    pub reason: String,
    /// When this host accepted it, milliseconds since the epoch.
    pub at_ms: i64,
    /// Check-ins that were signed before this one still carry what was given up.
    pub chain: ChainId,
    pub next_seq: i64,
    /// Whether a check-in says so.
    pub told: bool,
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Enrol first.
    #[error(
        "the state directory {} is not enrolled; run \
         `evidenced-agent enroll --state DIR --server URL --token TOKEN`", .0.display()
    )]
    NotEnrolled(PathBuf),
    /// Keep it, or use another directory.
    #[error(
        "the state directory {} is already enrolled with {server} as host {host}; \
         to enrol this host again, use another directory, or move this one away", path.display()
    )]
    Enrolled { path: PathBuf, host: HostId, server: String },
    /// It said so itself. Enrol again, if it is to come back.
    #[error(
        "host {host} has left: its keys are wiped. To let this machine report again, enrol it with \
         a new token: `evidenced-agent enroll --state {} --server URL --token TOKEN`", path.display()
    )]
    Left { path: PathBuf, host: HostId },
    /// Stop the other agent.
    #[error("another agent is using the state directory {}; stop it first", .0.display())]
    Locked(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A file is there and is not what it should be.
    #[error("{}: {reason}; restore it, or enrol this host again in another directory", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// No key could be made.
    #[error("cannot make a key: {0}")]
    Key(#[from] KeyError),
}

impl StateDir {
    /// Opens the directory for enrolment, made if it is not there.
    pub fn create(path: &Path) -> Result<Self, StateError> {
        Self::make(path)?;
        Self::lock(path)
    }

    /// Makes the directory if it is not there. An empty one that is there is made private; one with
    /// contents is left as it is.
    pub fn make(path: &Path) -> Result<(), StateError> {
        durable::make_directory(path).map_err(at(path))?;
        if fs::read_dir(path).map_err(at(path))?.next().is_none() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(at(path))?;
        }
        Ok(())
    }

    /// Opens the directory of an enrolled host.
    pub fn open(path: &Path) -> Result<(Self, Identity), StateError> {
        if let Some(Left { host, .. }) = Left::read(path)? {
            return Err(StateError::Left { path: path.to_owned(), host });
        }
        let identity = Identity::read(path)?;
        let state = Self::lock(path)?;
        durable::sweep(path).map_err(at(path))?;
        Ok((state, identity))
    }

    fn lock(path: &Path) -> Result<Self, StateError> {
        let file = path.join("lock");
        let mut options = File::options();
        let lock = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = lock.open(&file).map_err(at(&file))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), disk: Arc::new(RealDisk), lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StateError::Locked(path.to_owned())),
            Err(errno) => Err(at(&file)(errno.into())),
        }
    }

    /// The same, changed through another disk: a test's.
    #[must_use]
    pub fn on(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file of the directory; none if it is not there.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        read(&self.file(name))
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.file(name);
        self.disk.write(&path, bytes).map_err(at(&path))
    }

    /// The key that signs check-ins.
    pub fn evidence_key(&self) -> Result<SigningKey, StateError> {
        let bytes = self.needed("evidence.key")?;
        SigningKey::from_pkcs8(&bytes).map_err(|error| self.damaged("evidence.key", error))
    }

    /// Certificate and key of the TLS client, one PEM text.
    pub fn tls_identity(&self) -> Result<Vec<u8>, StateError> {
        self.needed(PAIR)
    }

    /// The certificate of the TLS client.
    pub fn certificate(&self) -> Result<Certificate, StateError> {
        Certificate::read(&self.tls_identity()?).map_err(|error| self.damaged(PAIR, error))
    }

    /// Removes a file of the directory, durably. It is no error if it is gone.
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        let path = self.file(name);
        self.disk.remove(&path).map_err(at(&path))
    }

    fn needed(&self, name: &str) -> Result<Vec<u8>, StateError> {
        self.read(name)?.ok_or_else(|| self.damaged(name, "the file is missing"))
    }

    pub fn damaged(&self, name: &str, reason: impl ToString) -> StateError {
        StateError::Damaged { path: self.file(name), reason: reason.to_string() }
    }
}

impl Drop for StateDir {
    /// Unlocks in so many words: a child process between fork and exec shares the open file, and
    /// merely closing it here would leave the lock with the child for that moment.
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
    }
}

impl Identity {
    pub const FILE: &str = "identity.json";

    /// Reads the identity of an enrolled directory. Takes no lock: the file is replaced whole.
    pub fn read(directory: &Path) -> Result<Self, StateError> {
        let found = read_json(&directory.join(Self::FILE))?;
        found.ok_or_else(|| StateError::NotEnrolled(directory.to_owned()))
    }

    pub fn write(&self, state: &StateDir) -> Result<(), StateError> {
        let bytes = serde_json::to_vec_pretty(self);
        state.write(Self::FILE, &bytes.map_err(|error| state.damaged(Self::FILE, error))?)
    }
}

impl Chain {
    pub const FILE: &str = "chain.json";

    /// The start of a chain. `chain` is new; `before` is the chain it continues.
    pub fn start(chain: ChainId, before: Option<&Self>) -> Self {
        let accepted = before.and_then(|before| before.accepted);
        Self {
            chain,
            next_seq: 0,
            prev: None,
            resumes: accepted,
            accepted,
            checkpoint: before.and_then(|before| before.checkpoint),
            healed: before.map(|before| before.healed.clone()).unwrap_or_default(),
        }
    }

    /// Reads the chain of a state directory; none if it has none.
    pub fn read(directory: &Path) -> Result<Option<Self>, StateError> {
        read_json(&directory.join(Self::FILE))
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::other)
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let value = serde_json::from_slice(&bytes);
    let damaged = |error: serde_json::Error| StateError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    value.map(Some).map_err(damaged)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StateError + '_ {
    |source| StateError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_directory_serves_one_agent_at_a_time() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("state");
        let first = StateDir::create(&path).expect("first");
        assert!(matches!(StateDir::create(&path), Err(StateError::Locked(_))));
        drop(first);
        StateDir::create(&path).expect("free again");
    }

    #[test]
    fn an_empty_directory_is_made_private() {
        let directory = tempfile::tempdir().expect("directory");
        let wide = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), wide).expect("permissions");
        StateDir::create(directory.path()).expect("created");
        let mode = fs::metadata(directory.path()).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_directory_without_identity_says_how_to_enrol() {
        let directory = tempfile::tempdir().expect("directory");
        let error = StateDir::open(directory.path()).expect_err("not enrolled").to_string();
        let said =
            format!("{} is not enrolled; run `evidenced-agent enroll", directory.path().display());
        assert!(error.contains(&said), "{error}");
    }

    #[test]
    fn a_damaged_identity_is_named_and_not_taken_for_a_missing_one() {
        let directory = tempfile::tempdir().expect("directory");
        fs::write(directory.path().join("identity.json"), b"{").expect("written");
        let error = StateDir::open(directory.path()).expect_err("damaged");
        assert!(matches!(error, StateError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_new_chain_resumes_the_last_accepted_check_in() {
        let mut old = Chain::start(ChainId::from_parts(1, 1), None);
        assert_eq!(old.resumes, None);
        (old.next_seq, old.prev) = (7, Some(Digest::of(b"sent")));
        old.accepted = Some(Digest::of(b"accepted"));
        old.checkpoint = Some(TreeHead { root: Digest::of(b"root"), size: 3 });
        let new = Chain::start(ChainId::from_parts(2, 2), Some(&old));
        assert_eq!((new.next_seq, new.prev, new.resumes), (0, None, old.accepted));
        assert_eq!((new.accepted, new.checkpoint), (old.accepted, old.checkpoint));
    }
}
