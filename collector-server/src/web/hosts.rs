//! The list of hosts: silent ones first, then those that fail most.

use super::counts::{Population, Standing};
use super::input::{Now, Severity};
use super::marks::Outcome;
use super::page::{Frame, When, age, count, host_path, plural};
use crate::expected::{Found, Line, Reconciled};
use crate::store::model::{HostRow, HostState};
use askama::Template;
use evidence::HostId;
use std::collections::BTreeMap;

/// Hosts on one page of the list.
pub const PAGE_SIZE: usize = 200;

#[derive(Template)]
#[template(path = "hosts.html")]
pub struct HostsPage {
    pub frame: Frame,
    /// `5 enrolled: 3 reporting, 1 silent, 1 enrolling`.
    pub says: String,
    pub rows: Vec<HostLine>,
    /// `1 to 200 of 1,532`, and the pages beside this one; none when all are shown.
    pub range: Option<String>,
    pub previous: Option<String>,
    pub next: Option<String>,
    /// `2 hosts have ended or were retired`: they are listed last and not counted.
    pub left: Option<String>,
    /// How the list of expected hosts fits; none without a list.
    pub expected: Option<ExpectedPart>,
}

/// Expected hosts beside those that are there.
pub struct ExpectedPart {
    /// `7 expected = 2 reporting + … ; 1 unlisted`.
    pub says: String,
    /// Those that a person should look at: missing, unlisted, or with a note.
    pub rows: Vec<ExpectedLine>,
    /// Rows that are not shown.
    pub more: Option<String>,
}

pub struct ExpectedLine {
    /// The host, if there is one.
    pub path: Option<String>,
    pub name: String,
    pub word: &'static str,
    pub group: String,
    pub owner: String,
    pub note: String,
}

impl HostsPage {
    /// The page with what the list of expected hosts says.
    #[must_use]
    pub fn with_expected(mut self, reconciled: Option<&Reconciled>) -> Self {
        self.expected = reconciled.map(expected_part);
        self
    }
}

/// The sum of the expected, for this page and the overview.
pub fn expected_says(reconciled: &Reconciled) -> String {
    format!("{}; {} unlisted", reconciled.says(), reconciled.count(Found::Unlisted))
}

fn expected_part(reconciled: &Reconciled) -> ExpectedPart {
    let odd = |line: &&Line| {
        matches!(line.state, Found::Missing | Found::Unlisted | Found::Ended | Found::Retired)
            || line.note.is_some()
    };
    let odd: Vec<&Line> = reconciled.lines.iter().filter(odd).collect();
    let row = |line: &&Line| ExpectedLine {
        path: line.host.map(host_path),
        name: line.name.clone(),
        word: line.state.word(),
        group: line.group.clone(),
        owner: line.owner.clone().unwrap_or_default(),
        note: line.note.clone().unwrap_or_default(),
    };
    let more = odd.len().saturating_sub(PAGE_SIZE);
    ExpectedPart {
        says: expected_says(reconciled),
        rows: odd.iter().take(PAGE_SIZE).map(row).collect(),
        more: (more > 0).then(|| plural(more, "more line")),
    }
}

pub struct HostLine {
    pub path: String,
    pub name: String,
    pub group: String,
    pub word: &'static str,
    pub key: &'static str,
    pub received: Option<When>,
    pub age: String,
    /// `11 of 12`; empty when no kind was received.
    pub kinds: String,
    /// Something of it is not ok.
    pub kinds_short: bool,
    /// Failures by severity, most urgent first; empty when the host is not judged any more.
    pub fails: Vec<String>,
    pub unknown: String,
}

/// How many of a host's kinds are `ok` or proven not to apply, of how many it sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindCount {
    pub ok: usize,
    pub of: usize,
}

/// The page `number` (from 1) of the list.
pub fn page(
    frame: Frame,
    now: &Now<'_>,
    kinds: &BTreeMap<HostId, KindCount>,
    number: usize,
) -> HostsPage {
    let population = Population::of(now.hosts, now.at_us);
    let tallies = tallies(now, &population);
    let mut hosts: Vec<(&HostRow, Standing, Tally)> = now
        .hosts
        .iter()
        .map(|host| (host, Standing::of(host, now.at_us), tally_of(host, now, &tallies)))
        .collect();
    hosts.sort_by(|(a, a_standing, a_tally), (b, b_standing, b_tally)| {
        (a_standing, b_tally.fails, b_tally.unknown, &a.name).cmp(&(
            b_standing,
            a_tally.fails,
            a_tally.unknown,
            &b.name,
        ))
    });
    let pages = hosts.len().div_ceil(PAGE_SIZE).max(1);
    let number = number.clamp(1, pages);
    let from = (number - 1) * PAGE_SIZE;
    let shown: Vec<_> = hosts.iter().skip(from).take(PAGE_SIZE).collect();
    let left = hosts.len() - population.enrolled();
    HostsPage {
        frame,
        says: says(&population),
        range: (pages > 1).then(|| {
            format!("{} to {} of {}", from + 1, from + shown.len(), count(hosts.len() as u64))
        }),
        rows: shown.into_iter().map(|host| line(host, now, kinds)).collect(),
        previous: (number > 1).then(|| format!("/hosts?page={}", number - 1)),
        next: (number < pages).then(|| format!("/hosts?page={}", number + 1)),
        left: (left > 0).then(|| plural(left, "host")),
        expected: None,
    }
}

fn says(population: &Population) -> String {
    let of = |standing| count(population.count(standing) as u64);
    format!(
        "{} enrolled = {} reporting + {} silent + {} enrolling",
        count(population.enrolled() as u64),
        of(Standing::Reporting),
        of(Standing::Silent),
        of(Standing::Enrolling)
    )
}

/// Failures by severity, and what is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Tally {
    fails: [usize; 4],
    judged: usize,
    unknown: usize,
}

fn tallies(now: &Now<'_>, population: &Population) -> BTreeMap<HostId, Tally> {
    let severities: BTreeMap<&str, Severity> =
        now.rules.iter().map(|rule| (rule.id.as_str(), rule.severity)).collect();
    let mut tallies: BTreeMap<HostId, Tally> = BTreeMap::new();
    for result in now.results {
        let Some(severity) = severities.get(result.rule.as_str()) else { continue };
        let Some(outcome) = population.judged(result) else { continue };
        let tally = tallies.entry(result.host).or_default();
        tally.judged += 1;
        match outcome {
            Outcome::Fail => {
                if let Some(fails) = tally.fails.get_mut(*severity as usize) {
                    *fails += 1;
                }
            }
            Outcome::Unknown => tally.unknown += 1,
            Outcome::Inherited | Outcome::Pass | Outcome::NotApplicable => {}
        }
    }
    tallies
}

/// A rule without a result is unknown for a host that is counted.
fn tally_of(host: &HostRow, now: &Now<'_>, tallies: &BTreeMap<HostId, Tally>) -> Tally {
    let mut tally = tallies.get(&host.id).copied().unwrap_or_default();
    if Standing::of(host, now.at_us).is_enrolled() {
        tally.unknown += now.rules.len().saturating_sub(tally.judged);
    }
    tally
}

fn line(
    (host, standing, tally): &(&HostRow, Standing, Tally),
    now: &Now<'_>,
    kinds: &BTreeMap<HostId, KindCount>,
) -> HostLine {
    // Of a host that is not judged there is nothing to count: no zero that looks like a pass.
    let number = |n: usize| if standing.is_enrolled() { count(n as u64) } else { String::new() };
    let kinds = kinds.get(&host.id).filter(|kinds| kinds.of > 0);
    HostLine {
        path: host_path(host.id),
        name: host.name.clone(),
        group: host.group.clone(),
        word: word(host, *standing),
        key: standing.key(),
        received: host.last_received_us.map(When::cell),
        age: host.last_received_us.map(|us| age(us, now.at_us)).unwrap_or_default(),
        kinds: kinds.map(|kinds| format!("{} of {}", kinds.ok, kinds.of)).unwrap_or_default(),
        kinds_short: kinds.is_some_and(|kinds| kinds.ok < kinds.of),
        fails: tally.fails.iter().map(|n| number(*n)).collect(),
        unknown: number(tally.unknown),
    }
}

/// Maintenance is said beside what it may explain, and explains no silence away.
pub fn word(host: &HostRow, standing: Standing) -> &'static str {
    match (host.state, standing) {
        _ if standing.is_enrolled() && host.revoked_us.is_some() => "silent, revoked",
        (HostState::Maintenance, Standing::Silent) => "silent, in maintenance",
        (HostState::Maintenance, Standing::Reporting) => "reporting, in maintenance",
        _ => standing.word(),
    }
}

#[cfg(test)]
mod tests;
