//! The collector's side of `/agent/v1`, in memory and over real TLS, with faults on request.

use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use evidence::checkpoint::{Checkpoint, LogKey};
use evidence::key::{PublicKey, SigningKey};
use evidence::merkle::{self, Frontier, Node};
use evidence::wire::{EnrollRequest, EnrollResponse, Lost, Problem, Token, TrustBundle};
use evidence::{ChainId, Digest, HostId, Manifest, Receipt, SignedCheckIn, Want, leaf};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) const ORIGIN: &str = "log.example.org/evidence";

/// What goes wrong on purpose.
#[derive(Default)]
pub(crate) struct Faults {
    /// The server certificate is of the last century's end.
    pub(crate) expired: bool,
    /// Client certificates must come from another authority than the one that issues them.
    pub(crate) other_clients: bool,
    pub(crate) forge_inclusion: bool,
    pub(crate) hide_consistency: bool,
    /// Answers to the next check-ins, given before they are looked at.
    pub(crate) answers: VecDeque<Response>,
    /// The next check-in is appended, and its receipt is lost.
    pub(crate) lose_receipt: bool,
    /// It is older than the agent, and has nowhere to hear of losses.
    pub(crate) hears_no_losses: bool,
}

pub(crate) struct Collector {
    pub(crate) url: String,
    pub(crate) token: Token,
    inner: Arc<Mutex<Inner>>,
    /// How many requests came.
    pub(crate) requests: watch::Receiver<usize>,
    /// How many connections are open.
    pub(crate) connections: watch::Receiver<usize>,
}

pub(crate) struct Inner {
    pub(crate) faults: Faults,
    pub(crate) hosts: BTreeMap<HostId, (PublicKey, EnrollRequest)>,
    /// Accepted check-ins, in order, with their place in the log.
    pub(crate) accepted: Vec<(u64, SignedCheckIn)>,
    pub(crate) manifests: BTreeMap<Digest, Manifest>,
    pub(crate) facts: BTreeMap<Digest, Vec<u8>>,
    pub(crate) paths: Vec<String>,
    /// What hosts said is lost.
    pub(crate) lost: Vec<Lost>,
    /// The last check-in of every chain.
    pub(crate) chains: BTreeMap<ChainId, Digest>,
    leaves: Vec<Digest>,
    nodes: HashMap<Node, Digest>,
    frontier: Frontier,
    log_key: SigningKey,
    secret: String,
    issuer: Issuer<'static, KeyPair>,
    authority: String,
    count: watch::Sender<usize>,
}

/// Whether the peer showed a certificate of ours.
#[derive(Clone, Debug)]
struct Peer(bool);

struct TlsListener(TcpListener, TlsAcceptor, watch::Sender<usize>);

/// A connection that is counted as long as it is open.
struct Counted(TlsStream<TcpStream>, watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.send_modify(|open| *open -= 1);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl Listener for TlsListener {
    type Io = Counted;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        loop {
            let Ok((stream, _)) = self.0.accept().await else { continue };
            let Ok(stream) = self.1.accept(stream).await else { continue };
            let peer = Peer(stream.get_ref().1.peer_certificates().is_some());
            self.2.send_modify(|open| *open += 1);
            return (Counted(stream, self.2.clone()), peer);
        }
    }

    fn local_addr(&self) -> std::io::Result<Peer> {
        Ok(Peer(false))
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.remote_addr().clone()
    }
}

type Shared = Arc<Mutex<Inner>>;

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::start_with(Faults::default()).await
    }

    pub(crate) async fn start_with(faults: Faults) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (issuer, authority) = authority();
        let tls = server_config(&issuer, authority.der(), &faults);
        let (count, requests) = watch::channel(0);
        let secret = "s".repeat(43);
        let token = Token { secret: secret.clone(), authority: Digest::of(authority.der()) };
        let mut inner = Inner {
            faults,
            hosts: BTreeMap::new(),
            accepted: vec![],
            manifests: BTreeMap::new(),
            facts: BTreeMap::new(),
            paths: vec![],
            lost: vec![],
            chains: BTreeMap::new(),
            leaves: vec![],
            nodes: HashMap::new(),
            frontier: Frontier::default(),
            log_key: SigningKey::generate().expect("key").0,
            secret,
            issuer,
            authority: authority.pem(),
            count,
        };
        for other in [b"one".as_slice(), b"two", b"three"] {
            inner.append(leaf::hash(&leaf::act_leaf(&[0; 16], other)));
        }
        let inner = Arc::new(Mutex::new(inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let url = format!("https://{}", listener.local_addr().expect("address"));
        let (open, connections) = watch::channel(0);
        let listener = TlsListener(listener, TlsAcceptor::from(Arc::new(tls)), open);
        let router = Router::new()
            .route("/agent/v1/enroll", post(enroll))
            .route("/agent/v1/check-ins", post(check_in))
            .route("/agent/v1/manifests/{id}", put(manifest))
            .route("/agent/v1/facts/{id}", put(facts))
            .route("/agent/v1/lost", post(lost))
            .with_state(inner.clone());
        let service = router.into_make_service_with_connect_info::<Peer>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, token, inner, requests, connections }
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("lock")
    }
}

impl Inner {
    fn append(&mut self, leaf: Digest) -> u64 {
        self.leaves.push(leaf);
        self.nodes.extend(self.frontier.append(leaf));
        self.frontier.size() - 1
    }

    /// Another log of the same length, signed by the same key: its first leaf differs.
    pub(crate) fn rewrite(&mut self) {
        let mut leaves = std::mem::take(&mut self.leaves);
        leaves[0] = Digest::of(b"it was never so");
        (self.frontier, self.nodes) = (Frontier::default(), HashMap::new());
        for leaf in leaves {
            self.append(leaf);
        }
    }

    /// As after a restore from a copy that was made before any check-in.
    pub(crate) fn forget(&mut self) {
        let leaves = self.leaves[..3].to_vec();
        (self.leaves, self.frontier, self.nodes) = (vec![], Frontier::default(), HashMap::new());
        for leaf in leaves {
            self.append(leaf);
        }
        (self.accepted, self.chains) = (vec![], BTreeMap::new());
        (self.manifests, self.facts) = (BTreeMap::new(), BTreeMap::new());
    }

    pub(crate) fn log_size(&self) -> u64 {
        self.frontier.size()
    }

    fn note(&mut self, path: String) {
        self.paths.push(path);
        self.count.send_modify(|count| *count += 1);
    }

    fn receipt(&self, index: u64, signed: &SignedCheckIn) -> Receipt {
        let get = |node| self.nodes.get(&node).copied();
        let size = self.frontier.size();
        let head = evidence::checkpoint::TreeHead { size, root: self.frontier.root() };
        let plan = merkle::inclusion_plan(index, size).expect("in the log");
        let mut inclusion = plan.resolve(get).expect("nodes");
        if self.faults.forge_inclusion {
            inclusion[0].0[7] ^= 1;
        }
        let carried = signed.check_in.checkpoint.filter(|_| !self.faults.hide_consistency);
        let consistency = carried.map(|old| {
            let plan = merkle::consistency_plan(old.size, size).expect("grown");
            plan.resolve(get).expect("nodes")
        });
        Receipt {
            check_in: signed.id(),
            index,
            checkpoint: Checkpoint::sign(ORIGIN, head, &self.log_key).note,
            inclusion,
            consistency,
            healing: None,
            want: self.want(signed),
        }
    }

    fn want(&self, signed: &SignedCheckIn) -> Want {
        let id = signed.check_in.manifest;
        match self.manifests.get(&id) {
            None => Want { manifest: Some(id), facts: vec![] },
            Some(manifest) => {
                let facts = manifest.facts().filter(|id| !self.facts.contains_key(id)).collect();
                Want { manifest: None, facts }
            }
        }
    }
}

async fn enroll(State(shared): State<Shared>, Json(request): Json<EnrollRequest>) -> Response {
    let mut inner = shared.lock().expect("lock");
    inner.note("enroll".into());
    if request.token != inner.secret || !request.proof_verifies() {
        return problem(403, "the token is not known", Some("it was used, or it has expired"));
    }
    let mut csr = CertificateSigningRequestParams::from_pem(&request.csr).expect("request");
    let host = HostId::generate();
    csr.params = CertificateParams::default();
    csr.params.distinguished_name.push(DnType::CommonName, host.to_string());
    csr.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = csr.signed_by(&inner.issuer).expect("certificate").pem();
    let log_keys = vec![LogKey { origin: ORIGIN.into(), key: inner.log_key.public() }];
    let trust = TrustBundle { authorities: vec![inner.authority.clone()], log_keys };
    inner.hosts.insert(host, (request.evidence_key, request));
    Json(EnrollResponse { host, certificate, trust }).into_response()
}

async fn check_in(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Bytes,
) -> Response {
    let mut inner = shared.lock().expect("lock");
    inner.note("check-in".into());
    if !peer.0 {
        return problem(401, "no client certificate", None);
    }
    if let Some(answer) = inner.faults.answers.pop_front() {
        return answer;
    }
    let signed = SignedCheckIn::from_bytes(&body).expect("check-in");
    let key = inner.hosts[&signed.check_in.host].0;
    signed.verify(&key).expect("signature");
    let known = inner.accepted.iter().find(|(_, it)| it.id() == signed.id()).map(|(at, _)| *at);
    let index = match known {
        Some(index) => index,
        None if inner.chains.get(&signed.check_in.chain).copied() != signed.check_in.prev => {
            return problem(409, "the check-in does not continue its chain", None);
        }
        None => {
            let index = inner.append(leaf::hash(&leaf::check_in_leaf(&signed)));
            inner.chains.insert(signed.check_in.chain, signed.id());
            inner.accepted.push((index, signed.clone()));
            index
        }
    };
    if std::mem::take(&mut inner.faults.lose_receipt) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    Json(inner.receipt(index, &signed)).into_response()
}

async fn manifest(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let bytes = plain(&id, &headers, &body);
    let manifest = Manifest::from_bytes(&bytes).expect("manifest");
    let mut inner = shared.lock().expect("lock");
    inner.note("manifest".into());
    inner.manifests.insert(Digest::of(&bytes), manifest);
    StatusCode::NO_CONTENT
}

async fn facts(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let bytes = plain(&id, &headers, &body);
    evidence::Facts::from_bytes(bytes.clone()).expect("facts");
    let mut inner = shared.lock().expect("lock");
    inner.note("facts".into());
    inner.facts.insert(Digest::of(&bytes), bytes);
    StatusCode::NO_CONTENT
}

async fn lost(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(lost): Json<Lost>,
) -> StatusCode {
    assert!(peer.0, "only a host speaks of its objects");
    let mut inner = shared.lock().expect("lock");
    inner.note("lost".into());
    if inner.faults.hears_no_losses {
        return StatusCode::NOT_FOUND;
    }
    inner.lost.push(lost);
    StatusCode::NO_CONTENT
}

fn plain(id: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    assert_eq!(headers[header::CONTENT_TYPE], evidence::wire::OBJECT_TYPE);
    let bytes = zstd::decode_all(body).expect("zstd");
    assert_eq!(Digest::of(&bytes).to_string(), id);
    bytes
}

pub(crate) fn problem(status: u16, title: &str, detail: Option<&str>) -> Response {
    let (title, detail) = (title.to_owned(), detail.map(str::to_owned));
    let problem = Problem { kind: "about:blank".into(), title, status, detail };
    let status = StatusCode::from_u16(status).expect("status");
    let mut response = (status, Json(problem)).into_response();
    let json = "application/problem+json".parse().expect("type");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn authority() -> (Issuer<'static, KeyPair>, rcgen::Certificate) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, "authority");
    let key = KeyPair::generate().expect("key");
    let certificate = params.self_signed(&key).expect("certificate");
    (Issuer::new(params, key), certificate)
}

fn server_config(
    issuer: &Issuer<'static, KeyPair>,
    authority: &CertificateDer<'static>,
    faults: &Faults,
) -> ServerConfig {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("name");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if faults.expired {
        params.not_before = date_time_ymd(1999, 1, 1);
        params.not_after = date_time_ymd(1999, 12, 31);
    }
    let key = KeyPair::generate().expect("key");
    let leaf = params.signed_by(&key, issuer).expect("certificate");
    let mut roots = RootCertStore::empty();
    let clients =
        if faults.other_clients { self::authority().1.der().clone() } else { authority.clone() };
    roots.add(clients).expect("root");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.build().expect("verifier"))
        .with_single_cert(vec![leaf.der().clone(), authority.clone()], key)
        .expect("certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
