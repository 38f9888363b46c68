//! Login throttling: after a few failures each further one doubles the wait, for the account and
//! for the address it comes from. Held in memory, within bounds; every collector has its own.

use evidence::Digest;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SECOND_US: i64 = 1_000_000;
/// The longest wait. A login link from the command line is never throttled.
const MAX_WAIT_US: i64 = 15 * 60 * SECOND_US;
/// Failures are forgotten this long after the last one.
const MEMORY_US: i64 = 24 * 3600 * SECOND_US;
/// Failures before the first wait: of one account, and of one address, behind which many may sit.
const FREE_OF_ACCOUNT: u32 = 5;
const FREE_OF_SOURCE: u32 = 20;
/// Accounts and addresses remembered: about 1 MiB.
const MAX_ENTRIES: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// The digest of a user name as it was typed, in lower case: of a name that exists or not.
    Account(Digest),
    Source(IpAddr),
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
    account: Key,
}

impl Throttle {
    /// Lets an attempt through, or says after how many seconds one may be made.
    pub fn attempt(&self, name: &str, source: IpAddr, now_us: i64) -> Result<Attempt, u64> {
        let account = Key::Account(Digest::of(name.trim().to_lowercase().as_bytes()));
        let keys = [(account, FREE_OF_ACCOUNT), (Key::Source(network(source)), FREE_OF_SOURCE)];
        let mut entries = self.entries();
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
        Ok(Attempt { account })
    }

    /// The attempt was right: its account starts anew. The address keeps its count, less this one,
    /// so that one known password does not pay for guessing others.
    pub fn succeeded(&self, attempt: &Attempt, source: IpAddr) {
        let mut entries = self.entries();
        entries.remove(&attempt.account);
        if let Some(entry) = entries.get_mut(&Key::Source(network(source))) {
            entry.failures = entry.failures.saturating_sub(1);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        // A panic elsewhere leaves counts that are still counts.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

/// Forgets what is old; if that is not enough, the one with the fewest failures.
fn make_room(entries: &mut HashMap<Key, Entry>, key: Key, now_us: i64) {
    if entries.len() < MAX_ENTRIES || entries.contains_key(&key) {
        return;
    }
    entries.retain(|_, entry| now_us.saturating_sub(entry.last_us) <= MEMORY_US);
    if entries.len() >= MAX_ENTRIES {
        let least = entries.iter().min_by_key(|(_, entry)| (entry.failures, entry.last_us));
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
