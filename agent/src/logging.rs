//! The agent's own log, on standard error: text for a person, JSON for a service manager.
//! Standard output is for results only.

use crate::config::{LogFormat, LogLevel};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// Starts the log. A second start in one process changes nothing.
pub fn start(level: LogLevel, format: LogFormat) {
    let terminal = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter(level)))
        .with_writer(io::stderr)
        .with_target(false);
    let _ = if is_json(format, terminal) {
        log.json().flatten_event(true).try_init()
    } else {
        log.with_ansi(terminal).try_init()
    };
}

/// `level` for the agent, warnings for what it is built from.
fn filter(level: LogLevel) -> String {
    format!("warn,evidenced_agent={}", level.as_str())
}

fn is_json(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_text_and_a_service_manager_json() {
        assert!(!is_json(LogFormat::Auto, true));
        assert!(is_json(LogFormat::Auto, false));
        assert!(!is_json(LogFormat::Text, false));
        assert!(is_json(LogFormat::Json, true));
    }

    #[test]
    fn every_level_is_one_that_the_filter_knows() {
        for level in
            [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace]
        {
            assert!(EnvFilter::try_new(filter(level)).is_ok(), "{}", level.as_str());
        }
    }
}
