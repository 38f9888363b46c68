//! Signing in: name and password, how to get a link, and why it did not work.

use super::page::Frame;
use askama::Template;

/// Why somebody was not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A link was used before or has run out. Which of the two is not told.
    Link,
    /// The name, the password, or the person is not let in. Which is not told.
    Password,
    /// Too many failures: wait this many seconds.
    Wait(u64),
    /// Too many sign in at once.
    Busy,
}

impl Refused {
    fn title(self) -> &'static str {
        match self {
            Self::Link => "This link does not work any more.",
            Self::Password => "You are not signed in.",
            Self::Wait(_) => "Too many attempts.",
            Self::Busy => "Too many people sign in at once.",
        }
    }

    fn says(self) -> String {
        match self {
            Self::Link => "A link works once and for a short time: it has been used, or it has \
                           expired. Make a new one."
                .to_owned(),
            Self::Password => "The user name and the password do not fit together.".to_owned(),
            Self::Wait(1) => "Try again in 1 second.".to_owned(),
            Self::Wait(seconds @ ..120) => format!("Try again in {seconds} seconds."),
            Self::Wait(seconds) => format!("Try again in {} minutes.", seconds.div_ceil(60)),
            Self::Busy => "Try again in a moment.".to_owned(),
        }
    }
}

/// The page before signing in.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    pub frame: Frame,
    pub refused: Option<Refused>,
}

pub fn page(refused: Option<Refused>) -> LoginPage {
    LoginPage { frame: Frame::outside(), refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_its_unit_and_never_as_shorter_than_it_is() {
        let says = |seconds| Refused::Wait(seconds).says();
        assert_eq!(says(1), "Try again in 1 second.");
        assert_eq!(says(119), "Try again in 119 seconds.");
        assert_eq!(says(121), "Try again in 3 minutes.");
    }
}
