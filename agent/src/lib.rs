//! The agent: gathers facts on a host, signs them, keeps them on disk, and ships them.

pub mod collectors;
pub mod config;
pub mod formats;
pub mod host;
pub mod report;
mod suggestion;
pub mod secret;
