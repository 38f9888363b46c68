//! The way to the collector: its addresses, and a proxy.

use crate::identity::Identity;
use reqwest::{ClientBuilder, Proxy};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an operator chose.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// `https://HOST:PORT`, the preferred one first; empty for that of the enrolment.
    pub servers: Vec<String>,
    /// `http://HOST:PORT`; empty for what `HTTPS_PROXY` and `NO_PROXY` say.
    pub proxy: String,
}

impl Route {
    pub(crate) fn proxied(&self, client: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
        if self.proxy.is_empty() {
            return Ok(client);
        }
        Ok(client.proxy(Proxy::all(&self.proxy)?))
    }
}

/// The addresses, and which of them is asked. It stays with one as long as that answers.
pub(crate) struct Servers {
    all: Vec<String>,
    at: AtomicUsize,
}

impl Servers {
    pub(crate) fn of(route: &Route, identity: &Identity) -> Self {
        let all = if route.servers.is_empty() {
            vec![identity.server.clone()]
        } else {
            route.servers.iter().map(|server| server.trim_end_matches('/').to_owned()).collect()
        };
        Self { all, at: AtomicUsize::new(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The address to ask now.
    pub(crate) fn now(&self) -> &str {
        &self.all[self.at.load(Ordering::Relaxed) % self.all.len()]
    }

    /// Goes on to the next address.
    pub(crate) fn next(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
    }
}
