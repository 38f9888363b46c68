//! The agent's own log, on standard error: text for a person, JSON for a service manager.
//! Standard output is for results only.

use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON under a service manager that keeps a journal, else text.
    Auto,
    Text,
    /// JSON, except on a terminal.
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoggingError {
    #[error("`{0}` is not a log level; write error, warn, info, debug or trace")]
    Level(String),
    #[error("`{0}` is not a log format; write auto, text or json")]
    Format(String),
}

impl std::str::FromStr for Format {
    type Err = LoggingError;

    fn from_str(text: &str) -> Result<Self, LoggingError> {
        match text {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LoggingError::Format(text.to_owned())),
        }
    }
}

/// Starts the log. A second start in one process changes nothing.
pub fn start(level: &str, format: Format) -> Result<(), LoggingError> {
    let filter = filter(level)?;
    let terminal = io::stderr().is_terminal();
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = if is_json(format, terminal, journal) {
        log.json().flatten_event(true).with_target(false).try_init()
    } else {
        log.with_ansi(terminal).with_target(false).try_init()
    };
    Ok(())
}

/// `level` for the agent, warnings for what it is built from.
fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    let refused = || LoggingError::Level(level.to_owned());
    let level: LevelFilter = level.parse().map_err(|_| refused())?;
    EnvFilter::try_new(format!("warn,evidenced_agent={level}")).map_err(|_| refused())
}

fn is_json(format: Format, terminal: bool, journal: bool) -> bool {
    !terminal && (format == Format::Json || (format == Format::Auto && journal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_text_and_a_service_manager_json() {
        for (format, terminal, journal, want) in [
            (Format::Auto, false, true, true),
            (Format::Auto, false, false, false),
            (Format::Auto, true, true, false),
            (Format::Json, false, false, true),
            (Format::Json, true, false, false),
            (Format::Text, false, true, false),
        ] {
            assert_eq!(is_json(format, terminal, journal), want, "{format:?} {terminal} {journal}");
        }
    }

    #[test]
    fn an_unknown_level_or_format_is_refused_by_name() {
        assert!(filter("info").is_ok());
        let error = filter("loud").expect_err("refused").to_string();
        assert!(error.contains("`loud`"), "{error}");
        assert!("xml".parse::<Format>().is_err());
    }
}
