//! Who is silent: which hosts failed to report, and when it is the collector that hears nothing.
//! Pure. Times are microseconds since the epoch.

use evidence::HostId;

/// A host that never reported is silent this long after it was enrolled.
pub const ENROLLED_GRACE_US: i64 = 24 * 3_600_000_000;
/// Fewest hosts of which a part can be called the fleet.
const FLEET: usize = 5;

/// A host that has missed the time it promised to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    pub host: HostId,
    /// When its last check-in was received.
    pub received_us: i64,
    /// Within which time it promised the next.
    pub due_us: i64,
}

/// What a look at the fleet sees. Hosts that are called silent already are not in it.
#[derive(Debug, Clone)]
pub struct View {
    pub now_us: i64,
    /// The collector was away if it was not seen at work for longer than this, and says so if it
    /// was five times as long.
    pub away_us: i64,
    /// When a collector was last seen at work before this look.
    pub seen_us: i64,
    /// Since when collectors have been at work without a gap, or hosts were given their time again.
    pub since_us: i64,
    /// Hosts in service.
    pub active: usize,
    pub late: Vec<Late>,
    /// It is told already that the collector hears nothing.
    pub in_trouble: bool,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// From now on hosts' time counts since this.
    pub since_us: i64,
    /// To be called silent, each with the moment it began.
    pub silent: Vec<(HostId, i64)>,
    /// The collector's own trouble begins: in words.
    pub trouble: Option<String>,
    /// It ended.
    pub trouble_ends: bool,
}

/// When a host is late: a tenth over the time it promised.
pub fn late_us(received_us: i64, due_us: i64) -> i64 {
    received_us + due_us + due_us / 10
}

/// Looks at the fleet.
pub fn look(view: &View) -> Found {
    let nothing =
        Found { since_us: view.since_us, silent: vec![], trouble: None, trouble_ends: false };
    let away_us = view.now_us - view.seen_us;
    if away_us > view.away_us {
        // Nobody could report: all get their time again.
        let told =
            away_us > 5 * view.away_us && view.active > 0 && !view.in_trouble && view.seen_us > 0;
        let minutes = away_us / 60_000_000;
        let trouble = told.then(|| {
            format!("the collector was away for {minutes} minutes: nothing could be reported to it")
        });
        return Found { since_us: view.now_us, trouble, ..nothing };
    }
    let deadline = |host: &Late| host.received_us.max(view.since_us) + 2 * host.due_us;
    let overdue = view.late.iter().filter(|host| deadline(host) < view.now_us);
    let silent: Vec<_> = overdue.map(|host| (host.host, deadline(host))).collect();
    let is_fleet = |hosts: usize| view.active >= FLEET && hosts * 5 > view.active;
    let together = together(&view.late);
    if !silent.is_empty() && !view.in_trouble && is_fleet(together) {
        let trouble = format!(
            "{together} of {} hosts fell silent together: more likely the collector or the network \
             before it than the hosts",
            view.active
        );
        return Found { since_us: view.now_us, trouble: Some(trouble), ..nothing };
    }
    let trouble_ends = view.in_trouble && !is_fleet(view.late.len());
    Found { silent, trouble_ends, ..nothing }
}

/// Most of these hosts that can have been cut off at one moment: each after its last check-in and
/// before the next it promised.
fn together(late: &[Late]) -> usize {
    let mut edges: Vec<(i64, i64)> = late
        .iter()
        .flat_map(|host| [(host.received_us, 1), (host.received_us + host.due_us, -1)])
        .collect();
    edges.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, step) in edges {
        now += step;
        most = most.max(now);
    }
    usize::try_from(most).unwrap_or(0)
}

/// Whether a host that was silent reports again, by the check-ins received since. One that was
/// made long ago and only comes late does not show it, unless others keep coming.
///
/// `first_us`, `last_us`: when the first and the last of them were received; `made_us`: when the
/// last was made, by the host's clock.
pub fn reports_again(first_us: i64, last_us: i64, made_us: i64, due_us: i64) -> bool {
    last_us - made_us <= 2 * due_us || last_us - first_us >= due_us
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000;
    const HOUR: i64 = 60 * MINUTE;
    const START: i64 = 1_000 * HOUR;

    fn late(n: u128, received_us: i64) -> Late {
        Late { host: HostId::from(n), received_us, due_us: HOUR }
    }

    fn view(now_us: i64, active: usize, received: &[i64]) -> View {
        let all = received.iter().zip(1..).map(|(at, n)| late(n, *at));
        let late = all.filter(|host| late_us(host.received_us, HOUR) < now_us).collect();
        let (away_us, seen_us) = (2 * MINUTE, now_us - MINUTE);
        View { now_us, away_us, seen_us, since_us: 0, active, late, in_trouble: false }
    }

    fn silent(found: &Found) -> usize {
        found.silent.len()
    }

    #[test]
    fn a_host_is_silent_once_two_promised_check_ins_failed_to_come() {
        assert_eq!(silent(&look(&view(START + 2 * HOUR, 3, &[START]))), 0);
        let found = look(&view(START + 2 * HOUR + 1, 3, &[START]));
        assert_eq!(found.silent, [(HostId::from(1), START + 2 * HOUR)]);
        assert_eq!(found.trouble, None);
    }

    #[test]
    fn a_part_of_the_fleet_that_stops_together_is_the_collectors_trouble_and_one_host_is_not() {
        let now = START + 2 * HOUR + 1;
        // Jittered over an hour, all cut off at START + 55 minutes.
        let cut: Vec<_> = (0..10).map(|n| START + n * 5 * MINUTE).collect();
        let found = look(&view(now, 10, &cut));
        assert!(found.trouble.is_some() && silent(&found) == 0);
        assert_eq!(found.since_us, now, "and all get their time again");
        // A fifth is not more than a fifth; four hosts are no fleet.
        assert_eq!(look(&view(now, 5, &[START])).trouble, None);
        assert_eq!(look(&view(now, 4, &[START; 4])).trouble, None);
        assert_eq!(silent(&look(&view(now, 4, &[START; 4]))), 4);
        assert!(look(&view(now, 9, &[START; 2])).trouble.is_some());
        assert_eq!(look(&view(now, 10, &[START; 2])).trouble, None);
    }

    #[test]
    fn hosts_that_stop_one_after_the_other_are_hosts_that_stopped() {
        let apart = [START, START + HOUR, START + 2 * HOUR];
        let found = look(&view(START + 5 * HOUR, 5, &apart));
        assert_eq!((silent(&found), found.trouble), (3, None));
    }

    #[test]
    fn those_that_stay_silent_are_called_so_later_and_the_trouble_ends_with_the_rest() {
        let found_at = START + 2 * HOUR + 1;
        let mut then = view(found_at + 2 * HOUR + 1, 10, &[START; 10]);
        (then.since_us, then.in_trouble) = (found_at, true);
        assert_eq!(silent(&look(&then)), 10);
        let before = View { now_us: found_at + 2 * HOUR, ..then };
        assert_eq!((silent(&look(&before)), look(&before).trouble_ends), (0, false));
        let mut back = view(found_at + HOUR, 10, &[START]);
        (back.since_us, back.in_trouble) = (found_at, true);
        assert!(look(&back).trouble_ends);
    }

    #[test]
    fn a_collector_that_was_away_calls_nobody_silent_and_says_so_if_it_was_long() {
        let mut away = view(START + 9 * HOUR, 10, &[START; 10]);
        away.seen_us = away.now_us - 3 * MINUTE;
        let found = look(&away);
        assert_eq!((silent(&found), &found.trouble, found.since_us), (0, &None, away.now_us));
        away.seen_us = away.now_us - 11 * MINUTE;
        assert!(look(&away).trouble.is_some_and(|words| words.contains("11 minutes")));
        away.seen_us = 0;
        assert_eq!(look(&away).trouble, None, "it was never there before");
    }

    #[test]
    fn a_check_in_from_before_the_silence_does_not_end_it_until_others_follow() {
        let made_before = START - 5 * HOUR;
        assert!(!reports_again(START, START, made_before, HOUR));
        assert!(reports_again(START, START, START - MINUTE, HOUR));
        assert!(reports_again(START, START + HOUR, made_before, HOUR), "its clock is wrong");
    }

    proptest! {
        #[test]
        fn the_order_of_hosts_changes_nothing(
            received in proptest::collection::vec(START - 5 * HOUR..START, 0..12).prop_shuffle(),
        ) {
            let one = view(START, 12, &received);
            let mut other = one.clone();
            other.late.reverse();
            let (one, mut other) = (look(&one), look(&other));
            other.silent.reverse();
            prop_assert_eq!(one, other);
        }
    }
}
