//! What an operator may set: `config/agent.toml`, which is default, manual and template at once.
//!
//! Strict: an unknown key, a wrong unit, or a kind that does not exist is an error that names file,
//! line and column. A key that is left out has its default.

mod units;

pub use units::{UnitError, parse_duration, parse_size};

use crate::collectors;
use crate::suggestion::hint;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// The file as it is shipped: every key with its default and what it means.
pub const DEFAULT_TEXT: &str = include_str!("../../config/agent.toml");

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub check_in: CheckIn,
    /// When each kind is gathered. Every kind of this agent has an entry.
    pub schedule: BTreeMap<String, Schedule>,
    pub watch: Watch,
    pub spool: Spool,
    pub ship: Ship,
    pub enroll: Enroll,
    pub own: Own,
    pub confine: Confine,
    pub log: Log,
}

/// What the agent takes away from itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Confine {
    pub landlock: Landlock,
}

/// Whether the agent, and what it starts, may write nothing but the state directory (landlock(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landlock {
    /// Unless a kind needs CAP_SYS_PTRACE and has it.
    #[default]
    Auto,
    On,
    Off,
}

/// Kinds that the operator declares for this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Own {
    /// Directory of their declarations; empty: there are none.
    pub directory: PathBuf,
    /// The only commands that a declaration may name.
    pub commands: BTreeMap<String, OwnCommand>,
}

/// A command of this host's own list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnCommand {
    /// An absolute path.
    pub program: String,
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default = "default_timeout", deserialize_with = "units::duration")]
    pub timeout: Duration,
    #[serde(default = "default_output", deserialize_with = "units::size")]
    pub max_output: u64,
}

/// Below the deadline of a kind.
const MAX_TIMEOUT: Duration = Duration::from_secs(9);
const MAX_OUTPUT: u64 = 1 << 20;

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_output() -> u64 {
    64 << 10
}

impl OwnCommand {
    pub fn as_host_command(&self) -> crate::host::Command {
        crate::host::Command {
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            timeout: self.timeout,
            max_output: self.max_output,
        }
    }
}

/// How a machine enrols by itself at its first start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enroll {
    /// `https://HOST:PORT`; empty: it does not.
    pub server: String,
    /// File that holds an enrolment token; empty: it does not.
    pub token_file: PathBuf,
}

/// When check-ins are made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckIn {
    /// Longest time between two check-ins; longer than `coalesce`.
    #[serde(deserialize_with = "units::from_1m")]
    pub at_least_every: Duration,
    /// Kinds that fall due within this time of each other go into one check-in.
    #[serde(deserialize_with = "units::duration")]
    pub coalesce: Duration,
}

/// When a kind is gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Never: its rules become unknown.
    Off,
    /// A five-field crontab(5) expression, UTC; accepted by the check given to [`Config::load`].
    Cron(String),
}

/// Files whose changes are told before their time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    pub enabled: bool,
    /// Quiet after the last change before the kind is gathered.
    #[serde(deserialize_with = "units::from_1s")]
    pub settle: Duration,
    /// Shortest time between two check-ins that changes caused.
    #[serde(deserialize_with = "units::from_1s")]
    pub at_most_every: Duration,
}

/// Check-ins that wait for their receipt, on disk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// Bytes; a full spool drops facts, never check-ins.
    #[serde(deserialize_with = "units::size")]
    pub max_size: u64,
    /// Facts that waited longer are dropped.
    #[serde(deserialize_with = "units::from_1m")]
    pub max_age: Duration,
    /// How long what the collector acknowledged is kept.
    #[serde(deserialize_with = "units::duration")]
    pub keep: Duration,
    /// Bytes on disk of what is kept.
    #[serde(deserialize_with = "units::size")]
    pub keep_size: u64,
}

/// How check-ins travel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ship {
    /// Addresses of the collector, `https://HOST:PORT`, the preferred one first; empty for the one
    /// of the enrolment.
    pub servers: Vec<String>,
    /// `http://HOST:PORT` of a proxy; empty for that of the environment, if any.
    pub proxy: String,
    /// Longest time of one request.
    #[serde(deserialize_with = "units::from_1s")]
    pub timeout: Duration,
    /// Wait after the first failure; doubles up to `retry_max`.
    #[serde(deserialize_with = "units::from_1s")]
    pub retry_min: Duration,
    /// Longest wait between two attempts; not below `retry_min`.
    #[serde(deserialize_with = "units::from_1s")]
    pub retry_max: Duration,
}

/// What the agent says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read. Say so and stop: defaults are not what the operator asked for.
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file says something that cannot be meant. Say where and stop.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Invalid {
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        reason: String,
    },
}

impl Default for CheckIn {
    fn default() -> Self {
        Self { at_least_every: Duration::from_secs(3600), coalesce: Duration::from_secs(60) }
    }
}

impl Default for Watch {
    fn default() -> Self {
        let (settle, at_most_every) = (Duration::from_secs(3), Duration::from_secs(60));
        Self { enabled: true, settle, at_most_every }
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            max_size: 256 << 20,
            max_age: Duration::from_secs(30 * 86_400),
            keep: Duration::from_secs(14 * 86_400),
            keep_size: 64 << 20,
        }
    }
}

impl Default for Ship {
    fn default() -> Self {
        Self {
            servers: vec![],
            proxy: String::new(),
            timeout: Duration::from_secs(30),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let schedule =
            |c: &collectors::Collector| (c.kind.to_owned(), Schedule::Cron(c.schedule.to_owned()));
        Self {
            check_in: CheckIn::default(),
            schedule: collectors::ALL.iter().map(schedule).collect(),
            watch: Watch::default(),
            spool: Spool::default(),
            ship: Ship::default(),
            enroll: Enroll::default(),
            own: Own::default(),
            confine: Confine::default(),
            log: Log::default(),
        }
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    check_in: CheckIn,
    #[serde(default)]
    schedule: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    watch: Watch,
    #[serde(default)]
    spool: Spool,
    #[serde(default)]
    ship: Ship,
    #[serde(default)]
    enroll: Enroll,
    #[serde(default)]
    own: Own,
    #[serde(default)]
    confine: Confine,
    #[serde(default)]
    log: Log,
}

/// What is wrong, and which bytes of the text it is about.
struct Fault {
    span: Range<usize>,
    reason: String,
}

impl Config {
    /// Reads a file; without one, the defaults. `validate` says what is wrong with a crontab
    /// expression, as a lower-case fragment.
    pub fn load(
        path: Option<&Path>,
        validate: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text, validate)
    }

    /// The configuration in a text; `path` is what errors call it.
    pub fn parse(
        path: &Path,
        text: &str,
        validate: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Self, ConfigError> {
        let document = toml::from_str(text).map_err(|error| Fault::of(&error));
        let config = document.and_then(|document| Self::of(document, text, &validate));
        config.map_err(|fault| {
            let before = text.get(..fault.span.start).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            ConfigError::Invalid {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                reason: fault.reason,
            }
        })
    }

    fn of(
        document: Document,
        text: &str,
        validate: &impl Fn(&str) -> Result<(), String>,
    ) -> Result<Self, Fault> {
        let mut config = Self {
            check_in: document.check_in,
            watch: document.watch,
            spool: document.spool,
            ship: document.ship,
            enroll: document.enroll,
            own: document.own,
            confine: document.confine,
            log: document.log,
            ..Self::default()
        };
        for (kind, value) in document.schedule {
            let (kind, value) = (&kind, &value);
            // Whether a declared kind is there is known when the declarations are read.
            let declared = kind.get_ref().starts_with(evidence::declared::PREFIX);
            if !declared && collectors::find(kind.get_ref()).is_none() {
                let known: Vec<_> = collectors::ALL.iter().map(|c| c.kind).collect();
                let hint = hint(kind.get_ref(), &known);
                let reason = format!("unknown kind `{}`{hint}", kind.get_ref());
                return Err(Fault { span: kind.span(), reason });
            }
            config.schedule.insert(kind.get_ref().clone(), schedule(value, validate)?);
        }
        config.agrees_with_itself(text)?;
        Ok(config)
    }

    fn agrees_with_itself(&self, text: &str) -> Result<(), Fault> {
        let fail = |table, key, reason: &str| {
            Err(Fault { span: span_of(text, table, key), reason: reason.to_owned() })
        };
        if self.check_in.coalesce >= self.check_in.at_least_every {
            let reason = "`coalesce` is not shorter than `at_least_every`";
            return fail("check_in", "coalesce", reason);
        }
        for server in &self.ship.servers {
            if crate::enroll::address(server).is_err() {
                let reason = format!(
                    "`{server}` is not the address of a collector; write https://HOST:PORT"
                );
                return fail("ship", "servers", &reason);
            }
        }
        let proxy = reqwest::Url::parse(&self.ship.proxy);
        let is_proxy = |url: reqwest::Url| url.has_host() && url.scheme().starts_with("http");
        if !self.ship.proxy.is_empty() && !proxy.is_ok_and(is_proxy) {
            // What stands there may hold a password.
            return fail("ship", "proxy", "`proxy` is not an address such as http://HOST:PORT");
        }
        if self.ship.retry_max < self.ship.retry_min {
            return fail("ship", "retry_max", "`retry_max` is shorter than `retry_min`");
        }
        if self.enroll.server.is_empty() != self.enroll.token_file.as_os_str().is_empty() {
            let reason = "`server` and `token_file` belong together: give both or neither";
            return fail("enroll", "server", reason);
        }
        for (name, command) in &self.own.commands {
            let reason = match command {
                OwnCommand { program, .. } if !program.starts_with('/') => {
                    format!("`program` of `{name}` is not an absolute path")
                }
                OwnCommand { timeout, .. } if timeout.is_zero() || *timeout > MAX_TIMEOUT => {
                    format!("`timeout` of `{name}` is not between 1ms and 9s")
                }
                OwnCommand { max_output, .. } if *max_output == 0 || *max_output > MAX_OUTPUT => {
                    format!("`max_output` of `{name}` is not between 1B and 1MiB")
                }
                _ => continue,
            };
            return fail("own", "commands", &reason);
        }
        if self.spool.max_size < 1 << 20 {
            return fail("spool", "max_size", "`max_size` is below 1MiB");
        }
        Ok(())
    }
}

fn schedule(
    value: &Spanned<String>,
    validate: &impl Fn(&str) -> Result<(), String>,
) -> Result<Schedule, Fault> {
    let text = value.get_ref();
    if text == "off" {
        return Ok(Schedule::Off);
    }
    match validate(text) {
        Ok(()) => Ok(Schedule::Cron(text.clone())),
        Err(reason) => Err(Fault { span: value.span(), reason }),
    }
}

/// Where a key stands; where it is left out, its table; failing that, the beginning.
fn span_of(text: &str, table: &str, key: &str) -> Range<usize> {
    let Ok(document) = toml::de::DeTable::parse(text) else { return 0..0 };
    let Some((name, value)) = document.get_ref().get_key_value(table) else { return 0..0 };
    let key = value.get_ref().as_table().and_then(|table| table.get_key_value(key));
    key.map_or(name.span(), |(key, _)| key.span())
}

impl Fault {
    /// serde says ``unknown field `a`, expected `b` or `c` ``; people want the nearest one.
    fn of(error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().trim().replace('\n', ", ");
        for (start, name) in [("unknown field `", "key"), ("unknown variant `", "value")] {
            let Some(rest) = message.strip_prefix(start) else { continue };
            let Some((word, expected)) = rest.split_once("`, expected ") else { continue };
            let known: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
            return Self { span, reason: format!("unknown {name} `{word}`{}", hint(word, &known)) };
        }
        Self { span, reason: message }
    }
}

#[cfg(test)]
mod tests;
