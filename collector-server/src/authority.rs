//! The collector's own certificate authority: P-256, for host certificates and for the agents'
//! listener. Its key lives in the data directory and nowhere else.

use aws_lc_rs::rand;
use evidence::{Digest, HostId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
    SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// Life of the authority's own certificate.
const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Life of the listener's certificate; it is made anew at every start and every month.
const LISTENER_LIFE: Duration = Duration::from_secs(90 * 86_400);
/// Certificates begin a little earlier, for hosts whose clock is behind.
const BACKDATE: Duration = Duration::from_secs(3600);

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Key or certificate of the authority cannot be used. Restore them from a backup.
    #[error("certificate authority: {0}")]
    Unusable(String),
    /// The host's request is refused.
    #[error("the certificate request is not acceptable: {0}")]
    Request(String),
}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Unusable(error.to_string())
    }
}

/// A certificate that was just made.
pub struct Issued {
    pub pem: String,
    /// Serial number, hexadecimal without leading zeros.
    pub serial: String,
    /// End of validity, seconds since the epoch.
    pub not_after_s: i64,
}

/// Chain and key for the agents' listener.
pub struct ListenerIdentity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// A new authority: its key and certificate, both PEM, to be stored.
    pub fn create(name: &str, now: SystemTime) -> Result<(String, String), AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![])?;
        params.distinguished_name = named(&format!("{name} evidence CA"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid(&mut params, now, AUTHORITY_LIFE);
        let certificate = params.self_signed(&key)?;
        Ok((key.serialize_pem(), certificate.pem()))
    }

    pub fn load(key_pem: &str, certificate_pem: &str) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(key_pem)?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key)?;
        let certificate = certificate(certificate_pem)?;
        Ok(Self { issuer, certificate, pem: certificate_pem.to_owned() })
    }

    /// SHA-256 of the certificate: what an enrolment token carries.
    pub fn pin(&self) -> Digest {
        Digest::of(&self.certificate)
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A client certificate for `host`. Only the public key is taken from the request: names,
    /// usages and validity are the collector's to say.
    pub fn issue_host(
        &self,
        host: HostId,
        csr_pem: &str,
        now: SystemTime,
        life: Duration,
    ) -> Result<Issued, AuthorityError> {
        let request = |error: rcgen::Error| AuthorityError::Request(error.to_string());
        let csr = CertificateSigningRequestParams::from_pem(csr_pem).map_err(request)?;
        let mut params = CertificateParams::new(vec![])?;
        params.distinguished_name = named(&host.to_string());
        let uri = format!("spiffe://evidenced/host/{host}");
        let uri = uri.try_into().map_err(|_| AuthorityError::Request("host id".to_owned()))?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let serial = serial()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.use_authority_key_identifier_extension = true;
        let not_after_s = valid(&mut params, now, life);
        let certificate = params.signed_by(&csr.public_key, &self.issuer)?;
        Ok(Issued { pem: certificate.pem(), serial: hex::encode(serial), not_after_s })
    }

    /// A server certificate for the addresses and names the agents use.
    pub fn issue_listener(
        &self,
        names: &[String],
        now: SystemTime,
    ) -> Result<ListenerIdentity, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![])?;
        params.distinguished_name = named("evidence collector");
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => {
                    let unusable = || AuthorityError::Unusable(format!("not a DNS name: `{name}`"));
                    SanType::DnsName(name.as_str().try_into().map_err(|_| unusable())?)
                }
            });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, LISTENER_LIFE);
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // The authority goes with it, so that an enrolling host can find the one it was pinned to.
        Ok(ListenerIdentity {
            chain: vec![certificate.der().clone(), self.certificate.clone()],
            key,
        })
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// Sets the validity and gives its end in seconds since the epoch.
fn valid(params: &mut CertificateParams, now: SystemTime, life: Duration) -> i64 {
    let end = now + life;
    params.not_before = (now - BACKDATE.min(life)).into();
    params.not_after = end.into();
    end.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// The certificate in a PEM text.
pub fn certificate(pem: &str) -> Result<CertificateDer<'static>, AuthorityError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| AuthorityError::Unusable(error.to_string()))
}

/// SHA-256 of the public key that a certificate request asks for.
pub fn requested_key(csr_pem: &str) -> Result<Digest, AuthorityError> {
    let csr = CertificateSigningRequestParams::from_pem(csr_pem)
        .map_err(|error| AuthorityError::Request(error.to_string()))?;
    Ok(Digest::of(csr.public_key.der_bytes()))
}

/// 16 random bytes with the top bit clear and the first byte not zero (RFC 5280 section 4.1.2.2).
fn serial() -> Result<[u8; 16], AuthorityError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| AuthorityError::Unusable("no randomness".to_owned()))?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(bytes)
}

/// Serial number of a presented certificate, as [`Issued::serial`] writes it.
pub fn serial_of(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(hex::encode(parsed.raw_serial()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(30 * 86_400);

    fn authority() -> Authority {
        let (key, certificate) = Authority::create("Example Org", SystemTime::now()).expect("made");
        Authority::load(&key, &certificate).expect("loaded")
    }

    fn request(name: &str) -> String {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        params.distinguished_name = named("someone else");
        params.serialize_request(&key).expect("request").pem().expect("PEM")
    }

    #[test]
    fn a_host_certificate_says_what_the_collector_decides_not_what_was_asked() {
        let host = HostId::generate();
        let issued =
            authority().issue_host(host, &request("evil.example.org"), SystemTime::now(), LIFE);
        let issued = issued.expect("issued");
        let der = CertificateDer::from_pem_slice(issued.pem.as_bytes()).expect("PEM");
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).expect("DER");
        assert_eq!(parsed.subject().to_string(), format!("CN={host}"));
        assert_eq!(serial_of(&der), Some(issued.serial));
        assert!(!parsed.is_ca());
        let names = parsed.subject_alternative_name().expect("extension").expect("present");
        assert_eq!(names.value.general_names.len(), 1, "{names:?}");
    }

    #[test]
    fn openssl_accepts_the_chain_for_its_purpose_only() {
        let authority = authority();
        let issued =
            authority.issue_host(HostId::generate(), &request("a"), SystemTime::now(), LIFE);
        let directory = tempfile::tempdir().expect("directory");
        let (ca, leaf) = (directory.path().join("ca.pem"), directory.path().join("leaf.pem"));
        std::fs::write(&ca, authority.pem()).expect("written");
        std::fs::write(&leaf, issued.expect("issued").pem).expect("written");
        let verify = |purpose: &str| {
            let mut openssl = std::process::Command::new("openssl");
            openssl.args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"]);
            openssl.arg(&ca).arg(&leaf).output().expect("openssl runs").status.success()
        };
        assert!(verify("sslclient"));
        assert!(!verify("sslserver"));
    }

    #[test]
    fn a_request_that_is_none_is_refused() {
        let refused =
            authority().issue_host(HostId::generate(), "-----BEGIN", SystemTime::now(), LIFE);
        assert!(matches!(refused, Err(AuthorityError::Request(_))));
    }
}
