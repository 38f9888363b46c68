//! The agent's own log, on standard error: text for a person, JSON for a service manager.
//! Standard output is for results only.

use crate::config::{LogFormat, LogLevel};
use std::io::{self, IsTerminal as _};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// Starts the log. A second start in one process changes nothing.
pub fn start(level: LogLevel, format: LogFormat) {
    let terminal = io::stderr().is_terminal();
    let log = fmt::layer().with_writer(io::stderr).with_target(false);
    let log = if is_json(format, terminal) {
        log.json().flatten_event(true).boxed()
    } else {
        log.with_ansi(terminal).boxed()
    };
    let _ = tracing_subscriber::registry().with(log.with_filter(filter(level))).try_init();
}

/// `level` for the agent, warnings for what it is built from. No filter of the environment: that
/// would bring a whole library of regular expressions.
fn filter(level: LogLevel) -> Targets {
    Targets::new().with_default(Level::WARN).with_target("evidenced_agent", tracing_level(level))
}

fn tracing_level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
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
    fn a_level_is_that_of_the_agent_and_others_only_warn() {
        let quiet = filter(LogLevel::Error);
        assert!(!quiet.would_enable("evidenced_agent::run", &Level::WARN));
        assert!(quiet.would_enable("hyper", &Level::WARN));
        let loud = filter(LogLevel::Debug);
        assert!(loud.would_enable("evidenced_agent::run", &Level::DEBUG));
        assert!(!loud.would_enable("evidenced_agent::run", &Level::TRACE));
        assert!(!loud.would_enable("hyper", &Level::INFO));
    }
}
