//! The agent: gathers facts on a host, signs them, keeps them on disk, and ships them.

pub mod cli;
pub mod collectors;
pub mod config;
pub mod formats;
pub mod host;
pub mod report;
mod suggestion;
pub mod secret;
pub mod durable;
pub mod enroll;
pub mod identity;
pub mod logging;
pub mod run;
pub mod schedule;
pub mod ship;
pub mod spool;
