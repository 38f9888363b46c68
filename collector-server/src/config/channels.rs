//! Where alerts are sent: a section for each place.

use super::DurationText;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which alerts a channel hears of; what is left out does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Only {
    /// This severity or a graver one.
    pub severity: Option<String>,
    /// Any host of one of these groups.
    pub groups: Vec<String>,
    /// Any host of a group that one of these teams owns.
    pub owners: Vec<String>,
    /// A rule of one of these controls.
    pub controls: Vec<String>,
}

/// What the sections of all channels have.
pub struct Common<'a> {
    pub name: &'a str,
    pub lanes: &'a [String],
    pub events: &'a [String],
    pub only: &'a Only,
    pub quiet: Option<&'a str>,
    pub digest: &'a [String],
    pub unacknowledged: Option<DurationText>,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$said:meta])* $field:ident: $of:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// In the delivery log.
            pub name: String,
            /// Empty: both.
            #[serde(default)]
            pub lanes: Vec<String>,
            /// Empty: all.
            #[serde(default)]
            pub events: Vec<String>,
            #[serde(default)]
            pub only: Only,
            /// `22:00-07:00`: what wakes nobody waits until its end.
            #[serde(default)]
            pub quiet: Option<String>,
            /// Times of the day, `07:30`, at which all that waits is one message. Empty: at once.
            #[serde(default)]
            pub digest: Vec<String>,
            /// Told only of what nobody acknowledged for so long.
            #[serde(default)]
            pub unacknowledged: Option<DurationText>,
            $($(#[$said])* pub $field: $of,)*
        }

        impl $name {
            pub fn common(&self) -> Common<'_> {
                Common {
                    name: &self.name,
                    lanes: &self.lanes,
                    events: &self.events,
                    only: &self.only,
                    quiet: self.quiet.as_deref(),
                    digest: &self.digest,
                    unacknowledged: self.unacknowledged,
                }
            }
        }
    };
}

section! {
    /// Signed CloudEvents.
    Webhook {
        url: String,
        secret_file: PathBuf,
    }
}

section! {
    /// Mail to people, by `[notify.smtp]`.
    Mail {
        to: Vec<String>,
    }
}

section! {
    /// An incoming webhook of Slack, or of what reads the same form.
    Slack {
        /// Holds the address, which is a secret.
        url_file: PathBuf,
    }
}

section! {
    /// A request that opens a ticket, and perhaps one that says that it is resolved.
    Ticket {
        open: Request,
        /// Where the answer to `open` names the ticket: a JSON pointer (RFC 6901), `/key`.
        #[serde(default)]
        ticket: Option<String>,
        #[serde(default)]
        resolve: Option<Request>,
        /// Holds the value of the header `authorization`.
        #[serde(default)]
        authorization_file: Option<PathBuf>,
    }
}

/// A request by template: `{title}` and the like stand for what is told, in the address and in
/// every text of the body.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    #[serde(default = "post")]
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Sent as JSON.
    pub body: toml::Value,
}

fn post() -> String {
    "POST".to_owned()
}

/// The mail server that messages are handed to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Empty: no mail is sent.
    pub host: String,
    /// 0: 465 for `tls`, 587 for `starttls`, 25 for `none`.
    pub port: u16,
    pub security: SmtpSecurity,
    pub from: String,
    /// Empty: none. With `password_file`: SMTP AUTH, only ever within TLS.
    pub user: String,
    pub password_file: PathBuf,
    /// Empty, or certificates (PEM) that are believed besides those of the machine.
    pub ca_file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// An upgrade that must succeed (RFC 3207).
    Starttls,
    /// A server on a loopback address only.
    None,
}
