//! The agent: gathers facts on a host, signs them, keeps them on disk, and ships them.

pub mod collectors;
pub mod formats;
pub mod host;
pub mod secret;
