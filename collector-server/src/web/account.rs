//! One's own account: password and sessions.

use super::page::{Frame, When, age};
use crate::passwords::{MIN_CHARACTERS, Weak};
use crate::store::SessionRow;
use askama::Template;

/// What became of the last request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    PasswordSet,
    SessionEnded,
    OthersEnded,
    Differ,
    Weak(Weak),
    Wrong,
    Wait(u64),
}

impl Notice {
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "password" => Some(Self::PasswordSet),
            "session" => Some(Self::SessionEnded),
            "sessions" => Some(Self::OthersEnded),
            _ => None,
        }
    }

    fn is_refusal(self) -> bool {
        !matches!(self, Self::PasswordSet | Self::SessionEnded | Self::OthersEnded)
    }

    fn says(self) -> String {
        match self {
            Self::PasswordSet => "Your password is set. Every other session has ended.".to_owned(),
            Self::SessionEnded => "The session has ended.".to_owned(),
            Self::OthersEnded => "Every other session has ended.".to_owned(),
            Self::Differ => "The two new passwords are not the same. Nothing was changed.".into(),
            Self::Weak(weak) => format!("Nothing was changed: {weak}."),
            Self::Wrong => "The current password is not right. Nothing was changed.".to_owned(),
            Self::Wait(seconds) => {
                format!("Too many attempts. Nothing was changed; try again in {seconds} seconds.")
            }
        }
    }
}

pub struct Input<'a> {
    pub now_us: i64,
    pub name: &'a str,
    pub seat: &'a str,
    pub has_password: bool,
    /// The current password must be given to change it.
    pub asks_for_current: bool,
    pub sessions: &'a [SessionRow],
    /// The session that asks.
    pub session: &'a str,
    pub notice: Option<Notice>,
}

#[derive(Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    pub frame: Frame,
    pub name: String,
    pub seat: String,
    pub has_password: bool,
    pub asks_for_current: bool,
    pub at_least: usize,
    pub notice: Option<Notice>,
    pub sessions: Vec<SessionLine>,
}

pub struct SessionLine {
    pub id: String,
    pub is_this: bool,
    pub by: &'static str,
    pub source: String,
    pub started: When,
    pub seen: When,
    pub age: String,
}

pub fn page(frame: Frame, input: &Input<'_>) -> AccountPage {
    let line = |row: &SessionRow| SessionLine {
        id: row.id.clone(),
        is_this: row.id == input.session,
        by: if row.by_link { "login link" } else { "password" },
        source: row.source.clone(),
        started: When::cell(row.started_us),
        seen: When::cell(row.seen_us),
        age: age(row.seen_us, input.now_us),
    };
    AccountPage {
        frame,
        name: input.name.to_owned(),
        seat: input.seat.to_owned(),
        has_password: input.has_password,
        asks_for_current: input.asks_for_current,
        at_least: MIN_CHARACTERS,
        notice: input.notice,
        sessions: input.sessions.iter().map(line).collect(),
    }
}
