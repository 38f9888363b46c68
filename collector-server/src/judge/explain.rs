//! Why a result is what it is: the rule and its version, parameters with the policy they follow,
//! and every fact that was read with its value and the place it came from. Pure: the same rule,
//! state and day give the same explanation, now and in a snapshot.

use super::cel;
use super::evaluate::{Step, Trace, judge_traced};
use super::load::RuleSet;
use super::outcome::{HostState, KindState, Outcome, Reason};
use super::rule::{Profile, Rule, Severity};
use evidence::{Digest, Source, Status};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Facts of one kind that are shown; the rest is counted.
const MAX_READS: usize = 200;
/// Members of a list of texts that are shown.
const MAX_MEMBERS: usize = 50;
/// What tells a record from its neighbours, the best first.
const LABELS: [&str; 8] = ["name", "id", "path", "user", "unit", "target", "port", "key"];
/// What a record says of the file it came from.
const FILES: [&str; 3] = ["file", "source", "path"];

/// A result with all that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub rule: String,
    pub title: String,
    /// Another digest is another version of the rule.
    pub version: Digest,
    /// The organisation wrote it.
    pub own: bool,
    pub severity: Severity,
    pub profile: Profile,
    pub controls: Vec<String>,
    pub rationale: String,
    pub remediation: String,
    pub not_shown: Option<String>,
    pub applies: Option<String>,
    pub guards: Vec<String>,
    pub expression: String,
    pub params: Vec<ParamShown>,
    /// The UTC day it was judged for, `YYYY-MM-DD`; none if the rule reads no day.
    pub today: Option<String>,
    pub outcome: Outcome,
    pub reason: Option<Reason>,
    pub offenders: Vec<String>,
    /// The step that decided.
    pub decided_by: Step,
    /// What of the step: a kind, a guard, a fact that is missing.
    pub detail: Option<String>,
    pub kinds: Vec<KindRead>,
}

/// A parameter of a rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParamShown {
    pub name: String,
    pub value: Value,
    /// None: nobody of the organisation has adopted the value.
    pub policy_ref: Option<String>,
    /// The policy, or the words for its absence.
    pub origin: String,
}

impl ParamShown {
    /// Every parameter of a rule, by name.
    pub fn of(rule: &Rule) -> Vec<Self> {
        let shown = |(name, value): (&String, &Value)| Self {
            name: name.clone(),
            value: value.clone(),
            policy_ref: rule.policies.get(name).cloned(),
            origin: rule.origin(name).to_string(),
        };
        rule.params.iter().map(shown).collect()
    }
}

/// A kind of evidence that the rule reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindRead {
    pub kind: String,
    /// None: the manifest does not name it.
    pub status: Option<Status>,
    pub facts: Option<Digest>,
    /// The version of its facts.
    pub v: Option<i64>,
    /// The lowest version that the rule can read.
    pub needs_v: Option<i64>,
    /// Where it was read from.
    pub sources: Vec<Source>,
    /// What was not read.
    pub unread: Vec<String>,
    /// What offends first.
    pub reads: Vec<Read>,
    /// Facts that were read and are not listed.
    pub left_out: usize,
}

/// One fact that the rule reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Read {
    /// `users[3].uid`.
    pub at: String,
    /// What the record it stands in is called: `toor`.
    pub of: Option<String>,
    /// None: it was not read on the host.
    pub value: Option<Value>,
    /// The file it came from, where the facts say so; else it is one of the kind's sources.
    pub file: Option<String>,
    pub line: Option<i64>,
    /// An offender is named as its record is.
    pub offends: bool,
}

impl Rule {
    /// The whole of it, as programs read it.
    pub fn described(&self) -> Value {
        json!({
            "id": self.id, "title": self.title, "version": self.digest, "own": self.own,
            "severity": self.severity, "profile": self.profile, "controls": self.controls,
            "evidence": self.evidence, "reads": self.reads, "reads_today": self.reads_today,
            "groups": self.groups, "params": ParamShown::of(self), "applies": self.applies,
            "guards": self.guards, "expression": self.expression, "rationale": self.rationale,
            "remediation": self.remediation, "not_shown": self.not_shown,
        })
    }
}

impl RuleSet {
    /// Explains what a rule of this set says of a state. `sources` are those of the kinds.
    pub fn explain(
        &self,
        rule: &Rule,
        host: &HostState,
        sources: &BTreeMap<String, Vec<Source>>,
        today: i64,
    ) -> Explanation {
        let judged = cel::on_large_stack(|| judge_traced(rule, self.known(), host, today));
        let (outcome, reason, offenders, trace) = match judged {
            Some((judged, trace)) if !self.is_refused() => {
                (judged.outcome, judged.reason, judged.offenders, trace)
            }
            _ => {
                let step = Step::Expression;
                let trace = Trace { step, detail: Some("the rules are refused".to_owned()) };
                (Outcome::Unknown, Some(Reason::RuleError), vec![], trace)
            }
        };
        let kind = |kind: &String| {
            let sources = sources.get(kind).cloned().unwrap_or_default();
            kind_read(rule, kind, host.kinds.get(kind), sources, &offenders)
        };
        Explanation {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            version: rule.digest,
            own: rule.own,
            severity: rule.severity,
            profile: rule.profile,
            controls: rule.controls.clone(),
            rationale: rule.rationale.clone(),
            remediation: rule.remediation.clone(),
            not_shown: rule.not_shown.clone(),
            applies: rule.applies.clone(),
            guards: rule.guards.clone(),
            expression: rule.expression.clone(),
            params: ParamShown::of(rule),
            today: rule.reads_today.then(|| date(today)),
            kinds: rule.evidence.iter().map(kind).collect(),
            outcome,
            reason,
            decided_by: trace.step,
            detail: trace.detail,
            offenders,
        }
    }
}

/// A day since the epoch as a date.
fn date(day: i64) -> String {
    let at = jiff::Timestamp::from_second(day.saturating_mul(86_400));
    at.map_or_else(|_| format!("day {day}"), |at| at.strftime("%Y-%m-%d").to_string())
}

fn kind_read(
    rule: &Rule,
    kind: &str,
    state: Option<&KindState>,
    sources: Vec<Source>,
    offenders: &[String],
) -> KindRead {
    let facts = state.and_then(|state| state.facts.as_ref());
    let mut reads = Vec::new();
    let prefix = format!("{kind}.");
    for path in rule.reads.iter().filter_map(|path| path.strip_prefix(&prefix)) {
        let steps: Vec<&str> = path.split('.').collect();
        if let Some(facts) = facts {
            Walk { reads: &mut reads, offenders }.walk(&facts.data, &steps, &Here::default());
        }
    }
    let ranks = ranks(&reads);
    // A stable sort: what offends comes first, and what is of one record stands together.
    reads.sort_by_key(|read| (!read.offends, ranks.get(record(&read.at)).copied()));
    let left_out = reads.len().saturating_sub(MAX_READS);
    reads.truncate(MAX_READS);
    KindRead {
        kind: kind.to_owned(),
        status: state.map(|state| state.status),
        facts: facts.map(|facts| facts.id()),
        v: facts.map(|facts| facts.v),
        needs_v: rule.since.get(kind).copied(),
        sources,
        unread: state.map(|state| state.unread.clone()).unwrap_or_default(),
        reads,
        left_out,
    }
}

/// The record that a fact stands in: `users[3]` of `users[3].uid`; nothing on top.
fn record(at: &str) -> &str {
    at.rfind(']').and_then(|end| at.get(..=end)).unwrap_or_default()
}

/// The order of records, by their first fact.
fn ranks(reads: &[Read]) -> BTreeMap<String, usize> {
    let mut ranks = BTreeMap::new();
    for read in reads {
        let next = ranks.len();
        ranks.entry(record(&read.at).to_owned()).or_insert(next);
    }
    ranks
}

/// Where in the facts the walk stands.
#[derive(Clone, Default)]
struct Here {
    at: String,
    of: Option<String>,
    file: Option<String>,
    line: Option<i64>,
}

struct Walk<'a> {
    reads: &'a mut Vec<Read>,
    offenders: &'a [String],
}

impl Walk<'_> {
    fn walk(&mut self, value: &Value, steps: &[&str], here: &Here) {
        match (value, steps.split_first()) {
            (Value::Array(items), Some(_)) => {
                for (n, item) in items.iter().enumerate() {
                    let at = format!("{}[{n}]", here.at);
                    self.walk(item, steps, &Here { at, ..here.clone() });
                }
            }
            (Value::Object(members), Some((step, rest))) => {
                let mut here = here.in_record(members);
                let dot = if here.at.is_empty() { "" } else { "." };
                here.at = format!("{}{dot}{step}", here.at);
                match members.get(*step) {
                    Some(member) => self.walk(member, rest, &here),
                    None => self.found(None, &here),
                }
            }
            (value, None) => self.found(Some(shown(value)), here),
            // Facts of another shape than the kind's: there is no such field.
            (_, Some(_)) => self.found(None, here),
        }
    }

    fn found(&mut self, value: Option<Value>, here: &Here) {
        let named = |of: &String| self.offenders.iter().any(|offender| names(offender, of));
        self.reads.push(Read {
            at: here.at.clone(),
            of: here.of.clone(),
            value,
            file: here.file.clone(),
            line: here.line,
            offends: here.of.as_ref().is_some_and(named),
        });
    }
}

impl Here {
    /// With what a record says of itself.
    fn in_record(&self, members: &serde_json::Map<String, Value>) -> Self {
        let mut here = self.clone();
        let text = |key: &&str| match members.get(*key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        // What is on top of a kind's facts names no record.
        if !self.at.is_empty() {
            here.of = LABELS.iter().find_map(text).or(here.of);
        }
        if let Some(file) = FILES.iter().find_map(text).filter(|file| file.starts_with('/')) {
            (here.file, here.line) = (Some(file), None);
        }
        if let Some(line) = members.get("line").and_then(Value::as_i64) {
            here.line = Some(line);
        }
        here
    }
}

/// Whether an offender begins with a name, or has it as one of its words.
fn names(offender: &str, name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    offender.match_indices(name).any(|(at, _)| {
        let before = offender[..at].chars().next_back().is_some_and(inside);
        let after = offender[at + name.len()..].chars().next().is_some_and(inside);
        !name.is_empty() && !before && !after
    })
}

/// A value that can be read: of records there is only their number, and long lists are cut.
fn shown(value: &Value) -> Value {
    match value {
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            Value::from(format!("{} members", items.len()))
        }
        Value::Array(items) if items.len() > MAX_MEMBERS => {
            let more = Value::from(format!("… and {} more", items.len() - MAX_MEMBERS));
            Value::Array(items.iter().take(MAX_MEMBERS).cloned().chain([more]).collect())
        }
        Value::Object(members) => Value::from(format!("{} members", members.len())),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
