//! A webhook: one signed POST for each message.

use super::secret::{Secret, SecretError};
use crate::config::Webhook;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest time of an attempt, from the connection to the end of the answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const MAX_ANSWER_BYTES: usize = 4096;
/// How much of it the delivery log keeps, in characters.
const KEPT: usize = 200;
const LANES: [&str; 2] = ["page", "queue"];
const EVENTS: [&str; 8] =
    ["opened", "reopened", "resolved", "acknowledged", "grew", "flapping", "stable", "merged"];

/// A place that messages are sent to; cheap to clone.
#[derive(Clone)]
pub struct Channel {
    name: String,
    url: Url,
    secret: Secret,
    lanes: Vec<String>,
    events: Vec<String>,
    client: Client,
}

/// A section of the configuration cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("[[notify.webhook]] `{0}` is there twice: names are told apart in the delivery log")]
    Twice(String),
    #[error("[[notify.webhook]] name `{0}`: letters, digits, - and _ only")]
    Name(String),
    #[error(
        "[[notify.webhook]] `{name}`: url `{url}` is refused: {why}; write https://HOST/PATH \
         (http:// to a loopback address only)"
    )]
    Url { name: String, url: String, why: String },
    #[error("[[notify.webhook]] `{name}`: unknown {key} `{word}`; known: {known}")]
    Word { name: String, key: &'static str, word: String, known: String },
    #[error("[[notify.webhook]] `{name}`: {source}")]
    Secret { name: String, source: SecretError },
    #[error("an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// How an attempt ended; no error: it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub status: Option<u16>,
    pub error: Option<String>,
}

impl Outcome {
    /// The receiver says it is gone for good (410 Gone, as Standard Webhooks reads it).
    pub(super) fn is_final(&self) -> bool {
        self.status == Some(410)
    }
}

impl Channel {
    /// The channels of a configuration.
    pub fn all(sections: &[Webhook]) -> Result<Vec<Self>, ChannelError> {
        let mut names = BTreeSet::new();
        let mut channels = Vec::with_capacity(sections.len());
        for section in sections {
            if !names.insert(&section.name) {
                return Err(ChannelError::Twice(section.name.clone()));
            }
            channels.push(Self::new(section)?);
        }
        Ok(channels)
    }

    fn new(section: &Webhook) -> Result<Self, ChannelError> {
        let name = section.name.clone();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(ChannelError::Name(name));
        }
        let url = url(&section.url).map_err(|why| {
            let (name, url) = (name.clone(), section.url.clone());
            ChannelError::Url { name, url, why }
        })?;
        words(&name, "lane", &section.lanes, &LANES)?;
        words(&name, "event", &section.events, &EVENTS)?;
        let secret = Secret::read(&section.secret_file)
            .map_err(|source| ChannelError::Secret { name: name.clone(), source })?;
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .user_agent(concat!("evidenced-collector/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let (lanes, events) = (section.lanes.clone(), section.events.clone());
        Ok(Self { name, url, secret, lanes, events, client })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is told of such a step.
    pub fn wants(&self, lane: &str, event: &str) -> bool {
        let has = |list: &[String], word| list.is_empty() || list.iter().any(|one| one == word);
        has(&self.lanes, lane) && has(&self.events, event)
    }

    /// One attempt.
    pub async fn send(&self, id: &str, timestamp_s: i64, body: &str) -> Outcome {
        let id = format!("msg_{id}");
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", self.secret.sign(&id, timestamp_s, body))
            .body(body.to_owned());
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Outcome { status: None, error: Some(explain(&error)) },
        };
        let status = response.status();
        let mut answer = vec![];
        while answer.len() < MAX_ANSWER_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            answer.extend_from_slice(&chunk);
        }
        let error = if status.is_success() {
            None
        } else if status.is_redirection() {
            Some(format!("{status}: a redirect is not followed; configure the address it leads to"))
        } else {
            Some(format!("{status}: {}", excerpt(&answer)))
        };
        Outcome { status: Some(status.as_u16()), error }
    }
}

/// What can be shown of an answer.
fn excerpt(answer: &[u8]) -> String {
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

fn url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| "it is not an address".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or password".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("without TLS anybody on the way reads it".to_owned()),
        other => Err(format!("`{other}` is no scheme of the web")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn words(
    name: &str,
    key: &'static str,
    words: &[String],
    known: &[&str],
) -> Result<(), ChannelError> {
    match words.iter().find(|word| !known.contains(&word.as_str())) {
        None => Ok(()),
        Some(word) => Err(ChannelError::Word {
            name: name.to_owned(),
            key,
            word: word.clone(),
            known: known.join(", "),
        }),
    }
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
