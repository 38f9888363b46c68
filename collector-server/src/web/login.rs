//! Signing in: how to get a link, and what became of one that does not work.

use super::page::Frame;
use askama::Template;

/// The page before signing in.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    pub frame: Frame,
    /// A link was followed that was used before or has run out. Which of the two is not told.
    pub refused: bool,
}

pub fn page(refused: bool) -> LoginPage {
    LoginPage { frame: Frame::outside(), refused }
}
