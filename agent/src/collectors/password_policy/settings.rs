//! Settings of modules: files of `name = value` or `name` a line, and arguments of the same form.

use crate::formats::pam::stack::Handler;
use crate::host::{Failure, ReadError, Reading};
use evidence::Status;

/// Names as they are written and their values; a name alone has an empty one.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    pub(super) fn of_text(text: &str) -> Self {
        let line = |line: &str| {
            let line = line.split('#').next().unwrap_or_default().trim();
            let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
            let (name, rest) = line.split_at(end);
            let rest = rest.trim_start();
            let value = rest.strip_prefix('=').unwrap_or(rest).trim();
            (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// A file that may be missing.
    pub(super) fn of_file(reading: &mut Reading<'_>, path: &str) -> Result<Option<Self>, Failure> {
        match reading.config(path) {
            Ok(text) => Ok(Some(Self::of_text(&text))),
            Err(ReadError::Absent) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// For modules that take names in whatever case.
    pub(super) fn in_any_case(self) -> Self {
        Self(self.0.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
    }

    /// For files of which the first line of a name counts.
    pub(super) fn first_counts(mut self) -> Self {
        self.0.reverse();
        self
    }

    /// Adds those that count more.
    pub(super) fn then(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    pub(super) fn of_arguments(handler: &Handler) -> Self {
        let pair = |word: &String| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (word.clone(), String::new()),
        };
        Self(handler.what.arguments().iter().map(pair).collect())
    }

    /// The last one of a name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let last = self.0.iter().rev().find(|(known, _)| known == name);
        last.map(|(_, value)| value.as_str())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A whole number, or `default` where nobody sets it. What is no number is taken differently by
    /// the modules: it is not understood.
    pub(super) fn number(&self, name: &str, default: i64) -> Result<i64, Failure> {
        let Some(value) = self.value(name) else { return Ok(default) };
        let number = value.parse().ok().filter(|number: &i64| number.abs() < 1 << 31);
        number.ok_or(Failure(Status::ParseError))
    }
}
