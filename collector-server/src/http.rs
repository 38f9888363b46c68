//! Two listeners. Agents: TLS with client certificates. People and programs: HTTP, behind a proxy
//! or on loopback.

mod account;
pub mod agents;
mod alerts;
pub mod api;
mod drift;
mod enrolment;
mod fleet;
mod identity;
mod list;
pub mod peer;
pub mod people;
pub mod problem;
mod rules;
mod seats;
pub mod session;
mod source;
pub mod throttle;

pub use alerts::alert_json;
