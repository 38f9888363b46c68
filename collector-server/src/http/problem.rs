//! The one place where an error becomes a status code: RFC 9457 problems.

use crate::ingest::IngestError;
use crate::store::{EnrolRefusal, IdentityRefusal, ObjectRefusal, Refusal, StoreError};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::wire;

/// A refusal or a fault, as it leaves the collector. What it says is for the other side; what
/// happened here is in the log.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: Option<String>,
    retry_after_s: Option<u64>,
    /// How to prove who one is (RFC 9110 section 11.6.1).
    challenge: Option<&'static str>,
}

impl Problem {
    pub fn new(status: StatusCode, kind: &'static str, title: &'static str) -> Self {
        Self { status, kind, title, detail: None, retry_after_s: None, challenge: None }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn not_found(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "/problems/not-found", what)
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "/problems/malformed", "the request is not well formed")
            .detail(detail)
    }

    pub fn unauthorized(title: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "/problems/unauthorized", title)
    }

    /// [`Problem::unauthorized`] of one who may come back with a bearer token.
    pub fn bearer_needed(title: &'static str) -> Self {
        Self { challenge: Some("Bearer"), ..Self::unauthorized(title) }
    }

    pub fn forbidden(title: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "/problems/forbidden", title)
    }

    pub(super) fn busy(retry_after_s: u64) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "/problems/busy",
            "the collector cannot take this now; come back later",
        );
        problem.retry_after_s = Some(retry_after_s);
        problem
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn title(&self) -> &'static str {
        self.title
    }

    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = wire::Problem {
            kind: self.kind.to_owned(),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(scheme) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the database did not answer a request");
        Self::busy(15)
    }
}

impl From<aws_lc_rs::error::Unspecified> for Problem {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        tracing::error!("the operating system gave no randomness");
        Self::busy(15)
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Busy => Self::busy(5),
            IngestError::Unavailable => Self::busy(15),
            IngestError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownHost => Self::forbidden("this host is not enrolled here"),
            Refusal::Conflict { .. } => Self::new(
                StatusCode::CONFLICT,
                "/problems/chain-conflict",
                "the check-in does not follow the last one; begin a new chain",
            )
            .detail(refusal.to_string()),
        }
    }
}

impl From<ObjectRefusal> for Problem {
    fn from(refusal: ObjectRefusal) -> Self {
        match refusal {
            ObjectRefusal::NotWanted => Self::new(
                StatusCode::CONFLICT,
                "/problems/not-wanted",
                "this object was not asked for; send the check-in that names it first",
            ),
            ObjectRefusal::Malformed(detail) => Self::bad_request(detail),
        }
    }
}

impl From<EnrolRefusal> for Problem {
    fn from(refusal: EnrolRefusal) -> Self {
        Self::forbidden("the enrolment token is refused").detail(refusal.to_string())
    }
}

impl From<IdentityRefusal> for Problem {
    fn from(refusal: IdentityRefusal) -> Self {
        let kind = match refusal {
            IdentityRefusal::Unknown => "/problems/unknown-certificate",
            IdentityRefusal::Revoked => "/problems/revoked",
            IdentityRefusal::Retired => "/problems/retired",
            IdentityRefusal::Ended => "/problems/ended",
            IdentityRefusal::Expired | IdentityRefusal::TooLate => "/problems/expired",
        };
        Self::new(StatusCode::FORBIDDEN, kind, "this host's certificate is not accepted")
            .detail(refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_stored_now_is_503_and_says_when_to_come_back() {
        for (error, after) in [(IngestError::Busy, "5"), (IngestError::Unavailable, "15")] {
            let response = Problem::from(error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], after);
        }
        // What is wrong with the check-in itself does not get better by waiting.
        let refused = Problem::from(IngestError::Refused(Refusal::UnknownHost)).into_response();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert!(refused.headers().get(header::RETRY_AFTER).is_none());
    }
}
