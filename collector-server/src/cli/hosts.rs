//! `hosts`: what an operator decides about hosts.

use super::create::open;
use super::{Data, say};
use crate::clock;
use clap::Subcommand;

#[derive(Subcommand)]
pub(super) enum Hosts {
    /// Let a host whose certificate expired renew it. `[certificates] after_expiry = "approve"`.
    Approve {
        #[command(flatten)]
        data: Data,
        /// Its id, or its name if no other has it.
        host: String,
    },
    /// End a host's identity at once, also on open connections. Its evidence stays.
    Revoke {
        #[command(flatten)]
        data: Data,
        /// Its id, or its name if no other has it.
        host: String,
    },
}

impl Hosts {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Approve { data, host } => approve(&data, &host).await,
            Self::Revoke { data, host } => revoke(&data, &host).await,
        }
    }
}

async fn approve(data: &Data, host: &str) -> anyhow::Result<()> {
    let store = open(&data.open()?).await?;
    let host = store.find_host(host).await??;
    store.approve_renewal(host, "operator", clock::now_us()).await??;
    store.close().await;
    say(&format!("Host {host} gets its certificate when it asks again, within minutes."));
    Ok(())
}

async fn revoke(data: &Data, host: &str) -> anyhow::Result<()> {
    let store = open(&data.open()?).await?;
    let host = store.find_host(host).await??;
    let certificates = store.revoke_host(host, "operator", clock::now_us()).await??;
    store.close().await;
    say(&format!(
        "The identity of host {host} is revoked: none of its certificates ({certificates}) works \
         any more, and it gets no other. Its evidence stays. To let the machine report again, \
         enrol it with a new token in a new state directory."
    ));
    Ok(())
}
