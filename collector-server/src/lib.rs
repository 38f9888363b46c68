//! The collector: keeps what hosts reported and shows it.

pub mod store;
pub mod web;
