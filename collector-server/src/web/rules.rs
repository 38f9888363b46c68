//! The rules that judge: how far each reaches, whose parameters it has, and what is switched off.

use super::controls::CountCells;
use super::counts::Ledger;
use super::host::ControlLink;
use super::input::{Now, Rule};
use super::page::{Frame, When, control_path, count, plural, rule_path};
use crate::judge::{self, RuleSet};
use crate::store::OverlayVersion;
use askama::Template;

#[derive(Template)]
#[template(path = "rules.html")]
pub struct RulesPage {
    pub frame: Frame,
    pub says: String,
    /// Why the overlay that is active is not in use.
    pub refused: Option<String>,
    pub profiles: Vec<ProfileGroup>,
    pub off: Vec<OffLine>,
    pub versions: Vec<VersionLine>,
}

pub struct ProfileGroup {
    pub title: &'static str,
    pub says: String,
    pub rows: Vec<RuleLine>,
}

pub struct RuleLine {
    pub id: String,
    pub path: String,
    pub title: String,
    pub severity: &'static str,
    pub own: bool,
    pub controls: Vec<ControlLink>,
    pub counts: CountCells,
    /// Whose parameters it has.
    pub params: String,
    /// Which groups it does not judge, or alone.
    pub hosts: String,
}

pub struct OffLine {
    pub id: String,
    pub path: String,
    pub title: String,
    pub severity: &'static str,
    pub hosts: String,
    pub reason: String,
}

pub struct VersionLine {
    pub version: i64,
    pub at: When,
    pub actor: String,
    pub log_index: i64,
    pub overlay: String,
    pub active: bool,
}

pub struct Input<'a> {
    pub now: Now<'a>,
    pub rules: &'a RuleSet,
    pub overlay: Option<&'a OverlayVersion>,
    pub refused: Option<&'a str>,
    /// The last one first.
    pub versions: &'a [OverlayVersion],
}

const PROFILES: [&str; 4] = ["essential", "standard", "hardened", "optional"];

pub fn page(frame: Frame, input: &Input<'_>) -> RulesPage {
    let ledger = Ledger::of(&input.now);
    let profile = |title: &'static str| {
        let rules = input.now.rules.iter().filter(|rule| rule.profile == title);
        let mut rows: Vec<_> =
            rules.map(|rule| (rule.severity, line(rule, input, &ledger))).collect();
        rows.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
        let says = plural(rows.len(), "rule");
        (!rows.is_empty()).then_some(ProfileGroup { title, says, rows })
    };
    let off = input.rules.off().into_iter().map(off_line).collect();
    RulesPage {
        frame,
        says: says(input, ledger.population.enrolled()),
        refused: input.refused.map(str::to_owned),
        profiles: PROFILES.into_iter().filter_map(profile).collect(),
        off,
        versions: input.versions.iter().map(|version| version_line(version, input)).collect(),
    }
}

fn says(input: &Input<'_>, enrolled: usize) -> String {
    let own = input.rules.rules().iter().filter(|rule| rule.own).count();
    let overlay = match input.overlay {
        Some(overlay) => format!("version {} of the overlay", overlay.version),
        None => "no overlay".to_owned(),
    };
    let rules = plural(input.now.rules.len(), "rule");
    format!(
        "{rules} judge, {own} of your own; {overlay}; counts are of {} enrolled hosts",
        count(enrolled as u64)
    )
}

fn line(rule: &Rule, input: &Input<'_>, ledger: &Ledger<'_>) -> RuleLine {
    let judging = input.rules.get(&rule.id);
    let link = |id: &String| ControlLink { id: id.clone(), path: control_path(id) };
    RuleLine {
        id: rule.id.clone(),
        path: rule_path(&rule.id),
        title: rule.title.clone(),
        severity: rule.severity.word(),
        own: judging.is_some_and(|rule| rule.own),
        controls: rule.controls.iter().map(link).collect(),
        counts: CountCells::of(&ledger.rule(&rule.id)),
        params: judging.map(params).unwrap_or_default(),
        hosts: rule.coverage.says(),
    }
}

/// How many of a rule's parameters follow a policy.
fn params(rule: &judge::Rule) -> String {
    let (all, adopted) = (rule.params.len(), rule.policies.len());
    match (all, adopted) {
        (0, _) => String::new(),
        (all, 0) if rule.own => format!("{all}, no policy named"),
        (all, 0) => format!("{all}, not adopted"),
        (all, adopted) => format!("{adopted} of {all} adopted"),
    }
}

fn off_line(off: &judge::Off) -> OffLine {
    OffLine {
        id: off.rule.clone(),
        path: rule_path(&off.rule),
        title: off.title.clone(),
        severity: off.severity.as_str(),
        hosts: off.group.clone().unwrap_or_else(|| "all hosts".to_owned()),
        reason: off.reason.clone(),
    }
}

fn version_line(version: &OverlayVersion, input: &Input<'_>) -> VersionLine {
    VersionLine {
        version: version.version,
        at: When::cell(version.at_us),
        actor: version.actor.clone(),
        log_index: version.log_index,
        overlay: version.overlay.chars().take(16).collect(),
        active: input.overlay == Some(version),
    }
}

#[cfg(test)]
mod tests;
