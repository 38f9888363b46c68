//! When a kind is due: five-field crontab(5) in UTC, spread over the fleet.
//!
//! Fields are read here, with crontab's meaning, and handed to the `cron` crate as plain lists of
//! numbers and names: left alone, it takes six fields, counts weekdays from 1 = Sunday, reads
//! `5/15` as a range, and joins day of month and weekday with *and*. It only walks the calendar.

mod field;

use chrono::{DateTime, Utc};
use evidence::{Digest, HostId};
use std::str::FromStr;

/// Longest delay that spreads a kind over the fleet, in seconds.
const MAX_SPLAY_S: i64 = 300;
/// From where a schedule is searched for its first firing, and measured: 2024-01-01, a Monday of
/// a leap year.
const REFERENCE_S: i64 = 1_704_067_200;

/// A schedule. Where day of month and weekday are both restricted, either is enough
/// (crontab(5)): then there are two parts.
#[derive(Debug, Clone)]
pub struct Schedule {
    parts: Vec<cron::Schedule>,
}

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error(
        "`{0}` has {1} fields; crontab has five: minute hour day-of-month month weekday{hint}",
        hint = if *.1 == 6 { ", and no seconds" } else { "" }
    )]
    Fields(String, usize),
    #[error("`{0}` is not known; write @hourly, @daily, @weekly, @monthly, @yearly or five fields")]
    Word(String),
    #[error("`{text}` in the field {field}: {reason}")]
    Field { field: &'static str, text: String, reason: String },
    #[error("`{0}` never comes: no such date")]
    Never(String),
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let expanded = if text.starts_with('@') { word(text)? } else { text };
        let fields: Vec<_> = expanded.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(ScheduleError::Fields(text.to_owned(), fields.len()));
        };
        let [minute, hour] = [field::MINUTE.read(minute)?, field::HOUR.read(hour)?];
        let [day, month] = [field::DAY.read(day)?, field::MONTH.read(month)?];
        let weekday = field::WEEKDAY.read(weekday)?;
        let part = |day: &str, weekday: &str| {
            let lists = [&minute.list(), &hour.list(), day, &month.list(), weekday].join(" ");
            cron::Schedule::from_str(&format!("0 {lists}")).ok()
        };
        let (days, weekdays) = (day.list(), weekday.names());
        let parts = if day.is_restricted() && weekday.is_restricted() {
            vec![part(&days, "*"), part("*", &weekdays)]
        } else {
            vec![part(&days, &weekdays)]
        };
        let schedule = Self { parts: parts.into_iter().flatten().collect() };
        match schedule.next_after(REFERENCE_S) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(text.to_owned())),
        }
    }
}

impl Schedule {
    /// The first firing after `after_s`, both in seconds since the epoch; none after the year 2100.
    pub fn next_after(&self, after_s: i64) -> Option<i64> {
        let after: DateTime<Utc> = DateTime::from_timestamp(after_s, 0)?;
        let firsts = self.parts.iter().filter_map(|part| part.after(&after).next());
        firsts.map(|first| first.timestamp()).min()
    }

    /// The shortest time between firings among the first few, in seconds.
    fn period_s(&self) -> i64 {
        let next = |at: &i64| self.next_after(*at);
        let firings: Vec<_> =
            std::iter::successors(self.next_after(REFERENCE_S), next).take(10).collect();
        firings.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(86_400)
    }
}

/// The schedule of one kind on one host.
#[derive(Debug, Clone)]
pub struct Timetable {
    schedule: Schedule,
    splay_s: i64,
}

impl Timetable {
    /// The schedule, later by a delay that is always the same for this host.
    pub fn new(schedule: Schedule, host: HostId) -> Self {
        let splay_s = splay_s(host, schedule.period_s());
        Self { schedule, splay_s }
    }

    /// The first firing after `after_s`, both in seconds since the epoch.
    pub fn next_after(&self, after_s: i64) -> Option<i64> {
        Some(self.schedule.next_after(after_s - self.splay_s)? + self.splay_s)
    }
}

/// A delay in seconds, at most five minutes: the same for all kinds of a host, so that what is due
/// together stays together. What comes more often than that is delayed by a tenth of its period at
/// most.
pub fn splay_s(host: HostId, period_s: i64) -> i64 {
    let most = if period_s < MAX_SPLAY_S { period_s.max(0) / 10 } else { MAX_SPLAY_S };
    let digest = Digest::of_parts(&[&host.to_bytes(), b"splay"]);
    let mut number = [0; 8];
    number.copy_from_slice(&digest.0[..8]);
    (u64::from_le_bytes(number) % (most as u64 + 1)) as i64
}

/// What is wrong with an expression of a configuration file.
pub fn validate(text: &str) -> Result<(), String> {
    Schedule::from_str(text).map(drop).map_err(|error| error.to_string())
}

fn word(text: &str) -> Result<&'static str, ScheduleError> {
    Ok(match text {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        _ => return Err(ScheduleError::Word(text.to_owned())),
    })
}

#[cfg(test)]
mod tests;
