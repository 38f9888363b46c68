//! Leaves of the log.
//!
//! A check-in's leaf holds what the host signed, and the signature. A leaf of an act (what a
//! person or an administrator did) holds a salted hash, so that its body can be erased later
//! while the log stays whole.

use crate::check_in::{PAYLOAD_TYPE, SignedCheckIn};
use crate::digest::Digest;
use crate::{dsse, merkle};

const CHECK_IN: u8 = 0x01;
const ACT: u8 = 0x02;

/// Leaf bytes of a check-in: type ‖ PAE(payload) ‖ signature.
pub fn check_in_leaf(signed: &SignedCheckIn) -> Vec<u8> {
    let pae = dsse::pae(PAYLOAD_TYPE, signed.payload());
    [&[CHECK_IN], pae.as_slice(), signed.signature()].concat()
}

/// Leaf bytes of an act: type ‖ SHA-256(salt ‖ body).
pub fn act_leaf(salt: &[u8; 16], body: &[u8]) -> Vec<u8> {
    [&[ACT], Digest::of_parts(&[salt, body]).as_bytes()].concat()
}

/// The Merkle hash of leaf bytes.
pub fn hash(leaf: &[u8]) -> Digest {
    merkle::leaf_hash(leaf)
}

/// What a leaf of the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    CheckIn(Box<SignedCheckIn>),
    /// SHA-256(salt ‖ body) of an act.
    Act(Digest),
}

/// Reads leaf bytes back; none if they are of neither form.
pub fn read(leaf: &[u8]) -> Option<Said> {
    match leaf.split_first()? {
        (&ACT, hash) => Digest::from_slice(hash).map(Said::Act),
        (&CHECK_IN, rest) => {
            let (pae, signature) = rest.split_last_chunk::<64>()?;
            let head = format!("DSSEv1 {} {PAYLOAD_TYPE} ", PAYLOAD_TYPE.len());
            let rest = pae.strip_prefix(head.as_bytes())?;
            let at = rest.iter().position(|byte| *byte == b' ')?;
            let payload = rest.get(at + 1..)?;
            let signed =
                SignedCheckIn::from_bytes(&[signature.as_slice(), payload].concat()).ok()?;
            // The length in between is the right one, too.
            (check_in_leaf(&signed) == leaf).then(|| Said::CheckIn(Box::new(signed)))
        }
        _ => None,
    }
}
