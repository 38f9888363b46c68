//! Marks of state: a shape, a colour and a word, never one of them alone.

use askama::Template;
use askama::filters::HtmlSafe;
use evidence::Status;

/// Evidence state of a control, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Deviating,
    Blind,
    Stale,
    None,
    Operating,
    Excluded,
}

impl State {
    pub const ALL: [Self; 6] =
        [Self::Deviating, Self::Blind, Self::Stale, Self::None, Self::Operating, Self::Excluded];

    pub fn word(self) -> &'static str {
        match self {
            Self::Deviating => "deviating",
            Self::Blind => "blind",
            Self::Stale => "stale",
            Self::None => "none",
            Self::Operating => "operating",
            Self::Excluded => "excluded",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// What the state says, as the end of a sentence that begins with the control.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Deviating => {
                "a critical or high failure is past its limit, or more hosts fail than is tolerated"
            }
            Self::Blind => "evidence that it needs was denied, unsupported or in error",
            Self::Stale => {
                "some evidence is past its time: a host does not report, or a record ran out"
            }
            Self::None => "there is no evidence",
            Self::Operating => "evidence is there and fresh",
            Self::Excluded => "said not to be applicable",
        }
    }

    pub fn mark(self) -> Mark {
        Mark { shape: self.word(), word: self.word() }
    }
}

/// Outcome of a rule on a host, most urgent first: the least of several is what counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Fail,
    Unknown,
    /// Somebody else shows it, by an approved statement: never a pass.
    Inherited,
    Pass,
    NotApplicable,
}

impl Outcome {
    /// A word that is no outcome is `unknown`: it proves nothing.
    pub fn from_word(word: &str) -> Self {
        match word {
            "fail" => Self::Fail,
            "inherited" => Self::Inherited,
            "pass" => Self::Pass,
            "not_applicable" => Self::NotApplicable,
            _ => Self::Unknown,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Inherited => "inherited",
            Self::Pass => "pass",
            Self::NotApplicable => "not_applicable",
        }
    }

    /// Results borrow the shapes of the states.
    pub fn mark(self) -> Mark {
        let state = match self {
            Self::Fail => State::Deviating,
            Self::Unknown => State::Blind,
            Self::Pass => State::Operating,
            Self::Inherited | Self::NotApplicable => State::Excluded,
        };
        Mark { shape: state.word(), word: self.word() }
    }
}

/// The mark of a kind's or a source's status: only `ok` and a proven `not_applicable` are sight.
pub fn of_status(status: Status) -> Mark {
    let state = match status {
        Status::Ok => State::Operating,
        Status::NotApplicable => State::Excluded,
        _ => State::Blind,
    };
    Mark { shape: state.word(), word: status.as_str() }
}

/// A shape with its word. Both are ours, so it may stand in a page as markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(path = "mark.html")]
pub struct Mark {
    pub shape: &'static str,
    pub word: &'static str,
}

impl HtmlSafe for Mark {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back_from_their_words() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word("fine"), None);
    }

    #[test]
    fn a_word_that_is_no_outcome_is_unknown() {
        for outcome in [
            Outcome::Fail,
            Outcome::Unknown,
            Outcome::Inherited,
            Outcome::Pass,
            Outcome::NotApplicable,
        ] {
            assert_eq!(Outcome::from_word(outcome.word()), outcome);
        }
        for word in ["", "PASS", "passed", "error"] {
            assert_eq!(Outcome::from_word(word), Outcome::Unknown, "{word}");
        }
    }

    #[test]
    fn only_ok_is_shown_with_the_disc() {
        assert_eq!(of_status(Status::Ok).shape, "operating");
        assert_eq!(of_status(Status::NotApplicable).shape, "excluded");
        for status in [Status::Partial, Status::Absent, Status::Denied, Status::Truncated] {
            assert_eq!(of_status(status).shape, "blind", "{status}");
        }
    }
}
