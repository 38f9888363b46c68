//! An answer of the collector, read with a bound, and its problem document (RFC 9457).

use evidence::Digest;
use evidence::wire::{Problem, TRUST_HEADER};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Longest time a `Retry-After` may hold the agent.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Longest reason that is shown.
const MAX_REASON_CHARS: usize = 500;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What went wrong, if the collector itself said so.
    pub(crate) problem: Option<Problem>,
    pub(crate) retry_after: Option<Duration>,
    /// Digest of the collector's trust bundle.
    pub(crate) trust: Option<Digest>,
    body: Vec<u8>,
}

impl Answer {
    /// Reads at most `max` bytes; what is longer is cut, and then no document any more.
    pub(crate) async fn read(
        mut response: Response,
        max: usize,
        now_ms: i64,
    ) -> Result<Self, reqwest::Error> {
        let status = response.status();
        let retry_after = retry_after(response.headers(), now_ms);
        let is_problem = is_problem(response.headers());
        let trust = response.headers().get(TRUST_HEADER).and_then(|value| value.to_str().ok());
        let trust = trust.and_then(|text| text.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > max {
                body.truncate(max);
                break;
            }
        }
        let problem = if is_problem { serde_json::from_slice(&body).ok() } else { None };
        Ok(Self { status, problem, retry_after, trust, body })
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// The answer in words: title and detail of the problem, or the bare status. It goes to
    /// terminals and logs: no control characters, and an end.
    pub(crate) fn reason(&self) -> String {
        let text = match &self.problem {
            Some(Problem { title, detail: Some(detail), .. }) => format!("{title}: {detail}"),
            Some(Problem { title, .. }) => title.clone(),
            None => self.status.to_string(),
        };
        text.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect()
    }
}

fn is_problem(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.starts_with("application/problem+json"))
}

/// `Retry-After` as seconds or as a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap, now_ms: i64) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let wait_s = match value.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            u64::try_from(at.as_second() - now_ms / 1000).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(wait_s).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_play_with_a_terminal() {
        let problem = Problem {
            kind: "about:blank".into(),
            title: "no\u{1b}[2J\n".into(),
            status: 400,
            detail: Some("x".repeat(1000)),
        };
        let status = StatusCode::BAD_REQUEST;
        let (retry_after, trust, body) = (None, None, vec![]);
        let mut answer = Answer { status, problem: Some(problem), retry_after, trust, body };
        let reason = answer.reason();
        assert!(reason.starts_with("no[2J: x") && reason.len() == MAX_REASON_CHARS, "{reason}");
        answer.problem = None;
        assert_eq!(answer.reason(), "400 Bad Request");
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_is_bounded() {
        let now_ms = 1_700_000_000_000; // Tue, 14 Nov 2023 22:13:20 GMT
        for (value, want) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("Tue, 14 Nov 2023 22:13:50 GMT", Some(30)),
            ("Tue, 14 Nov 2023 22:13:00 GMT", Some(0)),
            ("999999", Some(3600)),
            ("-1", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("header"));
            assert_eq!(retry_after(&headers, now_ms), want.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now_ms), None);
    }
}
