//! `/agent/v1`: what agents ask. See [`evidence::wire`] for the contract.

use super::peer::Peer;
use super::problem::Problem;
use crate::app::App;
use crate::ingest::IngestError;
use crate::store::{Holder, IdentityRefusal, Incoming, Refusal};
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{post, put};
use axum::{Extension, Json, Router};
use evidence::check_in::MAX_PAYLOAD_BYTES;
use evidence::wire::{Lost, MAX_OBJECT_BYTES, TRUST_HEADER};
use evidence::{Digest, Receipt, SignedCheckIn};
use std::net::{IpAddr, SocketAddr};

/// Largest compressed manifest or facts.
const MAX_COMPRESSED_BYTES: usize = 8 << 20;

pub fn router(app: App) -> Router {
    let small = DefaultBodyLimit::max(MAX_PAYLOAD_BYTES + 1024);
    let large = DefaultBodyLimit::max(MAX_COMPRESSED_BYTES);
    Router::new()
        .merge(super::identity::router())
        .route("/agent/v1/check-ins", post(check_in).layer(small))
        .route("/agent/v1/manifests/{id}", put(manifest).layer(large))
        .route("/agent/v1/facts/{id}", put(facts).layer(large))
        .route("/agent/v1/lost", post(lost).layer(small))
        .with_state(app)
}

async fn check_in(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(TrustHeader, Json<Receipt>), Problem> {
    let serial = serial(&peer)?.to_owned();
    let Holder { host, evidence_key, .. } = known_holder(&app, &peer, &serial, &headers).await?;
    let signed = SignedCheckIn::from_bytes(&body);
    let signed = signed.map_err(|error| Problem::bad_request(error.to_string()))?;
    if signed.check_in.host != host {
        app.metrics.check_in("wrong_host");
        return Err(Problem::forbidden("a host can only speak for itself"));
    }
    let not_here = || {
        Problem::forbidden("this host is not in service")
            .detail("it has left or was retired; if it is to report again, enrol it anew")
    };
    let key = evidence_key.ok_or_else(not_here)?;
    if let Err(error) = signed.verify(&key) {
        app.metrics.check_in("bad_signature");
        tracing::warn!(host.id = %host, "check-in refused: its signature does not fit");
        return Err(Problem::forbidden("the check-in is refused").detail(error.to_string()));
    }
    let received_us = app.clock.now_us();
    let from = Some(peer_address(address));
    let certificate = Some(serial.clone());
    let receipt =
        app.ingest.accept(Incoming { signed, received_us, peer: from, certificate }).await;
    if let Err(IngestError::Refused(Refusal::UnknownHost)) = receipt {
        app.holders.forget(&serial);
        app.metrics.check_in("refused");
        // Says why.
        holder(&app, &peer, &headers).await?;
        return Err(Refusal::UnknownHost.into());
    }
    app.metrics.check_in(if receipt.is_ok() { "accepted" } else { "refused" });
    let trust = app.keys.now().bundle_digest.to_string();
    Ok(([(TRUST_HEADER, trust)], Json(receipt?)))
}

async fn manifest(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Holder { host, .. } = holder(&app, &peer, &headers).await?;
    let (id, bytes) = object(&id, &body)?;
    app.store.put_manifest(host, id, &bytes).await??;
    app.metrics.object("manifest");
    Ok(StatusCode::NO_CONTENT)
}

async fn facts(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Holder { host, .. } = holder(&app, &peer, &headers).await?;
    let (id, bytes) = object(&id, &body)?;
    app.store.put_facts(host, id, bytes).await??;
    app.metrics.object("facts");
    Ok(StatusCode::NO_CONTENT)
}

async fn lost(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    request: Result<Json<Lost>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Holder { host, .. } = holder(&app, &peer, &headers).await?;
    let Json(Lost { check_in, objects }) =
        request.map_err(|error| Problem::bad_request(error.body_text()))?;
    let lost = app.store.note_lost(host, &objects, app.clock.now_us()).await?;
    if lost > 0 {
        tracing::warn!(host.id = %host, %check_in, objects = lost, "facts are lost; what they would show is unknown");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The digest of the trust bundle that counts now, on every receipt.
type TrustHeader = [(&'static str, String); 1];

/// The holder as it was lately, for a check-in: its commit looks again.
async fn known_holder(
    app: &App,
    peer: &Peer,
    serial: &str,
    headers: &HeaderMap,
) -> Result<Holder, Problem> {
    let said = trust_of(headers);
    match app.holders.get(serial) {
        Some(known) if said.is_none() || known.trust == said => Ok(known),
        _ => {
            let holder = holder(app, peer, headers).await?;
            app.holders.keep(serial, holder);
            Ok(holder)
        }
    }
}

/// The host whose certificate the connection showed. Asked for on every request, so that a
/// revocation also ends what open connections may do.
pub(super) async fn holder(app: &App, peer: &Peer, headers: &HeaderMap) -> Result<Holder, Problem> {
    let holder = holder_also_ended(app, peer, headers).await?;
    if holder.ended {
        return Err(IdentityRefusal::Ended.into());
    }
    Ok(holder)
}

/// The same, also of a host that left: it may ask again whether that was heard.
pub(super) async fn holder_also_ended(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Holder, Problem> {
    let serial = serial(peer)?;
    let holder = app.store.certificate_holder(serial).await??;
    let trust = trust_of(headers).filter(|_| holder.evidence_key.is_some());
    let news = trust.filter(|trust| holder.trust != Some(*trust));
    if !holder.used || news.is_some() {
        app.store.note_holder(holder.host, serial, news, app.clock.now_us()).await?;
    }
    Ok(Holder { used: true, trust: news.or(holder.trust), ..holder })
}

/// Serial number of the certificate the connection showed.
fn serial(peer: &Peer) -> Result<&str, Problem> {
    let refused = || Problem::unauthorized("a client certificate of this collector is needed");
    peer.0.as_deref().ok_or_else(refused)
}

/// The trust bundle that the agent says it holds.
fn trust_of(headers: &HeaderMap) -> Option<Digest> {
    headers.get(TRUST_HEADER)?.to_str().ok()?.parse().ok()
}

/// An IPv4 address that came in through an IPv6 socket is an IPv4 address.
pub(super) fn peer_address(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

/// Digest from the path, and the bytes, decompressed within bounds.
fn object(id: &str, body: &[u8]) -> Result<(Digest, Vec<u8>), Problem> {
    let id = id.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let bytes = zstd::bulk::decompress(body, MAX_OBJECT_BYTES);
    let bytes = bytes.map_err(|error| Problem::bad_request(format!("zstd: {error}")))?;
    Ok((id, bytes))
}
