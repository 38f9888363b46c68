//! DSSE envelopes: the assessment results as an in-toto statement, in the form that `trestle verify`
//! reads, and keys as `openssl` reads them.

use super::SnapshotError;
use super::document::{Envelope, EnvelopeSignature};
use super::files::{Documents, Work};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::key::{PublicKey, SigningKey};
use evidence::{Digest, canonical, dsse};
use serde_json::{Value, json};

/// The file that is signed, and its envelope.
pub const RESULTS: &str = "oscal/assessment-results.json";
pub const RESULTS_ENVELOPE: &str = "oscal/assessment-results.dsse.json";

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str =
    "https://oscal-compass.github.io/compliance-trestle/predicates/oscal-signing/v1";
/// SubjectPublicKeyInfo of Ed25519 (RFC 8410 section 4) before the 32 bytes of the key.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key as PEM.
pub fn public_pem(key: &PublicKey) -> String {
    let der = [SPKI.as_slice(), &key.0].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// What is signed of the assessment results: their name and digest. The file is canonical JSON and
/// the line end after it, which is not part of the digest.
fn statement(results: &[u8]) -> Value {
    let canonical = results.strip_suffix(b"\n").unwrap_or(results);
    json!({
        "_type": STATEMENT,
        "predicate": {
            "canonicalization": "RFC8785", "digestAlgorithm": "sha256",
            "digestSource": "canonical-json",
            "tool": {"name": "evidenced-collector", "version": env!("CARGO_PKG_VERSION")},
        },
        "predicateType": PREDICATE,
        "subject": [{
            "digest": {"sha256": Digest::of(canonical)}, "name": "assessment-results.json",
        }],
    })
}

/// The name of a key as securesystemslib makes it: SHA-256 of its canonical description.
fn key_id(key: &PublicKey) -> Result<String, SnapshotError> {
    let described = json!({
        "keytype": "ed25519", "keyval": {"public": hex::encode(key.0)}, "scheme": "ed25519",
    });
    Ok(Digest::of(&canonical::to_vec(&described)?).to_string())
}

/// The envelope over assessment results.
pub fn over_results(results: &[u8], key: &SigningKey) -> Result<Envelope, SnapshotError> {
    let payload = canonical::to_vec(&statement(results))?;
    Ok(Envelope {
        payload: STANDARD.encode(&payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![EnvelopeSignature {
            keyid: key_id(&key.public())?,
            sig: STANDARD.encode(key.sign(&dsse::pae(PAYLOAD_TYPE, &payload))),
        }],
    })
}

/// Signs the assessment results of a directory of work.
pub(super) fn sign_results(work: &Work, key: &SigningKey) -> Result<(), SnapshotError> {
    let Some(results) = work.clone().bytes(RESULTS)? else { return Ok(()) };
    work.document(RESULTS_ENVELOPE, &over_results(&results, key)?)
}

/// Whether an envelope is the one that `key` makes over these results: there is exactly one.
pub(super) fn verifies(
    envelope: &Envelope,
    results: &[u8],
    key: &PublicKey,
) -> Result<bool, SnapshotError> {
    let payload = canonical::to_vec(&statement(results))?;
    let [signature] = envelope.signatures.as_slice() else { return Ok(false) };
    let bytes = STANDARD.decode(&signature.sig).unwrap_or_default();
    Ok(envelope.payload_type == PAYLOAD_TYPE
        && envelope.payload == STANDARD.encode(&payload)
        && signature.keyid == key_id(key)?
        && STANDARD.encode(&bytes) == signature.sig
        && key.verifies(&dsse::pae(PAYLOAD_TYPE, &payload), &bytes))
}
