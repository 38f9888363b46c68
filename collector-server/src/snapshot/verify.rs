//! Verifies an archive by itself: no server, no network, no clock. Each layer is checked whole, and
//! the outcome says what was proved, what was not, and everything that does not hold.
//!
//! 1. `form`: the archive is exactly as a collector writes it (`archive`).
//! 2. `digests`: every file is named, and is what its digest says; nothing else is there.
//! 3. `signature`: somebody who may sign signed the digests.
//! 4. `log`: the checkpoint is signed, and the tiles lead to its root.
//! 5. `acts`, `check_ins`: each is in the log; check-ins are signed by keys that enrolled.
//! 6. `facts`: everything that is named is there, under its digest, and nothing that nobody names.
//! 7. `results`: the rules in the archive say of the facts in the archive what is on record.
//! 8. `derived`: lists, OSCAL and report are those that the documents give.

mod again;
mod hosts;
mod logged;
mod outcome;

pub use logged::log_key;
pub use outcome::{Layer, Outcome, Standing};

use super::archive::{Archive, ArchiveError};
use super::document::{FORMAT, Head};
use super::files::Documents;
use super::pack::{SIGNATURE, STAMP, SUMS, UNNAMED};
use super::rules::Shelf;
use super::{SnapshotError, sshsig};
use evidence::canonical;
use evidence::checkpoint::LogKey;
use evidence::key::PublicKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::io::{Read, Seek};
use std::path::PathBuf;

/// Largest file that is read whole. Lists and results are compared by their digests and may be
/// larger.
const MAX_DOCUMENT: u64 = 256 << 20;

/// What no layer below the signature shows.
const RESTS: &str = "results and states that ended before the end, groups and states of hosts, \
    statements, exceptions, lists and expected hosts rest on the signature alone";

/// What the verifier believes, from elsewhere than the archive.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Keys that may sign; none: those in the archive, which prove nothing of who signed.
    pub signers: Option<Vec<PublicKey>>,
    /// Keys of the log; none: those that the signed archive names.
    pub log: Option<Vec<LogKey>>,
    /// Ends with the first layer that does not hold.
    pub brief: bool,
}

/// Verifies an archive. `shelf` keeps rule sets that were loaded, for the next archive.
pub fn verify<R: Read + Seek>(from: R, trust: &Trust, shelf: &Shelf) -> Outcome {
    let mut outcome = Outcome::default();
    let archive = match Archive::read(from) {
        Ok(archive) => archive,
        Err(ArchiveError::Read(error)) => {
            outcome.unread = Some(error.to_string());
            return outcome;
        }
        Err(error) => {
            outcome.fails(Layer::Form, error.to_string());
            return outcome;
        }
    };
    outcome.holds(Layer::Form, format!("{} files", archive.files.len()));
    let mut read = Reading { archive, outcome, read: BTreeSet::new() };
    read.digests();
    if read.ends(trust) {
        return read.outcome;
    }
    read.signature(trust);
    if read.ends(trust) {
        return read.outcome;
    }
    if let Some(head) = read.head() {
        read.contents(&head, trust, shelf);
        read.outcome.head = Some(head);
    }
    read.outcome
}

/// An archive that is being verified.
struct Reading<R> {
    archive: Archive<R>,
    outcome: Outcome,
    /// Names of files that were needed: others are nobody's.
    read: BTreeSet<String>,
}

impl<R: Read + Seek> Reading<R> {
    /// A file, or what is wrong with it.
    fn file(&mut self, name: &str) -> Result<Vec<u8>, String> {
        self.read.insert(name.to_owned());
        match self.archive.bytes(name, MAX_DOCUMENT) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(format!("{name} is missing")),
            Err(error) => Err(format!("{name}: {error}")),
        }
    }

    /// A document in the one form it can have: canonical JSON and a line end.
    fn document<T: DeserializeOwned + Serialize>(&mut self, name: &str) -> Result<T, String> {
        let bytes = self.file(name)?;
        strict(&bytes).map_err(|error| format!("{name}: {error}"))
    }

    /// Lines of canonical JSON.
    fn lines<T: DeserializeOwned + Serialize>(&mut self, name: &str) -> Result<Vec<T>, String> {
        let bytes = self.file(name)?;
        let mut lines = vec![];
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            lines.push(strict(line).map_err(|error| format!("{name}: {error}"))?);
        }
        Ok(lines)
    }

    fn digests(&mut self) {
        let sums = match self.file(SUMS) {
            Ok(bytes) => bytes,
            Err(error) => return self.outcome.fails(Layer::Digests, error),
        };
        let named = |name: &&String| !UNNAMED.contains(&name.as_str());
        let mut expected = String::new();
        for (name, place) in self.archive.files.iter().filter(|(name, _)| named(name)) {
            expected += &format!("{}  {name}\n", place.digest);
        }
        // One text, one order: whatever differs is a fault, and is told by its line.
        if sums == expected.as_bytes() {
            let files = expected.lines().count();
            return self.outcome.holds(Layer::Digests, format!("{files} files, and no other"));
        }
        let text = String::from_utf8_lossy(&sums).into_owned();
        let (said, found): (BTreeSet<&str>, BTreeSet<&str>) =
            (text.lines().collect(), expected.lines().collect());
        let name = |line: &&str| line.get(66..).unwrap_or(line).to_owned();
        let there: BTreeSet<String> = found.iter().map(name).collect();
        for line in said.difference(&found) {
            let what = if there.contains(&name(line)) { "was changed" } else { "is missing" };
            self.outcome.fails(Layer::Digests, format!("{} {what}", name(line)));
        }
        let listed: BTreeSet<String> = said.iter().map(name).collect();
        for line in found.difference(&said).filter(|line| !listed.contains(&name(line))) {
            self.outcome.fails(Layer::Digests, format!("{} is in no list", name(line)));
        }
        if said == found {
            self.outcome.fails(Layer::Digests, "SHA256SUMS is not as it is written".to_owned());
        }
    }

    fn signature(&mut self, trust: &Trust) {
        let sums = self.file(SUMS).unwrap_or_default();
        let signer = self.file(SIGNATURE).map(|signature| sshsig::signer(&sums, &signature));
        let signer = match signer {
            Ok(Ok(signer)) => signer,
            Ok(Err(error)) => return self.outcome.fails(Layer::Signature, error.to_string()),
            Err(error) => return self.outcome.fails(Layer::Signature, error),
        };
        let own = self.file("keys/allowed_signers").unwrap_or_default();
        let own = sshsig::allowed(&String::from_utf8_lossy(&own));
        match &trust.signers {
            Some(keys) if keys.contains(&signer) => {
                self.outcome.holds(Layer::Signature, format!("by {signer}"));
            }
            Some(_) => {
                let what = format!("signed by {signer}, which is none of the allowed signers");
                self.outcome.fails(Layer::Signature, what);
            }
            None if own.contains(&signer) => self.outcome.open(
                Layer::Signature,
                format!(
                    "it fits, by {signer}; whose key that is was not proved: give \
                         --allowed-signers with a list from elsewhere"
                ),
            ),
            None => self.outcome.fails(
                Layer::Signature,
                format!("signed by {signer}, which the archive itself does not name"),
            ),
        }
        self.outcome.signer = Some(signer);
        if self.archive.files.contains_key(STAMP) {
            self.read.insert(STAMP.to_owned());
            let what = "there is one; openssl ts -verify says whether it holds".to_owned();
            self.outcome.open(Layer::Stamp, what);
        } else {
            self.outcome.open(Layer::Stamp, "there is none".to_owned());
        }
    }

    fn head(&mut self) -> Option<Head> {
        let head: Head = match self.document("snapshot.json") {
            Ok(head) => head,
            Err(error) => {
                self.outcome.fails(Layer::Digests, error);
                return None;
            }
        };
        if head.format != FORMAT {
            let what = format!("snapshot.json: the form {} is not known", head.format);
            self.outcome.fails(Layer::Digests, what);
            return None;
        }
        let mtime_s = head.pins.at_us.div_euclid(1_000_000);
        if i64::try_from(self.archive.mtime_s).ok() != Some(mtime_s.max(0)) {
            self.outcome.fails(Layer::Form, "its files are of another time than it is".to_owned());
        }
        Some(head)
    }

    fn contents(&mut self, head: &Head, trust: &Trust, shelf: &Shelf) {
        self.log(head, trust);
        let acts = self.acts(head);
        if self.ends(trust) {
            return;
        }
        let rules = self.rules(head, shelf);
        self.hosts(head, &acts, &rules);
        if self.ends(trust) {
            return;
        }
        self.derived(head, shelf);
        self.nobodys();
        self.outcome.open(Layer::Results, RESTS.to_owned());
    }

    /// Whether enough is known.
    fn ends(&self, trust: &Trust) -> bool {
        trust.brief && !self.outcome.is_sound()
    }

    /// Files that nothing names: whoever put them there wanted something.
    fn nobodys(&mut self) {
        let is_key = |name: &str| name.starts_with("keys/");
        let nobodys: Vec<String> = self
            .archive
            .files
            .keys()
            .filter(|name| !self.read.contains(*name) && !is_key(name))
            .cloned()
            .collect();
        for name in nobodys {
            self.outcome.fails(Layer::Facts, format!("{name} is named by nothing"));
        }
    }
}

/// A document whose bytes are those that a collector writes: canonical JSON and a line end.
fn strict<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, String> {
    let text = bytes.strip_suffix(b"\n").ok_or("it does not end with a line end")?;
    let value: T = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let again = canonical::to_vec(&value).map_err(|error| error.to_string())?;
    if again == text { Ok(value) } else { Err("it is not canonical JSON".to_owned()) }
}

impl<R: Read + Seek> Documents for Reading<R> {
    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, SnapshotError> {
        self.read.insert(name.to_owned());
        let read = self.archive.bytes(name, MAX_DOCUMENT);
        read.map_err(|error| SnapshotError::File {
            path: PathBuf::from(name),
            source: std::io::Error::other(error.to_string()),
        })
    }

    fn names(&mut self, folder: &str) -> Result<Vec<String>, SnapshotError> {
        let all = self.archive.files.range(folder.to_owned()..);
        let within = all.take_while(|(name, _)| name.starts_with(folder));
        Ok(within.map(|(name, _)| name.clone()).collect())
    }
}
