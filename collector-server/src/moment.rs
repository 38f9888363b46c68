//! A moment on two axes: what was *observed* until then, as was *known* by a leaf of the log. Pure.
//!
//! Whoever asks for a moment alone learns what is known of it now, late check-ins included; with
//! `known` the answer is the one that was given when the log had so many leaves.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// What was observed until `at_us`, as was known by the leaf `known`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Microseconds since the epoch.
    pub at_us: i64,
    /// Index of the last leaf of the log that counts; -1: none.
    pub known: i64,
    /// When that leaf came: decisions of people count up to then.
    pub known_us: i64,
}

impl Moment {
    /// The log's size that counts.
    pub fn size(&self) -> u64 {
        (self.known + 1).unsigned_abs()
    }

    /// Until when decisions count: they hold from when they were made, and are known since then.
    pub fn decided_us(&self) -> i64 {
        self.at_us.min(self.known_us)
    }
}

/// The log as it is asked for: by its size, or as it was at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Size(u64),
    At(i64),
}

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMoment {
    #[error(
        "`{0}` is no moment; write a date (2026-03-31, its end), a local time (2026-03-31T18:00) or \
         RFC 3339 (2026-03-31T18:00:00Z)"
    )]
    Form(String),
    #[error("{0} is still to come; the latest moment is now: leave `at` out")]
    Future(Timestamp),
    #[error("the log never had {0} leaves; it has {1}")]
    Size(u64, u64),
    #[error("the period ends before it begins: `from` is before `to`")]
    Order,
}

/// Which end of a day a date stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Begin,
    End,
}

/// Reads a moment: RFC 3339, or a date or local time in `zone`. A date stands for an edge of its day:
/// as of a day means all of it, and a period has its last day whole.
pub fn read(text: &str, zone: &TimeZone, edge: Edge) -> Result<i64, NoMoment> {
    let text = text.trim();
    let wrong = || NoMoment::Form(text.to_owned());
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_microsecond());
    }
    // 2026-03-31 reads as a local time too: as its first moment.
    let local = match (text.len(), edge) {
        (10, Edge::Begin) => date(text).ok_or_else(wrong)?.at(0, 0, 0, 0),
        (10, Edge::End) => {
            let next = date(text).and_then(|date| date.checked_add(1.day()).ok());
            next.ok_or_else(wrong)?.at(0, 0, 0, 0)
        }
        _ => text.parse::<DateTime>().map_err(|_| wrong())?,
    };
    let at = zone.to_zoned(local).map_err(|_| wrong())?.timestamp().as_microsecond();
    Ok(if text.len() == 10 && edge == Edge::End { at - 1 } else { at })
}

fn date(text: &str) -> Option<Date> {
    text.parse().ok()
}

/// Reads `at`. Today, and a clock that is a little ahead, mean now.
pub fn read_at(text: &str, zone: &TimeZone, now_us: i64) -> Result<i64, NoMoment> {
    let at_us = read(text, zone, Edge::End)?;
    if at_us <= now_us {
        return Ok(at_us);
    }
    // The day or the minute that has begun.
    let begun = read(text, zone, Edge::Begin)?;
    if begun <= now_us {
        return Ok(now_us);
    }
    Err(NoMoment::Future(Timestamp::from_microsecond(at_us).unwrap_or_default()))
}

/// Reads a period, its last day whole; none of `from` means `length_us` before its end, none of `to`
/// until now. It never ends after now.
pub fn read_period(
    from: Option<&str>,
    to: Option<&str>,
    zone: &TimeZone,
    now_us: i64,
    length_us: i64,
) -> Result<(i64, i64), NoMoment> {
    let given = |text: &Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
    let to_us = match to.filter(|_| given(&to)) {
        // Half-open: its last moment is in it.
        Some(text) => read(text, zone, Edge::End)?.saturating_add(1).min(now_us),
        None => now_us,
    };
    let from_us = match from.filter(|_| given(&from)) {
        Some(text) => read(text, zone, Edge::Begin)?,
        None => to_us - length_us,
    };
    if from_us >= to_us { Err(NoMoment::Order) } else { Ok((from_us, to_us)) }
}

/// Reads `known`: a size of the log, or a moment.
pub fn read_known(text: &str, zone: &TimeZone) -> Result<Known, NoMoment> {
    match text.trim().parse() {
        Ok(size) => Ok(Known::Size(size)),
        Err(_) => Ok(Known::At(read(text, zone, Edge::End)?)),
    }
}

/// A moment as addresses have it: RFC 3339, UTC, whole.
pub fn written(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
