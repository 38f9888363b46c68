//! What any collector would cost: a handler that reads a body and gives a fixed answer, behind the
//! same TLS (client certificates, HTTP/2) and the same web server, in a process of its own.

use crate::measure;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The bare server, as its parent sees it.
pub(crate) struct Bare {
    child: Child,
    /// The server ends when this is closed.
    _life: ChildStdin,
    /// `https://IP:PORT`.
    pub(crate) server: String,
    /// Its certificate, PEM.
    pub(crate) certificate: String,
}

impl Bare {
    /// Serves answers of `answer_bytes` to holders of certificates by `authorities` (PEM).
    pub(crate) fn start(authorities: &str, answer_bytes: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--bare", "yes", "--answer", &answer_bytes.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bare");
        let mut life = child.stdin.take().expect("input");
        let line = serde_json::to_string(authorities).expect("JSON");
        writeln!(life, "{line}").expect("the authorities");
        let mut line = String::new();
        let output = child.stdout.take().expect("output");
        BufReader::new(output).read_line(&mut line).expect("the ready line");
        let (server, certificate) = serde_json::from_str(&line).expect("the ready line");
        Self { child, _life: life, server, certificate }
    }

    pub(crate) fn cpu(&self) -> Duration {
        measure::cpu(self.child.id())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's part.
pub(crate) async fn serve() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the authorities");
    let authorities: String = serde_json::from_str(&line).expect("JSON");
    let (config, certificate) = tls(&authorities);
    let answer = Bytes::from(vec![b' '; measure::argument("--answer", 0)]);
    let router = Router::new()
        .route("/agent/v1/check-ins", post(move |_: Bytes| std::future::ready(answer.clone())));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    let server = format!("https://{}", listener.local_addr().expect("address"));
    println!("{}", serde_json::to_string(&(server, certificate)).expect("JSON"));
    tokio::task::spawn_blocking(|| {
        // The parent is gone when its end of the pipe is.
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(config))
        .expect("a server")
        .serve(router.into_make_service())
        .await
        .expect("served");
}

fn tls(authorities: &str) -> (Arc<ServerConfig>, String) {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a root");
    }
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build();
    let key = KeyPair::generate().expect("key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("name");
    let certificate = params.self_signed(&key).expect("certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.expect("verifier"))
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("TLS");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Arc::new(config), certificate.pem())
}
