//! `/agent/v1`: what travels besides check-ins, manifests and facts.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /agent/v1/enroll` | [`EnrollRequest`] (JSON) | [`EnrollResponse`] |
//! | `GET /agent/v1/nonce` | – | [`Nonce`] |
//! | `POST /agent/v1/renew` | [`RenewRequest`] (JSON) | 200 [`RenewResponse`], or 202: a person must approve |
//! | `GET /agent/v1/trust` | – | [`TrustBundle`] |
//! | `POST /agent/v1/leave` | [`LeaveRequest`] (JSON) | 204 |
//! | `POST /agent/v1/check-ins` | signature ‖ payload | [`crate::Receipt`] |
//! | `PUT /agent/v1/manifests/{id}` | canonical bytes, zstd | 204 |
//! | `PUT /agent/v1/facts/{id}` | canonical bytes, zstd | 204 |
//! | `POST /agent/v1/lost` | [`Lost`] (JSON) | 204 |
//!
//! All but `enroll`, `nonce` and `renew` need the host's client certificate; `renew` does without
//! one if the request is bound to a nonce. Errors are RFC 9457 problems. Requests and receipts
//! carry [`TRUST_HEADER`].

use crate::canonical::{self, CanonicalError};
use crate::check_in::{ChainId, HostId};
use crate::checkpoint::LogKey;
use crate::digest::Digest;
use crate::key::{PublicKey, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Content type of a check-in on the wire.
pub const CHECK_IN_TYPE: &str = "application/vnd.evidenced.check-in";
/// Content type of a zstd-compressed manifest or facts.
pub const OBJECT_TYPE: &str = "application/zstd";
/// Digest of a trust bundle ([`TrustBundle::digest`]): on requests the one the host holds, on
/// receipts the one that counts now.
pub const TRUST_HEADER: &str = "evidenced-trust";
/// Largest manifest or facts that is accepted, decompressed, in bytes.
pub const MAX_OBJECT_BYTES: usize = 16 << 20;

/// Objects that a receipt wanted and that will never come: a full spool drops facts, and a disk can
/// lose them. The collector judges what they would have shown as unknown, and waits no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// The check-in whose receipt wanted them.
    pub check_in: Digest,
    /// Manifest or facts, by digest.
    pub objects: Vec<Digest>,
}

/// What a host says of itself to be enrolled. Names and addresses live in the enrolment record,
/// never in facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrollRequest {
    /// The secret part of the token.
    pub token: String,
    /// PKCS#10 request for the TLS client certificate, PEM. The collector takes only its key.
    pub csr: String,
    /// Public half of the Ed25519 key that will sign check-ins.
    pub evidence_key: PublicKey,
    /// Ed25519 signature by that key over [`EnrollRequest::proof_message`], base64.
    pub proof: String,
    /// Host name as the host knows it.
    pub name: String,
    /// HMAC of the machine id, hex; equal on a clone. Absent where there is no machine id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Digest>,
    pub agent: String,
}

impl EnrollRequest {
    /// What the evidence key signs: it holds that key, for this request and this token.
    pub fn proof_message(token: &str, csr: &str, key: &PublicKey) -> Vec<u8> {
        let parts = [b"evidenced enroll v1\0".as_slice(), token.as_bytes(), b"\0", csr.as_bytes()];
        [Digest::of_parts(&parts).as_bytes(), &key.0].concat()
    }

    pub fn proof_verifies(&self) -> bool {
        let message = Self::proof_message(&self.token, &self.csr, &self.evidence_key);
        STANDARD.decode(&self.proof).is_ok_and(|proof| self.evidence_key.verifies(&message, &proof))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollResponse {
    pub host: HostId,
    /// Client certificate, PEM.
    pub certificate: String,
    pub trust: TrustBundle,
}

/// Something the collector gave out moments ago, for a request that no certificate vouches for.
/// The host's clock has no say in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nonce {
    pub nonce: String,
}

/// A host asks for its next certificate. The evidence key signs it; over a connection that shows
/// the host's certificate that is all, without one it must also name a fresh nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    pub host: HostId,
    /// PKCS#10 request with a new key, PEM. The collector takes only its key.
    pub csr: String,
    /// Serial number of the certificate the host holds, hexadecimal.
    pub certificate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Ed25519 signature over [`RenewRequest::message`], base64.
    pub proof: String,
}

impl RenewRequest {
    pub fn sign(
        host: HostId,
        csr: String,
        certificate: String,
        nonce: Option<String>,
        key: &SigningKey,
    ) -> Self {
        let mut request = Self { host, csr, certificate, nonce, proof: String::new() };
        request.proof = STANDARD.encode(key.sign(&request.message()));
        request
    }

    /// What the evidence key signs. Every part has its length before it.
    fn message(&self) -> Vec<u8> {
        let host = self.host.to_string();
        let nonce = self.nonce.as_deref().unwrap_or_default();
        labelled(b"evidenced renew v1", &[&host, &self.csr, &self.certificate, nonce])
    }

    pub fn proof_verifies(&self, key: &PublicKey) -> bool {
        STANDARD.decode(&self.proof).is_ok_and(|proof| key.verifies(&self.message(), &proof))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewResponse {
    /// Client certificate, PEM.
    pub certificate: String,
    pub trust: TrustBundle,
}

/// The last statement of a host: it ends its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveRequest {
    pub host: HostId,
    /// The chain it leaves with, and how many check-ins it made in it.
    pub chain: ChainId,
    pub next_seq: i64,
    /// By the host's clock, milliseconds since the epoch.
    pub at_ms: i64,
    /// Ed25519 signature over [`LeaveRequest::message`], base64.
    pub proof: String,
}

impl LeaveRequest {
    pub fn sign(host: HostId, chain: ChainId, next_seq: i64, at_ms: i64, key: &SigningKey) -> Self {
        let mut request = Self { host, chain, next_seq, at_ms, proof: String::new() };
        request.proof = STANDARD.encode(key.sign(&request.message()));
        request
    }

    fn message(&self) -> Vec<u8> {
        let (host, chain) = (self.host.to_string(), self.chain.to_string());
        let numbers = (self.next_seq.to_string(), self.at_ms.to_string());
        labelled(b"evidenced leave v1", &[&host, &chain, &numbers.0, &numbers.1])
    }

    pub fn proof_verifies(&self, key: &PublicKey) -> bool {
        STANDARD.decode(&self.proof).is_ok_and(|proof| key.verifies(&self.message(), &proof))
    }
}

/// Label ‖ (length ‖ text) …, so that no two requests are the same bytes.
fn labelled(label: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut message = [label, b"\0"].concat();
    for part in parts {
        message.extend((part.len() as u64).to_be_bytes());
        message.extend(part.as_bytes());
    }
    message
}

/// What a host trusts: sent at enrolment and at renewal, so that keys can rotate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustBundle {
    /// CA certificates of the collector, PEM. The first one signs certificates now.
    pub authorities: Vec<String>,
    /// The first one signs checkpoints now.
    pub log_keys: Vec<LogKey>,
}

impl TrustBundle {
    /// SHA-256 of the canonical JSON: what [`TRUST_HEADER`] carries.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest::of(&canonical::to_vec(self)?))
    }
}

/// An enrolment token: a secret, and the SHA-256 of the collector's CA certificate, so that the
/// host knows whom it hands the secret to.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub secret: String,
    pub authority: Digest,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "not an enrolment token; copy the whole line that `evidenced-collector token create` printed"
)]
pub struct InvalidToken;

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evd1.{}.{}", self.secret, URL_SAFE_NO_PAD.encode(self.authority.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut parts = text.trim().split('.');
        let (Some("evd1"), Some(secret), Some(pin), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidToken);
        };
        let pin = URL_SAFE_NO_PAD.decode(pin).map_err(|_| InvalidToken)?;
        let authority = Digest::from_slice(&pin).ok_or(InvalidToken)?;
        if secret.len() < 32 {
            return Err(InvalidToken);
        }
        Ok(Self { secret: secret.to_owned(), authority })
    }
}

/// RFC 9457 problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word for programs, as a relative reference (`about:blank` when the status says all).
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    #[test]
    fn a_token_reads_back_and_hides_itself_in_debug_output() {
        let token = Token { secret: "s".repeat(43), authority: Digest::of(b"ca") };
        assert_eq!(token.to_string().parse::<Token>().ok(), Some(token.clone()));
        assert!(!format!("{token:?}").contains("sss"));
        for text in
            ["", "evd1.short.x", "evd2.a.b", &format!("{token}.more"), &token.to_string()[..50]]
        {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_renewal_is_bound_to_every_part_of_it_and_to_its_purpose() {
        let (key, _) = SigningKey::generate().expect("key");
        let (other, _) = SigningKey::generate().expect("key");
        let host = HostId::from_parts(1, 2);
        let text = str::to_owned;
        let request = RenewRequest::sign(host, text("csr"), text("0a"), Some(text("nonce")), &key);
        assert!(request.proof_verifies(&key.public()));
        assert!(!request.proof_verifies(&other.public()));
        for changed in [
            RenewRequest { host: HostId::from_parts(1, 3), ..request.clone() },
            RenewRequest { csr: text("csr2"), ..request.clone() },
            RenewRequest { certificate: text("0b"), ..request.clone() },
            RenewRequest { nonce: None, ..request.clone() },
            RenewRequest { csr: text("cs"), certificate: text("r0a"), ..request.clone() },
            RenewRequest { proof: text("?"), ..request },
        ] {
            assert!(!changed.proof_verifies(&key.public()), "{changed:?}");
        }
        let leave = LeaveRequest::sign(host, ChainId::from_parts(3, 4), 7, 8, &key);
        assert!(leave.proof_verifies(&key.public()));
        assert!(!LeaveRequest { next_seq: 8, ..leave }.proof_verifies(&key.public()));
    }

    #[test]
    fn a_bundle_has_another_digest_when_another_authority_comes_first() {
        let bundle = |authorities: [&str; 2]| TrustBundle {
            authorities: authorities.map(str::to_owned).to_vec(),
            log_keys: vec![],
        };
        let digest = |authorities| bundle(authorities).digest().expect("digest");
        assert_eq!(digest(["a", "b"]), digest(["a", "b"]));
        assert_ne!(digest(["a", "b"]), digest(["b", "a"]));
    }

    #[test]
    fn the_proof_binds_key_token_and_request() {
        let (key, _) = SigningKey::generate().expect("key");
        let message = EnrollRequest::proof_message("t", "csr", &key.public());
        let request = EnrollRequest {
            token: "t".into(),
            csr: "csr".into(),
            evidence_key: key.public(),
            proof: STANDARD.encode(key.sign(&message)),
            name: "web-01".into(),
            machine: None,
            agent: "0.1.0".into(),
        };
        assert!(request.proof_verifies());
        assert!(!EnrollRequest { csr: "other".into(), ..request.clone() }.proof_verifies());
        assert!(!EnrollRequest { token: "other".into(), ..request }.proof_verifies());
    }
}
