//! What the collector tells programs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::checkpoint::LogKey;
use evidence::key::PublicKey;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::Value;
use std::net::SocketAddr;

/// A client of the listener for people.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    /// `WWW-Authenticate`.
    pub challenge: String,
    pub body: String,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the collector answers");
        let status = response.status().as_u16();
        let header = |name| {
            let value = response.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (content_type, challenge) = (header(CONTENT_TYPE), header(WWW_AUTHENTICATE));
        let body = response.text().await.expect("a whole answer");
        Self { status, content_type, challenge, body }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{} {error}: {}", self.status, self.body))
    }
}

impl Api {
    /// A client with a token, of a collector that this crate did not start.
    pub fn at(address: SocketAddr, token: &str) -> Self {
        Self::new(address, Some(token.to_owned()))
    }

    pub(crate) fn new(address: SocketAddr, token: Option<String>) -> Self {
        // Installed before by another test of this process: the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { client, base: format!("http://{address}"), token }
    }

    /// The same client with another token.
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let mut request = self.client.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Answer::of(request).await
    }

    /// Sends a JSON document.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let mut request = self.client.post(format!("{}{path}", self.base)).json(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Answer::of(request).await
    }

    /// Sends a text.
    pub async fn post_text(&self, path: &str, text: &str) -> Answer {
        let mut request = self.client.post(format!("{}{path}", self.base)).body(text.to_owned());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Answer::of(request).await
    }

    /// The document at `path`; fails unless the answer is 200.
    pub async fn document(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// The items of the list at `path`, of all its pages.
    pub async fn items(&self, path: &str) -> Vec<Value> {
        let (mut items, mut page) = (vec![], path.to_owned());
        loop {
            let list = self.document(&page).await;
            let some = list["items"].as_array();
            items.extend_from_slice(some.unwrap_or_else(|| panic!("{page}: no list: {list}")));
            let Some(next) = list["next"].as_str() else { return items };
            let and = if path.contains('?') { '&' } else { '?' };
            page = format!("{path}{and}cursor={next}");
        }
    }

    /// Leaves of the log.
    pub async fn log_size(&self) -> u64 {
        self.document("/api/v1/log/checkpoint").await["size"].as_u64().expect("a size")
    }
}

/// Reads a verifier key as C2SP signed-note writes it: `NAME+HASH+BASE64`, where the bytes are the
/// algorithm (1 is Ed25519) and the key. What the hash is for is left to who verifies.
pub fn log_key(vkey: &str) -> LogKey {
    let mut parts = vkey.splitn(3, '+');
    let mut part = || parts.next().expect("three parts");
    let (name, _hash, key) = (part(), part(), part());
    let key = STANDARD.decode(key).expect("base64");
    let (algorithm, key) = key.split_first().expect("an algorithm");
    assert_eq!(*algorithm, 1, "Ed25519");
    let key = PublicKey(key.try_into().expect("32 bytes"));
    LogKey { origin: name.to_owned(), key }
}
