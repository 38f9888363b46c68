//! What differs between two archives, and drawing from one. Both read the documents of hosts one by
//! one; whether an archive holds is for `verify` to say.

use super::SnapshotError;
use super::archive::Archive;
use super::document::{Head, HostDocument, ResultDocument, Sampling};
use super::sample::{self, Draw, Ranked};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

/// Largest document that is read.
const MAX_DOCUMENT: u64 = 256 << 20;

/// What changed from one snapshot to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub before_us: i64,
    pub after_us: i64,
    /// The rules in force are others: results may differ for that alone.
    pub other_rules: bool,
    /// Hosts that only one of them has, by id with their names.
    pub added: BTreeMap<String, String>,
    pub gone: BTreeMap<String, String>,
    /// Results at the end that differ.
    pub results: Vec<Changed>,
    pub unchanged: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub host: String,
    pub name: String,
    pub rule: String,
    /// None: no rule of that name judged it.
    pub was: Option<String>,
    pub is: Option<String>,
    pub offenders: Vec<String>,
}

/// Compares what held at the end of two snapshots.
pub fn compare<A: Read + Seek, B: Read + Seek>(
    before: &mut Archive<A>,
    after: &mut Archive<B>,
) -> Result<Difference, SnapshotError> {
    let (was, is): (Head, Head) = (read(before, HEAD)?, read(after, HEAD)?);
    let mut found = Difference {
        before_us: was.pins.at_us,
        after_us: is.pins.at_us,
        other_rules: was.rules != is.rules,
        ..Difference::default()
    };
    let (old, new) = (hosts(before), hosts(after));
    for name in old.union(&new) {
        let was: Option<HostDocument> = old.get(name).map(|n| read(before, n)).transpose()?;
        let is: Option<HostDocument> = new.get(name).map(|n| read(after, n)).transpose()?;
        match (was, is) {
            (Some(was), Some(is)) => found.host(&was, &is),
            (Some(was), None) => drop(found.gone.insert(was.host.to_string(), was.name)),
            (None, Some(is)) => drop(found.added.insert(is.host.to_string(), is.name)),
            (None, None) => {}
        }
    }
    Ok(found)
}

/// Draws from the populations of an archive: days of hosts first, then failures.
pub fn draw<R: Read + Seek>(
    archive: &mut Archive<R>,
    sampling: &Sampling,
) -> Result<Vec<Ranked>, SnapshotError> {
    let head: Head = read(archive, HEAD)?;
    let (mut of_days, mut of_failures) = (Draw::new(sampling), Draw::new(sampling));
    for name in hosts(archive) {
        let host: HostDocument = read(archive, &name)?;
        let (days, failures) = sample::items(&host, &head.pins);
        days.into_iter().for_each(|item| of_days.add(item));
        failures.into_iter().for_each(|item| of_failures.add(item));
    }
    Ok(of_days.drawn().iter().chain(of_failures.drawn()).cloned().collect())
}

const HEAD: &str = "snapshot.json";

fn hosts<R>(archive: &Archive<R>) -> BTreeSet<String> {
    let within = archive.files.range("hosts/".to_owned().."hosts0".to_owned());
    within.map(|(name, _)| name.clone()).collect()
}

fn read<R: Read + Seek, T: DeserializeOwned>(
    archive: &mut Archive<R>,
    name: &str,
) -> Result<T, SnapshotError> {
    let other = |error: &dyn std::fmt::Display| SnapshotError::Other(format!("{name}: {error}"));
    let bytes = archive.bytes(name, MAX_DOCUMENT).map_err(|error| other(&error))?;
    let bytes = bytes.ok_or_else(|| other(&"is missing"))?;
    serde_json::from_slice(&bytes).map_err(|error| other(&error))
}

impl Difference {
    fn host(&mut self, was: &HostDocument, is: &HostDocument) {
        let (mut old, new) = (held(was), held(is));
        for (rule, now) in new {
            let before = old.remove(rule);
            if before.is_some_and(|b| (&b.outcome, &b.offenders) == (&now.outcome, &now.offenders))
            {
                self.unchanged += 1;
            } else {
                self.changed(is, rule, before, Some(now));
            }
        }
        for (rule, before) in old {
            self.changed(is, rule, Some(before), None);
        }
    }

    fn changed(
        &mut self,
        host: &HostDocument,
        rule: &str,
        was: Option<&ResultDocument>,
        is: Option<&ResultDocument>,
    ) {
        self.results.push(Changed {
            host: host.host.to_string(),
            name: host.name.clone(),
            rule: rule.to_owned(),
            was: was.map(|row| row.outcome.clone()),
            is: is.map(|row| row.outcome.clone()),
            offenders: is.map(|row| row.offenders.clone()).unwrap_or_default(),
        });
    }

    /// For people.
    pub fn says(&self) -> String {
        let mut text = format!(
            "{} results changed, {} did not; {} hosts came, {} went.",
            self.results.len(),
            self.unchanged,
            self.added.len(),
            self.gone.len()
        );
        if self.other_rules {
            text += "\nThe rules in force are others: results may differ for that alone.";
        }
        for (sign, hosts) in [("+", &self.added), ("-", &self.gone)] {
            for (id, name) in hosts {
                text += &format!("\n{sign} {id} {}", plain(name));
            }
        }
        for row in &self.results {
            let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "none".to_owned());
            text += &format!(
                "\n{} {}: {} → {} {}",
                plain(&row.name),
                row.rule,
                word(&row.was),
                word(&row.is),
                plain(&row.offenders.join(", "))
            );
        }
        text
    }
}

/// Hosts choose their names: nothing of them controls a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn held(host: &HostDocument) -> BTreeMap<&str, &ResultDocument> {
    let rows = host.results.iter().filter(|row| row.holds());
    rows.map(|row| (row.rule.as_str(), row)).collect()
}
