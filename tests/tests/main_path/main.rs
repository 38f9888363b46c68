//! The main path with the real programs: enrol, ship, judge, drift, and what happens when a part
//! of it fails.

mod configuration;
mod drift;
mod enrolment;
mod fleet;
mod interface;
mod judging;
mod outages;
mod view;
