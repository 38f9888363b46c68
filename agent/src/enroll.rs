//! Enrolment: two new keys, a one-time token, and a collector known by the fingerprint of its
//! authority.
//!
//! The keys are made first and the identity is written last, so an enrolment that failed can be
//! tried again in the same directory.

mod pin;

use crate::durable;
use crate::identity::{Chain, Identity, Left, NEXT_KEY, PAIR, StateDir, StateError, machine};
use crate::ship::{Answer, client, explain};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::key::SigningKey;
use evidence::wire::{EnrollRequest, EnrollResponse, Token};
use evidence::{ChainId, Digest};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use reqwest::{Client, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Why the host is not enrolled. All may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("`{0}` is not the address of a collector; write https://HOST:PORT")]
    Address(String),
    #[error("cannot reach the collector at {server}: {reason}")]
    Unreachable { server: String, reason: String },
    #[error("the collector refused: {0}")]
    Refused(String),
    #[error("the collector's answer cannot be used: {0}")]
    Answer(String),
    #[error("this host's name cannot be read: {0}")]
    HostName(String),
    #[error("cannot make a key or a certificate request: {0}")]
    Key(#[from] rcgen::Error),
}

/// Enrols this host in `directory`. `machine_id` is the file that names the machine.
pub async fn enroll(
    directory: &Path,
    server: &str,
    token: &Token,
    machine_id: &Path,
    now_ms: i64,
) -> Result<Identity, EnrollError> {
    let server = address(server)?;
    let state = StateDir::create(directory)?;
    refuse_enrolled(&state)?;
    durable::sweep(directory)
        .map_err(|source| StateError::Io { path: directory.to_owned(), source })?;
    let tls = tls_key(&state)?;
    let evidence = evidence_key(&state)?;
    let machine = machine(machine_id);
    let request = request(token, &tls, &evidence, machine)?;
    let response = ask(&server, token, &request).await?;
    check(&response, token, &tls)?;
    let chain = Chain::start(ChainId::generate(), None);
    let chain = chain.to_bytes().map_err(|error| state.damaged(Chain::FILE, error))?;
    let pair = [response.certificate.as_bytes(), tls.serialize_pem().as_bytes()].join(&b'\n');
    state.write(PAIR, &pair)?;
    state.write(Chain::FILE, &chain)?;
    let (host, trust) = (response.host, response.trust);
    let identity = Identity { host, server, trust, machine, enrolled_at_ms: now_ms };
    state.remove(Left::FILE)?;
    identity.write(&state)?;
    state.remove(NEXT_KEY)?;
    Ok(identity)
}

/// `https://HOST:PORT` without anything behind it.
pub(crate) fn address(text: &str) -> Result<String, EnrollError> {
    let refused = || EnrollError::Address(text.to_owned());
    let url = Url::parse(text).map_err(|_| refused())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    if url.scheme() != "https" || !url.has_host() || !bare || !anonymous {
        return Err(refused());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn refuse_enrolled(state: &StateDir) -> Result<(), StateError> {
    match Identity::read(state.path()) {
        Ok(Identity { host, server, .. }) => {
            Err(StateError::Enrolled { path: state.path().to_owned(), host, server })
        }
        Err(StateError::NotEnrolled(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The TLS key of the directory; a new one if a failed enrolment left none.
fn tls_key(state: &StateDir) -> Result<KeyPair, EnrollError> {
    if let Some(pem) = state.read(NEXT_KEY)? {
        let pem = String::from_utf8(pem).map_err(|error| state.damaged(NEXT_KEY, error))?;
        return Ok(KeyPair::from_pem(&pem).map_err(|error| state.damaged(NEXT_KEY, error))?);
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    state.write(NEXT_KEY, key.serialize_pem().as_bytes())?;
    Ok(key)
}

fn evidence_key(state: &StateDir) -> Result<SigningKey, StateError> {
    if state.read("evidence.key")?.is_some() {
        return state.evidence_key();
    }
    let (key, pkcs8) = SigningKey::generate()?;
    state.write("evidence.key", &pkcs8)?;
    Ok(key)
}

fn request(
    token: &Token,
    tls: &KeyPair,
    evidence: &SigningKey,
    machine: Option<Digest>,
) -> Result<EnrollRequest, EnrollError> {
    let csr = CertificateParams::default().serialize_request(tls)?.pem()?;
    let key = evidence.public();
    let proof = evidence.sign(&EnrollRequest::proof_message(&token.secret, &csr, &key));
    let name = sysinfo::System::host_name();
    Ok(EnrollRequest {
        token: token.secret.clone(),
        csr,
        evidence_key: key,
        proof: STANDARD.encode(proof),
        name: name.map_err(|error| EnrollError::HostName(error.to_string()))?,
        machine,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

async fn ask(
    server: &str,
    token: &Token,
    request: &EnrollRequest,
) -> Result<EnrollResponse, EnrollError> {
    let unreachable = |error: reqwest::Error| EnrollError::Unreachable {
        server: server.to_owned(),
        reason: explain(&error),
    };
    let tls = pin::client_config(token.authority)
        .map_err(|error| EnrollError::Answer(error.to_string()))?;
    let client: Client =
        client(TIMEOUT).tls_backend_preconfigured(tls).build().map_err(unreachable)?;
    let url = format!("{server}/agent/v1/enroll");
    let response = client.post(url).json(request).send().await.map_err(unreachable)?;
    let answer = Answer::read(response, MAX_ANSWER_BYTES, 0).await.map_err(unreachable)?;
    if !answer.status.is_success() {
        return Err(EnrollError::Refused(answer.reason()));
    }
    answer.json().map_err(|error| EnrollError::Answer(error.to_string()))
}

/// The answer must fit what was asked: our key, and the authority that the token names.
fn check(response: &EnrollResponse, token: &Token, tls: &KeyPair) -> Result<(), EnrollError> {
    let refuse = |what: &str| EnrollError::Answer(what.to_owned());
    let certificate = CertificateDer::from_pem_slice(response.certificate.as_bytes())
        .map_err(|_| refuse("the certificate is no PEM"))?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&certificate)
        .map_err(|_| refuse("the certificate is no X.509"))?;
    if certificate.public_key().raw != tls.subject_public_key_info() {
        return Err(refuse("the certificate is for another key"));
    }
    let authorities = response.trust.authorities.iter();
    let mut authorities = authorities.map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()));
    let pinned = |der: Result<CertificateDer<'_>, _>| {
        der.is_ok_and(|der| Digest::of(&der) == token.authority)
    };
    if !authorities.any(pinned) {
        return Err(refuse("the trust bundle lacks the authority that the token names"));
    }
    if response.trust.log_keys.is_empty() {
        return Err(refuse("the trust bundle has no log key"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_host_and_port_and_nothing_else() {
        for (text, want) in [
            ("https://192.0.2.7:8443", Some("https://192.0.2.7:8443")),
            ("https://collector.example.org:8443/", Some("https://collector.example.org:8443")),
            ("https://[2001:db8::1]:8443", Some("https://[2001:db8::1]:8443")),
            ("http://192.0.2.7:8443", None),
            ("192.0.2.7:8443", None),
            ("https://192.0.2.7:8443/agent", None),
            ("https://user@192.0.2.7:8443", None),
        ] {
            assert_eq!(address(text).ok().as_deref(), want, "{text}");
        }
    }
}
