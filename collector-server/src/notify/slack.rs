//! Slack's incoming webhooks, and what reads the same form (Mattermost, Rocket.Chat): one POST of
//! `{"text": …}`.

use super::post::{self, Outcome};
use super::secret::secret_text;
use super::text::Told;
use super::{ChannelError, refused_url};
use crate::config;
use reqwest::{Client, Url};
use serde_json::json;

/// Longest text, in characters; Slack cuts at 40,000.
const LONGEST: usize = 3000;

#[derive(Clone)]
pub(super) struct Slack {
    url: Url,
    client: Client,
}

impl Slack {
    pub(super) fn new(section: &config::Slack) -> Result<Self, ChannelError> {
        let text = secret_text(&section.url_file).map_err(|source| ChannelError::Secret {
            section: "notify.slack".to_owned(),
            name: section.name.clone(),
            source,
        })?;
        // The address is the secret: an error does not repeat it.
        let url = post::url(text.trim())
            .map_err(|why| refused_url("notify.slack", &section.name, "in its url_file", why))?;
        Ok(Self { url, client: post::client()? })
    }

    /// One attempt.
    pub(super) async fn send(&self, told: &[Told]) -> Outcome {
        let request = self.client.post(self.url.clone()).json(&json!({ "text": text(told) }));
        post::send(request).await.outcome
    }
}

/// The text, with what Slack reads as its own signs taken out of what hosts said.
fn text(told: &[Told]) -> String {
    let lines = told.iter().map(|told| {
        let title = escaped(&told.subject());
        match &told.url {
            Some(url) => format!("<{}|{title}>\n{}", escaped(url), escaped(&told.lines())),
            None => format!("*{title}*\n{}", escaped(&told.lines())),
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n\n");
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// As Slack asks: these three and no others.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_said_calls_nobody_and_links_nowhere() {
        let told = Told {
            title: "No longer holds: <!channel> & <https://evil.example|x>".into(),
            ..Told::default()
        };
        let text = text(&[told]);
        assert!(!text.contains("<!channel>") && !text.contains("<https://evil"), "{text}");
        assert!(text.contains("&lt;!channel&gt; &amp;"), "{text}");
    }
}
