//! One of many hosts in one process: enrolled by the agent's own code, with keys of its own. It
//! believes no receipt without its proofs, so that a figure can only come from a collector that
//! did its work.

use evidence::check_in::Clock;
use evidence::checkpoint::TreeHead;
use evidence::key::SigningKey;
use evidence::wire::{CHECK_IN_TYPE, OBJECT_TYPE, Token};
use evidence::{ChainId, CheckIn, Digest, Facts, Manifest, Receipt, SignedCheckIn};
use evidenced_agent::identity::{Identity, StateDir};
use evidenced_agent::{collectors, enroll, host, ship};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The bytes of a manifest, and of the facts it names.
#[derive(Clone)]
pub(crate) struct State {
    manifest: Vec<u8>,
    facts: Vec<Vec<u8>>,
    /// The facts that change when the state does.
    accounts: Facts,
}

impl State {
    /// The same state with another person's home directory: a manifest and facts.
    fn changed(&self, number: u64) -> (Vec<u8>, Vec<u8>) {
        let mut data = self.accounts.data.clone();
        data["users"][0]["home"] = format!("/root/{number}").into();
        let facts = Facts::new(&self.accounts.kind, self.accounts.v, data).expect("facts");
        let mut manifest = Manifest::from_bytes(&self.manifest).expect("a manifest");
        let entry = manifest.kinds.get_mut(&facts.kind).expect("accounts");
        entry.facts = Some(facts.id());
        (manifest.to_bytes().expect("a manifest"), facts.bytes().to_vec())
    }
}

/// What the agent says of this machine.
pub(crate) fn state_of_this_machine() -> State {
    let host = host::Host::live().expect("this machine");
    let (mut manifest, mut facts, mut accounts) = (Manifest::default(), vec![], None);
    for collector in collectors::ALL {
        let collected = collector.collect(&host);
        manifest.kinds.insert(collector.kind.to_owned(), collected.entry());
        facts.extend(collected.facts.as_ref().map(|facts| facts.bytes().to_vec()));
        accounts = accounts.or(collected.facts.filter(|facts| facts.kind == "accounts"));
    }
    let accounts = accounts.expect("accounts of this machine");
    State { manifest: manifest.to_bytes().expect("a manifest"), facts, accounts }
}

pub(crate) struct SimulatedHost {
    pub(crate) server: String,
    /// Length of the last receipt on the wire.
    pub(crate) receipt_bytes: usize,
    inner: Option<Enrolled>,
}

struct Enrolled {
    client: Client,
    /// Certificate and key, PEM.
    pem: Vec<u8>,
    /// Address and client of the bare handler.
    bare: Option<(String, String, Client)>,
    changes: u64,
    key: SigningKey,
    identity: Identity,
    next: CheckIn,
}

/// A place where a host was: its task has it.
impl Default for SimulatedHost {
    fn default() -> Self {
        Self { server: String::new(), receipt_bytes: 0, inner: None }
    }
}

impl SimulatedHost {
    pub(crate) async fn enrol(server: &str, token: &Token, state: &State) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("state");
        let machine = Path::new("/nonexistent");
        let enrolled = enroll::enroll(&path, server, token, machine, now_ms()).await;
        let identity = enrolled.expect("enrolment");
        let (opened, _) = StateDir::open(&path).expect("state directory");
        let pem = opened.tls_identity().expect("certificate");
        let client = client(&pem, &identity.trust.authorities);
        let collected = ["accounts", "host_os", "ssh_server"];
        let next = CheckIn {
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: now_ms(),
            chain: ChainId::generate(),
            checkpoint: None,
            clock: Clock { synchronised: Some(true) },
            collected: collected.map(|kind| (kind.to_owned(), 1)).into(),
            healed: None,
            host: identity.host,
            manifest: Digest::of(&state.manifest),
            next_due_s: 3600,
            prev: None,
            resumes: None,
            seq: 0,
        };
        let key = opened.evidence_key().expect("key");
        let inner = Some(Enrolled { client, pem, bare: None, changes: 0, key, identity, next });
        Self { server: server.to_owned(), receipt_bytes: 0, inner }
    }

    fn inner(&self) -> &Enrolled {
        self.inner.as_ref().expect("a host in its place")
    }

    /// Certificates of the authorities that this host believes, PEM.
    pub(crate) fn authorities(&self) -> String {
        self.inner().identity.trust.authorities.concat()
    }

    pub(crate) fn knows_bare(&mut self, server: &str, certificate: &str) {
        let host = self.inner.as_mut().expect("a host in its place");
        let client = client(&host.pem, &[certificate.to_owned()]);
        host.bare = Some((server.to_owned(), certificate.to_owned(), client));
    }

    /// The next request is made on a new connection, with a whole handshake: a new client knows no
    /// session to resume.
    pub(crate) fn reconnects(&mut self) {
        let host = self.inner.as_mut().expect("a host in its place");
        host.client = client(&host.pem, &host.identity.trust.authorities);
        if let Some((_, certificate, bare)) = &mut host.bare {
            *bare = client(&host.pem, std::slice::from_ref(certificate));
        }
    }

    /// Length of the next check-in on the wire.
    pub(crate) fn body_bytes(&self) -> usize {
        self.signed().to_bytes().len()
    }

    fn signed(&self) -> SignedCheckIn {
        let host = self.inner();
        SignedCheckIn::sign(host.next.clone(), &host.key).expect("signed")
    }

    /// What one verification of a check-in's signature costs this machine: the floor under any
    /// collector that verifies.
    pub(crate) fn verification(&self) -> Duration {
        const TIMES: u32 = 10_000;
        let (signed, key) = (self.signed(), self.inner().key.public());
        let before = crate::measure::cpu(std::process::id());
        for _ in 0..TIMES {
            std::hint::black_box(&signed).verify(&key).expect("its own signature");
        }
        (crate::measure::cpu(std::process::id()) - before) / TIMES
    }

    async fn post(&mut self, signed: &SignedCheckIn) -> Receipt {
        let url = format!("{}/agent/v1/check-ins", self.server);
        let request = self.inner().client.post(url).header(CONTENT_TYPE, CHECK_IN_TYPE);
        let response = request.body(signed.to_bytes()).send().await.expect("an answer");
        let status = response.status();
        let body = response.bytes().await.expect("a whole answer");
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        self.receipt_bytes = body.len();
        serde_json::from_slice(&body).expect("a receipt")
    }

    async fn put(&self, path: &str, bytes: &[u8]) {
        let url = format!("{}/agent/v1/{path}/{}", self.server, Digest::of(bytes));
        let body = zstd::bulk::compress(bytes, 3).expect("zstd");
        let request = self.inner().client.put(url).header(CONTENT_TYPE, OBJECT_TYPE);
        let status = request.body(body).send().await.expect("an answer").status();
        assert!(status.is_success(), "{path}: {status}");
    }

    /// The first check-in, with everything the collector wants.
    pub(crate) async fn first_check_in(&mut self, state: &State) {
        let signed = self.signed();
        self.post(&signed).await;
        self.put("manifests", &state.manifest).await;
        for facts in &state.facts {
            self.put("facts", facts).await;
        }
        let receipt = self.post(&signed).await;
        self.follow(&signed, &receipt);
    }

    /// One more check-in of the same state.
    pub(crate) async fn check_in(&mut self) {
        let host = self.inner.as_mut().expect("a host in its place");
        host.next.at_ms = now_ms();
        let signed = self.signed();
        let receipt = self.post(&signed).await;
        self.follow(&signed, &receipt);
    }

    /// One more check-in, of a state that is not the last one's.
    pub(crate) async fn changed_check_in(&mut self, state: &State) {
        let host = self.inner.as_mut().expect("a host in its place");
        host.changes += 1;
        let (manifest, facts) = state.changed(host.changes);
        host.next.at_ms = now_ms();
        host.next.manifest = Digest::of(&manifest);
        let signed = self.signed();
        let receipt = self.post(&signed).await;
        if !receipt.want.is_empty() {
            self.put("manifests", &manifest).await;
            self.put("facts", &facts).await;
        }
        let receipt = self.post(&signed).await;
        self.follow(&signed, &receipt);
    }

    /// The request of a check-in, to the handler that does nothing.
    pub(crate) async fn bare_check_in(&mut self) {
        let body = self.signed().to_bytes();
        let (server, _, client) = self.inner().bare.as_ref().expect("a bare handler");
        let url = format!("{server}/agent/v1/check-ins");
        let request = client.post(url).header(CONTENT_TYPE, CHECK_IN_TYPE).body(body);
        let response = request.send().await.expect("an answer");
        assert!(response.status().is_success());
        response.bytes().await.expect("a whole answer");
    }

    fn follow(&mut self, signed: &SignedCheckIn, receipt: &Receipt) {
        assert!(receipt.want.is_empty(), "the collector has everything");
        let host = self.inner.as_mut().expect("a host in its place");
        let head: TreeHead = ship::verify(receipt, signed, None, &host.identity.trust.log_keys)
            .expect("a receipt with its proofs");
        host.next.checkpoint = Some(head);
        host.next.prev = Some(signed.id());
        host.next.seq += 1;
    }
}

fn client(pem: &[u8], authorities: &[String]) -> Client {
    let authority =
        |pem: &String| reqwest::Certificate::from_pem(pem.as_bytes()).expect("authority");
    Client::builder()
        .no_proxy()
        .identity(reqwest::Identity::from_pem(pem).expect("identity"))
        .tls_certs_only(authorities.iter().map(authority))
        .build()
        .expect("client")
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_millis()).expect("a clock before the year 292,000,000")
}
