//! Time stamps of RFC 3161: an authority that is not ours says that these bytes were there by then.
//!
//! Only a hash leaves the collector. An answer is believed to be one to our question: its status is
//! *granted*, its imprint is the SHA-256 that was sent, its nonce is ours. Whether the authority may
//! be trusted, and its signature, is for who relies on the token: `openssl ts -verify`.

mod der;

use aws_lc_rs::rand;
use evidence::Digest;
use jiff::civil;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use std::time::Duration;

/// Longest time of a request, from the connection to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest answer that is read, in bytes: a token with a chain of certificates has some thousands.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// A time-stamping authority; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tsa {
    url: Url,
    client: Client,
}

/// An authority's answer to one question of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The whole answer (TimeStampResp, DER), as `openssl ts -verify -in` reads it.
    pub tsr: Vec<u8>,
    /// When the authority says that it saw the hash (genTime), microseconds since the epoch.
    pub at_us: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum TsaError {
    /// The configured address cannot be used.
    #[error("`{0}` is no address of a time-stamping authority; write http://… or https://…")]
    Url(String),
    #[error("an HTTP client: {0}")]
    Client(reqwest::Error),
    #[error("no randomness from the operating system")]
    Random,
    /// Try again later.
    #[error("the time-stamping authority did not answer: {0}")]
    Unreachable(String),
    #[error("the time-stamping authority answered {0}")]
    Status(StatusCode),
    /// It understood, and gave no token.
    #[error("the time-stamping authority refused (status {status}): {why}")]
    Refused { status: u64, why: String },
    /// What it sent is no token, or one for something else. It proves nothing.
    #[error("the answer is no time stamp of what was asked: {0}")]
    Answer(&'static str),
}

impl Tsa {
    /// The authority at an address. Plain HTTP is usual and harmless: the token is signed, and
    /// what is sent is a hash.
    pub fn new(url: &str) -> Result<Self, TsaError> {
        let refused = || TsaError::Url(url.to_owned());
        let address: Url = url.parse().map_err(|_| refused())?;
        if !matches!(address.scheme(), "http" | "https") || !address.has_host() {
            return Err(refused());
        }
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .user_agent(concat!("evidenced-collector/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(TsaError::Client)?;
        Ok(Self { url: address, client })
    }

    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// A token over the SHA-256 of `bytes`.
    pub async fn timestamp(&self, bytes: &[u8]) -> Result<Token, TsaError> {
        let imprint = Digest::of(bytes);
        let nonce = nonce()?;
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/timestamp-query")
            .body(query(&imprint, &nonce));
        let unreachable = |error: reqwest::Error| TsaError::Unreachable(explain(&error));
        let mut response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(TsaError::Status(response.status()));
        }
        let mut tsr = vec![];
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if tsr.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(TsaError::Answer("it is longer than 64 KiB"));
            }
            tsr.extend_from_slice(&chunk);
        }
        let at_us = check(&tsr, &imprint, Some(&nonce))?;
        Ok(Token { tsr, at_us })
    }
}

/// A number that is asked for once: an old answer cannot be played back. Its first bits are 01, so
/// that it is eight bytes as an integer of DER.
fn nonce() -> Result<[u8; 8], TsaError> {
    let mut nonce = [0; 8];
    rand::fill(&mut nonce).map_err(|_| TsaError::Random)?;
    nonce[0] = nonce[0] & 0x3f | 0x40;
    Ok(nonce)
}

/// TimeStampReq of RFC 3161 section 2.4.1: version 1, SHA-256, nonce, and the request to put the
/// authority's certificate in.
pub fn query(imprint: &Digest, nonce: &[u8; 8]) -> Vec<u8> {
    let algorithm =
        der::sequence(&[&der::element(der::OID, der::SHA256), &der::element(der::NULL, &[])]);
    let imprint = der::sequence(&[&algorithm, &der::element(der::OCTETS, &imprint.0)]);
    der::sequence(&[
        &der::element(der::INTEGER, &[1]),
        &imprint,
        &der::element(der::INTEGER, nonce),
        &der::element(der::BOOLEAN, &[0xff]),
    ])
}

/// Checks that a TimeStampResp grants a token for `imprint`, and for `nonce` where one is known;
/// gives its time in microseconds since the epoch. The signature is not checked.
pub fn check(tsr: &[u8], imprint: &Digest, nonce: Option<&[u8; 8]>) -> Result<i64, TsaError> {
    let answer = TsaError::Answer;
    let mut response = der::Reader::only(tsr, der::SEQUENCE).ok_or(answer("it is not DER"))?;
    let mut info = response.within(der::SEQUENCE).ok_or(answer("it has no status"))?;
    let status = info.integer().ok_or(answer("it has no status"))?;
    // 0 granted, 1 granted with modifications (RFC 3161 section 2.4.2).
    if status > 1 {
        return Err(TsaError::Refused { status, why: words(&mut info) });
    }
    let said = TstInfo::read(&mut response).ok_or(answer("its token cannot be read"))?;
    if said.algorithm != der::SHA256 || said.imprint != imprint.0 {
        return Err(answer("its imprint is not the hash that was sent"));
    }
    if let Some(nonce) = nonce
        && said.nonce != Some(nonce.as_slice())
    {
        return Err(answer("its nonce is not the one that was sent"));
    }
    generalized_us(said.time).ok_or(answer("its time cannot be read"))
}

/// What an authority says beside a refusal (PKIFreeText), as far as it can be shown.
fn words(info: &mut der::Reader<'_>) -> String {
    let mut texts = info.within(der::SEQUENCE);
    let text = texts.as_mut().and_then(|texts| texts.next(der::UTF8)).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { "it says no reason".to_owned() } else { text }
}

/// What is read of a TSTInfo (RFC 3161 section 2.4.2).
struct TstInfo<'d> {
    algorithm: &'d [u8],
    imprint: &'d [u8],
    time: &'d [u8],
    nonce: Option<&'d [u8]>,
}

impl<'d> TstInfo<'d> {
    /// From a ContentInfo that holds a SignedData that holds it (RFC 5652 sections 3 and 5).
    fn read(response: &mut der::Reader<'d>) -> Option<Self> {
        let mut content = response.within(der::SEQUENCE)?;
        if content.next(der::OID)? != der::SIGNED_DATA {
            return None;
        }
        let mut signed = content.within(der::EXPLICIT_0)?.within(der::SEQUENCE)?;
        signed.next(der::INTEGER)?;
        signed.next(der::SET)?;
        let mut inner = signed.within(der::SEQUENCE)?;
        if inner.next(der::OID)? != der::TST_INFO {
            return None;
        }
        let octets = inner.within(der::EXPLICIT_0)?.next(der::OCTETS)?;
        let mut info = der::Reader::only(octets, der::SEQUENCE)?;
        info.next(der::INTEGER)?;
        info.next(der::OID)?;
        let mut message = info.within(der::SEQUENCE)?;
        let algorithm = message.within(der::SEQUENCE)?.next(der::OID)?;
        let imprint = message.next(der::OCTETS)?;
        info.next(der::INTEGER)?;
        let time = info.next(der::TIME)?;
        // accuracy and ordering come before it, tsa and extensions after.
        let mut nonce = None;
        while let Some((tag, value)) = info.any() {
            if tag == der::INTEGER {
                nonce = Some(value);
                break;
            }
        }
        Some(Self { algorithm, imprint, time, nonce })
    }
}

/// GeneralizedTime as RFC 3161 has it: YYYYMMDDhhmmss[.s…]Z.
fn generalized_us(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| whole.get(range)?.parse::<i8>().ok();
    let year = whole.get(..4)?.parse::<i16>().ok()?;
    let at = civil::DateTime::new(
        year,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?,
        0,
    );
    let at = at.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(at.as_microsecond() + micros)
}

/// An error with its causes, without the address: it can hold a token.
fn explain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time" } else { "no answer" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text.chars().take(400).collect()
}

#[cfg(test)]
mod tests;
