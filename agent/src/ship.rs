//! Brings what the spool holds to the collector, oldest first, and believes no receipt without
//! its proofs.
//!
//! One check-in's way: `POST` it; verify the receipt; note the accepted checkpoint; `PUT` the
//! objects the receipt wants, the manifest first; `POST` it again, until nothing is wanted; take it
//! out of the spool. Every step may be repeated, so a crash or a lost answer only costs a repeat.

mod answer;
mod backoff;
mod heal;
mod receipt;
mod refill;
mod route;
mod tls;

pub(crate) use answer::Answer;
pub use backoff::Backoff;
use heal::heal;
pub use receipt::{ReceiptError, verify};
pub use route::Route;
pub(crate) use route::Servers;
pub(crate) use tls::explain;

use crate::identity::{Identity, StateDir, StateError};
use crate::spool::{Spool, SpoolError};
use evidence::checkpoint::LogKey;
use evidence::wire::{CHECK_IN_TYPE, Lost, OBJECT_TYPE, TRUST_HEADER};
use evidence::{ChainId, Digest, Receipt, SignedCheckIn, Want};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often one check-in is sent before the collector is believed to want without end.
const MAX_ROUNDS: usize = 5;
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(5);
/// Longest receipt or problem that is read, in bytes.
pub(crate) const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A collector, as this host may speak to it.
pub struct Shipper {
    client: Client,
    servers: Servers,
    log_keys: Vec<LogKey>,
    seen: Mutex<Seen>,
}

/// What the collector's answers said of this host's identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Digest of the trust bundle that counts now.
    pub trust: Option<Digest>,
    /// The collector refused the certificate in so many words.
    alert: bool,
    /// Connections in a row that ended after the handshake and before any answer: with TLS 1.3 a
    /// refused certificate often shows as no more than that.
    cut: u32,
}

impl Seen {
    /// Whether the collector probably does not take this host's certificate.
    pub fn refused(&self) -> bool {
        self.alert || self.cut >= 3
    }
}

/// What became of the spool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Check-ins that were accepted and left the spool.
    pub accepted: usize,
    /// Check-ins that the collector refused; they are in `spool/refused`.
    pub refused: usize,
    /// Whether the current chain had to end: the state must be checked in again.
    pub new_chain: bool,
}

/// Why shipping stopped. The spool still holds everything that was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// Try again later.
    #[error("cannot reach the collector at {server}: {reason}")]
    Unreachable { server: String, reason: String },
    /// Try again, not before `retry_after`.
    #[error("the collector is busy ({status}); it will be asked again")]
    Busy { status: StatusCode, retry_after: Option<Duration> },
    /// A person must look: certificate or enrolment.
    #[error("the collector refuses this host: {reason}")]
    Identity { reason: String },
    /// A person must look: the address, or a proxy before it.
    #[error(
        "{server} answered {status}, and not as a collector does; check the address and any proxy"
    )]
    Foreign { server: String, status: StatusCode },
    /// A person must look: the log cannot be believed.
    #[error("the receipt is not believed: {0}")]
    Receipt(#[from] ReceiptError),
    /// Try again later.
    #[error("the collector still wants objects after {MAX_ROUNDS} rounds")]
    StillWanting,
    /// The spool cannot be read or written.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("certificate, key or authorities cannot be used: {0}")]
    Tls(#[source] reqwest::Error),
    #[error("the proxy cannot be used: {0}")]
    Proxy(#[source] reqwest::Error),
}

/// What became of one check-in.
enum Shipped {
    Accepted,
    /// The collector will never take it.
    Refused(String),
    /// Its chain is not continued.
    Conflict(String),
}

impl Shipper {
    /// To the address of the enrolment, through the proxy that the environment names, if any.
    pub fn new(
        state: &StateDir,
        identity: &Identity,
        timeout: Duration,
    ) -> Result<Self, SetupError> {
        Self::by(state, identity, timeout, &Route::default())
    }

    /// By a way that an operator chose.
    pub fn by(
        state: &StateDir,
        identity: &Identity,
        timeout: Duration,
        route: &Route,
    ) -> Result<Self, SetupError> {
        let client = collector_client(state, identity, timeout, true, route)?;
        let (servers, log_keys) = (Servers::of(route, identity), identity.trust.log_keys.clone());
        Ok(Self { client, servers, log_keys, seen: Mutex::default() })
    }

    /// What the collector's answers said of this host's identity so far.
    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Ships until the spool is empty or something stops it. Dropping the future between two
    /// writes is as harmless as a crash.
    pub async fn drain(&self, spool: &mut Spool, now_ms: i64) -> Result<Drained, ShipError> {
        let mut drained = Drained::default();
        let mut given_again = false;
        while let Some(signed) = spool.oldest()? {
            match self.ship(spool, &signed, now_ms).await? {
                Shipped::Accepted => {
                    spool.remove(&signed)?;
                    drained.accepted += 1;
                }
                Shipped::Refused(reason) => {
                    spool.set_aside(&signed, &reason)?;
                    drained.refused += 1;
                }
                // Perhaps the collector was restored and does not know what came before this one.
                Shipped::Conflict(_) if !given_again && !spool.kept().is_empty() => {
                    given_again = true;
                    match self.refill(spool, now_ms).await {
                        Ok(held) => tracing::info!(held, "kept check-ins were given again"),
                        // What came before must not hold up what comes now.
                        Err(ShipError::StillWanting | ShipError::Receipt(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Shipped::Conflict(reason) => {
                    let chain = signed.check_in.chain;
                    drained.new_chain |= chain == spool.chain().chain;
                    tracing::error!(%chain, reason, "the collector does not continue this chain: a new one begins");
                    spool.abandon(chain, &reason, ChainId::generate())?;
                }
            }
        }
        spool.collect_garbage()?;
        Ok(drained)
    }

    async fn ship(
        &self,
        spool: &mut Spool,
        signed: &SignedCheckIn,
        now_ms: i64,
    ) -> Result<Shipped, ShipError> {
        for _ in 0..MAX_ROUNDS {
            let answer = self.post(signed, now_ms).await?;
            if !answer.status.is_success() {
                return self.refusal(answer);
            }
            let receipt = answer.json::<Receipt>().map_err(ReceiptError::Unreadable)?;
            let named = spool.facts_of(signed);
            match verify(&receipt, signed, named.as_deref(), &self.log_keys) {
                Ok(head) => {
                    receipt::no_fork(spool.chain().checkpoint, head)?;
                    spool.accept(signed, head)?;
                }
                Err(broken @ ReceiptError::Consistency { .. }) => {
                    let head =
                        receipt::included(&receipt, signed, named.as_deref(), &self.log_keys)?;
                    heal(spool, signed, &receipt, head, now_ms)?.ok_or(broken)?;
                    spool.accept(signed, head)?;
                }
                Err(error) => return Err(error.into()),
            }
            if receipt.want.is_empty() {
                return Ok(Shipped::Accepted);
            }
            let (sent, missing) = self.send(spool, &receipt.want, now_ms).await?;
            if sent == 0 {
                tracing::error!(
                    check_in = %receipt.check_in, missing,
                    "the collector wants objects that are not here any more; the check-in stands without them"
                );
                spool.note_lost(missing, now_ms)?;
                self.say_lost(spool, &receipt, now_ms).await;
                return Ok(Shipped::Accepted);
            }
        }
        Err(ShipError::StillWanting)
    }

    /// Sends what is wanted; how many objects went, and how many are not to be had.
    async fn send(
        &self,
        spool: &mut Spool,
        want: &Want,
        now_ms: i64,
    ) -> Result<(usize, usize), ShipError> {
        let (mut sent, mut missing) = (0, 0);
        let manifest = want.manifest.iter().map(|id| ("manifests", id));
        for (path, id) in manifest.chain(want.facts.iter().map(|id| ("facts", id))) {
            let taken = match spool.object(id) {
                Some(bytes) => self.put(path, id, bytes, now_ms).await?,
                None => false,
            };
            if taken { sent += 1 } else { missing += 1 }
        }
        Ok((sent, missing))
    }

    async fn post(&self, signed: &SignedCheckIn, now_ms: i64) -> Result<Answer, ShipError> {
        let bytes = signed.to_bytes();
        let request = |server: &str| {
            let url = format!("{server}/agent/v1/check-ins");
            self.client.post(url).header(CONTENT_TYPE, CHECK_IN_TYPE).body(bytes.clone())
        };
        self.ask(request, now_ms).await
    }

    /// Whether the collector took the object.
    async fn put(
        &self,
        path: &str,
        id: &Digest,
        bytes: Vec<u8>,
        now_ms: i64,
    ) -> Result<bool, ShipError> {
        let request = |server: &str| {
            let url = format!("{server}/agent/v1/{path}/{id}");
            self.client.put(url).header(CONTENT_TYPE, OBJECT_TYPE).body(bytes.clone())
        };
        let answer = self.ask(request, now_ms).await?;
        if answer.status.is_success() {
            return Ok(true);
        }
        match self.refusal(answer)? {
            Shipped::Accepted => Ok(true),
            Shipped::Refused(reason) | Shipped::Conflict(reason) => {
                tracing::error!(object = %id, reason, "the collector refused an object");
                Ok(false)
            }
        }
    }

    /// Asks the collector at the address that answered last, and at the others in turn if it cannot
    /// be reached or is not ready.
    async fn ask(
        &self,
        request: impl Fn(&str) -> reqwest::RequestBuilder,
        now_ms: i64,
    ) -> Result<Answer, ShipError> {
        let mut outcome = self.ask_one(request(self.servers.now()), now_ms).await;
        for _ in 1..self.servers.len() {
            let failed = match &outcome {
                Ok(answer) => matches!(answer.status.as_u16(), 502..=504),
                Err(_) => true,
            };
            if !failed {
                break;
            }
            if let Err(error) = &outcome {
                tracing::info!(%error, "going on to the collector's next address");
            }
            self.servers.next();
            outcome = self.ask_one(request(self.servers.now()), now_ms).await;
        }
        outcome
    }

    async fn ask_one(
        &self,
        request: reqwest::RequestBuilder,
        now_ms: i64,
    ) -> Result<Answer, ShipError> {
        let unreachable = |error: reqwest::Error| ShipError::Unreachable {
            server: self.servers.now().to_owned(),
            reason: explain(&error),
        };
        let response = request.send().await.inspect_err(|error| {
            self.note(|seen| match tls::refusal(error) {
                tls::Refusal::Said => seen.alert = true,
                tls::Refusal::Cut => seen.cut += 1,
                tls::Refusal::None => {}
            });
        });
        let response = response.map_err(unreachable)?;
        let answer = Answer::read(response, MAX_ANSWER_BYTES, now_ms).await.map_err(unreachable)?;
        let trust = answer.trust.or(self.seen().trust);
        self.note(|seen| *seen = Seen { trust, ..Seen::default() });
        Ok(answer)
    }

    /// Tells the collector what will never come, so that it need not wait. One that does not know
    /// the question learns it from the next check-in.
    async fn say_lost(&self, spool: &mut Spool, receipt: &Receipt, now_ms: i64) {
        let want = receipt.want.manifest.iter().chain(&receipt.want.facts);
        let objects: Vec<_> = want.filter(|id| spool.object(id).is_none()).copied().collect();
        let lost = Lost { check_in: receipt.check_in, objects };
        let request =
            |server: &str| self.client.post(format!("{server}/agent/v1/lost")).json(&lost);
        match self.ask(request, now_ms).await {
            Ok(answer) if answer.status.is_success() => {}
            Ok(answer) => tracing::debug!(reason = answer.reason(), "the loss was not heard"),
            Err(error) => tracing::debug!(%error, "the loss could not be told"),
        }
    }

    /// What an answer that is no success means. Only a collector's own words (a problem document)
    /// can refuse a check-in for good: a proxy's error page cannot.
    fn refusal(&self, answer: Answer) -> Result<Shipped, ShipError> {
        let status = answer.status;
        let reason = answer.reason();
        match status.as_u16() {
            401 | 403 => Err(ShipError::Identity { reason }),
            408 | 429 | 500.. => Err(ShipError::Busy { status, retry_after: answer.retry_after }),
            409 if answer.problem.is_some() => Ok(Shipped::Conflict(reason)),
            400.. if answer.problem.is_some() => Ok(Shipped::Refused(reason)),
            _ => Err(ShipError::Foreign { server: self.servers.now().to_owned(), status }),
        }
    }
}

impl ShipError {
    /// Whether only a person can end it. It is tried again all the same, as slowly as may be.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::Identity { .. } | Self::Foreign { .. } | Self::Receipt(_))
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A client that believes this host's trust bundle and says which one that is; it shows the
/// host's certificate if it is told to.
pub(crate) fn collector_client(
    state: &StateDir,
    identity: &Identity,
    timeout: Duration,
    shown: bool,
    route: &Route,
) -> Result<Client, SetupError> {
    let certificates = identity.trust.authorities.iter();
    let certificates: Result<Vec<_>, _> =
        certificates.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes())).collect();
    let trust = identity.trust.digest().ok();
    let trust = trust.and_then(|digest| HeaderValue::from_str(&digest.to_string()).ok());
    let headers = trust.map(|digest| (HeaderName::from_static(TRUST_HEADER), digest));
    let mut builder = route
        .proxied(client(timeout))
        .map_err(SetupError::Proxy)?
        .default_headers(headers.into_iter().collect())
        .tls_certs_only(certificates.map_err(SetupError::Tls)?);
    if shown {
        let pem = state.tls_identity()?;
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(SetupError::Tls)?);
    }
    builder.build().map_err(SetupError::Tls)
}

/// What every client of the collector has in common.
pub(crate) fn client(timeout: Duration) -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent(concat!("evidenced-agent/", env!("CARGO_PKG_VERSION")))
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        .pool_idle_timeout(IDLE)
}
