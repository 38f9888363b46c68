//! The collector: takes signed evidence in, keeps every state, judges it, shows it.
//!
//! A check-in flows `http::agents` → `ingest` → `store` (with the log) → receipt; then, as a job
//! of its own, `judgement` → `judge` → `drift` → `store`; `overview` and `web` read what holds.

pub mod active;
pub mod alert;
pub mod app;
pub mod applicability;
pub mod approved;
pub mod assess;
pub mod authority;
pub mod backtest;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data;
pub mod drift;
pub mod exception;
pub mod expected;
pub mod explained;
pub mod finding;
pub mod holders;
pub mod http;
pub mod ingest;
pub mod inherited;
pub mod judge;
pub mod judgement;
pub mod keyring;
pub mod life;
pub mod log;
pub mod log_check;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod overview;
pub mod passwords;
pub mod patch;
pub mod people_list;
pub mod period;
mod place;
pub mod population;
pub mod review;
pub mod scope;
pub mod seat;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod silence;
pub mod span;
pub mod status;
pub mod store;
pub mod verify;
pub mod watch;
pub mod watched;
pub mod web;
pub mod window;
