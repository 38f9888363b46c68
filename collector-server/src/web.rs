//! The pages people read: rendered on the server, one stylesheet, no script.
//!
//! A page is a struct of values ready to be shown, with a pure function beside it that builds it
//! from rows, rules and a time. Nothing here reads the store or the clock. Templates escape all
//! they are given; the only markup that passes through is that of [`marks::Mark`], [`page::When`]
//! and [`page::Pair`], which are templates themselves.

pub mod account;
pub mod applicability;
pub mod control;
pub mod controls;
pub mod counts;
pub mod difference;
pub mod drift;
pub mod empty;
pub mod enrolment;
pub mod exceptions;
pub mod facts;
pub mod findings;
pub mod flatten;
pub mod host;
pub mod hosts;
pub mod inherited;
pub mod input;
pub mod isms;
pub mod lists;
pub mod login;
pub mod marks;
pub mod overview;
pub mod page;
pub mod past;
pub mod patch;
pub mod people;
pub mod people_list;
pub mod period;
pub mod picture;
pub mod readiness;
pub mod records;
pub mod result;
pub mod reviews;
pub mod rule;
pub mod rules;
pub mod snapshots;
#[cfg(test)]
mod testing;
pub mod timeline;
pub mod windows;

use evidence::Digest;
use std::sync::LazyLock;

/// What a browser may do with a page: show it with our stylesheet, and send its forms to us.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The picture of our pages in a row of tabs, SVG. Browsers ask for `/favicon.ico` on their own.
pub const ICON: &str = include_str!("../assets/icon.svg");

const STYLE: &[u8] = include_bytes!("../assets/style.css");

/// The stylesheet's path, which names its contents and so may be cached for ever, and its bytes.
pub fn stylesheet() -> (&'static str, &'static [u8]) {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let digest = Digest::of(STYLE).to_string();
        format!("/assets/style.{}.css", digest.get(..16).unwrap_or_default())
    });
    (PATH.as_str(), STYLE)
}
