//! Checkpoints: the log's size and root, signed, as C2SP `tlog-checkpoint` and `signed-note`.

use crate::digest::Digest;
use crate::key::{PublicKey, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Algorithm byte of an Ed25519 note signature (C2SP signed-note).
const ED25519: u8 = 0x01;

/// Size and root of the log at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeHead {
    pub root: Digest,
    pub size: u64,
}

/// A checkpoint whose signature was checked, with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub head: TreeHead,
    /// The signed note, ready to be stored or sent.
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint at all. Refuse it.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// No signature of a known log key. Refuse it.
    #[error("no signature of a known key of log `{0}`")]
    Unsigned(String),
}

/// A key of the log: its name is the checkpoint's origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogKey {
    pub origin: String,
    pub key: PublicKey,
}

impl LogKey {
    /// The key hash of C2SP signed-note: SHA-256(name ‖ "\n" ‖ algorithm ‖ key), first 4 bytes.
    fn id(&self) -> [u8; 4] {
        let digest = Digest::of_parts(&[self.origin.as_bytes(), b"\n", &[ED25519], &self.key.0]);
        let mut id = [0; 4];
        id.copy_from_slice(&digest.0[..4]);
        id
    }

    /// The verifier key as C2SP writes it: `origin+hash+base64`.
    pub fn vkey(&self) -> String {
        let key = [&[ED25519], self.key.0.as_slice()].concat();
        format!("{}+{}+{}", self.origin, hex::encode(self.id()), STANDARD.encode(key))
    }
}

/// The text is no verifier key of an Ed25519 log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a verifier key; it has the form ORIGIN+HASH+BASE64, as `log keys` prints it")]
pub struct InvalidKey;

impl FromStr for LogKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        // Base64 may hold a plus sign, the other two may not.
        let mut parts = text.trim().splitn(3, '+');
        let (Some(origin), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidKey);
        };
        let key = STANDARD.decode(key).map_err(|_| InvalidKey)?;
        let Some((&ED25519, key)) = key.split_first() else { return Err(InvalidKey) };
        let key = PublicKey::from_slice(key).ok_or(InvalidKey)?;
        let key = Self { origin: origin.to_owned(), key };
        let whole = !origin.is_empty() && hex::encode(key.id()) == id;
        if whole { Ok(key) } else { Err(InvalidKey) }
    }
}

impl Checkpoint {
    /// Signs `head` as a checkpoint of the log named `origin`.
    pub fn sign(origin: &str, head: TreeHead, key: &SigningKey) -> Self {
        let text = body(origin, &head);
        let note = format!("{text}\n{}", signature(origin, &text, key));
        Self { origin: origin.to_owned(), head, note }
    }

    /// The same checkpoint with a signature by a second key of the log, as while keys rotate.
    #[must_use]
    pub fn cosign(mut self, key: &SigningKey) -> Self {
        self.note += &signature(&self.origin, &body(&self.origin, &self.head), key);
        self
    }

    /// Reads a checkpoint that one of `keys` signed.
    pub fn verify(note: &str, keys: &[LogKey]) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        if note.len() > 8 << 10 {
            return Err(malformed("longer than 8 KiB"));
        }
        let end = note.rfind("\n\n").ok_or(malformed("no blank line before the signatures"))?;
        let (text, signatures) = (&note[..=end], &note[end + 2..]);
        let mut lines = text.split('\n');
        let origin =
            lines.next().filter(|origin| !origin.is_empty()).ok_or(malformed("no origin"))?;
        let size = lines.next().ok_or(malformed("no size"))?;
        let size = decimal(size).ok_or(malformed("the size is not a decimal number"))?;
        let root = lines.next().and_then(|root| STANDARD.decode(root).ok());
        let root = root.and_then(|root| Digest::from_slice(&root));
        let root = root.ok_or(malformed("the root is not a base64 SHA-256"))?;
        let known = |line: &str| {
            let mut words = line.strip_prefix("— ")?.splitn(2, ' ');
            let (name, signature) = (words.next()?, words.next()?);
            let signature = STANDARD.decode(signature).ok()?;
            let (id, signature) = signature.split_at_checked(4)?;
            keys.iter()
                .find(|key| key.origin == origin && name == origin && key.id() == id)
                .filter(|key| key.key.verifies(text.as_bytes(), signature))
        };
        if !signatures.lines().any(|line| known(line).is_some()) {
            return Err(CheckpointError::Unsigned(origin.to_owned()));
        }
        Ok(Self { origin: origin.to_owned(), head: TreeHead { root, size }, note: note.to_owned() })
    }
}

/// A signature line of C2SP signed-note.
fn signature(origin: &str, text: &str, key: &SigningKey) -> String {
    let id = LogKey { origin: origin.to_owned(), key: key.public() }.id();
    let signature = [id.as_slice(), &key.sign(text.as_bytes())].concat();
    format!("— {origin} {}\n", STANDARD.encode(signature))
}

fn body(origin: &str, head: &TreeHead) -> String {
    format!("{origin}\n{}\n{}\n", head.size, STANDARD.encode(head.root.0))
}

/// A decimal number without sign or leading zero.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (Checkpoint, LogKey) {
        let (key, _) = SigningKey::generate().expect("key");
        let head = TreeHead { size: 12, root: Digest::of(b"root") };
        let log = LogKey { origin: "log.example.org/evidence".into(), key: key.public() };
        (Checkpoint::sign(&log.origin, head, &key), log)
    }

    #[test]
    fn a_checkpoint_verifies_with_its_key_and_with_no_other() {
        let (checkpoint, log) = signed();
        let (_, other) = signed();
        assert_eq!(
            Checkpoint::verify(&checkpoint.note, &[other.clone(), log]),
            Ok(checkpoint.clone())
        );
        let refused = Checkpoint::verify(&checkpoint.note, &[other]);
        assert!(matches!(refused, Err(CheckpointError::Unsigned(_))));
    }

    #[test]
    fn a_checkpoint_of_two_keys_verifies_with_either() {
        let (old, _) = SigningKey::generate().expect("key");
        let (new, _) = SigningKey::generate().expect("key");
        let head = TreeHead { size: 12, root: Digest::of(b"root") };
        let origin = "log.example.org/evidence";
        let note = Checkpoint::sign(origin, head, &new).cosign(&old).note;
        assert_eq!(note.lines().filter(|line| line.starts_with("— ")).count(), 2);
        for key in [&old, &new] {
            let known = LogKey { origin: origin.into(), key: key.public() };
            assert_eq!(Checkpoint::verify(&note, &[known]).expect("verifies").head, head);
        }
        let (_, stranger) = signed();
        assert!(Checkpoint::verify(&note, &[stranger]).is_err());
    }

    #[test]
    fn any_change_to_the_text_breaks_the_signature() {
        let (checkpoint, log) = signed();
        for (from, to) in
            [("\n12\n", "\n13\n"), ("log.example.org", "lag.example.org"), ("\n12\n", "\n012\n")]
        {
            let changed = checkpoint.note.replacen(from, to, 1);
            assert_ne!(changed, checkpoint.note);
            assert!(Checkpoint::verify(&changed, std::slice::from_ref(&log)).is_err(), "{to}");
        }
    }

    #[test]
    fn a_verifier_key_reads_back_and_a_damaged_one_does_not() {
        let (_, log) = signed();
        let vkey = log.vkey();
        assert_eq!(vkey.parse(), Ok(log));
        for at in 0..vkey.len() {
            let mut other = vkey.clone();
            other.replace_range(at..=at, if &vkey[at..=at] == "A" { "B" } else { "A" });
            assert!(other.parse::<LogKey>().is_err(), "{other}");
        }
    }

    /// The implementation of the C2SP formats that `tlog_tiles` brings reads our text.
    #[test]
    fn another_implementation_reads_the_checkpoint() {
        let (checkpoint, _) = signed();
        let text = checkpoint.note.split_once("\n\n").expect("blank line").0.to_owned() + "\n";
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).expect("checkpoint");
        assert_eq!(theirs.origin(), checkpoint.origin);
        assert_eq!(theirs.size(), checkpoint.head.size);
        assert_eq!(theirs.hash().0, checkpoint.head.root.0);
    }
}
