//! The contract between agent and collector. No I/O happens here.
//!
//! A host's state is a tree in the manner of git: **facts** (what one kind of evidence says) are
//! the blobs, a **manifest** names the facts of every kind, and a **check-in** is the signed
//! commit that names a manifest. The collector answers with a **receipt** and appends the check-in
//! to a Merkle **log**.
//!
//! Three rules hold everywhere:
//! 1. Bytes are signed and hashed as they are; nothing is canonicalised again to be verified.
//! 2. A fact that was not read is an absent key: never null, never a sentinel.
//! 3. Numbers are integers within ±2⁵³ with the unit in their name (`_s`, `_day`, `_bytes`); times
//!    are UTC.

pub mod canonical;
pub mod check_in;
pub mod checkpoint;
pub mod declared;
pub mod digest;
pub mod dsse;
pub mod facts;
pub mod healing;
pub mod key;
pub mod kinds;
pub mod leaf;
pub mod manifest;
pub mod merkle;
pub mod proof;
pub mod receipt;
pub mod tlog_proof;
pub mod wire;

pub use check_in::{ChainId, CheckIn, HostId, SignedCheckIn};
pub use digest::Digest;
pub use facts::Facts;
pub use manifest::{KindEntry, Manifest, Source, Status};
pub use receipt::{Receipt, Want};
