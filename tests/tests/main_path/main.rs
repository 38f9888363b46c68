//! The main path with the real programs: enrol, ship, judge, drift, and what happens when a part
//! of it fails.

mod alerts;
mod channels;
mod configuration;
mod confine;
mod demo;
mod drift;
mod enrolment;
mod fleet;
mod identity;
mod interface;
mod judging;
mod log;
mod modest;
mod outages;
mod overlay;
mod own_evidence;
mod restored;
mod scope;
mod snapshot;
mod time;
mod view;
