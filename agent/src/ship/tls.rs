//! Why a connection failed, in words a person can act on.

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
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if refusal(error) == Refusal::Cut {
        return format!(
            "{innermost}; if this goes on, the collector probably does not take this host's \
             certificate: expired, or of another collector"
        );
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
        None if error.is_request() && !error.is_connect() && !error.is_timeout() => Refusal::Cut,
        _ => Refusal::None,
    }
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

fn words(error: &TlsError) -> String {
    use CertificateError as C;
    let text = match error {
        TlsError::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "the collector's certificate has expired, or this host's clock is ahead"
        }
        TlsError::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
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
    fn a_tls_error_is_found_below_an_io_error() {
        let tls = TlsError::InvalidCertificate(CertificateError::Expired);
        let io = std::io::Error::other(std::io::Error::other(tls));
        assert!(find_tls(&io).is_some_and(|tls| words(tls).contains("clock is ahead")));
        let plain = std::io::Error::from_raw_os_error(111);
        assert!(find_tls(&plain).is_none());
    }
}
