//! `/agent/v1`: what travels besides check-ins, manifests and facts.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /agent/v1/enroll` | [`EnrollRequest`] (JSON) | [`EnrollResponse`] |
//! | `POST /agent/v1/check-ins` | signature ‖ payload | [`crate::Receipt`] |
//! | `PUT /agent/v1/manifests/{id}` | canonical bytes, zstd | 204 |
//! | `PUT /agent/v1/facts/{id}` | canonical bytes, zstd | 204 |
//! | `POST /agent/v1/lost` | [`Lost`] (JSON) | 204 |
//!
//! All but `enroll` need the host's client certificate. Errors are RFC 9457 problems.

use crate::check_in::HostId;
use crate::checkpoint::LogKey;
use crate::digest::Digest;
use crate::key::PublicKey;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Content type of a check-in on the wire.
pub const CHECK_IN_TYPE: &str = "application/vnd.evidenced.check-in";
/// Content type of a zstd-compressed manifest or facts.
pub const OBJECT_TYPE: &str = "application/zstd";
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

/// What a host trusts: sent at enrolment and at renewal, so that keys can rotate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustBundle {
    /// CA certificates of the collector, PEM.
    pub authorities: Vec<String>,
    pub log_keys: Vec<LogKey>,
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
