//! What became of a control over a period, and what its owner tolerates, on the control's page.

use super::marks::{Mark, State};
use super::page::{Pair, When, count};
use crate::period::{Coverage, Period};
use crate::status::ControlStatus;
use crate::store::ToleranceRow;
use crate::store::model::HostRow;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

pub struct PeriodPart {
    pub days: i64,
    pub from: When,
    pub to: When,
    /// `over 5 hosts that were in service`.
    pub says: String,
    /// States that it was in; they add up to the period.
    pub rows: Vec<Share>,
    pub pairs: Vec<Pair>,
}

pub struct Share {
    pub mark: Mark,
    pub time: String,
    pub share: String,
}

/// The part of the page for a period.
pub fn part(period: &Period, hosts: &[HostRow]) -> PeriodPart {
    let whole = period.to_us - period.from_us;
    let row = |(state, us): (&crate::status::EvidenceState, &i64)| Share {
        mark: State::from_word(state.as_str()).unwrap_or(State::None).mark(),
        time: length(*us),
        share: share(*us, whole),
    };
    let number = |n: u64| count(n);
    let longest = period.longest.as_ref().map(|failure| {
        let host = hosts.iter().find(|host| host.id == failure.host);
        let host = host.map_or_else(|| failure.host.to_string(), |host| host.name.clone());
        let end_us = failure.to_us.unwrap_or(period.to_us);
        let until = match failure.to_us {
            Some(us) => format!("until {}", When::of(us).text),
            None => "still open".to_owned(),
        };
        let since = When::of(failure.from_us).text;
        let time = length(end_us - failure.from_us);
        format!("{time}: {} on {host}, since {since}, {until}", failure.rule)
    });
    PeriodPart {
        days: (whole + DAY_US / 2) / DAY_US,
        from: When::of(period.from_us),
        to: When::of(period.to_us),
        says: format!("over {} hosts that were in service", count(period.hosts)),
        rows: period.states_us.iter().map(row).collect(),
        pairs: vec![
            Pair::said("Covered by evidence", coverage(&period.coverage)),
            Pair::said("Failures that began", number(period.opened)),
            Pair::said("Repaired", number(period.repaired)),
            Pair::said("Open at its end", number(period.open)),
            Pair::said(
                "Mean time to repair",
                period.mean_repair_us.map_or("nothing was repaired".to_owned(), length),
            ),
            Pair::said("Longest failure", longest.unwrap_or_else(|| "none".to_owned())),
        ],
    }
}

/// `2,150 of 2,160 host-hours, 99.5 %`.
pub fn coverage(coverage: &Coverage) -> String {
    let hours = |us: i64| count((us / HOUR_US).unsigned_abs());
    let (covered, expected) = (coverage.covered_us, coverage.expected_us);
    if expected == 0 {
        return "no host was expected".to_owned();
    }
    let share = share(covered, expected);
    format!("{} of {} host-hours, {share}", hours(covered), hours(expected))
}

/// `16 d 4 h`.
pub fn length(us: i64) -> String {
    match us / HOUR_US {
        0 => format!("{} min", us / 60_000_000),
        hours => format!("{} d {} h", hours / 24, hours % 24),
    }
}

/// In tenths of a percent, rounded down; what is there is never shown as nothing.
fn share(us: i64, whole: i64) -> String {
    let tenths = i128::from(us) * 1000 / i128::from(whole.max(1));
    if tenths == 0 && us > 0 {
        return "< 0.1 %".to_owned();
    }
    format!("{}.{} %", tenths / 10, tenths % 10)
}

pub struct Tolerance {
    pub pairs: Vec<Pair>,
}

/// What an owner tolerates, beside what there is.
pub fn tolerance(row: &ToleranceRow, status: &ControlStatus) -> Tolerance {
    let said = row.said.tolerance.map(|tolerance| tolerance.says()).unwrap_or_default();
    let now = format!(
        "{} of {} that could be judged{}",
        count(status.failing_hosts),
        count(status.judged_hosts),
        if status.tolerance_exceeded { ": exceeded" } else { "" }
    );
    Tolerance {
        pairs: vec![
            Pair::said("At most", said),
            Pair::said("Failing now", now),
            Pair::said("Tolerated by", row.said.owner.clone()),
            Pair::said("Because", row.said.reason.clone()),
            Pair::said("Since", When::of(row.from_us).text),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_shown_as_nothing_and_what_is_missing_never_as_all() {
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(0, 1_000_000), "0.0 %");
        assert_eq!(share(999_999, 1_000_000), "99.9 %");
        assert_eq!(share(1_000_000, 1_000_000), "100.0 %");
        assert_eq!(length(26 * HOUR_US), "1 d 2 h");
        assert_eq!(length(90_000_000), "1 min");
    }
}
