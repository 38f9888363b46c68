//! Populations: who and what is there, read from facts by a declaration. Pure.
//!
//! A source that was not read whole makes the population unknown: an absent list is no empty one.

use evidence::{Facts, KindEntry, Status};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const BUILTIN: &str = include_str!("../../config/populations.toml");
/// Longest text of a member, in bytes; a longer one is told by its beginning and a digest.
const MAX_MEMBER: usize = 300;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    pub id: String,
    pub title: String,
    pub severity: String,
    /// Somebody is called at once.
    pub page: bool,
    /// Rules whose offenders are members.
    pub rules: Vec<String>,
    /// An access review goes through it.
    pub review: bool,
    pub from: Vec<From>,
}

/// Where members are read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    pub kind: String,
    /// Dotted path to a list.
    pub list: String,
    /// Text with fields in braces; none for a list of strings.
    pub member: Option<String>,
    #[serde(default)]
    pub only: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    pub but: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    population: Vec<Population>,
}

/// A kind as a host has it: its entry and, where they have arrived, its facts.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub entry: &'a KindEntry,
    pub facts: Option<&'a Facts>,
}

/// The populations that the program brings.
pub fn all() -> &'static [Population] {
    static ALL: LazyLock<Vec<Population>> = LazyLock::new(|| {
        let read = toml::from_str::<File>(BUILTIN);
        // A test holds the embedded file to this.
        read.map(|file| file.population).unwrap_or_default()
    });
    &ALL
}

pub fn find(id: &str) -> Option<&'static Population> {
    all().iter().find(|population| population.id == id)
}

/// The populations whose members are offenders of a rule.
pub fn of_rule(rule: &str) -> impl Iterator<Item = &'static Population> {
    all().iter().filter(move |population| population.rules.iter().any(|id| id == rule))
}

impl Population {
    /// Who is in it; none where a source does not prove it.
    pub fn members<'a>(&self, seen: impl Fn(&str) -> Option<Seen<'a>>) -> Option<BTreeSet<String>> {
        let mut members = BTreeSet::new();
        for from in &self.from {
            members.extend(from.members(seen(&from.kind)?)?);
        }
        Some(members)
    }
}

impl From {
    fn members(&self, seen: Seen<'_>) -> Option<BTreeSet<String>> {
        match seen.entry.status {
            Status::NotApplicable => return Some(BTreeSet::new()),
            Status::Ok | Status::Partial => {}
            _ => return None,
        }
        let top = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
        if seen.entry.unread.iter().any(|path| top(path) == top(&self.list)) {
            return None;
        }
        let mut at = &seen.facts?.data;
        for step in self.list.split('.') {
            at = at.get(step)?;
        }
        let mut members = BTreeSet::new();
        for item in at.as_array()? {
            if self.is_in(item)? {
                members.insert(short(self.text(item)?));
            }
        }
        Some(members)
    }

    /// Whether an entry is a member; none where a field that says so is absent.
    fn is_in(&self, item: &Value) -> Option<bool> {
        for (field, values) in &self.only {
            if !values.contains(item.get(field)?) {
                return Some(false);
            }
        }
        for (field, values) in &self.but {
            if values.contains(item.get(field)?) {
                return Some(false);
            }
        }
        Some(true)
    }

    fn text(&self, item: &Value) -> Option<String> {
        let Some(template) = &self.member else { return item.as_str().map(str::to_owned) };
        let mut text = String::new();
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (field, after) = after.split_once('}')?;
            text.push_str(before);
            match item.get(field)? {
                Value::String(word) => text.push_str(word),
                other => text.push_str(&other.to_string()),
            }
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }
}

/// What a host says has no bound; a list has.
fn short(text: String) -> String {
    if text.len() <= MAX_MEMBER {
        return text;
    }
    let digest = evidence::Digest::of(text.as_bytes()).to_string();
    let end = (0..=MAX_MEMBER).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… {}", &text[..end], &digest[..16])
}

#[cfg(test)]
pub(crate) mod tests;
