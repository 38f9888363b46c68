//! How two rule sets differ, group by group.

use super::load::RuleSet;
use super::rule::{Rule, Severity};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One difference: a rule that judges hosts of a group in another way than before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub rule: String,
    /// None: hosts of all groups that nothing is said of.
    pub group: Option<String>,
    pub change: Change,
    pub severity: Severity,
    /// What was, and what will be, where a few words can say it.
    pub before: Value,
    pub after: Value,
}

/// In what way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Added,
    Removed,
    SwitchedOff,
    SwitchedOn,
    /// Only its parameters or the policies they follow.
    Parameters,
    /// Anything else of it.
    Rewritten,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::SwitchedOff => "switched_off",
            Self::SwitchedOn => "switched_on",
            Self::Parameters => "parameters",
            Self::Rewritten => "rewritten",
        }
    }
}

/// Every difference, by rule; what is the same for a group as for all hosts is told once.
pub fn differences(before: &RuleSet, after: &RuleSet) -> Vec<Difference> {
    let mut found = in_group(before, after, "");
    let everywhere: Vec<_> = found.iter().map(told).collect();
    let groups: BTreeSet<&str> = before.groups().chain(after.groups()).collect();
    for group in groups {
        let mut of_group = in_group(before, after, group);
        of_group.retain(|difference| !everywhere.contains(&told(difference)));
        found.extend(
            of_group
                .into_iter()
                .map(|difference| Difference { group: Some(group.to_owned()), ..difference }),
        );
    }
    found.sort_by(|a, b| (&a.rule, &a.group).cmp(&(&b.rule, &b.group)));
    found
}

fn told(difference: &Difference) -> (String, String) {
    let what = json!([difference.change, difference.before, difference.after]);
    (difference.rule.clone(), what.to_string())
}

fn in_group(before: &RuleSet, after: &RuleSet, group: &str) -> Vec<Difference> {
    let of = |rules: &RuleSet| -> BTreeMap<String, Rule> {
        rules.rules_of(group).map(|rule| (rule.id.clone(), rule.clone())).collect()
    };
    let (old, new) = (of(before), of(after));
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let reason = |rules: &RuleSet, id: &str| {
        let off = rules.off_of(group).iter().find(|off| off.rule == id);
        off.map(|off| Value::from(off.reason.clone()))
    };
    let difference = |id: &String| {
        let (old, new) = (old.get(id), new.get(id));
        let (change, from, to) = match (old, new) {
            (Some(old), Some(new)) => changed(old, new)?,
            (Some(_), None) => match reason(after, id) {
                Some(reason) => (Change::SwitchedOff, Value::Null, reason),
                None => (Change::Removed, Value::Null, Value::Null),
            },
            _ => match reason(before, id) {
                Some(reason) => (Change::SwitchedOn, reason, Value::Null),
                None => (Change::Added, Value::Null, Value::Null),
            },
        };
        let severity = new.or(old)?.severity;
        let rule = id.clone();
        Some(Difference { rule, group: None, change, severity, before: from, after: to })
    };
    ids.into_iter().filter_map(difference).collect()
}

fn changed(old: &Rule, new: &Rule) -> Option<(Change, Value, Value)> {
    let words = |rule: &Rule| {
        let param = |(name, value): (&String, &Value)| {
            (name.clone(), json!({"value": value, "policy_ref": rule.policies.get(name)}))
        };
        rule.params.iter().map(param).collect::<serde_json::Map<_, _>>().into()
    };
    let (from, to): (Value, Value) = (words(old), words(new));
    let same = |rule: &Rule| Rule { params: BTreeMap::new(), ..rule.clone() };
    if super::load::digest(&same(old)) != super::load::digest(&same(new)) {
        return Some((Change::Rewritten, from, to));
    }
    (from != to).then_some((Change::Parameters, from, to))
}
