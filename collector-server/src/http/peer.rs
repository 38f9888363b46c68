//! Who is at the other end of a TLS connection.

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tower::Layer;

use crate::authority::{self, AuthorityError, ListenerIdentity};

/// Who showed a verified client certificate on this connection, by its serial number. None if none
/// was shown, as where enrolment is asked for, or if it has no serial number that can be read.
#[derive(Clone, Debug)]
pub struct Peer(pub Option<Arc<str>>);

/// Accepts TLS and puts the [`Peer`] on every request of the connection.
#[derive(Clone)]
pub struct PeerAcceptor(RustlsAcceptor);

impl PeerAcceptor {
    /// `config` may be replaced later; connections that are open keep what they began with.
    pub fn new(config: RustlsConfig) -> Self {
        Self(RustlsAcceptor::new(config))
    }
}

impl<I, S> Accept<I, S> for PeerAcceptor
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Send + 'static,
{
    type Stream = TlsStream<I>;
    type Service = AddExtension<S, Peer>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let acceptor = self.0.clone();
        Box::pin(async move {
            let (stream, service) = acceptor.accept(stream, service).await?;
            let certificates = stream.get_ref().1.peer_certificates();
            let leaf = certificates.and_then(|chain| chain.first());
            // Read once, for all requests of the connection.
            let serial = leaf.and_then(|leaf| authority::serial_of(leaf)).map(Arc::from);
            Ok((stream, Extension(Peer(serial)).layer(service)))
        })
    }
}

/// TLS for the agents' listener. A certificate is optional here because enrolment has none yet;
/// every other route demands it.
pub fn agents_tls(
    believed: &[CertificateDer<'static>],
    identity: ListenerIdentity,
) -> Result<Arc<ServerConfig>, AuthorityError> {
    let unusable = |error: &dyn std::fmt::Display| AuthorityError::Unusable(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in believed {
        roots.add(certificate.clone()).map_err(|error| unusable(&error))?;
    }
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build();
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.map_err(|error| unusable(&error))?)
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
