//! What requests carry: bodies in JSON, notes of people, lengths of time of the configuration.

use super::people::Trouble;
use super::problem::Problem;
use crate::config::DurationText;
use crate::exception::MAX_TEXT;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use serde::Deserialize;

/// A body in JSON, or what is wrong with it.
pub(super) type Body<T> = Result<Json<T>, JsonRejection>;

pub(super) fn body<T>(body: Body<T>) -> Result<T, Problem> {
    body.map(|Json(value)| value).map_err(|error| Problem::bad_request(error.body_text()))
}

/// What somebody says beside a decision.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    #[serde(default)]
    note: String,
}

impl Note {
    pub(super) fn text(&self) -> Result<&str, Problem> {
        let text = self.note.trim();
        if text.chars().count() > MAX_TEXT {
            return Err(Problem::bad_request(format!("a note has at most {MAX_TEXT} characters")));
        }
        Ok(text)
    }
}

/// A form that says yes or no.
#[derive(Deserialize)]
pub(super) struct DecideForm {
    decision: String,
    #[serde(default)]
    pub(super) note: String,
}

impl DecideForm {
    pub(super) fn approves(&self) -> Result<bool, Trouble> {
        match self.decision.as_str() {
            "approve" => Ok(true),
            "refuse" => Ok(false),
            _ => Err(Trouble::Refused("Nothing was decided.".to_owned())),
        }
    }
}

/// A form that only says why.
#[derive(Deserialize)]
pub(super) struct NoteForm {
    #[serde(default)]
    pub(super) note: String,
}

/// The note of a form, as long as it may be.
pub(super) fn cut(text: &str) -> &str {
    let text = text.trim();
    text.char_indices().nth(MAX_TEXT).map_or(text, |(at, _)| &text[..at])
}

/// Ids as a form takes them: apart by commas, spaces or lines.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    words.filter(|word| !word.is_empty()).map(str::to_owned)
}

pub(super) fn micros(text: &DurationText) -> i64 {
    i64::try_from(text.0.as_micros()).unwrap_or(i64::MAX)
}
