//! A webhook: one signed POST for each message.

use super::post::{self, Outcome};
use super::secret::Secret;
use super::{ChannelError, refused_url};
use crate::config;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};

#[derive(Clone)]
pub(super) struct Webhook {
    url: Url,
    secret: Secret,
    client: Client,
}

impl Webhook {
    pub(super) fn new(section: &config::Webhook) -> Result<Self, ChannelError> {
        let url = post::url(&section.url)
            .map_err(|why| refused_url("notify.webhook", &section.name, &section.url, why))?;
        let secret = Secret::read(&section.secret_file).map_err(|source| ChannelError::Secret {
            section: "notify.webhook".to_owned(),
            name: section.name.clone(),
            source,
        })?;
        Ok(Self { url, secret, client: post::client()? })
    }

    /// One attempt.
    pub(super) async fn send(&self, id: &str, timestamp_s: i64, body: &str) -> Outcome {
        let id = format!("msg_{id}");
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", self.secret.sign(&id, timestamp_s, body))
            .body(body.to_owned());
        post::send(request).await.outcome
    }
}
