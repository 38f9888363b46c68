//! The TLS certificate this host holds.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

/// What the agent needs to know of its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Hexadecimal.
    pub serial: String,
    /// Seconds since the epoch.
    pub not_before_s: i64,
    pub not_after_s: i64,
    /// Its public key (SubjectPublicKeyInfo, DER).
    pub public_key: Vec<u8>,
    /// Which authority's key signed it (RFC 5280 section 4.2.1.1).
    authority: Option<Vec<u8>>,
}

impl Certificate {
    /// The first certificate of a PEM text; what is wrong with it otherwise.
    pub fn read(pem: &[u8]) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|error| error.to_string())?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&der).map_err(|error| error.to_string())?;
        Ok(Self {
            serial: hex::encode(parsed.raw_serial()),
            not_before_s: parsed.validity().not_before.timestamp(),
            not_after_s: parsed.validity().not_after.timestamp(),
            public_key: parsed.public_key().raw.to_vec(),
            authority: key_id(&parsed, true),
        })
    }

    /// When it should be renewed: two thirds of its life are over. In ms since the epoch.
    pub fn due_ms(&self) -> i64 {
        let life_s = self.not_after_s - self.not_before_s;
        (self.not_before_s * 3 + life_s * 2) * 1000 / 3
    }

    /// It is valid through the whole second of its end (RFC 5280 section 4.1.2.5).
    pub fn has_expired(&self, now_ms: i64) -> bool {
        now_ms.div_euclid(1000) > self.not_after_s
    }

    /// Whether the authority with this certificate signed it; none if that cannot be told.
    pub fn is_by(&self, authority_pem: &str) -> Option<bool> {
        let der = CertificateDer::from_pem_slice(authority_pem.as_bytes()).ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
        Some(key_id(&parsed, false)? == *self.authority.as_ref()?)
    }
}

/// The identifier of the authority's key, or of the certificate's own.
fn key_id(certificate: &X509Certificate<'_>, of_authority: bool) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) if of_authority => {
            id.key_identifier.as_ref().map(|id| id.0.to_vec())
        }
        ParsedExtension::SubjectKeyIdentifier(id) if !of_authority => Some(id.0.to_vec()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    fn authority() -> (String, Issuer<'static, KeyPair>) {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(vec![]).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).expect("certificate").pem();
        (pem.clone(), Issuer::from_ca_cert_pem(&pem, key).expect("issuer"))
    }

    #[test]
    fn a_certificate_is_due_after_two_thirds_of_its_life_and_knows_its_authority() {
        let (pem, issuer) = authority();
        let (other, _) = authority();
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(vec![]).expect("params");
        (params.not_before, params.not_after) =
            (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 1, 31));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer).expect("certificate").pem();
        let certificate = Certificate::read(certificate.as_bytes()).expect("read");
        let day_ms = 86_400_000;
        let begin_ms = certificate.not_before_s * 1000;
        assert_eq!(certificate.due_ms(), begin_ms + 20 * day_ms);
        assert!(!certificate.has_expired(begin_ms + 30 * day_ms + 999));
        assert!(certificate.has_expired(begin_ms + 30 * day_ms + 1000));
        assert_eq!(certificate.is_by(&pem), Some(true));
        assert_eq!(certificate.is_by(&other), Some(false));
        assert_eq!(certificate.is_by("?"), None);
    }
}
