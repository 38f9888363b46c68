//! `notify test NAME`.

use super::{Data, create, say};
use crate::clock;
use crate::notify::{Channel, event_type};
use crate::settings;
use anyhow::bail;
use clap::Subcommand;
use serde_json::json;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Notify {
    /// Send one message to a channel of the configuration, now, and say what came back. Exit 1
    /// unless it was taken.
    Test {
        #[command(flatten)]
        data: Data,
        /// The channel's name.
        name: String,
    },
}

impl Notify {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Test { data, name } = self;
        let data = data.open()?;
        let config = data.config(None)?;
        let channels = Channel::all(&config.notify, &config.organisation.zone())?;
        let names: Vec<_> = channels.iter().map(Channel::name).collect();
        let Some(channel) = channels.iter().find(|channel| channel.name() == name) else {
            bail!("no channel of [notify] is named `{name}`; there are: {}", names.join(", "));
        };
        let store = create::open(&data).await?;
        let origin = store.setting(settings::LOG_ORIGIN).await?.unwrap_or_default();
        store.close().await;
        let id = ulid::Ulid::generate().to_string();
        let now_us = clock::now_us();
        let time = jiff::Timestamp::from_microsecond(now_us).unwrap_or_default();
        let body = json!({
            "specversion": "1.0", "id": id, "source": format!("urn:evidenced:{origin}"),
            "type": event_type("test"), "time": time.to_string(),
            "datacontenttype": "application/json",
            "data": {"title": "a test: alerts of this collector arrive here"},
        });
        let outcome = channel.tell(&id, now_us, body.to_string()).await;
        if let Some(error) = outcome.error {
            bail!("{name} did not take it: {error}");
        }
        let by = if channel.sort() == "mail" { "SMTP" } else { "HTTP" };
        say(&format!("{name} took it: {by} {}", outcome.status.unwrap_or_default()));
        Ok(ExitCode::SUCCESS)
    }
}
