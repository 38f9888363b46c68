//! Drawing a sample: pure, and so simple that an auditor redoes it with a few lines. There are two
//! populations, and of each the `size` items with the lowest SHA-256(SEED ‖ line end ‖ ITEM):
//!
//! - `HOST DATE`: every day (UTC) on which a host was in service and in scope, those that ended
//!   among them;
//! - `HOST RULE BEGIN`: every failure that was open at any time of the period, closed ones too.
//!
//! ```sh
//! while read item; do printf '%s %s\n' "$(printf '%s\n%s' "$SEED" "$item" | sha256sum | cut -c-64)" "$item"
//! done < sample/days.txt | LC_ALL=C sort | head -n $SIZE
//! ```

use super::document::{HostDocument, Pins, Sampling};
use crate::clock::{DAY_US, day_of};
use evidence::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// An item with its place in the order.
pub type Ranked = (Digest, String);

/// The place of an item in the order of a seed.
pub fn rank(seed: &str, item: &str) -> Digest {
    Digest::of_parts(&[seed.as_bytes(), b"\n", item.as_bytes()])
}

/// A date such as `2026-11-27`.
pub fn date(day: i64) -> String {
    let at = jiff::Timestamp::from_second(day.saturating_mul(86_400));
    at.map_or_else(|_| format!("day {day}"), |at| at.strftime("%Y-%m-%d").to_string())
}

/// Days on which a host was in service and in scope within the period, in order.
pub fn days(document: &HostDocument, pins: &Pins) -> BTreeSet<i64> {
    let mut days = BTreeSet::new();
    for (from, to) in &document.times {
        let (from, to) = ((*from).max(pins.from_us), (*to - 1).min(pins.at_us));
        if from <= to {
            days.extend(day_of(from)..=day_of(to));
        }
    }
    days
}

/// The items of a host: its days, and its failures by rule and begin.
pub fn items(document: &HostDocument, pins: &Pins) -> (Vec<String>, BTreeSet<String>) {
    let host = document.host;
    let of_days = days(document, pins).into_iter().map(|day| format!("{host} {}", date(day)));
    let failures = document.results.iter().filter_map(|result| {
        let since_us = result.failing_since_us?;
        Some(format!("{host} {} {since_us}", result.rule))
    });
    (of_days.collect(), failures.collect())
}

/// Those that come first of what has been added.
#[derive(Debug, Clone)]
pub struct Draw {
    seed: String,
    size: usize,
    first: BTreeSet<Ranked>,
}

impl Draw {
    pub fn new(sampling: &Sampling) -> Self {
        let size = usize::try_from(sampling.size).unwrap_or(usize::MAX);
        Self { seed: sampling.seed.clone(), size, first: BTreeSet::new() }
    }

    pub fn add(&mut self, item: String) {
        self.first.insert((rank(&self.seed, &item), item));
        if self.first.len() > self.size {
            self.first.pop_last();
        }
    }

    pub fn drawn(&self) -> &BTreeSet<Ranked> {
        &self.first
    }
}

/// Days of a host that could be drawn whatever other hosts have: the lowest of its own. Their
/// check-ins are kept, so that the draw over all hosts finds them.
pub(super) fn drawn_of(
    document: &HostDocument,
    pins: &Pins,
    sampling: Option<&Sampling>,
) -> Vec<i64> {
    let Some(sampling) = sampling else { return vec![] };
    let mut own: BTreeMap<Digest, i64> = BTreeMap::new();
    for day in days(document, pins) {
        own.insert(rank(&sampling.seed, &format!("{} {}", document.host, date(day))), day);
        if own.len() as u64 > sampling.size {
            own.pop_last();
        }
    }
    own.into_values().collect()
}

/// The check-in that answers for a day: the last one that was observed on it.
pub(super) fn check_in_of(day: i64, times: &[(u64, i64)]) -> Option<u64> {
    let on = times
        .iter()
        .filter(|(_, observed_us)| (day * DAY_US..(day + 1) * DAY_US).contains(observed_us));
    on.map(|(index, _)| *index).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_the_same_again_and_takes_the_lowest() {
        let sampling = Sampling { seed: "2026 audit".into(), size: 3 };
        let mut draw = Draw::new(&sampling);
        let items: Vec<String> = (0..100).map(|n| format!("host-{n} 2026-11-27")).collect();
        items.iter().rev().for_each(|item| draw.add(item.clone()));
        let mut all: Vec<Ranked> =
            items.iter().map(|item| (rank("2026 audit", item), item.clone())).collect();
        all.sort();
        assert_eq!(draw.drawn().iter().cloned().collect::<Vec<_>>(), all[..3]);
        let mut other = Draw::new(&Sampling { seed: "another".into(), size: 3 });
        items.iter().for_each(|item| other.add(item.clone()));
        assert_ne!(other.drawn(), draw.drawn());
    }
}
