//! Counts over results that add up: every host of the population is in exactly one of them.
//!
//! Nothing is counted as a pass that is not one: a host that never reported a result, that went
//! silent or that is still enrolling counts as `unknown`, whatever was last said of it. A failure
//! stays a failure until evidence ends it.

use super::input::{Coverage, Now};
use super::marks::Outcome;
use crate::store::model::{HostRow, HostState, ResultRow};
use evidence::HostId;
use std::collections::{BTreeMap, BTreeSet};

/// Where a host stands, in the order of lists: what needs a person first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Silent,
    Enrolling,
    Reporting,
    Ended,
    Retired,
}

impl Standing {
    pub fn of(host: &HostRow, now_us: i64) -> Self {
        match host.state {
            HostState::Ended => Self::Ended,
            HostState::Retired => Self::Retired,
            // Nothing can come of it any more.
            _ if host.revoked_us.is_some() => Self::Silent,
            HostState::Enrolling => Self::Enrolling,
            HostState::Active | HostState::Maintenance => {
                match (host.last_received_us, host.next_due_s) {
                    (None, _) => Self::Enrolling,
                    // No promise of a next check-in is no sign that it is coming.
                    (Some(_), None) => Self::Silent,
                    (Some(_), Some(_)) if host.is_silent(now_us) => Self::Silent,
                    (Some(_), Some(_)) => Self::Reporting,
                }
            }
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Enrolling => "enrolling",
            Self::Reporting => "reporting",
            Self::Ended => "ended",
            Self::Retired => "retired",
        }
    }

    /// Class of the square beside the word.
    pub fn key(self) -> &'static str {
        match self {
            Self::Silent => "f-stale",
            Self::Enrolling => "hollow",
            Self::Reporting => "f-operating",
            Self::Ended | Self::Retired => "f-excluded",
        }
    }

    /// Whether the host belongs to the population that is counted.
    pub fn is_enrolled(self) -> bool {
        matches!(self, Self::Silent | Self::Enrolling | Self::Reporting)
    }
}

/// The hosts that are counted, by where they stand.
pub struct Population {
    standings: BTreeMap<HostId, Standing>,
}

impl Population {
    pub fn of(hosts: &[HostRow], now_us: i64) -> Self {
        Self { standings: hosts.iter().map(|h| (h.id, Standing::of(h, now_us))).collect() }
    }

    pub fn count(&self, standing: Standing) -> usize {
        self.standings.values().filter(|of_host| **of_host == standing).count()
    }

    /// The denominator: reporting, silent and enrolling.
    pub fn enrolled(&self) -> usize {
        self.standings.values().filter(|standing| standing.is_enrolled()).count()
    }

    fn ids(&self) -> impl Iterator<Item = HostId> + '_ {
        self.standings.iter().filter(|(_, standing)| standing.is_enrolled()).map(|(id, _)| *id)
    }

    /// What a result counts as; none for a host outside the population.
    pub fn judged(&self, result: &ResultRow) -> Option<Outcome> {
        let standing = self.standings.get(&result.host)?;
        match (standing, Outcome::from_word(&result.outcome)) {
            (Standing::Ended | Standing::Retired, _) => None,
            (_, Outcome::Fail) => Some(Outcome::Fail),
            (Standing::Silent | Standing::Enrolling, _) => Some(Outcome::Unknown),
            (Standing::Reporting, outcome) => Some(outcome),
        }
    }
}

/// Hosts by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub fail: usize,
    pub unknown: usize,
    /// Hosts for which somebody else shows what they do not.
    pub inherited: usize,
    pub pass: usize,
    pub not_applicable: usize,
    /// Since when the oldest failure holds.
    pub oldest_fail_us: Option<i64>,
}

impl Counts {
    pub fn sum(&self) -> usize {
        self.fail + self.unknown + self.inherited + self.pass + self.not_applicable
    }

    pub(super) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Fail => self.fail += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Inherited => self.inherited += 1,
            Outcome::Pass => self.pass += 1,
            Outcome::NotApplicable => self.not_applicable += 1,
        }
    }

    fn older(&mut self, since_us: i64) {
        self.oldest_fail_us = Some(self.oldest_fail_us.map_or(since_us, |at| at.min(since_us)));
    }
}

/// All results that count, ready to be asked by rule and by control.
pub struct Ledger<'a> {
    pub population: Population,
    /// Per rule and host: what counts, and the failure it stands on.
    outcomes: BTreeMap<&'a str, BTreeMap<HostId, (Outcome, i64)>>,
    /// Per rule that does not judge all hosts: those it does not judge. They are not counted.
    spared: BTreeMap<&'a str, BTreeSet<HostId>>,
}

impl<'a> Ledger<'a> {
    pub fn of(now: &Now<'a>) -> Self {
        let population = Population::of(now.hosts, now.at_us);
        let mut outcomes: BTreeMap<&str, BTreeMap<HostId, (Outcome, i64)>> = BTreeMap::new();
        for result in now.results {
            let Some(outcome) = population.judged(result) else { continue };
            let found = (outcome, result.since_us);
            let hosts = outcomes.entry(result.rule.as_str()).or_default();
            // Two rows of one host and rule: the worse and older one counts.
            hosts.entry(result.host).and_modify(|held| *held = found.min(*held)).or_insert(found);
        }
        let partial = now.rules.iter().filter(|rule| rule.coverage != Coverage::default());
        let spared = partial.map(|rule| {
            let hosts = now.hosts.iter().filter(|host| !rule.coverage.has(&host.group));
            (rule.id.as_str(), hosts.map(|host| host.id).collect())
        });
        Self { population, outcomes, spared: spared.collect() }
    }

    /// Hosts by outcome of one rule.
    pub fn rule(&self, id: &str) -> Counts {
        self.worst(&[id])
    }

    /// Hosts by the worst outcome over several rules. A host that none of them judges is not
    /// counted.
    pub fn worst(&self, rules: &[&str]) -> Counts {
        let mut counts = Counts::default();
        for host in self.population.ids() {
            let spares = |rule: &&&str| self.spared.get(**rule).is_some_and(|s| s.contains(&host));
            if !rules.is_empty() && rules.iter().all(|rule| spares(&rule)) {
                continue;
            }
            let mut worst = Outcome::NotApplicable;
            for rule in rules.iter().filter(|rule| !spares(rule)) {
                let held = self.outcomes.get(rule).and_then(|hosts| hosts.get(&host));
                let (outcome, since_us) = held.copied().unwrap_or((Outcome::Unknown, 0));
                worst = worst.min(outcome);
                if outcome == Outcome::Fail {
                    counts.older(since_us);
                }
            }
            counts.add(worst);
        }
        counts
    }

    /// Hosts by the worst outcome over the rules of a control; none when no rule looks at it.
    pub fn control(&self, now: &Now<'_>, control: &str) -> Option<Counts> {
        let rules: BTreeSet<&str> = now.rules_of(control).map(|rule| rule.id.as_str()).collect();
        let rules: Vec<&str> = rules.into_iter().collect();
        (!rules.is_empty()).then(|| self.worst(&rules))
    }
}

#[cfg(test)]
mod tests;
