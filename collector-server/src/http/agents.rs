//! `/agent/v1`: what agents ask. See [`evidence::wire`] for the contract.

use super::peer::Peer;
use super::problem::Problem;
use crate::app::App;
use crate::authority;
use crate::clock;
use crate::store::{Enrolment, Holder, Incoming};
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{post, put};
use axum::{Extension, Json, Router};
use evidence::check_in::MAX_PAYLOAD_BYTES;
use evidence::wire::{EnrollRequest, EnrollResponse, Lost, MAX_OBJECT_BYTES, TrustBundle};
use evidence::{Digest, HostId, Receipt, SignedCheckIn};

/// Largest compressed manifest or facts.
const MAX_COMPRESSED_BYTES: usize = 8 << 20;
/// Longest host name that is kept.
const MAX_NAME_CHARS: usize = 253;

pub fn router(app: App) -> Router {
    let small = DefaultBodyLimit::max(MAX_PAYLOAD_BYTES + 1024);
    let large = DefaultBodyLimit::max(MAX_COMPRESSED_BYTES);
    Router::new()
        .route("/agent/v1/enroll", post(enroll).layer(small))
        .route("/agent/v1/check-ins", post(check_in).layer(small))
        .route("/agent/v1/manifests/{id}", put(manifest).layer(large))
        .route("/agent/v1/facts/{id}", put(facts).layer(large))
        .route("/agent/v1/lost", post(lost).layer(small))
        .with_state(app)
}

async fn enroll(
    State(app): State<App>,
    request: Result<Json<EnrollRequest>, JsonRejection>,
) -> Result<Json<EnrollResponse>, Problem> {
    let Json(request) = request.map_err(|error| Problem::bad_request(error.body_text()))?;
    if !request.proof_verifies() {
        return Err(Problem::bad_request("the proof is not a signature by the evidence key"));
    }
    let now = app.clock.now();
    let host = HostId::generate();
    let issued = app.authority.issue_host(host, &request.csr, now);
    let issued = issued.map_err(|error| Problem::bad_request(error.to_string()))?;
    let enrolment = Enrolment {
        host,
        name: request.name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect(),
        machine: request.machine,
        evidence_key: request.evidence_key,
        token: Digest::of(request.token.as_bytes()),
        serial: issued.serial,
        not_after_s: issued.not_after_s,
        at_us: clock::us(now),
    };
    let outcome = app.store.enrol(&enrolment).await?;
    app.metrics.enrolment(outcome.is_ok());
    outcome?;
    tracing::info!(host.id = %host, host.name = %enrolment.name, "host enrolled");
    let trust = TrustBundle {
        authorities: vec![app.authority.pem().to_owned()],
        log_keys: vec![app.signer.public()],
    };
    Ok(Json(EnrollResponse { host, certificate: issued.pem, trust }))
}

async fn check_in(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<Json<Receipt>, Problem> {
    let Holder { host, evidence_key } = holder(&app, &peer).await?;
    let signed = SignedCheckIn::from_bytes(&body);
    let signed = signed.map_err(|error| Problem::bad_request(error.to_string()))?;
    if signed.check_in.host != host {
        app.metrics.check_in("wrong_host");
        return Err(Problem::forbidden("a host can only speak for itself"));
    }
    let key = evidence_key.ok_or(Problem::forbidden("this host is not in service"))?;
    if let Err(error) = signed.verify(&key) {
        app.metrics.check_in("bad_signature");
        tracing::warn!(host.id = %host, "check-in refused: its signature does not fit");
        return Err(Problem::forbidden("the check-in is refused").detail(error.to_string()));
    }
    let received_us = app.clock.now_us();
    let receipt = app.ingest.accept(Incoming { signed, received_us }).await;
    app.metrics.check_in(if receipt.is_ok() { "accepted" } else { "refused" });
    Ok(Json(receipt?))
}

async fn manifest(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Holder { host, .. } = holder(&app, &peer).await?;
    let (id, bytes) = object(&id, &body)?;
    app.store.put_manifest(host, id, &bytes).await??;
    app.metrics.object("manifest");
    Ok(StatusCode::NO_CONTENT)
}

async fn facts(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Holder { host, .. } = holder(&app, &peer).await?;
    let (id, bytes) = object(&id, &body)?;
    app.store.put_facts(host, id, bytes).await??;
    app.metrics.object("facts");
    Ok(StatusCode::NO_CONTENT)
}

async fn lost(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    request: Result<Json<Lost>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Holder { host, .. } = holder(&app, &peer).await?;
    let Json(Lost { check_in, objects }) =
        request.map_err(|error| Problem::bad_request(error.body_text()))?;
    let lost = app.store.note_lost(host, &objects, app.clock.now_us()).await?;
    if lost > 0 {
        tracing::warn!(host.id = %host, %check_in, objects = lost, "facts are lost; what they would show is unknown");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The host whose certificate the connection showed. Asked for on every request, so that a
/// revocation also ends what open connections may do.
async fn holder(app: &App, peer: &Peer) -> Result<Holder, Problem> {
    let refused = || Problem::unauthorized("a client certificate of this collector is needed");
    let certificate = peer.0.as_ref().ok_or_else(refused)?;
    let serial = authority::serial_of(certificate).ok_or_else(refused)?;
    let holder = app.store.certificate_holder(&serial).await?;
    holder.ok_or(Problem::forbidden("this certificate is unknown here or was revoked"))
}

/// Digest from the path, and the bytes, decompressed within bounds.
fn object(id: &str, body: &[u8]) -> Result<(Digest, Vec<u8>), Problem> {
    let id = id.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let bytes = zstd::bulk::decompress(body, MAX_OBJECT_BYTES);
    let bytes = bytes.map_err(|error| Problem::bad_request(format!("zstd: {error}")))?;
    Ok((id, bytes))
}
