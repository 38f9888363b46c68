//! Enrolment, renewal, trust and leaving: who a host is. See [`evidence::wire`] for the contract.

use super::agents::{holder, holder_also_ended, peer_address};
use super::peer::Peer;
use super::problem::Problem;
use crate::app::App;
use crate::authority;
use crate::clock;
use crate::store::{Enrolment, IdentityRefusal, Renewal, Renewed};
use aws_lc_rs::{hmac, rand};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::check_in::MAX_PAYLOAD_BYTES;
use evidence::wire::{
    EnrollRequest, EnrollResponse, LeaveRequest, Nonce, RenewRequest, RenewResponse, TrustBundle,
};
use evidence::{Digest, HostId};
use std::net::SocketAddr;
use std::time::Duration;

/// Longest host name that is kept.
const MAX_NAME_CHARS: usize = 253;
/// How long a nonce counts: a request and its answer on a slow line.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// When a host that waits for a person should ask again.
const ASK_AGAIN_S: u64 = 60;

type Asked<T> = Result<Json<T>, JsonRejection>;

pub(super) fn router() -> Router<App> {
    let small = DefaultBodyLimit::max(MAX_PAYLOAD_BYTES + 1024);
    Router::new()
        .route("/agent/v1/enroll", post(enroll).layer(small))
        .route("/agent/v1/nonce", get(nonce))
        .route("/agent/v1/renew", post(renew).layer(small))
        .route("/agent/v1/trust", get(trust))
        .route("/agent/v1/leave", post(leave).layer(small))
}

async fn enroll(
    State(app): State<App>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Asked<EnrollRequest>,
) -> Result<Json<EnrollResponse>, Problem> {
    let Json(request) = request.map_err(|error| Problem::bad_request(error.body_text()))?;
    if !request.proof_verifies() {
        return Err(Problem::bad_request("the proof is not a signature by the evidence key"));
    }
    let now = app.clock.now();
    let keys = app.keys.now();
    let host = HostId::generate();
    let life = app.config.certificates.life.0;
    let issued = keys.authority.issue_host(host, &request.csr, now, life);
    let issued = issued.map_err(|error| Problem::bad_request(error.to_string()))?;
    let enrolment = Enrolment {
        host,
        name: request.name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect(),
        machine: request.machine,
        evidence_key: request.evidence_key,
        token: Digest::of(request.token.as_bytes()),
        serial: issued.serial,
        not_after_s: issued.not_after_s,
        authority: keys.authority.pin(),
        trust: keys.bundle_digest,
        peer: peer_address(address),
        at_us: clock::us(now),
    };
    let outcome = app.store.enrol(&enrolment).await?;
    app.metrics.enrolment(outcome.is_ok());
    if let Err(refusal) = &outcome {
        tracing::warn!(peer = %enrolment.peer, host.name = %enrolment.name, %refusal, "enrolment refused");
    }
    outcome?;
    tracing::info!(host.id = %host, host.name = %enrolment.name, "host enrolled");
    Ok(Json(EnrollResponse { host, certificate: issued.pem, trust: keys.bundle.clone() }))
}

/// `at_us ‖ random ‖ HMAC`: the collector need not remember it, and every collector with the same
/// keys knows it.
async fn nonce(State(app): State<App>) -> Result<Json<Nonce>, Problem> {
    let mut bytes = app.clock.now_us().to_be_bytes().to_vec();
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| Problem::busy(15))?;
    bytes.extend(random);
    let tag = hmac::sign(&app.keys.now().nonces, &bytes);
    bytes.extend(&tag.as_ref()[..16]);
    Ok(Json(Nonce { nonce: URL_SAFE_NO_PAD.encode(bytes) }))
}

/// Whether the nonce is ours and fresh.
fn is_fresh(app: &App, nonce: &str) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
    let Some((said, tag)) = bytes.split_at_checked(16).filter(|(_, tag)| tag.len() == 16) else {
        return false;
    };
    let Some(at_us) = said.first_chunk::<8>().map(|at| i64::from_be_bytes(*at)) else {
        return false;
    };
    let expected = hmac::sign(&app.keys.now().nonces, said);
    let ours = aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..16], tag);
    let age_us = app.clock.now_us().saturating_sub(at_us);
    ours.is_ok() && (0..=NONCE_LIFE.as_micros() as i64).contains(&age_us)
}

async fn renew(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    request: Asked<RenewRequest>,
) -> Result<Response, Problem> {
    let Json(request) = request.map_err(|error| Problem::bad_request(error.body_text()))?;
    let shown = shown(&app, &peer, &headers, &request).await?;
    let key = app.store.renewing_host(request.host).await?;
    let key = key.map_err(|refusal| refused(&request, address, refusal))?;
    if !request.proof_verifies(&key) {
        tracing::warn!(host.id = %request.host, peer = %address, "renewal refused: its signature does not fit");
        return Err(Problem::forbidden("the renewal is refused")
            .detail("it is not signed by this host's evidence key"));
    }
    let now = app.clock.now();
    let keys = app.keys.now();
    let bad = |error: authority::AuthorityError| Problem::bad_request(error.to_string());
    let certificates = &app.config.certificates;
    let issued = keys.authority.issue_host(request.host, &request.csr, now, certificates.life.0);
    let issued = issued.map_err(bad)?;
    let renewal = Renewal {
        host: request.host,
        old: request.certificate.clone(),
        shown,
        serial: issued.serial,
        not_after_s: issued.not_after_s,
        authority: keys.authority.pin(),
        public_key: authority::requested_key(&request.csr).map_err(bad)?,
        peer: peer_address(address),
        at_us: clock::us(now),
        after_expiry: certificates.after_expiry,
        grace_s: i64::try_from(certificates.grace.0.as_secs()).unwrap_or(i64::MAX),
    };
    let renewed = app.store.renew(&renewal).await?;
    match renewed.map_err(|refusal| refused(&request, address, refusal))? {
        Renewed::Granted => {
            tracing::info!(host.id = %request.host, shown, "certificate renewed");
            let trust = keys.bundle.clone();
            Ok(Json(RenewResponse { certificate: issued.pem, trust }).into_response())
        }
        Renewed::Pending => {
            tracing::info!(host.id = %request.host, "renewal waits: evidenced-collector hosts approve HOST");
            let again = [(axum::http::header::RETRY_AFTER, ASK_AGAIN_S.to_string())];
            Ok((StatusCode::ACCEPTED, again).into_response())
        }
    }
}

/// Whether the connection vouches for the request with the host's own certificate. Without one
/// the request must be bound to a fresh nonce.
async fn shown(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    request: &RenewRequest,
) -> Result<bool, Problem> {
    if let Some(serial) = peer.0.as_deref() {
        let holder = holder(app, peer, headers).await?;
        if holder.host != request.host || serial != request.certificate {
            return Err(Problem::forbidden("a host can only speak for itself"));
        }
        return Ok(true);
    }
    if request.nonce.as_deref().is_some_and(|nonce| is_fresh(app, nonce)) {
        return Ok(false);
    }
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        "/problems/stale-nonce",
        "without a client certificate a fresh nonce is needed; ask /agent/v1/nonce",
    ))
}

fn refused(request: &RenewRequest, peer: SocketAddr, refusal: IdentityRefusal) -> Problem {
    tracing::warn!(host.id = %request.host, %peer, %refusal, "renewal refused");
    refusal.into()
}

async fn trust(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<TrustBundle>, Problem> {
    holder(&app, &peer, &headers).await?;
    Ok(Json(app.keys.now().bundle.clone()))
}

async fn leave(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    request: Asked<LeaveRequest>,
) -> Result<StatusCode, Problem> {
    let Json(request) = request.map_err(|error| Problem::bad_request(error.body_text()))?;
    let holder = holder_also_ended(&app, &peer, &headers).await?;
    if holder.host != request.host {
        return Err(Problem::forbidden("a host can only speak for itself"));
    }
    if holder.ended {
        return Ok(StatusCode::NO_CONTENT);
    }
    let key = holder.evidence_key.ok_or(Problem::forbidden("this host is not in service"))?;
    if !request.proof_verifies(&key) {
        return Err(Problem::forbidden("the statement is not signed by this host's evidence key"));
    }
    let statement = serde_json::to_value(&request);
    let statement = statement.map_err(|error| Problem::bad_request(error.to_string()))?;
    app.store.end_host(request.host, &statement, app.clock.now_us()).await?;
    tracing::info!(host.id = %request.host, "host left");
    Ok(StatusCode::NO_CONTENT)
}
