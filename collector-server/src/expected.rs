//! Which hosts are expected, and how that fits those that report. Pure.

pub(crate) mod cell;
mod csv_file;
#[cfg(test)]
mod tests;

pub(crate) use cell::{closed, opened};
pub use csv_file::{
    BadFile, BadLine, CRITICALITIES, ENVIRONMENTS, HostList, parse_groups, parse_hosts, tag,
};
pub(crate) use csv_file::{Row, Table, finish};

use crate::store::model::{HostRow, HostState};
use crate::web::counts::Standing;
use evidence::HostId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A host that is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The name as hosts are matched by it: lower case, without a dot at the end.
    pub key: String,
    /// The name as it was written.
    pub name: String,
    pub group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A name as it is matched: DNS names know no case, and a dot at the end changes nothing (RFC 1034
/// section 3.1).
pub fn key_of(name: &str) -> String {
    name.trim().trim_end_matches('.').to_lowercase()
}

/// The part of a key before its domain.
pub(crate) fn short(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

/// Where one expected or unlisted host stands. Expected hosts are in exactly one of the first six.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    Reporting,
    Silent,
    /// It has a certificate and has not checked in.
    Enrolling,
    /// No host of this name ever enrolled.
    Missing,
    Ended,
    Retired,
    /// In service, and nobody expects it.
    Unlisted,
}

impl Found {
    pub const ALL: [Self; 7] = [
        Self::Reporting,
        Self::Silent,
        Self::Enrolling,
        Self::Missing,
        Self::Ended,
        Self::Retired,
        Self::Unlisted,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Reporting => "reporting",
            Self::Silent => "silent",
            Self::Enrolling => "enrolling",
            Self::Missing => "missing",
            Self::Ended => "ended",
            Self::Retired => "retired",
            Self::Unlisted => "unlisted",
        }
    }

    fn of(host: &HostRow, now_us: i64) -> Self {
        match Standing::of(host, now_us) {
            Standing::Reporting => Self::Reporting,
            Standing::Silent => Self::Silent,
            Standing::Enrolling => Self::Enrolling,
            Standing::Ended => Self::Ended,
            Standing::Retired => Self::Retired,
        }
    }
}

/// One line of the reconciliation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub name: String,
    pub state: Found,
    /// The host that was matched, or that nobody expects.
    pub host: Option<HostId>,
    pub group: String,
    pub owner: Option<String>,
    /// What a person should know: another group, another form of the name, two hosts of one name.
    pub note: Option<String>,
}

/// Expected hosts beside those that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Expected ones in the order of their names, then unlisted ones.
    pub lines: Vec<Line>,
}

impl Reconciled {
    pub fn count(&self, state: Found) -> usize {
        self.lines.iter().filter(|line| line.state == state).count()
    }

    /// The denominator: reporting + silent + enrolling + missing + ended + retired.
    pub fn expected(&self) -> usize {
        self.lines.len() - self.count(Found::Unlisted)
    }

    /// `expected` and every state with its number.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let states = Found::ALL.into_iter().map(|state| (state.word(), self.count(state)));
        states.chain([("expected", self.expected())]).collect()
    }

    /// `7 expected = 2 reporting + 1 silent + …`.
    pub fn says(&self) -> String {
        let of = |state: Found| format!("{} {}", self.count(state), state.word());
        let terms: Vec<_> =
            Found::ALL.into_iter().filter(|s| *s != Found::Unlisted).map(of).collect();
        format!("{} expected = {}", self.expected(), terms.join(" + "))
    }
}

/// Matches names: equal but for case first, then a short name with a full one if only one of each
/// could be meant. Of several hosts of one name the one that reports is taken.
pub fn reconcile(expected: &[Expected], hosts: &[HostRow], now_us: i64) -> Reconciled {
    let mut by_key: BTreeMap<String, Vec<&HostRow>> = BTreeMap::new();
    for host in hosts {
        by_key.entry(key_of(&host.name)).or_default().push(host);
    }
    for same in by_key.values_mut() {
        same.sort_by_key(|host| (Found::of(host, now_us), host.id));
    }
    let listed: BTreeSet<&str> = expected.iter().map(|entry| entry.key.as_str()).collect();
    let mut taken: BTreeSet<HostId> = BTreeSet::new();
    let mut lines = vec![];
    for entry in expected {
        let (host, note) = find(entry, &listed, &by_key);
        taken.extend(host.map(|host| host.id));
        lines.push(Line {
            name: entry.name.clone(),
            state: host.map_or(Found::Missing, |host| Found::of(host, now_us)),
            host: host.map(|host| host.id),
            group: entry.group.clone(),
            owner: entry.owner.clone(),
            note: note.or_else(|| other_group(entry, host?)),
        });
    }
    lines.sort_by_key(|line| key_of(&line.name));
    let mut unlisted: Vec<Line> = hosts
        .iter()
        .filter(|host| host.state.is_in_service() && !taken.contains(&host.id))
        .map(|host| unlisted(host, &listed))
        .collect();
    unlisted.sort_by_key(|line| (key_of(&line.name), line.host));
    lines.extend(unlisted);
    Reconciled { lines }
}

fn find<'a>(
    entry: &Expected,
    listed: &BTreeSet<&str>,
    by_key: &BTreeMap<String, Vec<&'a HostRow>>,
) -> (Option<&'a HostRow>, Option<String>) {
    if let Some(host) = by_key.get(&entry.key).and_then(|same| same.first()) {
        return (Some(host), None);
    }
    // A full name is taken for a short one and the other way round, never for another full name.
    let is_short = !entry.key.contains('.');
    let of_this = |key: &&str| short(key) == short(&entry.key) && key.contains('.') == is_short;
    let free: Vec<&str> =
        by_key.keys().map(String::as_str).filter(of_this).filter(|k| !listed.contains(k)).collect();
    let rivals = listed.iter().filter(|key| {
        short(key) == short(&entry.key) && **key != entry.key && !by_key.contains_key(**key)
    });
    match (free.as_slice(), rivals.count()) {
        ([key], 0) => {
            let host = by_key.get(*key).and_then(|same| same.first()).copied();
            (host, Some(format!("the host calls itself {key}")))
        }
        ([], _) => (None, None),
        (several, _) => {
            let note = format!("could be {}: write the full name", several.join(" or "));
            (None, Some(note))
        }
    }
}

fn other_group(entry: &Expected, host: &HostRow) -> Option<String> {
    let differs = host.group != entry.group && host.state.is_in_service();
    differs.then(|| format!("the host is in the group {}", host.group))
}

fn unlisted(host: &HostRow, listed: &BTreeSet<&str>) -> Line {
    let twice = listed.contains(key_of(&host.name).as_str());
    let maintained = host.state == HostState::Maintenance;
    let note = match (twice, maintained) {
        (true, _) => Some("another host of this name is the expected one".to_owned()),
        (false, true) => Some("in maintenance".to_owned()),
        (false, false) => None,
    };
    Line {
        name: host.name.clone(),
        state: Found::Unlisted,
        host: Some(host.id),
        group: host.group.clone(),
        owner: None,
        note,
    }
}
