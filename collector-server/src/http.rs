//! Two listeners. Agents: TLS with client certificates. People and programs: HTTP, behind a proxy
//! or on loopback.

pub mod agents;
pub mod api;
mod fleet;
pub mod peer;
pub mod people;
pub mod problem;
pub mod session;
