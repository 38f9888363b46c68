//! Configuration: one strict TOML file. `config/collector.toml` is its manual and its defaults.

mod channels;
mod duration;
mod organisation;

pub use channels::{Common, Mail, Only, Request, Slack, Smtp, SmtpSecurity, Ticket, Webhook};
pub use duration::DurationText;
pub use organisation::{Organisation, Retention, ZoneName};

use crate::judge::Profile;
use crate::store::AfterExpiry;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The file with every key, its meaning and its default.
pub const DEFAULTS: &str = include_str!("../../config/collector.toml");

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub organisation: Organisation,
    pub store: StoreConfig,
    pub agents: Agents,
    pub people: People,
    pub certificates: Certificates,
    pub ingest: Ingest,
    pub rules: Rules,
    pub repair_limits: RepairLimits,
    pub patch_limits: crate::patch::PatchLimits,
    pub drift: Drift,
    pub exceptions: Exceptions,
    pub inherited: Inherited,
    pub reviews: Reviews,
    pub retention: Retention,
    pub notify: Notify,
    pub anchor: Anchor,
    pub log: Log,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite:PATH`, `postgres://…`, or empty for SQLite in the data directory.
    pub url: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    pub listen: SocketAddr,
    /// More names for the listener's certificate.
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    pub listen: SocketAddr,
    /// A proxy in front speaks TLS.
    pub behind_proxy: bool,
    /// Empty: `http://LISTEN`.
    pub public_url: String,
    /// Whether anybody may read the log (`/log/…`) without a token.
    pub open_log: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// Life of a host's certificate; it is renewed after two thirds of it.
    #[serde(deserialize_with = "duration::from_1s")]
    pub life: DurationText,
    /// How long after its end a host may still ask for the next one.
    pub grace: DurationText,
    /// What happens to a host that does.
    pub after_expiry: AfterExpiry,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    pub queue: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Profiles whose rules judge.
    pub profiles: Vec<Profile>,
    /// Directory of own rules and declared kinds; empty: there are none.
    pub directory: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepairLimits {
    pub critical: DurationText,
    pub high: DurationText,
    pub medium: DurationText,
    pub low: DurationText,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// How long after its enrolment a host is being set up.
    pub new_host_grace: DurationText,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    /// The longest that one may last, from its request to its end.
    pub max_duration: DurationText,
    /// One that no failure needed for so long is pointed out.
    pub unneeded_after: DurationText,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inherited {
    /// The longest that a statement may hold, from its request to its end.
    pub max_duration: DurationText,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviews {
    /// How long after the last access review of a group the next one is overdue; after its first
    /// host, if there was none.
    pub every: DurationText,
    /// By the id of an ISMS: the same for its groups. Of several the shortest counts.
    pub isms: BTreeMap<String, DurationText>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// How long an alert of the lane `queue` waits for others of its cause before it is told.
    pub wait: DurationText,
    pub webhook: Vec<Webhook>,
    pub mail: Vec<Mail>,
    pub slack: Vec<Slack>,
    pub ticket: Vec<Ticket>,
    pub smtp: Smtp,
}

/// Where checkpoints of the log are shown to somebody outside.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// How often, if the log grew.
    #[serde(deserialize_with = "duration::from_1s")]
    pub every: DurationText,
    /// A time-stamping authority (RFC 3161); empty: none.
    pub tsa_url: String,
    /// A directory that gets a file for each checkpoint; empty: none.
    pub directory: PathBuf,
    /// Names of [[notify.webhook]] that get each checkpoint.
    pub webhooks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The file says something the program does not understand; nothing was started.
    #[error("{place}: {message}")]
    Invalid { place: String, message: String },
}

impl Config {
    /// Reads a file over the defaults.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads a text over the defaults. `name` is what errors call it.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let invalid = |error: &toml::de::Error, text: &str| ConfigError::Invalid {
            place: place(name, text, error.span()),
            message: error.message().to_owned(),
        };
        let own: toml::Table = toml::from_str(text).map_err(|error| invalid(&error, text))?;
        let mut merged: toml::Table =
            toml::from_str(DEFAULTS).map_err(|error| invalid(&error, DEFAULTS))?;
        check_keys(&merged, &own, text, name)?;
        merge(&mut merged, own);
        let merged_text = merged.to_string();
        toml::from_str(&merged_text).map_err(|error| ConfigError::Invalid {
            // The merged text has other lines: find the key in the file the operator wrote.
            place: place(name, text, key_in(&merged_text, text, error.span())),
            message: error.message().to_owned(),
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        match Self::parse("", "config/collector.toml") {
            Ok(config) => config,
            // A test holds the embedded file to this; there is no other way to come here.
            Err(error) => unreachable!("{error}"),
        }
    }
}

/// Refuses keys that the defaults do not have, with the nearest one that they do.
fn check_keys(
    known: &toml::Table,
    own: &toml::Table,
    text: &str,
    name: &str,
) -> Result<(), ConfigError> {
    for (key, value) in own {
        let Some(default) = known.get(key) else {
            let near = known.keys().max_by_key(|other| likeness(key, other));
            let hint = near.filter(|other| likeness(key, other) * 2 >= key.len());
            let hint = hint.map(|other| format!("; did you mean `{other}`?")).unwrap_or_default();
            let at = text.find(key.as_str()).map(|at| at..at + key.len());
            return Err(ConfigError::Invalid {
                place: place(name, text, at),
                message: format!("unknown key `{key}`{hint}"),
            });
        };
        if let (toml::Value::Table(known), toml::Value::Table(own)) = (default, value) {
            check_keys(known, own, text, name)?;
        }
    }
    Ok(())
}

/// Length of the common prefix and suffix: enough to tell a slip of the finger.
fn likeness(a: &str, b: &str) -> usize {
    let prefix = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let suffix = a.bytes().rev().zip(b.bytes().rev()).take_while(|(x, y)| x == y).count();
    (prefix + suffix).min(a.len().min(b.len()))
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Where the line that an error in the merged text points at stands in the operator's file.
fn key_in(
    merged: &str,
    own: &str,
    span: Option<std::ops::Range<usize>>,
) -> Option<std::ops::Range<usize>> {
    let before = merged.get(..span?.start)?;
    let line = merged.lines().nth(before.matches('\n').count())?;
    let key = line.split('=').next()?.trim();
    let at = own.find(key)?;
    Some(at..at + key.len())
}

fn place(name: &str, text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else { return name.to_owned() };
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    format!("{name}:{line}:{column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_holds_every_key_and_a_file_may_leave_keys_out() {
        let defaults = Config::parse(DEFAULTS, "defaults").expect("defaults");
        assert_eq!(defaults, Config::default());
        let own = Config::parse("[ingest]\nqueue = 7\n", "own").expect("own");
        assert_eq!(own, Config { ingest: Ingest { queue: 7 }, ..defaults });
    }

    #[test]
    fn an_error_names_file_line_column_and_the_nearest_key() {
        let error = |text| Config::parse(text, "c.toml").expect_err(text).to_string();
        let unknown = error("[people]\nlisten = \"127.0.0.1:1\"\nbehind_prxy = true\n");
        assert_eq!(unknown, "c.toml:3:1: unknown key `behind_prxy`; did you mean `behind_proxy`?");
        let value = error("\n[people]\nlisten = \"somewhere\"\n");
        assert!(value.starts_with("c.toml:3:1: invalid socket address"), "{value}");
        let syntax = error("[people\n");
        assert!(syntax.starts_with("c.toml:1:"), "{syntax}");
        let life = error("[certificates]\nlife = \"0s\"\n");
        assert_eq!(life, "c.toml:2:1: `0s` is too short: at least 1s");
        let word = error("[certificates]\nafter_expiry = \"ask\"\n");
        assert!(word.contains("`allow`, `approve`, `refuse`"), "{word}");
        let duration = error("[repair_limits]\nhigh = \"14\"\n");
        assert!(duration.starts_with("c.toml:2:1: "), "{duration}");
        assert!(duration.contains("14d"), "{duration}");
    }
}
