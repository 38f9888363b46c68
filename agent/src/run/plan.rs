//! Which kinds are due when, and when the next check-in is. Pure: time comes in.

use crate::schedule::{Schedule, Timetable, splay_s};
use crate::spool::Current;
use evidence::HostId;
use std::collections::BTreeMap;
use std::time::Duration;

/// What gathering and shipping may take beyond the moment a check-in is due, in seconds: part of
/// what a check-in promises.
const ALLOWANCE_S: i64 = 60;

/// The kinds of this host and their times.
#[derive(Debug, Clone)]
pub struct Plan {
    timetables: BTreeMap<String, Timetable>,
    /// Up to when each kind is done, in ms: when it was gathered, or the firing that it was
    /// gathered early for.
    done_ms: BTreeMap<String, i64>,
    checked_in_ms: Option<i64>,
    at_least_every_ms: i64,
    /// By how much a check-in with nothing due comes earlier than that: hosts that were started
    /// together drift apart.
    splay_ms: i64,
    coalesce_ms: i64,
}

impl Plan {
    pub fn new(
        host: HostId,
        schedules: BTreeMap<String, Schedule>,
        at_least_every: Duration,
        coalesce: Duration,
    ) -> Self {
        let every_s = at_least_every.as_secs() as i64;
        let timetable = |(kind, schedule): (String, Schedule)| {
            let timetable = Timetable::new(schedule, host);
            (kind, timetable)
        };
        Self {
            timetables: schedules.into_iter().map(timetable).collect(),
            done_ms: BTreeMap::new(),
            checked_in_ms: None,
            at_least_every_ms: every_s * 1000,
            splay_ms: splay_s(host, every_s).min(every_s / 10) * 1000,
            coalesce_ms: coalesce.as_millis() as i64,
        }
    }

    /// Heeds that the clock was set back: what would be in the future happened now. Without it, a
    /// host whose clock was a year ahead would be silent for that year.
    pub fn heed(&mut self, now_ms: i64) {
        for done_ms in self.done_ms.values_mut().filter(|done| **done > now_ms + self.coalesce_ms) {
            *done_ms = now_ms;
        }
        self.checked_in_ms = self.checked_in_ms.map(|at_ms| at_ms.min(now_ms));
    }

    /// Goes on where the agent stopped. Another version of the agent gathers everything again.
    pub fn resume(&mut self, current: &Current, now_ms: i64) {
        if current.agent == super::statement::AGENT {
            self.done_ms = current.collected_ms.clone();
            // Made in the future: how long ago, and what was promised then, nobody knows.
            self.checked_in_ms = Some(current.at_ms).filter(|at_ms| *at_ms <= now_ms);
            self.heed(now_ms);
        }
    }

    pub fn kinds(&self) -> Vec<String> {
        self.timetables.keys().cloned().collect()
    }

    pub fn has(&self, kind: &str) -> bool {
        self.timetables.contains_key(kind)
    }

    /// When the next check-in is due: with the first kind, or at the latest as it was promised. A
    /// check-in of nothing does not come just before one that is due anyhow.
    pub fn wake_ms(&self, now_ms: i64) -> i64 {
        let kinds = self.timetables.keys().map(|kind| self.due_ms(kind)).min();
        let Some(at_ms) = self.checked_in_ms else { return now_ms };
        let latest_ms = at_ms + self.at_least_every_ms;
        match kinds {
            Some(first_ms) if first_ms <= latest_ms + self.coalesce_ms => first_ms.min(latest_ms),
            _ => latest_ms - self.splay_ms,
        }
    }

    /// The kinds to gather for a check-in now: what is due, and what is due soon.
    pub fn due(&self, now_ms: i64) -> Vec<String> {
        let soon = now_ms + self.coalesce_ms;
        let kinds = self.timetables.keys();
        kinds.filter(|kind| self.due_ms(kind) <= soon).cloned().collect()
    }

    /// Notes a check-in with these kinds gathered.
    pub fn note<'k>(&mut self, kinds: impl Iterator<Item = &'k str>, now_ms: i64) {
        for kind in kinds {
            let due = self.due_ms(kind);
            let early = due > now_ms && due <= now_ms + self.coalesce_ms;
            self.done_ms.insert(kind.to_owned(), if early { due } else { now_ms });
        }
        self.checked_in_ms = Some(now_ms);
    }

    /// Within how many seconds the next check-in comes at the latest. Not when it is due: a host
    /// that has something to tell twice in a minute would be called silent after two.
    pub fn next_due_s(&self) -> i64 {
        self.at_least_every_ms / 1000 + ALLOWANCE_S
    }

    /// How many seconds from now the next check-in is due.
    pub fn wait_s(&self, now_ms: i64) -> u64 {
        let wait_ms = self.wake_ms(now_ms).saturating_sub(now_ms);
        u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000)
    }

    /// When a kind is due; long past if it was never gathered.
    fn due_ms(&self, kind: &str) -> i64 {
        let Some(timetable) = self.timetables.get(kind) else { return i64::MAX };
        let Some(done_ms) = self.done_ms.get(kind) else { return 0 };
        timetable.next_after(done_ms.div_euclid(1000)).map_or(i64::MAX, |at_s| at_s * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    /// 2026-11-22 12:00 UTC.
    const NOON_MS: i64 = 1_795_348_800_000;

    fn plan(schedules: &[(&str, &str)]) -> Plan {
        let parse = |(kind, text): &(&str, &str)| {
            ((*kind).to_owned(), text.parse::<Schedule>().expect("schedule"))
        };
        let schedules = schedules.iter().map(parse).collect();
        let hour = Duration::from_secs(3600);
        Plan::new(HostId::from_parts(1, 1), schedules, hour, Duration::from_secs(60))
    }

    fn note(plan: &mut Plan, kinds: &[&str], now_ms: i64) {
        plan.note(kinds.iter().copied(), now_ms);
    }

    #[test]
    fn a_new_host_gathers_everything_at_once_and_then_by_schedule() {
        let mut plan = plan(&[("accounts", "0 * * * *"), ("packages", "@daily")]);
        assert!(plan.wake_ms(NOON_MS) <= NOON_MS);
        assert_eq!(plan.due(NOON_MS), ["accounts", "packages"]);
        note(&mut plan, &["accounts", "packages"], NOON_MS);
        let wake = plan.wake_ms(NOON_MS);
        assert!((NOON_MS + 1..=NOON_MS + HOUR_MS).contains(&wake), "{wake}");
        assert_eq!(plan.due(wake), ["accounts"]);
    }

    #[test]
    fn what_is_due_within_a_minute_is_gathered_together_and_only_once() {
        let mut plan = plan(&[("a", "0 3 * * *"), ("b", "1 3 * * *")]);
        note(&mut plan, &["a", "b"], NOON_MS);
        let (first, second) = (plan.due_ms("a"), plan.due_ms("b"));
        assert_eq!(second - first, 60_000);
        assert_eq!(plan.due(first - 1), ["a"]);
        assert_eq!(plan.due(first), ["a", "b"]);
        note(&mut plan, &["a", "b"], first);
        assert!(plan.due(second).is_empty(), "gathered early is gathered");
        assert_eq!(plan.due_ms("b"), second + 24 * HOUR_MS);
    }

    #[test]
    fn hourly_kinds_make_one_check_in_an_hour() {
        let mut plan = plan(&[("a", "0 * * * *"), ("b", "@hourly"), ("c", "0 3 * * *")]);
        note(&mut plan, &["a", "b", "c"], NOON_MS);
        let mut now = NOON_MS;
        let mut check_ins = 0;
        while now < NOON_MS + 24 * HOUR_MS {
            // Late by a little, as it is.
            now = plan.wake_ms(now) + 700;
            let due = plan.due(now);
            assert!(due.len() >= 2, "{due:?}");
            plan.note(due.iter().map(String::as_str), now);
            check_ins += 1;
        }
        assert_eq!(check_ins, 25);
    }

    #[test]
    fn a_host_on_which_nothing_is_due_still_checks_in_every_hour() {
        let mut plan = plan(&[("packages", "@yearly")]);
        note(&mut plan, &["packages"], NOON_MS);
        let wake = plan.wake_ms(NOON_MS) - NOON_MS;
        assert!((HOUR_MS - 300_000..=HOUR_MS).contains(&wake), "{wake}");
        assert!(plan.due(NOON_MS + wake).is_empty());
        assert_eq!(plan.next_due_s(), 3600 + ALLOWANCE_S);
    }

    #[test]
    fn the_promise_of_the_next_check_in_is_kept_for_every_schedule() {
        for text in ["* * * * *", "*/5 * * * *", "17 4 * * 1-5", "@monthly"] {
            let mut plan = plan(&[("a", text), ("b", "30 * * * *")]);
            let mut now = NOON_MS;
            note(&mut plan, &["a", "b"], now);
            for _ in 0..50 {
                let promised = now + plan.next_due_s() * 1000;
                let wake = plan.wake_ms(now);
                assert!(now < wake && wake <= promised, "{text}: {now} {wake} {promised}");
                let due = plan.due(wake);
                plan.note(due.iter().map(String::as_str), wake);
                now = wake;
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_silence_the_host() {
        let mut plan = plan(&[("a", "@hourly")]);
        note(&mut plan, &["a"], NOON_MS);
        let earlier = NOON_MS - 1000 * HOUR_MS;
        let mut now = earlier;
        // Looked at every minute, as the loop does: the hour passes all the same.
        while plan.wake_ms(now) > now || plan.due(now).is_empty() {
            now += 60_000;
            plan.heed(now);
            assert!(now <= earlier + 2 * HOUR_MS, "silent");
        }
    }

    #[test]
    fn a_restart_with_a_clock_that_was_set_back_checks_in_at_once() {
        let current = Current {
            manifest: evidence::Digest::of(b"m"),
            agent: super::super::statement::AGENT.to_owned(),
            at_ms: NOON_MS,
            collected_ms: [("a".to_owned(), NOON_MS)].into(),
        };
        let mut plan = plan(&[("a", "@daily")]);
        plan.resume(&current, NOON_MS - HOUR_MS);
        assert!(plan.wake_ms(NOON_MS - HOUR_MS) <= NOON_MS - HOUR_MS);
        note(&mut plan, &[], NOON_MS - HOUR_MS);
        assert!(plan.wake_ms(NOON_MS - HOUR_MS) > NOON_MS - HOUR_MS, "and once");
    }

    #[test]
    fn a_restart_goes_on_and_another_version_begins_anew() {
        let mut current = Current {
            manifest: evidence::Digest::of(b"m"),
            agent: super::super::statement::AGENT.to_owned(),
            at_ms: NOON_MS,
            collected_ms: [("a".to_owned(), NOON_MS)].into(),
        };
        let mut same = plan(&[("a", "@daily")]);
        same.resume(&current, NOON_MS);
        assert!(same.due(NOON_MS + 1000).is_empty());
        current.agent = "0.0.0".into();
        let mut other = plan(&[("a", "@daily")]);
        other.resume(&current, NOON_MS);
        assert_eq!(other.due(NOON_MS + 1000), ["a"]);
    }
}
