//! Mail over SMTP (RFC 5321): plain text, one message for a step or for a digest.

use super::ChannelError;
use super::post::{self, Outcome};
use super::secret::secret_text;
use super::text::Told;
use crate::config::{self, Smtp, SmtpSecurity};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::path::Path;

const SECTION: &str = "notify.mail";
/// Longest line of a subject, in characters (RFC 5322 has 998 for a line).
const SUBJECT: usize = 200;

#[derive(Clone)]
pub(super) struct Mail {
    from: Mailbox,
    to: Vec<Mailbox>,
    /// Right of the @ of message ids.
    domain: String,
    smtp: AsyncSmtpTransport<Tokio1Executor>,
}

/// That a program wrote it, so that nobody's absence note answers (RFC 3834).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Mail {
    pub(super) fn new(section: &config::Mail, smtp: &Smtp) -> Result<Self, ChannelError> {
        let refused =
            |key, why: String| ChannelError::Mail { name: section.name.clone(), key, why };
        let mailbox = |key, text: &str| {
            let read = text.parse::<Mailbox>();
            read.map_err(|error| refused(key, format!("`{text}` is no address: {error}")))
        };
        if smtp.host.is_empty() {
            return Err(refused("host", "there is no [notify.smtp] host to hand it to".into()));
        }
        let from = mailbox("from", &smtp.from)?;
        let to = section.to.iter().map(|to| mailbox("to", to)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(refused("to", "it names nobody".into()));
        }
        let domain = from.email.domain().to_owned();
        Ok(Self { from, to, domain, smtp: transport(section, smtp)? })
    }

    /// One attempt. A refusal is tried again like a failure: it is as likely a mistake here.
    pub(super) async fn send(&self, id: &str, told: &[Told]) -> Outcome {
        let message = match self.message(id, told) {
            Ok(message) => message,
            Err(error) => return Outcome::failed(format!("no message can be made of it: {error}")),
        };
        // Each answer of the server has its time, and all of them together have one.
        let sent = tokio::time::timeout(post::TIMEOUT, self.smtp.send(message)).await;
        let Ok(sent) = sent else { return Outcome::failed("no answer in time".to_owned()) };
        match sent {
            Ok(response) => {
                let code = response.code().to_string().parse().ok();
                Outcome { status: code, ..Outcome::default() }
            }
            Err(error) => {
                let status = error.status().and_then(|code| code.to_string().parse().ok());
                Outcome { status, ..Outcome::failed(post::excerpt(error.to_string().as_bytes())) }
            }
        }
    }

    fn message(&self, id: &str, told: &[Told]) -> Result<Message, lettre::error::Error> {
        let to = |builder: MessageBuilder, to: &Mailbox| builder.to(to.clone());
        let mut builder = self.to.iter().fold(Message::builder(), to);
        builder = builder
            .from(self.from.clone())
            .subject(subject(told))
            .message_id(Some(format!("<{id}@{}>", self.domain)))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN);
        // The steps of one alert are one thread.
        if let [one] = told
            && !one.alert.is_empty()
        {
            builder = builder.references(format!("<{}@{}>", one.alert, self.domain));
        }
        builder.body(body(told))
    }
}

fn transport(
    section: &config::Mail,
    smtp: &Smtp,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, ChannelError> {
    let refused = |key, why: String| ChannelError::Mail { name: section.name.clone(), key, why };
    let secret = |path: &Path| {
        secret_text(path).map_err(|source| ChannelError::Secret {
            section: SECTION.to_owned(),
            name: section.name.clone(),
            source,
        })
    };
    let tls = || {
        let mut tls = TlsParameters::builder(smtp.host.clone());
        if !smtp.ca_file.as_os_str().is_empty() {
            let pem = std::fs::read(&smtp.ca_file)
                .map_err(|e| refused("ca_file", format!("{}: {e}", smtp.ca_file.display())))?;
            let root =
                Certificate::from_pem(&pem).map_err(|e| refused("ca_file", e.to_string()))?;
            tls = tls.add_root_certificate(root);
        }
        tls.build().map_err(|error| refused("host", error.to_string()))
    };
    let (port, tls) = match smtp.security {
        SmtpSecurity::Tls => (465, Tls::Wrapper(tls()?)),
        SmtpSecurity::Starttls => (587, Tls::Required(tls()?)),
        SmtpSecurity::None if post::is_loopback(&smtp.host) => (25, Tls::None),
        SmtpSecurity::None => {
            let why = "without TLS only a server on a loopback address is used".to_owned();
            return Err(refused("security", why));
        }
    };
    let port = if smtp.port == 0 { port } else { smtp.port };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
        .port(port)
        .tls(tls)
        .timeout(Some(post::TIMEOUT / 2));
    if !smtp.user.is_empty() {
        if smtp.security == SmtpSecurity::None {
            return Err(refused("user", "a password is sent within TLS only".to_owned()));
        }
        let password = secret(&smtp.password_file)?.trim_end_matches(['\r', '\n']).to_owned();
        builder = builder.credentials(Credentials::new(smtp.user.clone(), password));
    }
    Ok(builder.build())
}

fn subject(told: &[Told]) -> String {
    let line = match told {
        [one] => format!("[Evidenced] {}", one.subject()),
        many => {
            let ended = many.iter().filter(|told| told.is_end()).count();
            format!(
                "[Evidenced] {} alerts: {} open, {ended} resolved",
                many.len(),
                many.len() - ended
            )
        }
    };
    line.chars().take(SUBJECT).collect()
}

fn body(told: &[Told]) -> String {
    let part = |told: &Told| format!("{}\n{}", told.subject(), told.lines());
    let parts = told.iter().map(part).collect::<Vec<_>>().join("\n");
    format!("{parts}\nAn alert is closed by evidence, not by an answer to this message.\n")
}
