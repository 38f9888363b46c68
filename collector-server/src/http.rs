//! Two listeners. Agents: TLS with client certificates. People and programs: HTTP, behind a proxy
//! or on loopback.

pub mod agents;
mod alerts;
pub mod api;
mod identity;
pub mod peer;
pub mod people;
pub mod problem;
pub mod session;

pub use alerts::alert_json;
