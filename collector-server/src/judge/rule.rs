//! A rule as it is written in TOML, and as the rest of the product sees it.

use super::cel::Program;
use super::overlay::{OwnControl, Setting, SwitchOff};
use crate::place;
use evidence::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use toml::Spanned;

/// How much a failure matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Which set of rules it belongs to; each contains the ones before, `optional` stands alone.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Holds on any well-kept host.
    Essential,
    /// Holds after ordinary hardening.
    Standard,
    /// Holds where much is asked.
    Hardened,
    /// Depends on the organisation.
    Optional,
}

impl Profile {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Essential => "essential",
            Self::Standard => "standard",
            Self::Hardened => "hardened",
            Self::Optional => "optional",
        }
    }
}

/// A loaded rule. It has been checked against the kinds, and its examples behave.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    pub title: String,
    /// At most three, all in the catalogue; none for a rule about the collection itself.
    pub controls: Vec<String>,
    pub severity: Severity,
    /// Kinds the rule reads, sorted.
    pub evidence: Vec<String>,
    pub rationale: String,
    pub remediation: String,
    /// What a pass leaves open.
    pub not_shown: Option<String>,
    pub profile: Profile,
    /// Dotted paths of the facts it reads, kind first (`accounts.users.uid`), guards included.
    pub reads: BTreeSet<String>,
    /// Whether the result depends on the day.
    pub reads_today: bool,
    /// Lowest version of a kind's facts that it needs.
    pub since: BTreeMap<String, i64>,
    /// Parameters as JSON, by name.
    pub params: BTreeMap<String, serde_json::Value>,
    /// The organisation's policy that a parameter follows, by name of the parameter.
    pub policies: BTreeMap<String, String>,
    /// Whether the organisation wrote it; the others came with the product.
    pub own: bool,
    /// Groups whose hosts it judges; empty: all hosts.
    pub groups: Vec<String>,
    /// When it applies, as written.
    pub applies: Option<String>,
    /// What must hold of the facts before it judges, as written: of its kinds, then its own.
    pub guards: Vec<String>,
    /// How many examples it has; all behave.
    pub examples: usize,
    /// The expression as written.
    pub expression: String,
    /// Names all that its verdict depends on beside facts and day: expressions, parameters, kinds,
    /// versions; severity and controls too, as they give the verdict its weight.
    pub digest: Digest,
    pub(super) compiled: Arc<Compiled>,
}

impl Rule {
    /// Where the value of a parameter comes from, in words.
    pub fn origin(&self, param: &str) -> Origin<'_> {
        match self.policies.get(param) {
            Some(policy) => Origin::Policy(policy),
            None if self.own => Origin::OwnRule,
            None => Origin::Vendor,
        }
    }
}

/// Where the value of a parameter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The organisation said so, and names where it decided it.
    Policy(&'a str),
    /// The organisation's own rule has it and names no policy.
    OwnRule,
    /// The product's, and nobody has adopted it.
    Vendor,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(policy) => f.write_str(policy),
            Self::OwnRule => f.write_str("own rule, no policy named"),
            Self::Vendor => f.write_str("vendor default, not adopted"),
        }
    }
}

/// An expression that has been checked.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    pub(super) program: Program,
    /// Dotted paths of the facts it reads, kind first.
    pub(super) reads: BTreeSet<String>,
}

/// What is evaluated, in this order.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) applies: Option<Expression>,
    /// Those of the kinds, then the rule's own.
    pub(super) guards: Vec<Expression>,
    /// `passes` or `offenders`; the check at loading has fixed which type it gives.
    pub(super) verdict: Expression,
    /// The parameters as one object, bound to `p`.
    pub(super) params: serde_json::Value,
}

/// A rule file is refused. Correct it at the place named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}:{line}:{column}: {}{message}{}",
    rule.as_ref().map(|rule| format!("rule `{rule}`: ")).unwrap_or_default(),
    suggestion.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
)]
pub struct RuleError {
    pub file: String,
    /// From 1; 0 when the fault has no place in the file.
    pub line: usize,
    pub column: usize,
    pub rule: Option<String>,
    pub message: String,
    pub suggestion: Option<String>,
}

/// A file of rules: one kind's rules, and what must hold of each kind before it is judged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// Kind → expression that is true on any real host.
    #[serde(default)]
    pub(super) guard: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(super) rule: Vec<Spanned<Written>>,
    /// The rest is the organisation's to say.
    #[serde(default)]
    pub(super) control: Vec<Spanned<OwnControl>>,
    #[serde(default)]
    pub(super) param: Vec<Spanned<Setting>>,
    #[serde(default)]
    pub(super) off: Vec<Spanned<SwitchOff>>,
}

/// A rule as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) id: Spanned<String>,
    pub(super) title: String,
    pub(super) controls: Spanned<Vec<Spanned<String>>>,
    pub(super) severity: Severity,
    pub(super) evidence: Spanned<Vec<Spanned<String>>>,
    pub(super) applies: Option<Spanned<String>>,
    pub(super) guard: Option<Spanned<String>>,
    pub(super) offenders: Option<Spanned<String>>,
    pub(super) passes: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) since: BTreeMap<String, i64>,
    #[serde(default)]
    pub(super) params: BTreeMap<String, Spanned<toml::Value>>,
    pub(super) rationale: String,
    pub(super) remediation: String,
    pub(super) not_shown: Option<String>,
    pub(super) profile: Profile,
    /// Groups whose hosts it judges; left out: all hosts.
    pub(super) groups: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) example: Vec<Spanned<Example>>,
}

/// Facts, and what the rule must say of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    pub(super) name: String,
    pub(super) expect: super::Outcome,
    /// Kind → its `data`; fields the rule does not read may be left out.
    #[serde(default)]
    pub(super) facts: BTreeMap<String, serde_json::Value>,
    /// Kind → status, where it is not `ok`.
    #[serde(default)]
    pub(super) status: BTreeMap<String, evidence::Status>,
    /// Kind → paths that were not read.
    #[serde(default)]
    pub(super) unread: BTreeMap<String, Vec<String>>,
    /// `YYYY-MM-DD`; needed by rules that read `today`.
    pub(super) today: Option<String>,
    /// The exact list, for `fail`.
    pub(super) offenders: Option<Vec<String>>,
    /// The exact reason, for `unknown`.
    pub(super) reason: Option<super::Reason>,
}

/// A rule file with its name: where errors are placed.
#[derive(Clone, Copy)]
pub(super) struct SourceFile<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl SourceFile<'_> {
    /// Reads the file strictly.
    pub(super) fn parse(&self) -> Result<Document, RuleError> {
        toml::from_str(self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let suggestion = place::suggestion_of(error.message());
            RuleError { suggestion, ..self.error(offset, None, error.message().to_owned()) }
        })
    }

    pub(super) fn error(&self, offset: usize, rule: Option<&str>, message: String) -> RuleError {
        let (line, column) = place::line_column(self.text, offset);
        RuleError {
            file: self.name.to_owned(),
            line,
            column,
            rule: rule.map(str::to_owned),
            message,
            suggestion: None,
        }
    }

    /// Offset of `word` inside a value of the file; the value's own start if it is not there.
    pub(super) fn offset_of(&self, span: std::ops::Range<usize>, word: Option<&str>) -> usize {
        let value = self.text.get(span.clone()).unwrap_or_default();
        span.start + word.and_then(|word| place::find_word(value, word)).unwrap_or(0)
    }
}
