//! Two listeners. Agents: TLS with client certificates. People and programs: HTTP, behind a proxy
//! or on loopback.

mod account;
pub mod agents;
pub mod api;
mod drift;
mod enrolment;
pub mod peer;
pub mod people;
pub mod problem;
mod seats;
pub mod session;
mod source;
pub mod throttle;
