//! Lists of people (an export of the personnel office or of a directory) against the accounts that
//! hosts report: leavers with live accounts, movers to review, accounts without a person. Pure, but
//! for `reading`.

mod csv_file;
mod reading;
#[cfg(test)]
mod tests;

pub use csv_file::parse;
pub use reading::{leavers, review};

use evidence::HostId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Somebody on the list. One who is no employee (a supplier, a team that answers for a shared
/// account) is listed in the same way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// As the list names them; people are told apart by it, without regard to case.
    pub person: String,
    /// Names of their accounts on hosts.
    pub accounts: BTreeSet<String>,
    pub unit: String,
    /// Days since the epoch, UTC.
    #[serde(default)]
    pub start_day: Option<i64>,
    /// The last day.
    #[serde(default)]
    pub leave_day: Option<i64>,
}

/// A person of the list that holds, and what happened to them since they were first on one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub listed: Listed,
    /// Their unit before, until somebody reviewed their rights.
    pub unit_before: Option<String>,
    pub moved_us: Option<i64>,
    /// The first list without them was imported then.
    pub gone_us: Option<i64>,
}

/// A name as people are told apart by it.
pub fn key_of(person: &str) -> String {
    person.trim().to_lowercase()
}

/// An account on a host, as far as its facts say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub host: HostId,
    pub name: String,
    pub uid: i64,
    /// It is one of people, not of the system; none where that is not known.
    pub human: Option<bool>,
    /// It can be used to log in; none where that is not known.
    pub live: Option<bool>,
    pub privileged: Option<bool>,
}

/// What hosts say of their accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    pub accounts: Vec<Account>,
    /// Hosts whose accounts were read.
    pub read: BTreeSet<HostId>,
    /// Hosts whose accounts are not known.
    pub unread: BTreeSet<HostId>,
    /// Hosts that also take accounts from directories, which nobody enumerated.
    pub directories: BTreeSet<HostId>,
}

/// What a person should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Their last day is over, or they are on the list no more, and an account works.
    Leaver,
    /// They work in another unit, and nobody looked at their rights since.
    Mover,
    /// An account of people that nobody on the list has.
    NoPerson,
    /// They have not begun, and an account works.
    Early,
}

impl Sort {
    pub const ALL: [Self; 4] = [Self::Leaver, Self::Mover, Self::NoPerson, Self::Early];

    pub fn word(self) -> &'static str {
        match self {
            Self::Leaver => "leaver",
            Self::Mover => "mover",
            Self::NoPerson => "no_person",
            Self::Early => "early",
        }
    }
}

/// One person or account name, with the hosts where it works.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub sort: Sort,
    /// Some of the accounts is privileged, or nobody knows.
    pub privileged: bool,
    /// None for an account without a person.
    pub person: Option<String>,
    pub account: String,
    pub unit: Option<String>,
    pub unit_before: Option<String>,
    /// Since which day (since the epoch, UTC) it is so, where that is known.
    pub since_day: Option<i64>,
    pub hosts: BTreeSet<HostId>,
    /// Of these hosts, those that do not say whether it works: it counts as one that does.
    pub unsure: BTreeSet<HostId>,
}

/// The list against the accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Review {
    /// By sort, privileged ones first.
    pub findings: Vec<Finding>,
    pub people: usize,
    /// Hosts whose accounts were read, of all that are in service.
    pub hosts_read: usize,
    pub hosts: usize,
    /// Hosts with directories, whose accounts are not among these.
    pub hosts_with_directories: usize,
}

/// Looks for what a person should look at. Accounts of the system belong to nobody; one of which it
/// is not known whether it works, or is of people, counts as if it did and were.
pub fn findings(list: &[Held], accounts: &Accounts, today: i64) -> Vec<Finding> {
    let mut by_name: BTreeMap<&str, Vec<&Account>> = BTreeMap::new();
    for account in accounts.accounts.iter().filter(|account| account.live != Some(false)) {
        by_name.entry(&account.name).or_default().push(account);
    }
    let mut out = vec![];
    let mut owned: BTreeSet<&str> = BTreeSet::new();
    for held in list {
        for name in &held.listed.accounts {
            owned.insert(name);
            let Some(live) = by_name.get(name.as_str()) else { continue };
            if let Some((sort, since_day)) = sort(held, today) {
                out.push(finding(sort, Some(held), name, since_day, live));
            }
        }
    }
    for (name, live) in by_name {
        // root is nobody's own; who may be root is another question.
        let human = live.iter().copied().filter(|a| a.human != Some(false) && a.uid != 0);
        let human: Vec<&Account> = human.collect();
        if !owned.contains(name) && !human.is_empty() {
            out.push(finding(Sort::NoPerson, None, name, None, &human));
        }
    }
    out.sort_by(|a, b| {
        let key = |f: &Finding| (f.sort, !f.privileged, f.person.clone(), f.account.clone());
        key(a).cmp(&key(b))
    });
    out
}

/// Accounts whose every owner on the list left.
pub fn accounts_of_leavers(list: &[Held], today: i64) -> BTreeSet<String> {
    let left = |held: &&Held| matches!(sort(held, today), Some((Sort::Leaver, _)));
    let accounts = |held: &Held| held.listed.accounts.clone();
    let (left, there): (Vec<_>, Vec<_>) = list.iter().partition(left);
    let there: BTreeSet<_> = there.into_iter().flat_map(accounts).collect();
    left.into_iter().flat_map(accounts).filter(|account| !there.contains(account)).collect()
}

/// The gravest that holds of a person, and since which day.
fn sort(held: &Held, today: i64) -> Option<(Sort, Option<i64>)> {
    let day = |us: i64| us.div_euclid(86_400_000_000);
    if let Some(last) = held.listed.leave_day.filter(|last| *last < today) {
        return Some((Sort::Leaver, Some(last + 1)));
    }
    if let Some(gone_us) = held.gone_us {
        return Some((Sort::Leaver, Some(day(gone_us))));
    }
    if let Some(start) = held.listed.start_day.filter(|start| *start > today) {
        return Some((Sort::Early, Some(start)));
    }
    held.unit_before.as_ref().map(|_| (Sort::Mover, held.moved_us.map(day)))
}

fn finding(
    sort: Sort,
    held: Option<&Held>,
    account: &str,
    since_day: Option<i64>,
    live: &[&Account],
) -> Finding {
    let unsure = live.iter().filter(|account| account.live.is_none());
    Finding {
        sort,
        privileged: live.iter().any(|account| account.privileged != Some(false)),
        person: held.map(|held| held.listed.person.clone()),
        account: account.to_owned(),
        unit: held.map(|held| held.listed.unit.clone()).filter(|unit| !unit.is_empty()),
        unit_before: held.and_then(|held| held.unit_before.clone()),
        since_day,
        hosts: live.iter().map(|account| account.host).collect(),
        unsure: unsure.map(|account| account.host).collect(),
    }
}
