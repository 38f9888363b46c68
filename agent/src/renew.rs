//! Keeps a host's certificate and trust fresh.
//!
//! After two thirds of its life the certificate is renewed over the connection that it opens: a new
//! key, made durable first; the collector's answer; then certificate and key as one file, so that a
//! crash leaves the old pair or the new one and never half of each. When the certificate has
//! expired, or the collector does not take it any more, the evidence key asks without it, bound to
//! a nonce of the collector, so that a wrong clock here does not matter.
//!
//! A receipt names the trust bundle that counts. If it is another than the one here, it is fetched
//! over the verified connection and made durable before it is used.

use crate::identity::{Certificate, Identity, NEXT_KEY, PAIR, StateDir, StateError};
use crate::ship::{
    Answer, Backoff, MAX_ANSWER_BYTES, Route, Seen, Servers, SetupError, Shipper, explain,
};
use evidence::Digest;
use evidence::wire::{Nonce, RenewRequest, RenewResponse, TrustBundle};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use reqwest::{Client, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// After a renewal no other is tried for a sixth of the certificate's life, and at most this long:
/// a clock far ahead takes every certificate for due.
const MAX_SETTLED: Duration = Duration::from_secs(3600);

/// Why certificate or trust are not fresh. The old ones are kept.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("cannot reach the collector at {server}: {reason}")]
    Unreachable {
        server: String,
        reason: String,
        /// It answered TCP and TLS, and then not: it may not take the certificate.
        suspicious: bool,
    },
    #[error("the collector is busy ({status}); it will be asked again")]
    Busy { status: StatusCode, retry_after: Option<Duration> },
    /// A person decides.
    #[error(
        "this host's certificate has expired, and the collector lets a person decide whether it \
         gets another: the request waits for `evidenced-collector hosts approve {host}`; it is \
         asked again until then, and the spool keeps what is gathered"
    )]
    Pending { host: evidence::HostId, retry_after: Option<Duration> },
    #[error("the collector refuses this host a certificate: {reason}")]
    Refused { reason: String },
    #[error("the collector's answer cannot be used: {0}")]
    Answer(String),
    #[error("cannot make a key or a certificate request: {0}")]
    Key(#[from] rcgen::Error),
}

impl RenewError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } | Self::Pending { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether only a person can end it. It is tried again all the same, slowly.
    pub fn needs_a_person(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::Busy { .. })
    }
}

/// Certificate and trust of this host, and when they are looked after next.
pub struct Renewal {
    state: Arc<StateDir>,
    identity: Identity,
    certificate: Certificate,
    trust: Digest,
    timeout: Duration,
    route: Route,
    servers: Servers,
    backoff: Backoff,
    /// After a failure: nothing before.
    rest: Option<Instant>,
    /// After a renewal: no other before.
    settled: Option<Instant>,
}

impl Renewal {
    pub fn new(
        state: Arc<StateDir>,
        identity: Identity,
        timeout: Duration,
        backoff: Backoff,
    ) -> Result<Self, StateError> {
        let certificate = state.certificate()?;
        let trust = digest(&state, &identity.trust)?;
        let (rest, settled, route) = (None, None, Route::default());
        let servers = Servers::of(&route, &identity);
        Ok(Self {
            state,
            identity,
            certificate,
            trust,
            timeout,
            route,
            servers,
            backoff,
            rest,
            settled,
        })
    }

    /// By a way that an operator chose.
    pub fn by(mut self, route: Route) -> Self {
        self.servers = Servers::of(&route, &self.identity);
        self.route = route;
        self
    }

    /// Until when nothing is due.
    pub fn wake(&self, now_ms: i64) -> Instant {
        let now = Instant::now();
        let wait_ms = u64::try_from(self.certificate.due_ms().saturating_sub(now_ms)).unwrap_or(0);
        let due = now + Duration::from_millis(wait_ms.min(86_400_000));
        [self.rest, self.settled].into_iter().flatten().fold(due, Instant::max)
    }

    pub fn has_expired(&self, now_ms: i64) -> bool {
        self.certificate.has_expired(now_ms)
    }

    /// Does what is due, after what the shipper has `seen`; another shipper if anything changed.
    /// Dropping the future is as harmless as a crash.
    pub async fn tend(&mut self, seen: Seen, now_ms: i64) -> Result<Option<Shipper>, RenewError> {
        let now = Instant::now();
        if self.rest.is_some_and(|rest| rest > now) {
            return Ok(None);
        }
        self.rest = None;
        let done = self.tend_now(seen, now_ms).await;
        match &done {
            Ok(None) => {}
            Ok(Some(_)) => self.backoff.reset(),
            Err(error) => {
                let wait = self.backoff.next(error.retry_after(), error.needs_a_person());
                self.rest = Some(Instant::now() + wait);
                if matches!(error, RenewError::Unreachable { .. }) {
                    self.servers.next();
                }
            }
        }
        done
    }

    async fn tend_now(&mut self, seen: Seen, now_ms: i64) -> Result<Option<Shipper>, RenewError> {
        if seen.trust.is_some_and(|current| current != self.trust) {
            self.fetch_trust(now_ms).await?;
            tracing::info!(trust = %self.trust, "the collector's keys changed; the new ones are trusted");
        } else if self.is_due(seen, now_ms) {
            self.renew(seen.refused(), now_ms).await?;
            let until = self.certificate.not_after_s;
            tracing::info!(valid_until_s = until, "the certificate was renewed");
        } else {
            return Ok(None);
        }
        Ok(Some(Shipper::by(&self.state, &self.identity, self.timeout, &self.route)?))
    }

    fn is_due(&self, seen: Seen, now_ms: i64) -> bool {
        if self.settled.is_some_and(|settled| settled > Instant::now()) {
            return false;
        }
        let active = self.identity.trust.authorities.first();
        let by_former = active.is_some_and(|pem| self.certificate.is_by(pem) == Some(false));
        seen.refused() || by_former || self.certificate.due_ms() <= now_ms
    }

    async fn fetch_trust(&mut self, now_ms: i64) -> Result<(), RenewError> {
        let url = format!("{}/agent/v1/trust", self.servers.now());
        let answer = self.ask(self.client(true)?.get(url), now_ms).await?;
        let trust = self.success(&answer).and_then(|()| read::<TrustBundle>(&answer))?;
        self.keep_trust(trust)
    }

    /// Makes a bundle durable, then uses it.
    fn keep_trust(&mut self, trust: TrustBundle) -> Result<(), RenewError> {
        let unusable = |pem: &String| Certificate::read(pem.as_bytes()).err();
        if trust.authorities.is_empty() || trust.log_keys.is_empty() {
            return Err(RenewError::Answer("its trust bundle is empty".to_owned()));
        }
        if let Some(reason) = trust.authorities.iter().find_map(unusable) {
            return Err(RenewError::Answer(format!("an authority of its trust bundle: {reason}")));
        }
        let digest = digest(&self.state, &trust)?;
        let identity = Identity { trust, ..self.identity.clone() };
        identity.write(&self.state)?;
        (self.identity, self.trust) = (identity, digest);
        Ok(())
    }

    async fn renew(&mut self, refused: bool, now_ms: i64) -> Result<(), RenewError> {
        let key = self.next_key()?;
        let csr = CertificateParams::default().serialize_request(&key)?.pem()?;
        let shown = self.request(csr.clone(), None, true, now_ms).await;
        let answer = match shown {
            Err(RenewError::Unreachable { suspicious, .. })
                if suspicious || refused || self.certificate.has_expired(now_ms) =>
            {
                let nonce = self.nonce(now_ms).await?;
                self.request(csr, Some(nonce), false, now_ms).await?
            }
            answer => answer?,
        };
        if answer.status == StatusCode::ACCEPTED {
            let (host, retry_after) = (self.identity.host, answer.retry_after);
            return Err(RenewError::Pending { host, retry_after });
        }
        self.success(&answer)?;
        self.take(read(&answer)?, &key)
    }

    /// Believes an answer that fits the key, and keeps it: trust, then the pair.
    fn take(&mut self, response: RenewResponse, key: &KeyPair) -> Result<(), RenewError> {
        let certificate = Certificate::read(response.certificate.as_bytes());
        let certificate = certificate.map_err(RenewError::Answer)?;
        if certificate.public_key != key.subject_public_key_info() {
            return Err(RenewError::Answer("the certificate is for another key".to_owned()));
        }
        self.keep_trust(response.trust)?;
        let pair = [response.certificate.as_bytes(), key.serialize_pem().as_bytes()].join(&b'\n');
        self.state.write(PAIR, &pair)?;
        self.state.remove(NEXT_KEY)?;
        let life_s = u64::try_from(certificate.not_after_s - certificate.not_before_s);
        let settled = Duration::from_secs(life_s.unwrap_or(0) / 6).min(MAX_SETTLED);
        self.settled = Some(Instant::now() + settled);
        self.certificate = certificate;
        Ok(())
    }

    /// The key of the next certificate: the one that was asked for and not given yet, or a new one.
    fn next_key(&self) -> Result<KeyPair, RenewError> {
        if let Some(pem) = self.state.read(NEXT_KEY)? {
            let key = String::from_utf8(pem).ok().and_then(|pem| KeyPair::from_pem(&pem).ok());
            // One that is in use is left from a crash after the last renewal.
            if let Some(key) = key
                && key.subject_public_key_info() != self.certificate.public_key
            {
                return Ok(key);
            }
        }
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        self.state.write(NEXT_KEY, key.serialize_pem().as_bytes())?;
        Ok(key)
    }

    async fn request(
        &self,
        csr: String,
        nonce: Option<String>,
        shown: bool,
        now_ms: i64,
    ) -> Result<Answer, RenewError> {
        let (host, serial) = (self.identity.host, self.certificate.serial.clone());
        let request = RenewRequest::sign(host, csr, serial, nonce, &self.state.evidence_key()?);
        let url = format!("{}/agent/v1/renew", self.servers.now());
        self.ask(self.client(shown)?.post(url).json(&request), now_ms).await
    }

    async fn nonce(&self, now_ms: i64) -> Result<String, RenewError> {
        let url = format!("{}/agent/v1/nonce", self.servers.now());
        let answer = self.ask(self.client(false)?.get(url), now_ms).await?;
        self.success(&answer)?;
        Ok(read::<Nonce>(&answer)?.nonce)
    }

    /// A client that shows the certificate, or one that does not.
    fn client(&self, shown: bool) -> Result<Client, RenewError> {
        Ok(crate::ship::collector_client(
            &self.state,
            &self.identity,
            self.timeout,
            shown,
            &self.route,
        )?)
    }

    async fn ask(
        &self,
        request: reqwest::RequestBuilder,
        now_ms: i64,
    ) -> Result<Answer, RenewError> {
        let unreachable = |error: reqwest::Error| RenewError::Unreachable {
            server: self.servers.now().to_owned(),
            reason: explain(&error),
            suspicious: !error.is_connect() && !error.is_timeout(),
        };
        let response = request.send().await.map_err(unreachable)?;
        Answer::read(response, MAX_ANSWER_BYTES, now_ms).await.map_err(unreachable)
    }

    fn success(&self, answer: &Answer) -> Result<(), RenewError> {
        let (status, retry_after) = (answer.status, answer.retry_after);
        match status.as_u16() {
            200..=299 => Ok(()),
            408 | 429 | 500.. => Err(RenewError::Busy { status, retry_after }),
            _ => Err(RenewError::Refused { reason: answer.reason() }),
        }
    }
}

fn digest(state: &StateDir, trust: &TrustBundle) -> Result<Digest, StateError> {
    trust.digest().map_err(|error| state.damaged(Identity::FILE, error))
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, RenewError> {
    answer.json().map_err(|error| RenewError::Answer(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{self, Disk, RealDisk};
    use evidence::HostId;
    use evidence::checkpoint::LogKey;
    use evidence::key::SigningKey;
    use rcgen::{BasicConstraints, IsCa, Issuer};
    use std::io;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Authority {
        pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    impl Authority {
        fn new() -> Self {
            let key = KeyPair::generate().expect("key");
            let mut params = CertificateParams::new(vec![]).expect("params");
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            let pem = params.self_signed(&key).expect("certificate").pem();
            Self { issuer: Issuer::from_ca_cert_pem(&pem, key).expect("issuer"), pem }
        }

        fn certificate(&self, key: &KeyPair) -> String {
            let mut params = CertificateParams::new(vec![]).expect("params");
            params.use_authority_key_identifier_extension = true;
            params.signed_by(key, &self.issuer).expect("certificate").pem()
        }

        fn trust(&self) -> TrustBundle {
            let (key, _) = SigningKey::generate().expect("key");
            let log_keys = vec![LogKey { origin: "log".into(), key: key.public() }];
            TrustBundle { authorities: vec![self.pem.clone()], log_keys }
        }
    }

    fn renewal(directory: &Path, authority: &Authority) -> Renewal {
        let state = StateDir::create(directory).expect("state");
        let (_, pkcs8) = SigningKey::generate().expect("key");
        state.write("evidence.key", &pkcs8).expect("written");
        let key = KeyPair::generate().expect("key");
        let pair = authority.certificate(&key) + &key.serialize_pem();
        state.write(PAIR, pair.as_bytes()).expect("written");
        let identity = Identity {
            host: HostId::from_parts(1, 1),
            server: "https://192.0.2.1:8443".into(),
            trust: authority.trust(),
            machine: None,
            enrolled_at_ms: 1,
        };
        identity.write(&state).expect("written");
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));
        Renewal::new(Arc::new(state), identity, Duration::from_secs(1), backoff).expect("renewal")
    }

    fn same(a: &KeyPair, b: &KeyPair) -> bool {
        a.subject_public_key_info() == b.subject_public_key_info()
    }

    /// Whether the certificate of a pair is for its key.
    fn fits(pair: &[u8]) -> bool {
        let certificate = Certificate::read(pair).expect("a certificate");
        let text = std::str::from_utf8(pair).expect("text");
        let start = text.find("-----BEGIN PRIVATE KEY-----").expect("a key");
        let key = KeyPair::from_pem(&text[start..]).expect("a key");
        certificate.public_key == key.subject_public_key_info()
    }

    #[test]
    fn a_pair_of_which_one_half_is_anothers_does_not_fit() {
        let authority = Authority::new();
        let (key, other) = (KeyPair::generate().expect("key"), KeyPair::generate().expect("key"));
        let certificate = authority.certificate(&key);
        assert!(fits((certificate.clone() + &key.serialize_pem()).as_bytes()));
        assert!(!fits((certificate + &other.serialize_pem()).as_bytes()));
    }

    #[test]
    fn a_key_that_was_asked_for_is_asked_for_again_and_one_in_use_is_not() {
        let directory = tempfile::tempdir().expect("directory");
        let authority = Authority::new();
        let mut renewal = renewal(directory.path(), &authority);
        let key = renewal.next_key().expect("key");
        assert!(same(&key, &renewal.next_key().expect("key")));
        let certificate = authority.certificate(&key);
        let response = RenewResponse { certificate, trust: authority.trust() };
        renewal.take(response, &key).expect("taken");
        // As after a crash between the pair and the removal of its key.
        renewal.state.write(NEXT_KEY, key.serialize_pem().as_bytes()).expect("written");
        assert!(!same(&key, &renewal.next_key().expect("another key")));
        // One that cannot be read is replaced.
        renewal.state.write(NEXT_KEY, b"half").expect("written");
        renewal.next_key().expect("another key");
    }

    #[test]
    fn an_answer_for_another_key_or_without_trust_leaves_the_pair_as_it_was() {
        let directory = tempfile::tempdir().expect("directory");
        let authority = Authority::new();
        let mut renewal = renewal(directory.path(), &authority);
        let before = renewal.state.tls_identity().expect("pair");
        let key = renewal.next_key().expect("key");
        let other = KeyPair::generate().expect("key");
        let certificate = authority.certificate(&key);
        let empty = TrustBundle { authorities: vec![], ..authority.trust() };
        let garbled = TrustBundle { authorities: vec!["?".into()], ..authority.trust() };
        for (certificate, trust) in [
            (authority.certificate(&other), authority.trust()),
            ("?".to_owned(), authority.trust()),
            (certificate.clone(), empty),
            (certificate.clone(), garbled),
        ] {
            let refused = renewal.take(RenewResponse { certificate, trust }, &key);
            assert!(matches!(refused, Err(RenewError::Answer(_))), "{refused:?}");
            assert_eq!(renewal.state.tls_identity().expect("pair"), before);
        }
        let response = RenewResponse { certificate, trust: authority.trust() };
        renewal.take(response, &key).expect("taken");
        let pair = renewal.state.tls_identity().expect("pair");
        assert!(fits(&pair), "certificate and key fit");
        assert_ne!(pair, before);
        assert_eq!(renewal.state.read(NEXT_KEY).expect("read"), None);
    }

    /// A disk that loses its power before one of its steps, or in the middle of it.
    struct Failing {
        steps: AtomicUsize,
        torn: bool,
    }

    impl Failing {
        fn step(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            let left = self.steps.load(Ordering::SeqCst);
            if left > 0 {
                self.steps.store(left - 1, Ordering::SeqCst);
                return Ok(());
            }
            if self.torn {
                std::fs::write(durable::temporary(path), &bytes[..bytes.len() / 2])?;
            }
            Err(io::Error::other("the power is gone"))
        }
    }

    impl Disk for Failing {
        fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            self.step(path, bytes).and_then(|()| RealDisk.write(path, bytes))
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step(path, b"").and_then(|()| RealDisk.remove(path))
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step(to, b"").and_then(|()| RealDisk.rename(from, to))
        }
    }

    /// One renewal, as far as the disk lets it come.
    fn renew(renewal: &mut Renewal, authority: &Authority) -> Result<(), RenewError> {
        let key = renewal.next_key()?;
        let certificate = authority.certificate(&key);
        renewal.take(RenewResponse { certificate, trust: authority.trust() }, &key)
    }

    #[test]
    fn whenever_the_power_goes_there_is_one_pair_that_fits_and_the_renewal_goes_on() {
        let authority = Authority::new();
        let mut cuts = 0;
        for (steps, torn) in (0..8).flat_map(|steps| [(steps, false), (steps, true)]) {
            let directory = tempfile::tempdir().expect("directory");
            let made = renewal(directory.path(), &authority);
            let before = made.state.tls_identity().expect("pair");
            drop(made);
            let start = |disk: Arc<dyn Disk>| {
                let (state, identity) = StateDir::open(directory.path()).expect("state");
                let second = Duration::from_secs(1);
                let backoff = Backoff::new(second, second);
                Renewal::new(Arc::new(state.on(disk)), identity, second, backoff).expect("renewal")
            };
            let disk = Failing { steps: AtomicUsize::new(steps), torn };
            let cut = renew(&mut start(Arc::new(disk)), &authority).is_err();
            cuts += usize::from(cut);

            let mut again = start(Arc::new(RealDisk));
            let pair = again.state.tls_identity().expect("pair");
            assert!(fits(&pair), "certificate and key fit");
            assert!(cut || pair != before, "it was renewed");
            renew(&mut again, &authority).expect("renewed");
            let renewed = again.state.tls_identity().expect("pair");
            assert!(fits(&renewed), "certificate and key fit");
            assert_ne!(renewed, pair);
            assert_eq!(again.state.read(NEXT_KEY).expect("read"), None);
        }
        // Key, trust, pair, removal of the key: each cut before it and within it.
        assert_eq!(cuts, 8);
    }

    #[test]
    fn a_certificate_by_another_than_the_first_authority_is_due() {
        let directory = tempfile::tempdir().expect("directory");
        let (authority, next) = (Authority::new(), Authority::new());
        let mut renewal = renewal(directory.path(), &authority);
        // rcgen's own life: from 1975 to 4096.
        let now_ms = 1_700_000_000_000;
        assert!(!renewal.is_due(Seen::default(), now_ms));
        assert!(renewal.is_due(Seen::default(), renewal.certificate.due_ms()));
        let both = |first: &Authority, second: &Authority| TrustBundle {
            authorities: vec![first.pem.clone(), second.pem.clone()],
            ..authority.trust()
        };
        renewal.keep_trust(both(&authority, &next)).expect("prepared");
        assert!(!renewal.is_due(Seen::default(), now_ms));
        renewal.keep_trust(both(&next, &authority)).expect("activated");
        assert!(renewal.is_due(Seen::default(), now_ms));
        renewal.settled = Some(Instant::now() + Duration::from_secs(60));
        assert!(!renewal.is_due(Seen::default(), now_ms), "it was renewed just now");
    }
}
