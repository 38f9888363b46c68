//! What the pages are given besides the rows of the store: controls and rules as they show them.

use super::marks::State;
use crate::judge::{self, RuleSet};
use crate::store::model::{HostRow, ResultRow};
use std::collections::BTreeSet;

/// What holds now: the ground all pages draw from.
#[derive(Clone, Copy)]
pub struct Now<'a> {
    /// Microseconds since the epoch.
    pub at_us: i64,
    pub hosts: &'a [HostRow],
    /// Results that hold, of all hosts or of the one a page is about.
    pub results: &'a [ResultRow],
    /// The active rules.
    pub rules: &'a [Rule],
    /// The controls of the catalogue, in its order.
    pub controls: &'a [Control],
}

impl<'a> Now<'a> {
    pub fn rule(&self, id: &str) -> Option<&'a Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    pub fn rules_of(&self, control: &str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.controls.iter().any(|id| id == control))
    }
}

/// A control of the catalogue and its evidence state.
#[derive(Debug, Clone)]
pub struct Control {
    /// `A.8.5`.
    pub id: String,
    pub title: String,
    pub theme: Theme,
    /// `preventive`, `detective`, `corrective`.
    pub control_type: Vec<String>,
    /// Ids in the edition of 2013.
    pub iso2013: Vec<String>,
    /// What host evidence supports; none when hosts cannot say anything.
    pub host_evidence: Option<String>,
    /// What host evidence does not show.
    pub not_shown: Option<String>,
    pub state: State,
    /// Failures that hold now, of any severity, within their limits or past them.
    pub open_deviations: u64,
    /// So many of them are of hosts that went silent, the first of these then (microseconds).
    pub unseen: Option<(u64, i64)>,
}

/// The four themes of Annex A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Theme {
    Organizational,
    People,
    Physical,
    Technological,
}

impl Theme {
    pub const ALL: [Self; 4] =
        [Self::Organizational, Self::People, Self::Physical, Self::Technological];

    /// The clause and the word: `A.5 Organizational`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Organizational => "A.5 Organizational",
            Self::People => "A.6 People",
            Self::Physical => "A.7 Physical",
            Self::Technological => "A.8 Technological",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Organizational => "organizational",
            Self::People => "people",
            Self::Physical => "physical",
            Self::Technological => "technological",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.word() == word)
    }
}

/// A rule as pages show it.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    pub title: String,
    pub controls: Vec<String>,
    pub severity: Severity,
    /// Kinds it reads.
    pub evidence: Vec<String>,
    pub rationale: String,
    pub remediation: String,
    pub not_shown: Option<String>,
    pub profile: String,
    pub coverage: Coverage,
}

/// Of which groups a rule judges the hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// None: of all, but those in `not`.
    pub only: Option<BTreeSet<String>>,
    pub not: BTreeSet<String>,
}

impl Coverage {
    pub fn has(&self, group: &str) -> bool {
        !self.not.contains(group) && self.only.as_ref().is_none_or(|only| only.contains(group))
    }

    /// In words; nothing for all hosts.
    pub fn says(&self) -> String {
        let list = |groups: &BTreeSet<String>| {
            groups.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        match &self.only {
            Some(only) => format!("only {}", list(only)),
            None if self.not.is_empty() => String::new(),
            None => format!("not {}", list(&self.not)),
        }
    }
}

/// Rules as pages show them.
pub fn rules(active: &RuleSet) -> Vec<Rule> {
    let rule = |rule: &judge::Rule| Rule {
        id: rule.id.clone(),
        title: rule.title.clone(),
        controls: rule.controls.clone(),
        // What is only informative is shown last.
        severity: Severity::from_word(rule.severity.as_str()).unwrap_or(Severity::Low),
        evidence: rule.evidence.clone(),
        rationale: rule.rationale.clone(),
        remediation: rule.remediation.clone(),
        not_shown: rule.not_shown.clone(),
        profile: rule.profile.as_str().to_owned(),
        coverage: coverage(active, &rule.id),
    };
    active.rules().iter().map(rule).collect()
}

fn coverage(active: &RuleSet, id: &str) -> Coverage {
    let groups = active.groups().map(str::to_owned);
    let (here, not) = groups.partition(|group| active.judges(group, id));
    match active.judges("", id) {
        true => Coverage { only: None, not },
        false => Coverage { only: Some(here), not: BTreeSet::new() },
    }
}

/// Most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.word() == word)
    }
}
