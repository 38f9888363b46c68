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
