//! Why a connection failed, in words a person can act on.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::error::Error;

/// The cause of a failed request.
pub(crate) fn explain(error: &reqwest::Error) -> String {
    if let Some(tls) = find_tls(error) {
        return words(tls);
    }
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    if let Some(refused) = texts(error).iter().find_map(|text| alert(text)) {
        return refused;
    }
    if !error.is_connect() && is_closed(error) {
        return "the collector closed the connection without an answer: it is restarting, or it \
                refuses this host's certificate (expired, revoked, or of another authority)"
            .to_owned();
    }
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Whether a request failed because of this host's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The collector said so.
    Said,
    /// The connection ended after the handshake and before an answer.
    Cut,
    None,
}

pub(super) fn refusal(error: &reqwest::Error) -> Refusal {
    match find_tls(error) {
        Some(TlsError::AlertReceived(_)) => Refusal::Said,
        None if texts(error).iter().any(|text| alert(text).is_some()) => Refusal::Said,
        None if error.is_request() && !error.is_connect() && !error.is_timeout() => Refusal::Cut,
        _ => Refusal::None,
    }
}

/// The alert in the text of an error: below HTTP/2 nothing else is left of it.
fn alert(text: &str) -> Option<String> {
    use AlertDescription as A;
    let (_, name) = text.split_once("received fatal alert: ")?;
    let known = [A::CertificateExpired, A::CertificateRevoked, A::UnknownCA];
    let known = known.into_iter().find(|alert| name.starts_with(&format!("{alert:?}")));
    Some(match known {
        Some(alert) => words(&TlsError::AlertReceived(alert)),
        None => format!(
            "the collector refused the connection (TLS alert {name}): it probably does not accept \
             this host's certificate"
        ),
    })
}

/// Whether the connection ended under the request. With TLS 1.3 a server refuses a client's
/// certificate only after the client believes itself connected (RFC 8446 section 4.4.2.4), and the
/// alert may be lost with the connection.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    let words = ["closed", "broken pipe", "reset", "canceled", "unexpected eof", "end of file"];
    let found = |text: &String| words.iter().any(|word| text.to_lowercase().contains(word));
    texts(error).iter().any(found)
}

/// What the error and its causes say, the innermost last.
fn texts(error: &(dyn Error + 'static)) -> Vec<String> {
    let (mut texts, mut next) = (vec![], Some(error));
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts
}

/// The TLS error among the causes. An I/O error hides its own cause from `source`.
fn find_tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<TlsError>() {
            return Some(tls);
        }
        let io = error.downcast_ref::<std::io::Error>();
        if let Some(found) = io.and_then(|io| io.get_ref()).and_then(|inner| find_tls(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The moment, as people in every time zone read it.
fn day(time: UnixTime) -> String {
    let at = i64::try_from(time.as_secs()).ok().and_then(|s| Timestamp::from_second(s).ok());
    at.map_or("an impossible time".to_owned(), |at| at.to_string())
}

fn words(error: &TlsError) -> String {
    use CertificateError as C;
    let text = match error {
        TlsError::InvalidCertificate(C::ExpiredContext { time, not_after }) => {
            let (time, not_after) = (day(*time), day(*not_after));
            return format!(
                "the collector's certificate has expired, or this host's clock is ahead: it says \
                 {time}, the certificate ended {not_after}"
            );
        }
        TlsError::InvalidCertificate(C::NotValidYetContext { time, not_before }) => {
            let (time, not_before) = (day(*time), day(*not_before));
            return format!(
                "the collector's certificate is not valid yet: this host's clock is probably \
                 behind: it says {time}, the certificate begins {not_before}"
            );
        }
        TlsError::InvalidCertificate(C::Expired) => {
            "the collector's certificate has expired, or this host's clock is ahead"
        }
        TlsError::InvalidCertificate(C::NotValidYet) => {
            "the collector's certificate is not valid yet: this host's clock is probably behind"
        }
        TlsError::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "the collector's certificate is from an authority that this host does not trust"
        }
        TlsError::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "the collector's certificate is for another name or address"
        }
        TlsError::InvalidCertificate(C::Other(why)) => return why.0.to_string(),
        TlsError::AlertReceived(AlertDescription::CertificateExpired) => {
            "the collector says that this host's certificate has expired; a new one is asked for"
        }
        TlsError::AlertReceived(AlertDescription::CertificateRevoked) => {
            "the collector says that this host's certificate was revoked; if the host is to report \
             again, enrol it with a new token in a new state directory"
        }
        TlsError::AlertReceived(AlertDescription::UnknownCA) => {
            "the collector does not know the authority of this host's certificate; enrol again"
        }
        TlsError::AlertReceived(alert) => {
            return format!("the collector refused the connection (TLS alert {alert:?})");
        }
        other => return format!("TLS: {other}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_read_from_text_where_nothing_else_is_left() {
        for (name, said) in [
            ("CertificateRevoked", "this host's certificate was revoked"),
            ("UnknownCA", "does not know the authority of this host's certificate"),
            ("DecryptError", "(TLS alert DecryptError): it probably does not accept this host's"),
        ] {
            let text = alert(&format!("stream: received fatal alert: {name}")).expect("an alert");
            assert!(text.contains(said), "{text}");
        }
        assert_eq!(alert("connection reset"), None);
    }

    #[test]
    fn a_clock_far_off_is_shown_beside_the_certificates_time() {
        let at = |s| UnixTime::since_unix_epoch(std::time::Duration::from_secs(s));
        let certificate = CertificateError::NotValidYetContext {
            time: at(86_400),
            not_before: at(1_795_348_800),
        };
        let said = words(&TlsError::InvalidCertificate(certificate));
        assert!(said.contains("it says 1970-01-02T00:00:00Z"), "{said}");
        assert!(said.contains("begins 2026-11-22T12:00:00Z"), "{said}");
    }

    #[test]
    fn a_tls_error_is_found_below_an_io_error() {
        let tls = TlsError::InvalidCertificate(CertificateError::Expired);
        let io = std::io::Error::other(std::io::Error::other(tls));
        assert!(find_tls(&io).is_some_and(|tls| words(tls).contains("clock is ahead")));
        let plain = std::io::Error::from_raw_os_error(111);
        assert!(find_tls(&plain).is_none());
    }
}
