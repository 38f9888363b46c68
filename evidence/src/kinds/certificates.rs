//! Certificates and private keys of servers, and what the system trusts.

use super::Kind;
use super::about::{About, Cost, Privilege};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Certificates and keys that the configurations of servers name (nginx, Apache, HAProxy, Postfix,
/// Dovecot, PostgreSQL, stunnel), those in the usual places, and certificates that somebody added
/// to what the system trusts. Of a private key nothing is read but the line that says what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// By path and position. Absent where a configuration or a file was not understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certs: Option<Vec<Certificate>>,
    /// By path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_files: Option<Vec<KeyFile>>,
    /// The policy of the whole system, such as `DEFAULT` (update-crypto-policies(8)); `none` where
    /// there are no such policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crypto_policy: Option<String>,
    /// Whether the kernel runs in FIPS mode. Of the running system only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fips: Option<bool>,
    /// Certificates that somebody added to the trusted ones, by path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_anchors_added: Option<Vec<Certificate>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub path: String,
    /// Its place in the file, from 0: what follows the first are those of its authorities.
    pub position: i64,
    /// Common name; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_cn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_cn: Option<String>,
    /// Hexadecimal.
    pub serial: String,
    /// Of the whole certificate, hexadecimal.
    pub sha256: String,
    /// Seconds since the epoch.
    pub not_before_s: i64,
    pub not_after_s: i64,
    pub key_type: KeyType,
    /// Of the modulus or the curve; 0 where it is not known.
    pub key_bits: i64,
    /// What the authority signed.
    pub signature_hash: SignatureHash,
    pub is_ca: bool,
    /// Whether subject and issuer are the same.
    pub self_signed: bool,
    /// How many names it is for (subjectAltName).
    pub sans_count: i64,
    /// Servers whose configuration names the file, sorted.
    pub used_by: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    Rsa,
    Dsa,
    Ec,
    Ed25519,
    Ed448,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureHash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    /// Part of the scheme, as with Ed25519.
    Intrinsic,
    Unknown,
}

/// A private key. Its path, and who may do what with the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    pub path: String,
    pub uid: i64,
    pub gid: i64,
    /// As chmod(1) takes it: `0640`.
    pub mode: String,
    pub group_read: bool,
    pub group_write: bool,
    pub other_read: bool,
    pub other_write: bool,
    /// Whether a passphrase protects it. Absent where the file has no such line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Servers whose configuration names the file, sorted.
    pub used_by: Vec<String>,
}

impl Kind for Certificates {
    const NAME: &'static str = "certificates";
    const V: i64 = 1;
    const TITLE: &'static str = "Certificates and keys";
    const ABOUT: About = About {
        purpose: "When certificates of servers end, how strong they are, who may read their keys, and whom the system trusts beside the usual authorities.",
        reads: &[
            "/etc/apache2/*",
            "/etc/httpd/*",
            "/etc/dovecot/*",
            "/etc/haproxy/*",
            "/etc/nginx/*",
            "/etc/postfix/*",
            "/etc/postgresql/*",
            "/var/lib/pgsql/*",
            "/var/lib/postgresql/*",
            "/etc/stunnel/*",
            "/etc/letsencrypt/live/*",
            "/etc/pki/*",
            "/etc/ssl/*",
            "/etc/ca-certificates/*",
            "/usr/local/share/ca-certificates/*",
            "/etc/crypto-policies*",
            "/proc/sys/crypto/fips_enabled",
        ],
        also_reads: "certificates and keys that these configurations name",
        stays: &[
            "private keys: whether they are encrypted leaves, and who may read the file",
            "names a certificate is for, but for its common name",
        ],
        needs: &[(
            Privilege::DacReadSearch,
            "certificates and keys, where a directory of them is closed",
        )],
        cost: Cost::Light,
        people: "",
    };
}
