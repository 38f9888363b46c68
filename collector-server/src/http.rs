//! Two listeners. Agents: TLS with client certificates. People and programs: HTTP, behind a proxy
//! or on loopback.

mod account;
pub mod agents;
mod alerts;
pub mod api;
mod applicability;
mod controls;
mod drift;
mod enrolment;
mod exceptions;
mod export;
mod findings;
mod fleet;
mod gaps;
mod identity;
mod import;
mod inherited;
mod input;
mod isms;
mod list;
mod lists;
mod log;
mod moment;
pub mod peer;
pub mod people;
mod people_list;
pub mod problem;
mod readiness;
mod records;
mod reviews;
mod rights;
mod rules;
mod scope;
mod seats;
pub mod session;
mod snapshots;
mod source;
mod statement;
pub mod throttle;
mod windows;

pub use alerts::alert_json;
