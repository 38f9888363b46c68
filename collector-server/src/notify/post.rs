//! One HTTP request of a channel: what may be asked, and what comes back.

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};
use std::time::Duration;

/// Longest time of an attempt, from the connection to the end of the answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const MAX_ANSWER_BYTES: usize = 65_536;
/// How much of it the delivery log keeps, in characters.
const KEPT: usize = 200;

/// How an attempt ended; no error: it arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Of HTTP or SMTP; none without an answer.
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The receiver will never take it.
    pub is_final: bool,
    /// What the receiver calls it: the ticket.
    pub reference: Option<String>,
}

impl Outcome {
    pub(super) fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

/// What came back, whole or cut.
pub(super) struct Answer {
    pub outcome: Outcome,
    pub body: Vec<u8>,
}

pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .user_agent(concat!("evidenced-collector/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// One attempt.
pub(super) async fn send(request: RequestBuilder) -> Answer {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            return Answer { outcome: Outcome::failed(explain(&error)), body: vec![] };
        }
    };
    let status = response.status();
    let mut body = vec![];
    while body.len() < MAX_ANSWER_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    let error = if status.is_success() {
        None
    } else if status.is_redirection() {
        Some(format!("{status}: a redirect is not followed; configure the address it leads to"))
    } else {
        Some(format!("{status}: {}", excerpt(&body)))
    };
    // 410 Gone, as Standard Webhooks reads it.
    let is_final = status.as_u16() == 410;
    let outcome = Outcome { status: Some(status.as_u16()), error, is_final, reference: None };
    Answer { outcome, body }
}

/// What can be shown of an answer.
pub(super) fn excerpt(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    text.chars().filter(|c| !c.is_control()).take(KEPT).collect()
}

/// An error with its causes, without the address: it can hold a token.
fn explain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time" } else { "no answer" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text.chars().take(2 * KEPT).collect()
}

/// An address that may be asked, or why it may not.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| "it is not an address".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or password".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(url.host_str().unwrap_or_default()) => Ok(url),
        "http" => Err("without TLS anybody on the way reads it".to_owned()),
        other => Err(format!("`{other}` is no scheme of the web")),
    }
}

/// Whether a name or an address, in brackets or not, is this machine's own.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_or_loopback_addresses_without_passwords_are_taken() {
        for good in [
            "https://hooks.example.org/x",
            "http://127.0.0.1:9/",
            "http://[::1]/",
            "http://localhost/",
        ] {
            assert!(url(good).is_ok(), "{good}");
        }
        let bad = [
            "http://hooks.example.org/",
            "http://127.0.0.1.example.org/",
            "https://user:word@hooks.example.org/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "hooks.example.org",
        ];
        for bad in bad {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_receiver_answers_is_kept_short_and_without_control_characters() {
        assert_eq!(excerpt(b"no\x1b[31m\nway\xff"), "no[31mway\u{fffd}");
        assert_eq!(excerpt(&[b'x'; 4096]).len(), KEPT);
    }
}
