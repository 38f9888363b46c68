//! Findings: nonconformities (clause 10.2) and improvements (clause 10.1), graded as the audit that
//! raised them graded them, and their life: open, corrected, closed. Pure.

use crate::exception::MAX_TEXT;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest title, in characters.
const MAX_TITLE: usize = 200;

/// How a finding is graded. The grade says which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Major,
    Minor,
    Observation,
    Opportunity,
}

impl Grade {
    pub const ALL: [Self; 4] = [Self::Major, Self::Minor, Self::Observation, Self::Opportunity];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Major => "major",
            Self::Minor => "minor",
            Self::Observation => "observation",
            Self::Opportunity => "opportunity",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grade| grade.as_str() == word)
    }

    /// `nonconformity` (10.2) or `improvement` (10.1).
    pub fn sort(self) -> &'static str {
        if self.is_nonconformity() { "nonconformity" } else { "improvement" }
    }

    pub fn is_nonconformity(self) -> bool {
        matches!(self, Self::Major | Self::Minor)
    }

    /// Of the drift that it is when it is overdue.
    pub fn severity(self) -> &'static str {
        match self {
            Self::Major => "high",
            Self::Minor => "medium",
            Self::Observation | Self::Opportunity => "low",
        }
    }
}

/// Where a finding comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Named by the alert's id.
    Alert,
    Audit,
    Incident,
    Review,
    Other,
}

impl Source {
    pub const ALL: [Self; 5] =
        [Self::Alert, Self::Audit, Self::Incident, Self::Review, Self::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Audit => "audit",
            Self::Incident => "incident",
            Self::Review => "review",
            Self::Other => "other",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Open,
    /// The correction and the action are done; whether they had effect is to be seen.
    Corrected,
    /// The action had effect. It is over.
    Closed,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Open, Self::Corrected, Self::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Corrected => "corrected",
            Self::Closed => "closed",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What a finding says; each change of it is a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub title: String,
    pub grade: Grade,
    pub source: Source,
    /// The alert's id, the audit's name.
    #[serde(default)]
    pub source_name: String,
    /// Controls (`A.8.9`) and clauses (`8.1`) that it is against.
    pub about: BTreeSet<String>,
    /// What was found, and by which requirement it is one.
    #[serde(default)]
    pub description: String,
    pub owner: String,
    /// The end of its last day, in microseconds.
    pub due_us: i64,
    /// What was done about the thing itself.
    #[serde(default)]
    pub correction: String,
    #[serde(default)]
    pub root_cause: String,
    /// Where the same could be, and was looked for.
    #[serde(default)]
    pub similar_cases: String,
    /// What removes the cause.
    #[serde(default)]
    pub action: String,
    /// How it was seen that the action had effect.
    #[serde(default)]
    pub effectiveness: String,
}

/// What is wrong with a finding or a step of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} has more than {MAX_TEXT} characters, or characters that are no text")]
    Text(&'static str),
    #[error("the title is one line of at most {MAX_TITLE} characters")]
    Title,
    #[error("{0} is neither a control of the catalogue nor a clause from 4 to 10")]
    About(String),
    #[error("{0} comes before it is {1}")]
    Before(&'static str, &'static str),
    #[error("it is closed; what comes back is another finding")]
    Closed,
    #[error("it is open: it is corrected before it is closed")]
    NotCorrected,
}

/// Whether this is a clause of the management system: `4` to `10`, with up to two numbers more and
/// a letter, `10.2`, `6.1.3`, `9.3.2 c`.
pub(crate) fn is_clause(text: &str) -> bool {
    let (numbers, letter) = text.split_once(' ').unwrap_or((text, "a"));
    let letter = letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase());
    let numbers: Vec<_> = numbers.split('.').collect();
    let number = |part: &&str| part.parse::<u8>().is_ok_and(|n| n.to_string() == **part && n > 0);
    let first = numbers.first().and_then(|part| part.parse::<u8>().ok());
    let known = first.is_some_and(|n| (4..=10).contains(&n));
    letter && known && numbers.len() <= 3 && numbers.iter().all(number)
}

impl Finding {
    /// Whether it can be kept in this state. `is_control` knows the catalogue.
    pub fn check(&self, state: State, is_control: impl Fn(&str) -> bool) -> Result<(), Wrong> {
        let texts = [
            ("the title", &self.title, true),
            ("the owner", &self.owner, true),
            ("the name of the source", &self.source_name, self.source != Source::Other),
            ("the description", &self.description, false),
            ("the correction", &self.correction, false),
            ("the root cause", &self.root_cause, false),
            ("what was found of similar cases", &self.similar_cases, false),
            ("the action", &self.action, false),
            ("the effectiveness", &self.effectiveness, false),
        ];
        for (name, text, needed) in texts {
            if needed && text.trim().is_empty() {
                return Err(Wrong::Missing(name));
            }
            let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
            if text.chars().count() > MAX_TEXT || text.contains(odd) {
                return Err(Wrong::Text(name));
            }
        }
        if self.title.chars().count() > MAX_TITLE || self.title.contains(char::is_control) {
            return Err(Wrong::Title);
        }
        if self.about.is_empty() {
            return Err(Wrong::Missing("the control or clause"));
        }
        if let Some(odd) = self.about.iter().find(|text| !is_control(text) && !is_clause(text)) {
            return Err(Wrong::About(odd.clone()));
        }
        self.is_ready_for(state)
    }

    /// A nonconformity is corrected when correction, root cause, similar cases and action are said
    /// (10.2), an improvement when its action is; neither is closed before its effect is.
    fn is_ready_for(&self, state: State) -> Result<(), Wrong> {
        let whole = self.grade.is_nonconformity();
        let corrected = [
            ("the correction", &self.correction, whole),
            ("the root cause", &self.root_cause, whole),
            ("what was found of similar cases", &self.similar_cases, whole),
            ("the action", &self.action, true),
        ];
        let missing =
            |(_, text, needed): &&(&str, &String, bool)| *needed && text.trim().is_empty();
        if state >= State::Corrected
            && let Some((name, ..)) = corrected.iter().find(missing)
        {
            return Err(Wrong::Before(name, "corrected"));
        }
        if state == State::Closed && self.effectiveness.trim().is_empty() {
            return Err(Wrong::Before("the effectiveness", "closed"));
        }
        Ok(())
    }
}

/// Whether a finding may go from one state to another, or be revised in it.
pub fn step(from: State, to: State) -> Result<(), Wrong> {
    match (from, to) {
        (State::Closed, _) => Err(Wrong::Closed),
        (State::Open, State::Closed) => Err(Wrong::NotCorrected),
        _ => Ok(()),
    }
}

/// What a step is called in the log.
pub fn act(from: State, to: State) -> &'static str {
    match (from, to) {
        (State::Open, State::Corrected) => "finding_corrected",
        (State::Corrected, State::Open) => "finding_reopened",
        (State::Corrected, State::Closed) => "finding_closed",
        _ => "finding_revised",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(grade: Grade) -> Finding {
        Finding {
            title: "root logs in by password".into(),
            grade,
            source: Source::Audit,
            source_name: "surveillance 2026".into(),
            about: ["A.8.5".to_owned(), "8.1".to_owned()].into(),
            description: String::new(),
            owner: "platform".into(),
            due_us: 1,
            correction: String::new(),
            root_cause: String::new(),
            similar_cases: String::new(),
            action: String::new(),
            effectiveness: String::new(),
        }
    }

    fn check(finding: &Finding, state: State) -> Result<(), Wrong> {
        finding.check(state, |id| id == "A.8.5")
    }

    #[test]
    fn a_nonconformity_is_corrected_with_all_that_10_2_asks_and_an_improvement_with_its_action() {
        let mut held = finding(Grade::Minor);
        assert_eq!(check(&held, State::Open), Ok(()));
        for (name, field) in [
            ("the correction", 0),
            ("the root cause", 1),
            ("what was found of similar cases", 2),
            ("the action", 3),
        ] {
            assert_eq!(check(&held, State::Corrected), Err(Wrong::Before(name, "corrected")));
            let said = "said".to_owned();
            match field {
                0 => held.correction = said,
                1 => held.root_cause = said,
                2 => held.similar_cases = said,
                _ => held.action = said,
            }
        }
        assert_eq!(check(&held, State::Corrected), Ok(()));
        let before = Wrong::Before("the effectiveness", "closed");
        assert_eq!(check(&held, State::Closed), Err(before));
        held.effectiveness = "no password login since".into();
        assert_eq!(check(&held, State::Closed), Ok(()));
        let action = "tell people".to_owned();
        let improvement = Finding { action, ..finding(Grade::Opportunity) };
        assert_eq!(check(&improvement, State::Corrected), Ok(()));
    }

    #[test]
    fn it_is_about_controls_of_the_catalogue_or_clauses() {
        for text in ["4", "10.2", "6.1.3", "9.3.2 c", "A.8.5"] {
            let about = [text.to_owned()].into();
            let held = Finding { about, ..finding(Grade::Major) };
            assert_eq!(check(&held, State::Open), Ok(()), "{text}");
        }
        for text in ["3", "11.1", "A.9.9", "8.01", "8.", "", "8.1.1.1", "8.1 cc", "-8"] {
            let about = [text.to_owned()].into();
            let held = Finding { about, ..finding(Grade::Major) };
            let refused = Err(Wrong::About(text.to_owned()));
            assert_eq!(check(&held, State::Open), refused, "{text}");
        }
        let nothing = Finding { about: BTreeSet::new(), ..finding(Grade::Major) };
        assert!(check(&nothing, State::Open).is_err());
    }

    #[test]
    fn a_closed_finding_stays_closed_and_none_is_closed_at_once() {
        use State::*;
        for (from, to, may) in [
            (Open, Open, true),
            (Open, Corrected, true),
            (Open, Closed, false),
            (Corrected, Open, true),
            (Corrected, Closed, true),
            (Closed, Closed, false),
            (Closed, Open, false),
        ] {
            assert_eq!(step(from, to).is_ok(), may, "{from:?} {to:?}");
        }
        assert_eq!(Grade::Minor.sort(), "nonconformity");
        assert_eq!(Grade::Observation.sort(), "improvement");
    }
}
