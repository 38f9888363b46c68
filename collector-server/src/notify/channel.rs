//! A place that alerts are sent to, of whatever sort.

use super::filter::{About, Filter};
use super::mail::Mail;
use super::post::Outcome;
use super::secret::SecretError;
use super::slack::Slack;
use super::text::{Told, digest};
use super::ticket::Ticket;
use super::timing::Timing;
use super::webhook::Webhook;
use crate::config::{Common, Notify};
use crate::store::Due;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// A channel; cheap to clone.
#[derive(Clone)]
pub struct Channel {
    name: String,
    filter: Filter,
    timing: Timing,
    sort: Sort,
}

#[derive(Clone)]
enum Sort {
    Webhook(Webhook),
    Mail(Mail),
    Slack(Slack),
    Ticket(Box<Ticket>),
}

/// A section of the configuration cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error(
        "[[{section}]] `{name}`: another channel has this name, and the delivery log could not tell them apart"
    )]
    Twice { section: String, name: String },
    #[error("[[{section}]] name `{name}`: letters, digits, - and _ only")]
    Name { section: String, name: String },
    #[error(
        "[[{section}]] `{name}`: url `{url}` is refused: {why}; write https://HOST/PATH \
         (http:// to a loopback address only)"
    )]
    Url { section: String, name: String, url: String, why: String },
    #[error("[[{section}]] `{name}`: unknown {key} `{word}`; known: {known}")]
    Word { section: String, name: String, key: &'static str, word: String, known: String },
    #[error("[[{section}]] `{name}`: {key} `{text}`; write it as {form}")]
    Time { section: String, name: String, key: &'static str, text: String, form: &'static str },
    #[error("[[{section}]] `{name}`: {source}")]
    Secret { section: String, name: String, source: SecretError },
    #[error("[[notify.ticket]] `{name}`: {why}")]
    Template { name: String, why: String },
    #[error("[[notify.mail]] `{name}`: {key}: {why}")]
    Mail { name: String, key: &'static str, why: String },
    #[error("an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

pub(super) fn refused_url(section: &str, name: &str, url: &str, why: String) -> ChannelError {
    let (section, name, url) = (section.to_owned(), name.to_owned(), url.to_owned());
    ChannelError::Url { section, name, url, why }
}

impl Channel {
    /// The channels of a configuration; times of the day are those of `zone`.
    pub fn all(notify: &Notify, zone: &TimeZone) -> Result<Vec<Self>, ChannelError> {
        let mut all = vec![];
        for section in &notify.webhook {
            let sort = || Webhook::new(section).map(Sort::Webhook);
            all.push(Self::new("notify.webhook", &section.common(), zone, sort)?);
        }
        for section in &notify.mail {
            let sort = || Mail::new(section, &notify.smtp).map(Sort::Mail);
            all.push(Self::new("notify.mail", &section.common(), zone, sort)?);
        }
        for section in &notify.slack {
            let sort = || Slack::new(section).map(Sort::Slack);
            all.push(Self::new("notify.slack", &section.common(), zone, sort)?);
        }
        for section in &notify.ticket {
            let sort = || Ticket::new(section).map(Box::new).map(Sort::Ticket);
            all.push(Self::new("notify.ticket", &section.common(), zone, sort)?);
        }
        let mut names = BTreeSet::new();
        match all.iter().find(|channel| !names.insert(&channel.name)) {
            None => Ok(all),
            Some(twice) => Err(ChannelError::Twice {
                section: format!("notify.{}", twice.sort()),
                name: twice.name.clone(),
            }),
        }
    }

    fn new(
        section: &str,
        common: &Common<'_>,
        zone: &TimeZone,
        sort: impl FnOnce() -> Result<Sort, ChannelError>,
    ) -> Result<Self, ChannelError> {
        let name = common.name.to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(ChannelError::Name { section: section.to_owned(), name });
        }
        Ok(Self {
            filter: Filter::new(section, common)?,
            timing: Timing::new(section, common, zone.clone())?,
            sort: sort()?,
            name,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `webhook`, `mail`, `slack`, `ticket`.
    pub fn sort(&self) -> &'static str {
        match self.sort {
            Sort::Webhook(_) => "webhook",
            Sort::Mail(_) => "mail",
            Sort::Slack(_) => "slack",
            Sort::Ticket(_) => "ticket",
        }
    }

    /// Whether it is told of such a step. Tickets, and what escalates, are of what begins and of its
    /// end.
    pub fn wants(&self, about: &About) -> bool {
        let ends = ["opened", "reopened", "resolved"].contains(&about.event.as_str());
        let only_ends = self.timing.escalates() || matches!(self.sort, Sort::Ticket(_));
        (ends || !only_ends) && self.filter.wants(about)
    }

    pub(super) fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Puts what is due into messages: what a person reads in a digest is one.
    pub fn messages(&self, due: Vec<Due>) -> Vec<Vec<Due>> {
        let digests = matches!(self.sort, Sort::Mail(_) | Sort::Slack(_));
        match digests && self.timing.is_digest() && !due.is_empty() {
            true => vec![due],
            false => due.into_iter().map(|due| vec![due]).collect(),
        }
    }

    /// One attempt at a document that is of no alert.
    pub async fn tell(&self, id: &str, now_us: i64, body: String) -> Outcome {
        let message = Due {
            event: id.to_owned(),
            channel: self.name.clone(),
            alert: String::new(),
            body,
            created_us: now_us,
            not_before_us: now_us,
            attempts: 0,
            reference: None,
        };
        self.send(&[message], now_us.div_euclid(1_000_000)).await
    }

    /// One attempt at one message, which has at least one part.
    pub async fn send(&self, parts: &[Due], sent_s: i64) -> Outcome {
        let Some(last) = parts.last() else { return Outcome::default() };
        let told = || digest(parts.iter().map(|due| Told::of(&due.body)).collect());
        match &self.sort {
            Sort::Webhook(webhook) => webhook.send(&last.event, sent_s, &last.body).await,
            Sort::Mail(mail) => mail.send(&last.event, &told()).await,
            Sort::Slack(slack) => slack.send(&told()).await,
            Sort::Ticket(ticket) => {
                let told = Told::of(&last.body);
                ticket.send(&last.event, &told, last.reference.as_deref()).await
            }
        }
    }
}
