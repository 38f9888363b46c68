//! The agent: gathers facts on a host, signs them, keeps them on disk, and ships them.

pub mod arrive;
pub mod cli;
pub mod clock;
pub mod collectors;
pub mod config;
pub mod confine;
pub mod durable;
pub mod enroll;
pub mod formats;
pub mod host;
pub mod identity;
pub mod kinds;
pub mod leave;
pub mod logging;
pub mod modest;
pub mod renew;
pub mod report;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod ship;
pub mod spool;
mod suggestion;
pub mod watch;
