//! Login throttling: after a few failures each further one doubles the wait, for the account and
//! for the address it comes from. Where somebody signed in before has a count of its own for that
//! account: whoever guesses from elsewhere does not keep them out. Held in memory, within bounds;
//! every collector has its own.

use evidence::Digest;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SECOND_US: i64 = 1_000_000;
/// The longest wait. A login link from the command line is never throttled.
const MAX_WAIT_US: i64 = 15 * 60 * SECOND_US;
/// Failures are forgotten this long after the last one.
const MEMORY_US: i64 = 24 * 3600 * SECOND_US;
/// Where an account signed in is remembered this long after the last attempt from there.
const KNOWN_US: i64 = 30 * MEMORY_US;
/// Failures before the first wait: of one account, and of one address, behind which many may sit.
const FREE_OF_ACCOUNT: u32 = 5;
const FREE_OF_SOURCE: u32 = 20;
/// Accounts and addresses remembered: about 1 MiB.
const MAX_ENTRIES: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// The digest of a user name as it was typed, in lower case: of a name that exists or not.
    Account(Digest),
    /// An account, from a network it signed in from. Only a success makes one.
    Known(Digest, IpAddr),
    Source(IpAddr),
}

impl Key {
    fn memory_us(self) -> i64 {
        if matches!(self, Self::Known(..)) { KNOWN_US } else { MEMORY_US }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    failures: u32,
    last_us: i64,
}

impl Entry {
    fn opens_us(self, free: u32) -> i64 {
        let Some(past) = self.failures.checked_sub(free) else { return i64::MIN };
        let wait = SECOND_US.checked_shl(past.min(20)).unwrap_or(MAX_WAIT_US).min(MAX_WAIT_US);
        self.last_us.saturating_add(wait)
    }
}

/// Remembers failures.
#[derive(Default)]
pub struct Throttle {
    entries: Mutex<HashMap<Key, Entry>>,
}

/// An attempt that is let through. It counts as a failure until it is said to have succeeded, so
/// that many at once count too.
#[must_use]
pub struct Attempt {
    name: Digest,
    /// What it counts for beside its address.
    account: Key,
    at_us: i64,
}

impl Throttle {
    /// Lets an attempt through, or says after how many seconds one may be made.
    pub fn attempt(&self, name: &str, source: IpAddr, now_us: i64) -> Result<Attempt, u64> {
        let name = Digest::of(name.trim().to_lowercase().as_bytes());
        let mut entries = self.entries();
        let account = account(&entries, name, source, now_us);
        let keys = [(account, FREE_OF_ACCOUNT), (Key::Source(network(source)), FREE_OF_SOURCE)];
        let opens = keys.iter().filter_map(|(key, free)| Some(entries.get(key)?.opens_us(*free)));
        let opens_us = opens.max().unwrap_or(i64::MIN);
        if opens_us > now_us {
            let wait_us = opens_us.saturating_sub(now_us).min(MAX_WAIT_US);
            return Err(wait_us.unsigned_abs().div_ceil(SECOND_US.unsigned_abs()));
        }
        for (key, _) in keys {
            make_room(&mut entries, key, now_us);
            let entry = entries.entry(key).or_insert(Entry { failures: 0, last_us: now_us });
            if now_us.saturating_sub(entry.last_us) > MEMORY_US {
                entry.failures = 0;
            }
            *entry = Entry { failures: entry.failures.saturating_add(1), last_us: now_us };
        }
        Ok(Attempt { name, account, at_us: now_us })
    }

    /// The attempt was right: its account starts anew, and is known here. The address keeps its
    /// count, less this one, so that one known password does not pay for guessing others. What is
    /// guessed from elsewhere keeps its count too when the account was known here before.
    pub fn succeeded(&self, attempt: &Attempt, source: IpAddr) {
        let mut entries = self.entries();
        entries.remove(&attempt.account);
        let known = Key::Known(attempt.name, network(source));
        make_room(&mut entries, known, attempt.at_us);
        entries.insert(known, Entry { failures: 0, last_us: attempt.at_us });
        if let Some(entry) = entries.get_mut(&Key::Source(network(source))) {
            entry.failures = entry.failures.saturating_sub(1);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        // A panic elsewhere leaves counts that are still counts.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an attempt counts for: the account here, where it is known, or the account from anywhere.
fn account(entries: &HashMap<Key, Entry>, name: Digest, source: IpAddr, now_us: i64) -> Key {
    let known = Key::Known(name, network(source));
    let is_known = |entry: &Entry| now_us.saturating_sub(entry.last_us) <= known.memory_us();
    if entries.get(&known).is_some_and(is_known) { known } else { Key::Account(name) }
}

/// An IPv6 host has a whole /64 to itself (RFC 6177); a mapped IPv4 address is itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

/// Forgets what is old; if that is not enough, the one with the fewest failures. Where somebody
/// signed in goes last: many names from many addresses must not push it out.
fn make_room(entries: &mut HashMap<Key, Entry>, key: Key, now_us: i64) {
    if entries.len() < MAX_ENTRIES || entries.contains_key(&key) {
        return;
    }
    entries.retain(|key, entry| now_us.saturating_sub(entry.last_us) <= key.memory_us());
    if entries.len() >= MAX_ENTRIES {
        let least = entries.iter().min_by_key(|(key, entry)| {
            (matches!(key, Key::Known(..)), entry.failures, entry.last_us)
        });
        if let Some(key) = least.map(|(key, _)| *key) {
            entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn there(n: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, n])
    }

    /// Fails until it is told to wait, `step` seconds apart; how many attempts that took.
    fn fails(throttle: &Throttle, name: &str, source: IpAddr, at_us: i64) -> (u32, u64) {
        for attempts in 0..1000 {
            if let Err(wait_s) = throttle.attempt(name, source, at_us).map(|_| ()) {
                return (attempts, wait_s);
            }
        }
        (1000, 0)
    }

    #[test]
    fn the_wait_doubles_with_every_failure_up_to_a_quarter_of_an_hour() {
        let throttle = Throttle::default();
        let mut now_us = 0;
        assert_eq!(fails(&throttle, "ann", HERE, now_us), (5, 1));
        for wait_s in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            now_us += MAX_WAIT_US;
            assert_eq!(fails(&throttle, "ann", HERE, now_us), (1, wait_s));
        }
        now_us += MEMORY_US + 1;
        assert_eq!(fails(&throttle, "ann", HERE, now_us), (5, 1), "a day later it is forgotten");
    }

    #[test]
    fn a_name_is_one_account_however_it_is_written_and_another_is_not_held_back() {
        let throttle = Throttle::default();
        let _ = fails(&throttle, "ann", HERE, 0);
        assert!(throttle.attempt(" ANN ", there(1), 0).is_err(), "from any address");
        assert!(throttle.attempt("bob", there(1), 0).is_ok());
    }

    #[test]
    fn an_address_is_held_back_over_many_names_and_with_all_of_its_network() {
        let throttle = Throttle::default();
        let first: IpAddr = "2001:db8::1".parse().expect("address");
        let second: IpAddr = "2001:db8::2".parse().expect("address");
        let other: IpAddr = "2001:db8:0:1::1".parse().expect("address");
        for n in 0..20 {
            assert!(throttle.attempt(&format!("name-{n}"), first, 0).is_ok(), "{n}");
        }
        assert!(throttle.attempt("new", second, 0).is_err());
        assert!(throttle.attempt("new", other, 0).is_ok());
    }

    #[test]
    fn success_clears_the_account_and_not_the_address() {
        let throttle = Throttle::default();
        for n in 0..19 {
            let _ = throttle.attempt(&format!("name-{n}"), HERE, 0);
        }
        let attempt = throttle.attempt("ann", HERE, 0).expect("let through");
        throttle.succeeded(&attempt, HERE);
        assert!(throttle.attempt("x", HERE, 0).is_ok(), "the success did not count");
        assert!(throttle.attempt("y", HERE, 0).is_err(), "the failures still do");
    }

    #[test]
    fn whoever_guesses_from_elsewhere_does_not_keep_out_who_signed_in_here() {
        let throttle = Throttle::default();
        let attempt = throttle.attempt("ann", HERE, 0).expect("let through");
        throttle.succeeded(&attempt, HERE);
        for n in 0..200 {
            let _ = fails(&throttle, "ann", there(n), 1);
        }
        assert!(throttle.attempt("ann", there(201), 1).is_err(), "from anywhere else");
        let attempt = throttle.attempt(" ANN", HERE, 1).expect("let through here");
        throttle.succeeded(&attempt, HERE);
        assert!(throttle.attempt("ann", there(201), 1).is_err(), "that success is no help to them");
        assert!(throttle.attempt("bob", HERE, 1).is_ok(), "known here is one account, not all");
    }

    #[test]
    fn guessing_from_where_an_account_signed_in_is_slowed_down_too_and_ends_with_a_month() {
        let throttle = Throttle::default();
        let attempt = throttle.attempt("ann", HERE, 0).expect("let through");
        throttle.succeeded(&attempt, HERE);
        assert_eq!(fails(&throttle, "ann", HERE, 1), (5, 1));
        let _ = fails(&throttle, "ann", there(1), KNOWN_US);
        assert!(throttle.attempt("ann", HERE, KNOWN_US).is_ok(), "known for a month");
        let _ = fails(&throttle, "ann", there(1), 3 * KNOWN_US);
        assert!(throttle.attempt("ann", HERE, 3 * KNOWN_US).is_err(), "not for longer");
    }

    #[test]
    fn many_names_from_many_addresses_do_not_push_out_where_somebody_signed_in() {
        let throttle = Throttle::default();
        let attempt = throttle.attempt("ann", HERE, 0).expect("let through");
        throttle.succeeded(&attempt, HERE);
        for n in 0..(2 * MAX_ENTRIES) {
            let [a, b, c, d] = u32::try_from(n).expect("small").to_be_bytes();
            let _ = throttle.attempt(&n.to_string(), IpAddr::from([10 ^ a, b, c, d]), 1);
        }
        let _ = fails(&throttle, "ann", there(9), 1);
        assert!(throttle.attempt("ann", HERE, 1).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_worst_stay() {
        let throttle = Throttle::default();
        let _ = fails(&throttle, "ann", HERE, 0);
        for n in 0..(2 * MAX_ENTRIES) {
            let [a, b, c, d] = u32::try_from(n).expect("small").to_be_bytes();
            let _ = throttle.attempt(&n.to_string(), IpAddr::from([10 ^ a, b, c, d]), 1);
        }
        assert!(throttle.entries().len() <= MAX_ENTRIES);
        assert!(throttle.attempt("ann", there(9), 1).is_err());
    }
}
