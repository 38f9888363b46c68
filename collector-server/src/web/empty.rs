//! A page with nothing on it: what is missing, and what makes it appear.

use super::page::Frame;
use askama::Template;

#[derive(Template)]
#[template(path = "empty.html")]
pub struct EmptyPage {
    pub frame: Frame,
    pub title: &'static str,
    /// What is the case.
    pub says: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// No such page, control, host or kind.
pub fn not_found(frame: Frame, what: &str) -> EmptyPage {
    EmptyPage {
        frame,
        title: "Not found",
        says: format!("There is no {what}."),
        remedy: "The address may be mistyped, or what it named was never reported here.",
    }
}

/// The collector could not build the page. The cause is in its log, never on the page.
pub fn failed(frame: Frame) -> EmptyPage {
    EmptyPage {
        frame,
        title: "This page could not be built",
        says: "The collector met an error while it read its store.".to_owned(),
        remedy: "Nothing was changed. Try again; the collector's own log names the cause.",
    }
}

/// It cannot be asked like this.
pub fn not_known(frame: Frame, why: &str) -> EmptyPage {
    EmptyPage {
        frame,
        title: "Not known like this",
        says: why.to_owned(),
        remedy: "Nothing is shown, rather than something else than what was asked for.",
    }
}

/// The session may not do this.
pub fn refused(frame: Frame, why: &str) -> EmptyPage {
    EmptyPage { frame, title: "Not allowed", says: why.to_owned(), remedy: "Nothing was changed." }
}
