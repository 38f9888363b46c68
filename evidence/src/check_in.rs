//! A check-in: one signed statement of a host about its state.

use crate::canonical::{self, CanonicalError};
use crate::checkpoint::TreeHead;
use crate::digest::Digest;
use crate::dsse;
use crate::healing::Healed;
use crate::key::{PublicKey, SigningKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A host's name for life: a ULID given at enrolment.
pub type HostId = ulid::Ulid;
/// One unbroken run of sequence numbers: a ULID minted by a state directory.
pub type ChainId = ulid::Ulid;

/// DSSE payload type of a check-in.
pub const PAYLOAD_TYPE: &str = "application/vnd.evidenced.check-in+json";
/// Longest payload that is read, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 10;

/// What a host states. Canonical JSON; the signature is over its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckIn {
    /// Agent version.
    pub agent: String,
    /// When the check-in was made, by the host's clock, milliseconds since the epoch.
    pub at_ms: i64,
    pub chain: ChainId,
    /// The last checkpoint of the log that this host accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<TreeHead>,
    pub clock: Clock,
    /// Kinds collected since the last check-in, and how many seconds before `at_ms`.
    pub collected: BTreeMap<String, i64>,
    /// The stated break of the log that this host accepted since its last check-in, and what it
    /// knew of the former log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healed: Option<Healed>,
    pub host: HostId,
    /// Id of the manifest that holds now.
    pub manifest: Digest,
    /// The next check-in is due within this many seconds.
    pub next_due_s: i64,
    /// Hash of the previous check-in of this chain; absent on the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev: Option<Digest>,
    /// The last accepted check-in of an older chain that this chain continues; first one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumes: Option<Digest>,
    /// 0, 1, 2 … within the chain.
    pub seq: i64,
}

impl CheckIn {
    /// Reads a payload as nearly all are: ASCII, and written by serde_json as it is. The fields of
    /// these types are in alphabetical order and maps are sorted, so that is canonical. None says
    /// nothing; then [`CheckIn::from_canonical`] decides.
    fn from_plain(payload: &[u8]) -> Option<Self> {
        let check_in: Self = serde_json::from_slice(payload).ok()?;
        let mut numbers = [check_in.at_ms, check_in.next_due_s, check_in.seq].into_iter();
        let small = |number: &i64| number.unsigned_abs() <= canonical::MAX_INTEGER.unsigned_abs();
        let heads = check_in.checkpoint.into_iter().chain(check_in.healed.map(|one| one.gave_up));
        let size = heads.map(|head| head.size).max().unwrap_or_default();
        let exact = payload.is_ascii()
            && numbers.all(|number| small(&number))
            && check_in.collected.values().all(small)
            && size <= canonical::MAX_INTEGER.unsigned_abs()
            && serde_json::to_vec(&check_in).is_ok_and(|written| written == payload);
        exact.then_some(check_in)
    }

    fn from_canonical(payload: &[u8]) -> Result<Self, CheckInError> {
        let malformed = |error: &dyn std::fmt::Display| CheckInError::Malformed(error.to_string());
        let value = canonical::from_canonical_slice(payload).map_err(|error| malformed(&error))?;
        serde_json::from_value(value).map_err(|error| malformed(&error))
    }
}

/// What the kernel says of the host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Whether the kernel holds the clock to be synchronised (adjtimex(2), STA_UNSYNC); absent
    /// where it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronised: Option<bool>,
}

/// A check-in with its signature, as it travels and as it is kept: 64 bytes of Ed25519 signature
/// over [`dsse::pae`] of the payload, then the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckIn {
    pub check_in: CheckIn,
    payload: Vec<u8>,
    signature: [u8; 64],
}

#[derive(Debug, thiserror::Error)]
pub enum CheckInError {
    /// Too short, too long, or not canonical JSON. Refuse it; the sender will not do better.
    #[error("not a check-in: {0}")]
    Malformed(String),
    /// The payload cannot be written as canonical JSON.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The signature is not that of the key. Refuse it.
    #[error("the signature does not fit the host's evidence key")]
    Signature,
}

impl SignedCheckIn {
    pub fn sign(check_in: CheckIn, key: &SigningKey) -> Result<Self, CheckInError> {
        let payload = canonical::to_vec(&check_in)?;
        let signature = key.sign(&dsse::pae(PAYLOAD_TYPE, &payload));
        Ok(Self { check_in, payload, signature })
    }

    /// Reads the wire form. The signature is not checked yet: the host named inside decides by
    /// which key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckInError> {
        let malformed = |what: &str| CheckInError::Malformed(what.to_owned());
        let (signature, payload) =
            bytes.split_first_chunk::<64>().ok_or(malformed("shorter than a signature"))?;
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(malformed("payload above 16 KiB"));
        }
        let check_in = match CheckIn::from_plain(payload) {
            Some(check_in) => check_in,
            None => CheckIn::from_canonical(payload)?,
        };
        if check_in.seq < 0 || check_in.at_ms < 0 || check_in.next_due_s < 0 {
            return Err(malformed("a negative number"));
        }
        if (check_in.seq == 0) != check_in.prev.is_none() {
            return Err(malformed("`prev` belongs to every check-in but the first of a chain"));
        }
        Ok(Self { check_in, payload: payload.to_vec(), signature: *signature })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        [self.signature.as_slice(), &self.payload].concat()
    }

    pub fn verify(&self, key: &PublicKey) -> Result<(), CheckInError> {
        let signed = dsse::pae(PAYLOAD_TYPE, &self.payload);
        if key.verifies(&signed, &self.signature) { Ok(()) } else { Err(CheckInError::Signature) }
    }

    /// SHA-256 of the payload: the name of this check-in, and the `prev` of the next.
    pub fn id(&self) -> Digest {
        Digest::of(&self.payload)
    }

    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_in() -> CheckIn {
        CheckIn {
            agent: "0.1.0".into(),
            at_ms: 1_700_000_000_000,
            chain: ulid::Ulid::from_parts(1, 2),
            checkpoint: Some(TreeHead { size: 7, root: Digest::of(b"root") }),
            clock: Clock { synchronised: Some(true) },
            collected: [("accounts".to_owned(), 3), ("packages".to_owned(), 2)].into(),
            healed: None,
            host: ulid::Ulid::from_parts(3, 4),
            manifest: Digest::of(b"m"),
            next_due_s: 3600,
            prev: Some(Digest::of(b"p")),
            resumes: None,
            seq: 41,
        }
    }

    #[test]
    fn a_signed_check_in_survives_the_wire_and_any_changed_byte_is_noticed() {
        let (key, _) = SigningKey::generate().expect("key");
        let signed = SignedCheckIn::sign(check_in(), &key).expect("signed");
        let bytes = signed.to_bytes();
        let read = SignedCheckIn::from_bytes(&bytes).expect("read");
        assert_eq!(read, signed);
        read.verify(&key.public()).expect("verifies");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let accepted = SignedCheckIn::from_bytes(&changed)
                .is_ok_and(|read| read.verify(&key.public()).is_ok());
            assert!(!accepted, "byte {at}");
        }
    }

    #[test]
    fn the_short_way_to_read_a_payload_finds_what_the_long_way_finds_and_nothing_else() {
        let payload = canonical::to_vec(&check_in()).expect("canonical");
        assert_eq!(CheckIn::from_plain(&payload), Some(check_in()));
        let text = String::from_utf8(payload).expect("text");
        let changes = [
            ("\"seq\":41", "\"seq\": 41"),
            ("\"seq\":41", "\"seq\":41.0"),
            ("\"seq\":41", "\"seq\":9007199254740993"),
            ("\"seq\":41", "\"seq\":41,\"seq\":41"),
            ("\"seq\":41", "\"seq\":41,\"x\":1"),
            ("\"size\":7", "\"size\":9007199254740993"),
            ("\"accounts\":3", "\"accounts\":3,\"accounts\":3"),
            ("\"accounts\":3,\"packages\":2", "\"packages\":2,\"accounts\":3"),
            ("\"agent\":\"0.1.0\"", "\"agent\":\"0\\u002e1.0\""),
            ("\"resumes\"", "\"resumes\":null,\"resumes\""),
        ];
        for (was, is) in changes {
            let changed = text.replacen(was, is, 1);
            let long = CheckIn::from_canonical(changed.as_bytes());
            assert!(changed == text || long.is_err(), "{is}");
            assert_eq!(CheckIn::from_plain(changed.as_bytes()), long.ok(), "{is}");
        }
        let gave_up = TreeHead { size: 9, root: Digest::of(b"former") };
        let healed = Some(Healed { gave_up, leaf: Digest::of(b"act") });
        let healed = canonical::to_vec(&CheckIn { healed, ..check_in() }).expect("canonical");
        assert_eq!(CheckIn::from_plain(&healed), CheckIn::from_canonical(&healed).ok());
        assert!(CheckIn::from_plain(&healed).is_some_and(|read| read.healed.is_some()));
        // Text that only the long way reads.
        let foreign = CheckIn { agent: "0.1.0-é\u{7f}".into(), ..check_in() };
        let payload = canonical::to_vec(&foreign).expect("canonical");
        assert_eq!(CheckIn::from_plain(&payload), None);
        assert_eq!(CheckIn::from_canonical(&payload).expect("read"), foreign);
    }

    #[test]
    fn another_hosts_key_does_not_fit() {
        let (key, _) = SigningKey::generate().expect("key");
        let (other, _) = SigningKey::generate().expect("key");
        let signed = SignedCheckIn::sign(check_in(), &key).expect("signed");
        assert!(matches!(signed.verify(&other.public()), Err(CheckInError::Signature)));
    }

    #[test]
    fn the_first_of_a_chain_has_no_prev_and_every_other_has_one() {
        let (key, _) = SigningKey::generate().expect("key");
        for (seq, prev, fine) in
            [(0, false, true), (0, true, false), (1, true, true), (1, false, false)]
        {
            let mut statement = check_in();
            statement.seq = seq;
            statement.prev = prev.then(|| Digest::of(b"p"));
            let bytes = SignedCheckIn::sign(statement, &key).expect("signed").to_bytes();
            assert_eq!(SignedCheckIn::from_bytes(&bytes).is_ok(), fine, "seq {seq}, prev {prev}");
        }
    }

    #[test]
    fn an_unchanged_check_in_fits_the_budget_on_the_wire() {
        let (key, _) = SigningKey::generate().expect("key");
        let bytes = SignedCheckIn::sign(check_in(), &key).expect("signed").to_bytes();
        assert!(bytes.len() <= 600, "{} bytes", bytes.len());
    }
}
