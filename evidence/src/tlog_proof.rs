//! Proofs for one leaf, as files: C2SP `tlog-proof` (`c2sp.org/tlog-proof@v1`, extension
//! `.tlog-proof`). Whoever has one and the log's verifier key needs nothing else.
//!
//! `extra` holds the bytes of the leaf. The format does not authenticate it; the proof does: it is
//! believed only if its hash is the leaf that the proof leads from.

use crate::checkpoint::{Checkpoint, CheckpointError, LogKey};
use crate::digest::Digest;
use crate::merkle::leaf_hash;
use crate::proof::{ProofError, verify_inclusion};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{self, Write as _};
use std::str::FromStr;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Longest file that is read, in bytes.
pub const MAX_BYTES: usize = 256 << 10;
/// A path has a hash for each level of a tree of at most 2⁶³ leaves.
const MAX_HASHES: usize = 64;

/// That a leaf is at `index` of the log that `checkpoint` signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    pub leaf: Vec<u8>,
    pub index: u64,
    pub inclusion: Vec<Digest>,
    /// The signed note.
    pub checkpoint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not a file of this format.
    #[error("not a tlog-proof: {0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The leaf is not in the log that the checkpoint signs.
    #[error("the leaf is not under the checkpoint: {0}")]
    Proof(#[from] ProofError),
}

impl TlogProof {
    /// Verifies checkpoint, path and leaf with one of `keys`; gives the checkpoint.
    pub fn verify(&self, keys: &[LogKey]) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, keys)?;
        let (leaf, head) = (leaf_hash(&self.leaf), checkpoint.head);
        verify_inclusion(&leaf, self.index, head.size, &self.inclusion, &head.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text =
            format!("{FIRST_LINE}\nextra {}\nindex {}\n", STANDARD.encode(&self.leaf), self.index);
        for hash in &self.inclusion {
            writeln!(text, "{}", STANDARD.encode(hash.0))?;
        }
        write!(f, "{text}\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        let malformed = TlogProofError::Malformed;
        if text.len() > MAX_BYTES {
            return Err(malformed("longer than 256 KiB"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(malformed("no empty line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed("its first line is another"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let extra = extra.ok_or(malformed("it does not bring its leaf (`extra`)"))?;
        let leaf = STANDARD.decode(extra).map_err(|_| malformed("`extra` is not base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.ok_or(malformed("no index"))?;
        let number: u64 = index.parse().map_err(|_| malformed("the index is no number"))?;
        if number.to_string() != index {
            return Err(malformed("the index is not written as a decimal"));
        }
        let mut inclusion = Vec::new();
        for line in lines {
            let hash = STANDARD.decode(line).ok().and_then(|bytes| Digest::from_slice(&bytes));
            inclusion.push(hash.ok_or(malformed("a hash is not a base64 SHA-256"))?);
            if inclusion.len() > MAX_HASHES {
                return Err(malformed("more than 64 hashes"));
            }
        }
        Ok(Self { leaf, index: number, inclusion, checkpoint: checkpoint.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TreeHead;
    use crate::key::SigningKey;
    use crate::merkle::node_hash;

    fn proof() -> (TlogProof, LogKey) {
        let (key, _) = SigningKey::generate().expect("key");
        let log = LogKey { origin: "log.example.org/evidence".into(), key: key.public() };
        let (one, two) = (leaf_hash(b"one"), leaf_hash(b"two"));
        let head = TreeHead { size: 2, root: node_hash(&one, &two) };
        let checkpoint = Checkpoint::sign(&log.origin, head, &key).note;
        let proof = TlogProof { leaf: b"two".to_vec(), index: 1, inclusion: vec![one], checkpoint };
        (proof, log)
    }

    #[test]
    fn a_proof_survives_its_text_and_verifies_with_the_logs_key_alone() {
        let (proof, log) = proof();
        let read: TlogProof = proof.to_string().parse().expect("read");
        assert_eq!(read, proof);
        assert_eq!(read.verify(&[log]).expect("verifies").head.size, 2);
        let (_, other) = self::proof();
        assert!(read.verify(&[other]).is_err());
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let (proof, log) = proof();
        let text = proof.to_string();
        for (at, was) in text.char_indices() {
            let changed = if was == 'A' { "B" } else { "A" };
            let mut other = text.clone();
            other.replace_range(at..at + was.len_utf8(), changed);
            let accepted = other
                .parse::<TlogProof>()
                .is_ok_and(|read| read.verify(std::slice::from_ref(&log)).is_ok() && read != proof);
            assert!(!accepted, "{at}: {other}");
        }
    }

    #[test]
    fn what_is_no_proof_says_why() {
        let (proof, _) = proof();
        let text = proof.to_string();
        for (from, to, why) in [
            ("@v1", "@v2", "first line"),
            ("extra ", "Extra ", "leaf"),
            ("index 1", "index 01", "decimal"),
            ("index 1", "index -1", "number"),
            ("index 1", "index 1\nAAAA", "SHA-256"),
            ("\n\n", "\n", ""),
        ] {
            let error = text.replacen(from, to, 1).parse::<TlogProof>().expect_err(to);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
