//! Where a request comes from.

use crate::app::App;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The address of the other side: of the connection, or behind a proxy what the proxy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source(pub(super) IpAddr);

impl FromRequestParts<App> for Source {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Ok(Self(source(peer, &parts.headers, app.config.people.behind_proxy)))
    }
}

/// The last entry of the last `X-Forwarded-For` is what our own proxy added; whatever stands
/// before it, and everything when no proxy is in front, is the client's own invention.
fn source(peer: Option<IpAddr>, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if !behind_proxy {
        return peer;
    }
    let said = headers.get_all("x-forwarded-for").iter().next_back();
    let last = said.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.and_then(|text| text.trim().parse().ok()).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_forwarded_address_counts_behind_a_proxy_only_and_only_the_one_it_added() {
        let peer = Some(IpAddr::from([127, 0, 0, 1]));
        let check = |behind, lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            source(peer, &headers, behind).to_string()
        };
        assert_eq!(check(false, &["192.0.2.1"]), "127.0.0.1");
        assert_eq!(check(true, &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(check(true, &["203.0.113.9, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(check(true, &["203.0.113.9", "2001:db8::1"]), "2001:db8::1");
        assert_eq!(check(true, &["somebody"]), "127.0.0.1");
        assert_eq!(check(true, &[]), "127.0.0.1");
    }
}
