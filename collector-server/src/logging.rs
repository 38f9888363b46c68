//! Logs go to standard error: text on a terminal, JSON under a service manager. Standard output
//! is for results.

use crate::config::{Log, LogFormat};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Starts logging. A filter that cannot be read is an error with the filter in it.
pub fn start(log: &Log) -> anyhow::Result<()> {
    // The database's notices ("relation already exists") are no news of the collector.
    let level = format!("sqlx=warn,{}", log.level);
    let filter = EnvFilter::try_new(level)
        .map_err(|error| anyhow::anyhow!("[log] level = \"{}\": {error}", log.level))?;
    let terminal = stderr().is_terminal();
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = if json {
        subscriber.json().flatten_event(true).try_init()
    } else {
        subscriber.with_target(false).with_ansi(terminal).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("{error}"))
}
