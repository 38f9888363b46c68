//! When a channel is told: at once, after its quiet hours, with the next digest, or once nobody
//! has acknowledged the alert for a while. Pure.

use super::ChannelError;
use crate::config::Common;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// In microseconds since the epoch, UTC, everywhere.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timing {
    zone: TimeZone,
    /// From, to; over midnight if they are that way round.
    quiet: Option<(Time, Time)>,
    digest: Vec<Time>,
    unacknowledged_us: Option<i64>,
}

impl Timing {
    pub(super) fn new(
        section: &str,
        common: &Common<'_>,
        zone: TimeZone,
    ) -> Result<Self, ChannelError> {
        let wrong = |key, text: &str, form| ChannelError::Time {
            section: section.to_owned(),
            name: common.name.to_owned(),
            key,
            text: text.to_owned(),
            form,
        };
        let quiet = |text: &str| {
            let (from, to) = text.split_once('-')?;
            Some((time(from)?, time(to)?)).filter(|(from, to)| from != to)
        };
        let quiet = match common.quiet {
            None => None,
            Some(text) => Some(quiet(text).ok_or_else(|| wrong("quiet", text, "22:00-07:00"))?),
        };
        let digest = common.digest.iter();
        let digest = digest.map(|text| time(text).ok_or_else(|| wrong("digest", text, "07:30")));
        let unacknowledged = common.unacknowledged.map(|after| super::micros(after.0));
        Ok(Self {
            zone,
            quiet,
            digest: digest.collect::<Result<_, _>>()?,
            unacknowledged_us: unacknowledged,
        })
    }

    /// Whether what waits is told as one message.
    pub(super) fn is_digest(&self) -> bool {
        !self.digest.is_empty()
    }

    /// Whether it is told only of what nobody acknowledged in time.
    pub(super) fn escalates(&self) -> bool {
        self.unacknowledged_us.is_some()
    }

    /// The moment before which a step of `lane` at `at_us` is not told. What wakes somebody knows
    /// no quiet hours and no digest, and the end of something is not waited for.
    pub(super) fn not_before(&self, lane: &str, is_end: bool, at_us: i64) -> i64 {
        let waits_us = self.unacknowledged_us.filter(|_| !is_end).unwrap_or(0);
        let at_us = at_us.saturating_add(waits_us);
        if lane == "page" {
            return at_us;
        }
        let Ok(at) = Timestamp::from_microsecond(at_us) else { return at_us };
        let at = at.to_zoned(self.zone.clone());
        let told = self.digest.iter().filter_map(|time| next(&at, *time)).min();
        let told = told.unwrap_or(at);
        self.after_quiet(&told).timestamp().as_microsecond().max(at_us)
    }

    fn after_quiet(&self, at: &Zoned) -> Zoned {
        let Some((from, to)) = self.quiet else { return at.clone() };
        let time = at.time();
        let is_quiet = match from < to {
            true => from <= time && time < to,
            false => from <= time || time < to,
        };
        let end = if is_quiet { next(at, to) } else { None };
        end.unwrap_or_else(|| at.clone())
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// The first moment after `at` at which a clock of its zone shows `time`; on a day that skips it,
/// when it would have.
fn next(at: &Zoned, time: Time) -> Option<Zoned> {
    let on = |date: jiff::civil::Date| date.to_datetime(time).to_zoned(at.time_zone().clone()).ok();
    let today = on(at.date())?;
    if today > *at { Some(today) } else { on(at.date().tomorrow().ok()?) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DurationText, Only};
    use std::time::Duration;

    fn timing(quiet: Option<&str>, digest: &[&str], after_s: u64) -> Result<Timing, ChannelError> {
        let zone = TimeZone::get("Europe/Zurich").unwrap_or(TimeZone::UTC);
        let digest: Vec<_> = digest.iter().map(|time| (*time).to_owned()).collect();
        let after = (after_s > 0).then(|| DurationText(Duration::from_secs(after_s)));
        let common = Common {
            name: "lead",
            lanes: &[],
            events: &[],
            only: &Only::default(),
            quiet,
            digest: &digest,
            unacknowledged: after,
        };
        Timing::new("notify.mail", &common, zone)
    }

    fn told(timing: Result<Timing, ChannelError>, lane: &str, at: &str) -> String {
        let at: Timestamp = at.parse().unwrap_or_default();
        let Ok(timing) = timing else { return "refused".into() };
        let us = timing.not_before(lane, false, at.as_microsecond());
        Timestamp::from_microsecond(us).unwrap_or_default().to_string()
    }

    #[test]
    fn quiet_hours_hold_back_the_queue_until_their_end_and_never_a_page() {
        let night = || timing(Some("22:00-07:00"), &[], 0);
        for (at, expected) in [
            ("2026-01-10T20:59:59Z", "2026-01-10T20:59:59Z"),
            ("2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z"),
            ("2026-01-11T05:59:59Z", "2026-01-11T06:00:00Z"),
            ("2026-01-11T06:00:00Z", "2026-01-11T06:00:00Z"),
            // The night in which clocks go forward is an hour shorter.
            ("2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"),
        ] {
            assert_eq!(told(night(), "queue", at), expected, "{at}");
            assert_eq!(told(night(), "page", at), at);
        }
        let noon = timing(Some("12:00-13:00"), &[], 0);
        assert_eq!(told(noon, "queue", "2026-07-01T10:30:00Z"), "2026-07-01T11:00:00Z");
    }

    #[test]
    fn a_digest_comes_at_the_next_of_its_times() {
        let twice = || timing(None, &["07:30", "16:00"], 0);
        for (at, expected) in [
            ("2026-01-10T06:29:59Z", "2026-01-10T06:30:00Z"),
            ("2026-01-10T06:30:00Z", "2026-01-10T15:00:00Z"),
            ("2026-01-10T15:00:00Z", "2026-01-11T06:30:00Z"),
        ] {
            assert_eq!(told(twice(), "queue", at), expected, "{at}");
        }
        // A digest in quiet hours waits for their end.
        let both = timing(Some("22:00-08:00"), &["07:30"], 0);
        assert_eq!(told(both, "queue", "2026-01-10T15:00:00Z"), "2026-01-11T07:00:00Z");
    }

    #[test]
    fn an_escalation_waits_for_somebody_to_acknowledge() {
        let half_an_hour = timing(None, &[], 1800);
        assert_eq!(told(half_an_hour, "page", "2026-01-10T02:00:00Z"), "2026-01-10T02:30:00Z");
        let half_an_hour = timing(None, &[], 1800);
        assert!(half_an_hour.is_ok_and(|timing| timing.not_before("page", true, 7) == 7));
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_form() {
        for wrong in ["22:00", "22-07", "24:00-07:00", "7:00-8:00", "08:00-08:00", ""] {
            let Err(error) = timing(Some(wrong), &[], 0) else { panic!("{wrong}") };
            assert!(error.to_string().ends_with("write it as 22:00-07:00"), "{error}");
        }
        assert!(timing(None, &["7.30"], 0).is_err());
    }
}
